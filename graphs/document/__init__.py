"""The document graph."""
