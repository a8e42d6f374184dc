"""The stage that makes ready what questions come from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metasynth.blocking import Check, in_thread

from .workspace import SoftSRVWorkspace

if TYPE_CHECKING:
    from metasynth.softsrv.target import TargetRow


async def prepare_contexts(workspace: SoftSRVWorkspace, check: Check) -> int:
    """Train or load the soft prompt, load the frozen model alone, or read exemplars.

    Returns:
        How many contexts or exemplars there are; 0 for the frozen model alone.

    Raises:
        RequestError: The model or the artifact cannot be used.
        BudgetEndedError: `check` raised it; a training goes on from its last checkpoint.
    """
    return await in_thread(lambda checked: _prepare(workspace, checked), check)


def _prepare(workspace: SoftSRVWorkspace, check: Check) -> int:
    steering, method = workspace.steering, workspace.plan.settings.method
    rows: Sequence[TargetRow] = []
    if method == "soft":
        rows = steering.artifact(check).rows
    elif workspace.plan.asks_teacher:
        rows = workspace.plan.rows
        steering.folder.write_contexts(rows)
    else:
        steering.backbone()
    if "contexts" not in workspace.manifest:
        counts = {"contexts": len(rows), "method": method}
        workspace.manifest.finish("contexts", steering.summary() if method == "soft" else counts)
    return len(rows)
