"""A LangGraph store on Chroma."""
