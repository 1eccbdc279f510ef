"""The page Compare: the same change in several studies, what a loss costs, and what is searched by."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, full_study, manifest, shifted
from tests.dashboard.test_pages import texts
from workbench.analysis.effects import study_report
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.comparing.charts import SHAPES, effects_forest, forest_frames
from workbench.dashboard.comparing.effects import Compared, effect_panels, facts_of, shared_changes
from workbench.dashboard.comparing.figures import effects_figure
from workbench.files import read_yaml, write_yaml
from workbench.records.index import load_study

PUBLISHED = Path(__file__).parents[2] / "results" / "published"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Three studies with the same changes: small, larger on another text, and one in another unit."""
    folder = tmp_path_factory.mktemp("several") / "results"
    text = {"corpus": {"name": "stdlib"}, "tokenizer": "bytes", "fingerprint": "aaaa1111bbbb"}
    full_study(folder / "small", name="small", data=text)
    other = full_study(folder / "large", name="large", data=text | {"fingerprint": "cccc2222dddd"})
    body = read_yaml(other.path / "study.yaml")
    for one in body["variants"]:
        one["parameters"] = 1_600_000
    write_yaml(other.path / "study.yaml", body | {"question": "Does size change it?"})
    bits = manifest(name="bits", metric="validation/bits_per_byte", data=text)
    study = Study(folder / "published" / "bits", bits).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    study.confirm("norm=layernorm", shifted(0.2), curve=True)
    study.confirm("positions=learned", [None] * 5)
    return folder


@pytest.fixture(scope="module")
def compared(several):
    return [
        Compared(name, name, records, study_report(records))
        for name in ("small", "large", "published/bits")
        for records in [load_study(several / name)]
    ]


ALL = ["small", "large", "published/bits"]


def charts(app):
    return [one.proto.alt for one in app.get("vega_lite_chart")]


def test_the_same_change_is_one_group_and_units_have_panels_of_their_own(compared):
    nats, bits = effect_panels(compared)
    assert (nats.unit, bits.unit) == ("nats/token", "bits/byte")
    groups = {group[0].heading: [row.study for row in group] for group in nats.changes.values()}
    assert groups == {
        "Learned positions instead of RoPE": ["small", "large"],
        "LayerNorm instead of RMSNorm": ["small", "large"],
        "ReLU instead of SwiGLU": ["small", "large"],
    }
    assert {row.study for row in bits.rows} == {"published/bits"}
    small, large = next(iter(nats.changes.values()))
    assert small.facts == "123 k parameters, 500 k tokens, stdlib aaaa11, 5 pairs"
    assert large.facts == "1.6 M parameters, 500 k tokens, stdlib cccc22, 5 pairs"


def test_of_a_long_text_the_number_of_pairs_is_still_seen(compared):
    text = "A corpus with a description that is far too long for a row of a chart"
    rows = [
        replace(row, facts=facts_of(row.numbers | {"text": text}), numbers=row.numbers | {"text": text})
        for row in effect_panels(compared)[0].rows
    ]
    table, _ = forest_frames(replace(effect_panels(compared)[0], rows=tuple(rows)))
    assert table["shown"].str.endswith("A corpus with a …, 5 pairs").all()
    assert table["facts"].str.contains(text).all()


def test_words_and_intervals_are_those_of_each_report(compared):
    for one in compared:
        rows = {row.variant: row for row in one.report.comparisons}
        for panel in effect_panels([one]):
            for row in panel.rows:
                theirs = rows[row.numbers["variant"]]
                assert row.value == theirs.difference
                assert row.numbers["verdict"] in (str(theirs.verdict), str(theirs.fate), theirs.status)
                if theirs.interval:
                    assert (row.low, row.high) == (theirs.interval.low, theirs.interval.high)


def test_a_variant_without_a_result_is_named_and_has_no_mark(compared):
    (panel,) = effect_panels(compared[2:])
    table, _ = forest_frames(panel)
    lost = table[table["said"].str.startswith("did not train, 5 of 5 seeds, not drawn")]
    assert len(lost) == 1
    assert lost["value"].isna().all()
    assert all(map(pd.notna, panel.ends))


def test_a_row_that_is_open_is_thin_and_hollow_wherever_its_mean_lies(compared):
    panel = effect_panels(compared)[0]
    table, _ = forest_frames(panel)
    kinds = {kind: rows["open"].tolist() for kind, rows in table.groupby("kind")}
    assert {"worse", "equivalent", "inconclusive"} <= set(kinds)
    for kind, found in kinds.items():
        assert all(is_hollow == (kind not in ("better", "worse", "equivalent")) for is_hollow in found)
    ink, colours = Ink.of(False), {one.title: "#0072B2" for one in compared}
    layers = effects_forest(panel, colours, ink).to_dict()["layer"]
    (marks,) = [one for one in layers if "fill" in one["encoding"]]
    fill, legend = marks["encoding"]["fill"], marks["encoding"]["shape"]["legend"]
    assert (fill["scale"]["domain"][-1], fill["scale"]["range"][-1]) == ("", ink.paper)
    assert fill["field"] == "fill"  # of a condition the legend's marks would have the paper's colour
    assert legend["symbolFillColor"] == ink.text
    (axes,) = effects_figure([panel], colours).axes
    shapes = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    drawn = table[table["value"].notna()]
    assert [line.get_markerfacecolor() == "white" for line in shapes] == drawn["open"].tolist()


def test_a_change_is_shared_when_two_studies_have_it(compared):
    assert len(shared_changes(compared)) == 3
    assert shared_changes(compared[:1]) == set()


def test_the_page_has_a_forest_of_each_unit_its_table_and_its_files(opened, several):
    app = opened(several, "compare", studies=ALL)
    assert not app.exception
    assert [alt.rpartition(": ")[2].split(" minus")[0] for alt in charts(app)] == [
        "validation/loss",
        "validation/bits_per_byte",
    ]
    marks = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    found = json.dumps(marks)
    assert SHAPES["worse"] in found
    assert SHAPES["equivalent"] in found
    table = app.dataframe[0].value
    worse = table[(table["change"] == "Learned positions instead of RoPE") & (table["study"] == "small")]
    assert worse["found"].item().startswith("worse   +0.2")
    assert worse["text"].item() == "stdlib aaaa11"
    assert {item.label for item in app.get("download_button")} == {"SVG", "PDF", "CSV"}
    assert app.query_params["studies"] == ALL


def test_without_an_address_the_open_study_stands_beside_its_likes(opened, several):
    app = opened(several, "compare", study="small")
    assert app.multiselect[0].value[0] == "small"
    assert set(app.multiselect[0].value) == set(ALL)
    app.multiselect[0].set_value(["large"]).run()
    assert app.query_params["studies"] in ("large", ["large"])
    assert not app.exception


def test_a_study_that_the_address_names_and_is_not_here_is_said(opened, several):
    app = opened(several, "compare", studies=["small", "gone*"])
    assert "gone\\*, which is not here to compare" in app.warning[0].value
    assert app.multiselect[0].value == ["small"]


def test_what_was_never_trained_is_not_offered_and_a_published_calibration_is(opened, tmp_path):
    published = tmp_path / "published"
    published.mkdir()
    for name in ("claims-norm-cost", "noise"):
        (published / name).symlink_to(PUBLISHED / name)
    app = opened(tmp_path, "compare", study="published/claims-norm-cost")
    assert not app.exception
    assert app.multiselect[0].options == ["published/noise"]


def test_search_is_over_names_questions_and_tags(opened, several):
    app = opened(several, "compare", studies=["small"], find="size change")
    assert app.multiselect[0].options == ["small", "large"] or set(app.multiselect[0].options) == {
        "small",
        "large",
    }
    assert "1 of 3 studies found." in texts(app)
    app.text_input(key="find").set_value("nothing has this").run()
    assert app.multiselect[0].options == ["small"]


def test_losses_by_cost_have_a_front_for_each_text_and_bits_too(opened, several):
    app = opened(several, "compare", studies=ALL, compare_tab="Loss and cost")
    assert not app.exception
    # Two texts in nats, and another metric: none of them has a front with another.
    assert len(charts(app)) == 3
    assert all("by training flops" in alt for alt in charts(app))
    app.segmented_control(key="cost_loss").set_value("bits per byte").run()
    assert len(charts(app)) == 2  # the two texts
    app.segmented_control(key="cost").set_value("seconds").run()
    assert "They compare within one machine" in texts(app)
    assert "Testium 9" in texts(app)
    app.segmented_control(key="cost").set_value("peak_memory_bytes").run()
    assert "has recorded its peak memory" in texts(app)
    assert not app.exception


def test_figures_and_files_say_what_the_page_says(opened, several, compared):
    from workbench.analysis.cost_points import cost_points
    from workbench.analysis.paper_figures import to_bytes
    from workbench.dashboard.comparing.charts import cost_frame
    from workbench.dashboard.comparing.effects import effect_table
    from workbench.dashboard.comparing.figures import cost_figure, effects_figure

    panels = effect_panels(compared)
    colours = {one.title: "#0072B2" for one in compared}
    drawn = to_bytes(effects_figure(panels, colours), "svg").decode()
    assert "LayerNorm instead of RMSNorm" in drawn
    assert "did not train, 5 of 5 seeds, not drawn" in drawn
    read = pd.read_csv(io.StringIO(effect_table(panels).to_csv(index=False)))
    assert len(read) == sum(len(panel.rows) for panel in panels)
    points = [point.of("small") for point in cost_points(compared[0].records)]
    labels = {("small", point.variant): point.variant for point in points}
    table = cost_frame(points, "flops", labels)
    assert "baseline" in to_bytes(cost_figure(table, "flops", "loss", colours), "svg").decode()
