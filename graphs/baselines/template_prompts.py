"""What the template baseline asks, and what it takes from the answer.

The embedded model follows no prompt, it knows a few tasks by its roles. For it the grade `fixed` is
the domain expert with form and keywords, the same words every time; the grades that show texts are
the editor with one of these texts and the instruction to write another like it, and no keywords.
"""

import random
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from metasynth.agents.messages import Attachment, fenced
from metasynth.agents.models.answers.forms import bare_document
from metasynth.agents.models.embedded.prompts import another_like, document_with
from metasynth.config.template import TemplateConfig
from metasynth.graphs.run.state import SeedState
from metasynth.graphs.workspace import Workspace
from metasynth.sandbox import render_template, template_variables
from metasynth.text.words import encodable

from .exemplars import Shown, shown_text, shown_variables
from .verbalised import asked_for, draw_verbalised, parse_verbalised

_DEFAULT = str(TemplateConfig.model_fields["prompt"].default)
# where a seed is a document there are no keywords, and the whole of it is none
_FOR_DOCUMENTS = (
    "Write a {{ genre or 'document' }} for the domain {{ domain }} on what the text below is "
    "about, in words of your own. At most {{ max_words }} words."
)


class TemplateReply(NamedTuple):
    """A document, or with `problem` why there is none in the reply."""

    text: str
    cut: bool = False
    problem: str = ""


def uses_seed(workspace: Workspace, shown: Shown) -> bool:
    """Whether the document is asked to fit its seed: the editor is shown no keywords."""
    return not (_by_roles(workspace) and shown.ids)


def template_messages(
    workspace: Workspace, seed: SeedState, genre: str, shown: Shown, rng: random.Random
) -> list[BaseMessage]:
    """The one call of a record.

    Args:
        workspace: The run's.
        seed: What the record starts from.
        genre: Its form.
        shown: Texts beside the prompt.
        rng: Chooses the one text that the embedded model is shown.
    """
    variables = workspace.variables(genre=genre)
    if _by_roles(workspace):
        texts = [*shown.exemplars, *shown.earlier]
        if texts:
            return another_like(rng.choice(texts)[1], workspace.roles, variables)
        if not seed["keywords"]:
            return another_like(seed["text"], workspace.roles, variables)
        keywords = ", ".join(seed["keywords"])
        return document_with(keywords, genre, workspace.roles, variables)
    config = workspace.config.template
    on_document = config.prompt == _DEFAULT and not seed["keywords"]
    prompt = render_template(
        _FOR_DOCUMENTS if on_document else config.prompt,
        {
            **variables,
            **shown_variables(shown),
            "keywords": seed["keywords"] or [seed["text"]],
            "seed": seed["text"],
        },
    )
    if on_document:
        prompt = f"{prompt}\n\n{fenced(Attachment('text', 'document', seed['text']))}"
    parts = [prompt, *shown_text(shown, without=template_variables(config.prompt))]
    if config.candidates > 1:
        parts.append(asked_for(config.candidates))
    return [HumanMessage("\n\n".join(parts))]


def read_document(
    config: TemplateConfig, reply: AIMessage, *, place: int, rng: random.Random
) -> TemplateReply:
    """The document in a reply; `place` is the candidate's where all of them are taken."""
    cut = reply.response_metadata.get("finish_reason") == "length"
    text = bare_document(encodable(str(reply.text)).strip())
    if config.candidates == 1:
        return TemplateReply(text, cut)
    candidates = parse_verbalised(text, config.candidates)
    if isinstance(candidates, str):
        return TemplateReply(
            text, problem=f"{candidates}{', cut at the token limit' if cut else ''}"
        )
    return TemplateReply(
        (candidates[place] if config.take == "all" else draw_verbalised(candidates, rng)).text
    )


def _by_roles(workspace: Workspace) -> bool:
    return (
        not workspace.voices.experts.follows_prompts
        and workspace.config.template.prompt == _DEFAULT
    )
