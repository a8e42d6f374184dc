"""The checks of the package, one file each; a run file names those it wants in `gate.checks`."""
