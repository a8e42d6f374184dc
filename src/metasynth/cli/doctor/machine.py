"""Whether the machine is in order."""

import asyncio
import importlib.metadata
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from metasynth.errors import MetaSynthError
from metasynth.version import code_version

if TYPE_CHECKING:
    from metasynth.config.model import ModelConfig

_PACKAGES = ("langgraph", "langchain-core", "chromadb", "torch", "transformers")


def report_machine() -> bool:
    """Print what is installed, and whether the packaged models answer."""
    from metasynth.agents.models.provider import PROVIDERS
    from metasynth.config.model import ModelConfig

    typer.echo(f"metasynth {code_version()}, Python {sys.version.split()[0]}")
    providers = [PROVIDERS[name] for name in PROVIDERS.builtin()]
    for name in (*_PACKAGES, *(package for known in providers for package in known.packages)):
        typer.echo(f"  {name:<16} {_version(name)}")
    _device()
    fine = _embedder() and _model("embedded", ModelConfig())
    for variable in sorted({known.key_env for known in providers if known.key_env}):
        typer.echo(f"  {variable:<16} {'set' if os.environ.get(variable) else 'not set'}")
    return report_traces(os.environ) and fine


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # one that a provider alone needs
        return "not installed"


def report_traces(environment: Mapping[str, str]) -> bool:
    """Say where traces go: into the run directory, and where the environment names a place."""
    from metasynth.memory.traces.export import Exporter, collector_of

    typer.echo("  traces           kept as traces.jsonl in each run directory")
    if (langsmith := _langsmith()) is not None:
        typer.echo(f"  LangSmith        on: calls and their texts go to {langsmith}")
    collector = collector_of(environment)
    if collector is None:
        return True
    variable, address = collector
    try:
        Exporter(variable, environment, clean=str).close()
    except MetaSynthError as error:
        typer.echo(f"✗ collector: {error.message}")
        typer.echo(f"  {error.hint}")
        return False
    typer.echo(f"✓ collector: spans go to {address} ({variable})")
    return True


def _langsmith() -> str | None:
    """The address that LangSmith's own environment variables have LangChain send to."""
    from langsmith.utils import get_api_url, tracing_is_enabled

    if not tracing_is_enabled():
        return None
    return urlsplit(get_api_url(None)).hostname or "LangSmith"


def _device() -> None:
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    typer.echo(f"  device           {device}, {torch.get_num_threads()} threads")


def _embedder() -> bool:
    from metasynth.vectors.embed import load_embedder

    try:
        size = len(load_embedder("default").embed_query("a lamp in the garden"))
    except MetaSynthError as error:
        typer.echo(f"✗ embedder: {error.message}")
        return False
    typer.echo(f"✓ embedder: default, {size} dimensions")
    return True


def _model(part: str, config: "ModelConfig") -> bool:
    from metasynth.agents.models.provider import chat_model

    try:
        reply = asyncio.run(chat_model(config).ainvoke("Say yes.", max_tokens=8))
    except MetaSynthError as error:
        typer.echo(f"✗ {part}: {error.message}")
        if error.hint:
            typer.echo(f"  {error.hint}")
        return False
    served = reply.response_metadata.get("model_name", config.model)
    typer.echo(f"✓ {part}: {config.model} answers (as {served})")
    return True
