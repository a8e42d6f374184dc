"""Vectors of texts: computing, caching, clustering."""
