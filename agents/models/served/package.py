"""What is to be known of a package of LangChain's to call its chat models as all others are."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metasynth.agents.models.keys import key_from
from metasynth.config.model import ModelConfig
from metasynth.errors import RequestError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_NO_KEY = "not-needed"  # servers of one's own ask for none, packages insist on one
SETTINGS = MappingProxyType({name: name for name in ("temperature", "top_p", "max_tokens", "seed")})


def openai_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """`response_format` as OpenAI has it, and most others."""
    return {"response_format": schema}


@dataclass(frozen=True)
class Package:
    """A package and the chat model in it.

    Attributes:
        module: What is imported.
        chat: The class.
        address: Where its calls go if the run file names no `base_url`.
        model: The argument that takes the model's name.
        key: The argument that takes the key; None where the package finds its own credentials.
        base_url: The argument that takes an address; None where there is none.
        timeout: The argument that takes the seconds of a try.
        options: Further arguments; the package's own tries are switched off here.
        settings: Where a setting lies: an attribute of the model, `model_kwargs.NAME`, or
            `call.NAME` for an argument of a call. One that is missing here cannot be set.
        extra_body: The attribute that takes further fields of a request; None where none does.
        call: Arguments of every call.
        forced: What `tool_choice` has to be where a call of a tool is wanted.
        binds: False where `bind_tools` of the package does not read tools in OpenAI's form, though
            its API does.
        schema: From `response_format`, as OpenAI has it, to arguments of a call; None where the
            package has nothing of the kind.
        secrets: Environment variables that hold credentials beside the key.
        prepare: What is done to the model once it is made.
    """

    module: str
    chat: str
    address: str
    model: str = "model"
    key: str | None = "api_key"
    base_url: str | None = "base_url"
    timeout: str | None = "timeout"
    options: Mapping[str, Any] = field(default_factory=lambda: {"max_retries": 0})
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)
    extra_body: str | None = "model_kwargs"
    call: Mapping[str, Any] = field(default_factory=dict)
    forced: str = "any"
    binds: bool = True
    schema: Callable[[dict[str, Any]], dict[str, Any]] | None = openai_schema
    secrets: tuple[str, ...] = ()
    prepare: Callable[[Any], object] | None = None

    def make(
        self, name: str, config: ModelConfig, *, source: str = "", **options: Any
    ) -> "BaseChatModel":
        """The package's chat model, with no settings but those of the connection.

        Args:
            name: Of the model.
            config: Its section of the run file.
            source: Names endpoint and model, for what goes back to these alone.
            options: Further arguments of the class.

        Raises:
            ImportError: The package is not installed.
            RequestError: There is no key (code `missing_key`), the package cannot do what the run
                file asks for (code `unsupported_setting`) or takes no such model (`bad_model`).
        """
        from .whole_turns import with_whole_turns

        made_by = with_whole_turns(getattr(importlib.import_module(self.module), self.chat), source)
        arguments: dict[str, Any] = {self.model: name, **self.options, **options}
        if self.key:
            arguments[self.key] = self.key_of(config, name)
        if self.timeout:
            arguments[self.timeout] = config.timeout_s
        if config.base_url:
            self._check(self.base_url, "base_url")
            arguments[str(self.base_url)] = config.base_url
        try:
            chat: BaseChatModel = made_by(**arguments)
        except ValueError as error:  # no region for Bedrock, an address that is none, …
            words = " ".join(str(error).split())
            raise RequestError(f"{self.chat} {name}: {words}", code="bad_model") from error
        if self.prepare:
            self.prepare(chat)
        if config.extra_body:
            self._check(self.extra_body, "extra_body")
        return chat

    def key_of(self, config: ModelConfig, name: str = "") -> str:
        """The key, or what stands for it at a server of one's own."""
        variable = config.api_key_env or ""
        key = key_from(variable) if variable else ""
        if not key and self.key and not config.base_url:
            raise RequestError(
                f"no key for {name} at {self.address}: the environment variable {variable} "
                "is not set",
                hint=f"set {variable}, or give the base_url of a server of your own",
                code="missing_key",
            )
        return key or _NO_KEY

    def secrets_of(self, config: ModelConfig) -> dict[str, str]:
        """What no message may show, by the environment variables that hold it."""
        variables = filter(None, (config.api_key_env, *self.secrets))
        keys = {name: key_from(name) for name in variables}
        return {name: key for name, key in keys.items() if key}

    def with_settings(
        self, chat: "BaseChatModel", settings: Mapping[str, Any]
    ) -> "tuple[BaseChatModel, dict[str, Any]]":
        """The model with these settings, and the arguments that a call needs for them.

        Only what is named is touched. None means that the field is not sent.

        Raises:
            RequestError: The package has no such setting (code `unsupported_setting`).
        """
        update: dict[str, Any] = {}
        arguments: dict[str, Any] = {}
        for name, value in settings.items():
            place = self.settings.get(name)
            if place is None:
                if value is not None:
                    self._check(None, name)
                continue
            where, _, inner = place.rpartition(".")
            if where == "call":
                arguments |= {} if value is None else {inner: value}
            elif where:
                inside = {**getattr(chat, where), **update.get(where, {})}
                inside.pop(inner, None)
                update[where] = inside if value is None else {**inside, inner: value}
            else:
                update[place] = value
        return (chat.model_copy(update=update) if update else chat), arguments

    def field(self, setting: str) -> str:
        """What a request calls a setting, as far as the package shows it."""
        return self.settings.get(setting, setting).rpartition(".")[2]

    def with_fields(self, chat: "BaseChatModel", fields: Mapping[str, Any]) -> "BaseChatModel":
        """The model with further fields of every request; none where the package has no place."""
        if not fields or self.extra_body is None:
            return chat
        known = getattr(chat, self.extra_body) or {}
        return chat.model_copy(update={self.extra_body: {**known, **fields}})

    def tool_arguments(
        self, chat: "BaseChatModel", tools: Sequence[Any], choice: Any, **options: Any
    ) -> dict[str, Any]:
        """The arguments of a call with tools.

        Args:
            chat: The package's model.
            tools: In OpenAI's form.
            choice: As OpenAI has it; None for nothing.
            options: Further arguments of `bind_tools`.
        """
        if choice is not None:
            options["tool_choice"] = self.forced if choice == "required" else choice
        if not self.binds:
            return {"tools": list(tools), **options}
        bound = chat.bind_tools(list(tools), **options)
        arguments: dict[str, Any] = bound.kwargs  # type: ignore[attr-defined]  # a binding
        return dict(arguments)

    def _check(self, place: str | None, setting: str) -> None:
        if place is None:
            raise RequestError(
                f"{self.module} takes no {setting}",
                hint=f"leave {setting} out of the run file",
                code="unsupported_setting",
            )
