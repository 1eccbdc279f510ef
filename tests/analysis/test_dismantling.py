"""Two recipes taken apart: known contributions, shares, interactions and parts that may go."""

import csv
import io
import json

import numpy as np
import pytest
from scipy import stats

from tests.analysis.dismantled_studies import EFFECTS, SEEDS, apart_manifest, apart_study, losses
from tests.analysis.synthetic_studies import Study, shifted
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.dismantling import share_of
from workbench.analysis.dismantling_figure import dismantling_plot
from workbench.analysis.effects import study_report
from workbench.analysis.paper_figures import to_bytes
from workbench.analysis.report import render, to_json
from workbench.analysis.report_tables import contributions_table, shares_table
from workbench.analysis.statistics import Verdict
from workbench.analysis.study_figures import study_figures
from workbench.errors import UserError

TWO = ("positions", "norm")
T = float(stats.t.ppf(0.975, 4))


def report_of(folder, **options):
    return study_report(apart_study(folder, **options).load())


@pytest.fixture(scope="module")
def additive(tmp_path_factory):
    """Three parts that add up; noise of each seed in each."""
    return report_of(tmp_path_factory.mktemp("additive"))


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """The same parts, and 0.15 more where all three are exchanged."""
    return report_of(tmp_path_factory.mktemp("joint"), together=0.15)


def by_name(report):
    return {part.name: part for part in report.dismantled.parts}


def test_each_part_contributes_what_its_exchange_changes_at_both_ends(joint):
    found = by_name(joint)
    for name, effect in EFFECTS.items():
        assert found[name].out.mean == pytest.approx(effect)
        assert found[name].into.mean == pytest.approx(effect + 0.15)
        assert list(found[name].out.by_seed) == SEEDS
    assert joint.dismantled.gap.mean == pytest.approx(sum(EFFECTS.values()) + 0.15)


def test_intervals_are_students_over_the_seeds(joint):
    values = list(by_name(joint)["norm"].into.by_seed.values())
    half = T * np.std(values, ddof=1) / np.sqrt(5)
    interval = by_name(joint)["norm"].into.interval
    assert (interval.low, interval.high) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
    assert interval.level == 0.95


def test_a_share_is_not_contradicted_within_its_interval_and_is_beyond_it(additive):
    """At an end r of the interval, the mean of contribution - r gap lies just at its own noise."""
    part, gap = by_name(additive)["positions"], additive.dismantled.gap
    share = part.out_share
    assert share.value == pytest.approx(0.2 / 0.301)
    for end in (share.interval.low, share.interval.high):
        excess = np.array([part.out.by_seed[seed] - end * gap.by_seed[seed] for seed in SEEDS])
        assert abs(excess.mean()) == pytest.approx(T * excess.std(ddof=1) / np.sqrt(5), rel=1e-6)


def test_parts_add_up_where_nothing_is_left_over(additive):
    found = additive.dismantled
    for end in (found.out, found.into):
        assert end.left_over.word == "parts add up"
        assert end.left_over.measured.mean == pytest.approx(0)
        assert end.share.value == pytest.approx(1)
    assert found.interacting == ()


def test_parts_do_not_add_up_where_more_than_the_margin_is_left(joint):
    found = joint.dismantled
    assert found.out.left_over.measured.mean == pytest.approx(0.15)
    assert found.into.left_over.measured.mean == pytest.approx(0.15 - 3 * 0.15)
    assert {end.left_over.word for end in (found.out, found.into)} == {"do not add up"}
    assert found.out.left_over.interval.level == pytest.approx(0.975)  # Holm's of two
    assert found.additivity == "do not add up"


def test_ends_that_say_different_things_are_both_named(tmp_path):
    """Three parts that are worth 0.012 more together leave that at the one end, and -0.024 at the other."""
    found = report_of(tmp_path, together=0.012).dismantled
    assert [end.left_over.word for end in (found.out, found.into)] == ["parts add up", "do not add up"]
    assert found.additivity == "left out: parts add up; added: do not add up"


def test_what_is_left_over_is_open_where_noise_hides_it(tmp_path):
    study = apart_study(tmp_path)
    noise = [0.1, -0.1, 0, 0.1, -0.1]
    whole = [value + own for value, own in zip(losses(tuple(EFFECTS), together=0.05), noise, strict=True)]
    study.confirm("gpt2", whole)
    assert study_report(study.load()).dismantled.additivity == "open"


def test_an_interaction_is_named_where_it_is_not_zero(joint):
    found = joint.dismantled
    assert [part.name for part in found.interacting] == list(EFFECTS)
    for part in found.parts:
        assert part.interaction.measured.mean == pytest.approx(-0.15)
        assert part.interaction.is_real
    said = " ".join(to_json(joint)["answers"])
    assert "norm (+0.001 left out of llama, +0.151 added to gpt2)" in said
    assert "interact with the rest" in said


def test_what_changes_nothing_at_either_end_may_be_removed(additive, joint):
    assert [part.name for part in additive.dismantled.removable] == ["norm"]
    assert any(
        "norm: rmsnorm → layernorm: changes nothing within ±0.02" in one
        for one in to_json(additive)["answers"]
    )
    # Left out it changes nothing, and added it does: it stays.
    assert joint.dismantled.removable == ()


def test_both_ends_have_to_lie_within_the_margin_at_the_familys_level(tmp_path):
    """A part whose interval of one test lies within the margin, and that of three parts together does not."""
    generous, strict = (report_of(tmp_path / str(margin), margin=margin) for margin in (0.0048, 0.0036))
    norm = by_name(strict)["norm"]
    values = np.array(list(norm.out.by_seed.values()))
    half = values.std(ddof=1) / np.sqrt(5)
    alone = values.mean() + stats.t.ppf(0.95, 4) * half
    together = values.mean() + stats.t.ppf(1 - 0.05 / 3, 4) * half
    assert alone < 0.0036 < together < 0.0048
    assert (norm.removable, by_name(generous)["norm"].removable) == (False, True)
    assert norm.removable_level == pytest.approx(1 - 2 * 0.05 / 3)


def test_there_are_no_shares_of_a_gap_that_may_be_zero(tmp_path):
    study = apart_study(tmp_path)
    study.confirm("gpt2", shifted(0.0, spread=30))
    found = study_report(study.load()).dismantled
    assert "may be zero" in found.no_shares
    assert {share for part in found.parts for share in (part.out_share, part.into_share)} == {None}
    assert "none, as the gap" in shares_table(found).title


def test_two_parts_have_one_interaction_and_one_rest(tmp_path):
    report = report_of(tmp_path, factors=TWO, together=0.1)
    found = report.dismantled
    first, second = (part.interaction for part in found.parts)
    assert first.measured.by_seed == pytest.approx(second.measured.by_seed)
    assert first.interval.level == pytest.approx(0.95)  # one test, not two
    assert first.interval == second.interval
    assert found.out.left_over.measured.mean == pytest.approx(0.1)
    assert found.into.left_over.measured.mean == pytest.approx(-0.1)
    assert {end.left_over.word for end in (found.out, found.into)} == {"do not add up"}
    assert by_name(report)["positions"].into.mean == pytest.approx(0.3)
    assert len(report.comparisons) == 3


def test_a_single_part_is_the_gap(tmp_path):
    report = report_of(tmp_path, factors=("positions",))
    [part] = report.dismantled.parts
    assert part.out.by_seed == part.into.by_seed == report.dismantled.gap.by_seed
    assert part.out_share.value == pytest.approx(1)
    assert (part.interaction, report.dismantled.out.left_over) == (None, None)
    assert any("it is all of one part" in one for one in to_json(report)["answers"])


def test_a_lost_run_leaves_its_seed_out_of_what_needs_it(tmp_path):
    report = report_of(tmp_path, lost="gpt2+norm=rmsnorm")
    found, norm = report.dismantled, by_name(report)["norm"]
    assert (norm.into.left_out, list(norm.into.by_seed)) == ((202,), [201, 203, 204, 205])
    assert (
        list(norm.out.by_seed) == list(found.gap.by_seed) == list(by_name(report)["positions"].into.by_seed)
    )
    assert found.into.left_over.measured.left_out == norm.interaction.measured.left_out == (202,)
    assert found.out.left_over.measured.left_out == ()
    assert "norm (added): without seed 202, where a run that it needs has no result" in report.notes
    # More of its seeds did not train: that is no change of nothing.
    assert norm.removable is None
    assert any(note.startswith("norm: nothing is said of removing it") for note in report.notes)


def test_what_was_tuned_otherwise_has_numbers_and_no_word(tmp_path):
    study = Study(tmp_path, apart_manifest())
    study.tune().tune(variants=["norm=layernorm"], rates=[0.024, 0.048])
    for entry in study.manifest["variants"]:
        study.confirm(entry["name"], losses(tuple(entry["change"]), together=0.15))
    found = study_report(study.load()).dismantled
    norm = next(part for part in found.parts if part.name == "norm")
    assert norm.removable is None
    assert "unequal tuning" in norm.unjudged
    assert not norm.interaction.is_real
    assert found.out.left_over.verdict is Verdict.INCONCLUSIVE
    assert found.gap.mean == pytest.approx(0.451)
    assert [part.name for part in found.interacting] == ["positions", "feedforward"]


def test_a_study_that_has_hardly_begun(tmp_path):
    study = Study(tmp_path, apart_manifest())
    assert study_report(study.load()).dismantled is None
    study.confirm("baseline", losses(())).confirm("norm=layernorm", losses(("norm",))[:1])
    found = study_report(study.load()).dismantled
    assert found.gap.mean is None
    assert "not known yet" in found.no_shares
    assert [part.out.mean is None for part in found.parts] == [True, False, True]
    assert {end.left_over.word for end in (found.out, found.into)} == {"open"}
    render(study_report(study.load()), "md")


def test_until_decided_all_variants_go_on_together(tmp_path):
    """Learned positions are decided at the first look; the others are not, and all get the second block."""
    seeds = {"pilot": [], "tune": [101, 102], "confirm": list(range(201, 209))}
    study = Study(tmp_path, apart_manifest(seeds=seeds, looks=[4, 8], margin=0.002))
    for entry in study.manifest["variants"]:
        study.confirm(entry["name"], losses(tuple(entry["change"]), seeds=4))
    _, outcomes = confirm_phase(study.load())
    assert {len(mine.planned) for mine in outcomes.values()} == {8}
    found = study_report(study.load()).dismantled
    assert {len(part.out.by_seed) for part in found.parts} == {4}
    assert 0.95 < found.level < 0.99  # over both looks
    assert found.gap.interval.level == found.level
    # A seed beyond the last complete look does not count yet.
    for entry in study.manifest["variants"]:
        study.confirm(entry["name"], losses(tuple(entry["change"]), seeds=6))
    found = study_report(study.load()).dismantled
    assert {len(part.out.by_seed) for part in found.parts} == {4}


def test_the_interval_of_a_share_holds_the_truth_in_19_of_20_studies():
    """Noise that contribution and gap share in part, as the runs of a seed do."""
    generator = np.random.default_rng(19)
    covered, known, studies = 0, 0, 4_000
    shared = generator.normal(0, 0.03, (studies, 8))
    contributions = 0.12 + shared + generator.normal(0, 0.03, (studies, 8))
    gaps = 0.30 + shared + generator.normal(0, 0.05, (studies, 8))
    for contribution, gap in zip(contributions, gaps, strict=True):
        share = share_of(dict(enumerate(contribution)), dict(enumerate(gap)), 0.95)
        if share is not None:
            known += 1
            covered += share.interval.low <= 0.4 <= share.interval.high
    assert known > 0.99 * studies
    assert covered / known == pytest.approx(0.95, abs=0.01)  # three standard errors


def test_every_format_has_the_parts(additive):
    apart = json.loads(json.dumps(to_json(additive)))["dismantled"]
    assert (apart["origin"], apart["whole"], apart["removable"]) == ("llama", "gpt2", ["norm"])
    assert apart["parts"][1]["name"] == "norm"
    assert apart["out"]["left_over"]["word"] == "parts add up"

    table = contributions_table(additive, additive.dismantled)
    assert [row[0] for row in table.rows] == [*EFFECTS, "sum of the parts", "gap", "left over"]
    assert dict(zip(table.headings, table.rows[1], strict=True))["says"] == "may be removed"
    for format in ("md", "latex"):
        text = render(additive, format)
        assert "Shares of the gap between llama and gpt2" in text
        assert "From llama to gpt2, part by part" in text

    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(render(additive, "csv")))}
    assert (rows["norm=layernorm"]["part"], rows["norm=layernorm"]["end"]) == ("norm", "left out of llama")
    assert rows["gpt2+norm=rmsnorm"]["end"] == "added to gpt2"
    assert float(rows["gpt2+positions=rope"]["share"]) == pytest.approx(0.2 / 0.301)
    assert rows["baseline"]["part"] == rows["gpt2"]["part"] == ""


def test_other_designs_say_nothing_of_it(tmp_path):
    report = study_report(Study(tmp_path, apart_manifest() | {"stack": None, "design": "explicit"}).load())
    assert report.dismantled is None
    assert "dismantled" not in to_json(report)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"out": "gone"}, r"stack: should name variants .* got 'gone'"),
        ({"factors": ["bias"]}, r"stack: parts: should be of factors that gpt2 changes, got 'bias'"),
    ],
)
def test_a_manifest_whose_stack_is_of_nothing_is_damaged(tmp_path, part, message):
    body = apart_manifest()
    body["stack"]["parts"][0] |= part
    study = Study(tmp_path, body).load()
    with pytest.raises(UserError, match=message):
        study_report(study)


def test_the_figure_has_both_ends_of_each_part_and_the_sum_beside_the_gap(additive, tmp_path):
    axes = dismantling_plot(additive).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[-2:] == ["sum of the parts", "gap, llama to gpt2"]
    drawn = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
    expected = [*(effect for effect in EFFECTS.values() for _ in range(2)), *[0.301] * 3]
    assert drawn == pytest.approx(expected)
    assert {text.get_text() for text in axes.texts} >= {"may be removed", "parts add up"}
    assert to_bytes(dismantling_plot(additive), "svg").startswith(b"<?xml")


def test_it_is_among_the_figures_of_a_study(tmp_path):
    assert "parts" in study_figures(apart_study(tmp_path).load())
