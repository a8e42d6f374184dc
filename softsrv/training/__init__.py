"""Training a soft prompt."""
