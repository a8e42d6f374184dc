"""The model that the package carries: its weights, and what it is asked in place of a prompt."""
