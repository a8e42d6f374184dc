"""Conductors: the tools by which they decide, their prompts and their briefs."""
