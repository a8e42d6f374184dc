"""Where Studio's page may come from, and what its browser is told of that."""

from typing import Any

TOKEN = "METASYNTH_STUDIO_TOKEN"  # noqa: S105 - the variable's name
ORIGINS = tuple(f"https://{region}smith.langchain.com" for region in ("", "eu.", "apac.", "aws."))


def http_settings(guard: str) -> dict[str, Any]:
    """The section `http` of a `langgraph.json`.

    Args:
        guard: Where the app of `guard.py` is found.
    """
    return {
        "app": guard,
        "middleware_order": "middleware_first",
        "cors": {
            "allow_origins": [*ORIGINS],
            "allow_methods": ["*"],
            "allow_headers": ["*"],
            "allow_credentials": True,
            "expose_headers": ["x-pagination-total", "x-pagination-next", "content-location"],
        },
    }
