"""Servers of other protocols than OpenAI's, for tests."""
