"""Who has asked for a page is about to be shown one: the warm-up begins no step before that."""

from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.dashboard.server.preloading import is_page
from workbench.dashboard.turns import Asked, Turns


class ReadersFirst:
    """ASGI middleware that tells ``turns`` of every page that is sent."""

    def __init__(self, app: ASGIApp, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes, and what is answered."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and is_page(message):
                named = parse_qs(scope["query_string"].decode("latin-1")).get("study", [None])
                self._turns.expect_page(Asked(scope["path"].strip("/"), named[0]))
            await send(message)

        await self._app(scope, receive, answer)
