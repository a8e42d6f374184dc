"""The run file: its sections, reading it, and its JSON schema."""
