"""The weights that a run file or a command names: `embedded`, or `local:PATH_OR_HUB_ID`."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from metasynth.config.weights import EMBEDDED, WeightsConfig
from metasynth.errors import RequestError

from .load import LoadedLM, load_lm


def embedded_folder() -> Path:
    """Where the package keeps the weights of the embedded model.

    Raises:
        RequestError: The package was installed without them (code `no_embedded_model`).
    """
    folder = Path(str(files("metasynth.agents.models") / EMBEDDED))
    if not (folder / "config.json").is_file():
        raise RequestError(
            "this installation carries no embedded model",
            hint="install the package again, or name a model: local:PATH or openai:NAME",
            code="no_embedded_model",
        )
    return folder


def weights_source(model: str) -> str:
    """The folder or hub id of `embedded`, `local:PATH_OR_HUB_ID` or PATH_OR_HUB_ID."""
    return str(embedded_folder()) if model == EMBEDDED else model.removeprefix("local:")


def shown_name(model: str) -> str:
    """What artifacts and messages call a model: not the folder that the package lies in."""
    return EMBEDDED if model == EMBEDDED else weights_source(model)


def load_weights(config: WeightsConfig) -> LoadedLM:
    """The causal LM of a section, as it is before any training.

    Raises:
        RequestError: It cannot be loaded.
    """
    lm = load_lm(
        weights_source(config.model),
        device=config.device,
        dtype=config.dtype,
        trust_remote_code=config.trust_remote_code,
        revision=config.revision,
    )
    return replace(lm, name=shown_name(config.model))
