"""`metasynth report`: what it gathers from a run directory, what it keeps back, how it opens."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from metasynth.config.file import load_run_config
from metasynth.memory.ledger import Ledger
from metasynth.records.record import Message, Record, StudentScore
from metasynth.redaction import HIDDEN, Redactor
from metasynth.results.report.records import listed
from metasynth.results.run.settings import changed_settings
from tests.browser import Page, browser_page, find_browser
from tests.commands import FINANCE, metasynth
from tests.own_metric import only_builtin_metrics_after, write_metric
from tests.run_folders import records, write_run

HOSTILE = "</script><script>document.title = 'taken'</script><b>\u202eevil</b>"
KEY = "sk-thisisakeyofmine0123456789"
PASSWORD = "correct horse battery"


def rejected(count: int) -> list[Record]:
    found = records(count, start=500)
    return [one.model_copy(update={"reason": f"too_close: {one.id}"}) for one in found]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 60 records; the first one is hostile."""
    made = records(60)
    made[0] = made[0].model_copy(update={"text": HOSTILE + (made[0].text or ""), "topic": HOSTILE})
    return write_run(tmp_path / "run", made, rejected(4))


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A run whose records are one text with small changes."""
    text = records(1)[0].text or ""
    made = [
        one.model_copy(
            update={"text": f"{text} Number {place}.", "topic": "", "source": "template"}
        )
        for place, one in enumerate(records(60))
    ]
    return write_run(tmp_path / "baseline", made, graph="template")


def numbers(directory: Path) -> dict[str, Any]:
    found = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def page_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def write_json(path: Path, *values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


class TestWhatItWrites:
    def test_page_and_numbers_beside_a_baseline(
        self, run: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert metasynth("report", run, "--baseline", baseline) == 0
        assert "More diverse than trial (baseline) on" in capsys.readouterr().out
        found = numbers(run)
        assert [side["label"] for side in found["corpora"]] == [
            "trial",
            "trial (baseline)",
            "keyword seeds",
        ]
        clear = found["verdicts"]["trial (baseline)"]
        assert clear["more"] >= 8
        assert clear.get("less", 0) == 0
        assert found["metrics"]["topic_entropy"]["values"]["trial (baseline)"]["value"] is None
        cost = found["corpora"][0]["cost"]
        assert (cost["calls"], cost["tokens_in"], cost["tokens_out"]) == (128, 5120, 1280)
        assert cost["usd"] == pytest.approx((5120 * 1 + 1280 * 4) / 1e6)
        assert found["coverage"]["empty"] == ["barn, bucket"]
        assert found["labels"]["genres"]["riddle"] == 0
        assert found["rejected_for"] == {"too_close": 4}
        assert found["agents"]["conductor"]["calls"] == 64

    def test_the_page_has_the_path_of_each_record(self, run: Path) -> None:
        assert metasynth("report", run) == 0
        data = page_data((run / "report.html").read_text(encoding="utf-8"))
        assert len(data["records"]) == 64
        path = data["records"][0]["path"]
        assert [call[0] for call in path] == ["conductor", "domain_expert"]
        assert path[0][6] == "→ domain expert: seed-1"
        assert data["records"][0]["text"].startswith(HOSTILE)
        roles = [point[2] for point in data["points"]]
        assert roles.count("run") == 64
        assert roles.count("seeds") == 4

    def test_metrics_of_the_runs_plugins_are_measured_too(self, tmp_path: Path) -> None:
        own = write_metric(tmp_path / "own")
        gone = tmp_path / "gone"
        run = write_run(tmp_path / "run", records(8), calls=False, plugins=[str(own), str(gone)])
        with only_builtin_metrics_after():
            assert metasynth("report", run) == 0
        found = numbers(run)
        assert found["metrics"]["yules_k"]["values"]["trial"]["value"] > 0
        assert any("gone is gone" in warning for warning in found["warnings"])
        assert "Yule&#39;s K" in (run / "report.html").read_text(encoding="utf-8")

    def test_another_place_leaves_the_run_as_it_was(self, run: Path, tmp_path: Path) -> None:
        assert metasynth("report", run, "--out", tmp_path / "there" / "page.html") == 0
        assert {p.name for p in (tmp_path / "there").iterdir()} == {"page.html", "metrics.json"}
        assert not (run / "report.html").exists()

    def test_twice_is_the_same(self, run: Path) -> None:
        assert metasynth("report", run) == 0
        first = (run / "report.html").read_bytes()
        assert metasynth("report", run) == 0
        assert (run / "report.html").read_bytes() == first

    def test_a_run_that_has_not_begun(self, tmp_path: Path) -> None:
        empty = write_run(tmp_path / "empty", [], calls=False)
        assert metasynth("report", empty) == 0
        assert numbers(empty)["metrics_reason"] == "fewer than two records to measure"
        assert "No records yet" in (empty / "report.html").read_text(encoding="utf-8")

    def test_a_record_that_is_being_written_is_left_out_and_noted(self, run: Path) -> None:
        with (run / "corpus.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"id": "abc-00-09999", "te')
        assert metasynth("report", run) == 0
        found = numbers(run)
        assert found["corpora"][0]["accepted"] == 60
        assert any("not whole" in limit for limit in found["limits"])

    def test_a_baseline_of_one_record_does_not_hide_the_run(
        self, run: Path, tmp_path: Path
    ) -> None:
        single = write_run(tmp_path / "single", records(1), name="single")
        assert metasynth("report", run, "--baseline", single) == 0
        values = numbers(run)["metrics"]["vendi_score"]["values"]
        assert values["trial"]["value"] > 1
        assert values["single"] == {"value": None, "interval": None, "reason": "too few records"}

    def test_an_instruction_keeps_its_turns(self, tmp_path: Path) -> None:
        turns = [Message(role="user", content="Why?"), Message(role="assistant", content="So.")]
        made = [
            one.model_copy(update={"text": None, "messages": turns, "kind": "instruction"})
            for one in records(3)
        ]
        folder = write_run(tmp_path / "instructions", made)
        assert metasynth("report", folder) == 0
        data = page_data((folder / "report.html").read_text(encoding="utf-8"))
        assert data["records"][0]["turns"] == [["user", "Why?"], ["assistant", "So."]]


class TestStages:
    def test_rounds_of_the_student(self, run: Path) -> None:
        tested = {"rows": 80, "accuracy": [0.5, 0.4, 0.6], "loss": [0.9, 0.8, 1.0]}
        gained = tested | {"accuracy": [0.75, 0.65, 0.85]}
        told = {
            "round": 1, "asked": 40, "accepted": 13, "rejected": 27, "criterion": "loss_self",
            "seeds": {"chosen": 40, "median": 0.1, "median_chosen": 0.4},
            "spent": {"calls": 40, "tokens": 5188}, "evaluation": gained, "stopped_because": "",
        }  # fmt: skip
        write_json(run / "student" / "round-00" / "evaluation.json", tested)
        write_json(run / "student" / "round-01" / "round.json", told)
        steps = [{"step": step, "loss": 2 / step} for step in range(1, 9)]
        write_json(run / "student" / "round-01" / "trained" / "steps.jsonl", *steps)
        assert metasynth("report", run) == 0
        assert [row["accuracy"] for row in numbers(run)["rounds"]] == [
            [0.5, 0.4, 0.6],
            [0.75, 0.65, 0.85],
        ]
        page = (run / "report.html").read_text(encoding="utf-8")
        assert "accuracy from 0.500 at 0 to 0.750 at 1" in page
        assert "round 1 from 2.00 at 1 to 0.250 at 8" in page
        assert "0.650–0.850" in page

    def test_training_and_stages_of_a_soft_prompt(self, run: Path) -> None:
        curves = [
            {"step": 0, "train_nll": None, "held_out_nll": 1.8, "shuffled_gap": 0.0},
            {"step": 50, "train_nll": 1.3, "held_out_nll": 1.0, "shuffled_gap": 0.2},
        ]
        write_json(run / "softsrv" / "training" / "curves.jsonl", *curves)
        contexts = [{"id": f"target-{n}", "text": f"A target text number {n}."} for n in range(70)]
        write_json(run / "softsrv" / "contexts.jsonl", *contexts)
        stages = {
            "contexts": {"contexts": 70, "method": "soft"},
            "samples": {"sampled": 160, "stop_rate": 0.975},
            "postprocess": {"counts": {"sampled": 160, "kept": 80}, "junk": {"short": 3}},
        }
        manifest = {"identity": "x", "stages": stages}
        write_json(run / "softsrv" / "manifest.json", manifest)
        assert metasynth("report", run) == 0
        page = (run / "report.html").read_text(encoding="utf-8")
        assert "held out from 1.80 at 0 to 1.00 at 50" in page
        assert "sampled 160 → kept 80" in page
        assert "97.5% ended by themselves" in page
        found = numbers(run)
        assert found["corpora"][-1]["label"] == "real target rows"
        assert found["coverage"]["unit"] == "groups of target rows"
        assert "real target rows" in found["metrics"]["vendi_score"]["values"]

    def test_what_the_student_let_in(self, run: Path) -> None:
        line = "student_easy: loss_gold 1.000 below 1.200"
        score = StudentScore(criterion="loss_gold", score=1.0, round=0, threshold=1.2)
        refused = records(1, start=900)[0].model_copy(update={"reason": line, "student": score})
        with (run / "rejected.jsonl").open("a", encoding="utf-8") as file:
            file.write(refused.to_line())
        assert metasynth("report", run) == 0
        student = numbers(run)["student"]
        assert student["candidates scored"] == "14"
        assert student["let in"].startswith("12, median score")
        assert student["refused"] == "1, median score 1"
        page = (run / "report.html").read_text(encoding="utf-8")
        assert "What the student let in" in page
        assert "held against from 1.20" in page

    def test_drafts_that_were_written_again_are_told_apart_from_the_last_one(
        self, tmp_path: Path
    ) -> None:
        update = {"reason": "too_close: near", "refusals": ["too_short", "too_close"]}
        ended = [one.model_copy(update=update) for one in records(3, start=700)]
        folder = write_run(tmp_path / "again", records(5)[1:], ended)
        assert metasynth("report", folder) == 0
        assert numbers(folder)["rejected_for"] == {"too_close": 3}
        assert numbers(folder)["sent_back_for"] == {"too_short": 3}


class TestWhatIsWrong:
    @pytest.mark.parametrize("place", ["", "--baseline"])
    def test_no_run_directory(
        self, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
    ) -> None:
        arguments = [run, "--baseline", tmp_path] if place else [tmp_path]
        assert metasynth("report", *arguments) == 2
        assert "no run directory" in capsys.readouterr().err

    def test_a_broken_line_is_named(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = run / "corpus.jsonl"
        path.write_text("{}\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
        assert metasynth("report", run) == 1
        assert "corpus.jsonl, line 1" in capsys.readouterr().err

    def test_a_run_file_that_is_none(self, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (run / "run.yaml").write_text("[1, 2]", encoding="utf-8")
        assert metasynth("report", run) == 2
        assert "run.yaml" in capsys.readouterr().err


class TestSecrets:
    def test_none_is_in_page_or_numbers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in (("MY_OWN_NAME", KEY), ("DB_PASSWORD", PASSWORD)):
            monkeypatch.setenv(name, value)
        made = records(30)
        leak = f"The key is {KEY}, the other {PASSWORD}, and one more is hf_{'a' * 30}."
        made[3] = made[3].model_copy(update={"text": f"{leak} {made[3].text}", "topic": KEY})
        folder = write_run(
            tmp_path / "run",
            made,
            teacher={
                "model": "openai:writer",
                "base_url": "https://user:openthedoor@localhost/v1?key=inaddress12",
                "api_key_env": "MY_OWN_NAME",
                "extra_body": {"api_key": "infreeform99", "route": "somewhere"},
            },
        )
        assert metasynth("report", folder) == 0
        for name in ("report.html", "metrics.json"):
            text = (folder / name).read_text(encoding="utf-8")
            for secret in (KEY, PASSWORD, "openthedoor", "inaddress12", "infreeform99", "hf_aaa"):
                assert secret not in text, (name, secret)
            assert "MY_OWN_NAME" not in text
            assert "somewhere" not in text
        assert HIDDEN in (folder / "report.html").read_text(encoding="utf-8")

    def test_a_short_or_harmless_value_stays(self) -> None:
        redactor = Redactor({"A_KEY": "abc", "HOME": "/home/somebody", "MAX_TOKENS_N": "x" * 9}, {})
        text = f"abc /home/somebody {'x' * 9}"
        assert redactor.text(text) == text

    def test_a_path_keeps_its_last_names_alone(self) -> None:
        shown = Redactor({}, {}).settings(
            {"roles": ["/home/somebody/project/roles"], "model": "local:/home/somebody/models/m"}
        )
        assert shown == {"roles": ["…/project/roles"], "model": "local:…/models/m"}


class TestSettings:
    def test_a_section_that_is_off_by_default_shows_its_own_differences(self) -> None:
        given = load_run_config(FINANCE, ["student.model=embedded", "active.candidates.window=9"])
        told = dict(changed_settings(given.model_dump(mode="json")))
        assert told["active.candidates.window"] == "9"
        assert not any(name.startswith("active.teacher") for name in told)
        assert told["name"] == "finance"

    def test_a_section_without_differences_is_named(self) -> None:
        given = load_run_config(FINANCE, ["student.model=embedded", "active.candidates={}"])
        told = dict(changed_settings(given.model_dump(mode="json")))
        assert told["active.candidates"] == "as it is by default"


class TestSize:
    def test_a_page_of_many_long_records_is_bounded(self, tmp_path: Path) -> None:
        text = "Ein längerer Text, der sich wiederholt. " * 200
        many = [Record(id=f"a-{number:05d}", text=text, topic="t") for number in range(20_000)]
        with Ledger(tmp_path / "ledger.sqlite"):
            pass
        found = listed(many, many[:900], tmp_path / "ledger.sqlite", references={})
        assert len(json.dumps(found.entries, ensure_ascii=False).encode()) < 10_000_000
        assert 1000 < len(found.entries) < 2500
        assert "of 20,900 records" in found.note
        numbers = [int(record.id.split("-")[1]) for record in found.records[:500]]
        assert numbers == sorted(numbers)
        assert len({number % 20 for number in numbers}) == 20

    def test_a_large_run_has_a_page_that_opens(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "large", records(3000, words=20), calls=False)
        assert metasynth("report", folder) == 0
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert len(page.encode()) < 6_000_000
        assert len(page_data(page)["records"]) == 2000
        assert "The page holds 2,000 of 3,000 records" in page
        assert numbers(folder)["corpora"][0]["accepted"] == 3000


BROWSER = find_browser()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
class TestInABrowser:
    async def test_it_opens_and_works(self, run: Path, baseline: Path) -> None:
        assert metasynth("report", run, "--baseline", baseline) == 0
        assert BROWSER is not None
        async with browser_page(BROWSER) as page:
            await page.open(run / "report.html")
            assert await page.run("document.title") == "trial · metasynth report"
            assert await page.run("document.querySelectorAll('.record').length") == 20
            await self._filters(page)
            await self._opens_a_path(page)
            await self._walks_the_map(page)
            await self._turns_dark(page)
            assert page.trouble == []

    async def _filters(self, page: Page) -> None:
        await page.run(
            "state.value = 'rejected';filters.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        assert await page.run("document.querySelectorAll('.record').length") == 4
        assert await page.run("found.textContent") == "4 records of 64"
        dimmed = "document.querySelectorAll('#plane .dim').length"
        assert await page.run(dimmed) == 60 + 60 + 4
        await page.run("new Promise(done => { filters.reset(); setTimeout(done, 50) })")
        await page.run("query.value = 'no such words'; filters.dispatchEvent(new Event('input'))")
        assert await page.run("document.querySelectorAll('.record').length") == 0
        await page.run("new Promise(done => { filters.reset(); setTimeout(done, 50) })")
        assert await page.run(dimmed) == 0

    async def _opens_a_path(self, page: Page) -> None:
        await page.run("document.querySelector('.record button').click()")
        assert await page.run("document.querySelectorAll('.record .path li').length") == 2
        used = await page.run("document.querySelector('.record .path .used').textContent")
        assert used.startswith("0.50 s · 40 → 10")
        more = await page.run("document.querySelector('.record .more').textContent")
        assert "1.0 s of calls" in more and "metasynth trace DIR abc-00-" in more
        text = await page.run("document.querySelector('.record .text').textContent")
        assert text.startswith("</script>") and "⟦U+202E⟧" in text
        assert await page.run("document.querySelectorAll('.record .text *').length") == 0

    async def _walks_the_map(self, page: Page) -> None:
        press = "plane.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
        before = await page.run("pointed.textContent")
        await page.run(press % "ArrowRight")
        assert await page.run("pointed.textContent") != before
        await page.run(press % "Escape")
        assert await page.run("pointed.textContent") == before

    async def _turns_dark(self, page: Page) -> None:
        paper = "getComputedStyle(document.body).backgroundColor"
        light = await page.run(paper)
        await page.run("theme.click()")
        dark = await page.run(paper)
        assert dark != light
        assert await page.run("theme.getAttribute('aria-pressed')") == "true"

    async def test_it_fits_a_phone_and_follows_the_system(self, run: Path) -> None:
        assert metasynth("report", run) == 0
        assert BROWSER is not None
        async with browser_page(BROWSER) as page:
            await page.open(run / "report.html", width=375, height=700, dark=True)
            assert await page.run("document.documentElement.scrollWidth") == 375
            await page.run("document.querySelector('.record button').click()")
            assert await page.run("document.documentElement.scrollWidth") == 375
            paper = await page.run("getComputedStyle(document.body).backgroundColor")
            assert paper == "rgb(21, 20, 18)"
            assert page.trouble == []
