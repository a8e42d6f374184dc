"""Held-out evaluation of the embedded model by free-running generation.

    python -m training.evaluate_embedded --model agents/models/embedded --count 200 \
        --out training/work/evaluation.json
"""

import argparse
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from metasynth.domains.catalogue import get_domain
from metasynth.domains.language.base import same_keyword

from .chat import Message, ToolCall
from .conductor import conductor_policy
from .crafts import CRAFTS, Craft, craft_of
from .instruct_conductor import INSTRUCT_TITLE, instruct_policy
from .instruct_judging import judge_instruct_task
from .instruct_tasks import INSTRUCT_TASKS
from .oracle import expert_oracle, words_of
from .tasks import STAGES, Stream
from .tokenizer import encode

SEED = 987_654_321  # far from the seeds of training
TOOLS = {
    "consult": ("expert",),
    "set_seeds": ("source",),
    "submit": ("draft", "question"),
    "give_up": ("reason",),
}


class Score(NamedTuple):
    """Shares of one row of the table; None where the row has no such measure."""

    cases: int
    parsed: float | None
    right: float | None
    copied: float | None


def answers(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Sequence[Message]],
    *,
    temperature: float,
    batch: int = 32,
) -> list[str]:
    """The model's answers, generated in batches of prompts of like length."""
    ids = [encode(tokenizer, prompt, prompt_only=True)[0] for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    texts = [""] * len(ids)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        longest = max(len(ids[row]) for row in rows)
        pad = tokenizer.pad_token_id
        tokens = torch.tensor([[pad] * (longest - len(ids[r])) + ids[r] for r in rows])
        mask = torch.tensor([[0] * (longest - len(ids[r])) + [1] * len(ids[r]) for r in rows])
        scale = getattr(model.config, "chat_temperature_scale", 1.0)
        sampling = {"do_sample": True, "temperature": temperature * scale}
        with torch.inference_mode():
            out = model.generate(
                input_ids=tokens,
                attention_mask=mask,
                max_new_tokens=min(180, 511 - longest),
                **(sampling if temperature else {"do_sample": False}),
            )
        for row, made in zip(rows, out[:, longest:], strict=True):
            text = str(tokenizer.decode(made, skip_special_tokens=False))
            texts[row] = text.split("<|end|>")[0].replace("<|pad|>", "").strip()
    return texts


Row = tuple[bool | None, bool | None, bool | None]
"""Parsed, right, copied of one answer."""


def judge_document(craft: Craft, form: str, keywords: Sequence[str], text: str) -> Row:
    """A written document: understood in its form, answer right, all keywords used."""
    domain = get_domain(craft.name)
    item, check = domain.parse(text), domain.check(text)
    parsed = item is not None and item.form == form
    used = sum(same_keyword(word, text) for word in keywords) / max(len(keywords), 1)
    return parsed, bool(check.passed), used == 1.0


def judge_task(task: str, messages: Sequence[Message], text: str) -> Row:
    """An answer to another task, against what the oracle says."""
    if task in INSTRUCT_TASKS:
        return judge_instruct_task(messages, text)
    wanted, prompt = messages[-1].content, messages[1]
    if task in ("extract", "label", "copy", "solve", "note", "compare"):
        return None, text == wanted, None
    if task == "expand":
        given = words_of(prompt.attachments[0].text)
        got = words_of(text)
        return None, set(given) <= set(got) and len(given) < len(got) <= len(given) + 3, None
    if task == "summarize":
        found = craft_of(prompt.attachments[0].text)
        assert found is not None
        options = {found[0].summary(found[1], random.Random(seed)) for seed in range(40)}
        return None, text in options, None
    return _judge_edit(prompt, text)


def _judge_edit(prompt: Message, text: str) -> Row:
    """An edit: understood, right, and of the form and the things that were asked for."""
    found = craft_of(prompt.attachments[0].text)
    assert found is not None
    craft, before = found
    domain = get_domain(craft.name)
    after = domain.parse(text)
    if after is None:
        return False, False, False
    wanted = craft_of(expert_oracle("editor", prompt.content, prompt.attachments, random.Random(0)))
    assert wanted is not None
    kept = prompt.content.startswith(("Rewrite", "Make", "Tell", "Correct"))
    same = not kept or set(before.keywords[:2]) <= set(after.keywords)
    return True, bool(domain.check(text).passed), same and after.form == wanted[1].form


def judge_turn(messages: Sequence[Message], text: str) -> Row:
    """A conductor's turn: valid calls, and among those that the policy would make."""
    calls = _calls(text)
    if calls is None:
        return False, False, None
    policy = instruct_policy if messages[0].content == INSTRUCT_TITLE else conductor_policy
    allowed = {
        tuple(_key(call) for call in policy(messages, random.Random(seed))) for seed in range(60)
    }
    return True, tuple(_key(call) for call in calls) in allowed, None


def _calls(text: str) -> list[ToolCall] | None:
    calls = []
    for part in text.split("<tool_call>")[1:]:
        try:
            found = json.loads(part.partition("</tool_call>")[0])
            calls.append(ToolCall(found["name"], found["arguments"]))
            if not any(key in found["arguments"] for key in TOOLS[found["name"]]):
                return None
        except (ValueError, KeyError, TypeError):
            return None
    return calls or None


def _key(call: ToolCall) -> str:
    """What must agree: tool, expert and references; personas and wording may differ."""
    arguments = call.arguments
    expert = str(arguments.get("expert", ""))
    known = "invented" if "note on" in str(arguments.get("instruction")) else expert
    attach = tuple(ref for ref in arguments.get("attach", ()) if ref != "neighbours")
    target = next((arguments[k] for k in ("draft", "question", "source") if k in arguments), "")
    return f"{call.name}|{known}|{attach}|{target}"


def _mean(values: Sequence[bool | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _score(rows: Sequence[Row]) -> Score:
    parsed, right, copied = (list(column) for column in zip(*rows, strict=True))
    return Score(len(rows), _mean(parsed), _mean(right), _mean(copied))


class Evaluation:
    """Rows of the table, one after the other."""

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast, temperature: float) -> None:
        self._ask: Callable[[Sequence[Sequence[Message]]], list[str]] = lambda prompts: answers(
            model, tokenizer, prompts, temperature=temperature
        )
        self.samples: dict[str, list[str]] = {}

    def documents(self, craft: Craft, form: str, count: int) -> Score:
        """Documents of one form."""
        stream = Stream(stage="all", seed=SEED, only=craft.name)
        cases: list[list[Message]] = []
        number = 0
        while len(cases) < count:
            messages = stream.example(number, task="write")
            number += 1
            if messages[1].content == f"Write a {form}.":
                cases.append(messages)
        texts = self._ask([case[:-1] for case in cases])
        self.samples[f"{craft.name}/{form}"] = texts[:5]
        keywords = [words_of(case[1].attachments[0].text) for case in cases]
        return _score(
            [judge_document(craft, form, k, t) for k, t in zip(keywords, texts, strict=True)]
        )

    def task(self, craft: Craft, task: str, count: int) -> Score:
        """Another task of the experts."""
        stream = Stream(stage="all", seed=SEED + 1, only=craft.name)
        cases = [stream.example(number, task=task) for number in range(count)]
        texts = self._ask([case[:-1] for case in cases])
        self.samples[f"{craft.name}/{task}"] = texts[:3]
        return _score([judge_task(task, c, t) for c, t in zip(cases, texts, strict=True)])

    def conductor(self, craft: Craft, count: int, *, task: str = "conduct") -> Score:
        """Single turns of the conductor, each after a history of the policy."""
        stream = Stream(stage="all", seed=SEED + 2, only=craft.name)
        turns: list[list[Message]] = []
        number = 0
        while len(turns) < count:
            messages = stream.example(number, task=task)
            places = [i for i, m in enumerate(messages) if m.role == "assistant"]
            turns += [messages[:i] for i in random.Random(number).sample(places, 2)]
            number += 1
        texts = self._ask(turns[:count])
        return _score([judge_turn(t, x) for t, x in zip(turns, texts, strict=False)])


TASKS = (
    *("solve", "summarize", "label", "extract", "expand", "compare", "edit", "copy"),
    *("transform", "suggest", "revise", "criticise"),
)


def evaluate(
    model_path: Path, *, count: int, stage: str = "all", temperature: float = 1.0
) -> tuple[Mapping[str, Score], Mapping[str, list[str]]]:
    """The whole table: `count` documents a form, as many of each task, twice that of turns."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(model_path)
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    model.train(False)
    torch.manual_seed(0)
    table = Evaluation(model, tokenizer, temperature)
    rows: dict[str, Score] = {}
    for craft in CRAFTS:
        if craft.name not in STAGES[stage]:
            continue
        for form in craft.forms:
            rows[f"{craft.name}: write a {form}"] = table.documents(craft, form, count)
        for task in TASKS:
            rows[f"{craft.name}: {task}"] = table.task(craft, task, count)
        for task in ("conduct", "conduct_instruct"):
            rows[f"{craft.name}: {task}"] = table.conductor(craft, count, task=task)
    return rows, table.samples


def as_table(rows: Mapping[str, Score]) -> str:
    """The rows as a Markdown table, in percent."""
    lines = ["| domain: task | n | parsed | right | copied |", "|---|---|---|---|---|"]
    for name, score in rows.items():
        cells = ["" if value is None else f"{100 * value:.1f}" for value in score[1:]]
        lines.append(f"| {name} | {score.cases} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Evaluate the embedded model.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--stage", choices=list(STAGES), default="all")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", action="store_true", help="print samples")
    args = parser.parse_args()
    torch.set_num_threads(2)
    rows, samples = evaluate(
        args.model, count=args.count, stage=args.stage, temperature=args.temperature
    )
    print(as_table(rows))
    if args.samples:
        for name, texts in samples.items():
            print(f"\n{name}\n  " + "\n  ".join(texts))
    if args.out:
        found = {name: score._asdict() for name, score in rows.items()}
        args.out.write_text(json.dumps({"table": found, "samples": samples}, indent=1) + "\n")


if __name__ == "__main__":
    main()
