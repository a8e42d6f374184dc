"""SoftSRV: trained soft prompts that steer a frozen model toward a target sample."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .artifact import SteeringArtifact, load_artifact, read_artifact_config, save_artifact
    from .backbone import Backbone
    from .copies import CopyAudit, Copying, copy_audit
    from .curves import CurvePoint, Evaluation, read_curves
    from .encoder import ContextEncoder
    from .estimate import Estimate, context_width_of, estimate_run, weight_bytes_of
    from .junk import junk_reasons
    from .manifest import Manifest, read_manifest
    from .numbered import numbered_questions, tidy_question
    from .postprocessing import PostprocessResult, postprocess
    from .progress import TrainingProgress
    from .prompted import Ask, ParseTally, template_questions
    from .refinement import RefinementTally, refine, refined_questions, says_stop
    from .samples import (
        Candidate,
        Sample,
        SampleFile,
        read_candidates,
        read_samples,
        write_candidates,
    )
    from .sampling import SamplingSummary, SoftSampler, unconditional
    from .soft_prompt import (
        MixturePrompt,
        NonContextualPrompt,
        PerTokenPrompt,
        SoftPrompt,
        empty_soft_prompt,
        make_soft_prompt,
        parameter_count,
    )
    from .spread import Spread, SpreadChange, distinct_n, mean_distance, spread_change
    from .target import Split, TargetRow, TargetSample, load_target, read_target, split_target
    from .templates import (
        PROMPT_NAMES,
        PromptName,
        TaskTemplates,
        check_template,
        load_templates,
        packaged_tasks,
        parse_templates,
        render_answer,
    )
    from .training import train_soft_prompt
else:
    # All of it is torch code or leads there: loaded when it is asked for.
    _MODULES = {
        "artifact": ("SteeringArtifact", "load_artifact", "read_artifact_config", "save_artifact"),
        "backbone": ("Backbone",),
        "copies": ("CopyAudit", "Copying", "copy_audit"),
        "curves": ("CurvePoint", "Evaluation", "read_curves"),
        "encoder": ("ContextEncoder",),
        "estimate": ("Estimate", "context_width_of", "estimate_run", "weight_bytes_of"),
        "junk": ("junk_reasons",),
        "manifest": ("Manifest", "read_manifest"),
        "numbered": ("numbered_questions", "tidy_question"),
        "postprocessing": ("PostprocessResult", "postprocess"),
        "progress": ("TrainingProgress",),
        "prompted": ("Ask", "ParseTally", "template_questions"),
        "refinement": ("RefinementTally", "refine", "refined_questions", "says_stop"),
        "samples": (
            "Candidate",
            "Sample",
            "SampleFile",
            "read_candidates",
            "read_samples",
            "write_candidates",
        ),
        "sampling": ("SamplingSummary", "SoftSampler", "unconditional"),
        "soft_prompt": (
            "MixturePrompt",
            "NonContextualPrompt",
            "PerTokenPrompt",
            "SoftPrompt",
            "empty_soft_prompt",
            "make_soft_prompt",
            "parameter_count",
        ),
        "spread": ("Spread", "SpreadChange", "distinct_n", "mean_distance", "spread_change"),
        "target": (
            "Split",
            "TargetRow",
            "TargetSample",
            "load_target",
            "read_target",
            "split_target",
        ),
        "templates": (
            "PROMPT_NAMES",
            "PromptName",
            "TaskTemplates",
            "check_template",
            "load_templates",
            "packaged_tasks",
            "parse_templates",
            "render_answer",
        ),
        "training": ("train_soft_prompt",),
    }
    _SLOW = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name in _SLOW:
            from importlib import import_module

            return getattr(import_module(f".{_SLOW[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "PROMPT_NAMES",
    "Ask",
    "Backbone",
    "Candidate",
    "ContextEncoder",
    "CopyAudit",
    "Copying",
    "CurvePoint",
    "Estimate",
    "Evaluation",
    "Manifest",
    "MixturePrompt",
    "NonContextualPrompt",
    "ParseTally",
    "PerTokenPrompt",
    "PostprocessResult",
    "PromptName",
    "RefinementTally",
    "Sample",
    "SampleFile",
    "SamplingSummary",
    "SoftPrompt",
    "SoftSampler",
    "Split",
    "Spread",
    "SpreadChange",
    "SteeringArtifact",
    "TargetRow",
    "TargetSample",
    "TaskTemplates",
    "TrainingProgress",
    "check_template",
    "context_width_of",
    "copy_audit",
    "distinct_n",
    "empty_soft_prompt",
    "estimate_run",
    "junk_reasons",
    "load_artifact",
    "load_target",
    "load_templates",
    "make_soft_prompt",
    "mean_distance",
    "numbered_questions",
    "packaged_tasks",
    "parameter_count",
    "parse_templates",
    "postprocess",
    "read_artifact_config",
    "read_candidates",
    "read_curves",
    "read_manifest",
    "read_samples",
    "read_target",
    "refine",
    "refined_questions",
    "render_answer",
    "save_artifact",
    "says_stop",
    "split_target",
    "spread_change",
    "template_questions",
    "tidy_question",
    "train_soft_prompt",
    "unconditional",
    "weight_bytes_of",
    "write_candidates",
]
