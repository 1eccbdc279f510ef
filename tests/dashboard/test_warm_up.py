"""What a server does before its first reader comes."""

import sys

import pytest

from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.search_studies import write_search
from workbench.dashboard import drawn_chart, state, warm_up
from workbench.dashboard.effect_charts import forest
from workbench.dashboard.study_library import Library
from workbench.dashboard.turns import Asked, Turns
from workbench.errors import UserError


def test_a_step_that_fails_keeps_no_other_from_being_taken():
    taken = []

    def damaged():
        raise UserError("the study's page says it")

    warm_up.take([damaged, lambda: taken.append(1)], Turns())
    assert taken == [1]


def test_the_newest_study_all_claims_and_searches_are_read(tmp_path, monkeypatch):
    write_search(tmp_path / "search", trials=12)
    write_study(tmp_path, "quickstart")
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(tmp_path)])
    own = Library()
    monkeypatch.setattr(state, "library", lambda: own)
    for step in (*warm_up.first_page(), *warm_up.steps()):
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
    warm_up._draw_opened()
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
    warm_up.take([*warm_up.first_page(), *warm_up.steps()], Turns())


def test_the_study_that_a_browser_asked_for_is_read_and_not_the_newest(tmp_path, monkeypatch):
    write_study(tmp_path, "asked for")
    write_study(tmp_path, "newest")
    own, turns = Library(), Turns()
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(tmp_path)])
    monkeypatch.setattr(state, "library", lambda: own)
    monkeypatch.setattr(warm_up, "TURNS", turns)
    turns.expect_page(Asked(study="asked for"))
    warm_up.take(warm_up.first_page(), turns, for_page=True)
    assert [key[1].name for key in own._kept if key[0] == "report"] == ["asked for"]


@pytest.fixture
def imported(monkeypatch, tmp_path):
    """Modules of the dashboard that the warm-up imports, by name, in their order."""
    names = []
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(tmp_path)])
    monkeypatch.setattr(state, "library", Library)
    monkeypatch.setattr(warm_up, "TURNS", Turns())
    monkeypatch.setattr(warm_up, "_import", lambda *modules: names.extend(modules))
    return names


@pytest.mark.parametrize(
    ("page", "modules"),
    [
        ("", ["pages.overview"]),
        ("effects", ["pages.effects"]),
        ("new_study", ["pages.new_study"]),
        ("none such", ["pages.overview"]),
    ],
)
def test_the_page_that_a_browser_asked_for_is_imported_and_no_other(imported, page, modules):
    warm_up.TURNS.expect_page(Asked(page))
    warm_up.take(warm_up.first_page(), warm_up.TURNS, for_page=True)
    assert list(dict.fromkeys(imported)) == ["sidebar", *modules]


def test_a_browser_that_comes_meanwhile_may_ask_for_another_page(imported, monkeypatch):
    monkeypatch.setattr(warm_up, "_read_opened", lambda: warm_up.TURNS.expect_page(Asked("claims")))
    drawn = []
    monkeypatch.setattr(warm_up, "_draw_opened", lambda: drawn.append("overview"))
    monkeypatch.setattr(warm_up, "_claims", lambda: [lambda: drawn.append("claims")])
    warm_up.take(warm_up.first_page(), warm_up.TURNS, for_page=True)
    assert imported == ["sidebar", "pages.overview", "pages.claims"]
    assert drawn == ["claims"]


def test_every_page_of_the_navigation_is_imported(imported):
    warm_up.take(warm_up.steps(), warm_up.TURNS)
    drawn = {path.stem for path in state.PAGES.glob("*.py")} - {"__init__", "inspect_page"}
    assert {name.removeprefix("pages.") for name in imported if name.startswith("pages.")} == drawn
    assert len(imported) == len(set(imported))


@pytest.mark.parametrize("asked", [None, "../elsewhere", "none such"])
def test_without_such_a_study_it_is_the_newest(tmp_path, monkeypatch, asked):
    write_study(tmp_path / "results", "newest")
    write_study(tmp_path, "elsewhere")
    own, turns = Library(), Turns()
    monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(tmp_path / "results")])
    monkeypatch.setattr(state, "library", lambda: own)
    monkeypatch.setattr(warm_up, "TURNS", turns)
    turns.expect_page(Asked(study=asked))
    warm_up.take(warm_up.first_page(), turns, for_page=True)
    assert [key[1].name for key in own._kept if key[0] == "report"] == ["newest"]
