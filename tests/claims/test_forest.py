"""What a card's forest plot draws, and what serving costs by the tokens served."""

import math

import pytest

from tests.claims.claim_studies import (
    LARGER,
    NORM,
    RELU,
    card,
    inference_study,
    judged,
    prediction,
    repaid,
    write_parts,
)
from workbench.analysis.paper_figures import to_bytes
from workbench.analysis.statistics import Interval
from workbench.claims.figures import card_forest
from workbench.claims.forest import LITERATURE, forest_panels, labels_of, without_number
from workbench.claims.serving import Serving, served_sentence, serving_of

PAPER = {"paper": "Somebody 2020", "where": "table 1", "number": "0.05 nats", "certainty": "derived"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A finished study of three swaps."""
    folder = tmp_path_factory.mktemp("forest")
    write_parts(folder)
    return folder


def test_a_panel_for_each_unit_with_the_literature_below_what_it_is_of(results):
    predictions = [
        prediction(),
        prediction(id="norm-is-equal", variant=NORM, direction="equal", margin=0.02, role="secondary"),
        prediction(id="relu-costs", variant=RELU, quantity="parameters_ratio", margin=0.1),
        prediction(id="later", study="later", quantity="bits_per_byte"),
    ]
    sources = [
        PAPER | {"prediction": "learned-is-higher", "value": 0.05},
        PAPER | {"prediction": "learned-is-higher", "interval": [0.02, 0.06]},
        PAPER,
        PAPER | {"prediction": "later", "value": 1},
    ]
    found = judged(card(*predictions, sources=sources), results)
    nats, ratio = forest_panels(found)
    assert (nats.title, ratio.title) == ("loss (nats)", "ln parameters (ln ratio)")
    assert [row.kind for row in nats.rows] == ["holds", LITERATURE, LITERATURE, "holds"]
    first, paper, span, norm = nats.rows
    one = found.evidence[0]
    assert (first.value, first.low, first.high) == (one.estimate, one.interval.low, one.interval.high)
    assert (first.label, norm.label) == ("learned-is-higher at small", "norm-is-equal at small, secondary")
    assert (paper.value, paper.low, paper.high, paper.said) == (0.05, 0.05, 0.05, "literature   +0.05")
    assert (span.value, span.low, span.high, span.said) == (None, 0.02, 0.06, "literature   +0.02 to +0.06")
    assert labels_of(nats.rows)[1:3] == ["Somebody 2020", "Somebody 2020 (2)"]
    assert (first.band, norm.band) == ((-0.05, 0.05), (-0.02, 0.02))
    assert {0.0, -0.05, 0.05, 0.06, one.interval.high} <= set(nats.ends)
    assert (ratio.rows[0].said, ratio.rows[0].low) == ("fails   0.000, exact", 0.0)
    assert without_number(found) == 1


def test_the_figure_names_every_row_and_is_drawn_without_a_number_too(results):
    sources = [PAPER | {"prediction": "learned-is-higher", "value": 0.05}]
    drawn = to_bytes(card_forest(judged(card(sources=sources), results)), "svg").decode()
    for text in ("learned-is-higher at small", "Somebody 2020", "literature", "loss (nats)", "10 pairs"):
        assert text in drawn
    empty = judged(card(prediction(study="later")), results)
    assert forest_panels(empty) == []
    assert "no prediction has a number yet" in to_bytes(card_forest(empty), "svg").decode()


def test_an_interval_without_an_end_sets_no_scale_and_is_drawn(tmp_path):
    inference_study(tmp_path / "inference")
    found = judged(card(repaid()), tmp_path)
    row = forest_panels(found)[0].rows[0]
    object.__setattr__(row, "high", math.inf)
    assert all(map(math.isfinite, row.ends))


def serving(**changes):
    """Half the cost of a token, as much training as pays back after two times the tokens."""
    values = {
        "rung": "small",
        "smaller": "baseline",
        "larger": LARGER,
        "smaller_flops": 300.0,
        "larger_flops": 600.0,
        "tokens": 1_000_000,
        "break_even": 2.0,
        "interval": Interval(1.0, 4.0, 0.95),
    }
    return Serving(**values | changes)


def test_both_cost_the_same_at_the_break_even_and_the_smaller_one_less_behind_it():
    one = serving()
    assert one.total_of_larger(0) == 600e6
    assert one.total_of_smaller(0) == 600e6 + 2 * 100e6  # 800e6 FLOPs: 2.67 times the tokens at half the cost
    assert one.total_of_smaller(2.0) == one.total_of_larger(2.0) == 1000e6
    assert one.total_of_smaller(10) == 800e6 + 10 * 100e6
    assert one.total_of_smaller(10, 4.0) == 1000e6 + 10 * 100e6
    assert [one.is_cheaper(served) for served in (0.5, 1.0, 3.0, 4.5)] == [False, None, None, True]
    exact = serving(interval=None)
    assert [exact.is_cheaper(served) for served in (1.9, 2.1)] == [False, True]


def test_the_sentence_says_who_is_cheaper_and_when_nothing_is_to_be_paid_back():
    assert served_sentence(serving(), 10) == (
        "With 10 M tokens served, 10× those of training, training and serving take 1.8 GFLOP of the smaller "
        f"model (baseline) and 2.6 GFLOP of the larger one ({LARGER}); the smaller one is cheaper by 31 %; "
        "they are even after 2.00 [1.00, 4.00]×."
    )
    assert "which of them is cheaper is open" in served_sentence(serving(), 2)
    assert "the larger one is cheaper by 18 %" in served_sentence(serving(), 0.5)
    early = served_sentence(serving(break_even=-1.0, interval=Interval(-2.0, -0.5, 0.95)), 1)
    assert "training takes no more to begin with (break-even -1.00 [-2.00, -0.50]×)" in early


def test_what_serving_costs_is_known_of_a_break_even_alone(tmp_path):
    inference_study(tmp_path / "inference")
    cost = repaid(id="cost", quantity="decode_flops_ratio", margin=0.55)
    plain = repaid(id="plain", quantity="break_even_tokens")
    of_gain, of_cost, of_tokens = judged(card(repaid(), cost, plain), tmp_path).evidence
    one = serving_of(of_gain)
    assert (one.smaller_flops, one.larger_flops, one.tokens) == (800_000, 1_600_000, 500_000)
    # At no token served: the FLOPs of training on as many tokens as the larger one's loss takes.
    assert one.total_of_smaller(0) == pytest.approx(800_000 * 500_000 * math.exp(0.25), rel=0.01)
    assert serving_of(of_cost) is None
    # Trained on as many tokens each, as they were: the smaller one at half the FLOPs.
    assert serving_of(of_tokens).total_of_smaller(0) == pytest.approx(800_000 * 500_000)
    assert serving_of(of_tokens).interval is None
