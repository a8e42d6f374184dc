"""`metasynth student`."""
