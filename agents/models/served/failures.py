"""Failures of LangChain's packages, each with exceptions of its own, as the judge knows them.

An exception is told by what it carries: a status with body and headers, somewhere along the chain
of its causes; else by what kind of trouble its class is named for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import openai

_TIMEOUTS = ("timeout", "timedout")
_CONNECTIONS = ("connecterror", "connectionerror", "clientconnector", "noconnection")
_TRANSPORT = ("protocolerror", "readerror", "writeerror", "networkerror", "httpclienterror")
_REQUEST = httpx2.Request("POST", "http://127.0.0.1")


def as_endpoint_failure(error: Exception) -> Exception:
    """The failure in the classes of OpenAI's SDK; `error` itself where no endpoint failed."""
    if isinstance(error, openai.OpenAIError | httpx2.HTTPError | TimeoutError):
        return error
    for cause in _chain(error):
        if isinstance(cause, openai.OpenAIError):
            return cause
        if (status := _status(cause)) is not None:
            body = _body(cause)
            headers = {str(key): str(value) for key, value in _headers(cause).items()}
            for name in [key for key in headers if key.lower().startswith("content-")]:
                del headers[name]
            response = httpx2.Response(status, headers=headers, request=_REQUEST)
            return openai.APIStatusError(str(error), response=response, body=body)
    return _without_status(error)


def _without_status(error: Exception) -> Exception:
    names = [type(cause).__name__.lower() for cause in _chain(error)]
    if any(sign in name for name in names for sign in _TIMEOUTS):
        return TimeoutError(str(error))
    if isinstance(error, OSError) or any(s in name for name in names for s in _CONNECTIONS):
        failure = openai.APIConnectionError(request=_REQUEST)
        failure.__cause__ = httpx2.ConnectError(str(error))
        return failure
    if any(sign in name for name in names for sign in _TRANSPORT):
        return openai.APIConnectionError(request=_REQUEST)
    if type(error).__module__ == "builtins":
        return error  # a defect of ours, or what the judge knows
    return ValueError(str(error))  # a package's word for an answer that it cannot read


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    values = [getattr(error, name, None) for name in ("status_code", "http_status", "code")]
    values += [getattr(response, "status_code", None), getattr(response, "status", None)]
    if isinstance(response, Mapping):  # boto3's
        values.append((response.get("ResponseMetadata") or {}).get("HTTPStatusCode"))
    return next((value for value in values if isinstance(value, int) and 400 <= value < 600), None)


def _headers(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return (response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    headers = getattr(error, "headers", None) or getattr(response, "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def _body(error: BaseException) -> object:
    """The server's own words, without the envelopes around them."""
    response = getattr(error, "response", None)
    body = getattr(error, "body", None) or getattr(error, "details", None)
    if not body and isinstance(response, Mapping):
        body = response.get("Error")
        body = {name.lower(): value for name, value in body.items()} if body else None
    if not body:
        body = str(error)
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    return body
