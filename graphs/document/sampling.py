"""The conductor's tool `sample_softsrv`: drafts from a trained soft prompt, by reference."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata

from metasynth.agents.conductor.documents import SamplingOffer
from metasynth.agents.conductor.tools import SampleSoftSRV
from metasynth.config.model import PriceConfig
from metasynth.graphs.run.state import Artifact, DocumentState, Sampling
from metasynth.graphs.softsrv.steering.sampler import DraftSampler
from metasynth.graphs.workspace import Workspace
from metasynth.memory.ledger import CallKey, CallTag
from metasynth.memory.messages import payload_hash
from metasynth.randomness import derive_seed
from metasynth.text.words import count_words, encodable

from .artifacts import answered, new_artifact, next_ref

AGENT = "softsrv"
_REFERENCE = re.compile(r"[a-z]+-\d+|neighbours")
_STARTS = 2**40  # draws of different records begin at numbers of their own
_NO_PRICE = PriceConfig(input=0, output=0)  # it is computed in this process


class _Draft(NamedTuple):
    text: str
    context_id: str


def offer_of(workspace: Workspace) -> SamplingOffer | None:
    """What the conductor is told of the tool; None where there is nothing to sample."""
    sampler = workspace.sampler
    if not isinstance(sampler, DraftSampler):
        return None
    return SamplingOffer(sampler.most_samples, sampler.most_uses)


def prepare_sampling(
    workspace: Workspace,
    state: DocumentState,
    call: SampleSoftSRV,
    reserved: set[str],
    *,
    earlier: int,
) -> Sampling | str:
    """The call made ready to be carried out, or what is wrong with it.

    `earlier` counts the draws that stand before it in the same turn.
    """
    sampler = _sampler(workspace)
    if state.get("samplings", 0) + earlier >= sampler.most_uses:
        return f"sample_softsrv: used {sampler.most_uses} times for this document already"
    if call.n > sampler.most_samples:
        return f"sample_softsrv: n: at most {sampler.most_samples} drafts at once"
    artifacts, near = state["artifacts"], call.near.strip()
    if near in artifacts:
        near = artifacts[near]["text"]
    elif _REFERENCE.fullmatch(near):
        return f"nothing is called {near}"
    return Sampling(
        record_id=state["record_id"],
        chain=state["chain"],
        step="",
        call_id="",
        near=near,
        refs=[next_ref("draft", artifacts, reserved) for _ in range(call.n)],
    )


async def draw_drafts(workspace: Workspace, state: Sampling) -> DocumentState:
    """Draw, and keep as artifacts what is whole, clean and not the same twice."""
    drafts = await asyncio.to_thread(_usable, workspace, await _drawn(workspace, state))
    if not drafts:
        text = "error: the sampler gave no whole draft; try other keywords, or consult an expert"
        return answered(state["call_id"], text)
    made: dict[str, Artifact] = {}
    for ref, draft in zip(state["refs"], drafts, strict=False):
        artifact = new_artifact("draft", draft.text, by=AGENT)
        made[ref] = {**artifact, "source": AGENT, "parents": [draft.context_id]}
    sizes = ", ".join(str(count_words(artifact["text"])) for artifact in made.values())
    update = answered(state["call_id"], f"{', '.join(made)} by {AGENT}\n{sizes} words")
    update["artifacts"] = made
    update["experts"] = [AGENT]
    return update


async def _drawn(workspace: Workspace, state: Sampling) -> AIMessage:
    """The draw as the ledger keeps it: drawn at most once, whatever happens to the run."""
    sampler, count = _sampler(workspace), len(state["refs"])
    seed = workspace.config.random_seed
    start = derive_seed(seed, state["chain"], state["step"], AGENT) % _STARTS
    payload = payload_hash([HumanMessage(state["near"])], model=sampler.name, n=count, start=start)
    key = CallKey(state["chain"], state["step"], payload)
    if (known := await asyncio.to_thread(workspace.ledger.lookup, key)) is not None:
        return known
    workspace.budget.check()
    await sampler.prepare(workspace.budget.check)
    began = time.perf_counter()
    drawn = await sampler.draw(state["near"], count, start=start)
    tokens = sum(sample.tokens for sample in drawn)
    samples = [
        {"text": encodable(sample.text), "context_id": sample.context_id, "stopped": sample.stopped}
        for sample in drawn
    ]
    response = AIMessage(
        content="\n\n".join(str(sample["text"]) for sample in samples),
        additional_kwargs={"samples": samples},
        usage_metadata=UsageMetadata(input_tokens=0, output_tokens=tokens, total_tokens=tokens),
    )
    tag = CallTag(key, agent=AGENT, record_id=state["record_id"], model=sampler.name)
    await asyncio.to_thread(
        workspace.ledger.record,
        tag,
        response,
        seconds=time.perf_counter() - began,
        prices={sampler.name: _NO_PRICE},
    )
    return response


def _usable(workspace: Workspace, response: AIMessage) -> list[_Draft]:
    samples: list[Mapping[str, Any]] = response.additional_kwargs["samples"]
    drafts: dict[str, _Draft] = {}
    for sample in samples:
        text = str(sample["text"]).strip()
        if text and sample["stopped"] and not _sampler(workspace).contaminated(text):
            drafts.setdefault(text, _Draft(text, str(sample["context_id"])))
    return list(drafts.values())


def _sampler(workspace: Workspace) -> DraftSampler:
    assert isinstance(workspace.sampler, DraftSampler), "its tool was offered"
    return workspace.sampler
