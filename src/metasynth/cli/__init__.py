"""The command line: parse, call compose, print. Slow libraries are imported inside commands."""

from .main import main

__all__ = ["main"]
