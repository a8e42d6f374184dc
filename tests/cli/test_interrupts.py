"""An interrupt is one line and exit status 130, whenever it comes and whatever is being done."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from metasynth.cli.main import guarded
from metasynth.cli.screen.bars import Bar
from metasynth.errors import RunInterruptedError

# sends itself a signal as soon as the module of the command line is looked for
AT_THE_START = """\
import os, signal, sys
import metasynth.__main__ as program

class Signal:
    def find_spec(self, name, *_):
        if name == "metasynth.cli.main":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Signal())
program.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_from_the_first_moment(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_START, str(int(number))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")


def test_what_typer_makes_of_it_has_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: 130) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_work_that_does_not_look_at_it_is_stopped_all_the_same(number: signal.Signals) -> None:
    before = signal.getsignal(number), signal.getsignal(signal.SIGALRM)
    never = threading.Event()
    with pytest.raises(RunInterruptedError), Bar("row", quiet=True) as bar:
        bar.update(0, 9, "")
        os.kill(os.getpid(), number)
        never.wait(60)
    assert (signal.getsignal(number), signal.getsignal(signal.SIGALRM)) == before
