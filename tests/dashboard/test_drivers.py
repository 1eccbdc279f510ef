"""Drivers from a page: one process for each study, stopped as by Ctrl-C, taken up by its own command."""

import os
import platform
import sys
import time

import pytest

from tests.dashboard.dashboard_studies import manifest, write_study
from tests.dashboard.test_new_study import SMALL
from workbench.dashboard import drivers, launch_token
from workbench.errors import UserError
from workbench.files import read_json, write_json, write_yaml
from workbench.records.driving import Driving, driver_of
from workbench.records.run import now

# Stands for the driver: says what it was started with, and then waits to be stopped.
DRIVER = """
import os, signal, sys, time
own = os.getsid(0) == os.getpid()
print(" ".join(sys.argv[1:]), os.getcwd(), own, os.environ.get({variable!r}), flush=True)
def stop(*_):
    print("stopping", flush=True)
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
time.sleep(60)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a study file, in which the dashboard was started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ablations").mkdir()
    (tmp_path / "ablations" / "asked.yaml").write_text(SMALL)
    return tmp_path


@pytest.fixture
def driver(here, monkeypatch):
    """A process that is started in place of the workbench."""
    script = here / "driver.py"
    script.write_text(DRIVER.format(variable=launch_token.VARIABLE))
    real = drivers.subprocess.Popen
    begun = []

    def begin(words, **options):
        assert words[:3] == [sys.executable, "-m", "workbench"]
        begun.append(real([sys.executable, str(script), *words[3:]], **options))
        return begun[-1]

    monkeypatch.setattr(drivers.subprocess, "Popen", begin)
    yield begun
    for process in begun:
        process.kill()
        process.wait(timeout=20)


def until(what):
    for _ in range(500):
        if what():
            return
        time.sleep(0.02)
    pytest.fail("it did not happen within ten seconds")


def test_a_study_has_one_driver_which_outlives_the_page_and_is_stopped(here, driver, monkeypatch):
    monkeypatch.setenv(launch_token.VARIABLE, "secret")
    study = here / "results" / "asked"
    words = drivers.run_words(here / "ablations" / "asked.yaml", here / "results", workers=1)
    drivers.start(study, words)
    assert driver_of(study).driving is Driving.STARTING
    assert drivers.is_begun(study)
    assert drivers.begun_studies(here / "results") == [study]
    with pytest.raises(UserError, match=f"is being run already, as process {driver[0].pid}"):
        drivers.start(study, words)
    until(lambda: "True" in drivers.console_tail(study, 9))
    # A session of its own, in the folder of the dashboard, and without the token.
    first, said = drivers.console_tail(study, 9).splitlines()
    assert first == f"$ workbench {' '.join(words)}"
    assert said == f"{' '.join(words)} {here} True None"
    drivers.stop(study)
    assert driver[0].wait(timeout=20) == 130
    assert drivers.console_tail(study, 1) == "stopping"
    assert driver_of(study).driving is Driving.NONE
    with pytest.raises(UserError, match="nothing to stop"):
        drivers.stop(study)
    drivers.start(study, words)  # one after the other, in one file
    until(lambda: drivers.console_tail(study, 99).count("$ workbench") == 2)


def test_a_number_that_another_process_has_by_now_is_no_driver(here):
    study = here / "results" / "asked"
    facts = {"pid": os.getpid(), "host": platform.node(), "words": []}
    write_json(study / drivers.STARTED, facts | {"started": "2001-01-01T00:00:00+00:00"})
    assert driver_of(study).driving is Driving.NONE
    write_json(study / drivers.STARTED, facts | {"started": now(), "host": "elsewhere"})
    assert driver_of(study).driving is Driving.NONE
    write_json(study / drivers.STARTED, facts | {"started": now()})
    assert driver_of(study).driving is Driving.STARTING
    (study / drivers.STARTED).write_text("{")
    assert driver_of(study).driving is Driving.NONE


def test_a_driver_of_a_shell_is_known_by_its_sign_of_life(here):
    study = write_study(here / "results", "live", confirm=1, live=True)
    found = driver_of(study)
    assert found.driving is Driving.RUNNING
    assert found.host == "workstation"
    assert not found.can_be_stopped
    with pytest.raises(UserError, match="it runs on workstation"):
        drivers.stop(study)
    with pytest.raises(UserError, match="is being run already, on workstation"):
        drivers.start(study, ["run", "x"])
    state = read_json(study / "driver.json")
    mine = {"host": platform.node(), "pid": os.getpid()}
    write_json(study / "driver.json", state | mine | {"started": "2020-01-01T00:00:00+00:00"})
    assert not driver_of(study).can_be_stopped  # this process is younger than that driver
    write_json(study / "driver.json", state | mine | {"started": now()})
    assert driver_of(study).pid == os.getpid()


def test_what_is_published_is_never_driven(here):
    with pytest.raises(UserError, match="is published"):
        drivers.start(here / "results" / "published" / "quickstart", ["run", "x"])


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("workbench run ablations/asked.yaml", ["run", "ablations/asked.yaml"]),
        ("workbench run asked --out results", ["run", "ablations/asked.yaml"]),
        (
            "workbench run --set seeds.confirm=9 ablations/asked.yaml --workers=2 --out=elsewhere",
            ["run", "ablations/asked.yaml", "--set", "seeds.confirm=9", "--workers=2"],
        ),
    ],
)
def test_a_study_goes_on_by_the_command_that_ran_it(here, typed, words):
    study = here / "results" / "asked"
    write_yaml(study / "study.yaml", manifest("asked") | {"command": typed})
    assert drivers.words_again(study, here / "results") == words


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("workbench noise asked", "goes on from a terminal only"),
        ("workbench run ablations/gone.yaml", "is not here"),
        ("workbench run ablations/asked.yaml --set seeds={tune: 3}", "cannot be taken up from a page"),
        ("workbench run ablations/asked.yaml --new-option", "cannot be taken up from a page"),
        ("rm -rf /", "goes on from a terminal only"),
        ("workbench run ablations/other.yaml", "asks another study by now, other"),
        ("workbench run ablations/asked.yaml --set name=other", "asks another study by now, other"),
    ],
)
def test_what_a_page_cannot_give_again_is_left_to_the_terminal(here, typed, why):
    study = here / "results" / "asked"
    (here / "ablations" / "other.yaml").write_text(SMALL)
    write_yaml(study / "study.yaml", manifest("asked") | {"command": typed})
    with pytest.raises(UserError, match=why):
        drivers.words_again(study, here / "results")


def test_the_words_of_a_page_are_known_one_by_one(here):
    study = here / "results" / "asked"
    words = ["run", "ablations/asked.yaml", "--set", "seeds={tune: 3, confirm: 2}"]
    write_yaml(study / "study.yaml", manifest("asked") | {"command": " ".join(["workbench", *words])})
    write_json(study / drivers.STARTED, {"words": words})
    assert drivers.words_again(study, here / "results") == words


def test_results_elsewhere_are_named(here, tmp_path_factory):
    file = here / "ablations" / "asked.yaml"
    assert "--out" not in drivers.run_words(file, here / "results")
    assert drivers.run_words(file, here / "others")[-2:] == ["--out", "others"]
    away = tmp_path_factory.mktemp("away")
    assert drivers.run_words(file, away)[-2:] == ["--out", str(away)]


@pytest.mark.parametrize(
    ("seeds", "more", "setting"),
    [
        ("confirm: 2", 5, "seeds.confirm=5"),
        ("confirm: until_decided, at_most: 8", 16, "seeds.at_most=16"),
        ("confirm: [5, 9]", 4, "seeds.confirm=[5, 9, 10, 11]"),
    ],
)
def test_seeds_are_added_to_those_that_there_are(here, seeds, more, setting):
    file = here / "ablations" / "asked.yaml"
    file.write_text(SMALL.replace("confirm: 2", seeds))
    words = drivers.with_seeds(["run", str(file)], more)
    assert words == ["run", str(file), "--set", setting]
    with pytest.raises(UserError, match="give more"):
        drivers.with_seeds(words, more)  # whose own setting counts
