"""Providers of chat models, one file each, called by the file's name."""
