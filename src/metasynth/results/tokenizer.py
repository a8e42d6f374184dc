"""A tokenizer for running text: what stands between documents, and how conversations are told."""

from collections.abc import Sequence
from typing import Any

from metasynth.errors import RequestError
from metasynth.lm.weights import weights_source
from metasynth.records.record import Message


class TextTokenizer:
    """Encodes documents so that they can follow one another.

    A document ends with the tokenizer's end token, and begins with its begin token where the
    tokenizer itself puts one; neither is doubled where a text or template has it already.

    Args:
        name: `embedded`, a folder, or a name on the hub; `local:` before it is allowed.

    Raises:
        RequestError: There is none, or it has no end token (code `no_end_token`).
    """

    def __init__(self, name: str) -> None:
        from metasynth.lm.load import load_tokenizer

        self.name = name
        self._inner: Any = load_tokenizer(weights_source(name))
        self.end: int = _end(self._inner, name)
        first = self._inner("a")["input_ids"][:1]
        begin = self._inner.bos_token_id
        self.begin: int | None = begin if begin is not None and first == [begin] else None

    @property
    def has_template(self) -> bool:
        """Whether it knows how a chat is written."""
        return bool(self._inner.chat_template)

    def rendered(self, messages: Sequence[Message]) -> str:
        """A conversation by the chat template.

        Raises:
            RequestError: There is none, or it does not take these messages (code
                `no_chat_template`).
        """
        if not self.has_template:
            raise RequestError(
                f"{self.name}: the tokenizer has no chat template", code="no_chat_template"
            )
        from jinja2 import TemplateError

        turns = [message.model_dump() for message in messages]
        try:
            return str(self._inner.apply_chat_template(turns, tokenize=False))
        except TemplateError as error:
            raise RequestError(
                f"{self.name}: the chat template does not take a conversation ({error})",
                hint="--instructions plain",
                code="no_chat_template",
            ) from None

    def encoded(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, between its begin and its end."""
        # a document may be longer than the context: it is cut into sequences afterwards
        encoded = self._inner(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [self._closed(ids) for ids in encoded]

    def _closed(self, ids: list[int]) -> list[int]:
        before = [self.begin] if self.begin is not None and ids[:1] != [self.begin] else []
        after = [self.end] if ids[-1:] != [self.end] else []
        return [*before, *ids, *after]


def _end(tokenizer: Any, name: str) -> int:
    if tokenizer.eos_token_id is None:
        raise RequestError(
            f"{name}: the tokenizer has no end token to stand between documents",
            code="no_end_token",
        )
    return int(tokenizer.eos_token_id)
