"""The graph active and the stages of its rounds."""
