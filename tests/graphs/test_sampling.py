"""The conductor's tool: drafts by reference, with lineage, within bounds, drawn once."""

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from metasynth.blocking import Check
from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.config.file import load_run_config
from metasynth.config.softsrv import SoftSRVConfig, ToolConfig
from metasynth.errors import MetaSynthError
from metasynth.graphs.corpus import corpus_graph
from metasynth.graphs.softsrv.steering.sampler import DraftSampler, NoSampler
from metasynth.graphs.softsrv.steering.steering import Steering
from metasynth.graphs.workspace import Workspace, constant
from metasynth.memory.ledger import Totals
from metasynth.records.record import Record
from metasynth.softsrv.manifest import Manifest
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.softsrv.sampling.samples import Sample
from metasynth.text.contamination import Contamination
from tests.commands import FINANCE, small_run
from tests.openai_answers import Reply, failure
from tests.openai_server import OpenAIServer
from tests.prose import prose
from tests.raising import raises
from tests.teacher import Teacher


def drawn(text: str, context_id: str, *, stopped: bool = True) -> Sample:
    return Sample(text, context_id, number=0, seed=0, stopped=stopped, tokens=7)


class Sampler(DraftSampler):
    """Gives prose, numbered, without a model; `bad` replaces what it would give."""

    def __init__(self, *bad: Sample) -> None:
        folder = SoftSRVFolder(Path("no-softsrv"))
        tool = ToolConfig(samples=3, uses=2)
        steering = Steering(SoftSRVConfig(tool=tool), [], folder)
        manifest = Manifest(folder.manifest, identity="")
        super().__init__(steering, manifest, Contamination(["secret"]))
        self.draws: list[tuple[str, int, int]] = []
        self.prepared = 0
        self._bad = list(bad)

    async def prepare(self, check: Check) -> int:
        check()
        self.prepared += 1
        return 9

    async def draw(self, near: str, count: int, *, start: int) -> Sequence[Sample]:
        self.draws.append((near, count, start))
        if self._bad:
            return self._bad
        rng = random.Random(start)
        return [drawn(prose(["lamp"], 40, rng), f"target-{place}") for place in range(count)]


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def consult(expert: str, *attach: str) -> dict[str, Any]:
    return call("consult", expert=expert, instruction="Work.", attach=list(attach))


SEEDS = (consult("seed_keyword_extraction", "seed-1"),), (call("set_seeds", source="keywords-1"),)


def described(draft: str) -> tuple[dict[str, Any], ...]:
    return consult("summarizer", draft), consult("topic_label", draft)


class Conductor:
    """Takes the same turns for every record; experts are those of `Teacher`."""

    def __init__(self, *turns: tuple[dict[str, Any], ...]) -> None:
        self._turns = [*SEEDS, *turns]
        self._teacher = Teacher()
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: dict[str, Any]) -> Reply:
        if not request.get("tools"):
            return self._teacher(request)
        self.asked.append(request)
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        if turn >= len(self._turns):
            return Reply(content=None, tool_calls=(call("give_up", reason="no more turns"),))
        return Reply(content=None, tool_calls=self._turns[turn])

    @property
    def told(self) -> list[str]:
        """All that the conductor was told, each once."""
        contents = [m["content"] for request in self.asked for m in request["messages"]]
        return list(dict.fromkeys(str(content) for content in contents))


class Ended(NamedTuple):
    record: Record
    spent: dict[str, Totals]


async def run(
    folder: Path, conductor: Conductor, sampler: Sampler | None, **changes: object
) -> Ended:
    """One record, accepted or not."""
    with OpenAIServer(conductor) as server:
        return await start(folder, server, sampler, **changes)


async def start(
    folder: Path, server: OpenAIServer, sampler: Sampler | None, **changes: object
) -> Ended:
    """One start of a run of one record."""
    quick: dict[str, object] = {
        "budget__records": 1,
        "budget__stall_after": 1,
        "concurrency": 1,
        "gate__min_seed_words": 0,
        "gate__min_words": 10,
    }
    _, _, _, *given = small_run(server.base_url, **{**quick, **changes})
    plan = plan_run(load_run_config(FINANCE, given[1::2]))
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_run(plan, folder / "run"))
        workspace = replace(opened, sampler=sampler or NoSampler())
        await corpus_graph(constant(workspace)).compile().ainvoke({"chains": 1})
        return Ended(_only(workspace), workspace.ledger.totals_by_agent())


def _only(workspace: Workspace) -> Record:
    (record,) = [*workspace.corpus.records(), *workspace.corpus.rejected_records()]
    return record


async def test_a_sampled_draft_is_admitted_with_its_context(tmp_path: Path) -> None:
    sampler = Sampler()
    conductor = Conductor(
        (call("sample_softsrv", n=2, near="a lamp in the garden"),),
        described("draft-2"),
        (call("submit", draft="draft-2"),),
    )
    record, spent = await run(tmp_path, conductor, sampler)
    assert record.reason is None
    assert (record.source, record.parent_ids) == ("softsrv", ["target-1"])
    assert record.experts[1] == "softsrv"
    ((near, count, start),) = sampler.draws
    assert (near, count) == ("a lamp in the garden", 2)
    assert 0 <= start < 2**40
    assert spent["softsrv"].calls == 1
    assert (spent["softsrv"].tokens_out, spent["softsrv"].unpriced) == (14, 0)
    assert record.generation.usd is not None  # a draw in this process costs nothing


async def test_the_conductor_reads_references_and_sizes_alone(tmp_path: Path) -> None:
    conductor = Conductor(
        (call("sample_softsrv", n=3),), described("draft-1"), (call("submit", draft="draft-1"),)
    )
    record, _ = await run(tmp_path, conductor, Sampler())
    answers = [text for text in conductor.told if text.startswith("draft-1, draft-2, draft-3")]
    (answer,) = answers
    first, second = answer.splitlines()
    assert first == "draft-1, draft-2, draft-3 by softsrv"
    assert second.endswith(" words")
    assert record.text is not None
    for text in conductor.told:  # a summary may quote, a draft's end is in none
        assert record.text[-40:] not in text


async def test_a_rewrite_keeps_the_context_but_is_the_experts(tmp_path: Path) -> None:
    conductor = Conductor(
        (call("sample_softsrv", n=1, near="seed-1"),),
        (consult("editor", "draft-1"),),
        (consult("editor", "draft-2"),),
        described("draft-3"),
        (call("submit", draft="draft-3"),),
    )
    sampler = Sampler()
    record, _ = await run(tmp_path, conductor, sampler, gate__max_words=400)
    assert record.reason is None
    assert (record.source, record.parent_ids) == ("conductor", ["target-0"])
    assert len(sampler.draws[0][0].split(", ")) == 3  # the seed's own text


async def test_what_experts_write_from_other_things_has_no_context(tmp_path: Path) -> None:
    conductor = Conductor(
        (call("sample_softsrv", n=1),),
        (consult("domain_expert", "keywords-1"),),
        described("draft-2"),
        (call("submit", draft="draft-2"),),
    )
    record, _ = await run(tmp_path, conductor, Sampler())
    assert (record.source, record.parent_ids) == ("conductor", [])


async def test_an_expert_that_is_called_softsrv_is_not_the_sampler(tmp_path: Path) -> None:
    invented = call(
        "consult", expert="softsrv", instruction="Write.", attach=["keywords-1"], produces="draft"
    )
    conductor = Conductor((invented,), described("draft-1"), (call("submit", draft="draft-1"),))
    record, _ = await run(tmp_path, conductor, Sampler())
    assert (record.source, record.parent_ids) == ("conductor", [])


WRONG = {
    "too many at once": (call("sample_softsrv", n=4), "n: at most 3 drafts at once"),
    "far too many": (call("sample_softsrv", n=99), "sample_softsrv: n: "),
    "none": (call("sample_softsrv", n=0), "sample_softsrv: n: "),
    "a reference to nothing": (call("sample_softsrv", near="draft-7"), "nothing is called draft-7"),
    "endless keywords": (call("sample_softsrv", near="x" * 201), "sample_softsrv: near: "),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_call_is_answered(case: str, tmp_path: Path) -> None:
    wrong, expected = WRONG[case]
    sampler, conductor = Sampler(), Conductor((wrong,))
    await run(tmp_path, conductor, sampler)
    assert not sampler.draws
    assert any(text.startswith("error: ") and expected in text for text in conductor.told)


async def test_uses_for_one_record_are_bounded(tmp_path: Path) -> None:
    sampler = Sampler()
    conductor = Conductor(
        (call("sample_softsrv"),), (call("sample_softsrv"), call("sample_softsrv"))
    )
    await run(tmp_path, conductor, sampler)
    assert len(sampler.draws) == 2
    assert len({start for *_, start in sampler.draws}) == 2
    assert "error: sample_softsrv: used 2 times for this document already" in conductor.told


async def test_references_of_one_turn_do_not_meet(tmp_path: Path) -> None:
    conductor = Conductor((call("sample_softsrv", n=2), call("sample_softsrv", n=2)))
    await run(tmp_path, conductor, Sampler())
    drafts = [text.splitlines()[0] for text in conductor.told if text.startswith("draft-")]
    assert drafts == ["draft-1, draft-2 by softsrv", "draft-3, draft-4 by softsrv"]


async def test_what_is_cut_empty_twice_or_contaminated_is_no_draft(tmp_path: Path) -> None:
    bad = (
        drawn("It was cut in the", "target-1", stopped=False),
        drawn("  ", "target-2"),
        drawn("secret", "target-3"),
        drawn("A whole one.", "target-4"),
        drawn(" A whole one.", "target-5"),
    )
    conductor = Conductor((call("sample_softsrv", n=3),))
    await run(tmp_path, conductor, Sampler(*bad))
    assert "draft-1 by softsrv\n3 words" in conductor.told
    conductor = Conductor((call("sample_softsrv", n=3),))
    await run(tmp_path / "none", conductor, Sampler(*bad[:3]))
    assert any(text.startswith("error: the sampler gave no whole draft") for text in conductor.told)


class Broken(Conductor):
    """A conductor whose server refuses its fourth turn, until it is mended."""

    mended = False

    def __call__(self, request: dict[str, Any]) -> Reply:
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        if request.get("tools") and turn == 3 and not self.mended:
            return failure("wrong_key")
        return super().__call__(request)


async def test_a_draw_is_made_once_however_often_the_run_begins(tmp_path: Path) -> None:
    sampler = Sampler()
    conductor = Broken(
        (call("sample_softsrv", n=2),), described("draft-1"), (call("submit", draft="draft-1"),)
    )
    with OpenAIServer(conductor) as server:
        with raises(MetaSynthError, "wrong_key"):
            await start(tmp_path, server, sampler)
        for file in (tmp_path / "run").glob("checkpoints.sqlite*"):
            file.unlink()  # what is left is the ledger
        conductor.mended = True
        record, spent = await start(tmp_path, server, sampler)
    assert len(sampler.draws) == 1
    assert (record.source, spent["softsrv"].calls) == ("softsrv", 1)


class TestWithoutASampler:
    async def test_prompt_and_tools_are_what_they_were(self, tmp_path: Path) -> None:
        conductor = Conductor()
        await run(tmp_path, conductor, None)
        names = [tool["function"]["name"] for tool in conductor.asked[0]["tools"]]
        assert names == ["consult", "set_seeds", "submit", "give_up"]
        assert not any("sample_softsrv" in text for text in conductor.told)

    async def test_the_tool_is_unknown(self, tmp_path: Path) -> None:
        conductor = Conductor((call("sample_softsrv", n=1),))
        await run(tmp_path, conductor, None)
        assert any("no tool is called sample_softsrv" in text for text in conductor.told)


async def test_with_one_the_conductor_is_told_of_it(tmp_path: Path) -> None:
    sampler, conductor = Sampler(), Conductor()
    await run(tmp_path, conductor, sampler)
    names = [tool["function"]["name"] for tool in conductor.asked[0]["tools"]]
    assert names == ["consult", "set_seeds", "submit", "give_up", "sample_softsrv"]
    system = conductor.asked[0]["messages"][0]["content"]
    assert "draws up to 3 drafts" in system
    assert "at most 2 times" in system
    assert sampler.prepared == 1
