"""What calls cost: the run file's prices, and nothing where a server is one's own."""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from metasynth.agents.models.provider import provider_facts
from metasynth.config.model import ModelConfig, PriceConfig
from metasynth.config.run import RunConfig

_FREE = PriceConfig(input=0.0, output=0.0)
_OWN_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")


def prices_of(config: RunConfig) -> Mapping[str, PriceConfig]:
    """The prices of a run's models by their names; those of servers of one's own are 0.

    A price in the run file goes before.
    """
    own = {model.model: _FREE for model in _models(config) if is_own_host(_address(model))}
    return {**own, **config.prices}


def unpriced_models(config: RunConfig) -> list[str]:
    """The models whose calls cost something that nobody knows, sorted."""
    known = prices_of(config)
    names = {model.model for model in _models(config)}
    return sorted(name for name in names if provider_facts(name).priced and name not in known)


def is_own_host(url: str) -> bool:
    """Whether an address is of this machine or of a network of one's own, told without asking."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        # a name without a dot is known to this machine or its containers alone
        return bool(host) and ("." not in host or host.endswith(_OWN_NAMES))


def _models(config: RunConfig) -> Iterator[ModelConfig]:
    if config.conductor.policy == "model":  # a fixed order asks none
        yield config.model_for("conductor")
    yield config.model_for("experts")


def _address(model: ModelConfig) -> str:
    """Where the model's calls go, where that is known."""
    if model.base_url is not None or not model.model.startswith("openai:"):
        return model.base_url or ""
    return os.environ.get("OPENAI_BASE_URL", "")
