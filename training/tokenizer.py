"""The embedded model's tokenizer: byte-level BPE trained on the stream of tasks.

The fixed stretches of a tool call are one token each (as added, not special, tokens), which makes
a conductor's turn about twenty tokens long.

    python -m training.tokenizer --out training/work/tokenizer
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from metasynth.domains.deduction import KINDS, PROPERTIES
from metasynth.domains.language.vocabulary import NAMES, THEMES, plural

from .chat import SPECIAL, Message, render
from .crafts import CRAFTS
from .instruct_oracle import INSTRUCT_ROLES
from .oracle import ROLES
from .tasks import Stream

VOCABULARY = 4096
# words of the other domains, so that a tokenizer of an early stage serves the later ones
WORDS = """Every No All Everything If then so because not is are was Therefore Hence Does Did Is Was
Yes No yes no passage question answer reason true false logic reading puzzle kind calm bright quiet
heavy round soft shiny warm cold gentle brave clever hungry noisy honest lazy polite proud strange
careful friendly
fast slow old red blue green yellow white black brown pink grey purple silver golden
orange paints cleans hides carries repairs draws counts opens closes washes finds loses brings keeps
painted cleaned hid carried repaired drew counted opened closed washed found lost brought kept
morning afternoon evening noon night today According says that who what where when which"""
TEMPLATE = Path(__file__).with_name("chat_template.jinja")

GLUE = (
    '{"name": "consult", "arguments": {"expert": "',
    '", "instruction": "',
    '", "attach": ["',
    '"], "persona": "',
    '", "genre": "',
    '"]}}',
    '"}}',
    '{"name": "submit", "arguments": {"draft": "',
    '{"name": "submit", "arguments": {"question": "',
    '{"name": "set_seeds", "arguments": {"source": "',
    '{"name": "give_up", "arguments": {"reason": "',
    *(role for role in (*ROLES, *INSTRUCT_ROLES) if "_" in role),
)


def texts(count: int, *, stage: str = "all") -> Iterator[str]:
    """Plain texts of the stream, and every word that should become one token."""
    words = [word for theme in THEMES.values() for word in (*theme.items, *theme.details)]
    words += [plural(item) for theme in THEMES.values() for item in theme.items]
    words += [place.split()[-1] for theme in THEMES.values() for place in theme.places]
    words += [*NAMES, *map(str, range(100))]
    words += [*WORDS.split(), *KINDS, *PROPERTIES]
    for _ in range(400):
        yield "".join(f" {word}" for word in words)
        yield from NAMES
    available = {craft.name for craft in CRAFTS}
    stream = Stream(stage=stage if "passage" in available else "story", seed=99)
    for number in range(count):
        for piece in render(stream.example(number)):
            if not piece.special:
                yield piece.text


def train(count: int = 40_000) -> PreTrainedTokenizerFast:
    """Train the tokenizer; deterministic."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(GLUE),
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts(count), trainer)
    core.add_tokens([AddedToken(glue, normalized=False, special=False) for glue in GLUE])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=[s for s in SPECIAL if s not in ("<|end|>", "<|pad|>")],
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
    tokenizer.chat_template = TEMPLATE.read_text(encoding="utf-8").strip()
    return tokenizer


def encode(
    tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message], *, prompt_only: bool = False
) -> tuple[list[int], list[bool]]:
    """Token ids of a conversation, and which of them the model should learn to write."""
    ids: list[int] = []
    learn: list[bool] = []
    for piece in render(messages, prompt_only=prompt_only):
        new: Any
        if piece.special:
            new = tokenizer.convert_tokens_to_ids([piece.text])
        else:
            plain = tokenizer(piece.text, add_special_tokens=False, split_special_tokens=True)
            new = plain["input_ids"]
        ids += new
        learn += [piece.learn] * len(new)
    return ids, learn


def main() -> None:
    """Train the tokenizer and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    train().save_pretrained(out)
    print(f"tokenizer of {VOCABULARY} entries in {out}")


if __name__ == "__main__":
    main()
