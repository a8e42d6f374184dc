"""Parameterisations of the soft prompt, one a file, called by the file's name in a run file."""
