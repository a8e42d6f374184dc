"""From samples to candidates."""
