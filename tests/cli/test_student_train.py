"""`metasynth student train`: what it prints and writes, bad rows, bad input, interruption, kill."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from metasynth.records.rundir import held
from tests.commands import Command, Done, done, metasynth
from tests.tiny_lm import save_tiny_lm

KEPT = "adapter_model.safetensors"


class Shell:
    """A folder with a tiny model and some rows; `student train` is started in it."""

    def __init__(self, folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.rows = folder / "rows.jsonl"
        self.out = folder / "trained"
        self._model = model
        self._capsys = capsys

    def arguments(self, *arguments: object) -> list[object]:
        quick = ("--learning-rate", 0.01, "--batch-size", 4, "--max-tokens", 200)
        model = ("--model", f"local:{self._model}", *quick)
        return ["student", "train", self.rows, *model, *arguments]

    def __call__(self, *arguments: object, out: Path | None = None) -> Done:
        command = self.arguments("--out", out or self.out, *arguments)
        return done(self._capsys, *command, progress="step ")

    def weights(self, out: Path | None = None) -> bytes:
        return ((out or self.out) / KEPT).read_bytes()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shell(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    shell = Shell(tmp_path, model, capsys)
    rows = [{"prompt": f"What is {n}?", "completion": "so " * (n % 5)} for n in range(1, 13)]
    lines = [json.dumps(row) + "\n" for row in rows]  # lines 5 and 10 have empty answers
    lines[3] = "no json\n"  # line 4
    lines[6] = '{"question": "x"}\n'  # line 7
    lines[8] = json.dumps({"text": "long " * 100}) + "\n"  # line 9
    shell.rows.write_text("".join(lines))
    return shell


class TestTraining:
    def test_the_summary_has_stdout_and_names_the_bad_rows(self, shell: Shell) -> None:
        done = shell("--steps", 9, "--quiet")
        assert done.status == 0, done.err
        assert done.err == ""
        assert "LoRA of rank 16, trained on 7 of 12 rows" in done.out
        assert "left out  5" in done.out
        assert "empty answer: 2 (lines 5, 10)" in done.out
        assert "not JSON: 1 (line 4)" in done.out
        assert "missing field: 1 (line 7)" in done.out
        assert "longer than max_tokens: 1 (line 9)" in done.out
        assert f"weights   {shell.out}" in done.out
        assert len((shell.out / "steps.jsonl").read_text().splitlines()) == 9

    def test_json_is_the_report(self, shell: Shell) -> None:
        done = shell("--epochs", 1, "--json")
        assert done.status == 0, done.err
        assert "step 0 of" in done.err
        told = json.loads(done.out)
        assert told["rows"] == 7
        assert told["steps"] == 2
        assert told["left_out"][0] == {"line": 4, "reason": "not JSON"}
        assert told["last_loss"] > 0
        again = shell("--epochs", 1, "--json")  # it is there already
        assert json.loads(again.out) == told

    def test_the_same_command_gives_the_same_weights(self, shell: Shell) -> None:
        other = shell.folder / "other"
        for out in (shell.out, other):
            assert shell("--steps", 4, "--quiet", out=out).status == 0
        assert shell.weights() == shell.weights(other)

    @pytest.mark.parametrize("adapt", ["lora", "full"])
    def test_the_result_can_be_scored_with(
        self, shell: Shell, capsys: pytest.CaptureFixture[str], adapt: str
    ) -> None:
        done = shell("--adapt", adapt, "--steps", 20, "--quiet")
        assert done.status == 0, done.err
        base = shell.arguments()[4]
        assert f"score FILE --model {base} --trained {shell.out}" in done.out
        ways = [["--model", base], ["--model", base, "--trained", shell.out]]
        if adapt == "full":
            ways.append(["--model", f"local:{shell.out}"])
        means = []
        for way in ways:
            options = ("--criterion", "loss_gold", "--quiet", *way)
            assert metasynth("student", "score", shell.rows, *options) == 0
            lines = map(json.loads, capsys.readouterr().out.splitlines())
            found = [line["score"] for line in lines if line["score"] is not None]
            means.append(sum(found) / len(found))
        assert means[1] < 0.8 * means[0]
        assert means[-1] == pytest.approx(means[1], rel=1e-5)

    def test_a_training_goes_on_from_another(self, shell: Shell) -> None:
        assert shell("--steps", 10, "--json", "--quiet").status == 0
        second = shell.folder / "second"
        done = shell("--steps", 4, "--json", "--quiet", "--from", shell.out, out=second)
        assert done.status == 0, done.err
        first = json.loads((shell.out / "training.json").read_text())
        then = json.loads((second / "training.json").read_text())
        assert then["report"]["first_loss"] < first["report"]["first_loss"]
        assert then["identity"]["base"] != first["identity"]["base"]
        third = shell("--steps", 4, "--from", second, out=shell.folder / "third")
        third.is_refused("other_weights")


class TestBadInput:
    def test_what_can_be_told_before_loading(self, shell: Shell) -> None:
        shell("--epochs", 0).is_refused("invalid_option", "--epochs: ")
        shell("--lora-rank", 0).is_refused("invalid_option", "--lora-rank: ")
        shell("--from", shell.out).is_refused("one_folder")
        shell.rows.unlink()
        shell().is_refused("missing_file", shell.rows)

    def test_no_row_and_no_model(self, shell: Shell) -> None:
        shell("--from", shell.folder).is_refused("no_training", shell.folder)
        shell.rows.write_text("no json\n")
        shell().is_refused("no_rows", "not JSON: 1 (line 1)")
        shell("--model", "local:/no/such").is_refused("no_model", "/no/such")

    def test_a_folder_of_another_training(self, shell: Shell) -> None:
        assert shell("--steps", 2, "--quiet").status == 0
        shell("--steps", 3).is_refused("other_settings", "steps (2 there, 3 now)")

    def test_a_folder_in_use(self, shell: Shell) -> None:
        with held(shell.out):
            shell("--steps", 2).is_refused("directory_in_use")


def wait_for_step(folder: Path, step: int) -> None:
    """Until a training has written that it took the step, and a checkpoint."""
    path = folder / "steps.jsonl"
    while not (path.exists() and path.read_text().count("\n") >= step):
        time.sleep(0.01)
    while not list((folder / "checkpoints").glob("*.json")):  # a fast machine was there sooner
        time.sleep(0.01)


class TestInterruption:
    def test_an_interrupt_leaves_a_checkpoint_and_the_command_goes_on(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert shell("--steps", 8, "--quiet", out=shell.folder / "whole").status == 0
        monkeypatch.setattr(
            "metasynth.student.training.folder.TrainingFolder.add_step",
            _interrupting(at=5),
        )
        done = shell("--steps", 8, "--quiet")
        assert done.status == 130
        assert done.out == ""
        assert done.err == (
            "error: interrupted at step 5 of 8; the same command goes on where this one stopped\n"
        )
        monkeypatch.undo()
        assert [path.name for path in (shell.out / "checkpoints").glob("*.json")] == [
            "step-00000005.json"
        ]
        assert shell("--steps", 8, "--quiet").status == 0
        assert shell.weights() == shell.weights(shell.folder / "whole")

    def test_a_kill_changes_nothing(self, shell: Shell) -> None:
        steps = ("--steps", 150, "--save-seconds", 0.1)
        with Command(*shell.arguments("--out", shell.out, *steps), folder=shell.folder) as command:
            wait_for_step(shell.out, 30)
            command.send(signal.SIGKILL)
            assert command.end().status == -signal.SIGKILL
        assert not (shell.out / "training.json").exists()
        assert list((shell.out / "checkpoints").glob("*.json"))
        whole = shell.folder / "whole"
        for out in (shell.out, whole):
            assert shell("--quiet", *steps, out=out).status == 0
        assert shell.weights() == shell.weights(whole)
        curves = [(out / "steps.jsonl").read_text() for out in (shell.out, whole)]
        assert curves[0] == curves[1]


def _interrupting(*, at: int) -> Any:
    from metasynth.student.training.folder import TrainingFolder

    add_step = TrainingFolder.add_step

    def added(folder: Any, line: Any) -> None:
        add_step(folder, line)
        if line["step"] == at:
            os.kill(os.getpid(), signal.SIGINT)

    return added
