"""Soft prompts."""
