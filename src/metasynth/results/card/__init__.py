"""The card of an exported data set."""
