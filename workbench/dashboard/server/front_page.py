"""The first page by its name: Streamlit finds it under the bare address alone, and all others by theirs."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_NAMED = "/overview"


class FrontPage:
    """ASGI middleware that answers the name with the bare address, and leaves what is asked for as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect what asks for the name; pass on all else."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != _NAMED:
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        await RedirectResponse(f"/?{query}" if query else "/")(scope, receive, send)
