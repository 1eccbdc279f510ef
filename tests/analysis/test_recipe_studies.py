"""Reports of studies whose variants differ in tokenizer, corpus, context and tokens."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from tests.analysis.recipe_studies import TOKENIZERS, Recipe, RecipeStudy, bpe
from tests.analysis.synthetic_studies import full_study
from workbench.analysis.answer_sentences import answers, headline, level_name
from workbench.analysis.curves_figure import curves_plot
from workbench.analysis.effects import study_report
from workbench.analysis.report import render, to_json
from workbench.analysis.report_footer import footer_lines
from workbench.analysis.report_tables import budgets_table, other_sets_table, report_tables
from workbench.analysis.statistics import Verdict
from workbench.dashboard.study_library import rebased
from workbench.errors import UserError
from workbench.records.index import load_study
from workbench.records.run import State

SMALL, LARGE = "tokenizer=bpe-512", "tokenizer=bpe-2048"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return RecipeStudy(tmp_path_factory.mktemp("recipes")).complete().load()


@pytest.fixture(scope="module")
def report(records):
    return study_report(records)


def row_of(report, variant):
    return next(row for row in report.rows if row.variant == variant)


def footer_of(report):
    return dict(footer_lines(report.footer))


def text_of(report, format):
    if format != "terminal":
        return render(report, format)
    console = Console(width=120, file=io.StringIO())
    console.print(render(report, "terminal"))
    return console.file.getvalue()


def test_verdicts_stand_at_equal_flops_though_tokens_differ(report):
    small, large = row_of(report, SMALL), row_of(report, LARGE)
    assert (small.verdict, small.pairs, small.comparison.mean) == (Verdict.BETTER, 3, pytest.approx(-0.2))
    assert (large.verdict, large.pairs) == (Verdict.EQUIVALENT, 3)
    assert not any("unequal" in note or "lost pairs" in note for note in report.notes)


def test_a_row_has_its_own_tokens_and_what_they_stand_for(report):
    row = row_of(report, SMALL)
    assert (row.tokens, row.bytes_read, row.training_flops) == (215_040, 430_080, 215_040 * 115_000)
    assert row.budget_mismatch == pytest.approx(215_040 * 1.15 / 245_760 - 1)
    facts = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert facts["rows"][1]["bytes_read"] == 430_080
    assert facts["rows"][1]["parameters"] == 10_000 + 32 * 512
    cells = list(csv.DictReader(io.StringIO(render(report, "csv"))))[2]
    assert (cells["tokens"], float(cells["bytes_read"])) == ("122880", 368_640)
    assert float(cells["training_flops"]) == 122_880 * 200_000
    assert set(cells) == set(facts["rows"][2])


def test_the_table_of_budgets_has_bytes_read_tokens_and_all_parameters(report):
    table = budgets_table(report)
    assert table.rows[1] == (
        "tokenizer: bytes → bpe-512",
        "26,384",
        "215,040",
        "430 kB",
        "24.7 GFLOP",
        "+0.63 %",
    )
    for format in ("terminal", "md", "latex"):
        assert "430 kB" in text_of(report, format)
    lines = text_of(report, "terminal").splitlines()
    assert max(map(len, lines)) <= 120


def test_other_sets_are_described_and_not_judged(report):
    assert [(row.variant, row.set) for row in report.other_sets] == [(name, "prose") for name in TOKENIZERS]
    small = report.other_sets[1]
    assert (small.metric, small.mean, small.pairs) == ("prose/bits_per_byte", pytest.approx(3.7), 3)
    assert small.difference == pytest.approx(0.2)
    # Differences 0.199, 0.2 and 0.201: 4.303 standard errors of 0.001 / √3.
    assert small.interval.high == pytest.approx(0.2 + 4.3027 * 0.001 / math.sqrt(3), abs=1e-5)
    assert report.other_sets[0].difference is None
    table = other_sets_table(report)
    assert "descriptive: the verdict rests on validation/bits_per_byte" in table.title
    assert table.rows[1][1:] == ("prose", "3", "3.7000 ± 0.0105", "+0.2000 [0.1975, 0.2025]", "3")
    for format in ("terminal", "md", "latex"):
        assert "Other evaluation sets" in text_of(report, format)
    facts = to_json(report)["other_evaluation_sets"][1]
    assert (facts["set"], facts["pairs"]) == ("prose", 3)
    assert facts["difference_low"] == pytest.approx(0.1975, abs=1e-4)
    assert not {"p", "verdict"} & set(facts)


def test_the_footer_says_what_is_equal_and_names_every_set(report):
    lines = footer_of(report)
    assert lines["budget"].startswith(
        "equal FLOPs per run (largest mismatch 0.6 %): 122,880 to 245,760 training tokens, "
        "246 kB to 430 kB of text"
    )
    assert (
        "in_domain (validation/): the text in_domain, validation split, 65.5 kB scored" in lines["evaluation"]
    )
    assert "prose (prose/bits_per_byte): the text prose" in lines["evaluation"]
    assert "tokenizer=bpe-512: python-stdlib, BPE of 512 tokens" in lines["data"]
    assert headline(report).startswith("At this budget (18,224 parameters, 24.6 GFLOP of training per run)")
    assert answers(report)[0].startswith("Tokenizer BPE 512 instead of bytes: better by 0.200 bits/byte")


def test_a_study_judged_on_another_set_describes_validation(tmp_path):
    study = RecipeStudy(tmp_path, metric="prose/bits_per_byte").complete()
    report = study_report(study.load())
    assert (report.unit, row_of(report, SMALL).verdict) == ("bits/byte", Verdict.WORSE)
    assert {row.metric for row in report.other_sets} == {"validation/bits_per_byte"}
    assert report.other_sets[1].difference == pytest.approx(-0.2)


@pytest.mark.parametrize("metric", ["in_domain/bits_per_byte", "novels/bits_per_byte"])
def test_a_metric_of_no_set_is_refused_with_those_there_are(tmp_path, metric):
    study = RecipeStudy(tmp_path, metric=metric)
    with pytest.raises(UserError, match=r"metric: .*validation/bits_per_byte, prose/bits_per_byte"):
        study_report(study.load())


def test_a_run_without_a_value_on_a_set_costs_that_pair_alone(records):
    runs = records.runs.copy()
    lost = (runs["variant"] == SMALL) & (runs["seed"] == 202)
    runs.loc[lost, "prose/bits_per_byte"] = math.nan
    report = study_report(replace(records, runs=runs))
    assert (report.other_sets[1].pairs, len(report.other_sets[1].values)) == (2, 2)
    assert row_of(report, SMALL).pairs == 3


def test_nats_per_token_of_other_tokenizers_are_not_judged(tmp_path):
    study = RecipeStudy(tmp_path, metric="validation/loss").complete()
    report = study_report(study.load())
    (note,) = [note for note in report.notes if "tokenizers differ" in note]
    assert "validation/bits_per_byte does" in note
    assert row_of(report, SMALL).verdict is Verdict.INCONCLUSIVE
    assert "no verdict on nats per token of two tokenizers" in answers(report)[0]
    assert {row.set for row in report.other_sets} == {"prose"}


def test_one_tokenizer_in_two_files_is_one(tmp_path):
    spec = {"file": "a.json", "sha256": "0" * 64}
    recipes = {
        "baseline": Recipe(tokenizer=spec),
        "corpus=notes": Recipe(
            {"corpus": ["python-stdlib", "notes"]},
            tokenizer=spec | {"file": "b.json"},
            corpus={"path": "notes"},
        ),
    }
    assert not RecipeStudy(tmp_path, recipes).load().manifest.tokenizers_differ


def test_a_run_that_fell_short_of_its_own_budget_is_a_lost_pair(tmp_path):
    study = RecipeStudy(tmp_path).complete()
    study.run(SMALL, 202, tokens=122_880)  # as many as another variant's budget, and too few of its own
    row = row_of(study_report(study.load()), SMALL)
    assert row.pairs == 2
    assert any("trained on 122,880 tokens, and its budget is 215,040" in note for note in row.notes)


def test_tuning_is_equal_by_each_variants_own_budget(tmp_path):
    study = RecipeStudy(tmp_path).complete()
    assert row_of(study_report(study.load()), LARGE).verdict is Verdict.EQUIVALENT
    for rate in (0.003, 0.006, 0.012):
        study.run(LARGE, 101, "tune", rate=rate, tokens=100_000, shift=0.0 if rate == 0.006 else 0.1)
    row = row_of(study_report(study.load()), LARGE)
    assert row.verdict is Verdict.INCONCLUSIVE
    assert any("2.44 times the 122,880 of a trial" in note and "unequal tuning" in note for note in row.notes)


def test_a_diverged_tuning_run_was_granted_its_own_variants_budget(tmp_path):
    study = RecipeStudy(tmp_path).complete()
    study.run(LARGE, 101, "tune", rate=0.012, state=State.DIVERGED)
    row = row_of(study_report(study.load()), LARGE)
    assert row.tuning_tokens == 3 * 122_880
    assert not any("unequal" in note for note in row.notes)


def test_equal_flops_are_compared_once_and_equal_bytes_twice(tmp_path, report):
    assert report.equal_flops is None
    recipes = {
        name: replace(one, tokens=round(245_760 / one.bytes_per_token)) for name, one in TOKENIZERS.items()
    }
    found = study_report(RecipeStudy(tmp_path, recipes, unit="bytes").complete().load())
    assert found.equal_flops.flops == pytest.approx(122_880 * 115_000)  # the cheapest whole training
    assert row_of(found, SMALL).pairs == 3
    assert footer_of(found)["budget"].startswith("equal bytes of text per run (largest mismatch 0.0 %): ")
    assert "246 kB of text" in footer_of(found)["budget"]


def test_equal_training_costs_need_no_second_table(tmp_path):
    """Costs per token differ here, and tokens make up for it."""
    recipes = {
        "baseline": Recipe(),
        "dear": Recipe({"context": ["32", "64"]}, context=64, flops_per_token=200_000, tokens=122_880),
    }
    assert study_report(RecipeStudy(tmp_path, recipes, unit="bytes").complete().load()).equal_flops is None


def test_did_not_train_is_told_by_each_models_own_vocabulary(tmp_path):
    """A loss of 6.2 nats is below ln(512) = 6.24 and no better than a guess over 257 tokens."""
    study = RecipeStudy(tmp_path).complete()
    for seed in (201, 202, 203):
        study.run("baseline", seed, shift=6.2 / math.log(2) - 2.5)
        study.run(SMALL, seed, shift=3.1 / math.log(2) - 2.3)  # a token of it stands for two bytes
    report = study_report(study.load())
    assert report.baseline.untrained[203] == pytest.approx(6.2)
    assert study.load().runs.loc[lambda runs: runs["variant"] == SMALL, "validation/loss"].max() > 6.19
    assert report.baseline.fate is Verdict.DID_NOT_TRAIN
    assert row_of(report, SMALL).fate is None
    assert row_of(report, SMALL).uniform_loss == pytest.approx(math.log(512))
    assert report.other_sets[1].difference is None


def test_another_baseline_has_mismatches_of_its_own(records):
    report = study_report(rebased(records, SMALL))
    assert row_of(report, SMALL).budget_mismatch == 0
    assert row_of(report, "baseline").budget_mismatch == pytest.approx(245_760 / (215_040 * 1.15) - 1)
    assert report.footer["tokens_per_run"] == 215_040


def test_today_s_studies_have_no_new_column_and_no_new_line(tmp_path):
    report = study_report(full_study(tmp_path).load())
    assert "bytes_read" not in to_json(report)["rows"][0]
    assert "bytes_read" not in render(report, "csv")
    assert len(report_tables(report)) == 3  # verdicts, the differences along the runs, sizes
    assert not {"evaluation"} & set(footer_of(report))
    assert footer_of(report)["budget"].startswith("500,000 training tokens per run, 123,456 parameters")


GOPHER = "treatment=gopher"
POOL = {
    "baseline": Recipe(train_tokens=100_000),
    GOPHER: Recipe(
        {"treatment": ["as_is", "gopher"]}, tokens=172_800, train_tokens=70_000, bits={"in_domain": 2.4}
    ),
}


def pool_report(path, **changes):
    """Of a study at equal passes: 2.4576 and 2.4686, of texts of which a tenth stands there twice."""
    unique = {"baseline": 90_000, GOPHER: 70_000}
    study = RecipeStudy(path, POOL, unit="pool", sets=("in_domain",), unique_tokens=unique, **changes)
    return study_report(study.complete().load())


def test_a_row_says_how_many_unique_tokens_it_read_how_often(tmp_path):
    report = pool_report(tmp_path)
    whole, less = report.rows
    assert (whole.unique_tokens, whole.epochs) == (90_000, pytest.approx(245_760 / 90_000))
    assert (less.unique_tokens, less.epochs) == (70_000, pytest.approx(172_800 / 70_000))
    assert less.budget_mismatch == pytest.approx(172_800 / 70_000 / 2.4576 - 1)
    assert less.verdict is Verdict.BETTER
    table = budgets_table(report)
    assert table.headings[2:5] == ("training\ntokens", "unique\ntokens", "epochs")
    assert [row[2:5] for row in table.rows] == [("245,760", "90,000", "2.73"), ("172,800", "70,000", "2.47")]
    assert "held equal: passes over the training text;" in table.title
    assert max(map(len, text_of(report, "terminal").splitlines())) <= 120
    rows = json.loads(json.dumps(to_json(report), allow_nan=False))["rows"]
    assert [row["unique_tokens"] for row in rows] == [90_000, 70_000]
    assert next(csv.DictReader(io.StringIO(render(report, "csv"))))["unique_tokens"] == "90000"
    assert footer_of(report)["budget"].startswith(
        "equal passes over the training text per run (largest mismatch 0.4 %): 172,800 to 245,760 training"
    )
    assert "2.47 to 2.73 epochs of 70,000 to 90,000 unique tokens" in footer_of(report)["budget"]
    said = "At this budget (18,224 parameters, 2.46 passes over the training text per run, 245,760 tokens for"
    assert headline(report).startswith(said)


def test_equal_passes_against_another_baseline(tmp_path):
    pool_report(tmp_path)
    report = study_report(rebased(load_study(tmp_path), GOPHER))
    assert row_of(report, GOPHER).budget_mismatch == 0
    assert row_of(report, "baseline").budget_mismatch == pytest.approx(2.4576 / (172_800 / 70_000) - 1)


def test_a_text_that_all_read_as_often_is_said_once(tmp_path):
    names = ("baseline", "positions=learned", "norm=layernorm", "feedforward=relu")
    report = study_report(full_study(tmp_path, unique_tokens=dict.fromkeys(names, 100_000)).load())
    assert report.baseline.epochs == 5
    assert len(report_tables(report)) == 3
    assert footer_of(report)["budget"].startswith(
        "500,000 training tokens per run, 5.00 epochs of 100,000 unique tokens, 123,456 parameters"
    )


def test_a_manifest_without_unique_tokens_says_nothing_of_them(report):
    assert report.footer["epochs"] is None
    assert not {"epochs", "unique_tokens"} & set(to_json(report)["rows"][0])
    assert "epochs" not in text_of(report, "terminal")


@pytest.mark.parametrize(
    ("factor", "label", "written"),
    [
        ("tokenizer", "bpe-2048", "BPE 2,048"),
        ("tokenizer", "adam", "adam"),  # a file, and no optimizer
        ("corpus", "rope", "rope"),
        ("optimizer", "adamw", "AdamW"),
        ("clip", "none", "no clip"),
    ],
)
def test_levels_of_text_keep_the_names_that_were_given(factor, label, written):
    assert level_name(factor, label) == written


def test_factors_of_training_and_data_stand_in_sentences(tmp_path):
    change = {
        "corpus": ["python-stdlib", "rope"],
        "batch_size": ["32", "64"],
        "context": ["32", "64"],
        "tokenizer": ["bytes", "bpe-512"],
        "optimizer": ["adamw", "muon"],
    }
    recipes = {
        "baseline": Recipe(),
        "all": Recipe(change, corpus={"path": "rope"}, context=64, tokenizer=bpe(512)),
    }
    sentence = answers(study_report(RecipeStudy(tmp_path, recipes).load()))[0]
    for part in (
        "corpus rope instead of python-stdlib",
        "batch size 64 instead of 32",
        "context 64 instead of 32",
        "tokenizer BPE 512 instead of bytes",
        "Muon instead of AdamW",
    ):
        assert part in sentence


@pytest.mark.parametrize("format", ["terminal", "md", "csv", "latex"])
def test_a_study_that_has_not_begun_prints(tmp_path, format):
    report = study_report(RecipeStudy(tmp_path).load())
    text = text_of(report, format)
    assert "not started" in text
    assert not {"nan", "None"} & set(text.replace(",", " ").split())
    json.dumps(to_json(report), allow_nan=False)


def test_curves_are_drawn_along_what_is_held_equal(records):
    (axes,) = curves_plot(records).axes
    assert axes.get_xlabel() == "training FLOPs"
    ends = {line.get_label().partition(" ")[0]: line.get_xdata()[-1] for line in axes.get_lines()}
    assert ends[SMALL] == pytest.approx(215_040 * 115_000)
    assert axes.get_ylabel() == "validation/bits_per_byte (bits/byte)"


def test_an_axis_of_tokens_says_whose_they_are(records):
    (axes,) = curves_plot(records, x="tokens").axes
    assert axes.get_xlabel() == "training tokens of each variant's own tokenizer"


def test_an_axis_of_text_counts_its_bytes(records):
    (axes,) = curves_plot(records, x="bytes").axes
    ends = [line.get_xdata()[-1] for line in axes.get_lines()]
    assert ends == pytest.approx([245_760, 430_080, 368_640])


def test_the_bytes_of_a_set_are_said_once(records):
    """Evaluation texts of ours say them in their own description."""
    (first, *others) = records.manifest.evaluation
    named = first.model_copy(update={"description": "65,530 bytes in 16 passages of python-stdlib"})
    manifest = records.manifest.model_copy(update={"evaluation": [named, *others]})
    line = footer_of(study_report(replace(records, manifest=manifest)))["evaluation"]
    assert line.startswith("in_domain (validation/): 65,530 bytes in 16 passages of python-stdlib; prose (")
    assert line.count("scored") == 1


HALF = Recipe({"size": ["4x64x4", "2x64x4"]}, layers=1, flops_per_token=52_000, bits={"in_domain": 2.6})
SCALE = {
    "baseline": Recipe(),
    "half": HALF,
    "half for longer": replace(HALF, tokens=471_040, unit="flops", bits={"in_domain": 2.45}),
}


@pytest.fixture(scope="module")
def scale(tmp_path_factory):
    """Of a study at equal tokens, one of whose variants has as many FLOPs as the baseline."""
    path = tmp_path_factory.mktemp("scale")
    return RecipeStudy(path, SCALE, unit="tokens", sets=("in_domain",)).complete().load()


def test_a_row_says_where_its_budget_is_not_the_studys(scale):
    report = study_report(scale)
    assert [row.budget_unit for row in report.rows] == ["tokens", "tokens", "flops"]
    assert [row.verdict for row in report.comparisons] == [Verdict.WORSE, Verdict.BETTER]
    assert row_of(report, "half for longer").budget_mismatch == pytest.approx(471_040 * 0.52 / 245_760 - 1)
    assert answers(report)[0].startswith("Size 2x64x4 instead of 4x64x4 at equal training tokens: worse by")
    assert answers(report)[1].startswith("Size 2x64x4 instead of 4x64x4 at equal FLOPs: better by")
    assert "245,760 training tokens per run, or as many FLOPs)" in headline(report)
    assert footer_of(report)["budget"].startswith(
        "equal training tokens per run (FLOPs of half for longer; largest mismatch 0.3 %): 245,760 to"
    )
    for table in (report_tables(report)[0], budgets_table(report)):
        place = table.headings.index("at equal")
        assert [row[place] for row in table.rows] == ["—", "training tokens", "FLOPs"]
    assert "mismatch: of what a row holds equal, against the baseline" in budgets_table(report).title
    for format in ("terminal", "md", "latex"):
        assert "at equal FLOPs" in text_of(report, format)
    assert max(map(len, text_of(report, "terminal").splitlines())) <= 120
    facts = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert [row["budget_unit"] for row in facts["rows"]] == ["tokens", "tokens", "flops"]
    assert facts["footer"]["own_budget_units"] == {"half for longer": "flops"}
    cells = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert [row["budget_unit"] for row in cells] == ["tokens", "tokens", "flops"]


def test_what_was_trained_at_equal_flops_is_not_read_at_them_once_more(scale):
    report = study_report(scale)
    assert [row.variant for row in report.equal_flops.rows] == ["baseline", "half"]
    assert report.equal_flops.flops == 245_760 * 52_000


def test_where_budgets_are_the_same_for_all_nothing_speaks_of_units(report):
    assert {row.budget_unit for row in report.rows} == {None}
    assert "budget_unit" not in to_json(report)["rows"][1]
    assert "own_budget_units" not in report.footer
    assert "at equal" not in report_tables(report)[0].headings


def test_variants_that_were_made_equal_to_the_baseline_in_two_units_are_not_equal(scale):
    """An exploratory view: half the size against itself for longer shares neither tokens nor FLOPs."""
    report = study_report(rebased(scale, "half for longer"))
    assert [row.budget_unit for row in report.rows] == ["tokens", "flops", "nothing"]
    half = row_of(report, "half")
    assert half.budget_mismatch == pytest.approx(245_760 / 471_040 - 1)
    assert answers(report)[1].startswith("half at no equal budget: ")
    assert "as many nothing" not in headline(report)
    assert row_of(report, "baseline").budget_mismatch == pytest.approx(245_760 / (471_040 * 0.52) - 1)
    report = study_report(rebased(scale, "half"))
    assert [row.budget_unit for row in report.rows] == ["tokens", "tokens", "nothing"]
