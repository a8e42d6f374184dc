"""The shapes in which records are exported, one a file."""
