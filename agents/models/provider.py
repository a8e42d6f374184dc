"""Providers of chat models: what one says of itself, and how one is added by its name.

A run file names a model as `PROVIDER`, or as `PROVIDER:NAME`. A provider is one file, in
`agents/models/providers` or in a directory of plug-ins, and is called by its file's name:

    # my_parts/groq.py, `teacher: {model: "groq:llama-3.3-70b"}` in a run file
    from metasynth.agents.models.provider import provider

    @provider(priced=True, key_env="GROQ_API_KEY", packages=("langchain-groq",))
    def groq(name, config):
        from langchain_groq import ChatGroq

        return ChatGroq(model=name, temperature=config.temperature, max_tokens=config.max_tokens)

Its model is any `BaseChatModel` of LangChain that takes tools (`bind_tools`) where it conducts.
Errors of the network are better raised as `ModelCallError`, and a prompt that is turned down or too
long as a `PromptError`: else the run ends in a traceback where it could go on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metasynth.config.model import ModelConfig
from metasynth.errors import RequestError
from metasynth.registry import Registry

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DISTRIBUTION = "metasynth-agents"
"""What `pip` calls this package."""
MakeChat = Callable[[str, ModelConfig], "BaseChatModel"]
"""From what stands behind the colon and the section of the run file to a chat model."""


@dataclass(frozen=True)
class Provider:
    """What the rest of the program knows of a provider; see `provider` for the attributes."""

    made_by: MakeChat
    takes: str = "NAME"
    priced: bool = False
    key_env: str | None = None
    takes_seed: bool = True
    follows_prompts: bool = True
    reproducible: bool = False
    packages: tuple[str, ...] = ()
    extra: str | None = None

    def form(self, name: str) -> str:
        """How a model of this provider, which is called `name`, is written in a run file."""
        return f"{name}:{self.takes}" if self.takes else name


class Providers(Registry[Provider]):
    """The providers; a run file names a model of one, `PROVIDER` or `PROVIDER:NAME`."""

    def check_value(self, value: str, where: str = "") -> None:
        """Refuse a model whose provider is unknown, or that is not written as that takes it.

        Others' providers are known by name alone: nothing of theirs is imported.

        Raises:
            RequestError: There is no such provider (code `unknown_part`), or what stands behind the
                colon is missing or too much (code `bad_model`).
        """
        name = value.partition(":")[0]
        self.check(name, where)
        if name in self.builtin():
            _check_rest(self[name], value, where)

    def expected(self) -> str:
        """How models are written: `embedded, local:PATH_OR_HUB_ID or openai:NAME`."""
        builtin = self.builtin()
        forms = [self[name].form(name) if name in builtin else f"{name}:…" for name in self]
        return f"expected {', '.join(forms[:-1])} or {forms[-1]}"


def _unread(keywords: Mapping[str, Any]) -> Provider:
    """What a provider says of itself, by its decorator alone."""

    def make(_name: str, _config: ModelConfig) -> "BaseChatModel":
        raise AssertionError("a provider whose file was not carried out makes no model")

    return Provider(make, **{key: value for key, value in keywords.items() if key != "name"})


PROVIDERS = Providers("provider", "metasynth.agents.models.providers", unread=_unread)


def provider(
    *,
    takes: str = "NAME",
    priced: bool = False,
    key_env: str | None = None,
    takes_seed: bool = True,
    follows_prompts: bool = True,
    reproducible: bool = False,
    packages: tuple[str, ...] = (),
    extra: str | None = None,
    name: str | None = None,
) -> Callable[[MakeChat], MakeChat]:
    """Add a provider by the function that makes its chat models.

    The function gets what stands behind the colon (the model's name) and the section of the run
    file, whose `api_key_env` is `key_env` where the run file names none. It imports what is slow,
    and raises `RequestError` where there is no such model or no key.

    Args:
        takes: What stands behind the colon, for messages; empty where nothing does.
        priced: Calls cost money, so `budget.usd` needs the model's price.
        key_env: The environment variable that holds the key; None where there is none.
        takes_seed: A call may have a `seed`, unless the run file says `send_seed: false`.
        follows_prompts: It does what a prompt says. One that does not knows only the titles of the
            package's roles; it is asked by these, judges nothing and tells no probabilities.
        reproducible: The same call gives the same bytes on every machine, so that records of a run
            of one chain carry no times and the run repeats byte for byte.
        packages: The distributions that it needs, whose versions `metasynth doctor` lists.
        extra: The extra of this package that brings them, for the error where they are missing.
        name: Another name than the file's, for one that is made in a notebook.
    """

    def add(make: MakeChat) -> MakeChat:
        part = Provider(
            made_by=make,
            takes=takes,
            priced=priced,
            key_env=key_env,
            takes_seed=takes_seed,
            follows_prompts=follows_prompts,
            reproducible=reproducible,
            packages=packages,
            extra=extra,
        )
        PROVIDERS.add(part, module=make.__module__, name=name)
        return make

    return add


def chat_model(config: ModelConfig) -> "BaseChatModel":
    """The chat model of a section of the run file; slow libraries are imported here.

    Raises:
        RequestError: There is no such provider (code `unknown_part`) or model, it is not written
            as the provider takes it (code `bad_model`), or a package of the provider's is not
            installed (code `missing_package`).
    """
    name, _, rest = config.model.partition(":")
    known = provider_of(config.model)
    _check_rest(known, config.model)
    own = {} if config.api_key_env else {"api_key_env": known.key_env}
    try:
        return known.made_by(rest, config.model_copy(update=own))
    except ImportError as error:
        extra = f"pip install '{DISTRIBUTION}[{known.extra}]'" if known.extra else ""
        raise RequestError(
            f"provider {name}: {error}",
            hint=extra or f"install {' '.join(known.packages) or 'what it imports'}",
            code="missing_package",
        ) from error


def provider_of(model: str) -> Provider:
    """The provider that a model's name begins with; imports its file.

    Raises:
        RequestError: There is none (code `unknown_part`), or its file is none (code `bad_part`).
    """
    PROVIDERS.check_value(model)
    return PROVIDERS[model.partition(":")[0]]


def provider_facts(model: str) -> Provider:
    """What the provider of a model says of itself; a stranger's file is not carried out.

    Raises:
        RequestError: There is none (code `unknown_part`).
    """
    PROVIDERS.check_value(model)
    return PROVIDERS.facts(model.partition(":")[0])


def _check_rest(known: Provider, model: str, where: str = "") -> None:
    name, _, rest = model.partition(":")
    if bool(rest) != bool(known.takes):
        raise RequestError(
            f"{where}{': ' if where else ''}expected {known.form(name)}, got {model!r}",
            code="bad_model",
        )
