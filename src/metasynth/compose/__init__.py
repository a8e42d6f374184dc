"""Composition: turns a run file into connected objects. Nothing else knows how parts are joined."""

from .plan import RunPlan, plan_run
from .run import open_run
from .voices import make_voices

__all__ = ["RunPlan", "make_voices", "open_run", "plan_run"]
