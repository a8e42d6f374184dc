"""What a model's answers say of it."""

from langchain_core.messages import AIMessage

from metasynth.agents.messages import one_line
from metasynth.agents.models.answers.cleaning import REASONING, reasoning_of
from metasynth.config.model import ModelConfig
from metasynth.graphs.document.consultation import read_reply
from metasynth.graphs.run.emptiness import thinking_tokens
from metasynth.usage import ESTIMATED

from .findings import UNKNOWN, Finding
from .interview import Answer, Answers, fits_schema
from .questions import LAST_WORD

_NO_TEMPLATE = "the server says that the model's chat template knows no tools"
_ABOUT_SYSTEM = ("system message", "role system")


def findings_of(heard: Answers, settings: ModelConfig) -> dict[str, Finding]:
    """All findings about a model; those that its answers do not tell are unknown."""
    if heard.voice is None or heard.error is not None:
        assert heard.error is not None
        return {"answers": Finding("no", heard.error.message)}
    sends_temperature = "temperature" not in heard.voice.unsent
    return {
        "answers": _answers(heard),
        "tools": _tools(heard),
        "required_choice": _required(heard, settings),
        "several_calls": _several(heard),
        "system_role": _system(heard, settings),
        "temperature": _refused(heard, "temperature")
        or (_taken(heard.plain) if sends_temperature else Finding("not sent")),
        "seed": _seed(heard),
        "json_schema": _schema(heard),
        "usage": _usage(heard),
        "thinking": _thinking(heard),
        "limits": _limits(heard),
        "context_window": Finding(heard.server.window, heard.server.source)
        if heard.server.window
        else UNKNOWN,
    }


def _answers(heard: Answers) -> Finding:
    """Whether words come; calls alone make no expert."""
    if heard.plain.reply is None:
        return Finding("no", heard.plain.shown)
    served = heard.plain.raw.response_metadata.get("model_name", "") if heard.plain.raw else ""
    return Finding("yes", f"as {served}" if served else "")


def _taken(answer: Answer) -> Finding:
    return UNKNOWN if answer.reply is None else Finding("yes")


def _refused(heard: Answers, *signs: str) -> Finding | None:
    """The refusal that changed a request, by what the change speaks of."""
    for change, words in heard.adapted.items():
        if any(sign in change for sign in signs):
            return Finding("refused", f"{change}: “{words}”" if words else change)
    return None


def _tools(heard: Answers) -> Finding:
    answer = heard.tools
    if answer.calls and answer.raw is not None:
        return Finding("yes", "" if answer.raw.tool_calls else "written in its text, read there")
    if answer.reply is None and answer.error is None:
        return UNKNOWN
    shown = [_NO_TEMPLATE] if heard.server.knows_tools is False else []
    return Finding("no", "; ".join([*shown, answer.shown]))


def _required(heard: Answers, settings: ModelConfig) -> Finding:
    if refusal := _refused(heard, "tool_choice"):
        return refusal
    if settings.tool_choice != "required":
        return Finding("not sent", f"tool_choice: {settings.tool_choice or 'null'}")
    if heard.required.reply is None:
        return UNKNOWN if heard.required.error is None else Finding("no", heard.required.shown)
    if heard.required.calls:
        return Finding("yes", "a call came where none was needed")
    return Finding("no", f"taken, but not enforced: {heard.required.shown}")


def _several(heard: Answers) -> Finding:
    calls = heard.tools.calls
    if calls == 0:
        return UNKNOWN
    return Finding("yes" if calls > 1 else "no", f"{calls} where two were asked for")


def _system(heard: Answers, settings: ModelConfig) -> Finding:
    if refusal := _refused(heard, *_ABOUT_SYSTEM):
        return refusal
    if not settings.system_role:
        return Finding("not sent", "system_role: false")
    if heard.plain.reply is None:
        return UNKNOWN
    obeyed = LAST_WORD in heard.plain.text
    return Finding("yes", "obeyed" if obeyed else f"taken, but not obeyed: {heard.plain.shown}")


def _seed(heard: Answers) -> Finding:
    assert heard.voice is not None
    if not heard.voice.takes_seed:
        return Finding("not sent")
    if refusal := _refused(heard, "seed"):
        return refusal
    first, again, other = heard.plain, heard.again, heard.other_seed
    if first.reply is None or again.reply is None:
        return UNKNOWN
    if first.text != again.text:
        return Finding("no", "two answers to one seed")
    if other.reply is not None and other.text == first.text:
        return Finding("unknown", "the same answer whatever the seed")
    return Finding("yes", "the same answer twice, another one to another seed")


def _schema(heard: Answers) -> Finding:
    if refusal := _refused(heard, "response_format"):
        return refusal
    if heard.schema.reply is None:
        return UNKNOWN if heard.schema.error is None else Finding("no", heard.schema.shown)
    if fits_schema(heard.schema):
        return Finding("yes", "enforced")
    return Finding("no", f"taken, but not enforced: {heard.schema.shown}")


def _usage(heard: Answers) -> Finding:
    raw = heard.plain.raw or heard.tools.raw
    if raw is None:
        return UNKNOWN
    if raw.response_metadata.get(ESTIMATED):
        return Finding("no", "none that can be; estimated")
    counts = raw.usage_metadata
    return Finding(
        "yes", f"{counts['input_tokens']} in, {counts['output_tokens']} out" if counts else ""
    )


def _thinking(heard: Answers) -> Finding:
    answers = (heard.plain, heard.tools, heard.limits, heard.schema)
    messages = [answer.reply or answer.raw for answer in answers]
    present = [message for message in messages if message is not None]
    if not present:
        return UNKNOWN
    for message in present:
        if words := _thought(message):
            return Finding("yes", words)
    if any(each.error is not None and each.error.code == "thinking_cut" for each in answers):
        return Finding("yes", "it takes all that may be written, see limits")
    return Finding("no")


def _thought(message: AIMessage) -> str:
    """Where a message has thinking, and how much; "" where it has none."""
    counted = thinking_tokens(message)
    tokens = f", {counted} tokens" if counted else ""
    if not reasoning_of(message):
        return f"not shown{tokens}" if counted else ""
    if message.additional_kwargs.get(REASONING):
        return f"in the text, between marks{tokens}"
    names = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
    field = next((name for name in names if message.additional_kwargs.get(name)), "")
    return f"in the field {field}{tokens}" if field else f"in blocks of the content{tokens}"


def _limits(heard: Answers) -> Finding:
    role, answer = heard.tightest, heard.limits
    if role is None or (answer.reply is None and answer.error is None):
        return UNKNOWN
    bound = f"max_tokens {role.max_tokens} ({role.name})"
    if answer.reply is None:
        return Finding("no", f"{bound}: {answer.shown}")
    made, problem = read_reply(role, role.name, answer.reply, about="")
    if made is None:
        return Finding("no", f"{bound}: {one_line(problem, most_words=30)}")
    return Finding("yes", f"{bound} suffice")
