"""Roles: the YAML files of experts, and reading them."""
