"""`metasynth softsrv`."""
