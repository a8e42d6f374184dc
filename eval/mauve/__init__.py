"""MAUVE."""
