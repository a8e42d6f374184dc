"""Records, seeds and documents, the run directory, and the shapes that trainers read."""
