"""Which weights a model in this process has: what the student and SoftSRV's frozen model share."""

import re
from typing import Annotated, Literal

from pydantic import Field

from .marks import LOCAL_MODEL, NotIdentity
from .section import Section

EMBEDDED = "embedded"
Precision = Literal["auto", "float32", "bfloat16", "float16"]
_WEIGHTS = rf"^({EMBEDDED}|local:.+)$"


def is_weights(model: str) -> bool:
    """Whether a model's name is that of weights in this process."""
    return re.fullmatch(_WEIGHTS, model) is not None


class WeightsConfig(Section):
    """A causal LM in this process: `embedded`, or `local:PATH_OR_HUB_ID`."""

    model: Annotated[str, LOCAL_MODEL] = Field(
        default=EMBEDDED,
        pattern=_WEIGHTS,
        description="embedded, or local:PATH_OR_HUB_ID",
    )
    revision: str | None = Field(default=None, description="branch, tag or commit on a hub")
    device: Annotated[str, NotIdentity("place")] = Field(
        default="auto", description="auto, cpu, cuda, …"
    )
    dtype: Precision = Field(default="auto", description="of the weights")
    trust_remote_code: bool = Field(
        default=False, description="run Python code that comes with the model"
    )
