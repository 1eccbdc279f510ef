"""Published studies on every page: a fresh checkout, weights of few runs, and a study beside its copy."""

import shutil
from urllib.parse import parse_qs

import pytest

from tests.dashboard.inspection_pages import texts, to_page, to_view, views_of
from tests.dashboard.inspection_studies import CHANGED, runs_of
from workbench.publishing.publish import publish

PAGES = ("overview", "runs", "curves", "effects", "data", "attention", "position", "activations")
PAGES += ("new_study", "watch", "compare", "claims", "run")
SEED = 203  # the seed whose weights are published: not the one that pages would choose by themselves


@pytest.fixture(scope="module")
def both(inspected, tmp_path_factory):
    """A results folder with the study ``inside`` and its published copy, the weights of one seed in it."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copytree(inspected, folder / "results")
    shutil.copytree(inspected.parent / "results-text", folder / "results-text")
    study, kept = folder / "results" / "inside", {}
    for (variant, seed), run in runs_of(study).items():
        if seed != SEED:
            kept[variant, seed] = run.weights.read_bytes()
            run.weights.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        publish(study, folder / "results", weights=1, limit=20)
    for key, run in runs_of(study).items():
        if key in kept:
            run.weights.write_bytes(kept[key])
    return folder / "results"


@pytest.fixture(scope="module")
def checkout(both, tmp_path_factory):
    """A results folder as a fresh clone has it, of which no page changes a byte."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(both / "published", folder / "results" / "published")
    (folder / "results" / "README.md").write_text("# Results\n")
    before = _content(folder)
    yield folder / "results"
    assert _content(folder) == before


@pytest.fixture
def ids(checkout):
    """Run ids by variant and seed: those of the copy and of the study that it is a copy of."""
    return {key: run.run_id for key, run in runs_of(checkout / "published" / "inside").items()}


@pytest.mark.parametrize("page", PAGES)
def test_a_fresh_checkout_opens_what_is_published_and_says_so(opened, checkout, page):
    app = opened(checkout, page)
    assert not app.exception
    assert app.sidebar.selectbox[0].options == ["published/inside"]
    assert app.query_params["study"] == "published/inside"
    shown = "\n".join(str(item.value) for kind in ("markdown", "caption") for item in app.sidebar.get(kind))
    assert "Published" in shown
    assert "Committed to be read by others: 6 runs, 2 with weights" in shown


def test_the_first_pair_to_be_looked_into_has_weights(opened, checkout, ids):
    app = opened(checkout, "overview")
    (link,) = (one for one in app.page_link if one.proto.label == "Look inside")
    asked = {name: value for name, (value,) in parse_qs(link.proto.query_string).items()}
    assert (asked["study"], asked["inspect"]) == ("published/inside", ids[CHANGED, SEED])
    app = opened(checkout, "attention")
    assert app.selectbox(key="inspect").value == ids[CHANGED, SEED]
    assert app.selectbox(key="against").value == ids["baseline", SEED]
    labels = app.selectbox(key="inspect").options
    assert [label.endswith("no weights") for label in labels] == [False, False, True, True, True, True]


@pytest.mark.parametrize("page", ["attention", "position", "activations"])
def test_every_view_of_a_run_without_weights_is_shown_or_says_why_not(opened, checkout, ids, page):
    app = opened(checkout, page, inspect=ids[CHANGED, 201], against=ids["baseline", 201])
    for view in views_of(page):
        app = to_view(app, view.name)
        assert not app.exception, view.name
        refused = [warning.value for warning in app.main.warning]
        if not app.info:  # it applies to these runs
            assert bool(refused) == view.live, view.name
        assert [text.partition(":")[0] for text in refused] == [
            f"{CHANGED} seed 201 of inside was published without its weights; choose a run that has them"
        ] * len(refused)
        assert refused or app.info or app.get("download_button"), view.name


def test_a_view_that_needs_weights_works_where_they_are(opened, checkout, both, monkeypatch):
    monkeypatch.chdir(both.parent)  # its corpus is a folder beside the results
    app = to_view(opened(checkout, "attention"), "prompt_attention")
    assert not app.exception
    assert f"inside/{CHANGED} seed {SEED}" in texts(app)


@pytest.fixture
def bare(both, tmp_path, monkeypatch):
    """A fresh checkout of what was published before any table was measured; its text is there."""
    results = tmp_path / "results"
    shutil.copytree(both / "published", results / "published")
    shutil.copytree(both.parent / "results-text", tmp_path / "results-text")
    (results / "published" / "inside" / "probes.parquet").unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return results


def _content(results):
    return {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}


def test_runs_that_have_weights_are_measured_into_the_cache(opened, bare, ids):
    before = _content(bare)
    asked = {"inspect": ids[CHANGED, 201], "against": ids["baseline", 201]}
    app = to_view(opened(bare, "activations", **asked), "residual")
    assert [info.value for info in app.main.info] == [
        "Not yet measured for this view: 2 runs of this comparison. It takes seconds for each."
    ]
    assert not app.main.warning
    app.button(key="measure").click().run()
    assert not app.exception
    assert not app.main.info
    shown = texts(app)
    for variant in (CHANGED, "baseline"):
        assert f"{variant}: n = 1 of 3 seeds: seeds 201, 202 were published without weights." in shown
        assert f"{variant}: seed {SEED} stands in for seed 201 where one run is shown." in shown
    assert "paired over 1 seed, too few for an interval" in shown
    assert f"seed {SEED} against inside/baseline, seed {SEED}" in shown
    assert _content(bare) == before


def test_what_no_seed_has_cannot_be_measured_without_weights(opened, bare, ids):
    for path in bare.glob("published/inside/runs/*/model.safetensors"):
        path.unlink()
    app = to_view(opened(bare, "attention", inspect=ids[CHANGED, SEED]), "head_scores")
    (warning,) = app.main.warning
    assert (
        f"no seed of {CHANGED} in published/inside can be shown: seeds 201-203 were published"
        in warning.value
    )
    assert not [button for button in app.button if button.label == "Measure them"]


def test_a_study_and_its_copy_are_two_entries_and_two_addresses(opened, both):
    app = opened(both, "overview")
    assert app.sidebar.selectbox[0].options == ["inside", "published/inside"]
    assert app.query_params["study"] == "inside"
    app.sidebar.selectbox[0].set_value("published/inside").run()
    assert app.query_params["study"] == "published/inside"
    app = to_page(app, "attention")
    assert "no weights" in "\n".join(app.selectbox(key="inspect").options)
    app = opened(both, "attention", study="inside")
    assert "no weights" not in "\n".join(app.selectbox(key="inspect").options)
    assert "Published" not in "\n".join(str(item.value) for item in app.sidebar.markdown)
    app = opened(both, "runs", study="published/inside")
    assert app.sidebar.selectbox[0].value == "published/inside"
