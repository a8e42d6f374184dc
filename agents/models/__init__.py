"""Chat models: a hosted endpoint, a model in this process, or the one that the package carries."""

from .factory import chat_model

__all__ = ["chat_model"]
