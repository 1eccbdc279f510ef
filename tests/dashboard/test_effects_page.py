"""Effects: a part at a time, each with an address of its own; which parts there are depends on the study."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, manifest, one_at_a_time, shifted
from tests.dashboard import dashboard_studies
from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.test_pages import texts
from workbench.claims.quantities.registry import QUANTITIES
from workbench.dashboard.pages.effects import PARTS
from workbench.files import read_yaml, write_yaml

RESULTS = Path(__file__).parents[2] / "results"
# Of each part a published study that has it, and what is then on the page.
PUBLISHED = {
    "Ladder": ("ladder", "Over the ladder"),
    "Calibration": ("noise", "How often a word is false"),
    "Effects": ("quickstart", "What moved inside"),
    "Pairs": ("quickstart", "The pairs behind it"),
    "Parts": ("dismantle", "Part by part"),
    "Compute": ("claims-norm-gain", "Compute-equivalent gain"),
    "Other sets": ("data-quality", "Other evaluation sets"),
    "Tuning": ("quickstart", "Learning rates"),
    "Best of k": ("tuned", "Best of k points"),
    "Table": ("quickstart", "Everything in one table"),
}


def headings(app):
    return [one.value for one in app.subheader]


def parts(app):
    return [tab.label for tab in app.tabs]


@pytest.mark.parametrize("part", PUBLISHED)
def test_each_part_of_a_published_study_is_opened_by_its_address(opened, part):
    study, heading = PUBLISHED[part]
    app = opened(RESULTS, "effects", study=f"published/{study}", part=part)
    assert not app.exception
    assert not app.main.warning
    assert headings(app) == [heading]  # and of no other part
    assert part in parts(app)


def test_the_parts_are_those_that_the_study_has_something_for(opened, results, live_results):
    app = opened(results, "effects")
    assert parts(app) == ["Effects", "Pairs", "Compute", "Tuning", "Table"]
    assert headings(app) == ["What moved inside"]
    assert len(app.get("vega_lite_chart")) == 1
    assert parts(opened(live_results(0), "effects")) == ["Effects", "Tuning", "Table"]


def test_points_of_several_hyperparameters_have_a_chart_each(opened):
    app = opened(RESULTS, "effects", study="published/tuned", part="Tuning")
    assert not app.exception
    assert headings(app) == ["Tuned hyperparameters"]
    assert len(app.get("vega_lite_chart")) == 2


def test_the_table_has_every_column(opened, results):
    app = opened(results, "effects", part="Table")
    (table,) = app.dataframe
    assert {"verdict", "learning rate", "parameters"} <= set(table.value)
    labels = {item.label for item in app.get("download_button")}
    assert labels == {"CSV", "Markdown", "LaTeX"}


def test_another_baseline_keeps_the_open_part(opened, results):
    app = opened(results, "effects", part="Pairs")
    app.sidebar.selectbox(key="baseline").set_value("norm=layernorm").run()
    assert not app.exception
    assert headings(app) == ["The pairs behind it"]
    assert "exploratory" in texts(app.sidebar)


def test_a_part_that_another_baseline_does_not_have_gives_way_to_the_first(opened):
    """Gains are of the declared baseline, which alone was trained on other budgets."""
    app = opened(RESULTS, "effects", study="published/claims-norm-gain", part="Compute")
    app.sidebar.selectbox(key="baseline").set_value("rmsnorm").run()
    assert not app.exception
    assert parts(app) == ["Effects", "Pairs", "Tuning", "Table"]
    assert headings(app) == ["What moved inside"]


def test_a_part_that_is_not_here_is_said(opened, results):
    app = opened(results, "effects", part="Calibration")
    assert not app.exception
    assert "The link asks for the part Calibration, which is not here" in app.warning[0].value
    assert headings(app) == ["What moved inside"]


def test_a_part_of_one_page_is_not_asked_of_another(opened):
    app = opened(RESULTS, "effects", study="published/data-quality", part="Pairs")
    app = app.switch_page("workbench/dashboard/pages/data.py").run()
    assert not app.exception
    assert not app.main.warning
    assert headings(app)[1] == "What became of the documents"


@pytest.mark.parametrize("study", ["quickstart", "ladder"])
def test_explain_leads_to_the_part_with_the_explanation(opened, study):
    app = opened(RESULTS, "overview", study=f"published/{study}")
    link = next(one.proto for one in app.page_link if one.proto.label == "Explain")
    asked = {name: value for name, (value,) in parse_qs(link.query_string).items()}
    app = opened(RESULTS, link.page, **asked)
    assert not app.exception
    assert "What moved inside" in headings(app)
    assert app.selectbox(key="explain").value == asked["explain"]


def test_a_link_that_names_no_part_opens_the_one_that_has_what_it_asks_for(opened, results):
    app = opened(RESULTS, "effects", study="published/ladder", explain="rung 3: norm=layernorm")
    assert app.selectbox(key="explain").value == "rung 3: norm=layernorm"
    assert headings(opened(results, "effects", behaviour="largest induction")) == ["Everything in one table"]
    app = opened(results, "effects", behaviour="largest induction", part="Pairs")
    assert headings(app) == ["The pairs behind it"]


def test_every_part_that_a_claim_leads_to_is_there():
    named = {one.part for one in QUANTITIES.values() if one.part}
    assert named == {"Ladder", "Compute", "Parts", "Tuning"}
    assert named <= set(PARTS)


def test_damage_and_recovery_are_there_for_a_study_that_starts_from_a_run(opened, tmp_path):
    study = Study(tmp_path / "swap", manifest(one_at_a_time()[:2], start={"run": "abc"})).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    study.confirm("positions=learned", shifted(0.2), curve=True)
    app = opened(tmp_path, "effects", part="Recovery")
    assert not app.exception
    assert headings(app) == ["Damage and recovery"]
    assert app.dataframe[0].value["change"].tolist() == ["positions: rope → learned"]


def test_a_factorial_study_has_its_interactions(opened, tmp_path, monkeypatch):
    both = {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]}
    cells = {
        "baseline": dashboard_studies.VARIANTS["baseline"],
        "norm=layernorm": dashboard_studies.VARIANTS["norm=layernorm"],
        "feedforward=relu": dashboard_studies.VARIANTS["feedforward=relu"],
        "norm=layernorm,feedforward=relu": (both, 0.05, 0.01, 118_300, 0.006),
    }
    monkeypatch.setattr(dashboard_studies, "VARIANTS", cells)
    path = write_study(tmp_path, "factorial")
    manifest = read_yaml(path / "study.yaml")
    levels = {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]}
    write_yaml(path / "study.yaml", manifest | {"design": "full_factorial", "factors": levels})
    app = opened(tmp_path, "effects", part="Interactions")
    assert not app.exception
    assert "Main effects and interactions" in [item.value for item in app.subheader]
    kinds = [table.value["kind"].tolist() for table in app.dataframe if "kind" in table.value]
    assert kinds == [["main", "main", "interaction"]]
