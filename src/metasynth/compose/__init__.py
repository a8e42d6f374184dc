"""Composition: turns a run file into connected objects. Nothing else knows how parts are joined."""

from importlib import import_module
from typing import TYPE_CHECKING

from .plan import RunPlan, plan_run
from .record_threads import kept_threads
from .rounds_folder import RoundsFolder
from .run import open_run
from .softsrv_folder import SoftSRVFolder
from .steering import backbone_source, load_backbone, start_ids
from .student import judge_by, load_student
from .tracing_export import Exporter, collector_of
from .trial import Tried, try_expert
from .voices import make_voices

if TYPE_CHECKING:
    from .exporting import Exported, Target, export_run
    from .mixing import MixSettings, write_mix
    from .reporting import write_report
    from .tokenizing import TextTokenizer
else:
    _OF = dict.fromkeys(("Exported", "Target", "export_run"), "exporting")
    _OF |= {"MixSettings": "mixing", "write_mix": "mixing", "write_report": "reporting"}
    _OF["TextTokenizer"] = "tokenizing"

    def __getattr__(name):
        # what a report measures with is slow to import, and an export reads as one does
        if name in _OF:
            return getattr(import_module(f".{_OF[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Exported",
    "Exporter",
    "MixSettings",
    "RoundsFolder",
    "RunPlan",
    "SoftSRVFolder",
    "Target",
    "TextTokenizer",
    "Tried",
    "backbone_source",
    "collector_of",
    "export_run",
    "judge_by",
    "kept_threads",
    "load_backbone",
    "load_student",
    "make_voices",
    "open_run",
    "plan_run",
    "start_ids",
    "try_expert",
    "write_mix",
    "write_report",
]
