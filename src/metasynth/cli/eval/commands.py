"""The commands of `metasynth eval`: metrics of texts, and what a model can do."""

import typer

from .contamination import contamination
from .diversity import diversity
from .mauve import mauve
from .tasks import tasks

app = typer.Typer(help="Metrics of texts, each with its settings.", no_args_is_help=True)
app.command()(diversity)
app.command()(mauve)
app.command()(contamination)
app.command()(tasks)
