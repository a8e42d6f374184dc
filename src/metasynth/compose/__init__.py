"""Composition: turns a run file into connected objects. Nothing else knows how parts are joined."""

from typing import TYPE_CHECKING

from .plan import RunPlan, plan_run
from .rounds_folder import RoundsFolder
from .run import open_run
from .softsrv_folder import SoftSRVFolder
from .steering import backbone_source, load_backbone, start_ids
from .student import judge_by, load_student
from .voices import make_voices

if TYPE_CHECKING:
    from .reporting import write_report
else:

    def __getattr__(name):
        if name == "write_report":  # what it needs to measure with is slow to import
            from .reporting import write_report

            return write_report
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "RoundsFolder",
    "RunPlan",
    "SoftSRVFolder",
    "backbone_source",
    "judge_by",
    "load_backbone",
    "load_student",
    "make_voices",
    "open_run",
    "plan_run",
    "start_ids",
    "write_report",
]
