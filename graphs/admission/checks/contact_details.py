"""No e-mail addresses, web addresses and telephone numbers: they may be a real person's."""

import re

from metasynth.graphs.admission.check import check
from metasynth.graphs.admission.draft import Verdict
from metasynth.records.record import Record

_PATTERNS = {
    "an e-mail address": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
    "a web address": re.compile(r"\b(?:https?://|www\.)[^\s<>\"')]{3,200}", re.IGNORECASE),
    "a telephone number": re.compile(
        r"(?<![\w.])(?:\+|00)\d{1,3}(?:[ /.-]?\(?\d{2,5}\)?){2,5}(?!\d)"
    ),
}


@check
def contact_details(record: Record) -> Verdict:
    """Refuses a record that holds one, and says which."""
    for kind, pattern in _PATTERNS.items():
        if match := pattern.search(record.body):
            return Verdict("contact_details", f"holds {kind}: {match.group()}")
    return Verdict()
