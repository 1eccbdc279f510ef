"""Every page, run by Streamlit's own test harness: full, empty, damaged, live, and restored from a URL."""

import shutil
import time
from pathlib import Path

import pytest

from tests.dashboard import dashboard_studies
from tests.dashboard.dashboard_studies import SEEDS, write_study
from tests.dashboard.unfolded import unfolded
from workbench.analysis.effects import study_report
from workbench.files import write_yaml
from workbench.records.index import load_study
from workbench.records.run import RunDirectory, State

APP = Path(__file__).parents[2] / "app.py"
PAGES = ["overview", "runs", "curves", "effects"]
SWITCH = {name: f"workbench/dashboard/pages/{name}.py" for name in PAGES}


def texts(app):
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "error", "warning", "code")
    return "\n".join(str(item.value) for kind in kinds for item in app.get(kind))


def chart(app):
    return app.get("echarts_chart")[0].proto


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_a_finished_study_with_a_damaged_record(opened, results, page):
    app = opened(results, page)
    assert not app.exception
    assert app.sidebar.selectbox[0].value == "quickstart"
    assert app.query_params["study"] == "quickstart"


def test_overview_answers_the_question_and_shows_the_problem(opened, results):
    app = opened(results)
    shown = texts(app)
    assert "Which parts of the LLaMA recipe" in shown
    assert "Learned positions instead of RoPE: worse by 0.2" in shown
    assert ":red-badge[worse]" in shown
    assert "workbench run ablations/quickstart.yaml" in shown
    assert [item.label for item in app.expander if "Problems" in item.label] == ["Problems (1)"]
    assert "deadbeef0000" in shown
    assert app.dataframe[0].value["verdict"].tolist() == ["baseline", "worse", "equivalent", "inconclusive"]
    assert {item.label for item in app.get("download_button")} == {"SVG", "PDF", "CSV", "Markdown", "LaTeX"}


def test_progress_is_folded_up_once_all_that_was_planned_has_ended(opened, results, live_results):
    said = "Progress: all ended, 54 of 55 trials complete"
    app = opened(results)
    assert said in [item.label for item in app.expander]
    assert not [item for item in app.dataframe if "progress" in item.value]
    (table,) = [item.value for item in unfolded(app).dataframe if "progress" in item.value]
    assert table["progress"].tolist() == [1.0, 1.0, 1.0]
    running = opened(live_results(2))
    assert "Progress" in [item.value for item in running.subheader]
    assert [item for item in running.dataframe if "progress" in item.value]


def test_notes_that_change_the_reading_are_open_and_method_is_folded_away(
    opened, results, study, live_results
):
    running = opened(live_results(2))
    (kept,) = [item for item in running.expander if item.label.startswith("To keep in mind")]
    assert kept.proto.expanded
    assert "the verdict may change, and is no reason to stop" in kept.markdown[0].value
    report = study_report(load_study(study))
    app = opened(results)
    (folded,) = [item for item in app.expander if item.label.startswith("Method notes")]
    assert folded.label == f"Method notes ({len(report.method)})"
    assert not folded.proto.expanded
    assert not folded.markdown  # sent once it is opened
    (opened_up,) = [item for item in unfolded(app).expander if item.label == folded.label]
    assert opened_up.markdown[0].value.count("\n") == len(report.method) - 1
    effects = opened(results, "effects")
    assert [item.label for item in effects.expander if "Method notes" in item.label] == [folded.label]


def test_the_runs_table_filters_and_groups(opened, results):
    app = opened(results, "runs", phase="confirm")
    assert len(app.dataframe[0].value) == 20
    app.multiselect(key="variant").set_value(["baseline"]).run()
    assert set(app.dataframe[0].value["variant"]) == {"baseline"}
    app.segmented_control(key="rows").set_value("variant").run()
    assert not app.exception
    assert app.dataframe[0].value["runs"].tolist() == [5]


def test_selected_runs_come_from_the_url_and_are_compared(opened, results, study):
    runs = load_study(study).runs
    lost = runs[runs["state"] == "diverged"].iloc[0]
    whole = runs[(runs["variant"] == "baseline") & (runs["phase"] == "confirm")].iloc[0]
    app = opened(results, "runs", runs=f"{lost['run_id']},{whole['run_id']},unknown")
    assert not app.exception
    assert app.query_params["runs"] == f"{lost['run_id']},{whole['run_id']}"
    assert "Selected runs** (2)" in texts(app)
    assert "the training loss became nan at step 41" in texts(app)
    assert "model.positions.name" in app.dataframe[1].value["key"].tolist()
    assert "model.width" not in app.dataframe[1].value["key"].tolist()
    app.toggle(key="all_keys").set_value(True).run()
    assert "model.width" in app.dataframe[1].value["key"].tolist()
    app.button(key="clear_selection").click().run()
    assert "runs" not in app.query_params


def test_the_selection_follows_from_page_to_page(opened, results, study):
    runs = load_study(study).runs
    chosen = runs[(runs["seed"] == 201)]["run_id"].tolist()[:2]
    app = opened(results, "overview", runs=",".join(chosen))
    app.switch_page(SWITCH["curves"]).run()
    assert app.query_params["runs"] == ",".join(chosen)
    app.toggle(key="only_selected").set_value(True).run()
    app.segmented_control(key="show").set_value("values").run()
    assert not app.exception
    assert "seed 201" in chart(app).spec
    assert "2 runs" in texts(app)


def test_curves_show_differences_first_and_values_on_demand(opened, results):
    app = opened(results, "curves")
    assert "Validation loss minus baseline (nats/token)" in chart(app).spec
    assert "15 runs" in texts(app)
    app.segmented_control(key="show").set_value("values").run()
    assert "minus" not in chart(app).spec
    assert "20 runs" in texts(app)


@pytest.mark.parametrize(
    ("axis", "band"),
    [("tokens", "± sd"), ("flops", "95 % interval"), ("seconds", "min–max"), ("step", "95 % interval")],
)
def test_curves_restore_every_choice_from_the_url(opened, results, axis, band):
    app = opened(
        results,
        "curves",
        show="values",
        x=axis,
        band=band,
        metric="Training loss",
        seeds="true",
        log_y="true",
        smooth="0.5",
    )
    assert not app.exception
    assert app.segmented_control(key="x").value == axis
    assert app.selectbox(key="metric").value == "train/loss"
    assert '"type":"log"' in chart(app).spec
    assert band in texts(app)
    assert "smoothed" in texts(app)


@pytest.mark.parametrize("phase", ["pilot", "tune"])
def test_curves_of_the_other_phases(opened, results, phase):
    app = opened(results, "curves", curve_phase=phase)
    assert not app.exception
    assert app.get("echarts_chart")


def test_curves_follow_a_study_into_its_next_phase(opened, tmp_path):
    path = write_study(tmp_path, "live", confirm=1, live=True)
    _forget(path, "confirm")
    app = opened(tmp_path, "curves", x="flops")
    assert "phase: tune" in texts(app)
    write_study(tmp_path, "live", confirm=1, live=True)
    app.run()
    assert not app.exception
    assert "phase: confirm" in texts(app)
    assert app.segmented_control(key="x").value == "flops"


def test_a_phase_that_another_study_lacks_is_let_go(opened, tmp_path):
    first = write_study(tmp_path, "first", confirm=1)
    _forget(first, "pilot")
    write_study(tmp_path, "second", confirm=1)
    app = opened(tmp_path, "curves", study="second", curve_phase="pilot")
    app.sidebar.selectbox[0].set_value("first").run()
    assert not app.exception
    assert "phase: confirm" in texts(app)


def test_curves_of_a_study_that_is_only_queued(opened, tmp_path):
    path = write_study(tmp_path, "live", confirm=0, live=True)
    _forget(path, "pilot", "tune")
    for run in (path / "runs").iterdir():
        record = RunDirectory(run).read()
        record.state = State.QUEUED
        RunDirectory(run).write(record)
        (run / "metrics.jsonl").unlink(missing_ok=True)
    app = opened(tmp_path, "curves")
    assert not app.exception
    assert "Nothing is logged yet" in texts(app)


def _forget(path, *phases):
    for run in load_study(path).runs.to_dict("records"):
        if run["phase"] in phases:
            shutil.rmtree(run["path"])


def test_another_baseline_is_shown_as_exploratory(opened, results):
    app = opened(results, baseline="norm=layernorm")
    assert not app.exception
    assert "exploratory" in texts(app)
    assert "The study declared **baseline** as its baseline" in texts(app)
    assert app.dataframe[0].value["verdict"].tolist()[0] == "baseline"


@pytest.mark.parametrize(
    ("page", "finished"), [*((page, finished) for page in PAGES for finished in (0, 3)), ("effects", 1)]
)
def test_every_page_of_a_live_study(opened, live_results, page, finished):
    app = opened(live_results(finished), page)
    assert not app.exception
    assert "Live · confirm" in texts(app)
    if page in ("overview", "effects") and finished < 2:
        assert "Effects need at least 2 seeds per variant" in texts(app)
    if page == "curves":
        assert app.get("echarts_chart")


def test_pausing_a_live_study_keeps_the_choices(opened, live_results):
    app = opened(live_results(3), "curves", x="flops")
    app.toggle(key="paused").set_value(True).run()
    assert not app.exception
    assert app.toggle(key="paused").value
    assert app.segmented_control(key="x").value == "flops"


@pytest.mark.parametrize("page", [*PAGES, "compare", "run"])
def test_a_study_of_which_nothing_has_run(opened, tmp_path, page):
    write_yaml(tmp_path / "new" / "study.yaml", dashboard_studies.manifest("new"))
    app = opened(tmp_path, page)
    assert not app.exception
    assert app.info


def test_no_results_folder_says_what_to_run(opened, tmp_path):
    app = opened(tmp_path / "nowhere")
    assert not app.exception
    assert app.title[0].value == "No studies yet"
    assert app.code[0].value == "workbench run ablations/quickstart.yaml"


def test_a_folder_without_studies_says_what_to_run(opened, tmp_path):
    app = opened(tmp_path)
    assert not app.exception
    assert "has no study in it" in texts(app)


@pytest.mark.parametrize("content", ["name: [", "name: quickstart\n", "- a\n"])
def test_a_damaged_manifest_is_explained(opened, tmp_path, content):
    path = write_study(tmp_path, "quickstart", confirm=1)
    (path / "study.yaml").write_text(content)
    app = opened(tmp_path)
    assert not app.exception
    assert app.title[0].value == "This study cannot be read"
    assert "study.yaml" in app.error[0].value


def test_damaged_metrics_are_a_problem_of_one_run(opened, tmp_path):
    path = write_study(tmp_path, "quickstart", confirm=2)
    runs = load_study(path).runs
    victim = runs[(runs["phase"] == "confirm") & (runs["variant"] == "norm=layernorm")].iloc[0]
    (Path(victim["path"]) / "metrics.parquet").write_bytes(b"half a file")
    for page in ("effects", "curves"):
        app = opened(tmp_path, page)
        assert not app.exception
    assert "metrics.parquet" in texts(app)
    assert "5 runs" in texts(app)


def test_the_url_chooses_among_studies(opened, tmp_path):
    write_study(tmp_path, "first", confirm=1)
    write_study(tmp_path, "second", confirm=1)
    assert opened(tmp_path, study="first").sidebar.selectbox[0].value == "first"


def test_a_link_to_a_study_that_is_not_here_says_so_until_another_is_chosen(opened, tmp_path):
    write_study(tmp_path, "first", confirm=1)
    write_study(tmp_path, "second", confirm=1)
    app = opened(tmp_path, study="gone")
    assert app.sidebar.selectbox[0].value == "second"  # the newest
    message = "There is no study gone here; this is second."
    assert [item.value for item in app.warning] == [message]
    app.run()
    assert [item.value for item in app.warning] == [message]
    app.sidebar.selectbox[0].set_value("first").run()
    assert not app.warning


@pytest.mark.parametrize(
    ("page", "parameters", "message"),
    [
        ("overview", {"baseline": "norm=gone"}, "the variant norm=gone, which is not here"),
        ("overview", {"runs": "0123456789ab"}, "run 0123456789ab, which the link selects"),
        ("runs", {"variant": "baseline", "phase": "warm"}, "the phase warm, which is not here"),
        ("runs", {"seed": "999"}, "the seed 999, which is not here"),
        ("curves", {"metric": "Perplexity"}, "the metric Perplexity, which is not here"),
        ("curves", {"curve_phase": "warm"}, "the phase warm, which is not here"),
    ],
)
def test_a_link_to_what_a_study_does_not_have_says_so_and_shows_the_rest(
    opened, results, page, parameters, message
):
    app = opened(results, page, **parameters)
    assert not app.exception
    assert message in "\n".join(item.value for item in app.warning)
    assert app.sidebar.selectbox(key="baseline").value == "baseline"


def test_a_link_to_what_there_is_says_nothing(opened, results, study):
    run = load_study(study).runs["run_id"].iloc[0]
    for page in PAGES:
        app = opened(
            results,
            page,
            study="quickstart",
            runs=run,
            baseline="norm=layernorm",
            variant="baseline",
            seed="201",
            metric="Training loss",
            curve_phase="tune",
            show="difference",
        )
        assert not app.warning


def test_changing_the_study_drops_what_the_other_does_not_have(opened, tmp_path):
    first = write_study(tmp_path, "first", confirm=1)
    write_study(tmp_path, "second", confirm=1, seeds=SEEDS | {"confirm": [301, 302]})
    run = load_study(first).runs["run_id"].iloc[0]
    app = opened(tmp_path, "runs", study="first", runs=run, seed="201")
    app.sidebar.selectbox[0].set_value("second").run()
    assert not app.exception
    assert app.multiselect(key="seed").value == []
    assert app.query_params["study"] == "second"


def test_a_hundred_runs_redraw_within_a_second(opened, tmp_path):
    write_study(tmp_path, "large", confirm=17, seeds=SEEDS | {"confirm": list(range(201, 218))})
    for page in PAGES:
        app = opened(tmp_path, page)
        assert min(_seconds(app.run) for _ in range(3)) < 1.0, page


def _seconds(action):
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@pytest.mark.parametrize("page", ["new_study", "watch", "compare", "claims", "run"])
def test_every_other_page_of_imported_models_opens(opened, imported, page):
    app = opened(imported, page)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_imported_models_have_no_verdict_and_say_what_to_do(opened, imported, page):
    app = opened(imported, page)
    assert not app.exception
    assert [box.label for box in app.sidebar.selectbox] == ["Study"]
    if page == "overview":
        assert app.dataframe[0].value["model"].tolist() == ["tiny-llama"]
        assert "workbench evaluate imported/tiny-llama" in texts(app)
        assert "start: imported/tiny-llama" in texts(app)
    elif page != "runs":
        assert "start a study from one" in texts(app)
