"""Agents: roles written in YAML, the conductor's prompt and tools, expert calls, chat models."""
