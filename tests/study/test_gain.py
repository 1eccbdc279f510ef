"""``gain`` of a study file: what is refused, which trials it plans, and what it leaves as it was."""

import json

import pytest

from tests import in_process
from tests.driver.test_populations import plan_of
from tests.study import studies
from workbench.errors import UserError
from workbench.records.run import Phase, config_hash
from workbench.study.schema import parse_study

GAIN = {"tokens": [1280, 640, 5120, 10240], "seeds": 3}
ONE_RATE = {"learning_rates": [0.01], "seeds": {"tune": 0, "confirm": 2}}


def parsed(**changes):
    return parse_study({"name": "tiny"} | studies.TINY | changes, source="tiny.yaml", complete=False)


def test_budgets_are_read_in_order_and_seeds_are_no_other_phases():
    study = parsed(gain=GAIN)
    assert study.gain.tokens == [640, 1280, 5120, 10240]
    assert study.gain_seeds == [4001, 4002, 4003]
    assert parsed(gain=GAIN, seeds={"tune": 1, "confirm": [4001, 4003]}).gain_seeds == [4002, 4004, 4005]
    assert parsed(gain=GAIN, seeds={"offset": 10}).gain_seeds[0] == 4011
    assert study.phases == [Phase.TUNE, Phase.CONFIRM, Phase.GAIN]
    assert study.trials_by_budget == [5, 3, 3, 5]  # two rates with one tuning seed at either end


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"gain": {"tokens": [640, 5120]}},
            "gain.tokens: 2 budgets beside training.tokens give no slope.*name 3 or more",
        ),
        ({"gain": {"tokens": [640, 1280, 2560, 5120]}}, "gain.tokens: 2,560 is training.tokens, .*remove it"),
        ({"gain": {"tokens": [5120, 10240, 20480]}}, r"gain.tokens: has no budget below .* \(2,560\)"),
        ({"gain": {"tokens": [640, 1280, 1920]}}, "gain.tokens: has no budget above"),
        ({"gain": {"tokens": [640, 640, 5120]}}, "name each budget once"),
        ({"gain": {"tokens": [640, -5, 5120]}}, "gain.tokens: -5 is no budget of tokens"),
        ({"gain": {"tokens": [128, 1280, 5120]}}, "gain.tokens: 128: training.evaluations: 4 would multiply"),
        ({"gain": GAIN | {"seeds": 1}}, "gain.seeds: .*greater than or equal to 2"),
        ({"gain": GAIN | {"rates": [1]}}, "gain.rates: unknown key"),
        (
            {
                "gain": GAIN,
                "learning_rates": [],
                "tuning": {"space": {"learning_rate": [0.01, 0.02]}},
            },
            "gain: goes by the learning rate alone.*write learning_rates in place of tuning",
        ),
        (
            {"gain": GAIN, "data": {"corpus": {"generated": "recall"}}, "metric": "recall/error"},
            "gain: needs a loss, .*recall/error is none",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(changes, message):
    values = {key: value for key, value in changes.items() if value != []}
    base = {key: value for key, value in studies.TINY.items() if changes.get(key) != []}
    if "tuning" in changes:
        base.pop("grid_growth")
    with pytest.raises(UserError, match=message):
        parse_study({"name": "tiny"} | base | values, source="tiny.yaml", complete=False)


def test_a_study_that_starts_from_a_run_has_no_gain():
    base = {key: value for key, value in studies.TINY.items() if key not in ("size", "baseline", "context")}
    with pytest.raises(UserError, match="gain: a study that starts from a run"):
        parse_study({"name": "t", "start": "x", "gain": GAIN} | base, source="t.yaml", complete=False)


def test_a_search_has_no_gain():
    left_out = ("factors", "margin", "grid_growth", "learning_rates")
    base = {key: value for key, value in studies.TINY.items() if key not in left_out}
    search = {"space": {"norm": ["rmsnorm", "layernorm"], "learning_rate": [0.01, 0.02]}, "trials": 2}
    values = base | {"name": "t", "design": "search", "search": search, "seeds": {"tune": 1}, "gain": GAIN}
    with pytest.raises(UserError, match="gain: a search gives no verdict"):
        parse_study(values, source="t.yaml", complete=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gain")


@pytest.fixture(scope="module")
def plan(folder):
    return plan_of(studies.make_study(folder, gain=GAIN))


def test_the_plan_has_the_baseline_at_each_budget_with_a_schedule_of_its_own(plan):
    assert [rung.name for rung in plan.gain] == [
        "baseline at 768 tokens",  # in whole steps between four evaluations
        "baseline at 1,280 tokens",
        "baseline at 5,120 tokens",
        "baseline at 10,240 tokens",
    ]
    assert [plan.steps_of(rung) for rung in plan.gain] == [12, 20, 80, 160]
    assert plan.trial_counts() == {Phase.TUNE: 4, Phase.CONFIRM: 4, Phase.GAIN: 16}


def test_a_trial_at_a_budget_is_the_baselines_but_for_its_tokens(plan):
    chosen = {rung.name: {"learning_rate": 0.01} for rung in plan.gain}
    trials = plan.measure_gain(chosen)
    assert [(one.seed, one.config["training"]["tokens"]) for one in trials[:4]] == [
        (4001, tokens) for tokens in (10240, 5120, 1280, 640)
    ]
    own = plan.config(plan.baseline)
    assert {**trials[0].config["training"], "tokens": 2560} == own["training"]
    assert all(trials[0].config[key] == own[key] for key in ("model", "data"))
    tuning = plan.tune_gain([{"learning_rate": rate} for rate in (0.01, 0.02)])
    assert {(one.variant, one.seed) for one in tuning} == {
        ("baseline at 768 tokens", 1001),
        ("baseline at 10,240 tokens", 1001),
    }
    assert {one.phase for one in (*trials, *tuning)} == {Phase.GAIN}


def test_the_manifest_names_the_budgets(plan):
    manifest = plan.manifest("")
    rung = manifest.gain.rungs[0]
    assert (rung.name, rung.tokens) == ("baseline at 768 tokens", 768)
    assert rung.config_hash == config_hash(plan.config(plan.gain[0]))
    assert manifest.gain.seeds == [4001, 4002, 4003]
    assert manifest.gain_trials == {768: 5, 1280: 3, 5120: 3, 10240: 5}
    assert rung.config_hash in manifest.planned_hashes


def test_without_the_key_nothing_is_new(plan, tmp_path):
    without = plan_of(studies.make_study(tmp_path))
    written = without.manifest("").to_dict()
    assert "gain" not in written
    assert written["phases"] == ["tune", "confirm"]
    # And with it, the runs of the study are the ones that they were.
    chosen = {name: {"learning_rate": 0.01} for name in plan.names}
    theirs = [one.run_id for one in without.confirm(chosen)]
    assert [one.run_id for one in plan.confirm(chosen)] == theirs


def test_budgets_that_fall_on_the_same_steps_are_refused(tmp_path):
    path = studies.make_study(tmp_path, gain={"tokens": [640, 700, 5120]})
    with pytest.raises(UserError, match=r"gain.tokens: 700 come to 768 .* as 640 does; give"):
        plan_of(path)
    path = studies.make_study(tmp_path, gain={"tokens": [640, 2400, 5120]})
    with pytest.raises(UserError, match=r"2,400 come to 2,560 .* as the study's own budget does"):
        plan_of(path)


def test_variants_that_all_train_on_other_tokens_are_refused(tmp_path):
    variants = [{"name": "wide", "size": {"width": 32}, "budget": "flops"}]
    path = studies.make_study(
        tmp_path, design="explicit", factors={}, variants=variants, match="none", gain=GAIN
    )
    with pytest.raises(UserError, match="gain: no variant trains on the baseline's text and tokens"):
        plan_of(path)


def test_check_says_what_the_other_budgets_cost(folder, plan):
    assert plan.gain
    answer = in_process.workbench(folder, "check", "tiny.yaml", "--workers", "1", "--json")
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert facts["trials"] == {"tune": 4, "confirm": 4, "gain": 16, "total": 24}
    assert [(rung["tokens"], rung["trials"]) for rung in facts["gain"]["rungs"]] == [
        (768, 5),
        (1280, 3),
        (5120, 3),
        (10240, 5),
    ]
    tokens = 5 * 768 + 3 * 1280 + 3 * 5120 + 5 * 10240
    assert facts["gain"]["tokens"] == tokens
    each = facts["seconds_per_trial"]
    own = 8 * sum(each.values()) / 2 + each["baseline"] * tokens / 2560
    assert facts["estimated_seconds"] == pytest.approx(own)
