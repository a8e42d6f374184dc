"""Composition: turns a run file into connected objects. Nothing else knows how parts are joined."""

from .plan import RunPlan, plan_run
from .run import open_run
from .softsrv_folder import SoftSRVFolder
from .steering import backbone_source, load_backbone, start_ids
from .student import judge_by, load_student
from .voices import make_voices

__all__ = [
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
]
