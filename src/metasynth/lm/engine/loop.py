"""Generation in batches that rows join and leave while it runs.

One thread owns the model. Callers submit requests from any thread and get futures; at every step
the requests that wait take the places of those that ended. A row's random numbers are its own, so
what it says does not depend on who shares the batch (up to rounding of the arithmetic; with
`max_batch=1` bit for bit).
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from metasynth.errors import ModelCallError
from metasynth.lm.load import LoadedLM

from .cache import SlotCache
from .forward import pick_decoder
from .prefix import PREFILL_TOKENS, PREFIX_TOKENS, PromptReader
from .requests import FinishReason, Generation, GenerationRequest, SoftPrefix, check_request
from .sampling import SamplingPlan, sample

if TYPE_CHECKING:
    import torch

Callback = Callable[["Future[Generation]"], object]


@dataclass(eq=False)
class _Row:
    """One request, while it waits and while it runs."""

    request: GenerationRequest
    future: "Future[Generation]"
    tokens: list[int] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)  # one number in [0, 1) for each step
    drawn: int = 0

    @property
    def position(self) -> int:
        """Where the token drawn last stands in its sequence."""
        return self.request.prompt_tokens + len(self.tokens) - 1


class BatchEngine:
    """Answers requests with one model, up to `max_batch` of them at a time.

    Args:
        lm: The model; the engine owns it from here on (its weights must not change).
        max_batch: Rows that are decoded together. With 1, requests run in the order of submission
            and every answer is reproducible bit for bit.
        prefix_tokens: Soft tokens whose keys and values are kept for the rows to come.

    Raises:
        RequestError: The model cannot be decoded with a key-value cache.
    """

    def __init__(
        self, lm: LoadedLM, *, max_batch: int = 8, prefix_tokens: int = PREFIX_TOKENS
    ) -> None:
        if max_batch < 1:
            raise ValueError("max_batch must be at least 1")
        self.lm = lm
        self._decode, self.max_batch = pick_decoder(lm, max_batch=max_batch)
        self._reader = PromptReader(lm, together=self.max_batch, prefix_tokens=prefix_tokens)
        self._cache = SlotCache(self.max_batch)
        self._rows: list[_Row] = []
        self._plan: SamplingPlan | None = None
        self._waiting: deque[_Row] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"lm {lm.name}", daemon=True)
        self._thread.start()

    def submit(self, request: GenerationRequest) -> "Future[Generation]":
        """Queue a request. Cancelling the future takes it out of the queue or of the batch.

        Raises:
            ContextLimitError: Prefix, prompt and answer are longer than the model's context.
            ValueError: The request is no text of this model (see `check_request`).
            ModelCallError: The engine was closed.
        """
        return self.submit_all([request])[0]

    def submit_all(
        self, requests: Sequence[GenerationRequest], *, done: Callback | None = None
    ) -> "list[Future[Generation]]":
        """Queue requests at one moment, so that luck has no part in which share a batch.

        Args:
            requests: All of them are checked before any is queued; the errors are `submit`'s.
            done: Called with each future when it has ended: in the engine's thread, before the next
                step, or in the thread that cancels it.
        """
        for request in requests:
            check_request(request, self.lm)
        rows = [_Row(request, Future()) for request in requests]
        if done is not None:
            for row in rows:
                row.future.add_done_callback(done)
        with self._wake:
            if self._closed:
                raise ModelCallError(f"model {self.lm.name!r} was closed", code="closed_model")
            self._waiting += rows
            self._wake.notify()
        return [row.future for row in rows]

    @property
    def is_closed(self) -> bool:
        """Whether it was told to stop."""
        return self._closed

    def close(self) -> None:
        """Stop. What waits or runs is cancelled."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _serve(self) -> None:
        import torch

        with torch.inference_mode():
            while True:
                with self._wake:
                    while not (self._closed or self._rows or self._waiting):
                        self._wake.wait()
                    if self._closed:
                        break
                    joining = self._take_waiting()
                    ahead = self._next_prefixes() if joining else []
                self._guarded(partial(self._join, ahead=ahead), joining)
                self._leave_cancelled()
                if self._rows:
                    self._guarded(self._step, self._rows)
        for row in (*self._rows, *self._waiting):
            row.future.cancel()
        self._rows = []

    def _take_waiting(self) -> list[_Row]:
        """Rows for the free slots, as many as one padded forward pass should read."""
        joining: list[_Row] = []
        longest = 0
        while self._waiting and len(self._rows) + len(joining) < self.max_batch:
            longest = max(longest, len(self._waiting[0].request.prompt_ids))
            if joining and longest * (len(joining) + 1) > PREFILL_TOKENS:
                break
            row = self._waiting.popleft()
            if not row.future.cancelled():
                joining.append(row)
        return joining

    def _next_prefixes(self) -> list[SoftPrefix]:
        """Those of the rows that will take the places of the ones that run."""
        waiting = (row.request.prefix for row in islice(self._waiting, self.max_batch))
        return [prefix for prefix in waiting if prefix is not None]

    def _guarded(self, work: Callable[[list[_Row]], None], rows: list[_Row]) -> None:
        """Do a part of the work; when it fails, the rows that took part in it hear of it."""
        rows = list(rows)
        try:
            if rows:
                work(rows)
        except Exception as error:
            for row in rows:
                self._leave(row, error)

    def _join(self, rows: list[_Row], *, ahead: Sequence[SoftPrefix]) -> None:
        """Read the prompts of new rows, draw their first tokens, and give them slots."""
        import torch

        for row in rows:
            random = torch.Generator().manual_seed(row.request.settings.seed)
            row.noise = torch.rand(row.request.settings.max_new_tokens, generator=random).tolist()
        read = self._reader.read([row.request for row in rows], ahead=ahead)
        for part in read:
            self._cache.insert(part.layers, part.lengths)
            self._rows += [rows[row] for row in part.rows]
        self._plan = None
        rows = self._rows[-len(rows) :]
        plan = SamplingPlan.of([row.request.settings for row in rows], self.lm.device)
        self._draw(rows, torch.cat([part.logits for part in read]), plan)

    def _step(self, rows: list[_Row]) -> None:
        """Draw one more token for every row."""
        import torch

        device = self.lm.device
        if self._plan is None:
            self._plan = SamplingPlan.of([row.request.settings for row in rows], device)
        self._cache.prepare_step()
        ids = torch.tensor([row.tokens[-1] for row in rows], device=device)
        positions = torch.tensor([row.position for row in rows], device=device)
        logits = self._decode(ids, positions, self._cache)
        self._cache.finish_step()
        self._draw(rows, logits, self._plan)

    def _draw(self, rows: list[_Row], logits: "torch.Tensor", plan: SamplingPlan) -> None:
        import torch

        failed = _constrain(rows, logits)
        uniform = torch.tensor([[row.noise[row.drawn]] for row in rows], device=logits.device)
        tokens = sample(logits, plan, uniform).tolist()
        if max(tokens) >= logits.shape[-1]:  # nothing was found below the total: it is no number
            raise ModelCallError(
                f"model {self.lm.name!r} computes no numbers (NaN) in this precision",
                code="not_finite",
            )
        for row, token in zip(rows, tokens, strict=True):
            outcome = failed.get(id(row)) or self._take_token(row, token)
            if outcome:
                self._leave(row, outcome)

    def _take_token(self, row: _Row, token: int) -> "Generation | Exception | None":
        """Note a row's token; the answer when it is complete."""
        row.drawn += 1
        if token in self.lm.end_token_ids:
            return self._answer(row, "stop")
        row.tokens.append(token)
        if row.request.constraint is not None:
            try:
                row.request.constraint.accept(token)
                if row.request.constraint.is_finished():
                    return self._answer(row, "stop")
            except Exception as error:  # one row's constraint, not the batch's
                return error
        if row.request.settings.stop and self._has_stop(row):
            return self._answer(row, "stop")
        if row.drawn == row.request.settings.max_new_tokens:
            return self._answer(row, "length")
        return None

    def _has_stop(self, row: _Row) -> bool:
        """Whether the end of the answer contains a stop string (a token has at least a byte)."""
        stops = row.request.settings.stop
        reach = max(len(stop.encode()) for stop in stops) + 4
        tail = self.lm.tokenizer.decode(row.tokens[-reach:], skip_special_tokens=True)
        return any(stop in tail for stop in stops)

    def _answer(self, row: _Row, reason: FinishReason) -> Generation:
        text = str(self.lm.tokenizer.decode(row.tokens, skip_special_tokens=True))
        for stop in row.request.settings.stop:
            text = text.partition(stop)[0]
        return Generation(
            token_ids=tuple(row.tokens),
            text=text,
            finish_reason=reason,
            prompt_tokens=row.request.prompt_tokens,
            completion_tokens=row.drawn,
        )

    def _leave_cancelled(self) -> None:
        for row in [row for row in self._rows if row.future.cancelled()]:
            self._leave(row, None)

    def _leave(self, row: _Row, outcome: "Generation | Exception | None") -> None:
        if row in self._rows:  # not where its prompt could not even be read
            slot = self._rows.index(row)
            self._cache.remove(slot)
            last = self._rows.pop()
            if last is not row:
                self._rows[slot] = last
            self._plan = None
        if outcome is not None:
            _settle(row.future, outcome)


def _settle(future: "Future[Generation]", outcome: Generation | Exception) -> None:
    """Hand over the outcome, unless the caller has cancelled or already heard."""
    if future.done() or not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _constrain(rows: list[_Row], logits: "torch.Tensor") -> dict[int, Exception]:
    """Forbid in `logits` what constraints forbid; the errors of constraints that failed."""
    import torch

    failed: dict[int, Exception] = {}
    for slot, row in enumerate(rows):
        if row.request.constraint is None:
            continue
        try:
            allowed = torch.from_numpy(row.request.constraint.allowed())
            logits[slot].masked_fill_(~allowed.to(logits.device), -torch.inf)
        except Exception as error:
            failed[id(row)] = error
    return failed
