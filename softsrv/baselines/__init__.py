"""The template baselines: a teacher is shown rows of the target and asked for others."""
