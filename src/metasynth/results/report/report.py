"""A run directory made into a report: gathered as plain data, written as a page and as JSON."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from metasynth.errors import RequestError
from metasynth.eval.comparison import CorpusRole
from metasynth.eval.report.data import Count, Report, Side
from metasynth.eval.report.html import render_report, report_metrics
from metasynth.records.record import Record
from metasynth.records.rundir import write_atomically
from metasynth.redaction import Redactor
from metasynth.results.run.files import RunFiles, read_run
from metasynth.results.run.settings import changed_settings
from metasynth.results.run.stages import (
    reason_code,
    rounds_of,
    sent_back,
    stages_of,
    student_facts,
)
from metasynth.text.words import count_words

from .charts import score_charts, steering_charts, student_charts
from .limits import limits_of
from .metrics import Texts, compared
from .real_texts import RealTexts, real_texts
from .records import listed
from .vectors import TextVectors, Told, coverage_of, plane_of, untold

_MOST_LABELS = 24


class Written(NamedTuple):
    """The files of a report, and what it says."""

    page: Path
    metrics: Path
    report: Report


def write_report(
    directory: Path | str,
    baselines: Sequence[Path | str] = (),
    *,
    out: Path | str | None = None,
    tell: Told = untold,
) -> Written:
    """Write the page of a run, and `metrics.json` beside it.

    Args:
        baselines: Run directories to stand beside it.
        out: The page's file; None: `report.html` in the run directory.
        tell: Called with the texts that have a vector, all of them, and whose they are.

    Raises:
        RequestError: A directory is no run directory (code `no_run`), or a file cannot be written
            (`not_writable`).
        MetaSynthError: Records or ledger are damaged.
    """
    import json

    page = Path(out or Path(directory) / "report.html")
    metrics = page.with_name("metrics.json")
    if page == metrics:
        raise RequestError(
            f"{page}: metrics.json is written beside the page; name it otherwise",
            code="taken_name",
        )
    report = gather_report(directory, baselines, tell=tell)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, render_report(report))
        told = json.dumps(report_metrics(report), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(metrics, told.encode("utf-8", "replace").decode() + "\n")
    except OSError as error:
        raise RequestError(
            f"{page}: cannot be written ({error.strerror})", code="not_writable"
        ) from None
    return Written(page, metrics, report)


def gather_report(
    directory: Path | str,
    baselines: Sequence[Path | str] = (),
    *,
    tell: Told = untold,
    environment: Mapping[str, str] | None = None,
) -> Report:
    """Everything that a report shows, free of secrets; arguments and errors as `write_report`.

    Args:
        environment: Whose keys must not appear; None: that of this process.
    """
    run = read_run(directory)
    others: list[RunFiles] = []
    for path in baselines:
        taken = frozenset(other.label for other in (run, *others))
        others.append(read_run(path, taken=taken))
    real = real_texts(run)
    vectors = TextVectors(run, tell=tell)
    try:
        report = _gather(run, others, real, vectors)
    finally:
        vectors.close()
    secrets = os.environ if environment is None else environment
    redactor = Redactor(secrets, {"runs": [run.config, *(other.config for other in others)]})
    return redactor.everywhere(report)


def _gather(
    run: RunFiles, others: Sequence[RunFiles], real: RealTexts, vectors: TextVectors
) -> Report:
    shown = listed(run.accepted, run.rejected, run.directory.ledger, references=real.texts)
    corpora = {run.label: _texts(run, "candidate")}
    corpora |= {one.label: _texts(one, "template") for one in others}
    if real.texts and real.are_texts:
        texts = [text for text in real.texts.values() if text.strip()]
        corpora[_name(real)] = Texts("real", texts)
    found = compared(
        corpora,
        vectors,
        seed=int(run.setting("random_seed", 0)),
        plugins=run.setting("plugins", ()),
    )
    plane = plane_of(
        [(record, run.measured(record)) for record in shown.records],
        {one.label: corpora[one.label].texts for one in others},
        real,
        vectors,
    )
    coverage = coverage_of(run, real, vectors)
    redactor = Redactor({}, run.config)
    student = run.directory.root / "student"
    return Report(
        name=run.label,
        subject=str(run.setting("domain.name", "")),
        graph=run.graph,
        kinds=Counter(record.kind for record in run.accepted),
        sides=(*(_side(one, run) for one in (run, *others)), *_real_side(real)),
        metrics=found.rows,
        metrics_reason=found.reason,
        comparison=found.how,
        warnings=found.warnings,
        plane=plane,
        coverage=coverage,
        labels=_labels(run),
        charts=(
            *steering_charts(run.directory.softsrv),
            *student_charts(student),
            *score_charts(run.accepted, run.rejected),
        ),
        student=tuple(student_facts(run)),
        rounds=tuple(rounds_of(student)),
        rejects=_counts(reason_code(record) for record in run.rejected),
        refusals=_counts(sent_back(run)),
        agents=run.agents,
        records=shown.entries,
        records_note=shown.note,
        stages=tuple(stages_of(run)),
        settings=changed_settings(redactor.settings(run.config)),
        configuration=_yaml(redactor.settings(run.config)),
        versions={**run.versions, "prompts": run.prompt_version},
        limits=tuple(limits_of(run, others, real, vectors, found, shown.note)),
        created=_dates(run.accepted),
    )


def _name(real: RealTexts) -> str:
    return f"real {real.kind}s" if real.are_texts else f"{real.kind}s"


def _texts(run: RunFiles, role: CorpusRole) -> Texts:
    kept = [record for record in run.accepted if run.measured(record).strip()]
    return Texts(
        role,
        [run.measured(record) for record in kept],
        [record.topic for record in kept],
        [record.persona for record in kept],
    )


def _side(one: RunFiles, run: RunFiles) -> Side:
    return Side(
        label=one.label,
        role="run" if one is run else "baseline",
        accepted=len(one.accepted),
        rejected=len(one.rejected),
        words=sum(count_words(record.body) for record in one.accepted),
        cost=one.cost,
    )


def _real_side(real: RealTexts) -> list[Side]:
    if not real.texts:
        return []
    words = sum(count_words(text) for text in real.texts.values())
    return [Side(_name(real), "seeds", len(real.texts), words=words)]


def _labels(run: RunFiles) -> dict[str, tuple[Count, ...]]:
    """Topics, genres and personas of the records; genres of the run file that none has count 0."""
    declared = [str(genre) for genre in run.setting("domain.genres", ())]
    found = {
        "genres": _counts((record.genre for record in run.accepted), declared),
        "topics": _counts(record.topic for record in run.accepted),
        "personas": _counts(record.persona for record in run.accepted),
        "sources": _counts(record.source for record in run.accepted),
    }
    return {what: counts for what, counts in found.items() if len(counts) > (what == "sources")}


def _counts(labels: Iterable[str], declared: Sequence[str] = ()) -> tuple[Count, ...]:
    counts = Counter(dict.fromkeys(declared, 0))
    counts.update(" ".join(label.split()) for label in labels if label.strip())
    return tuple(Count(label, number) for label, number in counts.most_common())


def _yaml(config: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100))


def _dates(records: Sequence[Record]) -> tuple[str, str]:
    found = sorted(record.created_at for record in records if record.created_at)
    return (found[0], found[-1]) if found else ("", "")
