"""Pace and patience of calls to an endpoint, whoever provides it."""
