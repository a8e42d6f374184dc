"""Traces: spans, their file, and the tracer."""
