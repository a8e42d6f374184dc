"""Checkable small domains: worlds small enough that code can write, read and verify documents."""
