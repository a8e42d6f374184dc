"""A model asked the questions of a task."""
