"""The parameterisations of the soft prompt by name, and the decorator that adds one.

A parameterisation is one file in `softsrv/prompts`, or in a directory of plug-ins, and is called by
its name: its shapes and arithmetic, where it starts, which learning rates are tried for it and what
the dry run says of it. All of that is a subclass of `SoftPrompt` (`softsrv/soft_prompt.py`):

    # my_parts/shifted.py
    from metasynth.softsrv.parameterisation import parameterisation
    from metasynth.softsrv.soft_prompt import SoftPrompt

    @parameterisation("one matrix and a shift of it by W z")
    class ShiftedPrompt(SoftPrompt): ...
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from metasynth.registry import Registry

if TYPE_CHECKING:
    from .soft_prompt import SoftPrompt

    Part = TypeVar("Part", bound=type[SoftPrompt])

PARAMETERISATIONS: "Registry[type[SoftPrompt]]" = Registry(
    "parameterisation", "metasynth.softsrv.prompts"
)


def parameterisation(
    summary: str, *, uses_context: bool = True, name: str | None = None
) -> "Callable[[Part], Part]":
    """Add the subclass of `SoftPrompt` below.

    Args:
        summary: What P_θ(z) is, in a few words, for help and documentation.
        uses_context: Whether P depends on z. Where it does not, one P serves all contexts, and no
            loss with exchanged contexts is measured.
        name: Instead of the file's name, where there is no file.
    """

    def add(part: "Part") -> "Part":
        part.summary, part.uses_context = summary, uses_context
        PARAMETERISATIONS.add(part, module=part.__module__, name=name)
        return part

    return add
