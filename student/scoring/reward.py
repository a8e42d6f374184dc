"""Reward models: a number for a question and its answer, from a classifier with one output."""

from collections.abc import Sequence
from typing import Any

from metasynth.errors import RequestError
from metasynth.lm.batches import token_batches
from metasynth.lm.load import LoadedLM, load_lm
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRowError, StudentRow

TOKENS_PER_BATCH = 8192


class RewardModel:
    """A sequence classifier with one output, as reward models for chats are.

    Raises:
        RequestError: The model gives another number of outputs.
    """

    def __init__(self, lm: LoadedLM) -> None:
        outputs = lm.model.config.num_labels
        if outputs != 1:
            raise RequestError(
                f"model {lm.name!r} gives {outputs} numbers, where a reward model gives one",
                hint="name a reward model: a sequence classifier with one label",
                code="not_a_reward_model",
            )
        self._lm = lm
        self._renderer = Renderer(lm)
        pad = lm.model.config.get_text_config().pad_token_id
        self._pad: int | None = pad if isinstance(pad, int) else None

    @classmethod
    def load(cls, path_or_id: str, *, device: str = "auto") -> "RewardModel":
        """A reward model from a folder or a hub id.

        Raises:
            RequestError: There is no such model, or it is no reward model.
        """
        return cls(load_lm(path_or_id, device=device, architecture="classifier"))

    def rewards(self, rows: Sequence[tuple[StudentRow, str]]) -> list[float | str]:
        """The reward of each row's prompt with an answer; why there is none, where there is none.

        The prompt goes through the reward model's own chat template. Rows of like length are read
        together, and alone or in company a row has the same reward.
        """
        rewards: list[float | str] = []
        encoded: dict[int, list[int]] = {}
        for number, (row, answer) in enumerate(rows):
            rewards.append("")
            try:
                encoded[number] = self._renderer.answered(row, answer)
            except BadRowError as error:
                rewards[number] = f"for the reward model: {error}"
        numbers = list(encoded)
        lengths = [len(encoded[number]) for number in numbers]
        alone = 1 if self._pad is None else None
        for batch in token_batches(lengths, TOKENS_PER_BATCH, at_most=alone):
            chosen = [numbers[place] for place in batch]
            values = self._forward([encoded[number] for number in chosen])
            for number, value in zip(chosen, values, strict=True):
                rewards[number] = value
        return rewards

    def _forward(self, rows: list[list[int]]) -> list[float]:
        import torch

        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self._pad or 0)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        model: Any = self._lm.model
        with torch.inference_mode():
            logits = model(
                input_ids=ids.to(self._lm.device), attention_mask=mask.to(self._lm.device)
            ).logits
        values: list[float] = logits[:, 0].float().tolist()
        return values
