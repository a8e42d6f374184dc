"""`metasynth doctor`: the machine, and the models of a run, asked as the run will ask them."""
