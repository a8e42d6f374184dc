"""Chat models of LangChain's own packages, within our pace, tries and redaction."""
