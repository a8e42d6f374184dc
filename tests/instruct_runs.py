"""What tests of runs of the graph instruct share: a run file, and a teacher of instructions."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.graphs.admission.screening import Screen
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.workspace import Workspace, constant
from metasynth.records.record import Record
from tests.commands import fast_embedder, settings
from tests.openai_answers import Reply
from tests.openai_server import OpenAIServer, Responder
from tests.prose import prose
from tests.screened_runs import Student
from tests.teacher import Attached, attachments

_RUN = """\
name: asked
graph: instruct
domain: village life
teacher: {model: "openai:test"}
seeds: {documents: documents.jsonl}
gate: {min_distance: 0.01, max_ngram_overlap: 0.6, check_language: false}
budget: {records: 6, stall_after: 6}
concurrency: 4
"""
TITLE = re.compile(r"You are the (.*?)\.")

Expert = Callable[[Sequence[Attached], random.Random], "str | Reply"]
Turn = Sequence[tuple[str, dict[str, Any]]]


def documents(count: int) -> list[str]:
    """Documents that a run may ask about."""
    return [prose([], 60, random.Random(number)) for number in range(count)]


def run_file(folder: Path, texts: Sequence[str]) -> Path:
    """A run file with its documents."""
    rows = (json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "documents.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "run.yaml").write_text(_RUN, encoding="utf-8")
    return folder / "run.yaml"


def instruct_run(
    folder: Path, base_url: str, texts: Sequence[str] | None = None, **values: object
) -> list[str]:
    """Arguments of a run that is quick."""
    path = run_file(folder, documents(4) if texts is None else texts)
    quick = {"memory__embedder": fast_embedder(), "teacher__base_url": base_url, **values}
    return ["run", str(path), "--quiet", *settings(**quick)]


def consult(expert: str, *attach: str, **more: str) -> tuple[str, dict[str, Any]]:
    """A call of an expert."""
    arguments = {"expert": expert, "instruction": f"Work, {expert}.", "attach": list(attach)}
    return "consult", {**arguments, **more}


def submit(question: str) -> tuple[str, dict[str, Any]]:
    """A call of the gate."""
    return "submit", {"question": question}


GIVE_UP = ("give_up", {"reason": "nothing more to try"})
WAY: tuple[Turn, ...] = (
    [consult("document_transformation", "document-1")],
    [consult("persona_suggestion", "question-1"), consult("complexity_suggestion", "question-1")],
    [consult("question_editor", "question-1", "note-1", "note-2", persona="a sceptical clerk")],
    [submit("question-2")],
)


def question(rng: random.Random) -> str:
    """A question that the gate takes for new."""
    return f"{prose([], 22, rng)} What should the clerk do next?"


_EXPERTS: Mapping[str, Expert] = {
    "Document Transformation Expert": lambda _, rng: question(rng),
    "Question Editor Expert": lambda _, rng: question(rng),
    "Persona Suggestion Expert": lambda _, rng: prose([], 12, rng),
    "Complexity Suggestion Expert": lambda _, rng: prose([], 12, rng),
    "Answer Expert": lambda _, rng: prose([], 25, rng),
    "Answer Critic Expert": lambda _, rng: "Good.",
    "Follow Up Expert": lambda _, rng: question(rng),
}


class InstructTeacher:
    """Plays the conductor, who always takes the same turns, and all experts; repeats itself.

    Args:
        turns: The conductor's; after the last it gives up.
        experts: What other experts than the usual answer, by their titles.
    """

    def __init__(
        self, turns: Sequence[Turn] = WAY, experts: Mapping[str, Expert] | None = None
    ) -> None:
        self._turns = turns
        self._experts = {**_EXPERTS, **(experts or {})}

    def __call__(self, request: dict[str, Any]) -> "Reply | str":
        messages = request["messages"]
        if request.get("tools"):
            turn = sum(message["role"] == "assistant" for message in messages)
            calls = self._turns[turn] if turn < len(self._turns) else [GIVE_UP]
            return Reply(
                content=None,
                tool_calls=tuple({"name": name, "arguments": args} for name, args in calls),
            )
        seen = json.dumps([messages, request.get("seed")], sort_keys=True)
        rng = random.Random(hashlib.sha256(seen.encode()).hexdigest())
        expert = self._experts[title_of(request)]
        return expert(attachments(messages[-1]), rng)


def title_of(request: dict[str, Any]) -> str:
    """Who is asked."""
    found = TITLE.match(str(request["messages"][0]["content"]))
    return found[1] if found else ""


class Run:
    """A run directory, started as often as the test likes, with a teacher over HTTP."""

    def __init__(
        self,
        folder: Path,
        responder: Responder,
        texts: Sequence[str] | None = None,
        student: Student | None = None,
    ) -> None:
        self.folder = folder
        self._student = student
        self.server = OpenAIServer(responder)
        self._texts = texts

    def __enter__(self) -> "Run":
        self.server.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self.server.__exit__(*problem)

    async def __call__(self, **values: object) -> tuple[list[Record], list[Record], str]:
        """Accepted records, rejected ones, and why it stopped."""
        _, path, _, *changes = instruct_run(
            self.folder, self.server.base_url, self._texts, **values
        )
        plan = plan_run(load_run_config(Path(path), changes[1::2]))
        async with AsyncExitStack() as stack:
            workspace: Workspace = await stack.enter_async_context(
                open_run(plan, self.folder / "run")
            )
            if self._student is not None:
                assert isinstance(workspace.screen, Screen)
                workspace.screen.scorer = self._student
            graph = corpus_graph(constant(workspace)).compile()
            ended = await graph.ainvoke({"chains": plan.config.concurrency})
            accepted = list(workspace.corpus.records())
            return accepted, list(workspace.corpus.rejected_records()), ended["stopped_because"]

    def asked(self, title: str) -> list[dict[str, Any]]:
        """The requests to one expert."""
        return [request for request in self.server.requests if title_of(request) == title]
