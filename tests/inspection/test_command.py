import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from workbench.cli.main import app, main
from workbench.errors import UserError
from workbench.inspection.command import file_stem, inspect_run, parse_options
from workbench.inspection.measuring import lacking
from workbench.inspection.scope import Scope
from workbench.inspection.tables import known_tables
from workbench.inspection.views import find_view, views
from workbench.records.find import find_run
from workbench.records.index import load_study
from workbench.records.probes import PROBES, read_probes, write_probes
from workbench.records.run import RunDirectory, State

TEXT = "beta gamma alpha3\n"
WHERE = Path("results")
LIVE_TEXT = ["prompt_attention", "logit_lens"]  # the views that read a text of the user's


def invoke(*arguments):
    """What a command that must succeed prints: progress goes to the other stream."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


@pytest.fixture
def refused(monkeypatch, capsys):
    """The message of a command that must not succeed: one line, exit code 2."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        shown = capsys.readouterr()
        assert stopped.value.code == 2
        assert shown.out == ""
        assert "Traceback" not in shown.err
        assert re.fullmatch(r"error: [^\n]+\n", shown.err), shown.err
        return shown.err

    return run


def _place(trained_study, patch):
    """Where the study's text and cache are."""
    patch.chdir(trained_study.parents[1])
    patch.setenv("WORKBENCH_CACHE", str(trained_study.parents[1] / "cache"))


@pytest.fixture
def runs(trained_study, monkeypatch):
    """Run ids by variant and seed."""
    _place(trained_study, monkeypatch)
    found = load_study(trained_study).runs
    return {(row.variant.partition("=")[2] or "rope", row.seed): row.run_id for row in found.itertuples()}


@pytest.fixture
def copy(trained_study, runs, tmp_path):
    """Results that may be changed."""
    shutil.copytree(trained_study, tmp_path / "results" / "tiny")
    return tmp_path / "results"


@pytest.fixture(scope="module")
def everything(trained_study, tmp_path_factory):
    """What ``inspect`` without a view prints and writes, for two runs."""
    to = tmp_path_factory.mktemp("everything") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        _place(trained_study, patch)
        found = load_study(trained_study).runs.sort_values("seed")
        first = {row.variant: row.run_id for row in found[::-1].itertuples()}
        scope = ("inspect", first["baseline"], "--against", first["positions=learned"])
        output = invoke(*scope, "--to", to, "--option", "tokens=64", "--option", "windows=4")
        return output, to


def _printed(output, to):
    """Views in the order in which they are shown: title, path, number of tables, answers, by name."""
    found = {}
    for line in output.splitlines():
        shown = re.fullmatch(rf"(.+): ({re.escape(str(to))}/.+) and (\d+) tables", line)
        if shown:
            path = Path(shown[2])
            found[path.stem.partition("-")[0]] = {
                "title": shown[1],
                "path": path,
                "tables": int(shown[3]),
                "answers": [],
            }
        elif line.startswith("  "):
            found[list(found)[-1]]["answers"].append(line[2:])
        else:
            assert re.match(r"\w+: not shown: .|written to: ", line), line
    return found


def _refused(output):
    """The reasons by view of those that were not written."""
    return dict(re.findall(r"^(\w+): not shown: (.+)$", output, flags=re.MULTILINE))


def test_every_view_is_written_under_its_name(everything, runs):
    output, to = everything
    printed = _printed(output, to)
    # These runs are judged on text: no task of theirs has answers.
    assert list(printed) == [view.name for view in views() if view.name != "answers"]
    assert list(_refused(output)) == ["answers"]
    files = set()
    for name, shown in printed.items():
        assert shown["title"].startswith(find_view(name).title)
        assert shown["answers"]
        assert shown["tables"] > 0
        svg = shown["path"].read_text()
        assert "<svg" in svg
        assert svg.rstrip().endswith("</svg>")
        stem = shown["path"].stem
        files |= {f"{stem}.svg", *(f"{stem}-{number}.csv" for number in range(shown["tables"]))}
    assert {path.name for path in to.iterdir()} == files
    assert output.splitlines()[-1] == f"written to: {to}: {len(printed)} of {len(printed) + 1} views"


def test_every_table_can_be_read_and_is_not_empty(everything):
    for path in everything[1].glob("*.csv"):
        table = pd.read_csv(path)
        assert len(table), path
        assert not any(str(name).startswith("Unnamed") for name in table), path


def test_files_hold_what_the_view_shows(everything, runs):
    output, to = everything
    scope = Scope(find_run(WHERE, runs["rope", 2001]), find_run(WHERE, runs["learned", 2001]))
    for name in ("head_scores", "extrapolation", "prompt_attention"):
        result = find_view(name).show(scope)
        shown = _printed(output, to)[name]
        assert shown["answers"] == list(result.answers)
        assert shown["title"] == result.title
        for number, table in enumerate(result.all_tables().values()):
            path = to / f"{shown['path'].stem}-{number}.csv"
            written = pd.read_csv(path, keep_default_na=False, na_values=[""])
            assert list(written.columns) == list(table.columns)
            numeric = table.select_dtypes("number").columns
            expected = table[numeric].astype(float).reset_index(drop=True)
            pd.testing.assert_frame_equal(written[numeric].astype(float), expected, rtol=1e-4, atol=1e-6)


def test_options_reach_the_views_that_have_them(everything, runs):
    scope = Scope(find_run(WHERE, runs["rope", 2001]), find_run(WHERE, runs["learned", 2001]))
    answers = _printed(*everything)["head_ablation"]["answers"]
    assert answers == list(find_view("head_ablation").show(scope, {"tokens": "64"}).answers)
    assert answers != list(find_view("head_ablation").show(scope, {"tokens": "320"}).answers)


def test_views_can_be_chosen_and_drawn_otherwise(runs, tmp_path):
    call = ("inspect", runs["learned", 2001], "--to", tmp_path, "--format", "png")
    chosen = ("--view", "residual", "--view", "prompt_attention", "--option", "layer=1")
    printed = _printed(invoke(*call, *chosen, "--option", "head=1"), tmp_path)
    assert list(printed) == ["residual", "prompt_attention"]
    assert printed["prompt_attention"]["title"].endswith("layer 1, head 1")
    assert {path.stem.partition("-")[0] for path in tmp_path.iterdir()} == set(printed)
    for shown in printed.values():
        assert shown["path"].suffix == ".png"
        assert shown["path"].read_bytes().startswith(b"\x89PNG")


def test_what_does_not_apply_is_left_out_unless_it_is_asked_for(runs, tmp_path, refused, monkeypatch):
    kept = [find_view("rope_bands"), find_view("head_scores")]
    monkeypatch.setattr("workbench.inspection.command.views", lambda: kept)
    output = invoke("inspect", runs["learned", 2001], "--to", tmp_path)
    assert list(_printed(output, tmp_path)) == ["head_scores"]
    assert list(_refused(output)) == ["rope_bands"]
    assert _refused(output)["rope_bands"].startswith("the run's positions are learned")
    message = refused("inspect", runs["learned", 2001], "--view", "rope_bands", "--to", tmp_path / "none")
    assert message.startswith("error: rope_bands: the run's positions are learned")
    assert not (tmp_path / "none").exists()


def test_one_view_that_fails_does_not_lose_the_others(runs, tmp_path, monkeypatch):
    kept = [find_view(name) for name in ("head_scores", "residual", "extrapolation")]
    monkeypatch.setattr("workbench.inspection.command.views", lambda: kept)

    def fail(scope, **options):
        raise UserError("made up:\nin two lines")

    monkeypatch.setattr(kept[1], "compute", fail)
    output = invoke("inspect", runs["rope", 2001], "--to", tmp_path)
    assert list(_printed(output, tmp_path)) == ["head_scores", "extrapolation"]
    assert _refused(output) == {"residual": "made up: in two lines"}
    assert output.endswith(": 2 of 3 views\n")
    # Asked for by name it is an error, and what was asked for besides is written all the same.
    call = ("--view", "residual", "--view", "head_scores", "--to", tmp_path / "named")
    result = CliRunner().invoke(app, ["inspect", runs["rope", 2001], *map(str, call)])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "made up: in two lines"
    assert len(list(tmp_path.glob("named/head_scores-*.svg"))) == 1
    # Where nothing at all can be shown there is nothing written, which no program must take for success.
    kept[:] = kept[1:2]
    result = CliRunner().invoke(app, ["inspect", runs["rope", 2001], "--to", str(tmp_path / "none")])
    assert isinstance(result.exception, UserError)
    assert _refused(result.stdout) == {"residual": "made up: in two lines"}
    assert not (tmp_path / "none").exists()


def test_what_was_written_before_stays(runs, tmp_path):
    """Other runs and other options have other files; the same command replaces its own."""

    def written(*arguments):
        output = invoke("inspect", *arguments, "--view", "head_scores", "--to", tmp_path)
        return _printed(output, tmp_path)["head_scores"]["path"]

    first, second = runs["rope", 2001], runs["rope", 2002]
    calls = [
        (first,),
        (second,),
        (first, "--against", second),
        (first, "--option", "score=sink"),
    ]
    paths = [written(*call) for call in calls]
    assert len(set(paths)) == len(calls)
    assert all(path.exists() for path in paths)
    alone = f"head_scores-tiny-baseline-2001-{first[:8]}"
    assert paths[0].name == f"{alone}.svg"
    assert paths[2].name == f"{alone}-against-tiny-baseline-2002-{second[:8]}.svg"
    assert paths[3].name == f"{alone}-score=sink.svg"
    kept = sorted(tmp_path.rglob("*"))
    beyond = paths[0].with_name(f"{alone}-{len(list(tmp_path.glob(f'{alone}-?.csv')))}.csv")
    beyond.touch()  # as if there had been a table more
    assert written(first) == paths[0]
    assert sorted(tmp_path.rglob("*")) == kept


@pytest.mark.parametrize(
    "name", ["../../up", "/etc/passwd", "..", "a b\nc", "ä" * 300, "x" * 300, "", "$(rm)*?", "\ud800"]
)
def test_names_of_files_stay_in_their_place(trained, name, monkeypatch, tmp_path):
    record = trained.record().model_copy(update={"study": name, "variant": name})
    monkeypatch.setitem(trained._records, "run", record)
    monkeypatch.setitem(trained._records, "against", record.model_copy(update={"run_id": "b" * 12}))
    stem = file_stem(find_view("extrapolation"), trained, {"text": name})
    written = tmp_path / f"{stem}-10.csv"
    written.touch()
    assert written.resolve().parent == tmp_path.resolve()
    assert not set("/\\ \n*$?") & set(stem)


@pytest.mark.parametrize("name", LIVE_TEXT)
def test_the_text_reaches_live_views(name, runs, tmp_path):
    invoke("inspect", runs["rope", 2001], "--view", name, "--text", TEXT, "--to", tmp_path)
    tables = [pd.read_csv(path) for path in sorted(tmp_path.glob("*.csv"))]
    lens = [table[table["layer"] == "embedding"] for table in tables if {"layer", "token"} <= set(table)]
    tokens = [table["token"] for table in lens or tables if "token" in table]
    # The lens predicts nothing from the last token.
    shown = "beta␣gamma␣alpha3" if lens else "beta␣gamma␣alpha3⏎"
    assert ["".join(map(str, pieces)) for pieces in tokens] == [shown]


def test_every_view_of_a_text_is_known_here():
    assert [
        view.name for view in views() if any(option.name == "text" for option in view.options)
    ] == LIVE_TEXT


def test_views_without_a_text_do_without_one(runs, tmp_path):
    """The text is for the views that have one; the others of the call are shown as ever."""
    chosen = ("--view", "prompt_attention", "--view", "residual", "--text", "beta")
    printed = _printed(invoke("inspect", runs["rope", 2001], *chosen, "--to", tmp_path), tmp_path)
    assert list(printed) == ["prompt_attention", "residual"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--view", "head_score"), "view: unknown 'head_score'; did you mean 'head_scores'?"),
        (("--view", "residual", "--view", "nothing"), "view: unknown 'nothing'; "),
        (("--format", "gif"), "format: unknown 'gif'; "),
        (("--option", "layer"), "--option layer: expected name=value"),
        (("--option", "=2"), "--option =2: expected name=value"),
        (("--option", "layr=1"), "option: unknown 'layr'; did you mean 'layer'?"),
        (("--view", "head_scores", "--text", "beta"), "option: unknown 'text'; Known: score, threshold"),
        (("--view", "prompt_attention", "--option", "layer=7"), "layer: unknown '7'; Known: 0, 1"),
        (("--view", "prompt_attention", "--option", "first=-1"), "first: '-1' is no token"),
        (("--view", "prompt_attention", "--text", ""), "text: it has no tokens"),
        (("--view", "head_scores", "--option", "threshold=high"), "threshold: 'high' is no number"),
        (("--against", "nothing"), "run: there is no run 'nothing'"),
        (("--against", "tiny/baselin/2001"), "run: no complete run of 'tiny/baselin/2001'"),
        (("--out", "nowhere"), "there is no run under nowhere"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(arguments, message, runs, tmp_path, refused):
    shown = refused("inspect", runs["rope", 2001], *arguments, "--to", tmp_path / "new")
    assert message in shown
    assert not (tmp_path / "new").exists()


def test_an_unknown_run_is_one_line(runs, refused):
    assert "run: there is no run 'abcdef'" in refused("inspect", "abcdef")
    assert "did you mean" in refused("inspect", "tiny/baselin")
    assert "run: there is no run 'tyni'" in refused("probe", "tyni")
    assert "may be any of" in refused("inspect", "tiny/baseline")


def test_options_are_names_and_values():
    assert parse_options([]) == {}
    assert parse_options(["layer=2", "text=a=b", "key=", "layer=1"]) == {
        "layer": "1",
        "text": "a=b",
        "key": "",
    }
    with pytest.raises(UserError, match="--option layer: expected name=value, for example"):
        parse_options(["layer"])


def test_progress_names_each_view(runs, tmp_path):
    heard = []
    names = ["head_scores", "residual"]
    inspect_run(
        runs["rope", 2001],
        against=None,
        beside=[],
        names=names,
        options={},
        results=WHERE,
        to=tmp_path,
        progress=lambda text, part: heard.append((text, part)),
    )
    assert heard[-2:] == [(find_view(name).title, number / 2) for number, name in enumerate(names)]
    assert all(0 <= part <= 1 for _, part in heard)


# Measuring


def _directory(copy, run):
    return RunDirectory(copy / "tiny" / "runs" / run)


def _last(directory):
    rows = read_probes(directory.path)
    return rows[rows["step"] == directory.read().progress["step"]].reset_index(drop=True)


def _by_key(rows):
    columns = ["table", "metric", "layer", "head", "x"]
    return rows.sort_values(columns).set_index(columns)["value"].astype(float)


def _assert_same(found, expected):
    assert len(found) == len(expected) > 0
    pd.testing.assert_series_equal(_by_key(found), _by_key(expected), rtol=1e-3, atol=1e-5)


def test_probe_measures_what_is_missing_and_then_nothing(copy, runs):
    assert invoke("probe", "tiny", "--out", copy) == "nothing to do: every table is there\n"
    whole, part = (_directory(copy, runs["rope", seed]) for seed in (2001, 2002))
    before = {run.run_id: _last(run) for run in (whole, part)}
    (whole.path / PROBES).unlink()
    rows = read_probes(part.path)
    step = part.read().progress["step"]
    spoiled = rows.assign(value=rows["value"].where(rows["table"] == "heads", -1.0))
    write_probes(part.path, spoiled[(rows["table"] != "residual") | (rows["step"] != step)])
    assert lacking(part) == ["residual"]
    assert invoke("probe", "tiny", "--out", copy) == "measured: 2 runs\n"
    assert lacking(whole) == lacking(part) == []
    assert set(read_probes(whole.path)["step"]) == {step}
    _assert_same(_last(whole), before[whole.run_id])
    # What was there is left as it was, right or wrong.
    found = _last(part)
    assert (found.loc[found["table"] == "profiles", "value"] == -1).all()
    _assert_same(found[found["table"] == "residual"], before[part.run_id].query("table == 'residual'"))
    assert len(read_probes(part.path)) == len(rows)
    assert invoke("probe", "tiny", "--out", copy) == "nothing to do: every table is there\n"


def test_again_measures_the_final_weights_anew_and_keeps_the_checkpoints(copy, runs):
    run = _directory(copy, runs["learned", 2001])
    before = read_probes(run.path)
    last = before["step"] == run.read().progress["step"]
    write_probes(run.path, before.assign(value=before["value"].where(~last, -1.0)))
    assert invoke("probe", run.run_id, "--again", "--out", copy) == "measured: 1 run\n"
    _assert_same(_last(run), before[last])
    assert set(_last(run)["table"]) == set(known_tables())
    found = read_probes(run.path)
    earlier = found[found["step"] != before.loc[last, "step"].iloc[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(earlier, before[~last].reset_index(drop=True))
    assert earlier["step"].nunique() > 2


def test_again_drops_what_was_measured_on_other_texts(copy, runs):
    """Rows of two probes cannot be read together."""
    run = _directory(copy, runs["learned", 2001])
    rows = read_probes(run.path)
    write_probes(run.path, rows.assign(probe_hash="other"))
    assert invoke("probe", "tiny/positions=learned/2001", "--again", "--out", copy) == "measured: 1 run\n"
    found = read_probes(run.path)
    assert set(found["step"]) == {run.read().progress["step"]}
    assert set(found["probe_hash"]) == set(rows["probe_hash"])


def test_inspecting_measures_what_a_view_needs(copy, runs, tmp_path):
    paths = [_directory(copy, runs["rope", seed]).path / PROBES for seed in (2001, 2002)]
    for path in paths:
        path.unlink()
    call = ("inspect", runs["rope", 2001], "--view", "residual", "--out", copy, "--to", tmp_path / "new")
    assert list(_printed(invoke(*call), tmp_path / "new")) == ["residual"]
    assert all(set(read_probes(path.parent)["table"]) == {"residual"} for path in paths)


def test_a_run_without_weights_is_told_so(copy, runs, refused, tmp_path):
    run = _directory(copy, runs["rope", 2001])
    run.weights.unlink()
    known = (run.path / PROBES).read_bytes()
    asked = ("--out", copy)
    for command in (("inspect", run.run_id, "--view", "prompt_attention"), ("probe", run.run_id, "--again")):
        assert f"error: {run.run_id}: has no weights" in refused(*command, *asked)
    assert (run.path / PROBES).read_bytes() == known  # nothing is lost that cannot be measured again
    # Tables that were measured while it trained are there all the same.
    invoke("inspect", run.run_id, "--view", "residual", "--to", tmp_path / "new", *asked)
    (run.path / PROBES).unlink()
    assert f"error: {run.run_id}: has no weights" in refused("probe", run.run_id, *asked)
    # It does not keep a study's other runs from being measured.
    shown = invoke("probe", "tiny", *asked)
    assert shown.startswith("nothing to do: every table of the runs that have weights is there; 1 ")
    assert shown.endswith(" has no weights\n")
    for other in (copy / "tiny" / "runs").glob("*/model.safetensors"):
        other.unlink()
    assert "error: tiny: no complete run of it has weights" in refused("probe", "tiny", *asked)


def test_only_complete_runs_of_a_study_are_measured(copy, runs):
    run = _directory(copy, runs["rope", 2001])
    record = run.read()
    record.state = State.RUNNING
    run.write(record)
    run.weights.unlink()
    (run.path / PROBES).unlink()
    assert invoke("probe", "tiny", "--out", copy) == "nothing to do: every table is there\n"


def test_a_study_is_looked_at_with_all_of_its_variants(runs, tmp_path):
    shown = invoke("inspect", "tiny", "--view", "position_loss", "--to", tmp_path)
    assert "positions=learned minus baseline: the loss in the window's second half" in shown
    (figure,) = tmp_path.glob("*.svg")
    assert figure.name.startswith("position_loss-tiny-positions=learned-2001-")
    alone = invoke(
        "inspect", "tiny/baseline/2001", "--beside", "all", "--view", "position_loss", "--to", tmp_path
    )
    assert "beside" in "".join(path.name for path in tmp_path.glob("position_loss-tiny-baseline-*.svg"))
    assert "positions=learned: " in alone


def test_a_variant_that_is_not_there_cannot_stand_beside(runs, refused, tmp_path):
    message = refused("inspect", "tiny/baseline/2001", "--beside", "positions=lerned", "--to", tmp_path)
    assert (
        "beside: no run of 'positions=lerned' can stand beside; did you mean 'positions=learned'?" in message
    )


def test_what_moved_with_each_effect_is_said_and_written(runs, tmp_path, refused):
    (study,) = {find_run(WHERE, run).path.parent.parent.name for run in runs.values()}
    output = invoke("inspect", study, "--explain", "--to", tmp_path)
    assert "paired seeds" in output or "two paired seeds or more" in output
    assert "need not be what moves it" in output
    files = sorted(tmp_path.glob("moved-*.csv"))
    assert len(files) == len({variant for variant, _ in runs}) - 1
    assert {"number", "difference", "low", "high", "Holm p"} <= set(pd.read_csv(files[0]))
    said = refused("inspect", study, "--explain", "--view", "head_scores")
    assert "--explain: takes no view" in said
    assert "no study of this name" in refused("inspect", "gone", "--explain")
