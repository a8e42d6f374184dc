"""Checkable small domains."""
