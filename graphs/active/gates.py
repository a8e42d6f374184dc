"""Whether adaptive contexts do what they are meant to: the four gates of a round."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metasynth.student.rounds_folder import RoundFolder

from .contexts import Steered, read_contexts
from .decoding import faults_of, read_drawn, static_drawn

if TYPE_CHECKING:
    from metasynth.student.contexts.preconditions import Gate
    from metasynth.student.fidelity import Pair


def round_gates(steered: Steered, folder: RoundFolder, pairs: "Sequence[Pair]") -> "list[Gate]":
    """The gates, as far as there is something to judge them by; blocks.

    Args:
        folder: Of the round.
        pairs: Children with their parents, by cluster, of all rounds so far.
    """
    from metasynth.student.contexts.preconditions import (
        manifold_gate,
        prediction_gate,
        steering_gate,
    )

    samples = read_drawn(folder.drawn)
    if not samples:
        return []
    statics = read_drawn(static_drawn(folder)) or samples
    junk, static_junk = (
        (sum(bool(faults_of(steered, sample)) for sample in drawn), len(drawn))
        for drawn in (samples, statics)
    )
    arrays, seed = read_contexts(folder.contexts), steered.seed
    z, pool, scores = arrays["z"], arrays["pool"], arrays["scores"]
    gates = [*_context_gate(steered)]
    if len(set(scores.tolist())) > 1:
        gates.append(prediction_gate(pool, scores, seed=seed))
    if pairs:
        gates.append(steering_gate(pairs, seed=seed))
    gates.append(manifold_gate(z, pool, junk=junk, static_junk=static_junk, seed=seed))
    return gates


def _context_gate(steered: Steered) -> "list[Gate]":
    """Gate 1, from what the training of the soft prompt measured on its held-out rows."""
    from metasynth.student.contexts.preconditions import Gate
    from metasynth.student.intervals import Interval

    measured = (steered.steering.summary().get("training") or {}).get("after") or {}
    gap, error = measured.get("shuffled_gap"), measured.get("shuffled_gap_error")
    if gap is None or error is None:
        return []
    value = Interval(gap, gap - 1.96 * error, gap + 1.96 * error)
    detail = "nats a token that a shuffled z costs, as measured after the training"
    return [Gate("context", value, int(measured.get("rows", 0)), value.low > 0, detail)]
