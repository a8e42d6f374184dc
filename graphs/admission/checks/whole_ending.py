"""No text that breaks off: the last line ends as sentences, code and tables do."""

import re

from metasynth.graphs.admission.check import check
from metasynth.graphs.admission.draft import Verdict
from metasynth.records.record import Record
from metasynth.text.words import excerpt

_LAST_WORDS = 8
_BREAKS_OFF = re.compile(
    r"(?:[,;:(\[{–—-]|(?<![\w'’])(?:and|or|but|the|a|an|of|to|in|with|that|which|because))[*_\s]*$",
    re.IGNORECASE,
)


@check
def whole_ending(record: Record) -> Verdict:
    """Refuses a record whose text ends with a comma, an open bracket or a word such as `and`."""
    if _BREAKS_OFF.search(record.body[-200:]):
        last = " ".join(record.body.split()[-_LAST_WORDS:])
        return Verdict("whole_ending", f"the text breaks off: {excerpt(last, _LAST_WORDS)}")
    return Verdict()
