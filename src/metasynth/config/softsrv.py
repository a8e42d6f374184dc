"""The `softsrv` section of a run file; SoftSRV's own library takes its parts as they are.

SoftSRV: DeSalvo et al., arXiv 2410.16534. The preset `paper` holds the paper's numbers (section 3
and appendix A), and for what the paper leaves open the plainest reading; `practical` is meant for
little data and small budgets. What a run file gives goes before the preset.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .marks import NotIdentity, PartOf, RelativeToFile
from .section import Section
from .weights import WeightsConfig

Preset = Literal["practical", "paper"]
Method = Literal["soft", "template", "template_single", "template_refine", "unconditional"]


class BackboneConfig(WeightsConfig):
    """The frozen language model: `embedded`, or `local:PATH_OR_HUB_ID`."""


class PromptConfig(Section):
    """The soft prompt P_θ(z), t vectors of the backbone's width d.

    `np`: one trained matrix; `mp`: a mixture of k matrices, weights from z; `mc`: one MLP a token.
    """

    parameterisation: Annotated[str, PartOf("parameterisation")] = Field(
        default="mc", description="how P depends on z"
    )
    tokens: int = Field(default=32, ge=1, description="t: soft tokens")
    bases: int = Field(default=2, ge=1, description="k: matrices of a mixture (mp)")
    hidden: int = Field(default=128, ge=1, description="h: width of the MLPs (mc)")
    layers: int = Field(default=3, ge=1, description="linear layers of each MLP (mc)")
    init: Literal["vocabulary", "random", "text"] = Field(
        default="vocabulary",
        description="start near embeddings of drawn tokens, at noise, or near those of `init_text`",
    )
    init_text: str = Field(
        default="",
        description="what the last soft tokens start as, such as the end of a prompt that works",
    )
    bos_first: bool = Field(
        default=True, description="start column 0 at the embedding of the BOS token, if there is"
    )


class EncoderConfig(Section):
    """The context encoder E: text to z."""

    model: Annotated[
        str,
        RelativeToFile(
            r"(?:lm:)?(?P<path>(?!(?:lm:|(?:backbone|default)$)).+)", hub=True, hashed=True
        ),
    ] = Field(
        default="backbone",
        description="backbone, default (the packaged sentence embedder), lm:PATH_OR_HUB_ID, or "
        "the folder or hub id of a sentence-transformers model",
    )
    pooling: Literal["hidden", "input"] = Field(
        default="hidden", description="of an LM: mean of last hidden states or of input embeddings"
    )
    max_tokens: int = Field(default=512, ge=1, description="a longer text is cut")
    components: int | None = Field(
        default=None, ge=1, description="lossiness: z is projected to so many numbers"
    )
    projection: Literal["pca", "random"] = Field(
        default="pca", description="onto components: principal ones, or random ones"
    )
    noise: float = Field(
        default=0.0, ge=0, description="lossiness: standard deviation of noise on standardised z"
    )


class TrainingConfig(Section):
    """How θ is trained. `learning_rate: search` tries the candidates for `search_steps` each."""

    learning_rate: float | Literal["search"] = Field(
        default="search", description="a number, or search"
    )
    candidates: tuple[float, ...] = Field(
        default=(), description="learning rates tried; empty: the parameterisation's own"
    )
    search_steps: int = Field(default=60, ge=1, description="of each candidate")
    steps: int = Field(default=1000, ge=1, description="of the optimiser")
    batch_size: int = Field(default=16, ge=1, description="rows of one optimiser step")
    accumulate: Annotated[int, NotIdentity("pace")] = Field(
        default=1, ge=1, description="forward passes of one optimiser step"
    )
    warmup: int = Field(default=50, ge=0, description="steps")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="of the learning rate after the warmup"
    )
    clip: float | None = Field(default=1.0, gt=0, description="norm of the gradient")
    held_out: float = Field(default=0.1, gt=0, lt=1, description="share of the target set aside")
    evaluate_every: int = Field(default=50, ge=1, description="steps")
    patience: int | None = Field(
        default=6, ge=1, description="evaluations without a better held-out loss; null: no stop"
    )
    max_tokens: int = Field(default=512, ge=2, description="a longer row is left out, and counted")
    save_every: Annotated[int, NotIdentity("pace")] = Field(default=100, ge=1, description="steps")
    gradient_checkpointing: Annotated[bool, NotIdentity("pace")] = Field(
        default=False, description="less memory, more time"
    )


class SamplingConfig(Section):
    """How samples are drawn; everything is explicit, no default of the model applies."""

    count: int = Field(default=600, ge=1, description="samples, round robin over the contexts")
    temperature: float = Field(default=1.0, gt=0, description="the paper's: 1")
    top_p: float = Field(default=1.0, gt=0, le=1, description="1: no cut")
    top_k: int = Field(default=0, ge=0, description="0: no cut")
    max_new_tokens: int = Field(default=256, ge=1, description="of a sample")
    max_batch: Annotated[int, NotIdentity("pace")] = Field(
        default=32, ge=1, description="samples drawn together"
    )


class PostprocessConfig(Section):
    """From samples to candidates: duplicates, junk, clusters, round robin, decontamination."""

    keep: int | None = Field(default=None, ge=1, description="N_s; null: half of what is clean")
    clusters: int = Field(default=700, ge=1, description="of mini-batch k-means")
    components: int = Field(default=100, ge=1, description="of the SVD of TF-IDF")
    min_words: int = Field(default=4, ge=1, description="a shorter sample is junk")
    max_words: int = Field(default=400, ge=1, description="a longer sample is junk")
    needs: tuple[Literal["question_mark", "number", "code"], ...] = Field(
        default=(), description="what a sample must hold"
    )
    contaminants: Annotated[tuple[Path, ...], RelativeToFile(hashed=True)] = Field(
        default=(), description="files with the test set: JSONL, JSONL.gz, Parquet or text"
    )
    contaminant_fields: tuple[str, ...] = Field(
        default=("question", "text", "prompt"), description="fields of those files, each a text"
    )
    ngram: int = Field(
        default=13, ge=2, description="words that a sample may not share with the test set"
    )


class AnswerConfig(Section):
    """How answers are had from the teacher: `none`, the bare question, or a template."""

    style: Literal["none", "bare", "template"] = Field(
        default="bare", description="how the teacher is asked"
    )
    template: str = Field(
        default="", description="Jinja2 with `question`; empty: the task's own template"
    )


class BaselineConfig(Section):
    """The template baselines, which ask the teacher for questions like a row of the target."""

    per_call: int = Field(default=10, ge=2, description="different questions asked for in a call")
    temperature: float = Field(
        default=1.0, gt=0, le=4, description="of those calls; one question a call is asked for at 1"
    )
    rounds: int = Field(default=3, ge=1, description="most rounds of critique and rewriting")


class ToolConfig(Section):
    """Bounds of the conductor's tool `sample_softsrv` in the document graph."""

    samples: int = Field(default=4, ge=1, le=16, description="most samples of one call")
    uses: int = Field(default=3, ge=1, description="most calls for one record")


class TargetConfig(Section):
    """The sample x_1 … x_n of the target distribution: the questions, without answers."""

    file: Annotated[str, RelativeToFile(r"(?!hf:)(?P<path>.+)")] = Field(
        description="JSONL, JSONL.gz, Parquet, text (a row a line), or hf:NAME"
    )
    field: str = Field(default="text", description="the field with the text")
    split: str = Field(default="train", description="of hf:NAME")
    limit: int | None = Field(default=None, ge=1, description="the first so many rows")


_PRACTICAL: dict[str, dict[str, Any]] = {}
_PAPER: dict[str, dict[str, Any]] = {
    "prompt": {"tokens": 128, "hidden": 128, "layers": 3, "bases": 2},
    "training": {
        "learning_rate": 5e-6,
        "steps": 20_000,
        "warmup": 0,
        "schedule": "constant",
        "clip": None,
        "patience": None,
    },
    "sampling": {"count": 100_000, "temperature": 1.0},
    "postprocess": {"keep": 50_000, "clusters": 700, "components": 100},
    "baseline": {"per_call": 10, "temperature": 2.0},
}
PRESETS: dict[Preset, dict[str, dict[str, Any]]] = {"practical": _PRACTICAL, "paper": _PAPER}


class SoftSRVConfig(Section):
    """SoftSRV: what steers, what it is trained on, and what happens to its samples."""

    preset: Preset = Field(default="practical", description="numbers under those that are given")
    method: Method = Field(
        default="soft", description="soft prompts, or a baseline with the same post-processing"
    )
    artifact: Annotated[Path | None, RelativeToFile()] = Field(
        default=None, description="a trained soft prompt; null: trained in the run directory"
    )
    target: TargetConfig | None = None
    task: Annotated[str, RelativeToFile(r"(?P<path>.+\.ya?ml)", exists=False)] = Field(
        default="mathematics",
        description="mathematics, code, reading, or a YAML file: templates of the baselines",
    )
    backbone: BackboneConfig = BackboneConfig()
    prompt: PromptConfig = PromptConfig()
    encoder: EncoderConfig = EncoderConfig()
    training: TrainingConfig = TrainingConfig()
    sampling: SamplingConfig = SamplingConfig()
    postprocess: PostprocessConfig = PostprocessConfig()
    answers: AnswerConfig = AnswerConfig()
    baseline: BaselineConfig = BaselineConfig()
    tool: ToolConfig = ToolConfig()
    random_seed: int = Field(
        default=0, description="of training and sampling; the run's own goes before it"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        """Fill in the preset's numbers under those that are given."""
        if not isinstance(data, dict) or data.get("preset", "practical") not in PRESETS:
            return data
        filled = dict(data)
        for section, values in PRESETS[data.get("preset", "practical")].items():
            given = filled.get(section) or {}
            if isinstance(given, dict):
                filled[section] = {**values, **given}
        return filled
