"""What the graph template needs, checked before a run starts."""

from metasynth.agents.models.provider import provider_facts
from metasynth.config.run import RunConfig, SeedsConfig
from metasynth.config.template import TemplateConfig
from metasynth.errors import ConfigError
from metasynth.graphs.admission.likeness import DocumentPool, NoLikeness
from metasynth.records.seeds import Seed, load_seeds
from metasynth.sandbox import render_template, template_variables

from .template import TEMPLATE_VARIABLES

_DEFAULT = TemplateConfig()


def plan_template(config: RunConfig, seeds: list[Seed]) -> list[Seed]:
    """The real documents that a run's template shows or compares with; [] where there are none.

    Raises:
        ConfigError: The template is none, shows what the run does not have, or asks too much of the
            embedded model.
    """
    if config.graph != "template":
        return []
    template = config.template
    render_template(template.prompt, TEMPLATE_VARIABLES)
    _check_mentions(template)
    if not provider_facts(config.model_for("experts").model).follows_prompts:
        _check_embedded(template)
    if template.exemplars is not None:
        source = SeedsConfig(
            documents=template.exemplars,
            text_field=template.text_field,
            split=template.split,
            limit=template.limit,
            max_words=400,
        )
        return load_seeds(
            source, random_seed=config.random_seed, section="template", key="exemplars"
        )
    if template.grade == "fixed":
        return []
    documents = [seed for seed in seeds if not seed.keywords]
    if not documents:
        raise ConfigError(
            f"template.exemplars: grade {template.grade} shows real documents, and the seeds are "
            "keywords: name a file, a folder or hf:NAME",
            code="no_documents",
        )
    return documents


def template_pool(config: RunConfig, exemplars: list[Seed]) -> NoLikeness:
    """What documents are compared with by Self-Instruct's filter, where it is on."""
    most = config.template.max_likeness
    if config.graph != "template" or most is None:
        return NoLikeness()
    return DocumentPool({one.id: one.text for one in exemplars}, most)


def _check_mentions(template: TemplateConfig) -> None:
    shown = {"fixed": (), "exemplars": ("exemplars",), "earlier": ("exemplars", "earlier")}
    mentioned = template_variables(template.prompt)
    for name in ("exemplars", "earlier"):
        if name in mentioned and name not in shown[template.grade]:
            raise ConfigError(
                f"template.prompt: mentions {name}, which grade {template.grade} does not show",
                code="unknown_variable",
            )


def _check_embedded(template: TemplateConfig) -> None:
    """The embedded model writes by its roles alone."""
    if template.candidates > 1:
        raise ConfigError(
            "template.candidates: the embedded model cannot tell probabilities; name another "
            "teacher",
            code="no_likelihoods",
        )
    if template.grade != "fixed" and template.prompt != _DEFAULT.prompt:
        raise ConfigError(
            f"template.prompt: the embedded model follows no prompt in grade {template.grade}; "
            "leave it out or name another teacher",
            code="no_prompt",
        )
