"""The page of one run: outcome, log, configuration, environment, and text on demand."""

from urllib.parse import parse_qs

import pytest
import streamlit as st
import yaml

from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.inspection_pages import texts
from tests.dashboard.inspection_studies import CHANGED
from tests.dashboard.test_literal_text import acting
from workbench.dashboard.live import SECONDS
from workbench.dashboard.text_tail import text_tail
from workbench.files import read_json, write_json
from workbench.records.index import load_study
from workbench.records.run import LOG, RunDirectory
from workbench.records.samples import SAMPLES, Sample, append_samples

HOSTILE = "[click](http://leak) <img src=x> :red[no] $x^2$"


@pytest.fixture(scope="module")
def own(results):
    """Records of the finished study by variant, for one confirming seed; and one that failed or diverged."""
    return load_study(results / "quickstart").runs


def test_a_link_opens_the_run_with_its_outcome_and_configuration(opened, inspected, runs):
    app = opened(inspected, "run", run=runs[CHANGED, 202], run_part="Configuration")
    assert not app.exception
    assert app.selectbox(key="run").value == runs[CHANGED, 202]
    assert app.query_params["run"] in (runs[CHANGED, 202], [runs[CHANGED, 202]])
    table = next(frame.value for frame in app.dataframe if "key" in frame.value)
    assert "model.positions.name" in table["key"].tolist() or "model.positions" in table["key"].tolist()
    assert "seed" not in table["key"].tolist()  # the baseline's run of the same seed
    (written,) = [item.value for item in app.code if "hyperparameters" in item.value]
    assert yaml.safe_load(written)["seed"] == 202
    assert yaml.safe_load(written)["config"]["model"]["context"] == 32


def test_a_run_that_is_not_here_is_said_and_another_shown(opened, inspected):
    app = opened(inspected, "run", run="gone")
    assert not app.exception
    assert "the run gone, which is not here" in app.warning[0].value
    assert app.selectbox(key="run").value


def test_a_run_that_was_lost_says_why(opened, results, own):
    lost = own[own["error"].map(lambda error: isinstance(error, str))].iloc[0]
    app = opened(results, "run", run=lost["run_id"])
    assert not app.exception
    assert app.error[0].value
    assert lost["state"] in texts(app)


@pytest.mark.parametrize(("state", "word"), [("running", "running"), ("stopped", "interrupted")])
def test_a_run_whose_driver_was_stopped_does_not_run(opened, tmp_path, state, word):
    study = write_study(tmp_path, "live", confirm=4, live=True)
    write_json(study / "driver.json", read_json(study / "driver.json") | {"state": state})
    runs = load_study(study).runs
    app = opened(tmp_path, "run", run=runs.loc[runs["state"] == "running", "run_id"].item())
    assert not app.exception
    assert f":gray-badge[{word}]" in texts(app)
    table = opened(tmp_path, "runs", state=word).dataframe[0].value
    assert table["state"].tolist() == [word]


def test_the_log_is_text_and_its_end_is_shown(opened, inspected, runs):
    path = inspected / "inside" / "runs" / runs["baseline", 201] / LOG
    path.write_text("".join(f"line {number}\n" for number in range(100)) + f"{HOSTILE}\x1b[2J\n")
    try:
        app = opened(inspected, "run", run=runs["baseline", 201], run_part="Log")
        assert not app.exception
        (shown,) = [item.value for item in app.code]
        assert HOSTILE in shown
        assert "\x1b" not in shown
        assert "line 99" in shown
        assert "line 59\n" not in shown
        assert [one.label for one in app.get("download_button") if one.key == "download_log"] == ["Whole log"]
    finally:
        path.unlink()
    app = opened(inspected, "run", run=runs["baseline", 201], run_part="Log")
    assert "There is no log here" in texts(app)


def test_the_end_of_a_text_is_whole_lines_and_of_no_file_nothing(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"first\n" * 50_000 + b"\xff last\n")
    assert text_tail(path, 2) == "first\n\ufffd last"
    assert text_tail(tmp_path / "gone", 2) == ""


def test_what_the_model_writes_is_what_generate_writes(opened, inspected, runs):
    from workbench.trained.generate import generate_text

    app = opened(inspected, "run", run=runs["baseline", 201], run_part="Text")
    assert not app.code  # nothing is written before it is asked for
    app.number_input(key="prompt_tokens").set_value(5)
    app.text_area(key="prompt").set_value("def value")
    app.button(key="continue").click().run()
    assert not app.exception
    directory = RunDirectory(inspected / "inside" / "runs" / runs["baseline", 201])
    options = {"tokens": 5, "top_k": None, "top_p": None, "seed": 201}
    wanted = [
        "def value" + "".join(generate_text(directory, "def value", temperature=heat, **options))
        for heat in (0.0, 0.8)
    ]
    from workbench.visible import visible

    assert [item.value for item in app.code] == [visible(text) for text in wanted]


def test_samples_are_text_and_shown_step_by_step(opened, inspected, runs):
    directory = RunDirectory(inspected / "inside" / "runs" / runs["baseline", 202])
    app = opened(inspected, "run", run=directory.run_id, run_part="Samples")
    assert "This run has written nothing while it trained" in texts(app)
    written = [
        Sample(step=step, number=number, prompt=f"prompt {number}", text=f"{HOSTILE} {step}.{number}\x1b[2J")
        for step in (0, 40, 80)
        for number in (0, 1)
    ]
    append_samples(directory.path, [*written[:-1], written[-1].model_copy(update={"error": HOSTILE})])
    try:
        app = opened(inspected, "run", run=directory.run_id, run_part="Samples")
        assert not app.exception
        assert acting(app) == {}
        assert [item.value for item in app.code] == [
            "prompt 0", f"{HOSTILE} 80.0\\x1b[2J", "prompt 1"
        ]  # fmt: skip
        assert f"It was not continued: {HOSTILE}" in app.warning[0].value.replace("\\", "").replace(
            ":color[:]", ":"
        )
        app.select_slider(key="sample_step").set_value("40").run()
        assert app.code[1].value == f"{HOSTILE} 40.0\\x1b[2J"
        app = opened(inspected, "run", run=directory.run_id, run_part="Samples", sample_step="0")
        assert app.code[1].value == f"{HOSTILE} 0.0\\x1b[2J"
        table = next(frame.value for frame in app.dataframe if "prompt 1" in frame.value)
        assert table["step"].tolist() == [0, 40, 80]
        (directory.path / SAMPLES).write_text("[\n")
        app = opened(inspected, "run", run=directory.run_id, run_part="Samples")
        assert "is no line of JSON" in app.error[0].value
    finally:
        (directory.path / SAMPLES).unlink()


def test_samples_of_a_run_that_trains_come_by_themselves_unless_updates_are_paused(
    opened, live_results, monkeypatch
):
    results = live_results(4)
    runs = load_study(results / "live").runs
    directory = RunDirectory(runs.loc[runs["state"] == "running", "path"].item())

    def write(step):
        append_samples(directory.path, [Sample(step=step, number=0, prompt="def", text=f" after {step}")])

    every = {}
    fragment = st.fragment

    def noted(function, *, run_every=None):
        every[function.__module__] = run_every
        return fragment(function, run_every=run_every)

    monkeypatch.setattr(st, "fragment", noted)
    write(0)
    try:
        app = opened(results, "run", run=directory.run_id, run_part="Samples")
        assert not app.exception
        assert every["workbench.dashboard.run_samples"] == SECONDS
        assert "**90\xa0of\xa0195**" in texts(app)  # as Watch has it: its record says 0
        for step in (40, 80):
            write(step)
            assert app.run().code[1].value == f" after {step}"
        app.select_slider(key="sample_step").set_value("40").run()
        write(120)
        assert app.run().code[1].value == " after 40"
        assert app.select_slider(key="sample_step").options == ["0", "40", "80", "120"]
        app.toggle(key="paused").set_value(True).run()
        assert every["workbench.dashboard.run_samples"] is None
        done = runs.loc[runs["state"] == "complete", "run_id"].iloc[0]
        app = opened(results, "run", run=done, run_part="Samples")
        assert every["workbench.dashboard.run_samples"] is None
    finally:
        (directory.path / SAMPLES).unlink()


def test_selected_runs_link_to_their_pages(opened, inspected, runs):
    app = opened(inspected, "runs", runs=runs[CHANGED, 201])
    (link,) = [one.proto for one in app.page_link if one.proto.label == "Open this run"]
    assert parse_qs(link.query_string)["run"] == [runs[CHANGED, 201]]
    assert link.page == "run"


def test_environment_and_curves_of_a_run(opened, results, own):
    chosen = own[own["state"] == "complete"].iloc[0]["run_id"]
    app = opened(results, "run", run=chosen, run_part="Environment")
    assert not app.exception
    assert app.json or "Nothing is recorded" in texts(app)
    app = opened(results, "run", run=chosen)
    assert not app.exception
    assert app.get("echarts_chart")
    assert "values logged" in texts(app) or "value logged" in texts(app)
