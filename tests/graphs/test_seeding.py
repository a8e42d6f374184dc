"""Which seed comes next: M records from one, then a near one that is little used and new."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.config.run import SeedsConfig
from metasynth.graphs.seeding.seeding import SeedPicker
from metasynth.records.seeds import Seed
from tests.word_embeddings import WordEmbeddings

WORDS = ("garden lamp", "garden rake", "garden oven", "harbour rope", "harbour gull", "moon comet")


def seeds_of(texts: Sequence[str]) -> list[Seed]:
    return [Seed(id=text, text=text, keywords=tuple(text.split())) for text in texts]


async def second_word(seed: Seed) -> str:
    await asyncio.sleep(0)  # as a model call would, it gives way
    return seed.text.split()[1]


def picker(
    texts: Sequence[str] = WORDS,
    *,
    refresh_every: int = 1,
    neighbours: int = 2,
    random_seed: int = 0,
    recent: Sequence[str] = (),
) -> SeedPicker:
    config = SeedsConfig(refresh_every=refresh_every, neighbours=neighbours)
    return SeedPicker(
        seeds_of(texts),
        config,
        embedder=WordEmbeddings(64),
        random_seed=random_seed,
        recent_labels=lambda count: list(recent)[:count],
        label=second_word,
    )


async def picks(chosen: SeedPicker, chain: str, count: int) -> list[str]:
    return [(await chosen.pick(chain)).id for _ in range(count)]


@pytest.mark.parametrize("refresh_every", [1, 3])
async def test_m_records_start_from_one_seed(refresh_every: int) -> None:
    made = await picks(picker(refresh_every=refresh_every), "00", 4 * refresh_every)
    groups = [made[i : i + refresh_every] for i in range(0, len(made), refresh_every)]
    assert all(len(set(group)) == 1 for group in groups)
    assert len({group[0] for group in groups}) == 4


async def test_every_seed_is_used_before_any_is_used_again() -> None:
    made = await picks(picker(), "00", 3 * len(WORDS))
    for start in range(0, len(made), len(WORDS)):
        assert set(made[start : start + len(WORDS)]) == set(WORDS)


async def test_the_next_seed_is_the_nearest_unused_one() -> None:
    chosen = picker(["garden lamp", "moon comet", "garden rake", "moon lamp"])
    chosen.remember("00", "garden rake")
    assert await picks(chosen, "00", 1) == ["garden lamp"]


async def test_a_seed_with_a_label_of_the_last_records_is_passed_over() -> None:
    texts = ["garden shed", "garden lamp", "garden rake", "moon comet"]
    chosen = picker(texts, recent=["LAMP"])
    chosen.remember("00", "garden shed")
    assert (await picks(chosen, "00", 1))[0] == "garden rake"
    both = picker(texts, refresh_every=2, recent=["lamp", "rake"], neighbours=1)
    both.remember("00", "garden shed")
    both.remember("00", "garden shed")
    assert await picks(both, "00", 1) == ["moon comet"]


async def test_only_the_labels_of_the_last_m_records_count() -> None:
    chosen = picker(["garden shed", "garden lamp"], recent=["oven", "lamp"])
    chosen.remember("00", "garden shed")
    assert await picks(chosen, "00", 1) == ["garden lamp"]


async def test_where_no_label_is_new_the_nearest_is_taken() -> None:
    chosen = picker(["a x", "b x", "c x"], recent=["x"])
    assert set(await picks(chosen, "00", 3)) == {"a x", "b x", "c x"}


async def test_one_seed_alone_is_used_again_and_again() -> None:
    assert await picks(picker(["a b"]), "00", 3) == ["a b"] * 3


async def test_the_same_random_seed_gives_the_same_choices() -> None:
    one, two = picker(random_seed=4), picker(random_seed=4)
    assert await picks(one, "00", 9) == await picks(two, "00", 9)
    firsts = {(await picker(random_seed=n).pick("00")).id for n in range(20)}
    assert len(firsts) > 1
    assert len({(await picker().pick(f"{n:02d}")).id for n in range(20)}) > 1


@settings(max_examples=40, deadline=None)
@given(
    chains=st.integers(1, 10),
    rounds=st.integers(1, 3),
    seeds=st.integers(1, 20),
    recent=st.lists(st.integers(0, 19).map(lambda n: f"label{n}"), max_size=3),
)
def test_no_two_chains_share_a_seed_while_others_are_free(
    chains: int, rounds: int, seeds: int, recent: list[str]
) -> None:
    texts = [f"word{n} label{n}" for n in range(seeds)]

    async def run() -> Counter[str]:
        chosen = picker(texts, recent=recent)
        used: Counter[str] = Counter()
        for _ in range(rounds):
            made = await asyncio.gather(*(chosen.pick(f"{n:02d}") for n in range(chains)))
            used.update(seed.id for seed in made)
        return used

    used = asyncio.run(run())
    counts = [used[text] for text in texts]
    assert sum(counts) == chains * rounds
    if seeds > 1:  # a chain does not take its own seed twice running, so one may fall behind
        assert max(counts) - min(counts) <= 2
    if chains * rounds <= seeds:
        assert max(counts) == 1


async def test_a_later_start_goes_on_where_the_earlier_one_ended() -> None:
    whole, second = picker(refresh_every=2), picker(refresh_every=2)
    made = await picks(whole, "00", 9)
    for seed_id in made[:5]:
        second.remember("00", seed_id)
    assert await picks(second, "00", 4) == made[5:]


async def test_a_seed_that_is_gone_is_not_remembered() -> None:
    chosen = picker()
    chosen.remember("00", "gone with the old file")
    assert (await chosen.pick("00")).id in WORDS
