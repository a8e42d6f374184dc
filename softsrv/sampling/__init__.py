"""Samples from soft prompts and from the template baselines."""
