"""Who may speak to a server for Studio: an app of LangGraph's server, whose checks come first.

An entry point: nothing imports it. A page that somebody opens in a browser can send requests to
this machine too, so that a server without a password is open to every page. Refused are

- a `Host` that is not this machine (a name that was made to point here: DNS rebinding),
- an `Origin` that is neither Studio's nor the server's own, whatever else the request says (the
  server lets `x-auth-scheme: langsmith` pass authentication while it serves for development),
- what a browser says comes from another site without an origin,
- a request without the token, where METASYNTH_STUDIO_TOKEN is set: before the path, which a browser
  can send everywhere, or as `Authorization: Bearer TOKEN`. `/ok` needs none, nor does a preflight.
"""

import os
import secrets
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from metasynth.cli.studio.origins import ORIGINS, TOKEN

_HOSTS = ("127.0.0.1", "localhost", "::1")
# Asked by Chrome before a page may reach this machine. LangGraph's server answers it, behind a
# middleware of Starlette that refuses what asks; the origin is Studio's by then.
_PRIVATE = b"access-control-request-private-network"
_INSIDE = "/noauth"  # of LangGraph's own client in this process; no request can set it


class Guard:
    """Refuses before anything else looks at a request."""

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it with 403."""
        inside = str(scope.get("root_path", "")).startswith(_INSIDE)
        if scope["type"] in ("http", "websocket") and not inside:
            headers = Headers(scope=scope)
            refusal = _refusal(headers)
            if not refusal and self._token:
                scope, refusal = self._admitted(scope, headers)
            if refusal and scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
                return
            if refusal:
                await JSONResponse({"detail": refusal}, status_code=403)(scope, receive, send)
                return
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != _PRIVATE]}
        await self._app(scope, receive, send)

    def _admitted(self, scope: Scope, headers: Headers) -> tuple[Scope, str]:
        """The request without the token before its path; why not, where there is none."""
        path = str(scope["path"])
        first, _, rest = path.removeprefix("/").partition("/")
        if _same(first, self._token):
            return {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}, ""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(credentials, self._token):
            return scope, ""
        if path == "/ok" or scope.get("method") == "OPTIONS":
            return scope, ""
        return scope, "the token is missing: it stands in the address that was told at the start"


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), token.encode())


def _refusal(headers: Headers) -> str:
    """Why a request is refused; "" where it is not."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if _name_of(f"//{host}") not in _HOSTS:
        return f"host {host!r} is not this machine"
    if origin is None:
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            return "the request comes from another site"
        return ""
    if origin in ORIGINS or (_name_of(origin) in _HOSTS and urlsplit(origin).netloc == host):
        return ""
    return f"origin {origin!r} is not Studio's"


def _name_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


app = Starlette(middleware=[Middleware(Guard, token=os.environ.get(TOKEN, ""))])
