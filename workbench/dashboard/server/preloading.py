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
_SCRIPTS = _STATIC / "static" / "js"
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


def scripts_of(part: str) -> list[str]:
    """Names of a part's own scripts; none where this version of Streamlit calls it something else."""
    return sorted(path.name for path in _SCRIPTS.glob(f"{part}.*.js"))


@cache
def scripts() -> tuple[str, ...]:
    """Names of the scripts of all parts, with what each imports, but for those that the page names itself."""
    named = (_STATIC / "index.html").read_text(encoding="utf-8")
    found: dict[str, None] = {}
    left = [name for part in _PARTS for name in scripts_of(part)]
    while left:
        name = left.pop(0)
        if name not in found and name not in named:
            found[name] = None
            left += _IMPORT.findall((_SCRIPTS / name).read_text(encoding="utf-8"))
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
