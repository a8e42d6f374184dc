"""The student: scoring, selection and fine-tuning of the model that learns.

This folder holds the place of a part that is not built yet.
"""

__all__: list[str] = []
