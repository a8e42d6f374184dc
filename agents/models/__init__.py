"""Chat models: a hosted endpoint, a model in this process, or the one that the package carries."""
