"""Who speaks in a run: chat models under the names that ledger and prices know."""

from dataclasses import dataclass, field
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel

from metasynth.agents.roles.role import Role
from metasynth.config.run import RunConfig


class Voice(NamedTuple):
    """A chat model under the name that ledger and prices know; what it is able to do.

    Three abilities are its provider's (see `metasynth.agents.models.provider`); `unsent` are the
    settings that the run file sets to null, so that nobody's value is sent.
    """

    name: str
    model: BaseChatModel
    takes_seed: bool = True
    follows_prompts: bool = True
    reproducible: bool = False
    unsent: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Voices:
    """Who speaks: the conductor, and the experts, of which a role may name a model of its own."""

    conductor: Voice
    experts: Voice
    by_name: dict[str, Voice] = field(default_factory=dict)

    def for_role(self, role: Role) -> Voice:
        """The voice of an expert."""
        return self.by_name[role.model] if role.model else self.experts


def keeps_time(config: RunConfig, voices: Voices) -> bool:
    """Whether records of a run carry times; see `Workspace.keeps_time`."""
    speakers = (voices.conductor, voices.experts, *voices.by_name.values())
    return config.concurrency > 1 or not all(voice.reproducible for voice in speakers)
