"""The order in which policy `fixed` asks experts, and what no conductor can do without.

Checked before a run starts, so that a setting with which no draft can ever pass costs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from metasynth.agents.roles.book import RoleBook
from metasynth.agents.roles.role import Role
from metasynth.config.run import RunConfig
from metasynth.errors import ConfigError

Steps = tuple[tuple[Role, ...], ...]
"""Experts one step after the other; those of one step are asked at once."""

SUBMITTED: Mapping[str, str] = {"document": "draft", "instruct": "question"}
"""The kind of artifact that a graph's conductor submits."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "document": ("draft", "summary", "topic"),
    "instruct": ("question",),
}
"""The kinds without which the gate lets nothing pass."""

_CALL_TOKENS = 12  # of the shortest call

_USUAL: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "document": (
        ("seed_keyword_extraction",),
        ("seed_keyword_expansion", "author_persona"),
        ("domain_expert",),
        ("summarizer", "topic_label"),
    ),
    "instruct": (
        ("document_transformation",),
        ("persona_suggestion", "complexity_suggestion"),
        ("question_editor",),
    ),
}
_BY_EXPLANATION = ("author_persona", "complexity_suggestion")
"""What a model that follows no prompt was not taught, or not beside others."""


def conducts(config: RunConfig) -> str | None:
    """The graph whose conductor a run has: `document` or `instruct`; None where it has none."""
    if config.graph == "active":
        section = config.active
        return "document" if section is not None and section.generate == "conductor" else None
    return config.graph if config.graph in SUBMITTED else None


def steps_of(
    config: RunConfig, roles: RoleBook, graph: str, *, from_keywords: bool, follows_prompts: bool
) -> Steps:
    """The steps of policy `fixed`; required experts that they leave out are asked in the last.

    Args:
        config: Its `conductor.order`, or the usual one.
        roles: Those of the run; names of the order that it does not know are left out.
        graph: Whose conductor this is.
        from_keywords: The seed is a set of keywords, so that none are to be extracted.
        follows_prompts: Of the experts' model.
    """
    settings = config.conductor
    order = settings.steps or _usual(graph, from_keywords, follows_prompts)
    left_out = set(settings.without)
    steps = [
        tuple(
            role
            for name in step
            if name not in left_out and (role := roles.get(name)) is not None
            if settings.personas or role.produces != "persona"
        )
        for step in order
    ]
    steps = [step for step in steps if step]
    last = max((i for i, step in enumerate(steps) if _writes(step, graph)), default=-1)
    asked = {role.name for step in steps[last + 1 :] for role in step}
    late = tuple(roles[name] for name in settings.require if name not in asked)
    if late and steps[last + 1 :]:
        steps[-1] = (*steps[-1], *late)
    elif late:
        steps.append(late)
    return tuple(steps)


def _writes(step: Iterable[Role], graph: str) -> bool:
    return any(role.produces == SUBMITTED[graph] for role in step)


def _usual(graph: str, from_keywords: bool, follows_prompts: bool) -> tuple[tuple[str, ...], ...]:
    skipped = {"seed_keyword_extraction"} if from_keywords else set()
    if not follows_prompts:
        skipped |= set(_BY_EXPLANATION)
    return tuple(tuple(name for name in step if name not in skipped) for step in _USUAL[graph])


def check_conductor(
    config: RunConfig, roles: RoleBook, *, follows_prompts: bool, draws_drafts: bool = False
) -> None:
    """Refuse settings of conductor and experts with which no record can ever be written.

    Args:
        config: The run file.
        roles: Those of the run.
        follows_prompts: Of the experts' model.
        draws_drafts: There is a sampler beside the experts.

    Raises:
        ConfigError: The run has no conductor (code `no_conductor`), an expert is unknown or not
            offered (`unknown_expert`), nobody makes what a submission needs (`expert_missing`), the
            order cannot be carried out (`bad_order`), or two keys exclude each other
            (`contradiction`).
    """
    settings, graph = config.conductor, conducts(config)
    if config.experts.style == "short" and not follows_prompts:
        raise ConfigError(
            f"experts.style: {config.model_for('experts').model} knows its experts by their full "
            "prompts; leave the key out",
            code="contradiction",
        )
    if graph is None:
        for key in ("policy", "order", "require", "tools"):
            if getattr(settings, key) != type(settings).model_fields[key].default:
                raise ConfigError(
                    f"conductor.{key}: graph {config.graph} has no conductor as it is set up here; "
                    "leave the key out",
                    code="no_conductor",
                )
        for name in settings.without:
            _check_name("without", name, roles, _offering(config), ())
        return
    if settings.order and settings.policy == "model":
        raise ConfigError(
            "conductor.order: a model decides whom it asks; set conductor.policy: fixed",
            code="bad_order",
        )
    for key, name in _named(config):
        _check_name(key, name, roles, graph, settings.without)
    _check_limits(config, roles, graph)
    if settings.policy == "fixed":
        if draws_drafts:
            raise ConfigError(
                "conductor.policy: fixed draws no drafts from the section softsrv; leave one out",
                code="bad_order",
            )
        _check_steps(config, roles, graph, follows_prompts=follows_prompts)
    else:
        _check_makers(config, roles, graph, draws_drafts=draws_drafts)


def _named(config: RunConfig) -> Iterator[tuple[str, str]]:
    settings = config.conductor
    yield from (("without", name) for name in settings.without)
    yield from (("order", name) for step in settings.steps for name in step)
    yield from (("require", name) for name in settings.require)


def _check_name(key: str, name: str, roles: RoleBook, graph: str, without: Sequence[str]) -> None:
    offered = [role.name for role in roles.offered_by(graph)]
    if name not in offered:
        raise ConfigError(
            f"conductor.{key}: graph {graph} offers no expert {name!r}; there are "
            f"{', '.join(offered) or 'none'}",
            code="unknown_expert",
        )
    if key != "without" and name in without:
        raise ConfigError(
            f"conductor.{key}: {name} is left out by conductor.without", code="expert_missing"
        )
    takes = roles[name].receives
    if key == "require" and takes and SUBMITTED[graph] not in takes:
        raise ConfigError(
            f"conductor.require: {name} takes {', '.join(takes)}, and is to be shown a "
            f"{SUBMITTED[graph]}",
            code="bad_order",
        )


def _check_limits(config: RunConfig, roles: RoleBook, graph: str) -> None:
    """A word takes a token at least, so that a lower limit of tokens cuts every answer."""
    least = config.gate.min_words
    if graph == "instruct":
        least = config.instruct.min_question_words
    models, limits = config.model_for("experts"), dict[str, int]()
    for role in roles.offered_by(graph):
        if role.produces == SUBMITTED[graph] and role.name not in config.conductor.without:
            most = role.max_tokens or models.max_tokens
            limits[role.name] = least if most is None else most
    if limits and all(most < least for most in limits.values()):
        raise ConfigError(
            f"max_tokens: {', '.join(limits)} may answer with {max(limits.values())} tokens, and "
            f"{least} words are asked at least; raise experts.max_tokens or the role's",
            code="contradiction",
        )
    conductor = config.model_for("conductor").max_tokens
    if config.conductor.policy == "model" and conductor is not None and conductor < _CALL_TOKENS:
        raise ConfigError(
            f"conductor.max_tokens: {conductor} tokens hold no tool call; {_CALL_TOKENS} do",
            code="contradiction",
        )


def _check_makers(config: RunConfig, roles: RoleBook, graph: str, *, draws_drafts: bool) -> None:
    """Every kind that a submission needs must be made by someone who is offered."""
    left_out = set(config.conductor.without)
    offered = [role for role in roles.offered_by(graph) if role.name not in left_out]
    kinds = _given(config, graph) | ({"draft"} if draws_drafts else set())
    while made := {str(role.produces) for role in offered if _can_be_asked(role, kinds)} - kinds:
        kinds |= made
    needed = (*NEEDED[graph], *(("keywords",) if graph == "document" else ()))
    for kind in needed:
        if kind not in kinds:
            makers = [role.name for role in roles.offered_by(graph) if role.produces == kind]
            raise ConfigError(
                f"conductor.without: no submission passes without a {kind}, and nobody is left who "
                f"makes one; keep one of {', '.join(makers)}",
                code="expert_missing",
            )


def _can_be_asked(role: Role, kinds: set[str]) -> bool:
    """Whether there is something to attach; neighbours alone are nothing to work on."""
    return not role.receives or bool(set(role.receives) & (kinds - {"neighbours"}))


def _given(config: RunConfig, graph: str) -> set[str]:
    """The kinds that are there before anybody is asked."""
    if graph == "instruct":
        return {"document", "neighbours"}
    return {"seed", "neighbours"} | ({"keywords"} if _from_keywords(config) else set())


def _from_keywords(config: RunConfig) -> bool:
    return config.seeds.documents is None and config.graph != "active"


def _offering(config: RunConfig) -> str:
    """The graph whose experts `conductor.without` names: also where another way is chosen."""
    return "document" if config.graph == "active" else config.graph


def _check_steps(config: RunConfig, roles: RoleBook, graph: str, *, follows_prompts: bool) -> None:
    """Carry the order out in thought: whom is what attached to, and what is there at the end."""
    steps = steps_of(
        config,
        roles,
        graph,
        from_keywords=_from_keywords(config),
        follows_prompts=follows_prompts,
    )
    kinds = _given(config, graph)
    submitted, described = SUBMITTED[graph], set[str]()
    for step in steps:
        for role in step:
            if not _can_be_asked(role, kinds):
                raise ConfigError(
                    f"conductor.order: {role.name} takes {' or '.join(role.receives)}, and none is "
                    "made before it",
                    code="bad_order",
                )
        made = {str(role.produces) for role in step}
        described = made if _writes(step, graph) else described | made
        kinds |= made
    missing = [kind for kind in NEEDED[graph] if kind not in described]
    if graph == "document" and "keywords" not in kinds:
        missing.append("keywords")
    if missing:
        raise ConfigError(
            f"conductor.order: no submission passes without a {missing[0]}, and nobody is asked "
            f"for one{_after(missing[0], submitted)}",
            code="expert_missing",
        )
    turns = len(steps) + 1
    if turns > config.conductor.max_turns:
        raise ConfigError(
            f"conductor.max_turns: {config.conductor.max_turns} turns are too few for the order, "
            f"which takes {turns}",
            code="too_few_turns",
        )


def _after(kind: str, submitted: str) -> str:
    return "" if kind in (submitted, "keywords") else f" after the last {submitted}"
