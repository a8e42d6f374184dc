"""The tasks there are: YAML, and the readers and judges that it names."""
