"""Tasks of EleutherAI's lm-evaluation-harness (MIT), where its package is installed.

The harness decides about prompts, data and metrics; the model is the one in this process. Its data
come from a hub, or from files that a task of your own in a folder of YAML names. Tasks that run
code which a model wrote are refused: it runs it unconfined. `mbpp` here confines it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from metasynth.errors import RequestError
from metasynth.lm.load import LoadedLM
from metasynth.randomness import derive_seed

from .accuracy import Estimate, accuracy, mean_score
from .result import ItemResult, TaskResult


def harness_tasks(
    lm: LoadedLM,
    names: Sequence[str],
    *,
    shots: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    bos: bool | None = None,
    chat: bool = False,
    batch: int = 8,
    folder: Path | None = None,
) -> list[TaskResult]:
    """A model on tasks of the harness.

    Args:
        lm: The model.
        names: What the harness calls them; a group counts as its tasks.
        shots: Examples; None: the harness's own number.
        limit: The first rows alone (the harness draws none).
        seed: Of the examples.
        bos: Whether prompts begin with BOS; None: as the harness does.
        chat: Whether prompts go through the chat template.
        batch: Rows of a forward pass.
        folder: Where tasks of your own lie, as YAML.

    Raises:
        RequestError: The package is missing, there is no such task, its data cannot be loaded, or
            it runs code.
    """
    modules = _modules()
    manager = modules["tasks"].TaskManager(include_path=None if folder is None else str(folder))
    unknown = [name for name in names if not manager.match_tasks([name])]
    if unknown:
        raise RequestError(
            f"lm-evaluation-harness has no task {unknown[0]!r}",
            hint="python -m lm_eval ls tasks shows those it has",
            code="unknown_task",
        )
    model = modules["models.huggingface"].HFLM(
        pretrained=lm.model,
        tokenizer=lm.tokenizer,
        batch_size=batch,
        max_length=lm.context_length,
        add_bos_token=bos,
    )
    try:
        output = modules["evaluator"].simple_evaluate(
            model=model,
            tasks=list(names),
            num_fewshot=shots,
            limit=limit,
            task_manager=manager,
            apply_chat_template=chat,
            fewshot_random_seed=derive_seed(seed, "harness examples") % 2**32,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            bootstrap_iters=0,  # intervals are ours
            confirm_run_unsafe_code=False,
        )
    except Exception as error:  # it and the hub's client raise many kinds
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        message = f"lm-evaluation-harness: {type(error).__name__}: {first[:200]}"
        raise RequestError(message, hint=_hint(first), code="harness_failed") from error
    settings = {
        "harness": version("lm-eval"),
        "limit": limit,
        "seed": seed,
        "bos": bos,
        "chat": chat,
    }
    return [
        _result(name, lm.name, output, settings, seed=seed) for name in sorted(output["samples"])
    ]


def require_harness() -> None:
    """Look whether lm-evaluation-harness is there, without importing it.

    Raises:
        RequestError: It is not.
    """
    if find_spec("lm_eval") is None:
        raise RequestError(
            "lm-evaluation-harness is not installed",
            hint="pip install 'metasynth-agents[harness]'",
            code="no_harness",
        )


def _modules() -> dict[str, Any]:
    """The parts of the package that are used."""
    require_harness()
    parts = ("evaluator", "models.huggingface", "tasks")
    return {name: import_module(f"lm_eval.{name}") for name in parts}


def _hint(reason: str) -> str:
    if "unsafe" in reason.lower() or "code_eval" in reason.lower():
        return (
            "it would run the model's code unconfined; for MBPP use the task mbpp with --run-code"
        )
    return "its data come from a hub; check the network, or name tasks of your own on local files"


def _result(
    name: str, model: str, output: Mapping[str, Any], settings: Mapping[str, object], *, seed: int
) -> TaskResult:
    samples = output["samples"][name]
    values: Mapping[str, Any] = output["results"][name]
    estimates = {
        key: _estimate(key.partition(",")[0], float(value), samples, seed=seed)
        for key, value in values.items()
        if isinstance(value, int | float) and "," in key and "_stderr" not in key
    }
    main = next(iter(estimates), "accuracy")
    metric = main.partition(",")[0]
    return TaskResult(
        task=name,
        title=str(values.get("alias", name)).strip(" -"),
        model=model,
        metric=main,
        estimates=estimates,
        rule=f"lm-evaluation-harness, metric {metric}; see its task {name}",
        settings={
            **settings,
            "shots": output["n-shot"].get(name, 0),
            "version": output["versions"].get(name),
        },
        items=tuple(_item(number, one, metric) for number, one in enumerate(samples, start=1)),
    )


def _estimate(
    metric: str, value: float, samples: Sequence[Mapping[str, Any]], *, seed: int
) -> Estimate:
    """The harness's value with an interval of ours, where it is a mean over rows."""
    scores = [
        sample[metric] for sample in samples if isinstance(sample.get(metric), bool | int | float)
    ]
    if len(scores) != len(samples) or not scores:
        reason = "no number for each row, so no interval"
        return Estimate(value, None, None, len(samples), "none", reason)
    if set(scores) <= {0, 1}:
        made = accuracy(round(sum(scores)), len(scores))
    else:
        made = mean_score(scores, seed=seed)
    return replace(made, value=value)


def _item(row: int, sample: Mapping[str, Any], metric: str) -> ItemResult:
    value = sample.get(metric)
    score = float(value) if isinstance(value, bool | int | float) else None
    return ItemResult(
        row=row,
        id=str(sample.get("doc_id", "")),
        correct=None if score is None else score == 1,
        found=str(sample.get("filtered_resps", ""))[:200],
        expected=str(sample.get("target", ""))[:200],
        reason="" if score is not None else f"no {metric} of this row alone",
        score=score,
    )
