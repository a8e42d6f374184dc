"""What a run remembers: its records, its model calls, and a store that finds what is near."""
