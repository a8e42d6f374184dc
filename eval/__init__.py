"""Evaluation: diversity, distance to a target, coverage, contamination; each with its settings.

`measurement.measure` gives all metrics of one corpus, `comparison.compare` those of several on
equal draws. A metric is one file in `metrics`.
"""
