"""The `student` and `active` sections of a run file; the student's library takes them as they are.

Active synthetic data generation: Kessler et al., arXiv 2512.00884. What the paper leaves open
(learning rates, LoRA or not, from base or continued) is a choice of ours here.
"""

from typing import Annotated, Literal

from pydantic import Field

from .marks import NotIdentity, PartOf, RelativeToFile
from .section import Section
from .weights import WeightsConfig

Criterion = Annotated[str, PartOf("criterion")]
Strategy = Annotated[str, PartOf("strategy")]


class StudentConfig(WeightsConfig):
    """The causal LM that scores and is fine-tuned: `embedded`, or `local:PATH_OR_HUB_ID`."""

    adapt: Literal["lora", "full"] = Field(default="lora", description="an adapter, or all weights")
    lora_rank: int = Field(default=16, ge=1, description="of the adapter")
    lora_alpha: int = Field(
        default=32, ge=1, description="of the adapter: its scale times the rank"
    )
    lora_dropout: float = Field(default=0.0, ge=0, lt=1, description="of the adapter")
    lora_targets: tuple[str, ...] = Field(default=(), description="empty: all linear layers")
    loss_on: Literal["answer", "all"] = Field(default="answer", description="which tokens count")
    start: Literal["base", "continue"] = Field(
        default="base", description="each round from the base weights, or from the last round's"
    )
    data: Literal["cumulative", "last"] = Field(
        default="cumulative", description="rows of all rounds, or of the last ones"
    )
    last_rounds: int = Field(default=2, ge=1, description="rounds that `data: last` trains on")
    learning_rate: float | None = Field(
        default=None, gt=0, description="null: 2e-4 with LoRA, 2e-5 without"
    )
    epochs: float = Field(default=3.0, gt=0, description="passes over the rows")
    steps: int | None = Field(default=None, ge=1, description="goes before epochs")
    batch_size: int = Field(default=16, ge=1, description="rows of one optimiser step")
    micro_batch: int = Field(default=16, ge=1, description="rows of one forward pass")
    warmup: float = Field(default=0.03, ge=0, lt=1, description="share of the steps")
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="of the learning rate after the warmup; down to 0"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="of matrices alone")
    max_grad_norm: float = Field(default=1.0, ge=0, description="0: gradients are not clipped")
    gradient_checkpointing: Annotated[bool, NotIdentity("pace")] = Field(
        default=False, description="less memory for activations, about a third more time"
    )
    max_tokens: int = Field(default=1024, ge=8, description="a longer row is left out, and named")
    save_seconds: Annotated[float, NotIdentity("pace")] = Field(
        default=60.0, ge=0, description="between checkpoints of a training; 0: after every step"
    )


class ScoringConfig(Section):
    """How the student scores."""

    criterion: Criterion = Field(default="loss_self", description="see the page of criteria")
    max_new_tokens: int = Field(default=256, ge=1, description="of the student's own answer")
    temperature: float = Field(default=0.0, ge=0, description="0: greedy, as our default")
    tokens_per_batch: Annotated[int, NotIdentity("pace")] = Field(
        default=8192, ge=64, description="of one forward pass"
    )
    top_tokens: int = Field(
        default=64, ge=1, description="of the vocabulary kept in gradient embeddings"
    )
    reward_model: Annotated[str | None, RelativeToFile(hub=True, hashed=True)] = Field(
        default=None,
        min_length=1,
        description="for criterion reward: a folder (./X, or one beside this file) or hub id",
    )


class SelectionConfig(Section):
    """Which of the scored are taken."""

    strategy: Strategy = Field(default="top", description="how they are chosen")
    direction: Literal["high", "low", "middle"] = Field(
        default="high", description="which scores are wanted"
    )
    temperature: float = Field(default=1.0, gt=0, description="of softmax sampling")
    per_seed: int | None = Field(default=None, ge=1, description="at most so many from one seed")
    clusters: int | None = Field(
        default=None, ge=1, description="the budget is shared out among so many clusters"
    )
