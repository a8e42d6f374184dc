"""`metasynth student score`: what is printed and written, bad rows, bad input, interruption."""

import gzip
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metasynth.cli.student import summary as student_summary
from metasynth.cli.student.score import FileScoring
from metasynth.config.student import ScoringConfig, StudentConfig
from metasynth.records.rundir import held
from metasynth.student.scoring.criterion import CRITERIA
from tests.commands import Command, Done, done
from tests.tiny_lm import save_tiny_lm

WORST_TOKEN = """\
from metasynth.student.scoring.criterion import criterion


@criterion("max_j -log p_j(y_j)", hard="high", needs="answer", statistics="loss", source="ours")
def worst_token(loss):
    return float(loss.max())
"""


class Shell:
    """A folder with a tiny model and some rows; `student score` is started in it."""

    def __init__(self, folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.rows = folder / "rows.jsonl"
        self.out = folder / "scores.jsonl"
        self._model = model
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Done:
        model = ("--model", f"local:{self._model}", "--max-new-tokens", 6)
        return done(
            self._capsys, "student", "score", self.rows, *model, *arguments, progress="line "
        )

    def scored(self, path: Path | None = None) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (path or self.out).read_text().splitlines()]

    def partial(self) -> Path:
        """Under which name a scoring into `out` is kept until it is complete."""
        return FileScoring(
            self.rows,
            self.out,
            scoring=ScoringConfig(max_new_tokens=6),
            student=StudentConfig(model=f"local:{self._model}"),
            judge=None,
            reward=None,
            checker=None,
            seed=0,
        ).partial

    def hidden(self) -> list[Path]:
        return list(self.folder.glob(".*.partial"))


def row(number: int) -> str:
    told = {"id": f"r{number}", "prompt": f"What is {number}?", "completion": "so " * (number % 5)}
    return json.dumps(told) + "\n"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shell(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    shell = Shell(tmp_path, model, capsys)
    lines = [row(number) for number in range(1, 10)]
    lines[3] = "no json\n"  # line 4
    lines[6] = '{"question": "x"}\n'  # line 7
    shell.rows.write_text("".join(lines))
    return shell


class TestScores:
    def test_scores_go_to_stdout_in_the_files_order_and_the_rest_to_stderr(
        self, shell: Shell
    ) -> None:
        done = shell("--criterion", "loss_gold")
        assert done.status == 0, done.err
        assert [line["line"] for line in done.lines] == list(range(1, 10))
        assert [line["id"] for line in done.lines][:4] == ["r1", "r2", "r3", None]
        assert all(line["score"] > 0 for line in done.lines if line["score"] is not None)
        assert "6 of 9 rows scored by loss_gold" in done.err
        assert "line 0 of 9" in done.err

    def test_bad_rows_are_counted_and_named_with_their_line(self, shell: Shell) -> None:
        done = shell("--criterion", "loss_gold", "--quiet")
        bad = {line["line"]: line["reason"] for line in done.lines if line["score"] is None}
        assert bad[4] == "not JSON"
        assert bad[7].startswith("missing field: neither")
        assert bad[5] == "empty answer"
        assert "not scored  3" in done.err
        assert "not JSON: 1 (line 4)" in done.err
        assert "missing field: 1 (line 7)" in done.err
        assert "empty answer: 1 (line 5)" in done.err

    def test_with_out_the_summary_has_stdout(self, shell: Shell) -> None:
        done = shell("--out", shell.out, "--quiet")
        assert done.status == 0, done.err
        assert done.err == ""
        assert "7 of 9 rows scored by loss_self" in done.out
        assert "own answer  decoded greedily, at most 6 tokens" in done.out
        assert f"scores      {shell.out}" in done.out
        first = shell.scored()[0]
        assert set(first) == {"line", "id", "score", "detail", "answer"}
        assert first["detail"]["loss_self"] == first["score"]
        assert not shell.hidden()

    def test_the_same_command_gives_the_same_scores(self, shell: Shell) -> None:
        again = shell.folder / "again.jsonl"
        for out in (shell.out, again):
            done = shell("--criterion", "entropy", "--temperature", 1, "--out", out)
            assert done.status == 0, done.err
        assert shell.scored() == shell.scored(again)

    def test_a_gzipped_file_is_read(self, shell: Shell) -> None:
        packed = shell.folder / "rows.jsonl.gz"
        packed.write_bytes(gzip.compress(shell.rows.read_bytes()))
        plain = shell("--criterion", "el2n", "--quiet")
        shell.rows = packed
        assert shell("--criterion", "el2n", "--quiet").lines == plain.lines

    def test_a_checker_is_named(self, shell: Shell) -> None:
        done = shell("--criterion", "wrong", "--checker", "exact", "--quiet")
        assert done.status == 0, done.err
        assert {line["score"] for line in done.lines} <= {0.0, 1.0, None}

    def test_learnable_goes_through_the_file_twice(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from metasynth.student.scoring.criteria import learnable

        monkeypatch.setattr(learnable, "STEPS", 2)
        monkeypatch.setattr(learnable, "TRIAL_STEPS", 1)
        shell.rows.write_text("".join(row(number) for number in range(50)))
        done = shell("--criterion", "learnable", "--quiet")
        assert done.status == 0, done.err
        assert sum(line["score"] is not None for line in done.lines) == 40

    def test_where_many_lines_are_bad_some_are_named_and_the_rest_counted(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(student_summary, "_REASONS", 2)
        shell.rows.write_text("nope\n" * 30 + row(1) + "{}\n" + '{"text": ""}\n' * 2)
        done = shell("--criterion", "loss_gold", "--quiet")
        assert "not JSON: 30 (lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 18 more)" in done.err
        assert "other reasons: 2 (lines 33, 34)" in done.err


class TestOwnCriterion:
    @pytest.fixture(autouse=True)
    def _forgotten_afterwards(self) -> Iterator[None]:
        yield
        CRITERIA.forget("worst_token")

    def test_a_file_of_ones_own_scores(self, shell: Shell) -> None:
        parts = shell.folder / "parts"
        parts.mkdir()
        (parts / "worst_token.py").write_text(WORST_TOKEN)
        shell("--criterion", "worst_token").is_refused("unknown_part", "'worst_token'")
        worst = shell("--criterion", "worst_token", "--plugins", parts, "--quiet").lines
        mean = shell("--criterion", "loss_gold", "--quiet").lines
        pairs = [
            (own["score"], usual["score"])
            for own, usual in zip(worst, mean, strict=True)
            if usual["score"] is not None
        ]
        assert len(pairs) == 6
        assert all(own >= usual for own, usual in pairs)
        assert any(own > usual for own, usual in pairs)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "fact"),
        [
            (["--criterion", "los"], "unknown_part", "--criterion: no criterion 'los'"),
            (["--criterion", "judge"], "missing_option", "--judge"),
            (["--criterion", "reward"], "missing_option", "--reward"),
            (["--criterion", "wrong"], "missing_option", "--checker"),
            (["--criterion", "wrong", "--checker", "x"], "unknown_checker", "'x'"),
            (["--criterion", "judge", "--judge", "gpt"], "unknown_part", "--judge: "),
            (["--model", "openai:gpt"], "invalid_option", "--model: "),
            (["--model", "local:/nosuch"], "no_model", "'/nosuch'"),
            (["--device", "abacus"], "unknown_device", "'abacus'"),
            (["--criterion", "reward", "--reward", "/nosuch"], "no_model", "'/nosuch'"),
            (["--temperature", "-1"], "", "--temperature"),
            (["--criterion", "learnable"], "not_enough_rows", "8 "),
        ],
    )
    def test_it_is_told_in_one_line(
        self, shell: Shell, arguments: list[str], code: str, fact: str
    ) -> None:
        shell(*arguments).is_refused(code, fact)

    def test_a_model_that_is_no_reward_model(self, shell: Shell, model: Path) -> None:
        shell("--criterion", "reward", "--reward", model).is_refused("not_a_reward_model", "2 ")

    def test_no_file_and_no_rows(self, shell: Shell) -> None:
        shell.rows.write_text("\n\n")
        shell("--out", shell.out).is_refused("no_rows", shell.rows)
        assert not shell.out.exists() and not shell.hidden()
        shell.rows = shell.folder / "nosuch.jsonl"
        shell().is_refused("missing_file", shell.rows)

    def test_a_file_without_one_good_row_fails(self, shell: Shell) -> None:
        shell.rows.write_text("nope\nnope\n{}\n")
        done = shell("--out", shell.out)
        assert done.status == 1
        assert done.err.splitlines()[-1].endswith(
            "no row could be scored; most because of: not JSON"
        )
        assert [line["reason"] for line in shell.scored()][:2] == ["not JSON", "not JSON"]

    def test_a_place_that_cannot_be_written_or_is_in_use(self, shell: Shell) -> None:
        shell("--out", shell.rows / "x.jsonl").is_refused("not_writable")
        with held(shell.folder, lock=f".{shell.out.name}.lock"):
            shell("--out", shell.out).is_refused("directory_in_use")

    def test_a_damaged_file_is_told_and_what_was_scored_is_kept(self, shell: Shell) -> None:
        packed = shell.folder / "rows.jsonl.gz"
        whole = gzip.compress("".join(row(number) for number in range(4000)).encode())
        packed.write_bytes(whole[: len(whole) // 2])
        shell.rows = packed
        options = ("--criterion", "random", "--out", shell.out, "--tokens-per-batch", 64)
        shell(*options).is_refused("damaged_file", packed, " line ")
        (partial,) = shell.hidden()
        assert len(shell.scored(partial)) > 100


class TestInterruption:
    def test_a_scoring_that_was_cut_off_goes_on_where_it_stopped(self, shell: Shell) -> None:
        whole = shell.folder / "whole.jsonl"
        assert shell("--out", whole).status == 0
        # as a killed process leaves it: some lines and a half one, under the name of the settings
        lines = whole.read_bytes().splitlines(keepends=True)
        changed = lines[0].replace(b'"id": "r1"', b'"id": "known"')
        partial = shell.partial()
        partial.write_bytes(changed + lines[1] + lines[2] + lines[3] + lines[4][:20])
        done = shell("--out", shell.out)
        assert done.status == 0, done.err
        assert "7 of 9 rows scored" in done.out
        assert "line 4 of 9" in done.err
        found = shell.scored()
        assert found[0]["id"] == "known"  # it was not scored again
        assert [line["line"] for line in found] == list(range(1, 10))
        for one, other in zip(found[1:], shell.scored(whole)[1:], strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-5)
        assert not shell.hidden()

    def test_other_settings_begin_anew(self, shell: Shell) -> None:
        partial = shell.partial()
        partial.write_text('{"line": 1, "id": "known", "score": 1.0}\n')
        assert shell("--out", shell.out, "--seed", 5).status == 0
        assert shell.scored()[0]["id"] == "r1"
        assert partial.exists()

    def test_ctrl_c_ends_it_and_is_told(self, shell: Shell, model: Path) -> None:
        shell.rows.write_text("".join(row(number) for number in range(1, 20_000)))
        arguments = ["student", "score", shell.rows, "--model", f"local:{model}"]
        arguments += ["--tokens-per-batch", 256, "--criterion", "loss_gold", "--out", shell.out]
        with Command(*arguments, folder=shell.folder) as command:
            command.wait_for("line 0 of ")
            command.send(signal.SIGINT)
            ended = command.end()
        assert ended.status == 130
        last = ended.stderr.strip().splitlines()[-1]
        assert last.startswith("error: interrupted at line ")
        assert last.endswith("the same command goes on where this one stopped")
        assert not shell.out.exists()
