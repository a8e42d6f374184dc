"""The folder of a round as its stages begin: RUN/student/round-NN.

Every stage looks first at what its files hold. So a stage that was killed goes on, one that has
ended is not done again, and a run that was stopped anywhere ends as if it had not been (at one
chain; more of them share the teacher in another order).
"""

from metasynth.student.rounds_folder import write_json

from . import figures
from .workspace import ActiveWorkspace


def begin_round(workspace: ActiveWorkspace) -> None:
    """Make the folder of the round in work, with what had been spent before it; writes files."""
    folder = workspace.rounds.here
    folder.make()
    if folder.report.exists():
        folder.reopen()  # it was cut short, and goes on
    if not folder.began.exists():
        write_json(folder.began, figures.spent(workspace.ledger))


def reopen_unfinished(workspace: ActiveWorkspace) -> None:
    """Remove what followed the rows of the round, where some are still to come; writes files."""
    if not workspace.rows_have_ended():
        workspace.rounds.here.reopen()
