"""Special tokens that a server has left in the text of an answer."""

import re

from .places import quoted

_ROLE = r"(?:assistant|model|ai|bot|system|user|human)"
_BAR = r"<[|｜][^|｜<>\n]{1,48}[|｜]>"  # <|eot_id|>, <｜end▁of▁sentence｜>
_NAMED = (
    r"<(?:eos|bos|pad|sep|cls|unk|eot|eod|eoa|eop|sop|end_of_turn|start_of_turn|end_of_utterance|"
    r"end_of_text|reserved_\d+)>|<turn\|>|<\|turn>"
    r"|\[/?INST\]|\[(?:EOS|BOS|PAD|gMASK|end of text)\]|<0x0[0-9A-F]>|<</?SYS>>"
)
_TOKEN = f"(?:{_BAR}|{_NAMED})"
_END = re.compile(rf"(?:\s*(?:{_TOKEN}|(?P<s></s>)))\s*\Z", re.IGNORECASE)
_OPENS = (  # what thinking, answers and calls begin with
    r"<[|｜](?:channel|start[|｜]|start_(?:thinking|action|response|text)|tool|python_tag|"
    r"(?:begin_of_|start_)?(?:thought|solution|box|think|reasoning)|action|plugin|dsml)"
)
_START = re.compile(rf"\s*(?:(?P<s><s>)|(?!{_OPENS}){_TOKEN})", re.IGNORECASE)
_HEADER = re.compile(
    rf"\s*(?:<\|(?:im_start|start|start_header_id|header_start|role_start|turn)\|?>|<start_of_turn>)"
    rf"\s*{_ROLE}\s*(?:<\|(?:end_header_id|header_end|message|role_end|im_sep)\|>|(?=\n)|\Z)",
    re.IGNORECASE,
)
_NEXT_TURN = re.compile(
    r"(?:<\|(?:eot_id|eom_id|im_end|end|end_of_text|endoftext|eot|return)\|>|<end_of_turn>|</s>|"
    rf"<[|｜]end▁of▁sentence[|｜]>)\s*(?:{_HEADER.pattern}|<\|(?:user|system|human)\|>|"
    r"<[|｜]User[|｜]>|\[INST\]|(?:human|user|assistant|system)\s*:)",
    re.IGNORECASE,
)
_TURN_ENDS = re.compile(
    r"(?:(?<=\S)|\A)(?:<\|(?:eot_id|eom_id|im_end|endoftext|end_of_text)\|>|<end_of_turn>|"
    r"<[|｜]end▁of▁sentence[|｜]>)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_LAST = (">", "]")


def without_special_tokens(text: str) -> str:
    """The text without special tokens at its ends and without turns that were made up after it.

    A text without any comes back as it is. `<s>` and `</s>` are special tokens where they are not a
    pair of tags that strike something out.
    """
    rest = text
    if ("<|" in rest or "<end_of_turn>" in rest or "</s>" in rest or "<｜" in rest) and (
        turn := next((m for m in _NEXT_TURN.finditer(rest) if not quoted(rest, *m.span())), None)
    ):
        rest = rest[: turn.start()]
    while (tail := rest.rstrip()).endswith(_LAST) and (end := _last(tail)) is not None:
        rest = tail[: end.start()]
    while (head := rest.lstrip()).startswith(("<", "[")):
        start = _HEADER.match(head) or _START.match(head)
        if start is None or (start.re is _START and start["s"] and "</s>" in head):
            break
        rest = head[start.end() :]
    return text if rest is text or len(rest) == len(text) else rest.strip()


def holds_special_tokens(text: str) -> bool:
    """Whether a text has the marks at which a turn begins or ends, outside code and quotes."""
    if _HEADER.match(text):
        return True
    marks = (mark for pattern in (_TURN_ENDS, _NEXT_TURN) for mark in pattern.finditer(text))
    return any(not quoted(text, *mark.span()) for mark in marks)


def _last(text: str) -> re.Match[str] | None:
    """The special token that a text ends in."""
    begin = max(text.rfind("<"), text.rfind("["))
    while begin > 0 and text[begin - 1].isspace():
        begin -= 1
    end = _END.match(text, begin)
    if end is None:
        return None
    opened, closed = text.count("<s>"), text.count("</s>")
    around = opened == closed == 1 and text.lstrip().startswith("<s>")
    return None if end["s"] and opened >= closed and not around else end
