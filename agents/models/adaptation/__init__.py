"""Requests as one endpoint's model takes them: what it refused by name is changed once."""
