"""The page Claims: with none, one and ten cards, the picked one's numbers, and the ways into other pages."""

import pytest

from tests.analysis.synthetic_studies import manifest, one_at_a_time
from tests.claims.claim_studies import (
    NORM,
    RELU,
    card,
    inference_study,
    prediction,
    repaid,
    step_times,
    write_parts,
)
from tests.dashboard.unfolded import unfolded
from workbench.files import write_yaml
from workbench.records.step_times import STEP_TIMES, write_step_times


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A results folder with the study that the cards are about."""
    folder = tmp_path_factory.mktemp("parts") / "results"
    write_parts(folder)
    return folder


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """A function that lays out so many cards, all but the first on a study that has not run."""

    def lay_out(count):
        monkeypatch.chdir(tmp_path)
        folder = tmp_path / "ablations" / "claims"
        folder.mkdir(parents=True)
        for number in range(count):
            one = card(prediction(study="later" if number else "parts"), title=f"Claim {number}")
            write_yaml(folder / f"card{number}.yaml", one.model_dump(mode="json", exclude={"id"}))
        return folder

    return lay_out


def test_a_claim_about_step_times_has_blocks_hardware_and_cell_and_needs_no_trial(
    opened, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "parts"
    write_yaml(folder / "study.yaml", manifest(one_at_a_time(), name="parts"))
    write_step_times(folder, step_times())
    asked = prediction(quantity="step_time_ratio", cell="cpu", variant=NORM, margin=0.0198)
    cards = tmp_path / "ablations" / "claims"
    cards.mkdir(parents=True)
    write_yaml(cards / "cost.yaml", card(asked).model_dump(mode="json", exclude={"id"}))
    app = opened(tmp_path / "results", "claims")
    assert not app.exception
    assert headings(app) == ["#### Positions &nbsp; :green-badge[supported]"]
    row = app.dataframe[1].value.iloc[0]
    assert (row["pairs"], row["tokens"], row["learning rates"]) == ("24 blocks", "—", "—")
    assert "on cpu, fp32, eager" in row["asked"]
    assert not [one for one in app.markdown if "hardware" in one.value]  # made once a reader opens its panel
    (shown,) = [one.value for one in unfolded(app).markdown if "- **hardware**: " in one.value]
    assert "Testium 9, 2 cores" in shown
    assert "24 blocks of" in shown
    assert not links(app)


def test_overview_of_a_study_of_which_steps_alone_were_measured_shows_them_and_no_queue(opened, tmp_path):
    folder = tmp_path / "results" / "parts"
    write_yaml(folder / "study.yaml", manifest(one_at_a_time(), name="parts"))
    write_step_times(folder, step_times(others=0.4))
    app = opened(tmp_path / "results", "overview")
    assert not app.exception
    assert [one.value for one in app.subheader] == ["How long does a training step take?"]
    row = app.dataframe[0].value.iloc[0]
    assert (row["variant"], row["blocks"], row["hardware"]) == (NORM, "24", "Testium 9, 2 cores")
    assert any("other processes kept 40 % of the cores busy" in one.value for one in app.caption)
    (folder / STEP_TIMES).write_text("{}")
    app = opened(tmp_path / "results", "overview")
    assert "has no key 'measurements'" in app.error[0].value
    assert "Verdicts" in [one.value for one in app.subheader]


def headings(app):
    return [one.value.partition("\n")[0] for one in app.markdown if "-badge[" in one.value]


def links(app):
    """The labels and queries of the page's links."""
    return {one.proto.label: one.proto.query_string for one in app.get("page_link")}


def test_without_cards_the_page_says_how_one_is_written(opened, parts, cards):
    cards(0)
    app = opened(parts, "claims")
    assert not app.exception
    assert "docs/claim-file.md says how one is written" in app.info[0].value


def test_one_card_has_its_word_its_numbers_the_literature_and_a_way_in(opened, parts, cards):
    cards(1)
    app = opened(parts, "claims")
    assert not app.exception
    assert headings(app) == ["#### Claim 0 &nbsp; :green-badge[supported]"]
    table, evidence = (frame.value for frame in app.dataframe)
    assert table[["card", "word", "holds"]].values.tolist() == [["card0", "supported", "at 1 of 1 rung"]]
    row = evidence.iloc[0]
    assert (row["word"], row["pairs"], row["tokens"]) == ("holds", "10", "0.5 M")
    assert row["measured [interval]"].startswith("+0.20")
    assert row["learning rates"] == "positions=learned 0.006 interior; baseline 0.006 interior"
    (literature,) = [one.value for one in app.markdown if "literature" in one.value]
    assert literature.endswith("\n\n-0.05 nats  \n:small[:gray[Somebody 2020; table 1 (derived)]]")
    assert links(app)["Effects of parts"] == "study=parts"


def test_ten_cards_are_in_the_table_and_the_one_that_is_picked_is_drawn(opened, parts, cards):
    cards(10)
    app = opened(parts, "claims")
    assert not app.exception
    assert len(app.dataframe[0].value) == 10
    assert headings(app) == ["#### Claim 0 &nbsp; :green-badge[supported]"]
    app.selectbox(key="card").select("card7").run()
    assert not app.exception
    assert headings(app) == ["#### Claim 7 &nbsp; :gray-badge[undecided]"]
    assert any("later has not run" in one.value for one in app.markdown)
    assert app.query_params["card"] in ("card7", ["card7"])


def test_a_link_opens_its_card_in_both_forms_and_what_is_not_here_is_said(opened, parts, cards):
    cards(3)
    app = opened(parts, "claims", card="card2")
    assert headings(app) == ["#### Claim 2 &nbsp; :gray-badge[undecided]"]
    app.segmented_control(key="size").set_value("gpu").run()
    assert headings(app) == ["#### Claim 2 &nbsp; :gray-badge[undecided]"]
    app = opened(parts, "claims", card="gone")
    assert not app.exception
    assert "the card gone, which is not here" in app.warning[0].value
    assert headings(app) == ["#### Claim 0 &nbsp; :green-badge[supported]"]


def test_a_changed_card_and_the_other_form_are_shown_at_once(opened, parts, cards):
    folder = cards(1)
    app = opened(parts, "claims")
    lower = card(prediction(variant=RELU, direction="lower"), title="Another")
    write_yaml(folder / "card0.yaml", lower.model_dump(mode="json", exclude={"id"}))
    app.run()
    assert headings(app) == ["#### Another &nbsp; :red-badge[refuted]"]
    app = opened(parts, "claims", size="gpu")
    assert "The card has no rung of this form." in [one.value for one in app.caption]


def test_a_mistake_in_a_card_is_said_with_its_key(opened, parts, cards):
    file = cards(1) / "card0.yaml"
    file.write_text(file.read_text().replace("quantity: loss", "quantity: charm"))
    app = opened(parts, "claims")
    assert not app.exception
    assert "'charm' is nothing that can be measured here" in app.error[0].value


def test_a_forest_of_each_unit_and_what_serving_costs_by_a_slider_of_the_address(
    opened, tmp_path_factory, cards
):
    folder = tmp_path_factory.mktemp("serving") / "results"
    inference_study(folder / "inference")
    file = cards(1) / "card0.yaml"
    cost = repaid(id="cost", quantity="decode_flops_ratio", margin=0.55)
    source = {
        "paper": "Somebody",
        "where": "table 1",
        "number": "1 to 2",
        "certainty": "derived",
        "prediction": "repaid",
        "interval": [1, 2],
    }
    write_yaml(file, card(cost, repaid(), sources=[source]).model_dump(mode="json", exclude={"id"}))
    app = opened(folder, "claims", served_card0_small="10")
    assert not app.exception
    charts = [one.proto.alt for one in app.get("vega_lite_chart")]
    assert charts == [
        "What the predictions of the card card0 measured, in ratio",
        "What the predictions of the card card0 measured, in × training tokens",
        "FLOPs of training and serving by tokens served, at the rung small",
    ]
    assert links(app) == {
        "Effects of inference": "study=inference",
        "Effects of inference: Compute": "study=inference&part=Compute",
    }
    specification = app.get("vega_lite_chart")[1].proto.spec
    assert "literature" in specification
    assert app.select_slider[0].value == "10"
    said = [one.value for one in app.markdown if "training and serving take" in one.value]
    assert said[0].startswith("With 5 M tokens served, 10× those of training")
    assert "the smaller one is cheaper by" in said[0]
    app.select_slider[0].set_value("0.1").run()
    assert any("0.1× those of training" in one.value for one in app.markdown)
    assert not app.exception


def test_a_number_of_tokens_that_the_slider_has_not_is_said(opened, tmp_path_factory, cards):
    folder = tmp_path_factory.mktemp("serving") / "results"
    inference_study(folder / "inference")
    write_yaml(cards(1) / "card0.yaml", card(repaid()).model_dump(mode="json", exclude={"id"}))
    app = opened(folder, "claims", served_card0_small="12345")
    assert not app.exception
    assert "the tokens served 12345, which is not here" in app.warning[0].value
