"""The scripts of a page's parts, asked for with the page: a browser need not find out that it needs them.

Streamlit's page names the scripts that every app needs. The one of a chart, a table or a field is asked for
when the first message that has one is drawn, and then what that imports. The answer to a page names all of
them (``Link`` with ``rel=modulepreload``), so that they come while the server draws, at a lower priority than
what the page itself asks for.
"""

import re
from functools import cache
from pathlib import Path

import streamlit
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATIC = Path(streamlit.__file__).parent / "static"
# What the pages consist of; one that a version of Streamlit calls something else is found as it always was.
_PARTS = (
    "ButtonGroup",
    "Checkbox",
    "Multiselect",
    "NumberInput",
    "Selectbox",
    "Slider",
    "TextArea",
    "TextInput",
    "PageLink",
    "ArrowVegaLiteChart",
    "embed",  # Vega
    "DataFrame",
    "DownloadButton",
    "Html",
)
_IMPORT = re.compile(r"""\b(?:from|import)\s*["'`]\./([\w.~$-]+\.js)["'`]""")


@cache
def scripts(parts: tuple[str, ...] = _PARTS) -> tuple[str, ...]:
    """Names of the parts' scripts, then of what each imports, but for those that the page names itself."""
    folder = _STATIC / "static" / "js"
    named = (_STATIC / "index.html").read_text(encoding="utf-8")
    found: dict[str, None] = {}
    left = [path.name for part in parts for path in sorted(folder.glob(f"{part}.*.js"))]
    while left:
        name = left.pop(0)
        if name not in found and name not in named:
            found[name] = None
            left += _IMPORT.findall((folder / name).read_text(encoding="utf-8"))
    return tuple(found)


class Preloading:
    """ASGI middleware that sends the names with every page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        links = (f"</static/js/{name}>; rel=modulepreload; fetchpriority=low" for name in scripts())
        self._header = (b"link", ", ".join(links).encode("ascii"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes; to a page add the header."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and is_page(message):
                message = {**message, "headers": [*message["headers"], self._header]}
            await send(message)

        await self._app(scope, receive, answer)


def is_page(message: Message) -> bool:
    """Whether a response that starts is a page."""
    found = {name.lower(): value for name, value in message.get("headers", ())}
    return found.get(b"content-type", b"").startswith(b"text/html")
