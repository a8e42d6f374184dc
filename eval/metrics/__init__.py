"""Metrics, one a file: a metric is called by its file's name."""
