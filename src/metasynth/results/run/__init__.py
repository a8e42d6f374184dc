"""A run directory as data."""
