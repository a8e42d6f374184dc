"""The student of a run, and what it is asked."""
