"""Pages that list what the package has: graphs, experts, metrics, criteria, tasks."""

from collections.abc import Sequence

from metasynth.agents.roles.book import library_domains, library_roles, packaged_roles
from metasynth.agents.roles.role import Role
from metasynth.cli.graph import drawable
from metasynth.compose.graphs import GRAPHS
from metasynth.compose.parts import REGISTRIES
from metasynth.eval.metric import NEEDS, all_metrics
from metasynth.eval.tasks.catalogue.tasks import TASKS
from metasynth.records.shape import LINEAGE, SHAPES
from metasynth.student.scoring.criterion import CRITERIA

from .markdown import code, table

_METRICS = """\
# Metrics

What `metasynth eval diversity` and the report measure. Sizes decide these numbers, so corpora are
cut to equal records and equal words first; see [Evaluation](../evaluation.md).
"""
_NEEDS = """\
## What a metric can need

[A metric of your own](../extending.md) is one file; it names what it is given, and that is computed
once for all metrics.
"""
_CRITERIA = """\
# Criteria

What a student's score may be: `metasynth student score --criterion`,
`active.pool.scoring.criterion`, `active.candidates.scoring.criterion`. A score is oriented: high
means hard, whatever the criterion; where a low value means hard, the score is its negative. y is
the given answer of T tokens, ŷ the student's own. See [The student in the loop](../student.md).
"""
_TASKS = """\
# Tasks

What `metasynth eval tasks` can ask; see [Downstream tasks](../tasks.md).
"""
_SHAPES = """\
# Shapes of an export

What `metasynth export DIR PATH --to NAME` writes; see
[Export and train](../guides/export-and-train.md). A shape of your own is
[one file](../extending.md), which `--plugins DIR` finds.
"""
_PARTS = """\
# Parts

What is one file each, called by its file's name. Those of the package, by kind; how yours join
them stands in [Extending](../extending.md).
"""
_ROLES = """\
# Experts

The roles that the package carries. `metasynth roles show NAME` prints one with its system prompt;
[how to write your own](../guides/own-role.md).

## In every run
"""
_GRAPHS = """\
# Graphs

The state machines as they are compiled: what `metasynth graph NAME` prints. `graph:` in the run
file chooses one; `corpus` is the frame in which chains run those that write records.
"""


def metrics_page() -> str:
    """All metrics of texts."""
    rows = (
        (code(name), m.title, f"{m.better} is more diverse", ", ".join(m.needs), m.meaning)
        for name, m in all_metrics().items()
    )
    needs = ((code(name), need.meaning) for name, need in NEEDS.items())
    return "\n".join(
        [
            _METRICS,
            table(("name", "title", "reading", "needs", "what it is"), rows),
            _NEEDS,
            table(("name", "what the function of a metric is given"), needs),
        ]
    )


def criteria_page() -> str:
    """All criteria of a student."""
    rows = (
        (code(name), part.formula, part.hard, ", ".join(sorted(part.needs)), part.cost, part.source)
        for name, part in ((name, CRITERIA[name]) for name in CRITERIA.builtin())
    )
    head = ("name", "value", "hard", "needs", "cost of a row", "source")
    return f"{_CRITERIA}\n{table(head, rows)}"


def tasks_page() -> str:
    """All downstream tasks."""
    rows = ((code(name), spec.title, str(spec.shots), spec.rule) for name, spec in TASKS.items())
    return f"{_TASKS}\n{table(('name', 'title', 'examples', 'what counts as right'), rows)}"


def shapes_page() -> str:
    """All shapes of an export."""
    lineage = ", ".join(map(code, LINEAGE))
    rows = (
        (
            code(name),
            ", ".join(map(code, shape.columns)) if shape.lineage else "all of the record",
            shape.summary,
            shape.takes or " and ".join(f"{kind}s" for kind in shape.kinds),
            shape.readers,
        )
        for name, shape in ((name, SHAPES[name]) for name in SHAPES.builtin())
    )
    head = ("name", "columns", "a row", "made of", "read by")
    return f"{_SHAPES}\n{table(head, rows)}\nLineage follows in columns of its own: {lineage}.\n"


def parts_page() -> str:
    """All parts of the package, by kind."""
    sections = (
        f"## {registry.title.capitalize()}\n\n"
        + table(
            ("name", "what it is"),
            ((code(name), registry.summary(name)) for name in registry.builtin()),
        )
        for registry in REGISTRIES
    )
    return "\n".join((_PARTS, *sections))


def roles_page() -> str:
    """All experts of the package, those of its library by domain."""
    parts = [_ROLES, _roles_table(packaged_roles())]
    for domain in library_domains():
        parts += [f"\n## `roles: library:{domain}`\n", _roles_table(library_roles(domain))]
    return "\n".join(parts)


def _roles_table(roles: Sequence[Role]) -> str:
    rows = (
        (
            code(role.name),
            ", ".join(role.for_),
            ", ".join(role.receives) or "anything",
            role.produces,
            role.description,
        )
        for role in roles
    )
    return table(("name", "for", "receives", "produces", "when it is consulted"), rows)


def graphs_page() -> str:
    """All graphs, drawn."""
    drawn = (
        f"## `{name}`\n\n```mermaid\n{drawable(name).draw_mermaid()}```\n"
        for name in sorted(GRAPHS)
    )
    return "\n".join([_GRAPHS, *drawn])
