"""Claims about step times: blocks in place of pairs, no trials, and what forbids to rest a word on them."""

import json

import pytest

from tests.analysis.synthetic_studies import manifest, one_at_a_time
from tests.claims.claim_studies import NORM, card, judged, prediction, step_times, write_parts
from tests.claims.test_command import write_card
from tests.in_process import workbench
from workbench.claims.words import CardWord, Word
from workbench.errors import UserError
from workbench.files import write_yaml
from workbench.records.step_times import STEP_TIMES, write_step_times
from workbench.study import step_times as measuring

COST = {
    "id": "layernorm-takes-longer",
    "variant": NORM,
    "quantity": "step_time_ratio",
    "cell": "cpu",
    "margin": 0.0198,
}


def asked(**changes):
    return prediction(**COST | changes)


def measured(results, *measurements, **changes):
    """A study of which no trial ran, with these step times."""
    folder = results / "parts"
    write_yaml(folder / "study.yaml", manifest(one_at_a_time(), name="parts", **changes))
    for one in measurements:
        write_step_times(folder, one)
    return folder


def result(results, **changes):
    return judged(card(asked(**changes)), results)


@pytest.mark.parametrize(
    ("ratios", "word", "card_word"),
    [
        ((1.06, 1.04, 1.05), Word.HOLDS, CardWord.SUPPORTED),
        ((1.001, 0.999, 1.0), Word.FAILS, CardWord.REFUTED),  # equal within 2 %
        ((0.94, 0.96, 0.95), Word.FAILS, CardWord.REFUTED),
        ((1.10, 0.94, 1.02), Word.OPEN, CardWord.UNDECIDED),
    ],
)
def test_blocks_decide_without_a_trial(tmp_path, ratios, word, card_word):
    measured(tmp_path, step_times(ratios))
    found = result(tmp_path)
    (one,) = found.evidence
    assert (one.word, found.word, one.n, one.reservations) == (word, card_word, 24, ())
    assert one.facts.hardware == ("Testium 9, 2 cores",)
    assert (one.facts.tokens, one.facts.rates) == ((), ())
    assert " s or more, batches of 16 × 128 tokens, 2026-11-27, abc1234; load" in one.facts.details[0]
    assert "load average 0.21 before, other processes on 2 % of the cores" in one.facts.details[0]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"others": 0.3}, "other processes kept 30 % of the cores busy while step times were measured"),
        ({"blocks": 12}, "12 blocks, and at least 20 are needed"),
    ],
)
def test_no_word_rests_on_a_loaded_machine_or_on_few_blocks(tmp_path, changes, wanted):
    measured(tmp_path, step_times(**changes))
    found = result(tmp_path)
    assert (found.evidence[0].word, found.word) == (Word.HOLDS, CardWord.UNDECIDED)
    assert wanted in found.evidence[0].reservations[0]


def test_no_word_rests_on_short_blocks_or_on_another_model_s_steps(tmp_path):
    short = step_times()
    pair = short.pairs[0].model_copy(update={"steps": 2})
    measured(tmp_path, short.model_copy(update={"pairs": [pair]}), training={"tokens": 1, "batch_size": 32})
    text = " ".join(result(tmp_path).evidence[0].reservations)
    assert "a block of step times took 0.41 s" in text
    assert "are of another model or training than the study's now; measure again" in text


def test_a_cell_that_was_not_measured_is_open_and_names_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_card(tmp_path, "cost", asked())
    studies = tmp_path / "ablations" / "claims" / "studies"
    studies.mkdir()
    (studies / "parts.yaml").write_text("question: why?\n")
    for place, extra in ((tmp_path / "none", None), (tmp_path / "other", step_times(device="cuda"))):
        if extra:
            measured(place, extra)
        (row,) = json.loads(workbench(tmp_path, "claims", "cost", "--out", str(place), "--json").stdout)[
            "why"
        ]
        assert row.endswith("decided by 'workbench claims run cost'")
        assert ("were not measured on cpu, fp32, eager" if extra else "parts has not run") in row


def test_a_damaged_file_is_said_with_the_remedy(tmp_path):
    folder = measured(tmp_path, step_times())
    (folder / STEP_TIMES).write_text('{"measurements": [{"device": 3}]}')
    (one,) = result(tmp_path).evidence
    assert one.word is Word.OPEN
    assert "step_times.json: measurements.0.device: should be a valid string, got 3" in one.missing
    assert "delete the file and give 'workbench steptimes' again" in one.missing


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"cell": None}, "cell: step_time_ratio is measured in one of cpu, gpu, gpu-compiled; name it"),
        ({"cell": "tpu"}, "is measured in one of cpu, gpu, gpu-compiled; name it"),
        ({"quantity": "loss"}, "cell: loss is of no cell; remove the key"),
        ({"against": "baseline"}, "against: a step takes turns with the baseline's alone; remove the key"),
    ],
)
def test_what_cannot_be_asked_of_step_times_is_refused(changes, wanted):
    with pytest.raises(UserError) as caught:
        card(asked(**changes))
    assert wanted in str(caught.value)


def test_run_measures_what_is_lacking_and_leaves_what_is_sound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_card(
        tmp_path, "cost", asked(), asked(id="loss", quantity="loss", cell=None, margin=0.01, role="secondary")
    )
    studies = tmp_path / "ablations" / "claims" / "studies"
    studies.mkdir()
    (studies / "parts.yaml").write_text("question: why?\n")
    write_parts(tmp_path / "results" / "published")
    write_step_times(tmp_path / "results" / "published" / "parts", step_times(others=0.5))
    calls = []

    def measure(path, overrides, cell, **options):
        calls.append((path.name, cell.words))
        folder = tmp_path / "results" / "published" / "parts"
        write_step_times(folder, step_times())

    monkeypatch.setattr(measuring, "measure_study", measure)
    text = workbench(tmp_path, "claims", "run", "cost").stdout
    assert calls == [("parts.yaml", "cpu, fp32, eager")]
    assert "supported" in text
    text = workbench(tmp_path, "claims", "run", "cost").stdout
    assert len(calls) == 1
    assert "step times on cpu, fp32, eager are there" in text


def test_tables_say_blocks_hardware_and_cell(tmp_path):
    write_card(tmp_path, "cost", asked())
    measured(tmp_path / "results", step_times())
    text = workbench(tmp_path, "claims", "cost", "--format", "md").stdout
    assert "| 24 blocks |" in text
    assert (
        "ln step time on cpu, fp32, eager, norm=layernorm over the baseline: above +0.0198 ln ratio" in text
    )
    assert "- hardware: Testium 9, 2 cores" in text
    (evidence,) = json.loads(workbench(tmp_path, "claims", "cost", "--json").stdout)["evidence"]
    assert (evidence["cell"], evidence["pairs"]) == ("cpu", 24)


def test_equal_seconds_by_doubtful_step_times_support_no_word(tmp_path):
    for name, others in (("quiet", 0.02), ("busy", 0.5)):
        write_parts(
            tmp_path / name, budget="seconds", step_times=step_times(others=others).model_dump(mode="json")
        )
    quiet, busy = (
        judged(card(prediction(variant=NORM, direction="equal")), tmp_path / name)
        for name in ("quiet", "busy")
    )
    assert (quiet.word, busy.word) == (CardWord.SUPPORTED, CardWord.UNDECIDED)
    (reservation,) = busy.evidence[0].reservations
    assert reservation.startswith("equal seconds: other processes kept 50 % of the cores busy")
