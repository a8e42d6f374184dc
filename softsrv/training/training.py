"""Training a soft prompt on a frozen model, from the target's rows to the artifact.

Kill it at any moment: the same call with the same folder goes on, and on a CPU ends with the same
numbers, bit for bit, as if it had not been stopped.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from metasynth.config.identity import identity_of
from metasynth.config.softsrv import SoftSRVConfig
from metasynth.errors import MetaSynthError, RequestError
from metasynth.softsrv.artifact import SteeringArtifact, save_artifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.soft_prompt import SoftPrompt
from metasynth.softsrv.target import Split, TargetRow, split_hash, write_target

from .batches import TokenRows
from .checkpoints import TrainingFolder
from .evaluation import evaluate, evaluate_bare
from .learning_rate_search import RateChoice, choose_learning_rate, rates_to_try
from .optimisation import NotANumberError, TrainingData
from .progress import Report, Teller
from .trainer import Trainer

EVALUATED = 128  # held-out rows of an evaluation while training: each is read twice
FINALLY_EVALUATED = 512
LAST_GOOD = "last-good"  # where the best state goes when the loss leaves the numbers
_FEW = 20  # held-out rows below which a note says how little the loss rests on
# What may change between two starts of one training: it changes no number but by rounding.
_PACE = {"save_every", "accumulate", "gradient_checkpointing"}


def train_soft_prompt(
    backbone: Backbone,
    split: Split,
    settings: SoftSRVConfig,
    *,
    work: Path,
    progress: Report | None = None,
    start_ids: Sequence[int] | None = None,
) -> SteeringArtifact:
    """Train a soft prompt, or go on with the training in `work`, or give the result that it had.

    With `patience` the state of the lowest held-out loss is taken; without it the last one, as in
    the paper.

    Args:
        split: The rows to train on and those held out.
        settings: `prompt`, `encoder`, `training` and `random_seed` are used.
        work: A folder of this training's own: checkpoint, curves, context vectors.
        progress: Called often. When it raises, the state is saved first, and the same call goes on.
        start_ids: What a text of the model begins with, to measure it without a soft prompt; None:
            its BOS token, if it has one.

    Raises:
        RequestError: No row fits the model's context, `work` belongs to another training, or the
            encoder cannot be loaded.
        MetaSynthError: The loss left the numbers (the best state so far is then an artifact in
            `work/last-good`), or there is not enough memory.
    """
    rows, notes = _fitting(backbone, split, settings)
    folder = TrainingFolder(work, _identity(backbone, rows, settings))
    write_target(folder.held_out, rows.held_out)
    rates = rates_to_try(settings, embedding_std=backbone.embedding_std)
    config = settings.training
    teller = Teller(progress, total=len(rates) * config.search_steps + config.steps)
    data = _prepared(backbone, rows, settings, cache=work / "vectors.sqlite", teller=teller)
    notes += data.encoder.notes
    with backbone.gradient_checkpointing(enabled=config.gradient_checkpointing):
        choice = choose_learning_rate(data, settings, folder, teller=teller)
        trainer = Trainer(data, settings, folder, learning_rate=choice.learning_rate, teller=teller)
        try:
            trainer.run()
        except NotANumberError as error:
            kept = work / LAST_GOOD
            artifact = _artifact(
                trainer.best(), data, rows, settings, _told(trainer, choice, notes)
            )
            save_artifact(artifact, kept, backbone=backbone)
            raise _left_the_numbers(error, trainer, kept) from error
        report = {
            **_told(trainer, choice, notes),
            **_measured(trainer.result(), data, settings, teller),
            "bare_nll": _bare(data, start_ids, batch=config.batch_size),
        }
    return _artifact(trainer.result(), data, rows, settings, report)


def _fitting(backbone: Backbone, split: Split, settings: SoftSRVConfig) -> tuple[Split, list[str]]:
    """The rows that are short enough, and notes about the others."""
    room = backbone.context_length - settings.prompt.tokens
    limit = min(settings.training.max_tokens, room)
    kept: list[list[TargetRow]] = []
    for rows in (split.train, split.held_out):
        sizes = map(len, backbone.tokenize([row.text for row in rows]))
        kept.append([row for row, size in zip(rows, sizes, strict=True) if size <= limit])
    train, held_out = kept
    if len(train) < 2 or len(held_out) < 2:
        raise RequestError(
            f"only {len(train)} rows to train on and {len(held_out)} held out have at most "
            f"{limit} tokens; two of each are the least",
            hint="raise training.max_tokens, lower prompt.tokens, or take a model of more context",
            code="too_few_rows",
        )
    notes = []
    left_out = len(split.train) + len(split.held_out) - len(train) - len(held_out)
    if left_out:
        notes.append(f"rows left out: {left_out} of more than {limit} tokens")
    if len(held_out) < _FEW:
        notes.append(f"the held-out loss rests on {len(held_out)} rows alone")
    return Split(train, held_out), notes


def _identity(backbone: Backbone, rows: Split, settings: SoftSRVConfig) -> dict[str, Any]:
    """All that decides the numbers of a training."""
    return {
        "backbone": {
            "fingerprint": backbone.fingerprint,
            "dtype": str(backbone.dtype).removeprefix("torch."),
            "text_prefix": backbone.text_prefix,
        },
        "prompt": settings.prompt.model_dump(mode="json"),
        "encoder": identity_of(settings.encoder, defaults=True),
        "training": settings.training.model_dump(mode="json", exclude=_PACE),
        "random_seed": settings.random_seed,
        "data": {"rows": len(rows.train), "sha256": split_hash(rows)},
    }


def _prepared(
    backbone: Backbone, split: Split, settings: SoftSRVConfig, *, cache: Path, teller: Teller
) -> TrainingData:
    """Everything that is computed once: tokens, and the context vectors of all rows."""
    seed = settings.random_seed
    texts = [[row.text for row in rows] for rows in (split.train, split.held_out)]
    teller.tell("encoding")
    encoder = ContextEncoder.fit(
        settings.encoder,
        texts[0],
        backbone=backbone,
        cache=cache,
        seed=seed,
        progress=lambda count: teller.tell("encoding", texts=count),
    )
    train, held_out = (TokenRows(backbone.tokenize(part), encoder.encode(part)) for part in texts)
    return TrainingData(
        backbone=backbone,
        encoder=encoder,
        train=train,
        held_out=held_out.first(FINALLY_EVALUATED),
        evaluated=held_out.first(EVALUATED),
        seed=seed,
    )


def _told(trainer: Trainer, choice: RateChoice, notes: Sequence[str]) -> dict[str, Any]:
    """What the training has to say of itself, for the artifact's report."""
    state = trainer.state
    return {
        "learning_rate": choice.learning_rate,
        "trials": [asdict(one) for one in choice.trials],
        "steps": state.step,
        "best_step": state.best_step,
        "stopped_because": state.stopped_because,
        "tokens": state.tokens,
        "seconds": round(state.seconds, 1),
        "notes": list(notes),
        "curves": [asdict(point) for point in trainer.curves.points],
    }


def _measured(
    prompt: SoftPrompt, data: TrainingData, settings: SoftSRVConfig, teller: Teller
) -> dict[str, Any]:
    """The soft prompt before and after, on more held-out rows than while training."""
    untrained = make_soft_prompt(
        settings.prompt, data.backbone, data.encoder.width, seed=settings.random_seed
    )
    return {
        name: asdict(
            evaluate(
                data.backbone,
                one,
                data.held_out,
                seed=data.seed,
                batch=settings.training.batch_size,
                progress=lambda: teller.tell("evaluation"),
            )
        )
        for name, one in (("before", untrained), ("after", prompt))
    }


def _bare(data: TrainingData, start_ids: Sequence[int] | None, *, batch: int) -> float | None:
    """The loss of the model without a soft prompt; None where nothing begins its texts."""
    if start_ids is None:
        start_ids = () if data.backbone.bos_id is None else (data.backbone.bos_id,)
    if not start_ids:
        return None
    return evaluate_bare(data.backbone, data.held_out, start_ids=start_ids, batch=batch)


def _artifact(
    prompt: SoftPrompt,
    data: TrainingData,
    rows: Split,
    settings: SoftSRVConfig,
    report: dict[str, Any],
) -> SteeringArtifact:
    return SteeringArtifact(
        prompt=prompt.requires_grad_(False),
        encoder=data.encoder,
        contexts=data.train.z,
        rows=rows.train,
        config=settings.model_dump(mode="json"),
        report=report,
    )


def _left_the_numbers(error: NotANumberError, trainer: Trainer, kept: Path) -> MetaSynthError:
    best = trainer.state.best_step
    return MetaSynthError(
        f"loss or gradient of step {error.step + 1} is infinite or not a number; the best soft "
        f"prompt before it (step {best}) is kept in {kept}",
        hint="train in another folder with a lower training.learning_rate, or with "
        "backbone.dtype float32 or bfloat16",
        code="not_finite",
    )
