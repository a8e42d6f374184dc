"""Questions on their way through answer and gate."""
