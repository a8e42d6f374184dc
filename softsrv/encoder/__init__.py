"""From a text to its context vector."""
