"""A row of a file, or what is wrong with it."""

from typing import Any, NamedTuple

from metasynth.errors import ConfigError


class Row(NamedTuple):
    """A row as its file has it.

    Attributes:
        place: File and line or row, for a person.
        number: Of the line or row, from 1.
        value: Usually an object.
        problem: Why there is no value; "" where there is one.
        code: Of the problem.
    """

    place: str
    number: int
    value: Any
    problem: str = ""
    code: str = ""

    def checked(self) -> "Row":
        """The row, where nothing is wrong with it.

        Raises:
            ConfigError: Something is.
        """
        if self.problem:
            said = f"not JSON, {self.problem}" if self.code == "not_utf8" else self.problem
            hint = "split it, or remove it" if self.code == "long_line" else None
            raise ConfigError(f"{self.place}: {said}", hint=hint, code=self.code)
        return self
