"""What a trace says of a node: the record, the verdict, what was asked for, what became of it."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.types import Command

from metasynth.graphs.run.threads import record_id
from metasynth.memory.traces.tracer import NodeFacts
from metasynth.text.words import excerpt

_WORDS = 40


def node_facts(identity: str, name: str, inputs: Any, outputs: Any) -> NodeFacts:
    """What is to be said of a node of any of the graphs.

    Args:
        identity: The run's, of which its record ids are made.
        name: The node's.
        inputs: The state that it was given.
        outputs: Its update or command.
    """
    state = inputs if isinstance(inputs, Mapping) else {}
    update = _update_of(outputs)
    facts: dict[str, Any] = {}
    title = ""
    if "call" in state:  # a consultation
        expert = str(state["call"].get("expert", ""))
        title = f"{name} {expert}"
        facts["gen_ai.operation.name"] = "invoke_agent"
        facts["gen_ai.agent.name"] = expert
        facts["metasynth.made"] = sorted(update.get("artifacts", ()))
    elif "near" in state:  # a draw of drafts
        title = f"{name} softsrv"
        facts["gen_ai.operation.name"] = "execute_tool"
        facts["gen_ai.tool.name"] = "sample_softsrv"
        facts["metasynth.made"] = list(state["refs"])
    if name == "conductor" and (asked := _asked(update)):
        facts["metasynth.asked"] = asked
        title = f"{name} {update['turns']}"
    if answer := _problem(update, state):
        facts["metasynth.problem"] = answer
    if reason := _reason(name, state, update):
        facts["metasynth.reason"] = excerpt(reason, _WORDS)
    record_id = _record_id(identity, name, inputs, state, update)
    outcome = str(update.get("outcome") or "")
    return NodeFacts(record_id, title, facts, outcome if record_id else "")


def _update_of(outputs: Any) -> Mapping[str, Any]:
    """What a node writes into the state."""
    update = outputs.update if isinstance(outputs, Command) else outputs
    return update if isinstance(update, Mapping) else {}


def _record_id(
    identity: str, name: str, inputs: Any, state: Mapping[str, Any], update: Mapping[str, Any]
) -> str:
    known = state.get("record_id") or update.get("record_id") or getattr(inputs, "record_id", "")
    if known:
        return str(known)
    worker = {**state, **update} if name == "take" else state
    if worker.get("place") and (name != "take" or "place" in update):
        return record_id(identity, str(worker["chain"]), int(worker["place"]))
    return ""


def _asked(update: Mapping[str, Any]) -> list[str]:
    """What the conductor calls for in its turn."""
    if "turns" not in update:
        return []
    calls = [
        call
        for message in update.get("messages", ())
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    ]
    return [excerpt(" ".join([call["name"], *_names(call["args"])]), _WORDS) for call in calls] or [
        "nothing that it may call for"
    ]


def _names(args: Mapping[str, Any]) -> list[str]:
    """The names among a call's arguments: experts and references, never a text."""
    values = [args.get(key) for key in ("expert", "source", "draft", "question", "near")]
    return [str(value) for value in values if value]


def _problem(update: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """What was wrong with a call, as the conductor reads it."""
    result = update.get("results", {}).get(state.get("call_id", ""), {})
    text = str(result.get("text", ""))
    return excerpt(text.removeprefix("error: "), _WORDS) if text.startswith("error: ") else ""


def _reason(name: str, state: Mapping[str, Any], update: Mapping[str, Any]) -> str:
    """Why something was refused or rejected."""
    if name == "reject":
        return str(state.get("reason", ""))
    if reason := update.get("reason"):
        return str(reason)
    if refusals := update.get("refusals"):
        said = [str(message.content) for message in update.get("messages", ())]
        return said[-1].partition(": ")[2].replace("\n", ": ") if said else str(refusals[-1])
    if update.get("critique"):
        return str(update["critique"])
    return ""
