"""Looking changes no record: what is measured of published runs, and of those that cannot be written."""

import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.errors import UserError
from workbench.inspection import measured, measuring, subject
from workbench.inspection.behaviour_columns import read_behaviours
from workbench.inspection.command import inspect_run, measure_study_or_run
from workbench.inspection.measured import (
    common_probe,
    keep_measured,
    measured_version,
    measured_versions,
    read_measured,
)
from workbench.inspection.measuring import complete_tables, lacking, measure_missing
from workbench.inspection.scope import Scope
from workbench.inspection.tables import Table, known_tables, measured_rows
from workbench.inspection.views import find_view
from workbench.publishing.publish import publish
from workbench.records.index import is_published, load_study
from workbench.records.probes import PROBES, read_probes, write_probes
from workbench.records.run import RunDirectory

LACKING = "residual"


@pytest.fixture
def own(trained_study, tmp_path, monkeypatch):
    """A results folder with the study, of which no run has the table ``residual``; an empty cache."""
    # Paths in the study are relative to its folder.
    monkeypatch.chdir(trained_study.parents[1])
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    study = shutil.copytree(trained_study, tmp_path / "results" / "tiny")
    for run in _runs(study).values():
        rows = read_probes(run.path)
        write_probes(run.path, rows[rows["table"] != LACKING])
    return tmp_path / "results"


@pytest.fixture
def results(own):
    """The same with the study published, the second seed without weights."""
    (own / "published").mkdir()
    (own / "tiny").rename(own / "published" / "tiny")
    for (_, seed), run in _runs(own / "published" / "tiny").items():
        if seed == 2002:
            run.weights.unlink()
    return own


def _runs(study):
    found = load_study(study).runs
    return {
        (row.variant.partition("=")[2] or "rope", row.seed): RunDirectory(row.path)
        for row in found.itertuples()
    }


def _published(results):
    return _runs(results / "published" / "tiny")


def _content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_no_command_that_looks_changes_a_published_file(results, tmp_path):
    before = _content(results)
    name = "published/tiny/baseline/2001"
    for command in (
        (
            "inspect",
            name,
            "--against",
            "tiny/positions=learned/2001",
            "--view",
            LACKING,
            "--to",
            tmp_path / "to",
        ),
        ("probe", "published/tiny"),
        ("probe", name, "--again"),
        ("evaluate", name),
        ("report", "published/tiny"),
        ("status", "published/tiny"),
        ("status",),
    ):
        invoke(*command, "--out", results)
    assert _content(results) == before


def test_a_view_is_of_the_seeds_at_hand_and_says_how_many(results, tmp_path):
    done = inspect_run(
        "tiny/baseline/2002",
        against="tiny/positions=learned/2002",
        beside=[],
        names=[LACKING, "head_scores"],
        options={},
        results=results,
        to=tmp_path / "to",
    )
    assert (done.refused, done.unmeasured) == ([], [])
    (part, _), (whole, _) = done.written
    (table,) = part.tables.values()
    assert set(table["seed"]) == {2001}
    assert not any({"low", "high"} & set(panel.data) for panel in part.panels)
    assert "tiny/baseline, seed 2001 against tiny/positions=learned, seed 2001" in part.source
    for variant in ("baseline", "positions=learned"):
        assert f"{variant}: n = 1 of 2 seeds: seed 2002 was published without weights." in part.answers
        assert f"{variant}: seed 2001 stands in for seed 2002 where one run is shown." in part.answers
    # What was published with all seeds is shown of all, though one has no weights.
    assert set(whole.tables["statistics of every run"]["seed"]) == {2001, 2002}
    assert not any("n = " in answer or "stands in" in answer for answer in whole.answers)


def test_only_where_no_seed_has_the_table_a_view_is_refused(results, tmp_path, monkeypatch):
    known = [find_view(name) for name in ("prompt_attention", "head_scores", "rope_bands", LACKING)]
    monkeypatch.setattr("workbench.inspection.command.views", lambda: known)
    for run in _published(results).values():
        run.weights.unlink(missing_ok=True)
    done = inspect_run(
        "tiny/baseline/2001",
        against=None,
        beside=[],
        names=[],
        options={},
        results=results,
        to=tmp_path / "to",
    )
    reasons = {view.name: reason for view, reason in done.refused}
    assert [result.view for result, _ in done.written] == ["head_scores"]
    assert list(reasons) == ["prompt_attention", "rope_bands", LACKING]
    assert "published without its weights" in reasons["prompt_attention"]
    assert "no seed of baseline in published/tiny can be shown: seeds 2001, 2002 were" in reasons[LACKING]
    assert all("\n" not in reason for reason in reasons.values())


def test_a_side_without_the_table_is_left_out(results):
    runs = _published(results)
    runs["learned", 2001].weights.unlink()
    scope = Scope(runs["rope", 2001], runs["learned", 2001])
    measure_missing(find_view(LACKING).measurable(scope))
    result = find_view(LACKING).show(scope)
    (table,) = result.tables.values()
    assert set(table["series"]) == {"baseline"}
    assert any(answer.startswith("positions=learned is left out: residual: ") for answer in result.answers)
    with pytest.raises(UserError, match=r"no seed of positions=learned .* train the study anew"):
        find_view(LACKING).show(Scope(runs["learned", 2001], runs["rope", 2001]))


def test_seeds_of_one_variant_stand_in_for_themselves_alone(results):
    """Of two seeds of a variant one has the table: it is no partner of itself."""
    runs = _published(results)
    scope = Scope(runs["rope", 2002], runs["rope", 2001])
    measure_missing(find_view(LACKING).measurable(scope))
    found = find_view(LACKING).at_hand(scope)
    assert found.scope.roles == ("run",)
    assert found.scope.run.run_id == runs["rope", 2001].run_id
    result = find_view(LACKING).show(scope)
    assert any("(seed 2001) is left out" in answer for answer in result.answers)


def test_seeds_measured_on_another_text_are_left_out_and_counted(own):
    runs = _runs(own / "tiny")
    rows = read_probes(runs["rope", 2002].path)
    write_probes(runs["rope", 2002].path, rows.assign(probe_hash="other"))
    result = find_view("head_scores").show(Scope(runs["rope", 2001], runs["learned", 2001]))
    assert set(result.tables["statistics of every run"].query("role == 'run'")["seed"]) == {2001}
    assert "baseline: n = 1 of 2 seeds: seed 2002 was measured on another text." in result.answers


def test_formation_is_of_runs_with_checkpoints(own):
    runs = _runs(own / "tiny")
    for variant in ("rope", "learned"):
        run = runs[variant, 2002]
        rows = read_probes(run.path)
        write_probes(run.path, rows[rows["step"] == rows["step"].max()])
    view = find_view("formation")
    scope = Scope(runs["rope", 2002], runs["learned", 2002])
    result = view.show(scope)
    assert set(result.tables["formation of every run"]["seed"]) == {2001}
    assert set(next(panel for panel in result.panels if panel.title == "Losses").data["seeds"]) == {1}
    assert "baseline: n = 1 of 2 seeds: seed 2002 was measured once, at the end." in result.answers
    assert view.measurable(scope) == []


def test_a_run_that_is_no_seed_of_its_variant_is_named(own):
    run = _runs(own / "tiny")["rope", 2001]
    record = run.read()
    record.state = "running"
    run.write(record)
    with pytest.raises(
        UserError, match=f"{run.run_id} is running, and views over seeds are of complete runs"
    ):
        find_view("head_scores").show(Scope(run))


def test_without_the_corpus_what_needs_none_is_shown(results, tmp_path, monkeypatch):
    def refuse(directory):
        raise UserError("data.corpus: the folder is gone")

    monkeypatch.setattr("workbench.inspection.run_text.open_corpus", refuse)
    monkeypatch.setattr(
        "workbench.inspection.subject._open", subject._open.__wrapped__
    )  # kept ones have theirs
    done = inspect_run(
        "tiny/baseline/2001",
        against="tiny/positions=learned/2001",
        beside=[],
        names=["prompt_attention", "head_scores", "recall", LACKING],
        options={},
        results=results,
        to=tmp_path / "to",
    )
    shown = {result.view: result for result, _ in done.written}
    assert set(shown) == {"prompt_attention", "head_scores"}
    assert "not matched: data.corpus: the folder is gone" in shown["prompt_attention"].answers[0]
    reasons = {view.name: reason for view, reason in done.refused}
    assert reasons == dict.fromkeys(["recall", LACKING], "data.corpus: the folder is gone")
    assert {one.run.read().seed for one in done.unmeasured} == {2001}


# The cache


def _files(tmp_path, run):
    return sorted((tmp_path / "cache" / "probes" / run.run_id).glob("*/*.parquet"))


def test_the_cache_is_keyed_by_run_weights_table_and_probe(results, tmp_path):
    run = _published(results)["rope", 2001]
    before = read_measured(run)
    version = measured_version(run.path)
    assert measure_missing([run]) == []
    (file,) = _files(tmp_path, run)
    digest = run.read().provenance["weights_sha256"]
    (probe,) = set(before["probe_hash"])
    assert (file.parent.name, file.name) == (digest, f"{LACKING}-{probe}.parquet")
    assert lacking(run) == []
    assert measured_version(run.path) != version
    assert measured_versions([run.path, str(run.path)]) == (measured_version(run.path),) * 2
    # Record and cache are read as one table.
    found = read_measured(run)
    assert set(found["table"]) == set(known_tables())
    pd.testing.assert_frame_equal(found[found["table"] != LACKING].reset_index(drop=True), before)
    assert any(name.startswith(LACKING) for values in _behaviours(results).values() for name in values)


def _behaviours(results):
    return read_behaviours(load_study(results / "published" / "tiny").runs)


def test_other_weights_under_the_same_id_have_other_tables(results):
    run = _published(results)["rope", 2001]
    measure_missing([run])
    record = run.read()
    record.provenance["weights_sha256"] = "0" * 64
    run.write(record)
    assert lacking(run) == [LACKING]


def test_a_damaged_file_of_the_cache_is_made_anew(results, tmp_path):
    run = _published(results)["rope", 2001]
    measure_missing([run])
    expected = read_measured(run)
    (file,) = _files(tmp_path, run)
    file.write_bytes(file.read_bytes()[:100])
    assert lacking(run) == [LACKING]
    assert measure_missing([run]) == []
    pd.testing.assert_frame_equal(read_measured(run), expected)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_run_that_cannot_be_written_is_measured_into_the_cache(own, tmp_path, monkeypatch, code):
    run = _runs(own / "tiny")["rope", 2001]
    before = _content(own)
    _deny(monkeypatch, code)
    for again in (False, True):
        done = measure_study_or_run(run.run_id, results=own, again=again)
        assert [one.run_id for one in done.measured] == [run.run_id]
        assert done.unmeasured == []
    assert lacking(run) == []
    assert len(_files(tmp_path, run)) == len(known_tables())
    assert _content(own) == before


def test_a_full_disk_is_no_reason_to_write_elsewhere(own, tmp_path, monkeypatch):
    run = _runs(own / "tiny")["rope", 2001]
    _deny(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match="denied"):
        measure_missing([run])
    assert _files(tmp_path, run) == []


def _deny(monkeypatch, code):
    """Nothing can be written beside a record, whoever asks: permissions would not keep root from it."""

    def refuse(*arguments):
        raise OSError(code, "denied")

    monkeypatch.setattr(measured, "append_probes", refuse)
    monkeypatch.setattr(measured, "write_probes", refuse)


def test_a_cache_that_cannot_be_written_is_told(results, tmp_path, monkeypatch):
    run = _published(results)["rope", 2001]

    def refuse(path, rows):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(measured, "write_probe_file", refuse)
    (one,) = measure_missing([run])
    assert (one.run.run_id, one.tables) == (run.run_id, (LACKING,))
    assert "point WORKBENCH_CACHE at a folder with room" in one.reason


@pytest.mark.parametrize("out", ["published", "published/", "published/tiny/.."])
def test_a_published_study_is_known_however_it_is_named(results, tmp_path, monkeypatch, out):
    before = _content(results)
    assert invoke("probe", "tiny/baseline/2001", "--out", results / out).startswith(
        "measured: 1 run, kept in"
    )
    assert _content(results) == before
    monkeypatch.chdir(results / "published")
    assert is_published(Path("tiny"))
    assert is_published(Path("../published/tiny"))
    (tmp_path / "link").symlink_to(results / "published" / "tiny")
    assert is_published(tmp_path / "link")
    assert not is_published(results)


def test_writers_of_one_run_lose_none_of_each_others_rows(own):
    run = _runs(own / "tiny")["rope", 2001]
    row = measured_rows([{"metric": "made up", "value": 1.0, "n": 1}]).assign(step=7, probe_hash="x")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: keep_measured(run, row.assign(table=f"table {number}")), range(12)))
    found = read_probes(run.path)
    assert set(found.loc[found["probe_hash"] == "x", "table"]) == {f"table {number}" for number in range(12)}


def test_the_probe_that_most_runs_share_is_compared_by():
    def rows(*known):
        return pd.DataFrame(known, columns=["role", "run_id", "probe_hash"])

    shared = [("run", "1", "a"), ("run", "2", "a"), ("run", "2", "b")]
    assert common_probe(rows(*shared)) == "a"
    # A probe that both sides have comes before one with more runs.
    assert common_probe(rows(*shared, ("against", "3", "b"))) == "b"
    # One that the run's side lacks is nothing to show.
    assert common_probe(rows(*shared, *[("against", str(number), "c") for number in range(9)])) == "a"
    # Of equals the one that was measured last.
    assert common_probe(rows(("run", "1", "a"), ("run", "1", "b"))) == "b"


# What the commands say


def test_probe_says_what_it_could_not_measure(results):
    first = measure_study_or_run("tiny", results=results, again=False)
    assert sorted(run.read().seed for run in first.measured) == [2001, 2001]
    assert sorted(run.read().seed for run in first.weightless) == [2002, 2002]
    second = measure_study_or_run("tiny", results=results, again=False)
    assert second.measured == []
    assert len(second.weightless) == 2
    assert invoke("probe", "tiny", "--again", "--out", results) == (
        "measured: 2 runs, kept in the cache: what is published stays as it is; "
        "2 that lack tables have no weights (published without them)\n"
    )


def test_a_table_that_one_run_cannot_have_is_no_reason_to_stop(own, monkeypatch):
    runs = _runs(own / "tiny")
    known = known_tables()
    calls = []

    def refuse(decoder, probe):
        calls.append(decoder)
        if len(calls) == 1:
            raise UserError("feedforward: it has no units")
        return measured_rows([{"metric": "made up", "value": 1.0, "n": 1}])

    refusing = known | {LACKING: Table(refuse, known[LACKING].tokens)}
    monkeypatch.setattr(measuring, "known_tables", lambda: refusing)
    done = complete_tables(list(runs.values()))
    assert len(done.measured) == 3
    (one,) = done.unmeasured
    assert (one.tables, one.reason) == ((LACKING,), "feedforward: it has no units")
    calls.clear()
    with pytest.raises(UserError, match="it has no units"):
        measure_study_or_run(one.run.run_id, results=own, again=False)


# Publishing


def test_publishing_measures_first_what_runs_with_weights_lack(own):
    runs = _runs(own / "tiny")
    runs["learned", 2002].weights.unlink()
    heard = []
    done = publish(own / "tiny", own, weights=1, limit=20, note=heard.append)
    assert len(done.measuring.measured) == 3
    assert [run.run_id for run in done.measuring.weightless] == [runs["learned", 2002].run_id]
    assert done.measuring.unmeasured == []
    assert heard == ["4 of 4 confirm runs lack tables that views read; 3 with weights are measured first"]
    # Both the study and its copy have them.
    for study in (own / "tiny", done.path):
        tables = {key: set(read_probes(run.path)["table"]) for key, run in _runs(study).items()}
        assert tables.pop(("learned", 2002)) == set(known_tables()) - {LACKING}
        assert list(tables.values()) == [set(known_tables())] * 3
    heard.clear()
    assert publish(own / "tiny", own, weights=1, limit=20, note=heard.append).measuring.measured == []
    assert heard == ["1 of 4 confirm runs lack tables that views read; none of them has weights to measure"]


def test_what_had_to_be_kept_in_the_cache_is_published(own, monkeypatch):
    _deny(monkeypatch, errno.EROFS)
    done = publish(own / "tiny", own, weights=0, limit=20)
    assert (done.path / PROBES).exists()
    for run in _runs(done.path).values():
        assert set(read_probes(run.path)["table"]) == set(known_tables())
