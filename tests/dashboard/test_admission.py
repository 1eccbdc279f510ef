"""The door: a token in an address becomes a cookie, leaves the address, and nothing of a page holds it."""

import asyncio
from http.cookies import SimpleCookie

import pytest

from workbench.dashboard import launch, launch_token
from workbench.dashboard.server.admission import Admission

TOKEN = "a-token-for-tests-0123456789abcdef"


@pytest.fixture
def with_token(monkeypatch):
    """A server that was given a token."""
    monkeypatch.setenv(launch_token.VARIABLE, TOKEN)


def ask(path="/", query="", *, kind="http", method="GET", headers=()):
    """What the door answers, and whether the app behind it was reached."""
    sent, reached = [], []

    async def app(scope, receive, send):
        reached.append(scope)

    async def send(message):
        sent.append(message)

    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "server": ("127.0.0.1", 8501),
    }
    asyncio.run(Admission(app)(scope, None, send))
    return sent, bool(reached)


def headers_of(sent):
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_the_right_token_gives_a_cookie_and_the_address_without_it(with_token):
    sent, reached = ask("/watch", f"study=a%20b&token={TOKEN}&runs=1,2")
    assert not reached
    assert sent[0]["status"] == 303
    found = headers_of(sent)
    assert found["location"] == "/watch?study=a+b&runs=1%2C2"
    cookie = SimpleCookie(found["set-cookie"])[launch_token.cookie_name(8501)]
    assert launch_token.is_pass(cookie.value)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert TOKEN not in str(sent[0]["headers"]) + str(sent[1])
    assert found["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "query", ["token=", "token=wrong", f"token={TOKEN[:-1]}", f"token={TOKEN}&token=wrong"]
)
def test_any_other_leaves_the_address_too_and_opens_nothing(with_token, query):
    sent, reached = ask("/", query)
    assert not reached
    assert headers_of(sent)["location"] == "/"
    assert "set-cookie" not in headers_of(sent)


def test_a_server_without_a_token_lets_nobody_write(monkeypatch):
    monkeypatch.delenv(launch_token.VARIABLE, raising=False)
    sent, _ = ask("/", "token=")
    assert "set-cookie" not in headers_of(sent)
    assert not launch_token.is_pass(launch_token.pass_for(""))
    assert not launch_token.is_token("")


def test_an_address_leads_to_no_other_host(with_token):
    for path in ("//evil.example/", "/\\evil.example"):
        sent, _ = ask(path, f"token={TOKEN}")
        assert headers_of(sent)["location"] == "/evil.example" + ("/" if path.endswith("/") else "")


def test_all_else_passes(with_token):
    assert ask("/", "study=quickstart")[1]
    assert ask("/_stcore/upload", "token=x", method="POST")[1]


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([("origin", "http://127.0.0.1:8501"), ("host", "127.0.0.1:8501")], True),
        ([("origin", "http://localhost:9000"), ("host", "localhost:9000")], True),  # through ssh -L 9000:…
        ([("origin", "http://127.0.0.1:9999"), ("host", "127.0.0.1:8501")], False),  # another user's server
        ([("origin", "null"), ("host", "127.0.0.1:8501")], False),
        ([("host", "127.0.0.1:8501")], True),  # no browser
    ],
)
def test_a_web_socket_of_another_page_is_refused(headers, passes):
    sent, reached = ask("/_stcore/stream", kind="websocket", headers=headers)
    assert reached is passes
    assert bool(sent) is not passes


def test_each_launch_has_its_own_token_which_is_no_argument(tmp_path, monkeypatch, capsys):
    said, started = [], []
    monkeypatch.setattr(launch, "say", said.append)
    monkeypatch.setattr(launch, "_require_free", lambda port: None)
    monkeypatch.setattr(launch.os, "dup2", lambda *_: None)
    monkeypatch.setattr(launch.os, "execv", lambda program, words: started.append(words))
    monkeypatch.setenv(launch_token.VARIABLE, "of an earlier launch")
    tokens = set()
    for _ in range(2):
        launch.serve(tmp_path)
        token = launch.os.environ[launch_token.VARIABLE]
        assert f"/?token={token} " in said[-2]
        assert token not in " ".join(started[-1])
        tokens.add(token)
    assert len(tokens) == 2
    launch.serve(tmp_path, read_only=True)
    assert launch_token.VARIABLE not in launch.os.environ
    assert "token" not in said[-2]
