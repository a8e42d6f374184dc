"""The Task2Vec diversity coefficient."""
