"""Text that strangers wrote, made safe to show in a page and to carry in one."""

import json
import re
from typing import Any

# What would act on a page that shows it: control characters, and what turns the line's direction.
_ACTING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_INVISIBLE = re.compile(f"[{_ACTING}\ud800-\udfff]")
_UNSAFE_IN_SCRIPT = re.compile(f"[<>&{_ACTING}\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with line ends alike and acting characters as marks, such as ⟦U+202E⟧."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub(lambda match: f"⟦U+{ord(match[0]):04X}⟧", plain)


def script_json(data: Any) -> str:
    """JSON that can stand inside a script element, whatever strings are in it.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE_IN_SCRIPT.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
