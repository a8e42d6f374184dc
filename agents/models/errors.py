"""What an endpoint's failure means: whether another try can help, and what a person is told.

It is judged by what an exception carries (`evidence`), so that the packages of all providers are
judged alike. The server's own sentence is always in the message.
"""

import difflib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx2
import openai
from langchain_core.exceptions import ContextOverflowError

from metasynth.agents.models.pacing.tries import Verdict
from metasynth.errors import ContextLimitError, ModelCallError, PromptError, RefusedPromptError

from .delays import wait_asked_s
from .evidence import Evidence, evidence_of, one_line

_RETRIED_STATUS = frozenset({408, 409, 425, 429})
_OVERLOAD_STATUS = frozenset({502, 503, 504, 529})
_QUOTA_SIGNS = (
    "insufficient_quota",
    "billing",
    "exceeded your current quota",
    "insufficient balance",
    "insufficient credits",
    "insufficient funds",
    "out of credits",
    "quota exceeded",
    "exceeded quota",
)
_MINUTE = re.compile(r"per[ _-]?(?:minute|second)|/ ?min\b|\b[rt]pm\b")
_CONTEXT_SIGNS = (
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input tokens exceed",
)
_FILTER_SIGNS = (
    "content_filter",
    "content_policy_violation",
    "content management policy",
    "data_inspection_failed",
    "responsibleaipolicyviolation",
    "prompt_blocked",
)
_SETUP_SIGNS = (  # a 500 that the next try would get again
    "template",
    "jinja",
    "grammar",
    "tool",
    "flag",
    "not supported",
    "unsupported",
    "not implemented",
    "does not support",
    "parameter",
    "param ",
    "invalid",
    "schema",
)
_NO_REASON = re.compile(  # sentences that say nothing of the cause
    r"internal (?:server )?error|server (?:had|encountered) an|server error|unknown error|"
    r"something went wrong|unexpected error|try again|temporar|overload|unavailable|busy|"
    r"time[d ]?-?out|gateway|upstream|no message|capacity"
)
_FEW_TRIES = 2
_OURS = frozenset({"builtins", "metasynth"})  # whose exceptions are defects, if nothing else
_NO_CONNECTION = (
    "ConnectError",
    "EndpointConnectionError",
    "ClientConnectorError",
    ConnectionRefusedError,
)


def judge(error: Exception) -> Verdict:
    """What a failed try means for the next one.

    Raises:
        Exception: `error` itself, where it is no failure of the endpoint but a defect.
    """
    evidence = evidence_of(error)
    if evidence.status is not None:
        return _judge_answer(evidence)
    if _caused_by(error, "Timeout", "TimeoutError", "TimeoutException"):
        if _caused_by(error, "ConnectTimeout", "ConnectTimeoutError"):
            return Verdict("overloaded", "the connection was not accepted in time")
        return Verdict("overloaded", "no answer in time")
    if _caused_by(error, *_NO_CONNECTION):
        return Verdict("overloaded", "connection refused")
    if _caused_by(
        error, "HTTPClientError", "ClientConnectionError", "TransportError", ConnectionError
    ) or isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return Verdict("failed", "the connection was cut before the answer was complete")
    if isinstance(error, ContextOverflowError) or _has_sign(evidence, _CONTEXT_SIGNS):
        return Verdict("final", one_line(str(error)))
    if isinstance(error, openai.OpenAIError):  # among them an error event inside a stream
        return Verdict("failed", evidence.sentence)
    stumbled = isinstance(error, ValueError | TypeError | LookupError | AttributeError)
    if stumbled or type(error).__module__.partition(".")[0] not in _OURS:
        # What packages and SDKs raise when the answer has not the form that it should.
        return Verdict("failed", f"no chat completion came back ({one_line(str(error), 120)})")
    raise error


def _judge_answer(evidence: Evidence) -> Verdict:
    status = evidence.status or 0
    text = f"{status}: {evidence.sentence}"
    if evidence.target or status == 402:
        return Verdict("final", text)
    if status < 300:
        if evidence.is_page or evidence.is_text:
            return Verdict("final", text)
        return Verdict("failed", f"no chat completion came back ({one_line(evidence.words, 120)})")
    if status < 500 and status not in _RETRIED_STATUS:
        return Verdict("final", text)
    if status == 501:
        return Verdict("failed", text, most_tries=1)
    wait_s = wait_asked_s(evidence)
    if status == 429:
        spent = _has_sign(evidence, _QUOTA_SIGNS) and not _MINUTE.search(evidence.text)
        return Verdict("final" if spent and wait_s is None else "refused", text, wait_s)
    return _judge_server(evidence, text, wait_s)


def _judge_server(evidence: Evidence, text: str, wait_s: float | None) -> Verdict:
    """A server that failed: for the moment, or for as long as it is set up as it is."""
    if evidence.status in _OVERLOAD_STATUS:
        return Verdict("overloaded", text, wait_s)
    if evidence.is_page:
        return Verdict("failed", text, wait_s)
    if _has_sign(evidence, _SETUP_SIGNS):
        return Verdict("failed", text, wait_s, most_tries=_FEW_TRIES)
    cause = "" if _NO_REASON.search(evidence.sentence.lower()) else _constant(evidence.sentence)
    return Verdict("failed", text, wait_s, cause=cause)


def _constant(sentence: str) -> str:
    """What stays of a sentence when it is said of another request."""
    return re.sub(r"\b[\da-f-]{6,}\b|\d+", "#", sentence.lower())


def final_error(
    error: Exception,
    verdict: Verdict,
    *,
    endpoint: str,
    model: str,
    key_env: str,
    tries: int,
    offered: Sequence[str] = (),
) -> ModelCallError:
    """The one line that a person reads when a call has finally failed, and what to do about it.

    Args:
        error: What the last try raised.
        verdict: What it meant.
        endpoint: Address of the endpoint.
        model: Name of the model.
        key_env: Environment variable that holds the key.
        tries: How often it was tried.
        offered: Models that the endpoint has, where that was asked.
    """
    evidence, url = evidence_of(error), public_url(endpoint)
    where, status = f"{model} at {url}", evidence.status
    if prompt := _prompt_error(error, evidence, where, verdict):
        return prompt
    if address := _address_error(evidence, where, url, verdict):
        return address
    if status == 404:
        return _not_found(url, model, verdict, offered)
    if status in _ADVICE:
        what, hint, code = _ADVICE[status]
        return ModelCallError(
            f"{where}: {what} ({verdict.text})", hint=hint.format(key_env=key_env), code=code
        )
    if status == 429 and verdict.kind == "final":
        return ModelCallError(
            f"{where}: the account has no quota left ({verdict.text})",
            hint=f"check the plan and billing of the account behind {key_env}",
            code="no_quota",
        )
    if verdict.kind == "final":
        return ModelCallError(
            f"{where}: the request was turned down ({verdict.text})",
            hint="check the teacher section of the run file: model, base_url, extra_body",
            code="request_refused",
        )
    if verdict.most_tries:
        return ModelCallError(
            f"{where}: the server fails each time in the same way ({verdict.text})",
            hint="look at its flags and its chat template; conductor.tools: schema sends no tools",
            code="server_fault",
        )
    if _caused_by(error, "ConnectTimeout", *_NO_CONNECTION):
        return ModelCallError(
            f"cannot reach {url} for {model}: {verdict.text}",
            hint="is the server running, and is base_url right?",
            code="unreachable",
        )
    return ModelCallError(
        f"{where}: gave no answer in {tries} tries, last: {verdict.text}",
        hint="start the same command again later: it goes on where it stopped",
        code="rate_limited" if verdict.kind == "refused" else "no_answer",
    )


def _prompt_error(
    error: Exception, evidence: Evidence, where: str, verdict: Verdict
) -> PromptError | None:
    """What costs this prompt alone."""
    if _is_context_limit(error, evidence):
        return ContextLimitError(
            f"{where}: the prompt is longer than the model's context ({verdict.text})",
            hint="take a model with a larger context, or lower max_tokens and the word cap",
            code="context_limit",
        )
    if evidence.status in (400, 403, 422) and _has_sign(evidence, _FILTER_SIGNS):
        return RefusedPromptError(
            f"{where}: the prompt was turned down by a filter ({verdict.text})",
            code="prompt_filtered",
        )
    return None


def _address_error(
    evidence: Evidence, where: str, url: str, verdict: Verdict
) -> ModelCallError | None:
    """What says that the address is another's."""
    status = evidence.status or 0
    if evidence.target:
        return ModelCallError(
            f"{where}: the address redirects to {public_url(evidence.target)} ({status})",
            hint="set base_url to where it leads, up to /v1",
            code="redirected",
        )
    page = evidence.is_page and status not in (401, *_OVERLOAD_STATUS)
    if page or (status and status < 300 and verdict.kind == "final" and evidence.is_text):
        what = "HTML" if page else "text"
        return ModelCallError(
            f"this is no API: got {what} from {public_url(evidence.url) or url} ({verdict.text})",
            hint="check base_url, which mostly ends in /v1",
            code="no_api",
        )
    return None


_ADVICE = {
    401: ("wrong key", "set {key_env} to a key of this endpoint", "wrong_key"),
    402: ("the account is not paid for", "check the account behind {key_env}", "no_quota"),
    403: (
        "the key may not use this model",
        "check what the key in {key_env} is allowed to use",
        "forbidden",
    ),
}


def _not_found(url: str, model: str, verdict: Verdict, offered: Sequence[str]) -> ModelCallError:
    if not offered:
        return ModelCallError(
            f"no model called {model} at {url}, or no chat completions there ({verdict.text})",
            hint="check the model's name, and base_url, which mostly ends in /v1",
            code="not_found",
        )
    if _plain(model) in map(_plain, offered):
        return ModelCallError(
            f"{model} at {url}: the request was turned down ({verdict.text})",
            hint="the endpoint has the model: see what it says of account, policy or tools "
            "(conductor.tools: schema needs none)",
            code="request_refused",
        )
    near = difflib.get_close_matches(model, offered, n=1)
    listed = ", ".join(offered[:8]) + (", …" if len(offered) > 8 else "")
    return ModelCallError(
        f"no model called {model} at {url}; it offers: {listed} ({verdict.text})",
        hint=f"did you mean {near[0]}?" if near else "write one of these names",
        code="unknown_model",
    )


def _plain(name: str) -> str:
    """A model's name without what some endpoints put around it."""
    return name.removeprefix("models/").removesuffix(":latest").lower()


def public_url(url: str) -> str:
    """An address without user name, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _is_context_limit(error: Exception, evidence: Evidence) -> bool:
    if evidence.status not in (None, 200, 400, 413, 422):
        return False
    return isinstance(error, ContextOverflowError) or _has_sign(evidence, _CONTEXT_SIGNS)


def _has_sign(evidence: Evidence, signs: Sequence[str]) -> bool:
    return any(sign in evidence.text for sign in signs)


def _caused_by(error: BaseException | None, *kinds: type[BaseException] | str) -> bool:
    """Whether the error, or what it was made from, is of a class, or of one whose name ends so."""
    types = tuple(kind for kind in kinds if isinstance(kind, type))
    names = tuple(kind for kind in kinds if isinstance(kind, str))
    while error is not None:
        if isinstance(error, types):
            return True
        if any(each.__name__.endswith(names) for each in type(error).__mro__):
            return True
        error = error.__cause__ or error.__context__
    return False
