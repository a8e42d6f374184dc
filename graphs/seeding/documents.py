"""Which document an instruction is made from: each in turn, until each has so many."""

from collections import Counter
from collections.abc import Sequence

from metasynth.errors import BudgetEndedError
from metasynth.randomness import generator
from metasynth.records.documents import Document


class DocumentPicker:
    """Hands documents to chains; see `Seeds`.

    The one with the fewest instructions begun comes next, so that a budget that ends early has been
    spent on as many documents as it can, and the second instruction of a document is seldom in work
    beside the first, which it is told of.

    Args:
        documents: In a stable order; they are handed out in one drawn from `random_seed`.
        per_document: Instructions begun from each, rejected ones included.
    """

    def __init__(
        self, documents: Sequence[Document], *, per_document: int, random_seed: int
    ) -> None:
        self._documents = {document.id: document for document in documents}
        self._order = list(self._documents)
        generator(random_seed, "documents").shuffle(self._order)
        self._per_document = per_document
        self._begun: Counter[str] = Counter()

    def remember(self, chain: str, seed_id: str) -> None:  # noqa: ARG002 - no chain has its own
        """An instruction of an earlier start was begun from this document."""
        if seed_id in self._documents:
            self._begun[seed_id] += 1

    def find(self, seed_id: str) -> Document | None:
        """The document with this id."""
        return self._documents.get(seed_id)

    async def pick(self, chain: str) -> Document:  # noqa: ARG002 - no chain has its own
        """The document for the next instruction.

        Raises:
            BudgetEndedError: Every document has as many as it shall have.
        """
        chosen = min(self._order, key=self._begun.__getitem__)  # of equals the first
        if self._begun[chosen] >= self._per_document:
            raise BudgetEndedError(
                f"documents: {self._per_document} instructions were begun from each of the "
                f"{len(self._order)}",
                code="documents_used_up",
            )
        self._begun[chosen] += 1
        return self._documents[chosen]
