"""The `template` section of a run file: the baseline that asks one fixed prompt.

Its grades are those of MetaSynth's own baseline (Riaz et al., arXiv 2504.12563): a fixed template,
one with exemplars of real data that vary, one with earlier documents of the run as well. The filter
by ROUGE-L is Self-Instruct's (Wang et al., arXiv 2212.10560), several candidates with their
probabilities in one answer are verbalised sampling (Zhang et al., arXiv 2510.01171). How many texts
are shown is not known from the first; the wording of all prompts and the defaults are ours.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .marks import TEXTS
from .section import Section


class TemplateConfig(Section):
    """The baseline `graph: template`: one call a record from a fixed prompt."""

    prompt: str = Field(
        default="Write a {{ genre or 'document' }} for the domain {{ domain }} that uses these "
        "keywords: {{ keywords | join(', ') }}. At most {{ max_words }} words.",
        description="Jinja2 with domain, genre, keywords, seed, max_words; of a seed that is a "
        "document the default shows the text and asks for another on what it is about",
    )
    grade: Literal["fixed", "exemplars", "earlier"] = Field(
        default="fixed", description="what is shown beside the prompt; each holds the one before"
    )
    exemplars: Annotated[str | None, TEXTS] = Field(
        default=None,
        description="real documents: file, folder, glob, or hf:NAME; default: seeds.documents",
    )
    text_field: str | None = Field(default=None, description="of rows, as seeds.text_field")
    split: str = Field(default="train", description="of hf:NAME")
    limit: int = Field(default=500, ge=1, description="exemplars drawn from a larger pool")
    exemplars_shown: int = Field(default=3, ge=1, le=20, description="in one prompt")
    earlier_shown: int = Field(default=2, ge=1, le=20, description="in one prompt")
    max_shown_words: int = Field(default=150, ge=5, description="a longer text is cut when shown")
    max_likeness: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="ROUGE-L to exemplars and corpus from which on a document is refused; "
        "Self-Instruct: 0.7",
    )
    candidates: int = Field(default=1, ge=1, le=20, description="asked for in one call")
    take: Literal["one", "all"] = Field(
        default="one", description="of the candidates: one drawn by its probability, or all"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.exemplars is not None and self.grade == "fixed" and self.max_likeness is None:
            raise ValueError("exemplars: grade fixed shows none; set grade or max_likeness")
        if self.take == "all" and self.candidates == 1:
            raise ValueError("take: all takes candidates of two or more")
        return self
