"""Evaluation: diversity, distance to a target, contamination, tasks, report.

This folder holds the place of a part that is not built yet.
"""

__all__: list[str] = []
