"""`metasynth eval diversity|mauve|contamination`: what is printed, and bad input."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Done, fast_embedder, metasynth
from tests.own_metric import YULES_K, only_builtin_metrics_after, write_metric
from tests.prose import __file__ as prose_file
from tests.tiny_lm import save_tiny_lm


class Shell:
    """A folder with two corpora; `metasynth eval` is started on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, command: str, *arguments: object) -> Done:
        status = metasynth("eval", command, "--quiet", *arguments)
        return Done(status, *self._capsys.readouterr())

    def write(self, name: str, texts: list[str], **labels: str) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps({"text": text, **labels}) + "\n" for text in texts))
        return path

    @property
    def vectors(self) -> tuple[str, object]:
        return "--embedder", fast_embedder()


def prose(count: int, seed: int) -> list[str]:
    known = Path(prose_file).read_text().split()
    rng = random.Random(seed)
    return [" ".join(rng.choices(known, k=60)) for _ in range(count)]


def template(count: int) -> list[str]:
    return [f"Once there was a lamp with number {n}. It was in a garden." * 4 for n in range(count)]


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    shell = Shell(tmp_path, capsys)
    shell.write("machine.jsonl", template(30), topic="lamps")
    shell.write("people.jsonl", prose(40, 1), topic="all")
    shell.write("ours.jsonl", template(15) + prose(15, 2))
    return shell


def refused(done: Done) -> str:
    assert done.status == 2, done
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: ")
    return done.err


class TestDiversity:
    def test_corpora_stand_beside_each_other_at_one_size(self, shell: Shell) -> None:
        f = shell.folder
        done = shell(
            "diversity",
            f / "ours.jsonl",
            "--template",
            f / "machine.jsonl",
            "--real",
            f / "people.jsonl",
            *shell.vectors,
        )
        assert done.status == 0, done.err
        assert done.out.startswith("20 texts and ")
        lines = done.out.splitlines()
        assert lines[3].split() == ["ours", "machine", "people"]
        assert lines[4].split() == ["(candidate)", "(template)", "(real)"]
        assert any(line.startswith("4-gram diversity ↑") for line in lines)
        assert any(line.startswith("Vendi score ↑") for line in lines)
        assert "share of the gap from template to real that is closed" in done.out
        assert "Task2Vec diversity: no probe network was given" in " ".join(done.out.split())
        assert "where templates do not rank below real texts" in done.out
        assert "nan" not in done.out.lower()

    def test_json_has_everything(self, shell: Shell) -> None:
        f = shell.folder
        arguments = (
            "--template",
            f / "machine.jsonl",
            "--real",
            f / "people.jsonl",
            "--no-vectors",
        )
        done = shell("diversity", f / "ours.jsonl", *arguments, "--json", "--draws", 2)
        assert done.status == 0, done.err
        found = done.data
        assert found["size"] | {"words": 0} == {
            "records": 20,
            "words": 0,
            "draws": 2,
            "seed": 0,
            "interval": "95 %, Student's t over draws",
        }
        cell = found["metrics"]["remote_clique"]["corpora"]["ours"]
        assert (cell["mean"], cell["reason"]) == (None, "no vectors were given")
        assert set(found["gap_closed"]["ngram_diversity_4"]) == {"ours"}
        assert found["metrics"]["topic_entropy"]["corpora"]["people"]["mean"] == 0
        again = shell("diversity", f / "ours.jsonl", *arguments, "--json", "--draws", 2)
        assert again.out == done.out

    def test_one_corpus_is_measured_as_a_whole(self, shell: Shell) -> None:
        done = shell("diversity", shell.folder / "people.jsonl", "--no-vectors")
        assert done.status == 0, done.err
        assert done.out.startswith("40 texts and 2,400 words a draw, 1 draw of each corpus")

    def test_task2vec_by_a_probe(self, shell: Shell, tmp_path: Path) -> None:
        model = save_tiny_lm(tmp_path / "model", hidden_size=16, num_hidden_layers=1)
        f = shell.folder
        probe = ("--probe", f"local:{model}", "--probe-batches", 2, "--probe-texts", 3)
        files = (f / "people.jsonl", f / "machine.jsonl")
        done = shell("diversity", *files, "--no-vectors", *probe, "--json", "--draws", 1)
        assert done.status == 0, done.err
        cells = done.data["metrics"]["task2vec"]["corpora"]
        assert 0 < cells["people"]["mean"] < 1
        assert cells["people"]["settings"]["batches"] == 2
        assert cells["people"]["detail"]["noise_floor"] > 0

    def test_names_can_be_given_and_are_told_apart(self, shell: Shell) -> None:
        (shell.folder / "other").mkdir()
        shell.write("other/people.jsonl", prose(30, 9))
        f = shell.folder
        files = (f"mine={f / 'ours.jsonl'}", f / "people.jsonl", f / "other" / "people.jsonl")
        done = shell("diversity", *files, "--no-vectors", "--json", "--draws", 1)
        assert [one["name"] for one in done.data["corpora"]] == ["mine", "people", "other/people"]

    def test_bad_requests_are_told_in_one_line(self, shell: Shell) -> None:
        f = shell.folder
        empty = f / "empty.jsonl"
        empty.touch()
        assert "it is empty" in refused(shell("diversity", empty))
        assert "no such file" in refused(shell("diversity", f / "nowhere"))
        assert "no FILE was given" in refused(shell("diversity"))
        told = refused(shell("diversity", f / "ours.jsonl", "--field", "body"))
        assert "line 1: no text in field 'body'; it has: text; name the field with --field" in told
        told = refused(shell("diversity", f / "ours.jsonl", "--records", 99, "--no-vectors"))
        assert "ours has 30 texts, fewer than the 99" in told
        told = refused(shell("diversity", f / "ours.jsonl", "--probe", "x", "--no-vectors"))
        assert "no probe 'x'" in told

    def test_one_record_and_equal_records_have_values_or_reasons(self, shell: Shell) -> None:
        one, equal = shell.write("one.jsonl", ["a b c d"]), shell.write("equal.jsonl", ["a b"] * 9)
        done = shell("diversity", one, *shell.vectors)
        assert done.status == 0, done.err
        assert "needs two texts, there are 1" in " ".join(done.out.split())
        done = shell("diversity", equal, *shell.vectors, "--json")
        metrics = {name: told["corpora"]["equal"] for name, told in done.data["metrics"].items()}
        assert metrics["vendi_score"]["mean"] == pytest.approx(1)
        assert metrics["chamfer_distance"]["mean"] == 0
        assert metrics["near_duplicate_rate"]["mean"] == 1
        assert metrics["ngram_diversity_4"]["mean"] is None


class TestOwnMetric:
    """One file in a directory of plug-ins is a metric, in JSON and in the table."""

    @pytest.fixture(autouse=True)
    def forget(self) -> Iterator[None]:
        with only_builtin_metrics_after():
            yield

    def plugin(self, shell: Shell, name: str, text: str) -> tuple[str, Path]:
        return "--plugins", write_metric(shell.folder / "own", name=name, text=text)

    def test_it_stands_beside_the_others(self, shell: Shell) -> None:
        own = self.plugin(shell, "yules_k", YULES_K)
        texts = shell.write("two.jsonl", ["a b a", "a c"])
        done = shell("diversity", texts, *own, "--no-vectors", "--json")
        assert done.status == 0, done.err
        assert list(done.data["metrics"])[-1] == "yules_k"
        found = done.data["metrics"]["yules_k"]
        # a 3, b 1, c 1: (9 + 1 + 1 - 5) / 25
        assert found["corpora"]["two"]["mean"] == pytest.approx(1e4 * 6 / 25)
        assert found["title"] == "Yule's K"
        assert found["better"] == "lower"
        assert found["family"] == "words"
        assert found["meaning"] == "10,000 times the chance that two words are the same"
        done = shell("diversity", texts, *own, "--no-vectors")
        (line,) = [line for line in done.out.splitlines() if line.startswith("Yule's K ↓")]
        assert line.split()[-1] == "2400.0"

    def test_it_closes_a_gap_like_any_other(self, shell: Shell) -> None:
        f = shell.folder
        sides = ("--template", f / "machine.jsonl", "--real", f / "people.jsonl")
        own = self.plugin(shell, "yules_k", YULES_K)
        done = shell("diversity", f / "ours.jsonl", *sides, *own, "--no-vectors", "--json")
        assert 0 < done.data["gap_closed"]["yules_k"]["ours"]["share"] < 1

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("def nothing(): ...", ""),  # no metric: the file may hold what others import
            (YULES_K.replace("tokens.counts", "tokens.missing"), "metric 'own' failed: Attribute"),
            (YULES_K.replace('needs="tokens"', 'needs="genres"'), "nothing is called 'genres'"),
            (YULES_K.replace("import numpy", "import numpyy"), "cannot be imported"),
        ],
    )
    def test_what_is_wrong_with_one_is_one_line(self, shell: Shell, text: str, told: str) -> None:
        own = self.plugin(shell, "own", text)
        texts = shell.write("two.jsonl", ["a b a", "a c"])
        done = shell("diversity", texts, *own, "--no-vectors")
        if told:
            assert told in refused(done)
            assert "own.py" in done.err
        else:
            assert done.status == 0, done.err


class TestMauve:
    def test_score_ceiling_and_empty_topics(self, shell: Shell) -> None:
        f = shell.folder
        arguments = ("--target", f / "people.jsonl", "--clusters", 4, "--cells", 3, *shell.vectors)
        done = shell("mauve", f / "people.jsonl", f / "machine.jsonl", *arguments)
        assert done.status == 0, done.err
        assert "30 texts each against people, k = 4, c = 5, 5 seeds" in done.out
        assert "machine  MAUVE 0.0" in done.out
        assert "ceiling: " in done.out
        assert "empty: " in done.out
        done = shell("mauve", f / "machine.jsonl", *arguments, "--json")
        found = done.data
        assert found["corpora"]["machine"]["mauve"]["mean"] < found["ceiling"]["mean"]
        assert len(found["corpora"]["machine"]["mauve"]["values"]) == 5
        assert found["corpora"]["machine"]["coverage"]["settings"]["cells"] == "topic labels"

    def test_too_few_texts_for_the_clusters(self, shell: Shell) -> None:
        f = shell.folder
        few = shell.write("few.jsonl", prose(3, 1))
        done = shell("mauve", few, "--target", f / "people.jsonl", *shell.vectors)
        assert "32 clusters need as many rows" in refused(done)


class TestContamination:
    def test_hits_of_every_kind(self, shell: Shell) -> None:
        tests = prose(5, 77)
        test = shell.write("test.jsonl", [*tests, "Two short words?"])
        mixed = [
            f"before {' '.join(tests[0].split()[10:30])} after",
            tests[1].upper() + "!",
            "two SHORT words",
            *prose(4, 78),
        ]
        ours = shell.write("mixed.jsonl", mixed)
        done = shell("contamination", ours, "--test-set", test)
        assert done.status == 0, done.err
        assert "6 test texts; 1 of them have fewer than 13 words" in done.out
        assert (
            "mixed: 3 of 7 texts (42.86%) are hit; 2 share 13 words in a row, 2 equal" in done.out
        )
        assert "mixed.jsonl, line 1: ngram of" in done.out
        found = shell("contamination", ours, "--test-set", test, "--json").data
        assert found["test"]["shorter_than_ngram"] == 1
        assert found["corpora"]["mixed"]["flagged"] == 3
        assert len(found["corpora"]["mixed"]["hits"]) == 3

    def test_fields_of_the_test_set_are_texts_of_their_own(self, shell: Shell) -> None:
        test = shell.folder / "test.jsonl"
        test.write_text(json.dumps({"question": "what is a lamp in there", "answer": "a b"}) + "\n")
        ours = shell.write("mine.jsonl", ["A b!", "other"])
        fields = ("--test-field", "question", "--test-field", "answer")
        found = shell("contamination", ours, "--test-set", test, *fields, "--json").data
        assert found["test"]["texts"] == 2
        assert found["corpora"]["mine"]["exact"] == 1

    def test_a_benchmark_is_known_by_its_name(self, shell: Shell) -> None:
        (question, page), answer = prose(2, 79), "It is 3. #### 3"
        rows = [
            {"id": "q-1", "question": question, "answer": answer},
            {"id": "q-2", "question": "Why?", "qa": {"pages": [page]}},
        ]
        data = shell.folder / "data"
        (data / "gsm8k").mkdir(parents=True)
        (data / "gsm8k" / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        ours = shell.write("ours.jsonl", [f"so {question}", f"{page} indeed", answer, "Why?"])
        named = ("--test-set", "gsm8k", "--data", data)
        found = shell("contamination", ours, *named, "--json").data
        assert found["test"] == {"sets": ["gsm8k"], "texts": 2, "shorter_than_ngram": 0}
        hits = [one["hits"][0]["place"] for one in found["corpora"]["ours"]["hits"]]
        assert hits == ["gsm8k, row 1, question", "gsm8k, row 2, qa.pages"]
        found = shell("contamination", ours, *named, "--test-field", "answer", "--json").data
        assert [one["place"][-7:] for one in found["corpora"]["ours"]["hits"]] == [" line 3"]
        told = refused(shell("contamination", ours, *named, "--test-field", "body"))
        assert "gsm8k: no text in 'body' in 2 rows" in told
        told = refused(shell("contamination", ours, "--test-set", "svamp", "--data", data))
        assert "no file" in told

    def test_a_test_set_without_text_is_refused(self, shell: Shell) -> None:
        test = shell.write("test.jsonl", ["…", "!!"])
        told = refused(shell("contamination", shell.folder / "ours.jsonl", "--test-set", test))
        assert "no text to check against" in told


def test_help_loads_no_slow_library() -> None:
    code = """
import sys
from metasynth.cli.main import main
for command in ("diversity", "mauve", "contamination", "tasks"):
    sys.argv = ["metasynth", "eval", command, "--help"]
    try:
        main()
    except SystemExit:
        pass
slow = ("torch", "sklearn", "numpy", "scipy")
print(*(name for name in slow if name in sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"eval {name}" in done.stdout for name in ("diversity", "mauve", "tasks"))
    assert done.stderr.split() == []
