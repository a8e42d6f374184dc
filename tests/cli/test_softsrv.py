"""`metasynth softsrv train|sample`: what is printed and written, bad input, interruption."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from metasynth.cli.screen.bars import Bar
from metasynth.errors import RequestError, RunInterruptedError
from metasynth.records.rundir import held
from metasynth.softsrv.artifact import read_artifact_config
from metasynth.softsrv.parameterisation import PARAMETERISATIONS
from metasynth.softsrv.sampling.samples import read_candidates, read_samples
from metasynth.softsrv.training.curves import read_curves
from tests.commands import Command, Done, done, failure, metasynth
from tests.raising import raises
from tests.tiny_lm import save_tiny_lm
from tests.tiny_steering import TEXTS

QUICK = {
    "prompt": {"tokens": 3, "hidden": 8},
    "training": {
        "search_steps": 2,
        "candidates": [0.003, 0.03],
        "steps": 6,
        "batch_size": 4,
        "warmup": 1,
        "evaluate_every": 3,
    },
    "sampling": {"count": 6, "max_new_tokens": 12, "max_batch": 1},
    "postprocess": {"min_words": 1, "clusters": 3, "components": 3},
}


PROGRESS = ("step 0 ", "sample 0 ")


class Shell:
    """A folder with a tiny model and a target; commands are started in it."""

    def __init__(self, folder: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._trained = trained
        self._capsys = capsys

    def has_trained(self) -> None:
        """Leave what `train` leaves."""
        shutil.copytree(self._trained, self.folder / "out")

    def __call__(self, *arguments: object) -> Done:
        return done(self._capsys, "softsrv", *arguments, progress=PROGRESS)

    def train(self, *arguments: object, out: str = "out") -> Done:
        config = ("--config", self.folder / "settings.yaml")
        return self("train", *config, "--out", self.folder / out, *arguments)

    def sample(self, *arguments: object, out: str = "q.jsonl") -> Done:
        return self("sample", self.folder / "out", "--out", self.folder / out, *arguments)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("model"))


def write_settings(folder: Path, model: Path) -> Path:
    """The settings of a quick training, beside its target."""
    lines = (json.dumps({"question": text}) + "\n" for text in TEXTS)
    (folder / "target.jsonl").write_text("".join(lines))
    target = {"file": "target.jsonl", "field": "question"}
    settings = {**QUICK, "target": target, "backbone": {"model": f"local:{model}"}}
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    return folder / "settings.yaml"


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training has left."""
    folder = tmp_path_factory.mktemp("trained")
    config = ("--config", write_settings(folder, model))
    assert metasynth("softsrv", "train", *config, "--out", folder / "out", "--quiet") == 0
    return folder / "out"


@pytest.fixture
def shell(model: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    write_settings(tmp_path, model)
    return Shell(tmp_path, trained, capsys)


def numbers(path: Path) -> list[int]:
    return [sample.number for sample in read_samples(path)]


class TestTrain:
    def test_the_summary_says_what_a_person_wants_to_know(self, shell: Shell) -> None:
        done = shell.train()
        assert done.status == 0, done.err
        assert "soft prompt mc, 3 tokens, 3 layers of 8" in done.out
        assert "(tried 0.003: " in done.out
        for label in ("held-out loss", "first 5 tokens", "use of context", "ended because", "cost"):
            assert label in done.out
        assert f"softsrv sample {shell.folder / 'out'}" in done.out
        assert (shell.folder / "out" / "artifact" / "soft_prompt.safetensors").exists()
        points = read_curves(shell.folder / "out" / "training" / "curves.jsonl")
        assert [point.step for point in points] == [0, 3, 6]

    def test_options_go_before_set_and_set_before_the_file(self, shell: Shell) -> None:
        more = ("--set", "training.steps=4", "--set", "training.batch_size=5", "--steps", 2)
        done = shell.train(*more, "--parameterisation", "np", "--quiet")
        assert done.status == 0, done.err
        assert "soft prompt np, 3 tokens" in done.out
        assert "none, by construction" in done.out
        told = json.loads((shell.folder / "out" / "artifact" / "config.json").read_text())
        assert told["settings"]["training"]["steps"] == 2
        assert told["settings"]["training"]["batch_size"] == 5
        assert done.err == ""

    def test_a_run_file_gives_its_section_and_seed(self, shell: Shell) -> None:
        settings = yaml.safe_load((shell.folder / "settings.yaml").read_text())
        run = {"domain": "eggs", "graph": "softsrv", "random_seed": 5, "softsrv": settings}
        (shell.folder / "settings.yaml").write_text(yaml.safe_dump(run))
        done = shell.train("--steps", 2)
        assert done.status == 0, done.err
        told = json.loads((shell.folder / "out" / "artifact" / "config.json").read_text())
        assert told["settings"]["random_seed"] == 5

    def test_the_same_command_gives_the_same_again(self, shell: Shell) -> None:
        first, again = shell.train(), shell.train()
        assert (first.status, again.status) == (0, 0)
        assert first.out == again.out

    def test_notes_of_the_target_are_told(self, shell: Shell) -> None:
        target = shell.folder / "target.jsonl"
        target.write_text(target.read_text() + '{"question": " "}\n')
        assert "rows left out: 1 without text" in shell.train().out

    def test_a_dry_run_tells_and_writes_nothing(self, shell: Shell) -> None:
        before = sorted(shell.folder.iterdir())
        done = shell.train("--dry-run")
        assert done.status == 0, done.err
        for label in ("24 rows", "numbers trained", "memory to train", "FLOPs", "fits"):
            assert label in done.out
        assert sorted(shell.folder.iterdir()) == before

    def test_the_papers_largest_soft_prompt_beside_a_model_of_nine_billion(
        self, shell: Shell
    ) -> None:
        """SS_MC, t = 128, d = 3584, bfloat16, on a GPU of 80 GB: what must fit."""
        config = {
            "model_type": "gemma2",
            "architectures": ["Gemma2ForCausalLM"],
            "hidden_size": 3584,
            "intermediate_size": 14336,
            "num_hidden_layers": 42,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 256,
            "vocab_size": 256000,
            "dtype": "bfloat16",
        }
        (shell.folder / "nine").mkdir()
        (shell.folder / "nine" / "config.json").write_text(json.dumps(config))
        done = shell(
            "train", "--dry-run", "--preset", "paper", "--gigabytes", 80, "--parameterisation",
            "mc", "--model", f"local:{shell.folder / 'nine'}", "--set", "backbone.dtype=bfloat16",
            "--set", "training.max_tokens=64",
        )  # fmt: skip
        assert done.status == 0, done.err
        assert "9,241,705,984 parameters" in done.out
        assert "fits 80 GB" in done.out

    def test_where_no_tokenizer_is_lengths_are_guessed_and_said_to_be(self, shell: Shell) -> None:
        (shell.folder / "bare").mkdir()
        config = {"model_type": "gemma2", "hidden_size": 64, "num_hidden_layers": 1}
        (shell.folder / "bare" / "config.json").write_text(json.dumps(config))
        target = shell.folder / "target.jsonl"
        done = shell(
            "train", "--dry-run", "--target", target, "--field", "question",
            "--model", f"local:{shell.folder / 'bare'}",
        )  # fmt: skip
        assert done.status == 0, done.err
        assert "no tokenizer in" in done.out
        assert "rows of 2 tokens" not in done.out


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "fact"),
        [
            (["--target", "nosuch.jsonl"], "missing_file", "target.file: "),
            (["--field", "body"], "missing_field", "'body'; it has: question"),
            (["--set", "target.limit=3"], "too_few_rows", "3 distinct"),
            (
                ["--set", "trainin.steps=3"],
                "unknown_key",
                "trainin: unknown key (did you mean 'training'?)",
            ),
            (
                ["--set", "training.step=3"],
                "unknown_key",
                "training.step: unknown key (did you mean 'steps'?)",
            ),
            (["--set", "training.steps=many"], "invalid_value", "training.steps: "),
            (["--set", "training.max_tokens=4"], "too_few_rows", "0 rows"),
            (["--model", "openai:gpt"], "invalid_value", "backbone.model: "),
            (["--model", "local:/nosuch"], "no_model", "'/nosuch'"),
            (["--set", "encoder.model=lm:/nosuch"], "no_model", "'/nosuch'"),
            (["--parameterisation", "xx"], "unknown_part", "no parameterisation 'xx'"),
        ],
    )
    def test_train_tells_it_in_one_line(
        self, shell: Shell, arguments: list[str], code: str, fact: str
    ) -> None:
        shell.train(*arguments).is_refused(code, fact)

    def test_an_empty_target(self, shell: Shell) -> None:
        (shell.folder / "target.jsonl").write_text("")
        shell.train().is_refused("no_text")

    def test_what_is_needed_is_named(self, shell: Shell) -> None:
        shell("train", "--out", "x").is_refused("missing_option", "--target")
        settings = shell.folder / "settings.yaml"
        shell("train", "--config", settings).is_refused("missing_option", "--out")
        shell("train", "--config", "nosuch.yaml").is_refused("missing_file", "nosuch.yaml")

    def test_another_training_in_the_folder(self, shell: Shell) -> None:
        shell.has_trained()
        difference = "training.steps (6 there, 7 now)"
        shell.train("--steps", 7).is_refused("other_settings", difference)

    def test_a_folder_in_use(self, shell: Shell) -> None:
        with held(shell.folder / "out"):
            shell.train().is_refused("directory_in_use")

    def test_sample_tells_it_in_one_line(self, shell: Shell) -> None:
        shell.sample().is_refused("no_soft_prompt")
        shell.has_trained()
        shell.sample(out="q.txt").is_refused("wrong_format", ".jsonl")
        shell.sample("--temperature", 0).is_refused("invalid_value", "sampling.temperature: ")
        shell.sample("--test-set", "nosuch.jsonl").is_refused("unreadable_file", "nosuch.jsonl")
        (shell.folder / "mine.jsonl").write_text('{"text": "mine"}\n')
        shell.sample(out="mine.jsonl").is_refused("other_settings", "mine.manifest.json")
        assert (shell.folder / "mine.jsonl").read_text() == '{"text": "mine"}\n'


class TestSample:
    def test_samples_candidates_and_counts(self, shell: Shell) -> None:
        shell.has_trained()
        done = shell.sample("--count", 8)
        assert done.status == 0, done.err
        assert "8 samples, 8 of them now" in done.out
        assert "kept       sampled 8 → stopped " in done.out
        assert numbers(shell.folder / "q.samples.jsonl") == list(range(8))
        kept = list(read_candidates(shell.folder / "q.jsonl"))
        stages = json.loads((shell.folder / "q.manifest.json").read_text())["stages"]
        assert stages["postprocess"]["counts"]["kept"] == len(kept)
        assert stages["samples"]["samples"] == 8

    def test_more_are_appended_and_a_sample_depends_on_its_number(self, shell: Shell) -> None:
        shell.has_trained()
        shell.sample("--count", 3)
        before = (shell.folder / "q.samples.jsonl").read_text()
        assert "3 of them now" in shell.sample("--count", 6).out
        parts = (shell.folder / "q.samples.jsonl").read_text()
        assert parts.startswith(before)
        shell.sample("--count", 6, out="whole.jsonl")
        assert parts == (shell.folder / "whole.samples.jsonl").read_text()
        assert "none of them new" in shell.sample("--count", 6).out

    def test_other_settings_do_not_mix(self, shell: Shell) -> None:
        shell.has_trained()
        shell.sample()
        for more in (("--temperature", 0.5), ("--seed", 3), ("--near", "eggs"), ("--raw",)):
            shell.sample(*more).is_refused("other_settings")

    def test_raw_samples_are_the_file(self, shell: Shell) -> None:
        shell.has_trained()
        done = shell.sample("--raw", "--count", 4)
        assert done.status == 0, done.err
        assert numbers(shell.folder / "q.jsonl") == [0, 1, 2, 3]
        assert not (shell.folder / "q.samples.jsonl").exists()

    def test_near_takes_the_nearest_contexts(self, shell: Shell) -> None:
        shell.has_trained()
        near = ("--near", TEXTS[5], "--contexts", 2, "--raw", "--count", 6)
        assert shell.sample(*near).status == 0
        assert len({sample.context_id for sample in read_samples(shell.folder / "q.jsonl")}) == 2

    def test_an_audit_says_what_is_copied_beside_held_out_rows(self, shell: Shell) -> None:
        shell.has_trained()
        done = shell.sample("--audit", "--count", 3)
        assert done.status == 0, done.err
        assert "copied     0.0% equal a row" in done.out
        assert "held out   " in done.out
        stages = json.loads((shell.folder / "q.manifest.json").read_text())["stages"]
        assert stages["copies"]["samples"]["texts"] == 3
        assert stages["copies"]["held_out"]["texts"] == 2

    def test_too_few_ends_are_flagged(self, shell: Shell) -> None:
        shell.has_trained()
        done = shell.sample("--set", "sampling.max_new_tokens=1")
        assert "WARNING    too few end by themselves (below 95 %)" in done.out

    def test_a_test_set_is_kept_out(self, shell: Shell) -> None:
        shell.has_trained()
        shell.sample("--raw", "--count", 4, out="first.jsonl")
        texts = [sample.text for sample in read_samples(shell.folder / "first.jsonl")]
        (shell.folder / "test.jsonl").write_text(
            "".join(json.dumps({"text": text}) + "\n" for text in texts)
        )
        test_set = ("--test-set", shell.folder / "test.jsonl")
        done = shell.sample(*test_set, "--count", 4, "--set", "postprocess.needs=[]")
        assert done.status == 0, done.err
        assert "nothing was checked for contamination" not in done.out
        assert not set(texts) & {one.text for one in read_candidates(shell.folder / "q.jsonl")}


SHIFTED = """\
import torch
from torch import nn

from metasynth.softsrv.parameterisation import parameterisation
from metasynth.softsrv.soft_prompt import SoftPrompt


@parameterisation("one trained matrix, all of whose columns are moved by W z")
class ShiftedPrompt(SoftPrompt):
    def __init__(self, config, *, width, context_width):
        super().__init__(config, width=width, context_width=context_width)
        self.columns = nn.Parameter(torch.empty(self.tokens, width))
        self.shift = nn.Parameter(torch.empty(width, context_width))

    def forward(self, z):  # [B, d_e] to [B, t, d]
        return self.columns + (z @ self.shift.mT)[:, None]

    def initialise(self, start):
        self.columns.copy_(start.columns[0])
        self.shift.zero_()
"""


class TestOwnParameterisation:
    @pytest.fixture(autouse=True)
    def _forgotten_afterwards(self, shell: Shell) -> Iterator[None]:
        (shell.folder / "parts").mkdir()
        (shell.folder / "parts" / "shifted.py").write_text(SHIFTED)
        yield
        PARAMETERISATIONS.forget("shifted")

    def test_a_file_of_ones_own_is_trained_and_sampled_from(self, shell: Shell) -> None:
        own = ("--plugins", shell.folder / "parts")
        planned = shell.train(*own, "--parameterisation", "shifted", "--dry-run")
        assert planned.status == 0, planned.err
        trained = shell.train(*own, "--parameterisation", "shifted", "--quiet")
        assert trained.status == 0, trained.err
        assert "soft prompt shifted, 3 tokens for" in trained.out
        assert "loss rises by" in trained.out
        told = read_artifact_config(shell.folder / "out" / "artifact")["prompt"]
        assert (told["parameterisation"], told["width"]) == ("shifted", 64)
        assert told["parameters"] == 64 * (3 + told["context_width"])
        assert f"shifted: {told['parameters']:,} numbers trained" in planned.out
        done = shell.sample("--raw", "--count", 3, *own)
        assert done.status == 0, done.err
        assert numbers(shell.folder / "q.jsonl") == [0, 1, 2]
        self._is_refused_without_it(shell)

    def _is_refused_without_it(self, shell: Shell) -> None:
        PARAMETERISATIONS.forget("shifted")
        with raises(RequestError, "unknown_part"):
            read_artifact_config(shell.folder / "out" / "artifact")
        shell.sample(out="more.jsonl").is_refused("unknown_part", "'shifted'")

    def test_a_run_file_names_its_directory(self, shell: Shell) -> None:
        settings = yaml.safe_load((shell.folder / "settings.yaml").read_text())
        settings["prompt"]["parameterisation"] = "shifted"
        run = {"domain": "eggs", "graph": "softsrv", "softsrv": settings}
        run["teacher"] = {"model": "openai:test", "base_url": "http://127.0.0.1:9/v1"}
        (shell.folder / "run.yaml").write_text(yaml.safe_dump(run))
        assert failure("validate", shell.folder / "run.yaml").code == "unknown_part"
        (shell.folder / "run.yaml").write_text(yaml.safe_dump({**run, "plugins": "parts"}))
        assert metasynth("validate", shell.folder / "run.yaml") == 0
        PARAMETERISATIONS.forget("shifted")
        planned = shell("train", "--config", shell.folder / "run.yaml", "--dry-run")
        assert "shifted: " in planned.out


class TestInterruption:
    def test_ctrl_c_is_told_and_the_same_command_goes_on(self, shell: Shell) -> None:
        many = ("--set", "training.steps=100000", "--out", shell.folder / "cut")
        arguments = ["softsrv", "train", "--config", shell.folder / "settings.yaml", *many]
        with Command(*arguments, folder=shell.folder) as command:
            command.wait_for("step 0 ")
            command.send(signal.SIGINT)
            ended = command.end()
        assert ended.status == 130
        last = ended.stderr.strip().splitlines()[-1]
        assert last.startswith("error: interrupted at step ")
        assert last.endswith("the same command goes on where this one stopped")

    def test_the_next_update_ends_the_work(self) -> None:
        with (
            pytest.raises(RunInterruptedError, match="at row 3 of 9"),
            Bar("row", quiet=True) as bar,
        ):
            bar.update(2, 9, "")
            signal.raise_signal(signal.SIGTERM)
            bar.update(3, 9, "")

    def test_a_second_ctrl_c_ends_it_at_once_and_handlers_are_put_back(self) -> None:
        given = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
        try:
            with pytest.raises(KeyboardInterrupt), Bar("row", quiet=True):
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGINT, given)

    def test_a_log_has_a_line_at_the_start_with_the_time_left(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Bar("row", quiet=False) as bar:
            bar.update(2, 9, "reading")
            bar.update(3, 9, "reading")
        assert capsys.readouterr().err == "row 2 of 9 · reading · ? left\n"
