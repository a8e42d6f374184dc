"""Policy `fixed`: the calls that a conductor's model would make, made by code from the state alone.

The experts of the order are asked step by step; an answer that cannot be used is asked for again.
What the gate refuses is written anew, with the nearest earlier record and the reason beside it. An
expert that is required may ask for a revision, by an answer that begins with "Revise"; that is done
once for each draft.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, ToolCall, ToolMessage

from metasynth.agents.messages import one_line
from metasynth.agents.roles.role import Role
from metasynth.graphs.run.state import DocumentState
from metasynth.graphs.workspace import Workspace
from metasynth.randomness import generator

from .order import NEEDED, SUBMITTED, Steps, steps_of

NAME = "fixed"
"""What ledger, run file and lineage call the conductor."""

_TRIES = 3  # of an expert whose answers cannot be used, between two refusals
_MOST_ATTACHED = 8
_REFUSAL_WORDS = 60
_REVISE = "Mend what the attached notes object to."
_REVISERS = {"draft": "editor", "question": "question_editor"}
# the words that the embedded model was taught, and so the shortest that say it
_INSTRUCTIONS = {
    "seed_keyword_extraction": "Extract the keywords.",
    "seed_keyword_expansion": "Add related keywords.",
    "summarizer": "Summarize the draft.",
    "topic_label": "Name the topic.",
    "content_analyst": "Compare the draft with its neighbours.",
    "editor": "Rewrite the draft as the attached notes say.",
    "document_transformation": "Turn the document into a {genre}.",
    "persona_suggestion": "Suggest who asks.",
    "complexity_suggestion": "Suggest how to make it harder.",
    "question_editor": "Edit the question.",
}
_BY_KIND = {
    "keywords": "Name the keywords.",
    "draft": "Write a {genre}.",
    "question": "Write a {genre}.",
    "summary": "Summarize the draft.",
    "topic": "Name the topic.",
    "persona": "Name a person who could write about it.",
}
_ANY_FORM = {"draft": "document", "question": "question"}
_DO = "Do what your role says with what is attached."


class _Deed(NamedTuple):
    """A call that was answered."""

    name: str
    args: dict[str, Any]
    result: str

    @property
    def expert(self) -> str:
        return str(self.args.get("expert", "")) if self.name == "consult" else ""

    @property
    def failed(self) -> bool:
        return self.result.startswith("error")

    @property
    def made(self) -> str:
        """The reference of what an expert made."""
        return "" if self.failed or not self.expert else self.result.partition(" ")[0]


def fixed_turn(workspace: Workspace, state: DocumentState, *, graph: str) -> AIMessage:
    """The conductor's next message, a function of the run file and the record's state."""
    follows = workspace.voices.experts.follows_prompts
    steps = steps_of(
        workspace.config,
        workspace.roles,
        graph,
        from_keywords=bool(state["seed"]["keywords"]),
        follows_prompts=follows,
    )
    require = workspace.config.conductor.require
    calls = _Turn(workspace, state, steps, require, graph, follows).calls()
    return AIMessage(content="", tool_calls=calls)


def required_consultation(role: Role, draft: str) -> ToolCall:
    """The call that shows a required expert a draft."""
    text = _INSTRUCTIONS.get(role.name) or _BY_KIND.get(str(role.produces), _DO)
    return _call("consult", {"expert": role.name, "instruction": text, "attach": [draft]})


@dataclass(frozen=True)
class _Turn:
    workspace: Workspace
    state: DocumentState
    steps: Steps
    require: Sequence[str]
    graph: str
    follows_prompts: bool

    def calls(self) -> list[ToolCall]:
        """The next turn's calls."""
        deeds = self._deeds()
        start, steps = self._position(deeds)
        done = Counter(deed.expert for deed in deeds[start:] if deed.made)
        failed = Counter(deed.expert for deed in deeds[start:] if deed.failed and deed.expert)
        for step in steps:
            due: list[Role] = []
            for role in step:
                if done[role.name]:
                    done[role.name] -= 1
                elif failed[role.name] < _TRIES:
                    due.append(role)
                elif role.produces in NEEDED[self.graph] or role.name in self.require:
                    return [self._give_up(deeds, role)]
            if due:
                return [*self._settled(due, deeds), *(self._consult(role, deeds) for role in due)]
        if reviser := self._reviser(deeds, start):
            return [self._consult(reviser, deeds, instruction=_REVISE)]
        draft = self._draft(deeds)
        if draft:
            return [_call("submit", {self._submitted: draft})]
        return [_call("give_up", {"reason": f"nobody made a {self._submitted}"})]

    @property
    def _submitted(self) -> str:
        return SUBMITTED[self.graph]

    def _deeds(self) -> list[_Deed]:
        """Every call of the conversation that was answered, in its order."""
        answers = {
            message.tool_call_id: str(message.content)
            for message in self.state["messages"]
            if isinstance(message, ToolMessage)
        }
        return [
            _Deed(call["name"], call["args"], answers[str(call["id"])])
            for message in self.state["messages"]
            if isinstance(message, AIMessage)
            for call in message.tool_calls
            if str(call["id"]) in answers
        ]

    def _position(self, deeds: Sequence[_Deed]) -> tuple[int, Steps]:
        """Where the deeds of the draft in work begin, and the steps that it goes through."""
        refused = _after_last(deeds, _was_refused)
        revised = _after_last(deeds, _is_revision)
        writing = [
            index
            for index, step in enumerate(self.steps)
            if any(role.produces == self._submitted for role in step)
        ]
        if revised > refused:
            return revised, self.steps[writing[-1] + 1 :] if writing else ()
        if refused:
            return refused, self.steps[writing[0] :] if writing else self.steps
        return 0, self.steps

    def _draft(self, deeds: Sequence[_Deed]) -> str:
        """The draft in work: the newest since the last refusal."""
        since = deeds[_after_last(deeds, _was_refused) :]
        refs = [deed.made for deed in since if self._kind(deed.made) == self._submitted]
        return refs[-1] if refs else ""

    def _kind(self, ref: str) -> str:
        return self.state["artifacts"][ref]["kind"] if ref in self.state["artifacts"] else ""

    def _settled(self, due: Sequence[Role], deeds: Sequence[_Deed]) -> list[ToolCall]:
        """Settles the seed set as soon as somebody writes from it."""
        if self.graph != "document" or not any(role.produces == "draft" for role in due):
            return []
        lists = [ref for ref, each in self.state["artifacts"].items() if each["kind"] == "keywords"]
        settled = {str(deed.args.get("source")) for deed in deeds if deed.name == "set_seeds"}
        if not lists or lists[-1] in settled:
            return []
        return [_call("set_seeds", {"source": lists[-1]})]

    def _consult(self, role: Role, deeds: Sequence[_Deed], *, instruction: str = "") -> ToolCall:
        writes = role.produces in _ANY_FORM
        genre = self._genre() if writes else ""
        args: dict[str, Any] = {
            "expert": role.name,
            "instruction": instruction or self._instruction(role, genre, deeds),
            "attach": self._attached(role, deeds),
        }
        if writes and genre:
            args["genre"] = genre
        if writes and (persona := self._newest_text("persona")):
            args["persona"] = one_line(persona, most_words=16)[:120]
        return _call("consult", args)

    def _instruction(self, role: Role, genre: str, deeds: Sequence[_Deed]) -> str:
        text = _INSTRUCTIONS.get(role.name) or _BY_KIND.get(str(role.produces), _DO)
        text = text.format(genre=genre or _ANY_FORM.get(str(role.produces), "document"))
        if not self.follows_prompts:
            return text
        refused = [deed.result for deed in deeds if _was_refused(deed)]
        if role.produces == self._submitted and refused and not self._draft(deeds):
            reason = one_line(refused[-1].partition(": ")[2], most_words=_REFUSAL_WORDS)
            text = (
                f"{text} An earlier {self._submitted} was refused ({reason}): write it otherwise."
            )
        if role.produces == "persona" and (used := self.state.get("personas")):
            text = f"{text} Not one of these: {'; '.join(used)}."
        return text

    def _genre(self) -> str:
        """One of the forms used least, drawn anew for each draft."""
        genres = self.state.get("genres", [])
        rng = generator(
            self.workspace.config.random_seed, NAME, self.state["record_id"], self.state["tries"]
        )
        return rng.choice(genres) if genres else ""

    def _newest_text(self, kind: str) -> str:
        texts = [each["text"] for each in self.state["artifacts"].values() if each["kind"] == kind]
        return texts[-1] if texts else ""

    def _attached(self, role: Role, deeds: Sequence[_Deed]) -> list[str]:
        """Of each kind that the role takes the newest; of advice on the draft in work all."""
        draft, artifacts = self._draft(deeds), self.state["artifacts"]
        refs: dict[str, list[str]] = {}
        for ref, each in artifacts.items():
            if each["kind"] != self._submitted and each["about"] in ("", draft):
                refs.setdefault(each["kind"], []).append(ref)
        if draft:
            refs[self._submitted] = [draft]
            refs.pop("seed", None)  # who is shown a draft speaks of the draft
            if not self.follows_prompts:
                refs.pop("document", None)
        if not self.follows_prompts and not self._is_compared(role, deeds):
            refs.pop("neighbours", None)
        kinds = role.receives or (self._submitted, "keywords", "seed", "document", "note")
        attached: list[str] = []
        for kind in kinds:
            of_kind = refs.get(str(kind), [])
            attached += of_kind if kind in ("analysis", "note", "critique") else of_kind[-1:]
        return attached[-_MOST_ATTACHED:]

    def _is_compared(self, role: Role, deeds: Sequence[_Deed]) -> bool:
        """Whether a model that was taught few forms of a call knows neighbours beside it."""
        if role.produces == "analysis":
            return True
        return role.produces == self._submitted and any(map(_was_refused, deeds))

    def _reviser(self, deeds: Sequence[_Deed], start: int) -> Role | None:
        """Who revises the draft in work, where a required expert says so for the first time."""
        role = self.workspace.roles.get(_REVISERS[self._submitted])
        out = self.workspace.config.conductor.without
        since = deeds[_after_last(deeds, _was_refused) :]
        if role is None or role.name in out or any(map(_is_revision, since)):
            return None
        words = [
            self.state["artifacts"][deed.made]["text"].lstrip("*#_ ").lower()
            for deed in deeds[start:]
            if deed.made and deed.expert in self.require
        ]
        return role if any(text.startswith("revise") for text in words) else None

    def _give_up(self, deeds: Sequence[_Deed], role: Role) -> ToolCall:
        said = [deed.result for deed in deeds if deed.expert == role.name and deed.failed]
        reason = said[-1].removeprefix("error: ") if said else "no answer"
        return _call("give_up", {"reason": one_line(f"{role.name}: {reason}", most_words=40)[:300]})


def _call(name: str, args: dict[str, Any]) -> ToolCall:
    return ToolCall(name=name, args=args, id="", type="tool_call")


def _was_refused(deed: _Deed) -> bool:
    return deed.name == "submit" and deed.result.startswith("refused")


def _is_revision(deed: _Deed) -> bool:
    return bool(deed.made) and deed.args.get("instruction") == _REVISE


def _after_last(deeds: Sequence[_Deed], matches: Any) -> int:
    """The place after the last deed of a kind; 0 without one."""
    return max((place + 1 for place, deed in enumerate(deeds) if matches(deed)), default=0)
