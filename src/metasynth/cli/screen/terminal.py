"""What a model wrote, shown on a terminal."""

import re

import typer

# All control characters but tab and line feed, and what turns the direction of writing.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def tell(text: str = "", *, err: bool = False) -> None:
    """Print a result; control characters are shown as escapes, so that no document acts on it.

    Args:
        err: Print it to stderr, where something else has stdout to itself.
    """
    shown = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    typer.echo(shown, err=err)
