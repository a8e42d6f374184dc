"""`metasynth eval`."""
