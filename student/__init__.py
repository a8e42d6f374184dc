"""The student: scoring, selection and fine-tuning of the model that learns from the corpus.

They arrive with their own issue; this folder holds their place.
"""

__all__: list[str] = []
