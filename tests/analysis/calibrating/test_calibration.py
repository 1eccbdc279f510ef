"""A whole calibration from records: pool, goals, report in every format, and the file that it is kept in."""

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Group

from tests.analysis.calibration_studies import (
    FASTER,
    SD,
    TWIN,
    WIDER,
    calibration_manifest,
    calibration_study,
)
from tests.analysis.synthetic_studies import Study
from workbench.analysis.calibrating.calibration import read_calibration, to_dict
from workbench.analysis.calibrating.curves import calibration_table, curves_of
from workbench.analysis.calibrating.error_rates import PairNoise, design_rates
from workbench.analysis.calibrating.error_shares import error_shares
from workbench.analysis.calibrating.evaluation import evaluate
from workbench.analysis.calibrating.figure import calibration_figure
from workbench.analysis.calibrating.goals import MET, MISSED, UNSURE, Goal
from workbench.analysis.calibrating.noise_by_tokens import cheapest, noise_by_tokens
from workbench.analysis.calibrating.report import lines_of, render_calibration
from workbench.analysis.calibrating.tables import calibration_tables
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.power import seeds_for_equivalence, seeds_needed
from workbench.errors import RecordError, UserError
from workbench.records.calibration_table import RESULT
from workbench.records.index import load_study
from workbench.records.manifest import read_manifest

FEW = {"studies": 160}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    lost = [("baseline", 2), (TWIN, 5), (WIDER, 7)]
    return calibration_study(tmp_path_factory.mktemp("results") / "noise", lost=lost).path


@pytest.fixture(scope="module")
def found(study):
    return evaluate(study, **FEW)


def curves(study):
    records = load_study(study)
    return curves_of(calibration_table(records), records.manifest)


def test_the_pool_has_the_seeds_at_which_baseline_and_twin_have_a_result(study):
    pool = curves(study)
    assert pool.twin == TWIN
    assert pool.others == [FASTER, WIDER]
    assert (len(pool.seeds), pool.lost) == (22, 2)
    assert not {2, 5} & set(pool.seeds.tolist())
    assert pool.losses[TWIN].shape == (22, 10)
    assert np.isnan(pool.differences(WIDER)).sum() == 1
    assert pool.joint_differences().shape == (21, 3)
    assert pool.tokens[-1] == 500_000


def test_what_the_pool_looks_like(found, study):
    differences = curves(study).differences(TWIN)
    assert (found.pool.seeds, found.pool.lost) == (22, 2)
    assert found.pool.mean == pytest.approx(differences.mean())
    assert found.pool.sd == pytest.approx(differences.std(ddof=1))
    assert found.pool.sd == pytest.approx(np.sqrt(2) * SD, rel=0.4)
    assert found.pool.sd_range.low < found.pool.sd < found.pool.sd_range.high
    assert found.rows_of_tables == (TWIN, FASTER, WIDER)


def test_demonstrations_are_ordinary_rows_and_only_the_twins_truth_is_known(found):
    rows = {row.variant: row for row in found.demonstrations}
    assert rows[TWIN].truth == "none, by construction"
    assert rows[FASTER].truth == rows[WIDER].truth == "not known"
    assert (rows[TWIN].seeds, rows[WIDER].seeds) == (22, 21)
    assert rows[FASTER].word == "better"
    assert rows[FASTER].difference == pytest.approx(-0.05, abs=0.02)
    assert rows[FASTER].interval.high < -found.margin


def test_designs_are_judged_at_the_studys_margin_and_multiples_of_the_sd(found):
    alone = [one for one in found.rates if one.comparisons == 1]
    together = [one for one in found.rates if one.comparisons == 3]
    designs = ["4 seeds", "8 seeds", "16 seeds", "until decided, 4 to 64"]
    assert list(dict.fromkeys(one.design for one in alone)) == designs
    assert list(dict.fromkeys(one.design for one in together)) == designs
    # One sd is so near to the study's own margin, 0.02, that it would say the same again.
    multiples = sorted({round(one.margin / found.pool.sd, 6) for one in alone if one.margin != found.margin})
    assert 0.02 / found.pool.sd == pytest.approx(0.93, abs=0.01)
    assert multiples == [0.5, 2.0]
    assert sum(one.margin == found.margin for one in alone) == len(designs)
    assert {one.sd for one in alone} == {found.pool.sd}


def test_every_goal_says_whether_it_is_met(found):
    assert {goal.rows for goal in found.goals} == {1, 3}
    assert {goal.word for goal in found.goals} <= {MET, MISSED, UNSURE}
    whats = {goal.what for goal in found.goals if goal.design == "8 seeds" and goal.rows == 1}
    assert len(whats) >= 6
    for goal in found.goals:
        assert goal.low < goal.high
        assert np.isfinite([goal.value, goal.uncertainty]).all()


def goal(value, uncertainty=0.004, low=0.04, high=0.06):
    return Goal(
        what="w", design="d", rows=1, low=low, high=high, value=value, uncertainty=uncertainty, margin=0.1
    )


def test_what_is_missed_is_told_and_how_surely():
    assert goal(0.05).word == goal(0.04).word == goal(0.06).word == MET
    assert goal(0.063).word == goal(0.037).word == UNSURE
    assert goal(0.065).word == goal(0.01).word == MISSED


def test_the_file_is_read_as_it_was_written(found, study):
    assert read_calibration(study) == found
    assert read_manifest(study).calibration
    assert read_manifest(study).hash == found.manifest
    assert (study / "calibration.svg").read_text().startswith("<?xml")
    assert "![false words, power and noise](calibration.svg)" in (study / "calibration.md").read_text()
    assert json.loads((study / RESULT).read_text())["pool"]["seeds"] == 22


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"{}", "has no key 'study'"), (b'{"study": 3', "valid json"), (None, "cannot be read")],
)
def test_a_damaged_file_is_an_error_with_the_remedy(tmp_path, content, says):
    if content is not None:
        (tmp_path / RESULT).write_bytes(content)
    with pytest.raises(RecordError, match=r"workbench noise") as error:
        read_calibration(tmp_path)
    assert says in str(error.value).lower()


def test_every_format_says_the_same(found):
    terminal = render_calibration(found, "terminal")
    assert isinstance(terminal, Group)
    markdown, latex = render_calibration(found, "md"), render_calibration(found, "latex")
    for table in calibration_tables(found):
        assert markdown.count("| :--- |") >= 5
        assert all(len(row) == len(table.headings) for row in table.rows)
    assert latex.count("\\begin{tabular}") == len(calibration_tables(found)) == 6
    rows = list(csv.DictReader(io.StringIO(render_calibration(found, "csv"))))
    assert len(rows) == sum(len(one.truths) for one in found.rates)
    assert {row["rows"] for row in rows} == {"1", "3"}
    assert to_dict(found)["margin"] == found.margin
    with pytest.raises(UserError, match="format: 'html' is none of terminal, md, csv, latex"):
        render_calibration(found, "html")


def test_a_missed_goal_is_a_sentence(found):
    missed = [goal for goal in found.goals if goal.word != MET]
    lines = lines_of(found)
    assert len(lines) == 2 + len(missed)
    assert f"{len(found.goals) - len(missed)} of {len(found.goals)} goals met" in lines[0]
    for line, one in zip(lines[2:], missed, strict=True):
        assert line.startswith(f"{one.word}: {one.what} ({one.design}")


def test_the_figure_has_the_errors_the_power_and_the_noise(found):
    errors, power, noise = calibration_figure(found).axes
    assert errors.get_yticklabels()[0].get_text() == "4 seeds"
    assert len(error_shares(found)) == 8
    points = sum(len(line.get_xdata()) for line in power.lines[1:])
    assert points == 2 * sum(one.comparisons == 1 for one in found.rates)
    assert noise.lines[0].get_ydata() == pytest.approx([one.paired_sd for one in found.noise])


def test_noise_along_the_runs_and_the_cheapest_budget():
    generator = np.random.default_rng(0)
    shared = generator.standard_normal((200, 1))
    shrinking = np.array([0.2, 0.04, 0.036])  # the sd of each run's own part, by evaluation
    baseline = 3 + 0.05 * shared + shrinking * generator.standard_normal((200, 3))
    twin = 3 + 0.05 * shared + shrinking * generator.standard_normal((200, 3))
    rows = noise_by_tokens(np.array([100, 200, 400]), baseline, twin, 0.05)
    for row, sd in zip(rows, shrinking, strict=True):
        assert row.paired_sd == pytest.approx(np.sqrt(2) * sd, rel=0.15)
        assert row.paired_range.low < row.paired_sd < row.paired_range.high
        assert row.run_sd == pytest.approx(np.hypot(0.05, sd), rel=0.15)
        assert row.correlation == pytest.approx(0.05**2 / (0.05**2 + sd**2), abs=0.15)
        assert row.seeds_different == seeds_needed(row.paired_sd, 0.05)
        assert row.seeds_equivalent == seeds_for_equivalence(0.05, row.paired_sd)
        assert row.cost_different == 2 * row.seeds_different * row.tokens
    # Half of the tokens take more pairs, and yet fewer tokens in all; a quarter takes far too many.
    assert cheapest(rows, "cost_different") is rows[1]
    assert cheapest(rows, "cost_equivalent") is rows[1]
    hopeless = noise_by_tokens(np.array([100]), 100 * baseline[:, :1], 100 * twin[:, :1], 0.05)
    assert hopeless[0].seeds_different is None
    assert hopeless[0].cost_different is None
    assert cheapest(hopeless, "cost_different") is None


def test_a_study_without_a_twin_or_with_too_few_pairs_is_refused(tmp_path):
    alone = calibration_study(tmp_path / "alone", names=("baseline", FASTER)).path
    with pytest.raises(UserError, match=r"no null twin, .*controls: true"):
        evaluate(alone, **FEW)
    few = calibration_study(tmp_path / "few", seeds=7).path
    with pytest.raises(UserError, match=r"7 pairs .*fewer than 8"):
        evaluate(few, **FEW)
    assert not (few / RESULT).exists()
    assert not read_manifest(few).calibration


def test_a_twin_that_is_the_baseline_itself_is_no_pool(tmp_path):
    same = Study(tmp_path / "same", calibration_manifest(8, ("baseline", TWIN)))
    for name in ("baseline", TWIN):
        same.confirm(name, [3.0 + seed / 100 for seed in range(8)], curve=True)
    with pytest.raises(UserError, match="no noise to judge the rule on"):
        evaluate(same.path, **FEW)


def test_baseline_and_twin_alone_have_no_tables(tmp_path):
    pair = calibration_study(tmp_path / "pair", seeds=8, names=("baseline", TWIN)).path
    found = evaluate(pair, **FEW)
    assert found.rows_of_tables == ()
    assert {one.comparisons for one in found.rates} == {1}
    assert len(calibration_tables(found)) == 5


def test_the_same_random_seed_gives_the_same_result(study):
    differences = curves(study).differences(TWIN)[:, None]

    def of(seed):
        noise = PairNoise.measured(differences, seed)
        return design_rates(noise, Rule.fixed(8, 1), 0.02, studies=100, studies_each=4, seed=seed)

    assert of(0) == of(0)
    assert of(0).truths != of(3).truths
