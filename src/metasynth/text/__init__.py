"""Measures of text that need no model, and texts out of files."""
