"""The report's page: data, charts, HTML."""
