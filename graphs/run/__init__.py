"""What every graph of a run shares: budget, calls, threads, state."""
