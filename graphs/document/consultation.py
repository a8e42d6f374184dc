"""Consultations: the conductor's calls made ready to be sent, and what comes back of them."""

import hashlib
import json
import string
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage
from pydantic import BaseModel, ValidationError

from metasynth.agents.conductor.documents import NUDGE
from metasynth.agents.conductor.tools import Consult, SampleSoftSRV, offered_tools
from metasynth.agents.expert import expert_messages, expert_settings, resolve_role
from metasynth.agents.messages import Attachment, one_line, parse_keywords
from metasynth.agents.models.answers.forms import bare_form, bare_json
from metasynth.agents.models.received import carried
from metasynth.agents.roles.role import Role
from metasynth.config.run import RunConfig
from metasynth.errors import PromptError
from metasynth.graphs.admission.gate import declines
from metasynth.graphs.admission.instruction_checks import without_label
from metasynth.graphs.run.prompts import prompt_variables
from metasynth.graphs.run.state import Artifact, CallResult, Consultation, DocumentState, Sampling
from metasynth.graphs.workspace import Workspace
from metasynth.text.words import count_words, encodable

from .artifacts import answered, new_artifact, next_ref, parents_of
from .sampling import prepare_sampling

_CALLS_A_TURN = 36**3
_BODY_WORDS = 90  # of a note, an analysis or a summary in the conductor's view


class Prepared(NamedTuple):
    """What a turn's calls come to before anything is carried out."""

    consultations: list[Consultation]
    samplings: list[Sampling]
    results: dict[str, CallResult]  # the answers to calls that are wrong


def prepare(
    workspace: Workspace,
    state: DocumentState,
    reply: AIMessage,
    turn: int,
    *,
    graph: str,
    tools: Mapping[str, type[BaseModel]] | None = None,
    nudge: str = NUDGE,
) -> Prepared:
    """The consultations and samplings of a turn, and the answers to calls that are wrong.

    Args:
        graph: Whose roles may be consulted.
        tools: What may be called; by default what the document graph offers.
        nudge: What a conductor is told that calls something else.
    """
    if tools is None:
        tools = offered_tools(sampling=workspace.sampler.offered)
    turned = Prepared([], [], {})
    reserved: set[str] = set()
    for index, call in enumerate(reply.tool_calls):
        call_id, step = str(call["id"]), f"{state['number']}/{turn}.{index}"
        tool = tools.get(call["name"])
        if tool is None:
            problem = f"no tool is called {one_line(call['name'], most_words=3)}; {nudge}"
            turned.results[call_id] = CallResult(text=f"error: {problem}")
            continue
        problem, parsed = _parsed(tool, call["name"], call["args"])
        if isinstance(parsed, Consult):
            role = resolve_role(parsed, workspace.roles, graph=graph)
            ready = role if isinstance(role, str) else _consultation(role, state, parsed, reserved)
            if isinstance(ready, str):
                problem = ready
            else:
                turned.consultations.append({**ready, "call_id": call_id, "step": step})
        elif isinstance(parsed, SampleSoftSRV):
            drawn = prepare_sampling(
                workspace, state, parsed, reserved, earlier=len(turned.samplings)
            )
            if isinstance(drawn, str):
                problem = drawn
            else:
                turned.samplings.append({**drawn, "call_id": call_id, "step": step})
        if problem:
            turned.results[call_id] = CallResult(text=f"error: {problem}")
    return turned


def _parsed(tool: type[BaseModel], name: str, args: dict[str, Any]) -> tuple[str, BaseModel | None]:
    try:
        return "", tool.model_validate(args)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return one_line(f"{name}: {where}: {first['msg']}", most_words=30), None


def _consultation(
    role: Role, state: DocumentState, call: Consult, reserved: set[str]
) -> Consultation | str:
    """The call made ready to be sent, or what is wrong with it."""
    artifacts = state["artifacts"]
    for ref in call.attach:
        if ref not in artifacts:
            return f"nothing is called {one_line(ref, most_words=3)}"
        kind = artifacts[ref]["kind"]
        if role.receives and kind not in role.receives:
            return f"{call.expert} takes {', '.join(role.receives)}, not {kind}"
    drafts = [ref for ref in call.attach if artifacts[ref]["kind"] in ("draft", "question")]
    return Consultation(
        record_id=state["record_id"],
        chain=state["chain"],
        step="",
        call_id="",
        call=call.model_dump(),
        ref=next_ref(role.produces, artifacts, reserved),
        about=drafts[-1] if drafts else "",
        attached={ref: artifacts[ref] for ref in call.attach},
    )


async def consult_expert(
    workspace: Workspace, state: Consultation, *, graph: str, tool: type[Consult] = Consult
) -> DocumentState:
    """Ask one expert; it sees its role, the instruction and what is attached."""
    call = tool.model_validate(state["call"])
    if not workspace.config.conductor.personas:
        call = call.model_copy(update={"persona": ""})
    role = resolve_role(call, workspace.roles, graph=graph)
    assert isinstance(role, Role)  # checked before the consultation was sent
    attachments = [
        Attachment(ref, artifact["kind"], artifact["text"])
        for ref, artifact in state["attached"].items()
    ]
    name = expert_name(role, call)
    if role.name in workspace.config.conductor.without:
        return _left_out(role, state)
    variables = expert_variables(workspace.config, role, persona=call.persona, genre=call.genre)
    try:
        reply = await workspace.caller.call(
            workspace.voices.for_role(role),
            expert_messages(
                role,
                call.instruction,
                attachments,
                variables,
                style=workspace.config.experts.style,
            ),
            chain=state["chain"],
            step=state["step"],
            agent=name,
            record_id=state["record_id"],
            settings=expert_settings(role, workspace.config),
        )
    except PromptError as error:
        return answered(state["call_id"], f"error: {one_line(error.message, most_words=40)}")
    made, problem = read_reply(role, name, reply, about=state["about"])
    if made is None:
        return answered(state["call_id"], f"error: {problem}")
    if role.produces == "draft" and (parents := parents_of(state["attached"])):
        made["parents"] = parents
    update = answered(state["call_id"], result_text(state["ref"], made))
    update["artifacts"] = {state["ref"]: made}
    update["experts"] = [name]
    if role.produces in ("draft", "question") and call.persona:
        update["persona"] = call.persona
    if role.produces in ("draft", "question") and call.genre:
        update["genre"] = call.genre
    return update


def _left_out(role: Role, state: Consultation) -> DocumentState:
    """The answer to a consultation of an expert that the run does not offer.

    What the expert was to change comes back as it was, under a reference of its own, so that a
    conductor which asks by habit goes on; where nothing of its kind is attached it is told.
    """
    attached = state["attached"].values()
    same = [artifact for artifact in attached if artifact["kind"] == role.produces]
    if not same:
        return answered(state["call_id"], f"error: {role.name} is not offered here")
    made: Artifact = {**same[-1], "by": role.name}
    update = answered(state["call_id"], result_text(state["ref"], made))
    update["artifacts"] = {state["ref"]: made}
    return update


def expert_variables(
    config: RunConfig, role: Role, *, persona: str = "", genre: str = ""
) -> dict[str, object]:
    """What the role's prompt may mention; a question has a bound of its own."""
    variables = prompt_variables(config, persona=persona, genre=genre)
    if role.produces == "question":
        variables["max_words"] = config.instruct.max_question_words
    return variables


def normalised(reply: AIMessage, record_id: str, turn: int, most: int) -> AIMessage:
    """The reply as the conversation keeps it: its words, its calls under ids of ours, what came.

    Ids are ours so that every endpoint takes them and a repeated or missing one does no harm. A
    call whose arguments were not JSON becomes a call that is answered with what is wrong.
    """
    broken: list[Any] = [
        {"name": call.get("name") or "?", "args": {}, "id": call.get("id"), "type": "tool_call"}
        for call in reply.invalid_tool_calls
    ]
    calls = [*reply.tool_calls, *broken][:most]
    ids = {str(call["id"]): call_id(record_id, turn, index) for index, call in enumerate(calls)}
    return AIMessage(
        content=str(reply.text),
        tool_calls=[
            {**call, "id": call_id(record_id, turn, index)} for index, call in enumerate(calls)
        ],
        additional_kwargs=carried(reply, ids),
        id=f"{record_id}/{turn}",
    )


def call_id(record_id: str, turn: int, index: int) -> str:
    """The id of a call: nine letters and digits, as the strictest endpoints want it.

    Its end counts turns and calls, so no two of a record are alike.
    """
    number = turn * _CALLS_A_TURN + index
    record = int.from_bytes(hashlib.sha256(record_id.encode()).digest()[:8])
    return _base36(record, 3) + _base36(number, 6)


def _base36(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 36)
        digits = (string.digits + string.ascii_lowercase)[digit] + digits
    return digits


def expert_name(role: Role, call: Consult) -> str:
    """The name that ledger and lineage keep: the role's, or the one that was invented."""
    return one_line(call.expert, most_words=5) if role.name == "invented" else role.name


def read_reply(
    role: Role, name: str, reply: AIMessage, *, about: str
) -> tuple[Artifact | None, str]:
    """What an expert made, or what is wrong with its answer."""
    text = encodable(str(reply.text)).strip()
    text = bare_json(text) if isinstance(role.output, dict) else bare_form(text, role.produces)
    if not text:
        if refusal := reply.additional_kwargs.get("refusal"):
            return None, f"{name} declined: {one_line(str(refusal), most_words=30)}"
        return None, f"{name} gave an empty answer; ask again"
    cut = reply.response_metadata.get("finish_reason") == "length"
    if problem := _unusable(role, text, cut=cut):
        return None, f"{name} {problem}"
    if isinstance(role.output, dict) and (problem := _schema_problem(text, role.output)):
        return None, f"{name} did not answer in its form: {one_line(problem, most_words=30)}"
    if role.produces == "keywords":
        text = ", ".join(parse_keywords(text))
    if role.produces == "question":
        text = without_label(text)
    artifact = new_artifact(role.produces, text, by=name, about=about)
    artifact["cut"] = cut
    return artifact, ""


def _unusable(role: Role, text: str, *, cut: bool) -> str:
    """Why advice cannot be taken; of drafts the gate decides.

    A refusal would become keywords, and half a list a seed set.
    """
    if role.produces == "draft":
        return ""
    if declines(text):
        return f"declined: {one_line(text, most_words=30)}"
    if cut and role.produces in ("keywords", "topic", "summary", "question"):
        return "was cut at the token limit; ask again"
    return ""


def _schema_problem(text: str, schema: dict[str, Any]) -> str:
    """Why `text` is no JSON of this schema; servers differ in how far they enforce it."""
    import jsonschema

    try:
        jsonschema.validate(json.loads(text), schema)
    except ValueError:
        return "not JSON"
    except jsonschema.ValidationError as error:
        return str(error.message)
    return ""


def result_text(ref: str, artifact: Artifact) -> str:
    """What the conductor reads: the reference, and of anything but a draft the beginning."""
    first = f"{ref} by {one_line(artifact['by'], most_words=5)}"
    if artifact["kind"] == "draft":
        cut = ", cut at the token limit" if artifact["cut"] else ""
        return f"{first}\n{count_words(artifact['text'])} words{cut}"
    return f"{first}\n{one_line(artifact['text'], most_words=_BODY_WORDS)}"
