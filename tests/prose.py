"""English prose of any length made from a source of chance, no two texts alike."""

import random
import re

_FIRST = (
    *("Amara", "Bjorn", "Celeste", "Dario", "Esther", "Farid", "Greta", "Hiro", "Imani", "Jonas"),
    *("Katya", "Luis", "Maeve", "Nadir", "Odile", "Pavel", "Quentin", "Rosa", "Sunil", "Tove"),
    *("Ulla", "Viktor", "Wanda", "Xenia", "Yusuf", "Zora", "Anselm", "Brigid", "Cosmo", "Delia"),
)
_LAST = (
    *("Abara", "Benning", "Castell", "Dvorak", "Eklund", "Farrow", "Gomes", "Haddad", "Ibsen"),
    *("Jurek", "Kimura", "Lindqvist", "Moreau", "Nakata", "Okafor", "Petrov", "Quiroga", "Rahman"),
    *("Sorensen", "Tanaka", "Ueda", "Valdez", "Whitlock", "Yildiz", "Zielinski", "Ashdown"),
)
_PLACE = (
    *("a fishing village", "the old customs house", "a mountain depot", "the night train"),
    *("a flooded cellar", "the market hall", "a rooftop garden", "the county archive"),
    *("a lighthouse kitchen", "the tram workshop", "a desert observatory", "the river bank"),
    *("an empty theatre", "the school gymnasium", "a vineyard office", "the ferry terminal"),
    *("a bakery", "the radio studio", "a salt mine", "the botanical garden", "a frozen harbour"),
    *("the bell tower", "a caravan park", "the printing press", "a hospital laundry"),
    *("the chess club", "an orchard", "the border post", "a shipyard canteen", "the aquarium"),
)
_THING = (
    *("contract", "violin", "map", "parcel", "engine", "recipe", "mirror", "permit", "statue"),
    *("notebook", "telescope", "carpet", "ticket", "barrel", "clock", "portrait", "seed box"),
    *("ladder", "kettle", "manuscript", "compass", "sewing machine", "bicycle", "drum", "globe"),
    *("lamp", "anchor", "quilt", "thermometer", "piano", "suitcase", "fossil", "radio", "crate"),
)
_DID = (
    *("weighed", "sold", "repaired", "painted", "borrowed", "hid", "measured", "copied", "lost"),
    *("polished", "returned", "insured", "auctioned", "photographed", "buried", "catalogued"),
    *("traded", "inspected", "dismantled", "wrapped", "questioned", "carried", "tuned", "rented"),
)
_HOW = (
    *(
        "before dawn",
        "without a word",
        "for the third time",
        "against all advice",
        "by candlelight",
    ),
    *("by candlelight", "in the rain", "after the strike", "on a Tuesday", "with great care"),
    *(
        "during the eclipse",
        "while others slept",
        "for a small fee",
        "under protest",
        "to everyone's surprise",
    ),
    *("after the harvest", "in a hurry", "with borrowed tools", "between two storms"),
)
_KIND = (
    *("cracked", "silver", "forgotten", "enormous", "damp", "counterfeit", "wooden", "priceless"),
    *("rusty", "blue", "folded", "noisy", "anonymous", "delicate", "half-finished", "foreign"),
    *("heavy", "antique", "borrowed", "striped", "hollow", "famous", "sealed", "crooked"),
)
_CLAIM = (
    *("is seldom what it seems", "costs more than people think", "deserves a second look"),
    *("can be learned in a week", "divides the whole street", "rewards those who wait"),
    *("begins with a question", "ends in paperwork", "matters most in winter"),
    *("needs patience and a pencil", "frightens beginners", "has an older history"),
)
_OPENINGS = (
    "{first} {last} {did} the {kind} {thing} at {place} {how}, and {topic} was the reason.",
    "At {place}, talk of {topic} stopped when {first} {last} {did} a {kind} {thing}.",
    "Nobody at {place} understood {topic} until {first} {did} the {thing} {how}.",
    "{number} people came to {place} because of {topic}, said {first} {last}, who {did} a {thing}.",
    "A {kind} {thing} from {place} taught {first} {last} what {topic} means.",
    "{topic}: that is how {first} {last} explains the {kind} {thing} that was {did} at {place}.",
    "In the year {year}, {first} {last} {did} {number} {kind} {thing}s {how} near {place}.",
    "Whoever visits {place} hears of {first} {last}, the {thing} and the matter of {topic}.",
)
_SENTENCES = (
    "{first} {did} the {thing} {how}.",
    "As for {topic}, it {claim}.",
    "Later, {first} {last} {did} {number} {kind} {thing}s at {place}.",
    '"{topic} {claim}," said {last}, who {did} the {kind} {thing}.',
    "The {kind} {thing} was worth {number} coins; {topic} {claim}.",
    "From {place} came a {thing}, {kind} and {did} {how}.",
    "{last} {did} it {how}, because {topic} {claim}.",
    "Was the {thing} {kind}? {first} thought so and {did} another {how}.",
    "By {year}, {number} visitors knew that {topic} {claim}.",
    "Between {place} and {place2}, {first} {did} {number} {thing}s.",
    "{first} asked {last} about {topic}, then {did} the {kind} {thing}.",
    "Some hold that the {thing} at {place2} {claim}.",
)
_TOPICAL = tuple(frame for frame in _SENTENCES if "{topic}" in frame)
_PROPER = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b")


def prose(topics: list[str], words: int, rng: random.Random) -> str:
    """About `words` words in paragraphs of four sentences, which speak of each topic in turn."""
    left = topics[:]
    sentences = [_filled(rng.choice(_OPENINGS), left, topics, rng)]
    while sum(len(sentence.split()) for sentence in sentences) < words:
        frames = _TOPICAL if left else _SENTENCES
        sentences.append(_filled(rng.choice(frames), left, topics, rng))
    paragraphs = [" ".join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]
    return "\n\n".join(paragraphs)


def summary(text: str) -> str:
    """One sentence about a text: its opening, and what its middle speaks of."""
    words = text.split()
    middle = words[len(words) // 2 : len(words) // 2 + 10]
    return " ".join([*words[:16], "and then", *middle]).rstrip(".,;:?!\"'") + "."


def label(text: str) -> str:
    """One to four words about a text."""
    named = _PROPER.search(text)
    longest = sorted(set(re.findall(r"\b[a-z]{5,}\b", text)), key=lambda word: (-len(word), word))
    return " ".join([*(longest[:1] or ["matter"]), *([named[0].split()[1]] if named else [])])


def _filled(frame: str, left: list[str], topics: list[str], rng: random.Random) -> str:
    topic = "the matter"
    if "{topic}" in frame and topics:
        topic = left.pop(0) if left else rng.choice(topics)
    text = frame.format(
        first=rng.choice(_FIRST),
        last=rng.choice(_LAST),
        place=rng.choice(_PLACE),
        place2=rng.choice(_PLACE),
        thing=rng.choice(_THING),
        kind=rng.choice(_KIND),
        did=rng.choice(_DID),
        how=rng.choice(_HOW),
        claim=rng.choice(_CLAIM),
        topic=topic,
        number=rng.randint(3, 980),
        year=rng.randint(1850, 2020),
    )
    return text[0].upper() + text[1:]
