"""Story problems: their structure, their text, and reading them back."""
