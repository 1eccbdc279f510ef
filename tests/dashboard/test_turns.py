"""The warm-up gives way to readers: to pages that are drawn, and to those that are about to be."""

from threading import Event, Thread

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from workbench.dashboard import turns as turns_file
from workbench.dashboard.server.readers_first import ReadersFirst
from workbench.dashboard.turns import Asked, Turns
from workbench.dashboard.warm_up import take


@pytest.fixture
def turns(monkeypatch):
    """Turns whose seconds go by only where a step waits; ``waited`` says how many those are."""
    now = [100.0]

    def wait(seconds):
        now[0] += seconds

    turns = Turns()
    monkeypatch.setattr(turns_file, "monotonic", lambda: now[0])
    monkeypatch.setattr(turns._free, "wait", wait)
    turns.now = now
    return turns


def waited(turns, **wanted):
    """Seconds until a step may be taken."""
    (since,) = turns.now
    with turns.stepping(**wanted):
        return turns.now[0] - since


def test_no_step_is_taken_while_pages_are_drawn(monkeypatch):
    turns, drawn, taken = Turns(), Event(), []
    monkeypatch.setattr(turns_file, "_IS_SENT", 0.0)
    with turns.drawing(), turns.drawing():
        thread = Thread(target=take, args=([lambda: taken.append(drawn.is_set())], turns))
        thread.start()
        thread.join(0.1)
        assert taken == []
        drawn.set()
    thread.join(60)
    assert taken == [True]


def test_one_step_is_taken_at_a_time(monkeypatch):
    turns, begun, go_on, taken = Turns(), Event(), Event(), []

    def first():
        begun.set()
        go_on.wait(60)
        taken.append("first")

    monkeypatch.setattr(turns_file, "_IS_SENT", 0.0)
    threads = [Thread(target=take, args=([step], turns)) for step in (first, lambda: taken.append("second"))]
    threads[0].start()
    begun.wait(60)
    threads[1].start()
    threads[1].join(0.1)
    assert taken == []
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert taken == ["first", "second"]


def test_a_page_waits_for_the_step_that_is_being_taken_and_for_no_other(monkeypatch):
    turns, begun, go_on, order = Turns(), Event(), Event(), []

    def slow():
        begun.set()
        go_on.wait(60)
        order.append("step")

    def page():
        with turns.drawing():
            order.append("page")

    monkeypatch.setattr(turns_file, "_IS_SENT", 0.0)
    thread = Thread(target=take, args=([slow, lambda: order.append("next")], turns))
    thread.start()
    begun.wait(60)
    reader = Thread(target=page)
    reader.start()
    while not turns._drawing:
        reader.join(0.01)
    go_on.set()
    for one in (thread, reader):
        one.join(60)
    assert order == ["step", "page", "next"]


def test_no_step_is_taken_while_a_page_is_on_its_way_but_for_those_that_it_needs(turns):
    turns.expect_page(Asked())
    assert waited(turns, for_page=True) == 0
    assert waited(turns) == turns_file._ON_ITS_WAY


def test_no_step_is_taken_before_a_browser_has_what_was_drawn(turns):
    turns.expect_page(Asked())
    with turns.drawing():
        pass
    assert waited(turns) == turns_file._IS_SENT  # no longer for the page that was expected: it was drawn


@pytest.mark.parametrize(
    ("address", "asked", "expected"),
    [
        ("/?study=published/a%20b&token=x", Asked(study="published/a b"), True),
        ("/runs?token=x", Asked(page="runs"), True),
        ("/new_study/?study=b", Asked("new_study", "b"), True),
        ("/health", Asked(), False),
    ],
)
def test_a_page_that_is_sent_is_expected_and_nothing_else_is(turns, address, asked, expected):
    routes = [
        Route("/health", lambda _: PlainTextResponse("ok")),
        Route("/{page:path}", lambda _: HTMLResponse("<p>page")),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(ReadersFirst, turns=turns)])
    assert TestClient(app).get(address).status_code == 200
    assert turns.asked == asked
    assert waited(turns) == (turns_file._ON_ITS_WAY if expected else 0)
