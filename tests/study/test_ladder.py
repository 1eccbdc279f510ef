"""A ladder: the same variants at several sizes and budgets, planned as one study."""

import pytest

from workbench.data.batches import prepare
from workbench.errors import UserError
from workbench.records.index import load_study
from workbench.records.manifest import Manifest
from workbench.records.run import Phase
from workbench.study.plan import Plan
from workbench.study.schema import parse_study

RUNGS = [
    {"size": {"layers": 1, "width": 16}, "tokens": 1024},
    {"size": {"width": 32}, "tokens": 2048, "batch_size": 4, "learning_rates": [0.002, 0.001]},
]
BASE = {
    "name": "ladder",
    "question": "does it hold?",
    "context": 32,
    "size": {"layers": 2, "heads": 2},
    "factors": {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]},
    "rungs": RUNGS,
    "training": {"batch_size": 2, "evaluations": 2, "evaluation_tokens": 64},
    "learning_rates": [0.004, 0.008],
    "seeds": {"tune": 2, "confirm": 3},
    "margin": {"default": 0.02, "norm": 0.04},
}
OWN = {
    0: {"size": {"layers": 1, "width": 16, "heads": 2}, "training": {"tokens": 1024, "batch_size": 2}},
    1: {"size": {"layers": 2, "width": 32, "heads": 2}, "training": {"tokens": 2048, "batch_size": 4}},
}


def study(**changes):
    values = {key: value for key, value in (BASE | changes).items() if value is not None}
    return parse_study(values, "ladder.yaml")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    for index in range(12):
        (folder / f"{index}.txt").write_text("".join(f"{index} has line {line}\n" for line in range(30)))
    return prepare({"path": str(folder)}, "bytes", folder / "cache")


@pytest.fixture(scope="module")
def plan(corpus):
    return Plan.build(study(), corpus, "cpu")


def alone(number):
    """The study of one rung, written as any other."""
    training = BASE["training"] | OWN[number]["training"]
    rates = RUNGS[number].get("learning_rates", BASE["learning_rates"])
    return study(rungs=None, size=OWN[number]["size"], training=training, learning_rates=rates)


def test_a_rungs_trials_are_those_of_a_study_of_its_size_and_budget(plan, corpus):
    for number in OWN:
        single = Plan.build(alone(number), corpus, "cpu")
        names = plan.compared[number]
        expected = [record.run_id for record in single.tune(single.grids())]
        grids = plan.grids()
        trials = plan.tune({name: grids[name] for name in names})
        assert [record.run_id for record in trials] == expected
        chosen = {name: single.grids()["baseline"][0] for name in names}
        confirmed = [
            record for record in plan.confirm(chosen | others(plan, names)) if record.variant in names
        ]
        own = single.confirm(dict.fromkeys(single.names, single.grids()["baseline"][0]))
        assert [record.run_id for record in confirmed] == [record.run_id for record in own]
        assert [record.progress["steps"] for record in confirmed] == [single.steps] * len(own)


def others(plan, names):
    return {name: {"learning_rate": 0.5} for name in plan.names if name not in names}


def test_the_manifest_has_all_variants_and_gives_each_rung_as_a_study_of_its_own(plan, corpus):
    whole = plan.manifest("workbench run ladder.yaml")
    assert whole.is_ladder
    assert whole.names[:2] == ["rung 1: baseline", "rung 1: norm=layernorm"]
    assert [rung.tokens for rung in whole.rungs] == [1024, 2048]
    assert whole.rungs[1].size == {"layers": 2, "width": 32, "heads": 2, "feedforward_width": 88}
    assert whole.rungs[1].learning_rates == [0.001, 0.002]
    assert whole.rungs[0].learning_rates is None
    for number in OWN:
        single = Plan.build(alone(number), corpus, "cpu").manifest("")
        rung = whole.at_rung(number)
        called = whole.rungs[number].variants
        assert not rung.is_ladder
        assert rung.baseline == f"rung {number + 1}: baseline"
        assert [called[name] for name in rung.names] == single.names
        for ours, theirs in zip(rung.variants, single.variants, strict=True):
            same = ours.model_copy(update={"name": theirs.name})
            assert same.model_dump() == theirs.model_dump()
        assert rung.training == single.training
        assert rung.learning_rates == single.learning_rates
        assert (rung.seeds, rung.margin, rung.metric) == (single.seeds, single.margin, single.metric)


def test_the_manifest_survives_its_file(plan, tmp_path):
    whole = plan.manifest("")
    whole.write(tmp_path)
    kept = load_study(tmp_path).manifest
    assert kept == whole
    assert Manifest.model_validate(whole.to_dict()) == whole


def test_a_ladder_tells_that_rungs_are_compared_by_themselves(plan, tmp_path):
    manifest = plan.manifest("")
    manifest.write(tmp_path)
    records = load_study(tmp_path)
    with pytest.raises(UserError, match="each rung is compared by itself"):
        records.require_comparable()
    assert [one.manifest.baseline for one in records.compared] == ["rung 1: baseline", "rung 2: baseline"]
    wrong = manifest.model_copy(
        update={"rungs": [manifest.rungs[0].model_copy(update={"baseline": "another"})]}
    )
    wrong.write(tmp_path)
    with pytest.raises(UserError, match=r"rungs\.0\.baseline: should be one of its variants, got 'another'"):
        load_study(tmp_path).compared  # noqa: B018


def test_the_counts_are_those_of_all_rungs(plan):
    assert plan.trial_counts() == {Phase.TUNE: 2 * 3 * 2 * 2, Phase.CONFIRM: 2 * 3 * 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rungs": RUNGS[:1]}, "rungs: a ladder has two or more"),
        ({"rungs": [RUNGS[0], RUNGS[0]]}, "rungs.1: has the size and the training of an earlier rung"),
        ({"rungs": [*RUNGS, {"size": {}, "tokens": 0}]}, "rungs.2.tokens: "),
        ({"rungs": [{"size": {}}, RUNGS[1]]}, "rungs.0.tokens: "),
        ({"rungs": [RUNGS[1], RUNGS[0] | {"tokens": "many"}]}, r"^ladder.yaml: rungs\.1\.tokens: [^\n]*$"),
        (
            {"rungs": [RUNGS[0], RUNGS[1] | {"tokens": "2.000"}]},
            r"^ladder.yaml: rungs\.1\.tokens: 2.000 may be 2 or a thousand times as much[^\n]*$",
        ),
        ({"rungs": {"tokens": 5}}, r"^ladder.yaml: rungs: [^\n]*$"),
        (
            {"rungs": [RUNGS[1] | {"learning_rates": [0.1, 0.1]}, RUNGS[0]]},
            r"rungs\.0\.learning_rates: each learning rate once",
        ),
        (
            {
                "training": BASE["training"] | {"evaluations": 10},
                "rungs": [RUNGS[0] | {"tokens": 128}, RUNGS[1]],
            },
            r"rungs\.0: training\.evaluations: 10 would multiply the budget",
        ),
        (
            {
                "design": "leave_one_out",
                "factors": None,
                "reference": {"preset": "gpt2", "size": {"layers": 1}},
            },
            r"reference\.size: a ladder has its sizes under rungs",
        ),
        ({"rungs": [RUNGS[0] | {"learning_rates": [0.1]}, RUNGS[1]]}, "rungs.0.learning_rates: give 2"),
        (
            {
                "training": BASE["training"] | {"gradient_accumulation": 2},
                "rungs": [RUNGS[0] | {"batch_size": 3}, RUNGS[1]],
            },
            r"rungs\.0\.batch_size: 3 windows are no multiple of",
        ),
        ({"training": {"tokens": 5, "batch_size": 2}}, "training.tokens: each rung has tokens of its own"),
        ({"seeds": {"tune": 2, "confirm": "until_decided"}}, "seeds.confirm: .* give a count"),
        ({"factors": {"size": [{"layers": 1}, {"layers": 2}]}}, "factors.size: a ladder has its sizes under"),
        (
            {"design": "explicit", "factors": None, "variants": [{"name": "x", "size": {"layers": 3}}]},
            "variants.0.size: a ladder has its sizes under rungs",
        ),
        (
            {"design": "explicit", "factors": None, "variants": [{"name": "x", "budget": "flops"}]},
            "variants.0.budget: a ladder has its budgets under rungs",
        ),
        (
            {"design": "dismantle", "factors": None, "from": "llama", "to": "gpt2"},
            "rungs: the design dismantle has one size and one budget",
        ),
        (
            {"start": "imported/gpt2", "size": None, "context": None},
            "rungs: a study that starts from a run has that run's size",
        ),
        (
            {"learning_rates": None, "tuning": {"space": {"learning_rate": [0.1, 0.2]}}},
            "rungs.1.learning_rates: has no use beside tuning",
        ),
    ],
)
def test_what_no_ladder_can_be_is_refused_with_the_remedy(changes, message):
    with pytest.raises(UserError, match=message):
        study(**changes)


def test_rungs_go_from_the_least_compute_to_the_most(corpus):
    with pytest.raises(UserError, match=r"rungs\.1: takes no more compute than the rung before it"):
        Plan.build(study(rungs=RUNGS[::-1]), corpus, "cpu")
