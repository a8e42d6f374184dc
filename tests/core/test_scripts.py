"""Words of scripts that put no blanks between them, from counting to keywords and n-grams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import IndexConfig
from langgraph.store.memory import InMemoryStore

from metasynth.agents.messages import parse_keywords
from metasynth.config.run import GateConfig, SeedsConfig
from metasynth.graphs.admission.draft import Draft
from metasynth.graphs.admission.gate import Gate
from metasynth.memory.records import RecordMemory
from metasynth.records.record import Record
from metasynth.records.seeds import load_seeds
from metasynth.text.contamination import Contamination
from metasynth.text.words import (
    NgramIndex,
    count_words,
    cut_words,
    excerpt,
    is_unspaced,
    keywords_used,
    opening,
    words,
)
from metasynth.vectors.embed import vocabulary_of
from metasynth.vectors.vocabulary import Readable
from tests.word_embeddings import WordEmbeddings

CHINESE = (
    "咖啡烘焙师在冬天会把入豆温度提高五度，因为生豆更冷。"
    "第一爆之后他打开风门，让烟散去，然后数到九十秒。"
)
JAPANESE = "コーヒーの焙煎では、最初のハゼの後に火力を落として、豆の香りを確かめながら仕上げます。"
THAI = "การคั่วกาแฟต้องใช้ความร้อนที่เหมาะสม เพราะเมล็ดกาแฟแต่ละชนิดมีความชื้นไม่เท่ากัน"
ARABIC = "تحميص القهوة يحتاج إلى حرارة مناسبة، لأن الحبوب تختلف في الرطوبة والكثافة."
GERMAN = "Die Röstkurve fällt nach dem ersten Knacken, weil die Bohne dann selbst Wärme abgibt."
SCRIPTS = [CHINESE, JAPANESE, THAI, ARABIC, GERMAN]

MIXED = st.text(alphabet="中文かなカナไทย กาแฟabc ,。é", max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("第一爆。", ["第", "一", "爆"]),
        ("コーヒーの焙煎", ["コーヒー", "の", "焙", "煎"]),
        ("กาแฟดี", ["กา", "แฟ", "ดี"]),
        ("القهوة، العربية", ["القهوة", "العربية"]),
        ("Röstgrad über 200", ["röstgrad", "über", "200"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("GPT-4模型 v2", ["gpt-4", "模", "型", "v2"]),
    ],
)
def test_words_follow_the_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [(CHINESE, 40, 52), (JAPANESE, 20, 40), (THAI, 10, 25), (ARABIC, 12, 12), (GERMAN, 14, 14)],
)
def test_a_text_has_about_as_many_words_as_a_reader_counts(text: str, low: int, high: int) -> None:
    assert low <= count_words(text) <= high
    assert is_unspaced(text) is (text in (CHINESE, JAPANESE, THAI))


@given(text=MIXED, count=st.integers(0, 30))
def test_a_cut_text_is_a_beginning_with_no_more_words(text: str, count: int) -> None:
    cut = cut_words(text, count)
    assert text.startswith(cut)
    assert count_words(cut) <= count
    assert cut == text or count_words(text) > count


def test_an_excerpt_of_a_long_line_is_short() -> None:
    assert excerpt(CHINESE * 1000, 10) == CHINESE[:10] + " …"
    assert len(excerpt(THAI * 1000, 10)) < 100


def test_an_opening_tells_sentences_apart() -> None:
    assert opening(CHINESE, 5) == "咖 啡 烘 焙 师"
    assert len({opening(text, 5) for text in SCRIPTS}) == len(SCRIPTS)


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_copy_overlaps_and_another_text_does_not(text: str) -> None:
    index = NgramIndex(8)
    index.add("first", text)
    assert index.overlap(text).share == 1.0
    for other in SCRIPTS:
        assert other == text or index.overlap(other).share < 0.1


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_test_text_is_found_inside_another(text: str) -> None:
    tests = Contamination([text], ngram=8)
    assert tests.hits(f"{GERMAN[:10]} {text} {ARABIC[:8]}") is not None
    assert all(other == text or tests.hits(other) is None for other in SCRIPTS)


@pytest.mark.parametrize("comma", [",", "，", "、", "；", "・", "،"])
def test_keywords_are_parted_by_the_commas_of_the_language(comma: str) -> None:
    line = f"温度{comma}คั่วกาแฟ{comma}القهوة"
    parts = ["温度", "คั่วกาแฟ", "القهوة"]
    assert parse_keywords(line) == parts
    seeds = load_seeds(SeedsConfig.model_validate({"keywords": [line]}), random_seed=0)
    assert list(seeds[0].keywords) == parts


def test_keywords_are_found_in_a_text_without_blanks() -> None:
    assert keywords_used(CHINESE, ["入豆温度", "风门", "水质", "温湿度计"]) == ["入豆温度", "风门"]
    assert keywords_used(THAI, ["เมล็ดกาแฟ", "ชาเขียว"]) == ["เมล็ดกาแฟ"]


@pytest.mark.parametrize(("text", "language"), [(CHINESE, "zh"), (JAPANESE, "ja"), (THAI, "th")])
def test_the_gate_takes_texts_of_such_languages_at_their_length(text: str, language: str) -> None:
    index = IndexConfig(dims=64, embed=WordEmbeddings(64), fields=["text"])
    remembered = RecordMemory(InMemoryStore(index=index), WordEmbeddings(64), opening_words=16)
    gate = Gate(GateConfig(min_words=10), remembered, language=language)
    draft = Draft(text, summary="s", topic="t", seed_set=())
    assert gate.sound(draft).passed
    assert gate.sound(Draft(text[:8], summary="s", topic="t", seed_set=())).code == "too_short"
    long = Draft("\n".join([text] * 40), summary="s", topic="t", seed_set=())
    assert gate.sound(long).code == "too_long"


def test_of_texts_that_the_embedder_cannot_read_there_is_no_distance(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vocabulary = vocabulary_of("default")
    assert vocabulary is not None
    readable = Readable(vocabulary)
    unspaced_thai = THAI.replace(" ", "") * 2  # one word to a tokenizer that goes by blanks
    assert [readable(text) for text in (CHINESE, unspaced_thai, ARABIC, GERMAN)] == [
        *(False, False),
        *(True, True),
    ]
    assert caplog.text.count("multilingual") == 1


async def test_the_gate_decides_by_ngrams_then() -> None:
    index = IndexConfig(dims=64, embed=WordEmbeddings(64), fields=["text"])
    remembered = RecordMemory(InMemoryStore(index=index), WordEmbeddings(64), opening_words=16)
    readable = Readable(vocabulary_of("default"))
    limits = GateConfig(min_words=10, min_distance=1.5)
    gate = Gate(limits, remembered, language="zh", readable=readable)
    record = Record(id="first", text=CHINESE, summary=CHINESE[:20], topic="烘焙")
    await remembered.remember(record)
    gate.learn([record])
    other = "水质的硬度决定味道，软水里的酸更明亮，硬水则显得平淡，因此师傅每天早上都要测量。"
    verdict = await gate.novelty(Draft(other, summary=other[:20], topic="水", seed_set=()))
    assert verdict.passed and verdict.novelty is not None and verdict.novelty.distance is None
    copy = await gate.novelty(Draft(CHINESE, summary=CHINESE[:20], topic="烘焙", seed_set=()))
    assert copy.code == "overlap"
