"""The run file: one YAML file, validated as a whole before anything starts.

Unknown keys, wrong types and missing files end with one line that names the file and the path of
the key. Secrets are never here: a model names the environment variable that holds its key.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from metasynth.text.words import split_keywords

from .active import ActiveConfig
from .checks import ADDRESS, contradiction
from .conductor import ConductorConfig, ExpertsConfig
from .identity import identity_of
from .instruct import INSTRUCT_GRAPHS, InstructConfig, InstructGraph, check_instruct
from .marks import CHECKER, EMBEDDER, TEXTS, NotIdentity, PartOf, RelativeToFile
from .model import ModelConfig as ModelConfig
from .model import PriceConfig as PriceConfig
from .review import ReviewConfig, ReviewSection
from .section import Section
from .softsrv import SoftSRVConfig
from .student import StudentConfig
from .template import TemplateConfig

ROLE_LIBRARY = "library:"  # before the name of a domain that the package has experts for
ROLES = RelativeToFile(rf"(?!{ROLE_LIBRARY})(?P<path>.+)", folder=True)

_CONDUCTOR_BOUNDS = set(ConductorConfig.model_fields) - set(ModelConfig.model_fields)
_EXPERTS_OWN = set(ExpertsConfig.model_fields) - set(ModelConfig.model_fields)


class DomainConfig(Section):
    """What the corpus is about."""

    name: str = Field(description="what prompts call it")
    description: str = Field(default="", description="a sentence or two: about what, for whom")
    language: str = Field(default="en", pattern=r"^[a-z]{2}$", description="ISO 639-1")
    genres: tuple[str, ...] = Field(default=(), description="forms that records may have")


def _split(value: object) -> object:
    """`a, b` in YAML is a set of keywords, as is `[a, b]`."""
    return split_keywords(value) if isinstance(value, str) else value


KeywordSet = Annotated[
    tuple[str, ...], BeforeValidator(_split, json_schema_input_type=str | tuple[str, ...])
]


def _encoding(name: str) -> str:
    try:
        b"x".decode(name)
    except UnicodeError:
        pass
    except LookupError:
        raise ValueError(f"no encoding of texts is called {name!r}") from None
    return name


class SeedsConfig(Section):
    """Where records start: keyword sets, or the user's documents."""

    keywords: tuple[KeywordSet, ...] = Field(
        default=(), description="keyword sets, each a list or `a, b, c`"
    )
    keywords_file: Annotated[Path | None, RelativeToFile()] = Field(
        default=None, description="a text file, a keyword set a line"
    )
    documents: Annotated[str | None, TEXTS] = Field(
        default=None, description="file, folder, glob, or hf:NAME of a Hugging Face data set"
    )
    text_field: str | None = Field(
        default=None,
        description="of rows; default: `text`, else the turns of a chat, ShareGPT or Alpaca row",
    )
    split: str = Field(default="train", description="of hf:NAME")
    license: Annotated[str | None, NotIdentity("label")] = Field(
        default=None, description="of the texts, told in data cards"
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        default="utf-8", description="of texts without a byte order mark, such as cp1252"
    )
    limit: int = Field(
        default=500,
        ge=1,
        description="seeds drawn from a larger pool: the first 20 times as many of each file",
    )
    refresh_every: int = Field(default=5, ge=1, description="M: records written from one seed")
    neighbours: int = Field(default=4, ge=1, description="k: candidates looked at first")
    max_words: int = Field(default=400, ge=20, description="of a chunk, at most")
    chunk_tokens: int = Field(
        default=640,
        ge=32,
        description="of a chunk, at most, four bytes each: longer texts become several seeds",
    )
    chunk_overlap: int = Field(
        default=64, ge=0, description="tokens that a chunk may repeat of the one before"
    )

    @model_validator(mode="after")
    def _chunks_go_on(self) -> Self:
        if self.chunk_overlap >= self.chunk_tokens:
            raise ValueError("chunk_overlap: must be smaller than chunk_tokens")
        return self


class GateConfig(Section):
    """Thresholds of the gate, which decides in code whether a draft may enter the corpus."""

    tries: int = Field(default=4, ge=1, description="drafts submitted for one record")
    min_words: int = Field(default=20, ge=1, description="of a document")
    max_words: int = Field(default=400, ge=5, description="of a document")
    min_seed_words: float = Field(default=0.5, ge=0, le=1, description="share of the seed set")
    min_distance: float = Field(default=0.15, ge=0, le=2, description="cosine, to the nearest")
    ngram: int = Field(default=8, ge=2, description="words in an n-gram")
    max_ngram_overlap: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of a draft's n-grams that one earlier record may hold",
    )
    opening_words: int = Field(default=5, ge=2, description="words that make an opening")
    max_same_opening: int = Field(default=2, ge=1, description="records that open alike")
    check_language: bool = Field(
        default=True, description="whether a draft is written in domain.language"
    )
    checks: Annotated[tuple[str, ...], PartOf("check")] = Field(
        default=(), description="checks of what has passed the gate, by their files' names"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_words > self.max_words:
            raise contradiction(
                f"min_words: {self.min_words} words at least and {self.max_words} at most "
                "(max_words) are never both"
            )
        return self


class MemoryConfig(Section):
    """The memory of what was written, and how much of it the conductor sees."""

    url: Annotated[str | None, NotIdentity("address"), ADDRESS] = Field(
        default=None, description="a Chroma server; default: in the run"
    )
    embedder: Annotated[str, EMBEDDER] = Field(
        default="default",
        description="a sentence-transformers folder (./X, or one beside this file) or hub id; "
        "default: the packaged one",
    )
    neighbours: int = Field(
        default=3, ge=0, le=20, description="nearest summaries that the conductor is shown"
    )
    opening_words: int = Field(default=16, ge=4, description="words of an opening that is embedded")
    labels: int = Field(default=8, ge=0, le=50, description="latest topic labels that it is shown")
    topics: int = Field(
        default=12, ge=0, le=100, description="most frequent topics that it is shown"
    )
    told: bool = Field(default=True, description="the conductor is told what was written")


class BudgetConfig(Section):
    """What a run may use; whichever ends first stops it."""

    records: int = Field(default=24, ge=1, description="accepted records")
    calls: int | None = Field(default=None, ge=1, description="model calls, over all starts")
    tokens: int | None = Field(default=None, ge=1, description="in and out, over all starts")
    minutes: float | None = Field(default=None, gt=0, description="from each start")
    usd: float | None = Field(default=None, gt=0, description="over all starts, by `prices`")
    stall_after: int = Field(default=20, ge=1, description="records rejected in a row")
    first_within: int | None = Field(
        default=10,
        ge=1,
        description="records rejected in one start, a chain's first at least, before any is "
        "accepted; null: no such bound",
    )


def _domain(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class RunConfig(Section):
    """A whole run file."""

    name: Annotated[str, NotIdentity("label")] = Field(
        default="run",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="of the run directory, runs/NAME",
    )
    graph: Literal["document", "template", "softsrv", "active", InstructGraph] = Field(
        default="document", description="what is written and how"
    )
    domain: Annotated[
        DomainConfig, BeforeValidator(_domain, json_schema_input_type=str | DomainConfig)
    ]
    seeds: SeedsConfig = SeedsConfig()
    teacher: ModelConfig = ModelConfig()
    conductor: ConductorConfig = ConductorConfig()
    experts: ExpertsConfig = ExpertsConfig()
    template: TemplateConfig = TemplateConfig()
    instruct: InstructConfig = InstructConfig()
    softsrv: SoftSRVConfig | None = None
    student: StudentConfig = StudentConfig()
    active: ActiveConfig | None = None
    gate: GateConfig = GateConfig()
    memory: MemoryConfig = MemoryConfig()
    budget: Annotated[BudgetConfig, NotIdentity("limit")] = BudgetConfig()
    prices: Annotated[dict[str, PriceConfig], NotIdentity("label")] = Field(default_factory=dict)
    roles: Annotated[
        tuple[str, ...],
        ROLES,
        BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
    ] = Field(
        default=(), description="directories of role files, or library:DOMAIN; later over earlier"
    )
    plugins: Annotated[
        tuple[Path, ...],
        RelativeToFile(folder=True),
        NotIdentity("place"),
        BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
    ] = Field(default=(), description="directories of your own parts, one a file")
    checker: Annotated[str | None, CHECKER] = Field(
        default=None,
        description="an exact verifier: a checkable domain (story, deduction, passage, any), or "
        "FILE.py:FUNCTION of yours",
    )
    review: Annotated[ReviewSection, NotIdentity("who decides")] = Field(
        default=ReviewConfig(), description="a person before admission; `true` asks"
    )
    check_models: Annotated[bool, NotIdentity("what is asked before")] = Field(
        default=True,
        description="before a run begins: is each model there? mostly without a call of it",
    )
    keep_threads: Annotated[int, NotIdentity("what is kept")] = Field(
        default=50, ge=0, description="ended records to look at in Studio"
    )
    concurrency: Annotated[int, NotIdentity("pace")] = Field(
        default=8, ge=1, le=512, description="chains"
    )
    random_seed: int = Field(default=0, description="every random choice comes from it")

    @model_validator(mode="before")
    @classmethod
    def _with_rows_of_rounds(cls, data: Any) -> Any:
        """Where no other number is given, a run of rounds may keep all the rows it asks for."""
        if not isinstance(data, dict) or data.get("graph") != "active":
            return data
        budget, active = data.get("budget") or {}, data.get("active")
        if isinstance(budget, dict) and "records" not in budget and isinstance(active, dict):
            sizes = [_default(active, ActiveConfig, key) for key in ("rounds", "rows_per_round")]
            if all(isinstance(size, int) and size > 0 for size in sizes):
                return {**data, "budget": {**budget, "records": sizes[0] * sizes[1]}}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [self.seeds.keywords, self.seeds.keywords_file, self.seeds.documents]
        sources = sum(bool(source) for source in given)
        if sources > 1 or (sources == 0 and self.graph not in ("softsrv", "active")):
            raise ValueError("seeds: give exactly one of keywords, keywords_file, documents")
        check_instruct(self.graph, self.seeds.documents)
        _check_softsrv(self.graph, self.softsrv)
        if self.graph == "active":
            _check_rounds(self.active, self.softsrv)
        return self

    @property
    def student_sends_back(self) -> bool:
        """Whether a student may refuse a draft that the gate let pass, so that it is mended."""
        candidates = self.active.candidates if self.active else None
        return candidates is not None and candidates.accept == "threshold"

    @property
    def default_directory(self) -> Path:
        """Where the run lies if no other place is given, from the working directory."""
        return Path("runs") / self.name

    def model_for(self, part: Literal["teacher", "conductor", "experts"]) -> ModelConfig:
        """The model that plays `part`: the teacher, with what the part's own section changes."""
        if part == "teacher":
            return self.teacher
        own: ModelConfig = getattr(self, part)
        fields = set(ModelConfig.model_fields)
        changed = {name: getattr(own, name) for name in own.model_fields_set & fields}
        return self.teacher.model_copy(update=changed)

    def changed(self, *overrides: str) -> "RunConfig":
        """The same run file with keys changed, checked as a whole.

        Args:
            overrides: `key.path=value`, as `--set` takes them; paths are relative to the working
                directory.

        Raises:
            ConfigError: What comes of it is no valid run file; names the key.
        """
        from .file import changed_run_config

        return changed_run_config(self.model_dump(exclude_unset=True), overrides, where=self.name)

    def identity(self) -> str:
        """A hash of all that shapes the texts; a run directory belongs to one identity.

        See `metasynth.config.identity` for what counts. Of sections that the run does not read
        nothing does.

        Raises:
            ConfigError: A model's folder cannot be read.
        """
        apart = {"teacher", "conductor", "experts"}
        if self.active is None:
            apart.add("student")
        if self.graph not in INSTRUCT_GRAPHS:
            apart.add("instruct")
        data = identity_of(self, type(self).model_fields.keys() - apart)
        if self.active is not None and self.active.arm == "static":
            data["rounds"] = self.active.rounds  # all rows in one; else more may follow
        # as resolved: a value that a section repeats is the same as one that it inherits
        data["models"] = [identity_of(self.model_for(part)) for part in ("conductor", "experts")]
        data["conductor"] = identity_of(self.conductor, _CONDUCTOR_BOUNDS)
        unsent = [sorted(self.model_for(part).unsent) for part in ("conductor", "experts")]
        if any(unsent):
            data["unsent"] = unsent
        if style := identity_of(self.experts, _EXPERTS_OWN):
            data["experts"] = style
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _check_softsrv(graph: str, section: SoftSRVConfig | None) -> None:
    """What the graphs need of the section `softsrv`."""
    if section is None:
        if graph == "softsrv":
            raise ValueError("softsrv: graph softsrv needs this section")
        return
    if graph == "document" and section.method != "soft":
        raise ValueError(
            "softsrv.method: in the document graph the conductor samples from soft prompts: "
            f"'soft' is expected, not {section.method!r}"
        )
    if section.method == "soft" and section.artifact is None and section.target is None:
        raise ValueError("softsrv.target: this key is needed to train on, or softsrv.artifact")
    if section.method.startswith("template") and section.target is None:
        raise ValueError(
            f"softsrv.target: this key is needed, method {section.method} takes exemplars from it"
        )


def _check_rounds(section: ActiveConfig | None, softsrv: SoftSRVConfig | None) -> None:
    """What the graph active needs."""
    if section is None:
        raise ValueError("active: graph active needs this section")
    if section.pool is None:
        raise ValueError("active.pool: graph active needs the rows that it starts from")
    if section.generate == "softsrv" and softsrv is None:
        raise ValueError("softsrv: this section is needed by active.generate: softsrv")
    if section.generate == "softsrv" and softsrv is not None and softsrv.method != "soft":
        raise ValueError(
            "softsrv.method: the student chooses contexts of soft prompts: 'soft' is expected, "
            f"not {softsrv.method!r}"
        )


def _default(given: dict[str, Any], section: type[Section], key: str) -> Any:
    return given.get(key, section.model_fields[key].default)
