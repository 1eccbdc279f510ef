"""The warm-up gives way to readers: to pages that are drawn, and to those that are about to be."""

from threading import Event, Thread
from time import monotonic

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from workbench.dashboard import turns as turns_file
from workbench.dashboard.server.readers_first import ReadersFirst
from workbench.dashboard.turns import Turns
from workbench.dashboard.warm_up import take


def waited(turns, **wanted):
    """Seconds until a step may be taken."""
    since = monotonic()
    with turns.stepping(**wanted):
        return monotonic() - since


def test_no_step_is_taken_while_pages_are_drawn(monkeypatch):
    turns, drawn, taken = Turns(), Event(), []
    monkeypatch.setattr(turns_file, "_IS_SENT", 0.0)
    with turns.drawing(), turns.drawing():
        thread = Thread(target=take, args=([lambda: taken.append(drawn.is_set())], turns))
        thread.start()
        thread.join(0.1)
        assert taken == []
        drawn.set()
    thread.join(5)
    assert taken == [True]


def test_a_page_waits_for_the_step_that_is_being_taken_and_for_no_other(monkeypatch):
    turns, begun, go_on, order = Turns(), Event(), Event(), []

    def slow():
        begun.set()
        go_on.wait(5)
        order.append("step")

    def page():
        with turns.drawing():
            order.append("page")

    monkeypatch.setattr(turns_file, "_IS_SENT", 0.0)
    thread = Thread(target=take, args=([slow, lambda: order.append("next")], turns))
    thread.start()
    begun.wait(5)
    reader = Thread(target=page)
    reader.start()
    while not turns._drawing:
        reader.join(0.01)
    go_on.set()
    for one in (thread, reader):
        one.join(5)
    assert order == ["step", "page", "next"]


def test_no_step_is_taken_while_a_page_is_on_its_way_but_for_those_that_it_needs(monkeypatch):
    monkeypatch.setattr(turns_file, "_ON_ITS_WAY", 1.5)
    turns = Turns()
    turns.expect_page(None)
    assert waited(turns, for_page=True) < 0.5
    assert waited(turns) > 0.5


def test_no_step_is_taken_before_a_browser_has_what_was_drawn(monkeypatch):
    monkeypatch.setattr(turns_file, "_IS_SENT", 1.0)
    turns = Turns()
    turns.expect_page(None)
    with turns.drawing():
        pass
    assert 0.1 < waited(turns) < 3  # no longer for the page that was expected: it was drawn


@pytest.mark.parametrize(
    ("address", "asked", "expected"),
    [
        ("/?study=published/a%20b&token=x", "published/a b", True),
        ("/runs?token=x", None, True),
        ("/health", None, False),
    ],
)
def test_a_page_that_is_sent_is_expected_and_nothing_else_is(monkeypatch, address, asked, expected):
    routes = [
        Route("/health", lambda _: PlainTextResponse("ok")),
        Route("/{page:path}", lambda _: HTMLResponse("<p>page")),
    ]
    monkeypatch.setattr(turns_file, "_ON_ITS_WAY", 1.5)
    turns = Turns()
    app = Starlette(routes=routes, middleware=[Middleware(ReadersFirst, turns=turns)])
    assert TestClient(app).get(address).status_code == 200
    assert turns.asked == asked
    assert (waited(turns) > 0.5) == expected
