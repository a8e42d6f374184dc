"""metasynth: agents that write training data for language models."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("metasynth-agents")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
