"""Rows of benchmarks as questions."""
