"""The student: scoring, selection and fine-tuning of the model that learns."""
