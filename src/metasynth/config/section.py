"""What every section of a run file has in common: unknown keys are errors, values do not change."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of a run file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )
