"""The frozen model that a run file names."""

from typing import TYPE_CHECKING

from metasynth.agents.models.embedded.prompts import START
from metasynth.config.softsrv import BackboneConfig
from metasynth.config.weights import EMBEDDED
from metasynth.lm.weights import load_weights

if TYPE_CHECKING:
    from metasynth.softsrv.backbone import Backbone


def load_backbone(config: BackboneConfig) -> "Backbone":
    """The frozen model.

    Raises:
        RequestError: It cannot be loaded, or soft prompts cannot steer it.
    """
    from metasynth.softsrv.backbone import Backbone

    return Backbone(load_weights(config))


def start_ids(backbone: "Backbone") -> list[int] | None:
    """The tokens that an unconditional sample begins with; None leaves it to the model's BOS."""
    if backbone.bos_id is not None or backbone.lm.name != EMBEDDED:
        return None
    token_id = backbone.lm.tokenizer.convert_tokens_to_ids(START)
    assert isinstance(token_id, int)
    return [token_id]
