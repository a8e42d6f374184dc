"""`python -m metasynth`."""

from metasynth.cli import main

main()
