"""Sentences that say what the table says, and no more."""

import re

import pytest

from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    Study,
    full_study,
    manifest,
    one_at_a_time,
    shifted,
    variant,
)
from workbench.analysis.answer_sentences import answers, describe_change, headline, level_name, sentence
from workbench.analysis.effects import study_report


def test_answers_of_a_finished_study(tmp_path):
    report = study_report(full_study(tmp_path).load())
    worse, equivalent, inconclusive = answers(report)
    assert worse == (
        "Learned positions instead of RoPE: worse by 0.200 nats/token "
        "(98.3 % CI 0.196 to 0.205, 5 paired seeds)."
    )
    assert equivalent.startswith("LayerNorm instead of RMSNorm: equivalent within ±0.02 nats/token;")
    assert "98.3 % CI -0.003 to +0.006" in equivalent
    assert inconclusive.startswith("ReLU instead of SwiGLU: inconclusive; difference +0.032 nats/token")
    assert re.search(
        r"; about \d+ paired seeds \(\d+ to >?\d+\) would be needed to decide; with", inconclusive
    )


def test_endless_seeds_are_more_than_a_thousand(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm("positions=learned", shifted(0.0, spread=300))
    (answer,) = answers(study_report(study.load()))
    assert "to >1000) would be needed to decide; with" in answer


def test_the_headline_names_the_budget(tmp_path):
    text = headline(study_report(full_study(tmp_path).load()))
    assert text == (
        "At this budget (123,456 parameters, 500,000 training tokens per run): "
        "of 3 changes to the baseline, 1 worse, 1 equivalent, 1 inconclusive."
    )


def test_better_reads_as_a_gain(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune().confirm("baseline", BASELINE_LOSSES)
    report = study_report(study.confirm("positions=learned", shifted(-0.1)).load())
    assert "better by 0.100 nats/token (95 % CI 0.097 to 0.103, 5 paired seeds)" in answers(report)[0]


def test_divergence_is_part_of_the_sentence(tmp_path):
    study = Study(tmp_path, manifest()).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm("positions=learned", [2.5, None, None, None, 2.5])
    study.confirm("norm=layernorm", [*shifted(-0.1)[:4], None])
    study.confirm("feedforward=relu", [None] * 5)
    mostly, once, always = answers(study_report(study.load()))
    assert mostly == (
        "Learned positions instead of RoPE: did not train in 3 of 5 seeds (3 diverged); where it trained, "
        "validation/loss 2.500 ± 0.000 nats/token (2 seeds)."
    )
    assert "inconclusive" in once
    assert "1 of 5 seeds did not train (1 diverged)" in once
    assert "more of its seeds did not train than of the baseline's" in once
    assert always == "ReLU instead of SwiGLU: did not train in 5 of 5 seeds (5 diverged)."


def test_unfinished_studies_claim_nothing(tmp_path):
    study = Study(tmp_path, manifest()).tune().confirm("baseline", BASELINE_LOSSES)
    report = study_report(study.load())
    assert answers(report)[0] == "Learned positions instead of RoPE: not started."
    assert "no verdict yet; 5 of 20 confirm runs complete" in headline(report)
    assert sentence(report.baseline).startswith(
        "Baseline: validation/loss 3.002 ± 0.019 nats/token (5 seeds)"
    )
    report = study_report(study.confirm("positions=learned", shifted(0.2)[:3]).load())
    assert "worse by 0.201 nats/token so far" in answers(report)[0]
    assert "2 without a verdict yet" in headline(report)


def test_variants_with_several_changes_are_named(tmp_path):
    variants = [variant("baseline"), variant("gpt2", positions="learned", norm="layernorm")]
    report = study_report(Study(tmp_path, manifest(variants)).load())
    expected = "GPT-2 (learned positions instead of RoPE, LayerNorm instead of RMSNorm): not started."
    assert answers(report) == [expected]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bias": ["false", "true"]}, "With bias instead of without"),
        ({"tied_embeddings": ["true", "false"]}, "Without tied embeddings instead of with"),
        ({"initialization": ["llama", "gpt2"]}, "Initialization GPT-2 instead of LLaMA"),
    ],
)
def test_a_switch_and_an_initialization_are_named(tmp_path, change, words):
    other = variant("other") | {"change": change}
    study = (
        Study(tmp_path, manifest([variant("baseline"), other])).tune().confirm("baseline", BASELINE_LOSSES)
    )
    row = study_report(study.confirm("other", shifted(-0.1)).load()).comparisons[0]
    assert describe_change(row) == words


@pytest.mark.parametrize("name", ["e & f_{g} %", "a [red]b[/red]", "q/r", "none", "rope(2)", "échec"])
def test_a_name_that_the_user_gave_stays_as_it_was_given(tmp_path, name):
    variants = [variant("baseline"), variant(name, positions="learned", norm="layernorm")]
    (answer,) = answers(study_report(Study(tmp_path, manifest(variants)).load()))
    assert answer == f"{name} (learned positions instead of RoPE, LayerNorm instead of RMSNorm): not started."


@pytest.mark.parametrize(
    ("factor", "label", "name"),
    [
        ("positions", "rope(base=500000)", "RoPE (base=500000)"),
        ("norm", "none", "no norm"),
        ("norm", "my_parts:ScaledNorm", "my_parts:ScaledNorm"),
    ],
)
def test_level_names(factor, label, name):
    assert level_name(factor, label) == name
