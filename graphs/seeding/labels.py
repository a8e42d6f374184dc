"""Topic labels of seeds, by which a refresh goes where the corpus has not been."""

from collections.abc import Awaitable, Callable

from metasynth.agents.expert import expert_messages, expert_settings
from metasynth.agents.messages import Attachment, one_line
from metasynth.agents.models.answers.forms import bare_form
from metasynth.agents.roles.book import RoleBook
from metasynth.config.run import RunConfig
from metasynth.errors import PromptError
from metasynth.graphs.run.calls import Caller
from metasynth.graphs.run.prompts import prompt_variables
from metasynth.graphs.run.voices import Voices
from metasynth.records.seeds import Seed

_ROLE = "topic_label"


def expert_label(
    caller: Caller, voices: Voices, roles: RoleBook, config: RunConfig
) -> Callable[[Seed], Awaitable[str]]:
    """What labels a seed: a keyword set by its first keyword, a document by the label expert.

    A seed is labelled at most once in a run: the ledger answers every later question.
    """

    async def label(seed: Seed) -> str:
        if seed.keywords:
            return seed.keywords[0]
        role = roles[_ROLE]
        try:
            reply = await caller.call(
                voices.for_role(role),
                expert_messages(
                    role,
                    "Name the topic of this seed.",
                    [Attachment("seed-1", "seed", seed.text)],
                    prompt_variables(config),
                    style=config.experts.style,
                ),
                chain="seeds",
                step=seed.id,
                agent=_ROLE,
                record_id="",
                settings={
                    **expert_settings(role, config),
                    "temperature": role.temperature,  # a label is no matter of taste
                },
            )
        except PromptError:  # its first words have to do
            return one_line(seed.text, most_words=4)
        return one_line(bare_form(str(reply.text), "topic"), most_words=4)

    return label
