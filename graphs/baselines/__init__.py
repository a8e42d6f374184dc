"""The baselines: one prompt a record, Self-Instruct, Evol-Instruct."""
