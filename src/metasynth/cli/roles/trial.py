"""`roles try`: one expert alone, as a run would ask it."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.cli.screen.options import RolesOption, SetOption, with_roles
from metasynth.cli.screen.terminal import tell
from metasynth.errors import MetaSynthError, RequestError

from .names import find_role

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from metasynth.agents.messages import Attachment
    from metasynth.agents.roles.role import Role
    from metasynth.compose.trial import Tried
    from metasynth.config.run import RunConfig

_WITHOUT_RUN_FILE = {"domain": {"name": "everyday arithmetic"}, "seeds": {"keywords": ["any"]}}
_ONE_OF_ITS_KIND = ("neighbours",)  # its reference has no number
_FILE_NAME = re.compile(r"\S+\.\w{1,5}|\S*/\S*")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("try")(try_)


def try_(
    name: Annotated[str, typer.Argument(help="a role's name, or a role file")],
    instruction: Annotated[
        str, typer.Option("--instruction", help="what the expert shall do, as a conductor says it")
    ],
    attach: Annotated[
        list[str] | None,
        typer.Option("--attach", metavar="KIND=FILE", help="or KIND=TEXT, such as draft=…"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="CONFIG", help="a run file [the embedded model]"),
    ] = None,
    set_: SetOption = None,
    roles: RolesOption = None,
    persona: Annotated[str, typer.Option("--persona", help="who the expert writes as")] = "",
    genre: Annotated[str, typer.Option("--genre", help="the form of the document")] = "",
    prompt: Annotated[bool, typer.Option("--prompt", help="show what the expert is shown")] = False,
) -> int:
    """Ask one expert alone: its answer on stdout, what it took on stderr. Nothing is kept."""
    given = with_roles(_run_config(config, set_ or ()), roles or ())
    role = find_role(name, given.roles)
    from metasynth.agents.expert import expert_messages
    from metasynth.compose.trial import try_expert
    from metasynth.graphs.document.consultation import expert_variables

    attachments = _attachments(role, attach or ())
    variables = expert_variables(given, role, persona=persona, genre=genre)
    messages = expert_messages(role, instruction, attachments, variables, style=given.experts.style)
    if prompt:
        _show(messages)
    _warn(role, given)
    tried = asyncio.run(try_expert(given, role, messages))
    tell(tried.text)
    _account(role, tried)
    if tried.problem:
        raise MetaSynthError(
            f"a run would not take this answer: {tried.problem}", code="refused_answer"
        )
    return 0


def _run_config(path: Path | None, overrides: Sequence[str]) -> "RunConfig":
    from metasynth.config.file import changed_run_config, load_run_config

    if path is None:
        return changed_run_config(dict(_WITHOUT_RUN_FILE), overrides, where="--set")
    return load_run_config(path, overrides)


def _attachments(role: "Role", given: Sequence[str]) -> list["Attachment"]:
    """What `--attach` says, under the references that a run would use."""
    from metasynth.agents.messages import Attachment

    numbers: Counter[str] = Counter()
    attachments = []
    for each in given:
        kind, equals, value = each.partition("=")
        if not equals:
            raise RequestError(
                f"--attach {each}: expected KIND=FILE or KIND=TEXT", code="bad_attachment"
            )
        if role.receives and kind not in role.receives:
            raise RequestError(
                f"--attach {kind}: {role.name} takes {', '.join(role.receives)}, not {kind}",
                code="bad_attachment",
            )
        numbers[kind] += 1
        ref = kind if kind in _ONE_OF_ITS_KIND else f"{kind}-{numbers[kind]}"
        attachments.append(Attachment(ref, kind, _text(kind, value)))
    if role.receives and not attachments:
        raise RequestError(
            f"{role.name} works on what is attached and nothing is; it takes "
            f"{', '.join(role.receives)}: --attach {role.receives[0]}=FILE, or =TEXT",
            code="no_attachment",
        )
    return attachments


def _text(kind: str, value: str) -> str:
    """The text of a file, or the value itself; what looks like a file and is none is an error."""
    path = Path(value)
    try:
        if not path.is_file():
            if _FILE_NAME.fullmatch(value):
                raise RequestError(f"--attach {kind}: no such file: {value}", code="missing_file")
            return value
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"--attach {kind}: cannot be read ({error})", code="bad_attachment"
        ) from None


def _show(messages: Sequence["BaseMessage"]) -> None:
    for message in messages:
        tell(f"— {message.type}", err=True)
        tell(f"{message.text}\n", err=True)


def _warn(role: "Role", config: "RunConfig") -> None:
    """The embedded model has learnt a few titles, and reads no instructions."""
    from metasynth.agents.roles.book import packaged_roles

    model = role.model or config.model_for("experts").model
    if model == "embedded" and role not in packaged_roles():
        tell(
            "note: the embedded model reads no role; it knows the titles of the package's own. "
            "Name a model of yours: --set teacher.model=openai:NAME",
            err=True,
        )


def _account(role: "Role", tried: "Tried") -> None:
    used = tried.used
    price = "no price" if used.unpriced else f"${used.usd:.6f}"
    tell(
        f"{role.name} by {tried.model}: {used.tokens_in} tokens in, {used.tokens_out} out, "
        f"{used.seconds:.1f} s, {price}",
        err=True,
    )
