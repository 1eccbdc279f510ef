"""Damaged records on the pages: each is named there with its key, and no page is taken down."""

import json

import pytest

from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.test_pages import texts
from workbench.files import read_yaml, write_yaml
from workbench.records.index import load_study

NEWER = ["watch", "compare", "claims", "new_study", "run"]
PAGES = ["overview", "runs", "curves", "effects", "attention", *NEWER]
# The damages that broke a page once, each in a run of its own.
DAMAGES = [
    ("seed", None),
    ("seed", "x"),
    ("summary", {"validation/loss": "x"}),
    ("cost", {"seconds": "x"}),
    ("hyperparameters", []),
    ("created", "x"),
    ("finished", "[/red]"),
    ("variant", None),
    ("phase", None),
    ("state", []),
    ("config", {"training": {"threads": "x"}}),
    ("provenance", {"versions": "x"}),
    ("progress", {"step": "x"}),
    ("error", []),
]


def code_of(app):
    return [item.value for item in app.get("code")]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A study in which many runs have a damaged record, each another."""
    folder = tmp_path_factory.mktemp("damaged")
    study = write_study(folder, "quickstart", confirm=2)
    for path, (key, value) in zip(sorted(study.glob("runs/*/run.json")), DAMAGES, strict=False):
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_no_page_is_taken_down_by_damaged_runs(opened, damaged, page):
    app = opened(damaged, page)
    assert not app.exception
    if page in ("overview", "runs"):
        problems = [
            text for text in code_of(app) if "restore the file, or delete the run's directory" in text
        ]
        assert len(problems) == len(DAMAGES)
        assert all(any(f"run.json: {key}" in text for text in problems) for key, _ in DAMAGES)
    if page == "runs":
        everything = len(load_study(damaged / "quickstart").runs)
        assert len(app.dataframe[0].value) == everything


def test_a_study_of_damaged_runs_alone_names_them(opened, tmp_path):
    study = write_study(tmp_path, "quickstart", confirm=0, seeds={"pilot": [1], "tune": [], "confirm": [2]})
    (file,) = study.glob("runs/*/run.json")
    file.write_text("[" * 100_000)
    for page in ("overview", "runs"):
        app = opened(tmp_path, page)
        assert not app.exception
        assert any(file.parent.name in text for text in code_of(app))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("variants", "x"),
        ("seeds", {"confirm": "x"}),
        ("margin", None),
        ("baseline", "[/red]"),
        ("metric", []),
    ],
)
def test_a_damaged_manifest_is_said_with_its_key_and_other_studies_are_shown(opened, tmp_path, key, value):
    study = write_study(tmp_path, "broken", confirm=0, seeds={"pilot": [1], "tune": [], "confirm": [2]})
    write_yaml(study / "study.yaml", read_yaml(study / "study.yaml") | {key: value})
    write_yaml(tmp_path / "sound" / "study.yaml", read_yaml(study / "study.yaml") | {key: _SOUND[key]})
    app = opened(tmp_path, study="broken")
    assert not app.exception
    assert app.title[0].value == "This study cannot be read"
    assert key in app.error[0].value
    assert "run the study again to rebuild it" in app.error[0].value
    other = opened(tmp_path, study="sound")
    assert not other.exception
    assert not other.error


_SOUND = {
    "variants": [{"name": "baseline"}],
    "seeds": {"confirm": [2]},
    "margin": 0.02,
    "baseline": "baseline",
    "metric": "validation/loss",
}


@pytest.mark.parametrize("page", NEWER)
def test_a_damaged_manifest_takes_down_no_page(opened, tmp_path, page):
    study = write_study(tmp_path, "broken", confirm=0, seeds={"pilot": [1], "tune": [], "confirm": [2]})
    write_yaml(study / "study.yaml", read_yaml(study / "study.yaml") | {"variants": "x"})
    app = opened(tmp_path, page, study="broken", studies="broken")
    assert not app.exception
    if page in ("watch", "run"):  # the others are about more than that one
        assert "study.yaml: variants" in app.error[0].value


@pytest.mark.parametrize("page", NEWER)
def test_an_empty_folder_has_a_way_on_from_every_page(opened, tmp_path, page):
    app = opened(tmp_path, page)
    assert not app.exception
    assert not app.error
    said = {"compare": "no study yet", "watch": "no study to watch", "run": "A study asks one question"}
    assert said.get(page, "") in texts(app)


def test_a_damaged_sign_of_life_is_a_problem_of_its_own(opened, tmp_path):
    study = write_study(tmp_path, "quickstart", confirm=0, seeds={"pilot": [1], "tune": [], "confirm": [2]})
    driver = json.loads((study / "driver.json").read_text())
    (study / "driver.json").write_text(json.dumps(driver | {"state": "running", "seconds_left": "x"}))
    app = opened(tmp_path)
    assert not app.exception
    assert any("driver.json: seconds_left" in text for text in code_of(app))


def test_an_import_whose_record_is_damaged_is_named(opened, imported):
    (file,) = (imported / "imported").glob("runs/*/run.json")
    sound = json.loads(file.read_text())
    for key, value in (("cost", {}), ("config", {"model": {"layers": 2}}), ("seed", "x")):
        file.write_text(json.dumps(sound | {key: value}))
        app = opened(imported)
        assert not app.exception
    assert any("run.json: seed" in text for text in code_of(app))
