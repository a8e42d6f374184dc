"""A causal language model in this process as a chat model."""
