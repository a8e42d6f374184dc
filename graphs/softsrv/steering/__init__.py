"""The frozen model with its soft prompt, and what is drawn from both."""
