"""A draft in the person's own editor."""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from metasynth.yaml_text import YAMLTextError, parse_yaml


class UnusableEditError(Exception):
    """The editor's result cannot be used; `text` is what it holds."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class _Blocks(yaml.SafeDumper):
    """Long texts stand as blocks, which is how a person would write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text or len(text) > 60 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Blocks.add_representer(str, _text)


def as_editable(draft: Mapping[str, Any]) -> str:
    """The text of a document; the messages of a conversation as YAML; "" where there is neither."""
    if draft.get("messages"):
        messages = [dict(message) for message in draft["messages"]]
        return yaml.dump(messages, Dumper=_Blocks, sort_keys=False, allow_unicode=True)
    return str(draft.get("text") or "")


def from_editable(text: str, draft: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says of an edited draft.

    Raises:
        UnusableEditError: It is empty, or no list of messages.
    """
    if not text.strip():
        raise UnusableEditError("the edited text is empty")
    if not draft.get("messages"):
        return {"text": text}
    try:
        messages = parse_yaml(text, where="the edited messages")
    except YAMLTextError as error:
        where = f", line {error.line}" if error.line else ""
        raise UnusableEditError(f"the edited messages are no YAML{where}", text) from None
    keys = {"role", "content"}
    if not isinstance(messages, list) or any(
        not isinstance(one, dict) or set(one) != keys or not all(map(_is_text, one.values()))
        for one in messages
    ):
        raise UnusableEditError("the edited messages are no list of role and content", text)
    return {"messages": messages}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


async def edit(text: str) -> str:
    """What the person makes of a text in `$VISUAL` or `$EDITOR`.

    Raises:
        UnusableEditError: There is no editor, or it ended with an error.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="metasynth-review-") as folder:
        path = Path(folder) / "draft.txt"
        path.write_text(text, encoding="utf-8")
        try:
            editor = await asyncio.create_subprocess_exec(*shlex.split(command), str(path))
        except OSError as error:
            raise UnusableEditError(
                f"the editor {command!r} cannot be started ({error.strerror}); "
                "name another one in EDITOR"
            ) from None
        try:
            status = await editor.wait()
        except asyncio.CancelledError:
            editor.terminate()
            await editor.wait()
            raise
        if status != 0:
            raise UnusableEditError(f"the editor {command!r} ended with status {status}")
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UnusableEditError(f"the edited text cannot be read ({error})") from None
