"""The command line: parse, call compose, print. Slow libraries are imported inside commands."""
