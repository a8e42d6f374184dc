"""metasynth: agents that write training data for language models.

The names below are imported when they are asked for, so that the package itself loads nothing;
docs/api.md shows how they go together.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metasynth.agents.models.provider import provider as provider
    from metasynth.agents.roles.book import RoleBook as RoleBook
    from metasynth.agents.roles.book import load_roles as load_roles
    from metasynth.agents.roles.role import Role as Role
    from metasynth.api import RunResult as RunResult
    from metasynth.api import compiled_graph as compiled_graph
    from metasynth.api import load_student as load_student
    from metasynth.api import preview as preview
    from metasynth.api import run as run
    from metasynth.api import run_async as run_async
    from metasynth.api import sample_softsrv as sample_softsrv
    from metasynth.api import score as score
    from metasynth.api import student_rows as student_rows
    from metasynth.api import train_softsrv as train_softsrv
    from metasynth.api import use_plugins as use_plugins
    from metasynth.api import validate as validate
    from metasynth.compose.execution import Progress as Progress
    from metasynth.compose.preview import Preview as Preview
    from metasynth.config.file import load_run_config as load_run_config
    from metasynth.config.file import load_softsrv_config as load_softsrv_config
    from metasynth.config.run import RunConfig as RunConfig
    from metasynth.config.softsrv import SoftSRVConfig as SoftSRVConfig
    from metasynth.config.student import ScoringConfig as ScoringConfig
    from metasynth.config.student import SelectionConfig as SelectionConfig
    from metasynth.config.student import StudentConfig as StudentConfig
    from metasynth.errors import ConfigError as ConfigError
    from metasynth.errors import MetaSynthError as MetaSynthError
    from metasynth.errors import RequestError as RequestError
    from metasynth.eval.comparison import MetricInputs as MetricInputs
    from metasynth.eval.comparison import compare as compare
    from metasynth.eval.mauve.mauve import mauve as mauve
    from metasynth.eval.measurement import measure as measure
    from metasynth.eval.metric import metric as metric
    from metasynth.eval.text_corpus import Document as Document
    from metasynth.eval.text_corpus import TextCorpus as TextCorpus
    from metasynth.eval.text_corpus import read_corpus as read_corpus
    from metasynth.graphs.admission.check import check as check
    from metasynth.records.record import Record as Record
    from metasynth.records.record import read_records as read_records
    from metasynth.records.shape import shape as shape
    from metasynth.results.export import export_run as export_run
    from metasynth.results.report.report import write_report as write_report
    from metasynth.results.run.files import read_run as read_run
    from metasynth.softsrv.parameterisation import parameterisation as parameterisation
    from metasynth.student.scoring.criterion import criterion as criterion
    from metasynth.student.selection.selection import select as select
    from metasynth.student.selection.strategy import strategy as strategy
    from metasynth.student.training.fine_tuning import fine_tune as fine_tune
    from metasynth.student.training.fine_tuning import load_trained as load_trained
    from metasynth.vectors.embed import load_embedder as load_embedder

_MODULES = {
    "metasynth.agents.models.provider": ("provider",),
    "metasynth.agents.roles.book": (
        "RoleBook",
        "load_roles",
    ),
    "metasynth.agents.roles.role": ("Role",),
    "metasynth.api": (
        "RunResult",
        "compiled_graph",
        "load_student",
        "preview",
        "run",
        "run_async",
        "sample_softsrv",
        "score",
        "student_rows",
        "train_softsrv",
        "use_plugins",
        "validate",
    ),
    "metasynth.compose.execution": ("Progress",),
    "metasynth.compose.preview": ("Preview",),
    "metasynth.config.file": (
        "load_run_config",
        "load_softsrv_config",
    ),
    "metasynth.config.run": ("RunConfig",),
    "metasynth.config.softsrv": ("SoftSRVConfig",),
    "metasynth.config.student": (
        "ScoringConfig",
        "SelectionConfig",
        "StudentConfig",
    ),
    "metasynth.errors": (
        "ConfigError",
        "MetaSynthError",
        "RequestError",
    ),
    "metasynth.eval.comparison": (
        "MetricInputs",
        "compare",
    ),
    "metasynth.eval.mauve.mauve": ("mauve",),
    "metasynth.eval.measurement": ("measure",),
    "metasynth.eval.metric": ("metric",),
    "metasynth.eval.text_corpus": (
        "Document",
        "TextCorpus",
        "read_corpus",
    ),
    "metasynth.graphs.admission.check": ("check",),
    "metasynth.records.record": (
        "Record",
        "read_records",
    ),
    "metasynth.records.shape": ("shape",),
    "metasynth.results.export": ("export_run",),
    "metasynth.results.report.report": ("write_report",),
    "metasynth.results.run.files": ("read_run",),
    "metasynth.softsrv.parameterisation": ("parameterisation",),
    "metasynth.student.selection.selection": ("select",),
    "metasynth.student.scoring.criterion": ("criterion",),
    "metasynth.student.selection.strategy": ("strategy",),
    "metasynth.student.training.fine_tuning": (
        "fine_tune",
        "load_trained",
    ),
    "metasynth.vectors.embed": ("load_embedder",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__version__: str  # asked for when it is needed: a checkout's state is known to git alone

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from metasynth.version import code_version

        return code_version()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
