"""What the small domains share: vocabulary, templates, base class."""
