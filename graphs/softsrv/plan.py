"""What a run file's `softsrv` section names, checked before anything starts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from metasynth.agents.models.provider import provider_facts
from metasynth.config.identity import identity_of
from metasynth.config.instruct import INSTRUCT_GRAPHS
from metasynth.config.run import RunConfig
from metasynth.config.softsrv import Method, SoftSRVConfig
from metasynth.errors import ConfigError

if TYPE_CHECKING:
    from metasynth.softsrv.baselines.task_templates import PromptName, TaskTemplates
    from metasynth.softsrv.target import TargetRow
    from metasynth.text.contamination import Contamination

_NEEDED: "Mapping[Method, tuple[PromptName, ...]]" = {
    "soft": (),
    "unconditional": (),
    "template": ("diverse",),
    "template_single": ("single",),
    "template_refine": ("diverse", "critique", "refine"),
}
_SOLUTION = "Solution:"  # with which the embedded model goes on after a question


class SoftSRVPlan(NamedTuple):
    """The section with its seed, and all that it names.

    Attributes:
        settings: The section; its seed is the run's where it has none of its own.
        rows: The target sample; empty where only an artifact is named.
        templates: The task's prompts.
        contamination: The test set that must stay unseen.
        artifact: Names the soft prompt that the run file names; "" where it names none.
    """

    settings: SoftSRVConfig
    rows: "Sequence[TargetRow]"
    templates: "TaskTemplates"
    contamination: "Contamination | None"
    artifact: str

    @property
    def asks_teacher(self) -> bool:
        """Whether a teacher writes the questions, not the frozen model."""
        return self.settings.method.startswith("template")

    def facts(self) -> list[tuple[str, str]]:
        """What would be used, for `validate`."""
        settings = self.settings
        facts: list[tuple[str, str]] = [("method", settings.method)]
        if settings.method in ("soft", "unconditional"):
            facts.append(("backbone", settings.backbone.model))
        if settings.artifact is not None:
            facts.append(("artifact", str(settings.artifact)))
        if self.rows:
            facts.append(("target", f"{len(self.rows)} rows"))
        if self.contamination is not None:
            facts.append(("test set", f"{self.contamination.size} texts that must stay unseen"))
        facts.append(("samples", f"{settings.sampling.count}, answers {settings.answers.style}"))
        return facts

    def identity(self) -> list[str]:
        """What shapes the records beside the section's own words."""
        parts = [row.id for row in self.rows]
        if self.settings.task.endswith((".yaml", ".yml")):
            parts.append(self.templates.model_dump_json())
        return [*parts, self.artifact]

    def of_training(self) -> str:
        """Names what a soft prompt that the run trains comes from."""
        return self._named({"backbone", "prompt", "encoder", "training"})

    def of_questions(self, config: RunConfig) -> str:
        """Names what samples and candidates come from; gate and answers have no part in it."""
        sections = {"backbone", "prompt", "encoder", "training", "method", "sampling", "baseline"}
        teacher = ""
        if self.asks_teacher:
            sections -= {"backbone", "prompt", "encoder", "training"}
            teacher = config.model_for("experts").model
        parts = (self.templates.model_dump_json(), self.artifact, teacher)
        return self._named({*sections, "postprocess"}, *parts)

    def _named(self, sections: set[str], *parts: str) -> str:
        section = identity_of(self.settings, {*sections, "random_seed"})
        rows = [row.id for row in self.rows]
        text = json.dumps([section, rows, parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan_softsrv(config: RunConfig) -> SoftSRVPlan | None:
    """The plan of the section, or None where the run does not use it.

    Raises:
        ConfigError: The target, the task or the test set is wrong, or the teacher cannot do what is
            asked of it.
        RequestError: The artifact is none.
    """
    section = config.softsrv
    if section is None or config.graph in ("template", *INSTRUCT_GRAPHS):
        return None
    rounds = config.active if config.graph == "active" else None
    if rounds is not None and rounds.generate != "softsrv":
        return None
    if "random_seed" not in section.model_fields_set:
        section = section.model_copy(update={"random_seed": config.random_seed})
    from metasynth.softsrv.artifact import read_artifact_config
    from metasynth.softsrv.target import load_target

    artifact = ""
    if section.artifact is not None:
        trained = json.dumps(read_artifact_config(section.artifact), sort_keys=True)
        artifact = hashlib.sha256(trained.encode()).hexdigest()
    return SoftSRVPlan(
        settings=section,
        rows=load_target(section.target) if section.target is not None else [],
        templates=_templates(config, section),
        contamination=_contamination(section),
        artifact=artifact,
    )


def _templates(config: RunConfig, section: SoftSRVConfig) -> "TaskTemplates":
    from metasynth.softsrv.baselines.task_templates import (
        TaskTemplates,
        check_template,
        load_templates,
    )

    if section.answers.template:
        check_template(section.answers.template, "answer", where="softsrv.answers.template")
    teacher = provider_facts(config.model_for("experts").model)
    if config.graph == "softsrv" and not teacher.follows_prompts:
        _check_embedded(section)
        # its editor is shown the exemplar alone, and told to write another like it
        return TaskTemplates(name="embedded", single="{{ exemplar }}", cut_before=(_SOLUTION,))
    try:
        templates = load_templates(section.task)
    except ConfigError as error:
        raise ConfigError(f"softsrv.task: {error.message}", code=error.code) from None
    for key in _NEEDED[section.method]:
        if getattr(templates, key) is None:
            raise ConfigError(
                f"softsrv.task: {section.task}: key {key!r} is needed by method {section.method}",
                code="no_template",
            )
    asked = section.answers
    if asked.style == "template" and not asked.template and templates.answer is None:
        raise ConfigError(
            f"softsrv.task: {section.task}: key 'answer' is needed by softsrv.answers.style",
            code="no_template",
        )
    return templates


def _check_embedded(section: SoftSRVConfig) -> None:
    if section.method in ("template", "template_refine"):
        raise ConfigError(
            f"softsrv.method: the embedded model cannot follow the prompts of {section.method}",
            hint="take template_single (its editor writes another like the exemplar) or a teacher",
            code="unfit_method",
        )
    if section.answers.style == "template":
        raise ConfigError(
            "softsrv.answers.style: the embedded model cannot follow a template",
            hint="take bare, for which it is asked as the solution expert, or a teacher",
            code="unfit_method",
        )


def _contamination(section: SoftSRVConfig) -> "Contamination | None":
    from metasynth.sources.contamination import read_contamination

    settings = section.postprocess
    if not settings.contaminants:
        return None
    return read_contamination(
        settings.contaminants,
        settings.contaminant_fields,
        ngram=settings.ngram,
        setting="softsrv.postprocess.contaminant_fields",
    )
