"""Which seed a record starts from."""
