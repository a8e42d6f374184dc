"""Asking a model the questions of a task and judging what comes back; see `tasks`."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from metasynth.errors import RequestError
from metasynth.eval.tasks.result import ItemResult
from metasynth.eval.tasks.settings import CHAT_TOKENS, TaskSettings
from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskSpec, TaskVerdict
from metasynth.lm.load import LoadedLM

from .few_shot import Examples
from .models import AskModel, Likelihood, ModelReply, ask_endpoint, generate_replies, likelihoods
from .prompts import ChoicePrompts, Prompt, PromptEncoder

_JUDGES = 4  # programs of a model that run at a time


class Question(NamedTuple):
    """A row that is asked: its number, and its question or why it has none."""

    row: int
    item: TaskItem | None
    reason: str = ""


class ItemScorer:
    """One model on one task: what becomes of each row.

    Args:
        model: A causal model in this process, or what asks a chat model.
        spec: The task.
        settings: How it is asked.
        shots: Examples before a question.
        seed: Of answers that are drawn.
        examples: What stands before a question.

    Raises:
        RequestError: The model cannot be asked that way.
    """

    def __init__(
        self,
        model: LoadedLM | AskModel,
        spec: TaskSpec,
        settings: TaskSettings,
        *,
        shots: int,
        seed: int,
        examples: Examples,
    ) -> None:
        self._model = model
        self._spec = spec
        self._settings = settings
        self._shots = shots
        self._seed = seed
        self._examples = examples
        self._most = settings.max_new_tokens or spec.max_new_tokens
        self._encoder: PromptEncoder | None = None
        self._used: dict[str, object] = {}
        if settings.max_new_tokens is None and (settings.chat or not isinstance(model, LoadedLM)):
            room = CHAT_TOKENS
            if isinstance(model, LoadedLM):
                room = min(room, model.context_length // 2)
            self._most = max(self._most, room)
        if isinstance(model, LoadedLM):
            self._encoder = PromptEncoder(
                model, spec, examples, bos=settings.bos, chat=settings.chat
            )
        elif settings.scoring == "likelihood":
            raise RequestError(
                "an endpoint tells no likelihoods of given choices",
                hint="--scoring parsed reads its answers; local:PATH can be scored by likelihood",
                code="no_likelihoods",
            )

    def results(
        self, questions: Sequence[Question], on_answer: Callable[[int], object] | None
    ) -> list[ItemResult]:
        """What becomes of each row, in their order."""
        results: dict[int, ItemResult] = {
            question.row: ItemResult(question.row, "", None, None, "", question.reason)
            for question in questions
            if question.item is None
        }
        items = {question.row: question.item for question in questions if question.item is not None}
        by_likelihood = self._by_likelihood(list(items.values()))
        self._used["scoring"] = "likelihood" if by_likelihood else "parsed"
        score = self._by_choices if by_likelihood else self._by_answers
        if items:
            results.update(score(items, on_answer))
        return [results[question.row] for question in questions]

    def settings(self) -> dict[str, object]:
        """The settings that were in force."""
        encoder = self._encoder
        is_local = encoder is not None
        by_likelihood = self._used.get("scoring") == "likelihood"
        return {
            **self._used,
            "shots": self._shots,
            "seed": self._seed,
            "limit": self._settings.limit,
            "normalise": self._settings.normalise if by_likelihood else None,
            "bos": encoder.bos if encoder is not None and not self._settings.chat else None,
            "chat": self._settings.chat or not is_local,
            "max_new_tokens": None if by_likelihood else self._most,
            "temperature": None if by_likelihood else self._settings.temperature,
            **self._spec.settings,
        }

    def _by_likelihood(self, items: Sequence[TaskItem]) -> bool:
        wanted = self._settings.scoring
        has_choices = bool(items) and all(item.choices for item in items)
        if wanted == "likelihood" and items and not has_choices:
            raise RequestError(
                f"task {self._spec.name} has no choices whose likelihood could be compared",
                hint="--scoring parsed",
                code="no_choices",
            )
        if wanted == "auto":
            return has_choices and self._encoder is not None and not self._settings.chat
        return wanted == "likelihood"

    def _by_choices(
        self, items: Mapping[int, TaskItem], on_answer: Callable[[int], object] | None
    ) -> dict[int, ItemResult]:
        """The likeliest choice of each question."""
        assert self._encoder is not None
        assert isinstance(self._model, LoadedLM)
        results: dict[int, ItemResult] = {}
        prompts: dict[int, ChoicePrompts] = {}
        for row, item in items.items():
            try:
                prompts[row] = self._encoder.choices(item, self._shots)
            except BadItemError as error:
                results[row] = _unscored(row, item, str(error))
        scores = likelihoods(
            self._model,
            list(prompts.values()),
            tokens_per_batch=self._settings.tokens_per_batch,
            on_answer=on_answer,
        )
        for (row, prompt), scored in zip(prompts.items(), scores, strict=True):
            results[row] = self._likeliest(row, items[row], prompt, scored)
        return results

    def _likeliest(
        self, row: int, item: TaskItem, prompt: ChoicePrompts, scored: Sequence[Likelihood]
    ) -> ItemResult:
        ways = {
            "per_token": [likelihood.per_token for likelihood in scored],
            "raw": [likelihood.total for likelihood in scored],
        }
        best = {name: max(range(len(scored)), key=of.__getitem__) for name, of in ways.items()}
        chosen = best[self._settings.normalise]
        return ItemResult(
            row=row,
            id=item.id,
            correct=chosen == item.gold,
            found=item.choices[chosen],
            expected=_expected(item),
            shots=prompt.shots,
            cut=prompt.cut,
            correct_by={name: choice == item.gold for name, choice in best.items()},
            likelihoods=tuple((likelihood.total, likelihood.tokens) for likelihood in scored),
            group=item.group,
        )

    def _by_answers(
        self, items: Mapping[int, TaskItem], on_answer: Callable[[int], object] | None
    ) -> dict[int, ItemResult]:
        """What is read out of the answer to each question."""
        results: dict[int, ItemResult] = {}
        prompts: dict[int, Prompt] = {}
        for row, item in items.items():
            try:
                prompts[row] = self._prompt(item)
            except BadItemError as error:
                results[row] = _unscored(row, item, str(error))
        replies = dict(zip(prompts, self._replies(items, prompts, on_answer), strict=True))
        answered = [row for row, reply in replies.items() if not reply.failure]
        verdicts = dict(zip(answered, self._verdicts(items, replies, answered), strict=True))
        for row, reply in replies.items():
            if row in verdicts:
                results[row] = _judged(row, items[row], prompts[row], reply, verdicts[row])
            else:
                results[row] = _unscored(row, items[row], reply.failure)
        return results

    def _prompt(self, item: TaskItem) -> Prompt:
        if self._encoder is not None:
            return self._encoder.question(item, self._shots, self._most)
        return Prompt((), len(self._examples.before(item, self._shots)), self._most)

    def _replies(
        self,
        items: Mapping[int, TaskItem],
        prompts: Mapping[int, Prompt],
        on_answer: Callable[[int], object] | None,
    ) -> list[ModelReply]:
        if isinstance(self._model, LoadedLM):
            return generate_replies(
                self._model,
                list(prompts.values()),
                stop=() if self._settings.chat else self._spec.stop,
                temperature=self._settings.temperature,
                seed=self._seed,
                max_batch=self._settings.max_batch,
                on_answer=on_answer,
            )
        return ask_endpoint(
            self._model,
            [self._message(items[row]) for row in prompts],
            max_tokens=self._most,
            concurrency=self._settings.concurrency,
            on_answer=on_answer,
        )

    def _message(self, item: TaskItem) -> str:
        """What is sent to a chat model behind an endpoint."""
        text = self._examples.prompt(item, self._shots)
        return f"{self._spec.instruction}\n\n{text}" if self._spec.instruction else text

    def _verdicts(
        self, items: Mapping[int, TaskItem], replies: Mapping[int, ModelReply], rows: Sequence[int]
    ) -> list[TaskVerdict]:
        judge = self._spec.judge
        if not self._spec.runs_code:
            return [judge(items[row], replies[row].text) for row in rows]
        with ThreadPoolExecutor(_JUDGES) as pool:  # they wait for processes
            return list(pool.map(lambda row: judge(items[row], replies[row].text), rows))


def _judged(
    row: int, item: TaskItem, prompt: Prompt, reply: ModelReply, verdict: TaskVerdict
) -> ItemResult:
    return ItemResult(
        row=row,
        id=item.id,
        correct=verdict.correct,
        found=verdict.found,
        expected=_expected(item),
        reason=verdict.reason or ("" if verdict.found is not None else "no answer"),
        answer=reply.text,
        score=verdict.score,
        shots=prompt.shots,
        cut=reply.cut or prompt.cut,
        group=item.group,
    )


def _unscored(row: int, item: TaskItem, reason: str) -> ItemResult:
    return ItemResult(row, item.id, None, None, _expected(item), reason, group=item.group)


def _expected(item: TaskItem) -> str:
    return item.choices[item.gold] if item.gold is not None else item.answer
