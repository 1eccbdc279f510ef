"""What a server does before its first reader comes, and that it gives way to readers."""

import sys
from threading import Event, Thread

import pytest

from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.search_studies import write_search
from workbench.dashboard import drawn_chart, state, warm_up
from workbench.dashboard.effect_charts import forest
from workbench.dashboard.study_library import Library
from workbench.errors import UserError


def test_no_step_is_taken_while_pages_are_drawn():
    turns, drawn, taken = warm_up.Turns(), Event(), []
    with turns.drawing(), turns.drawing():
        thread = Thread(target=warm_up.take, args=([lambda: taken.append(drawn.is_set())], turns))
        thread.start()
        thread.join(0.1)
        assert taken == []
        drawn.set()
    thread.join(5)
    assert taken == [True]


def test_a_page_waits_for_the_step_that_is_being_taken_and_for_no_other():
    turns, begun, go_on, order = warm_up.Turns(), Event(), Event(), []

    def slow():
        begun.set()
        go_on.wait(5)
        order.append("step")

    def page():
        with turns.drawing():
            order.append("page")

    thread = Thread(target=warm_up.take, args=([slow, lambda: order.append("next")], turns))
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


def test_a_step_that_fails_keeps_no_other_from_being_taken():
    taken = []

    def damaged():
        raise UserError("the study's page says it")

    warm_up.take([damaged, lambda: taken.append(1)], warm_up.Turns())
    assert taken == [1]


def test_the_newest_study_all_claims_and_searches_are_read(tmp_path, monkeypatch):
    write_search(tmp_path / "search", trials=12)
    write_study(tmp_path, "quickstart")
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(tmp_path)])
    own = Library()
    monkeypatch.setattr(state, "library", lambda: own)
    for step in warm_up.steps():
        step()
    kept = {key[:2] for key in own._kept}
    for what in ("study", "report", "behaviours"):
        assert (what, tmp_path / "quickstart") in kept
    assert {("claim", card.id) for card in own.cards()} <= kept
    assert ("importances", tmp_path / "search") in kept


def test_the_chart_of_the_newest_study_is_that_of_its_page(tmp_path, monkeypatch, opened):
    write_study(tmp_path, "quickstart")
    monkeypatch.setattr(drawn_chart, "_kept", {})
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(tmp_path)])
    warm_up._draw_newest()
    made = [id(spec) for _, spec in drawn_chart._kept[(forest, "quickstart-forest")]]
    assert not opened(tmp_path).exception
    assert [id(spec) for _, spec in drawn_chart._kept[(forest, "quickstart-forest")]] == made


@pytest.mark.parametrize("studies", [[], ["other"]])
def test_a_folder_without_a_study_that_can_be_read_is_no_error(tmp_path, monkeypatch, studies):
    for name in studies:
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").write_text("no: study\n")
    monkeypatch.setattr(
        sys, "argv", ["app.py", "--results", str(tmp_path / "none" if not studies else tmp_path)]
    )
    monkeypatch.setattr(state, "library", Library)
    warm_up.take(warm_up.steps(), warm_up.Turns())
