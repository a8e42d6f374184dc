"""`python -m metasynth`."""

from metasynth.cli.main import main

main()
