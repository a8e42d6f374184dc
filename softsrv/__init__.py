"""SoftSRV: trained soft prompts that steer a frozen model toward a target sample."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backbone import Backbone
    from .soft_prompt import (
        MixturePrompt,
        NonContextualPrompt,
        PerTokenPrompt,
        SoftPrompt,
        empty_soft_prompt,
        make_soft_prompt,
        parameter_count,
    )
else:
    # All of it is torch code or leads there: loaded when it is asked for.
    _MODULES = {
        "backbone": ("Backbone",),
        "soft_prompt": (
            "MixturePrompt",
            "NonContextualPrompt",
            "PerTokenPrompt",
            "SoftPrompt",
            "empty_soft_prompt",
            "make_soft_prompt",
            "parameter_count",
        ),
    }
    _SLOW = {name: module for module, names in _MODULES.items() for name in names}

    def __getattr__(name):
        if name in _SLOW:
            from importlib import import_module

            return getattr(import_module(f".{_SLOW[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Backbone",
    "MixturePrompt",
    "NonContextualPrompt",
    "PerTokenPrompt",
    "SoftPrompt",
    "empty_soft_prompt",
    "make_soft_prompt",
    "parameter_count",
]
