"""A competent teacher for `OpenAIServer`: plays conductor and experts over plain requests.

It reads nothing but what a hosted model would read: the messages' text, the fenced attachments and
the tools. What it answers is a function of its seed and the request alone, so that a run repeats.
Its documents are made of `prose`: varied enough for the gate, about nothing in particular.
"""

import hashlib
import json
import random
import re
from typing import Any, NamedTuple

from tests.openai_answers import Reply
from tests.prose import label, prose, summary

_FENCED = re.compile(r"^(\S+) \((\w+)\):\n(~{4,})\n(.*?)\n\3$", re.DOTALL | re.MULTILINE)
_KEYWORDS = re.compile(r"keywords: (.*?)\. At most", re.DOTALL)
_MOST_WORDS = re.compile(r"[Aa]t most (\d+) words")
_PERSONAS = ("a trainee", "an auditor", "a sceptical reader", "a retired teacher", "a clerk")
_RELATED = (
    *("deadline", "ledger", "ferry", "harbour", "orchard", "ballot", "archive", "workshop"),
    *("signature", "granary", "rehearsal", "bridge", "festival", "lantern", "verdict", "quarry"),
)

Call = tuple[str, dict[str, Any]]


class Attached(NamedTuple):
    """A document in a message."""

    ref: str
    kind: str
    text: str


def attachments(message: dict[str, Any]) -> list[Attached]:
    """The documents between the fences of a message."""
    found = _FENCED.findall(str(message["content"]))
    return [Attached(ref, kind, text) for ref, kind, _, text in found]


class Teacher:
    """The responder.

    Args:
        seed: Other seeds, other documents.
        drafts: What the domain expert answers instead of prose, one after the other; the last one
            again and again.
    """

    def __init__(self, seed: int = 0, *, drafts: tuple[str, ...] = ()) -> None:
        self.seed = seed
        self.drafts = list(drafts)

    def __call__(self, request: dict[str, Any]) -> Reply:
        """The answer to a chat request."""
        rng = random.Random(self._digest(request))
        if request.get("tools"):
            calls = next_calls(request["messages"], rng)
            return Reply(
                content=None,
                tool_calls=tuple({"name": name, "arguments": args} for name, args in calls),
            )
        return Reply(content=self._as_expert(request["messages"], rng))

    def _digest(self, request: dict[str, Any]) -> str:
        seen = json.dumps([request["messages"], request.get("seed")], sort_keys=True)
        return hashlib.sha256(f"{self.seed}/{seen}".encode()).hexdigest()

    def _as_expert(self, messages: list[dict[str, Any]], rng: random.Random) -> str:
        first, asked = str(messages[0]["content"]), messages[-1]
        if not first.startswith("You are the "):  # the template baseline has one message
            keywords = _KEYWORDS.search(first)
            return self._draft(first, keywords[1] if keywords else "", rng)
        given = {each.kind: each.text for each in attachments(asked)}
        match first.partition("\n")[0]:
            case "You are the Seed Keyword Extraction Expert.":
                return ", ".join(re.findall(r"[\w' -]{3,}", given["seed"])[:4])
            case "You are the Seed Keyword Expansion Expert.":
                return ", ".join([given["keywords"], *rng.sample(_RELATED, 2)])
            case "You are the Summarizer Expert.":
                return summary(given["draft"])
            case "You are the Topic Label Expert.":
                return label(given["draft"] if "draft" in given else given["seed"])
        return self._draft(first, given.get("keywords", ""), rng)

    def _draft(self, prompt: str, keywords: str, rng: random.Random) -> str:
        if self.drafts:
            return self.drafts.pop(0) if len(self.drafts) > 1 else self.drafts[0]
        cap = _MOST_WORDS.search(prompt)
        wanted = min(170, int(0.6 * int(cap[1]))) if cap else 120
        return prose([word.strip() for word in keywords.split(",") if word.strip()], wanted, rng)


class _Deed(NamedTuple):
    name: str
    args: dict[str, Any]
    result: str


def next_calls(messages: list[dict[str, Any]], rng: random.Random) -> list[Call]:
    """The conductor's next turn, from the first lines of the answers that it got so far."""
    deeds = [deed for deed in _deeds(messages) if not deed.result.startswith("error")]
    if not deeds:
        return [_ask("seed_keyword_extraction", "Extract the keywords.", "seed-1")]
    last = deeds[-1]
    keywords, draft = _newest(deeds, "keywords"), _newest(deeds, "draft")
    if last.name == "set_seeds":
        return [_write(messages, keywords, rng)]
    if last.name == "submit":
        if last.result.endswith(("summary_missing", "topic_missing")):
            return _describe(draft)
        other = "Write it anew, with other people, another place and another opening."
        return [_ask("editor", other, draft, keywords)]
    if last.args.get("expert") == "seed_keyword_extraction":
        return [_ask("seed_keyword_expansion", "Add related keywords.", keywords)]
    if last.args.get("expert") == "seed_keyword_expansion":
        return [("set_seeds", {"source": keywords})]
    if last.result.startswith("draft-"):
        return _describe(draft)
    return [("submit", {"draft": draft})]


def _deeds(messages: list[dict[str, Any]]) -> list[_Deed]:
    answers = {
        message["tool_call_id"]: str(message["content"]).partition("\n")[0]
        for message in messages
        if message["role"] == "tool"
    }
    return [
        _Deed(
            call["function"]["name"],
            json.loads(call["function"]["arguments"]),
            answers.get(call["id"], "error"),
        )
        for message in messages
        if message["role"] == "assistant"
        for call in message.get("tool_calls") or []
    ]


def _newest(deeds: list[_Deed], kind: str) -> str:
    made = [deed.result.split()[0] for deed in deeds if deed.result.startswith(f"{kind}-")]
    return made[-1] if made else ""


def _ask(expert: str, instruction: str, *attach: str) -> Call:
    return "consult", {"expert": expert, "instruction": instruction, "attach": list(attach)}


def _describe(draft: str) -> list[Call]:
    return [
        _ask("summarizer", "Summarize the draft.", draft),
        _ask("topic_label", "Name the topic.", draft),
    ]


def _write(messages: list[dict[str, Any]], keywords: str, rng: random.Random) -> Call:
    brief = next(str(message["content"]) for message in messages if message["role"] == "user")
    listed = re.search(r"Genres used least so far: (.*)", brief)
    genre = rng.choice(listed[1].split(", ")) if listed else "report"
    name, args = _ask("domain_expert", f"Write a {genre}.", keywords)
    return name, {**args, "persona": rng.choice(_PERSONAS), "genre": genre}
