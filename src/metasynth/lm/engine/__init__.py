"""Generation in running batches."""
