"""Examples before a question: drawn by the seed, the same for all questions but their own."""

from collections.abc import Sequence

from metasynth.eval.tasks.spec import TaskItem
from metasynth.randomness import generator


class Examples:
    """Examples of a task, in an order that the seed alone decides.

    An example that is the question itself is passed over for the next one, whether it is known by
    its name or by its text; so all questions share their examples but the few that stand among
    them. Equal questions are drawn once.

    Args:
        pool: What examples are drawn from.
        seed: Of the order.
        joint: What stands between a question and its answer.
    """

    def __init__(self, pool: Sequence[TaskItem], *, seed: int, joint: str) -> None:
        different = list({item.question: item for item in reversed(pool)}.values())[::-1]
        generator(seed, "few-shot examples").shuffle(different)
        self._pool = different
        self._joint = joint

    def before(self, item: TaskItem, shots: int) -> list[TaskItem]:
        """The examples before a question; fewer than asked where there are no more."""
        chosen: list[TaskItem] = []
        for other in self._pool:
            if len(chosen) == shots:
                break
            is_same = other.question == item.question or (other.id and other.id == item.id)
            if not is_same:
                chosen.append(other)
        return chosen

    def prompt(self, item: TaskItem, shots: int) -> str:
        """Examples and question as one text, an empty line between them."""
        shown = [
            f"{example.question}{self._joint}{example.answer}"
            for example in self.before(item, shots)
        ]
        return "\n\n".join([*shown, item.question])
