"""Samples from soft prompts, and the files of samples that every method writes."""
