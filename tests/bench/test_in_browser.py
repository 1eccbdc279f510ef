"""The dashboard measured in a browser: one page in a real one, and what is made of the numbers."""

import re
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest

from workbench.bench import studies
from workbench.bench.formats import Form, shown
from workbench.bench.in_browser import browser, measure, rounds, visits
from workbench.bench.in_browser.browser import NoBrowserError
from workbench.bench.in_browser.outcome import CHANGED, INTERACTIONS, SOON, SWITCHED, outcome_of
from workbench.bench.in_browser.visits import Tour, Visit
from workbench.bench.timing.seconds import Clock
from workbench.dashboard.disk_cache import FOLDER
from workbench.dashboard.launch import app_file
from workbench.records.index import MANIFEST
from workbench.study.plan import freeze

ONE = Tour("tiny", "study", (visits.CURVES,))


def taken_in(seconds, changed=0.2):
    """As if each page had come within so many seconds, twice."""
    taken = rounds.Taken()
    for number in (0, 0.1):
        taken.loads.add("tiny: Curves", seconds + number)
        taken.switches.add("tiny: Curves", 0.4 + number)
        for change in visits.CURVES.changes:
            taken.changes.add(rounds.change_case(ONE, visits.CURVES, change), changed)
    return taken


@pytest.mark.browser
def test_a_page_is_opened_and_changed_in_a_real_browser(tmp_path):
    plan = studies.tiny_plan(tmp_path, "cpu", seeds={"tune": 0, "confirm": 2})
    study = tmp_path / "results" / "study"
    freeze(plan.manifest("test"), study)
    studies.write_finished(plan, study, points=20)
    nowhere = visits.Change("what is not there", lambda page: page.locator(".no-such").click(timeout=10))
    tour = replace(ONE, visits=(Visit("Curves", "curves", (visits.CURVES.changes[0], nowhere)),))
    try:
        with browser.playwright() as driver:
            browser.executable(driver)
            measuring = rounds.Measuring(driver, study.parent, tmp_path / "cache", [tour])
            measuring.first_loads([], Clock(0.0), 1, lambda text, part: None)
            measuring.changes(Clock(0.0), 1, 1, lambda text, part: None)
    except NoBrowserError as error:
        pytest.skip(str(error))
    (switched,) = measuring.taken.switches.values["tiny: Curves"]
    (changed,) = measuring.taken.changes.values["tiny: Curves: values or difference"]
    assert 0.02 < changed < 60
    assert 0.02 < switched < 60
    (note,) = measuring.taken.notes  # what cannot be changed is named, and the rest goes on
    assert note.startswith("tiny: Curves: what is not there: TimeoutError")
    (load,) = measuring.taken.least.values[rounds.LOAD]
    assert 0.1 < load < 60
    assert all(0.005 < switch < 60 for switch in measuring.taken.least.values[rounds.SWITCH])
    (said,) = [one.text for one in outcome_of(measuring.taken, [tour]).findings if "for itself" in one.text]
    assert shown(measuring.taken.least.spread(rounds.LOAD), Form.SECONDS) in said


@pytest.fixture
def loading(monkeypatch, tmp_path):
    """What first loads find on the disk, and give, of a server that keeps something there."""
    kept = tmp_path / "cache" / FOLDER / "kept"
    found = []

    @contextmanager
    def serve(results, cache):
        found.append(kept.exists())
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()
        yield "http://127.0.0.1:1/?token=t"

    class Watch:
        def __init__(self, page):
            self.require_no_fault = lambda: None

        def first_load(self, address):
            return 1.0 + len(found)

        def seconds_of(self, act):
            return 0.1

    @contextmanager
    def serve_least(folder):
        yield "http://127.0.0.1:1/"

    monkeypatch.setattr(rounds, "served", serve)
    monkeypatch.setattr(rounds, "served_least", serve_least)
    monkeypatch.setattr(rounds, "browser", lambda driver: nullcontext())
    monkeypatch.setattr(rounds, "Stopwatch", Watch)
    measuring = rounds.Measuring(None, tmp_path / "results", tmp_path / "cache", [ONE])

    def load(seconds, visits=(visits.CURVES,)):
        pages = [(ONE, visit) for visit in visits]
        measuring.first_loads(pages, Clock(seconds), 2, lambda text, part: None)
        return measuring.taken, found

    return load


def test_a_page_is_loaded_of_the_first_of_all_servers_and_then_of_others(loading):
    taken, found = loading(60.0)
    assert found == [False, True, True]
    assert taken.firsts.values == {"tiny: Curves": [2.0]}
    assert taken.loads.values == {"tiny: Curves": [3.0, 4.0]}
    assert taken.notes == []
    row = outcome_of(taken, [ONE]).tables[0].rows[0]
    assert (row["first"].median, row["load"].median) == (2.0, 3.5)
    assert {case: len(values) for case, values in taken.least.values.items()} == {
        rounds.LOAD: 2,
        rounds.SWITCH: 4,
    }


def test_what_streamlit_takes_by_itself_is_missed_by_name(loading, monkeypatch):
    def serve(folder):
        raise RuntimeError("no server")

    monkeypatch.setattr(rounds, "served_least", serve)
    taken, _ = loading(0.0)
    assert taken.notes == ["what Streamlit takes by itself: RuntimeError: no server"]
    assert set(taken.loads.values) == {"tiny: Curves"}
    assert not [one for one in outcome_of(taken, [ONE]).findings if "for itself" in one.text]


def test_what_the_first_of_all_servers_kept_of_a_page_is_there_for_the_next(loading):
    taken, found = loading(60.0, (visits.CURVES, visits.DATA))
    assert found == [False, True, False, True, True, True]
    assert taken.firsts.values == {"tiny: Curves": [2.0], "tiny: Data": [4.0]}
    assert taken.loads.values == {"tiny: Curves": [3.0, 6.0], "tiny: Data": [5.0, 7.0]}


def test_without_time_the_first_page_alone_is_loaded(loading):
    taken, found = loading(0.0, (visits.CURVES, visits.DATA))
    assert found == [False, True]
    assert set(taken.loads.values) == {"tiny: Curves"}
    assert taken.notes == ["first loads not measured, the time was up: tiny: Data"]


def test_without_a_browser_it_is_said_what_to_install(setting, monkeypatch, tmp_path):
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)

    class Driver:
        class chromium:
            executable_path = str(tmp_path / "none")

    with pytest.raises(NoBrowserError, match=r"no browser: none of chromium, .* playwright install chromium"):
        browser.executable(Driver)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    outcome = measure.measure_in_browser(setting, tmp_path / "results" / "bench", 1.0)
    assert outcome.tables == []
    assert outcome.notes == [
        "left out: the pages in a browser (playwright is not installed: pip install "
        "'ablation-workbench[test]', and a browser with: playwright install chromium)"
    ]


def test_published_studies_that_are_not_here_are_named(tmp_path):
    published = tmp_path / "results" / "published"
    (published / "quickstart").mkdir(parents=True)
    (published / "quickstart" / MANIFEST).write_text("")
    study = tmp_path / "own" / "bench"
    study.parent.mkdir()
    tours, left_out = measure.tours_of(study, published)
    assert [tour.study for tour in tours] == ["bench", "published/quickstart"]
    assert (study.parent / "published" / "quickstart" / MANIFEST).exists()
    assert [line.partition(" (")[0] for line in left_out] == [
        "left out: the published study data-quality",
        "left out: the published study search",
    ]


def test_every_page_of_the_dashboard_is_opened():
    opened = {visit.title for visit in (*visits.OF_MANY_RUNS, *visits.OF_PUBLISHED)} | {
        visit.title for named in measure._STUDIES.values() for visit in named
    }
    app = app_file().read_text()
    assert opened == set(re.findall(r'\btitle="([^"]+)"', app))


def test_numbers_are_judged_by_page_and_by_round():
    outcome = outcome_of(taken_in(1.5), [ONE])
    pages, changes = outcome.tables
    assert [row["page"] for row in pages.rows] == ["Curves"]
    assert [row["change"] for row in changes.rows] == ["values or difference", "metric"]
    assert pages.rows[0]["load"].median == pytest.approx(1.55)
    assert pages.rows[0]["switch_part"] == pytest.approx(0.495)
    found = {finding.goal: str(finding.verdict) for finding in outcome.findings}
    assert found == {SOON: "met", INTERACTIONS: "missed", CHANGED: "met", SWITCHED: "missed"}
    slow = outcome_of(taken_in(2.5, changed=0.31), [ONE])
    assert {str(finding.verdict) for finding in slow.findings} == {"missed"}
    assert "0 of 1 first loads took 2 s or less" in slow.findings[0].text


def test_nothing_measured_is_judged_by_no_goal():
    assert outcome_of(rounds.Taken(), [ONE]).findings == []
