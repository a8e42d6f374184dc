"""Evaluation: diversity, distance to a target, coverage, contamination; each with its settings.

`measured` gives all metrics of one corpus as plain data.
"""
