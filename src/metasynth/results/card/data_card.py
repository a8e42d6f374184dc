"""The card of an exported data set: what a stranger must know of it, written from the run.

YAML front matter in the form that hubs read, then Markdown. Keys, addresses of endpoints and where
files lie on this machine are left out.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import yaml

from metasynth.redaction import Redactor
from metasynth.results.report.limits import card_limits
from metasynth.results.run.files import RunFiles
from metasynth.results.run.settings import changed_settings
from metasynth.results.run.stages import reason_code
from metasynth.text.words import count_words

from .sources import Source, sources_of
from .tables import columns_table, cost_table, metrics_of, table

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MOST_LABELS = 12


def data_card(run: RunFiles, rows: Mapping[str, int], *, name: str, plain: bool = False) -> str:
    """The text of `README.md`.

    Args:
        rows: How many each shape has; the first one is the default.
        name: Of the data set.
        plain: Whether conversations are plain text.
    """
    redactor = Redactor(os.environ, {"runs": [run.config]})
    sources = sources_of(run.config)
    metrics, measured = metrics_of(run)
    parts = [
        f"# {name}",
        _introduction(run),
        "## Use\n\n" + _use(rows, plain),
        "## Sources\n\n" + "\n".join(_told(sources)),
        "## Licences\n\n" + _licences(run, sources),
        "## How it was made\n\n" + _making(run),
        "## Metrics\n\n" + metrics,
        "## Cost\n\n" + cost_table(run),
        "## Known limits\n\n" + "\n".join(f"- {one}" for one in card_limits(run, measured)),
        "## To make it again\n\n" + _again(run, redactor),
    ]
    return redactor.text(_front_matter(run, rows, name) + "\n\n".join(parts) + "\n")


def _front_matter(run: RunFiles, rows: Mapping[str, int], name: str) -> str:
    count = max(rows.values())
    instructs = any(record.kind == "instruction" for record in run.accepted)
    data = {
        "pretty_name": name,
        "language": [str(run.setting("domain.language", "en"))],
        # what the seeds' licence and the teacher's terms allow is for who publishes to find out
        "license": "unknown",
        "task_categories": ["text-generation", *(["question-answering"] if instructs else [])],
        "tags": ["synthetic", "metasynth"],
        "size_categories": [next((told for most, told in _SIZES if count < most), "n>1M")],
        "configs": [
            {
                "config_name": shape,
                "data_files": f"{shape}.parquet",
                **({"default": True} if number == 0 else {}),
            }
            for number, shape in enumerate(rows)
        ],
    }
    return f"---\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}---\n\n"


def _introduction(run: RunFiles) -> str:
    kinds = Counter(record.kind for record in run.accepted)
    what = " and ".join(f"{count:,} {kind}s" for kind, count in kinds.most_common())
    about = run.setting("domain.name", "")
    words = sum(count_words(record.body) for record in run.accepted)
    described = " ".join(str(run.setting("domain.description", "")).split())
    return (
        f"{what} about {about}, {words:,} words, all written by language models: the run "
        f"`{run.label}` of metasynth, graph `{run.graph}`." + (f" {described}" if described else "")
    )


def _use(rows: Mapping[str, int], plain: bool) -> str:
    first = next(iter(rows))
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("PATH OF THIS FOLDER", "{first}", split="train")\n```\n\n'
        + columns_table(rows, plain)
        + "\n\n`id` is the record's, `parent_ids` what it was made from (of an instruction, its "
        "document), `experts` who was consulted, in order."
    )


def _told(sources: Sequence[Source]) -> Iterator[str]:
    for number, source in enumerate(sources):
        yield f"{'  ' * number}- {source.told}"


def _licences(run: RunFiles, sources: Sequence[Source]) -> str:
    known = [f"`{source.license}`" for source in sources if source.license]
    if known:
        seeds = (
            f"Of what it started from: {', '.join(known)}, as the run file says (seeds.license)."
        )
    else:
        seeds = "Of what it started from: unknown, the run file does not say (seeds.license)."
    models = ", ".join(f"`{name}`" for name in _models(run)) or "none"
    return (
        f"{seeds}\n\nThe models that wrote it ({models}) may have terms about what is trained on "
        "their output; metasynth does not know them. So this card states no licence: who publishes "
        "the data decides."
    )


def _models(run: RunFiles) -> list[str]:
    return sorted({m for one in run.accepted for m in one.generation.models.values()})


def _making(run: RunFiles) -> str:
    by_part: dict[str, set[str]] = {}
    for record in run.accepted:
        for part, model in record.generation.models.items():
            by_part.setdefault(part, set()).add(model)
    lines = [f"- {part}: {', '.join(f'`{m}`' for m in sorted(by_part[part]))}" for part in by_part]
    lines.append(f"- accepted {len(run.accepted):,}, rejected {len(run.rejected):,}")
    reasons = Counter(reason_code(record) for record in run.rejected).most_common(_MOST_LABELS)
    if reasons:
        lines.append("- rejected for " + ", ".join(f"{why} ({n:,})" for why, n in reasons))
    experts = Counter(name for record in run.accepted for name in record.experts)
    rows = [(f"`{name}`", f"{n:,}") for name, n in experts.most_common(_MOST_LABELS)]
    checked = Counter(
        "no verdict" if one.checker.passed is None else "right" if one.checker.passed else "wrong"
        for one in run.accepted
        if one.checker is not None
    )
    if checked:
        told = ", ".join(f"{said} {count:,}" for said, count in checked.items())
        lines.append(f"- exact checker `{run.setting('checker', '')}`: {told}")
    consulted = table(("expert", "times consulted"), rows) if rows else ""
    return "\n".join(lines) + (f"\n\n{consulted}" if consulted else "")


def _again(run: RunFiles, redactor: Redactor) -> str:
    made = sorted({one.generation.config_hash for one in run.accepted} - {""})
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    changed = changed_settings(redactor.settings(run.config))
    shown = "\n".join(f"{one.label}: {one.value}" for one in changed if not _is_place(one.label))
    return (
        f"- configuration hash: `{run.directory.identity()}`"
        + (f" (of the records: {', '.join(f'`{one}`' for one in made)})" if made else "")
        + f"\n- prompts: `{run.prompt_version or 'unknown'}`\n- versions: {versions or 'unknown'}\n"
        f"- random seed: {run.setting('random_seed', 0)}\n\n"
        f"Settings that differ from the defaults:\n\n```\n{shown}\n```"
    )


def _is_place(key: str) -> bool:
    """Whether a setting says where something runs or lies, which is nobody else's business."""
    return key.endswith(("base_url", "memory.url", "memory.embedder"))
