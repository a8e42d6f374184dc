"""The package's roles, read before processes are forked, so that each need not read them anew."""

from metasynth.agents.roles.book import load_roles

load_roles(["library:finance"])
