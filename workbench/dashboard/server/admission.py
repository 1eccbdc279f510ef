"""The door: an address with the token is answered with a cookie and the same address without it."""

from collections.abc import Iterable
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.dashboard.launch_token import PARAMETER, cookie_name, expected, is_token, pass_for


class Admission:
    """ASGI middleware before the app: takes tokens out of addresses, and connections from other pages away.

    A page of another origin on this machine (another user's server, on another port) is of the same site, so
    that a browser would send it our cookie: its web sockets are refused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an address with a token; refuse a foreign web socket; pass on all else."""
        if scope["type"] == "websocket" and not _is_own(scope["headers"]):
            await send({"type": "websocket.close", "code": 1008})
            return
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == PARAMETER]
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not given:
            await self._app(scope, receive, send)
            return
        left = urlencode([(name, value) for name, value in query if name != PARAMETER])
        # An address that began with two slashes would name another host.
        place = "/" + scope["path"].lstrip("/\\")
        headers = [(b"location", (place + (f"?{left}" if left else "")).encode("ascii", "ignore"))]
        headers.append((b"cache-control", b"no-store"))
        if is_token(given[-1]):
            headers.append((b"set-cookie", _cookie(scope).encode("ascii")))
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _cookie(scope: Scope) -> str:
    """For this session of the browser alone, unseen by scripts, and never sent from other sites."""
    _, port = scope["server"]
    cookie = SimpleCookie()
    name = cookie_name(port)
    cookie[name] = pass_for(expected())
    cookie[name]["path"] = "/"
    cookie[name]["httponly"] = True
    cookie[name]["samesite"] = "Strict"
    return cookie[name].OutputString()


def _is_own(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a connection comes from a page of this server; a program that is no browser sends no origin."""
    found = {name.lower(): value for name, value in headers}
    origin = found.get(b"origin")
    if origin is None:
        return True
    return urlsplit(origin.decode("latin-1")).netloc == found.get(b"host", b"").decode("latin-1")
