"""What a person is told when something goes wrong.

    MetaSynthError              the run failed: exit status 1
    ├── ModelCallError          an endpoint or a local model could not answer
    │   └── PromptError         this prompt cannot be answered, another could: a record is lost
    │       ├── ContextLimitError    it does not fit the model
    │       ├── RefusedPromptError   the endpoint's content filter turns it down
    │       └── EmptyAnswerError     the model answered, and there was nothing in it
    ├── BudgetEndedError        a limit of the run file was reached (not a failure of the run)
    │   └── RunStoppedError     the run cannot work: it writes nothing more in this start
    ├── RunInterruptedError     a person or the system ended the run: exit status 130
    └── RequestError            the request was wrong, nothing was started: exit status 2
        └── ConfigError         a file of the user is wrong: file, key and what was expected

Every message is one line that says what is wrong and where; `hint` says what to do about it. `code`
is for programs: a caller or a test asks for it and not for the words.
Anything else that escapes is a defect of ours and prints a traceback.
"""

from typing import ClassVar


class MetaSynthError(Exception):
    """A failure that is told in one line, without a traceback.

    Args:
        message: What went wrong and where.
        hint: What to do about it.
        code: Which of the things that can go wrong this is, as `unknown_key`; "" where no caller
            tells it from others.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class RequestError(MetaSynthError):
    """The request was wrong: nothing was started."""

    exit_status: ClassVar[int] = 2


class ConfigError(RequestError):
    """A file that the user wrote is wrong."""


class ModelCallError(MetaSynthError):
    """A model could not answer and another try would not help, or the tries are used up."""


class PromptError(ModelCallError):
    """This prompt cannot be answered, while another could: no reason to end a run."""


class RefusedPromptError(PromptError):
    """The endpoint refuses to answer this prompt, now and whenever it is sent again."""


class ContextLimitError(PromptError):
    """The prompt (with room for an answer) is longer than the model's context."""


class EmptyAnswerError(PromptError):
    """The model answered, each time that it was asked, and there was nothing in it."""


class RunInterruptedError(MetaSynthError):
    """SIGINT or SIGTERM ended the run; the same command goes on with it."""

    exit_status: ClassVar[int] = 130


class BudgetEndedError(MetaSynthError):
    """A limit of the run's budget was reached before a call; what is written so far is kept."""


class RunStoppedError(BudgetEndedError):
    """What was seen of the models shows that the run would only spend: `code` says what.

    It ends the chains as a budget does; calls in flight still end, and what is written is kept.
    """
