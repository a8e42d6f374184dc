"""Scores of rows by every criterion."""
