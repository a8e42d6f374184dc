"""The instruct graph."""
