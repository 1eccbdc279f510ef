"""The page Watch: what a running study does, what may be done about it by whom, and its end."""

import shutil

import pytest

from tests.dashboard.dashboard_studies import beat, write_study
from tests.dashboard.hostile_studies import poison, write_hostile
from tests.dashboard.search_studies import write_search
from tests.dashboard.test_literal_text import HOST, acting, texts_of
from tests.dashboard.test_new_study import ABLATIONS, SMALL
from tests.dashboard.test_pages import texts
from workbench.dashboard import drivers
from workbench.errors import UserError
from workbench.files import read_json, read_yaml, write_json, write_yaml
from workbench.records.driving import Driver, Driving
from workbench.study.status import study_status


@pytest.fixture
def admitted(monkeypatch):
    """Every reader came with the token."""
    monkeypatch.setattr("workbench.dashboard.access.may_write", lambda: True)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of a study file of the name that made-up studies were run from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablations").mkdir()
    (tmp_path / "ablations" / "quickstart.yaml").write_text(SMALL)
    return tmp_path


@pytest.fixture
def begun(monkeypatch):
    """What pages start, in place of starting it."""
    calls = []
    monkeypatch.setattr(drivers, "start", lambda study, words: calls.append((study.name, words)))
    return calls


def keys(app):
    return {item.key for item in app.button}


def test_a_running_study_shows_its_trials_its_words_and_the_one_time_left(opened, live_results, admitted):
    results = live_results(3)
    app = opened(results, "watch")
    assert not app.exception
    (facts,) = study_status("live", results)["studies"]
    shown = texts(app)
    assert ":green-badge[:material/sensors: running] confirm: seed 4 of 5 · about 4 min left" in shown
    assert facts["seconds_left"] == 250.4
    (trials,) = [item.value for item in app.dataframe if "training loss" in item.value]
    assert trials["step"].tolist() == ["90 of 195"]
    assert float(trials["training loss"][0]) > 2
    assert "learned" in shown
    assert ":gray-badge[open] positions: rope → learned: so far worse after 3 pairs, of 5" in shown
    assert "was started in a terminal" in shown
    assert keys(app) == {"clear_selection"} & keys(app)  # it runs on another machine
    assert "It can be stopped on workstation only" in shown


def test_a_study_whose_first_sign_of_life_comes_while_the_page_is_drawn_is_followed(
    opened, here, monkeypatch
):
    study = write_study(here / "results", "quickstart", confirm=3, live=True)
    running = read_json(study / "driver.json")
    (study / "driver.json").unlink()
    driver_of = drivers.driver_of

    def begins(study):
        write_json(study / "driver.json", running)
        return driver_of(study)

    monkeypatch.setattr(drivers, "driver_of", begins)
    app = opened(here / "results", "watch")
    assert not app.exception
    assert ":green-badge[:material/sensors: Live · confirm]" in texts(app)
    assert "90 of 195" in app.dataframe[0].value["step"].tolist()


def test_without_the_token_a_page_only_reads(opened, results, live_results):
    for folder in (results, live_results(3)):
        app = opened(folder, "watch")
        assert not app.exception
        assert not keys(app)
        assert "This page only reads" in texts(app)


def test_what_is_published_is_only_read(opened, here, admitted):
    write_study(here / "results" / "published", "quickstart")
    app = opened(here / "results", "watch")
    assert not app.exception
    assert not keys(app)
    assert "stays as it is" in texts(app)


def test_a_study_that_stopped_is_taken_up_and_given_more_seeds(opened, here, admitted, begun):
    study = write_study(here / "results", "quickstart", confirm=2)
    write_json(study / "driver.json", read_json(study / "driver.json") | {"state": "stopped"})
    app = opened(here / "results", "watch")
    assert not app.exception
    assert app.button(key="watch_start").label == "Resume"
    app.button(key="watch_start").click().run()
    app.number_input(key="watch_many").set_value(12).run()
    app.button(key="watch_more").click().run()
    run = ["run", "ablations/quickstart.yaml"]
    assert begun == [("quickstart", run), ("quickstart", [*run, "--set", "seeds.confirm=12"])]


def test_a_search_is_given_more_trials(opened, here, admitted, begun):
    write_search(here / "results" / "search", trials=12)
    study, file = here / "results" / "search", here / "ablations" / "search.yaml"
    shutil.copy(ABLATIONS / "search.yaml", file)
    words = ["run", "ablations/search.yaml", "--set", "search.trials=12"]
    write_yaml(
        study / "study.yaml", read_yaml(study / "study.yaml") | {"command": f"workbench {' '.join(words)}"}
    )
    app = opened(here / "results", "watch")
    assert not app.exception
    assert app.button(key="watch_more").label == "Add trials"
    app.number_input(key="watch_many").set_value(20).run()
    app.button(key="watch_more").click().run()
    assert begun == [("search", [*words, "--set", "search.trials=20"])]
    with pytest.raises(UserError, match="12 already; give more"):
        drivers.with_trials(words, 12)
    file.write_text(SMALL)
    with pytest.raises(UserError, match="is no search by now"):
        drivers.with_trials(words[:2], 20)


def test_what_cannot_be_started_says_why(opened, here, admitted, monkeypatch):
    study = write_study(here / "results", "quickstart")
    app = opened(here / "results", "watch")
    monkeypatch.setattr(drivers, "driver_of", lambda study: Driver(Driving.RUNNING, 7, "h"))
    app.button(key="watch_start").click().run()
    assert f"{study.name}: is being run already, as process 7 on h" in app.error[0].value
    assert app.button(key="watch_stop")


def test_who_asked_it_to_stop_sees_that_it_was_asked(opened, here, admitted, monkeypatch):
    write_study(here / "results", "quickstart", confirm=3, live=True)
    asked = []
    monkeypatch.setattr(drivers, "driver_of", lambda study: Driver(Driving.RUNNING, 7, "h"))
    monkeypatch.setattr(drivers, "stop", asked.append)
    app = opened(here / "results", "watch")
    app.button(key="watch_stop").click().run()
    assert [study.name for study in asked] == ["quickstart"]
    button = app.button(key="watch_stop")
    assert (button.label, button.disabled) == ("Stopping …", True)


def test_a_study_without_a_manifest_yet_is_watched_and_said_on_other_pages(opened, here, admitted):
    study = here / "results" / "quickstart"
    write_json(study / drivers.STARTED, {"words": ["run", "ablations/quickstart.yaml"]})
    (study / drivers.CONSOLE).write_text("$ workbench run …\nerror: no such text\n")
    app = opened(here / "results", "watch")
    assert not app.exception
    assert "not started" in texts(app)
    assert "error: no such text" in app.code[0].value
    assert app.button(key="watch_start").label == "Run again"
    other = opened(here / "results", "curves")
    assert not other.exception
    assert other.title[0].value == "quickstart"
    assert "There is no study to watch yet" in texts(opened(here / "empty", "watch"))


def test_a_study_that_cannot_be_read_says_so_and_can_be_run_again(opened, here, admitted, begun):
    study = write_study(here / "results", "quickstart", confirm=2)
    write_yaml(study / "study.yaml", read_yaml(study / "study.yaml") | {"variants": "x"})
    app = opened(here / "results", "watch")
    assert not app.exception
    assert "study.yaml: variants: should be a valid list" in app.error[0].value
    assert "cannot be read" in texts(app)
    assert "which command ran it is not recorded" in texts(app)
    write_json(study / drivers.STARTED, {"words": ["run", "ablations/quickstart.yaml"]})
    app = opened(here / "results", "watch")
    app.button(key="watch_start").click().run()
    assert begun == [("quickstart", ["run", "ablations/quickstart.yaml"])]


def test_the_end_of_a_study_is_noticed_on_any_page(opened, here):
    study = write_study(here / "results", "live", confirm=3, live=True)
    app = opened(here / "results", "runs")
    assert not app.toast
    write_json(study / "driver.json", read_json(study / "driver.json") | {"state": "done"})
    app.run()
    assert [item.value for item in app.toast] == ["**live** is done"]
    app.run()
    assert not app.toast


def test_no_button_of_a_page_reads_the_text_of_a_record(opened, here, admitted):
    results = write_hostile(here, HOST, live=True)
    beat(results / "hostile")
    (results / "hostile" / drivers.CONSOLE).write_text(poison(HOST))
    app = opened(results, "watch")
    assert not app.exception
    assert acting(app) == {}
    assert "hostile" in texts_of(app)
    state = read_json(results / "hostile" / "driver.json")
    write_json(results / "hostile" / "driver.json", state | {"state": "stopped", "message": poison(HOST)})
    app.run()
    assert not app.exception
    assert acting(app) == {}
