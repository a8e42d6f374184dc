"""Criteria of scores, one file each."""
