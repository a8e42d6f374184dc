"""The gate and the one door to the corpus."""
