"""Pages of the reference, made from code and schemas when the site is built."""

from .catalogues import (
    criteria_page,
    graphs_page,
    metrics_page,
    parts_page,
    roles_page,
    shapes_page,
    tasks_page,
)
from .commands import commands_page
from .schemas import record_page, role_file_page, run_file_page

PAGES = {
    "reference/commands.md": commands_page,
    "reference/run-file.md": run_file_page,
    "reference/role-file.md": role_file_page,
    "reference/record.md": record_page,
    "reference/roles.md": roles_page,
    "reference/graphs.md": graphs_page,
    "reference/metrics.md": metrics_page,
    "reference/criteria.md": criteria_page,
    "reference/tasks.md": tasks_page,
    "reference/shapes.md": shapes_page,
    "reference/parts.md": parts_page,
}
"""Where each page stands in the site, and what makes its text."""

__all__ = ["PAGES"]
