"""Evaluation: diversity, distance to a target, contamination, downstream tasks and the report.

They arrive with their own issue; this folder holds their place.
"""

__all__: list[str] = []
