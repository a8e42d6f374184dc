"""The run file: one YAML file, validated as a whole before anything starts.

Unknown keys, wrong types and missing files end with one line that names the file and the path of
the key. Secrets are never here: a model names the environment variable that holds its key.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from metasynth.config_active import ActiveConfig
from metasynth.config_instruct import INSTRUCT_GRAPHS, InstructConfig, InstructGraph, check_instruct
from metasynth.config_section import Section
from metasynth.config_softsrv import SoftSRVConfig
from metasynth.config_student import StudentConfig
from metasynth.config_template import TemplateConfig

MODEL_KINDS = ("embedded", "local:", "openai:")


def _model_name(value: object) -> object:
    if not isinstance(value, str) or value == "embedded":
        return value
    if not value.startswith(MODEL_KINDS[1:]) or value in MODEL_KINDS:
        raise ValueError("expected 'embedded', 'local:PATH_OR_HUB_ID' or 'openai:NAME'")
    return value


class ModelConfig(Section):
    """A chat model and how it is called; what is not given keeps the model's own default."""

    model: Annotated[str, BeforeValidator(_model_name)] = "embedded"
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    timeout_s: float = Field(default=120.0, gt=0)
    max_tries: int = Field(default=8, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    max_concurrency: int | None = Field(default=None, ge=1)
    extra_body: dict[str, Any] | None = None
    send_seed: bool = Field(default=True, description="some servers refuse the field")
    max_batch: int = Field(default=16, ge=1)
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    trust_remote_code: bool = False


class ConductorConfig(ModelConfig):
    """The conductor's model, where it differs from the teacher, and the bounds of its work."""

    max_turns: int = Field(default=30, ge=3, description="turns for one record")
    max_calls_per_turn: int = Field(default=6, ge=1)
    max_prompt_tokens: int = Field(default=8000, ge=256, description="estimated, 4 bytes a token")
    without: tuple[str, ...] = Field(default=(), description="experts that it is not offered")
    personas: bool = Field(default=True, description="experts write as whom it names")


_CONDUCTOR_BOUNDS = set(ConductorConfig.model_fields) - set(ModelConfig.model_fields)
# keys of later versions: the hash of a run file that does not speak of them stays what it was
_LATER = {
    "conductor": {"without", "personas"},
    "memory": {"told"},
    "template": set(TemplateConfig.model_fields) - {"prompt"},
}


class DomainConfig(Section):
    """What the corpus is about."""

    name: str
    description: str = ""
    language: str = Field(default="en", pattern=r"^[a-z]{2}$", description="ISO 639-1")
    genres: tuple[str, ...] = ()


def _split(value: object) -> object:
    """`a, b` in YAML is a set of keywords, as is `[a, b]`."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


KeywordSet = Annotated[tuple[str, ...], BeforeValidator(_split)]


class SeedsConfig(Section):
    """Where records start: keyword sets, or the user's documents."""

    keywords: tuple[KeywordSet, ...] = ()
    keywords_file: Path | None = None
    documents: str | None = Field(
        default=None, description="file, folder, glob, or hf:NAME of a Hugging Face data set"
    )
    text_field: str = "text"
    split: str = "train"
    limit: int = Field(default=500, ge=1, description="seeds drawn from a larger pool")
    refresh_every: int = Field(default=5, ge=1, description="M: records written from one seed")
    neighbours: int = Field(default=4, ge=1, description="k: candidates looked at first")
    max_words: int = Field(default=400, ge=20, description="a longer seed document is cut")


class GateConfig(Section):
    """Thresholds of the gate, which decides in code whether a draft may enter the corpus."""

    tries: int = Field(default=4, ge=1, description="drafts submitted for one record")
    min_words: int = Field(default=20, ge=1)
    max_words: int = Field(default=400, ge=5)
    min_seed_words: float = Field(default=0.5, ge=0, le=1, description="share of the seed set")
    min_distance: float = Field(default=0.15, ge=0, le=2, description="cosine, to the nearest")
    ngram: int = Field(default=8, ge=2, description="words in an n-gram")
    max_ngram_overlap: float = Field(default=0.2, ge=0, le=1)
    opening_words: int = Field(default=5, ge=2)
    max_same_opening: int = Field(default=2, ge=1, description="records that open alike")
    check_language: bool = True


class MemoryConfig(Section):
    """The memory of what was written, and how much of it the conductor sees."""

    url: str | None = Field(default=None, description="a Chroma server; default: in the run")
    embedder: str = "default"
    neighbours: int = Field(default=3, ge=0, le=20)
    opening_words: int = Field(default=16, ge=4, description="words of an opening that is embedded")
    labels: int = Field(default=8, ge=0, le=50)
    topics: int = Field(default=12, ge=0, le=100)
    told: bool = Field(default=True, description="the conductor is told what was written")


class BudgetConfig(Section):
    """What a run may use; whichever ends first stops it."""

    records: int = Field(default=24, ge=1, description="accepted records")
    calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    usd: float | None = Field(default=None, gt=0)
    stall_after: int = Field(default=20, ge=1, description="records rejected in a row")


class PriceConfig(Section):
    """US dollars for a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


def _domain(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _paths(value: object) -> object:
    return [value] if isinstance(value, str) else value


class RunConfig(Section):
    """A whole run file."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    graph: Literal["document", "template", "softsrv", "active", InstructGraph] = "document"
    domain: Annotated[DomainConfig, BeforeValidator(_domain)]
    seeds: SeedsConfig = SeedsConfig()
    teacher: ModelConfig = ModelConfig()
    conductor: ConductorConfig = ConductorConfig()
    experts: ModelConfig = ModelConfig()
    template: TemplateConfig = TemplateConfig()
    instruct: InstructConfig = InstructConfig()
    softsrv: SoftSRVConfig | None = None
    student: StudentConfig = StudentConfig()
    active: ActiveConfig | None = None
    gate: GateConfig = GateConfig()
    memory: MemoryConfig = MemoryConfig()
    budget: BudgetConfig = BudgetConfig()
    prices: dict[str, PriceConfig] = Field(default_factory=dict)
    roles: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = ()
    checker: str | None = None
    concurrency: int = Field(default=8, ge=1, le=512, description="chains")
    random_seed: int = 0

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
        if self.budget.usd is not None:
            unpriced = sorted({self.model_for(part).model for part in ("conductor", "experts")})
            unpriced = [name for name in unpriced if _priced(name) and name not in self.prices]
            if unpriced:
                raise ValueError(f"budget.usd needs prices for {', '.join(unpriced)}")
        return self

    @property
    def student_sends_back(self) -> bool:
        """Whether a student may refuse a draft that the gate let pass, so that it is mended."""
        candidates = self.active.candidates if self.active else None
        return candidates is not None and candidates.accept == "threshold"

    def model_for(self, part: Literal["teacher", "conductor", "experts"]) -> ModelConfig:
        """The model that plays `part`: the teacher, with what the part's own section changes."""
        if part == "teacher":
            return self.teacher
        own: ModelConfig = getattr(self, part)
        fields = set(ModelConfig.model_fields)
        changed = {name: getattr(own, name) for name in own.model_fields_set & fields}
        return self.teacher.model_copy(update=changed)

    def identity(self) -> str:
        """A hash of all that shapes the records; a run directory belongs to one identity.

        Left out is what may change between two starts of one run: its name, budget and prices, the
        number of chains, and how fast an endpoint is called.
        """
        pace = {"timeout_s", "max_tries", "requests_per_minute", "tokens_per_minute"}
        pace |= {"max_concurrency", "max_batch", "api_key_env", "device"}
        apart = {"name", "budget", "prices", "concurrency", "teacher", "conductor", "experts"}
        data = self.model_dump(mode="json", exclude=apart)
        # the hash of a run file that does not speak of a section stays what it was
        if self.active is None:
            del data["active"], data["student"]
        else:
            del data["student"]["device"]
            if self.active.candidates is not None:
                del data["active"]["candidates"]["scoring"]["tokens_per_batch"]
            if self.active.arm != "static":  # more rounds may follow those that are done
                del data["active"]["rounds"]
        if self.graph not in INSTRUCT_GRAPHS:
            del data["instruct"]
        if self.softsrv is None:
            del data["softsrv"]
        else:
            del data["softsrv"]["backbone"]["device"]
            del data["softsrv"]["sampling"]["max_batch"]
        # as resolved: a value that a section repeats is the same as one that it inherits
        data["models"] = {
            part: self.model_for(part).model_dump(mode="json", exclude=pace)
            for part in ("conductor", "experts")
        }
        data["conductor"] = self.conductor.model_dump(mode="json", include=_CONDUCTOR_BOUNDS)
        for part, keys in _LATER.items():
            fields = type(getattr(self, part)).model_fields
            for key in keys:
                if getattr(getattr(self, part), key) == fields[key].default:
                    del data[part][key]
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


def _priced(model: str) -> bool:
    return model.startswith("openai:")
