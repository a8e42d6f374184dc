"""Which rows of a pool are taken."""
