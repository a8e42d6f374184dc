"""What is known of a run before anything is started."""

import hashlib
from functools import cached_property

from metasynth.agents.conductor.documents import prompt_version
from metasynth.agents.conductor.instructions import instruct_prompt_version
from metasynth.agents.models.provider import provider_facts
from metasynth.agents.roles.book import RoleBook, load_roles
from metasynth.agents.roles.role import Role
from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.config.run import ROLE_LIBRARY, RunConfig
from metasynth.domains.checkers import checker_version, find_checker
from metasynth.errors import ConfigError, RequestError
from metasynth.graphs.active.plan import ActivePlan, plan_active
from metasynth.graphs.admission.gate import Checker
from metasynth.graphs.baselines.plan import plan_template
from metasynth.graphs.document.order import check_conductor
from metasynth.graphs.scoring.plan import ScreeningPlan, plan_screening
from metasynth.graphs.softsrv.plan import SoftSRVPlan, plan_softsrv
from metasynth.records.documents import load_documents, load_instructions
from metasynth.records.seeds import Seed, load_seeds
from metasynth.registry import FoundPart
from metasynth.sources.reading import SourceReport
from metasynth.vectors.vocabulary import ADVICE, MOST_UNKNOWN

from .parts import check_parts, find_plugins, part_versions
from .prices import unpriced_models

_LOOKED_AT = 100  # seeds


class RunPlan:
    """A run file with all that it names, checked and without side effects.

    Nothing that a run file names is carried out for that: of checkers and plug-ins the source is
    read; `open_run` loads them.

    Attributes:
        sources: What was read for the seeds, and what was left out.
        warnings: What can be carried out, and is probably not what is meant.

    Raises:
        ConfigError: A role, a seed source, a template, the checker, a part, a directory of parts
            or what the sections `softsrv` and `active` name is wrong.
        RequestError: `softsrv.artifact` is no soft prompt.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.plugins: list[FoundPart] = find_plugins(config.plugins)
        check_parts(config)
        self.warnings: list[str] = _price_warnings(config)
        self.roles: RoleBook = load_roles(config.roles)
        self.checker: Checker | None = _checker(config.checker)
        self.sources = SourceReport()
        self.seeds: list[Seed] = _seeds(config, self.sources)
        self.warnings += [*self.sources.warnings, *_unreadable_seeds(config, self.seeds)]
        self.softsrv: SoftSRVPlan | None = plan_softsrv(config)
        self.active: ActivePlan | None = plan_active(config)
        self.screening: ScreeningPlan | None = plan_screening(config)
        self._own_checkers = _own_checkers(config)
        self.prompt_version = f"{self._conductor_version()}-{self._roles_version()}"
        check_conductor(
            config,
            self.roles,
            follows_prompts=provider_facts(config.model_for("experts").model).follows_prompts,
            draws_drafts=config.softsrv is not None and config.graph == "document",
        )
        self.exemplars: list[Seed] = plan_template(config, self.seeds)

    def _roles_version(self) -> str:
        return self.roles.version(short=self.config.experts.style == "short")

    def _conductor_version(self) -> str:
        if self.config.graph == "instruct":
            return instruct_prompt_version()
        writes = self.config.graph == "document"
        return prompt_version(
            sampling=writes and self.softsrv is not None,
            screened=writes and self.config.student_sends_back,
        )

    @cached_property
    def identity(self) -> str:
        """A hash of all of the user's that shapes the records: run file, roles, parts, seeds.

        The package's own prompts are left out, so that a run can go on after an update; every
        record names the version of the prompts that made it.
        """
        parts = [self.config.identity(), *(seed.id for seed in self.seeds)]
        if self.config.template.exemplars is not None:
            parts.extend(one.id for one in self.exemplars)
        if any(not source.startswith(ROLE_LIBRARY) for source in self.config.roles):
            parts.append(self._roles_version())
        if self.softsrv is not None:
            parts.extend(self.softsrv.identity())
        if self.active is not None:
            parts.extend(self.active.identity())
        parts.extend(self._own_checkers)
        parts.extend(part_versions(self.config, *roles_of(self.config, self.roles)))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def plan_run(config: RunConfig) -> RunPlan:
    """Check all that can be checked before a run starts; see `RunPlan` for what is raised."""
    return RunPlan(config)


def record_graph_name(config: RunConfig) -> str:
    """The graph whose roles are offered: where rounds have a conductor, it writes documents."""
    return "document" if config.graph == "active" else config.graph


def roles_of(config: RunConfig, roles: RoleBook) -> list[Role]:
    """The roles that a run may ask: those that its conductor is offered, and those who answer."""
    graph = record_graph_name(config)
    answering = roles.offered_by("answers") if graph in INSTRUCT_GRAPHS else []
    return [*roles.offered_by(graph), *answering]


def _seeds(config: RunConfig, report: SourceReport) -> list[Seed]:
    """The run's seeds; graphs that start from contexts or a pool need none."""
    given = config.seeds
    if config.graph in ("softsrv", "active") and not (
        given.keywords or given.keywords_file or given.documents
    ):
        return []
    if config.graph in ("self_instruct", "evol_instruct"):
        return load_instructions(given, random_seed=config.random_seed, report=report)
    if config.graph in INSTRUCT_GRAPHS:
        return [*load_documents(given, random_seed=config.random_seed, report=report)]
    return load_seeds(given, random_seed=config.random_seed, report=report)


def _unreadable_seeds(config: RunConfig, seeds: list[Seed]) -> list[str]:
    """An embedder that does not know the seeds' language tells nothing apart."""
    texts = [seed.text for seed in seeds[:_LOOKED_AT] if not seed.text.isascii()]
    if not texts:
        return []
    from metasynth.vectors.embed import vocabulary_of

    vocabulary = vocabulary_of(config.memory.embedder)
    if vocabulary is None:
        return []
    count = sum(vocabulary.unknown_share(text) > MOST_UNKNOWN for text in texts)
    if not count:
        return []
    return [
        f"memory.embedder: more than a tenth of the tokens is unknown to it in {count} of "
        f"{min(len(seeds), _LOOKED_AT)} seeds; the distances of such texts are void, n-grams "
        f"decide ({ADVICE})"
    ]


def _price_warnings(config: RunConfig) -> list[str]:
    """A limit in dollars counts no calls of models that have no price."""
    unpriced = unpriced_models(config) if config.budget.usd is not None else []
    if not unpriced:
        return []
    return [
        f"budget.usd: there is no price for {', '.join(unpriced)}; their calls are counted as "
        "unpriced (prices in the run file, or another limit: budget.calls, budget.tokens)"
    ]


def _own_checkers(config: RunConfig) -> list[str]:
    """The versions of the checkers that the user wrote."""
    versions = map(checker_version, checker_names(config))
    return [version for version in versions if version is not None]


def checker_names(config: RunConfig) -> list[str | None]:
    """The checkers that a run file names: for its texts, and for the student's answers."""
    test = config.active.test if config.active is not None else None
    return [config.checker, test.checker if test is not None else None]


def _checker(name: str | None) -> Checker | None:
    if name is None:
        return None
    try:
        return find_checker(name)
    except RequestError as error:
        raise ConfigError(f"checker: {error.message}", code=error.code) from None
