"""Ids of records, which a person may shorten."""

from collections.abc import Sequence

from metasynth.errors import RequestError

_MOST_TOLD = 4


def full_id(ids: Sequence[str], part: str, *, where: str) -> str:
    """The one id that is this, or that alone begins or ends so.

    Args:
        where: What the ids are of, for messages.

    Raises:
        RequestError: There is none (code `no_record`), or several (`ambiguous_id`).
    """
    for matches in (
        [each for each in ids if each == part],
        [each for each in ids if each.startswith(part)],
        [each for each in ids if each.endswith(part)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            told = ", ".join(matches[:_MOST_TOLD])
            more = f" and {len(matches) - _MOST_TOLD} more" if len(matches) > _MOST_TOLD else ""
            raise RequestError(
                f"{where}: {part!r} is short for several records: {told}{more}",
                code="ambiguous_id",
            )
    raise RequestError(
        f"{where}: no record {part!r}", hint="ids stand in corpus.jsonl", code="no_record"
    )
