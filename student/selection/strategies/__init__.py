"""Strategies of selection, one file each."""
