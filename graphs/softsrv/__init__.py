"""The graph softsrv and its stages."""
