"""`metasynth roles`."""
