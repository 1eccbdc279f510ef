"""The plan: which trials, in which order, and what a manifest promises."""

import pytest

from workbench.analysis.pilot import pilot_summary
from workbench.data.batches import prepare
from workbench.errors import UserError
from workbench.files import read_yaml
from workbench.records.index import load_study
from workbench.records.manifest import read_manifest
from workbench.records.run import Phase, State, write_record
from workbench.study import memory
from workbench.study.candidates import candidates
from workbench.study.plan import Plan, freeze, manifest_hash, signed
from workbench.study.schema import parse_study

STUDY = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "factors": {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]},
    "training": {"tokens": 1000, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64},
    "learning_rates": [0.04, 0.01, 0.02],
    "seeds": {"tune": [7, 5], "confirm": [31, 30]},
    "margin": 0.01,
}
NAMES = ["baseline", "norm=layernorm", "feedforward=relu"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    for index in range(12):
        (folder / f"{index}.txt").write_text("".join(f"{index} has line {line}\n" for line in range(30)))
    return prepare({"path": str(folder)}, "bytes", folder / "cache")


def test_a_plan_for_gpus_of_other_machines_asks_nothing_of_this_one(corpus, monkeypatch):
    monkeypatch.setattr(memory, "total_memory", lambda device: pytest.fail("asked this machine"))
    study = parse_study(STUDY, "study.yaml")
    elsewhere = Plan.build(study, corpus, "cuda", elsewhere=True)
    training = elsewhere.config(elsewhere.baseline)["training"]
    assert (training["device"], training["precision"]) == ("cuda", "bf16")


@pytest.fixture
def plan(corpus):
    def build(device="cpu", **changes):
        return Plan.build(parse_study(STUDY | changes, "study.yaml"), corpus, device)

    return build


def cells(records):
    return [(record.seed, record.hyperparameters["learning_rate"], record.variant) for record in records]


def test_tuning_gives_every_variant_the_same_rates_and_seeds(plan):
    records = plan().tune(dict.fromkeys(NAMES, candidates([0.01, 0.02])))
    assert cells(records) == [
        (seed, rate, name) for seed in (7, 5) for rate in (0.01, 0.02) for name in NAMES
    ]
    assert {record.phase for record in records} == {"tune"}


def test_confirming_goes_by_seed_so_that_a_stop_leaves_whole_pairs(plan):
    chosen = {"baseline": 0.01, "norm=layernorm": 0.02, "feedforward=relu": 0.04}
    records = plan().confirm({name: {"learning_rate": rate} for name, rate in chosen.items()})
    assert cells(records) == [(seed, chosen[name], name) for seed in (31, 30) for name in NAMES]
    assert {record.phase for record in records} == {"confirm"}


def test_the_counts_are_those_of_the_trials(plan):
    whole = plan()
    phases = {
        "tune": whole.tune(whole.grids()),
        "confirm": whole.confirm({name: {"learning_rate": 0.01} for name in NAMES}),
    }
    assert whole.trial_counts() == {phase: len(records) for phase, records in phases.items()}
    assert plan(learning_rates=[0.01]).trial_counts() == {"confirm": 6}
    assert len({record.run_id for records in phases.values() for record in records}) == 18 + 6


def test_a_trial_is_known_by_its_model_data_training_and_device(plan, corpus, monkeypatch):
    baseline, layernorm, _ = (plan().config(variant) for variant in plan().variants)
    assert baseline["model"] == plan().baseline.model.to_dict() != layernorm["model"]
    assert baseline["data"]["fingerprint"] == corpus.fingerprint
    assert (baseline["data"]["tokenizer"], baseline["training"]["device"]) == ("bytes", "cpu")
    monkeypatch.setattr("workbench.study.memory.total_memory", lambda device: 2**34)
    on_gpu = plan(device="cuda")
    assert on_gpu.config(on_gpu.baseline)["training"]["device"] == "cuda"
    assert on_gpu.config(on_gpu.baseline)["training"]["precision"] == "bf16"
    assert on_gpu.tune(on_gpu.grids())[0].run_id != plan().tune(plan().grids())[0].run_id


def test_tokens_are_those_that_are_trained_on(plan):
    """The budget rounded up to whole steps, and to as many in each part between two evaluations."""
    assert (plan().steps, plan().tokens) == (8, 8 * 4 * 32)
    assert plan().manifest("").training["tokens"] == plan().tokens


def test_a_manifest_names_each_factors_levels_with_the_baselines_first(plan):
    manifest = plan().manifest("workbench run tiny.yaml")
    assert manifest.factors == {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]}
    assert manifest.names == NAMES
    relu = manifest.variants[2]
    assert relu.change == {"feedforward": ["swiglu", "relu"]}
    assert relu.levels == {"norm": "rmsnorm", "feedforward": "relu"}
    assert relu.parameters == plan().variants[2].model.num_parameters()


def test_the_hash_is_of_what_is_promised(plan):
    first = plan().manifest("workbench run tiny.yaml")
    beside = {"command": "by hand", "versions": {}, "git_commit": "abc", "git_dirty": True}
    other = first.model_copy(update=beside)
    assert manifest_hash(other) == first.hash == plan().manifest("by hand").hash
    assert plan(margin=0.02).manifest("").hash != first.hash


def test_a_changed_study_is_amended_and_every_change_is_kept(plan, tmp_path):
    hashes = [manifest.hash for manifest in map(plan_manifest(plan), (0.01, 0.02, 0.03))]
    for margin in (0.01, 0.02, 0.02, 0.03):
        notes = freeze(plan_manifest(plan)(margin), tmp_path)
    assert notes == ["margin: ±0.03 in place of ±0.02; no run was complete yet"]
    amendments = read_yaml(tmp_path / "study.yaml")["amendments"]
    assert [(one["margin"], one["complete"]) for one in amendments] == [([0.01, 0.02], 0), ([0.02, 0.03], 0)]
    assert [(one["from"], one["to"], one["keys"]) for one in amendments] == [
        (hashes[0], hashes[1], ["margin"]),
        (hashes[1], hashes[2], ["margin"]),
    ]


def test_a_margin_that_is_changed_after_a_result_is_named_with_the_earlier_one(plan, tmp_path):
    freeze(plan(margin=0.01).manifest(""), tmp_path)
    record = plan().tune(plan().grids())[0].model_copy(update={"state": State.COMPLETE})
    write_record(tmp_path, record)
    (note,) = freeze(plan(margin={"default": 0.01, "norm": 0.03}).manifest(""), tmp_path)
    assert note == (
        "margin: ±0.01 (norm ±0.03) in place of ±0.01, changed when 1 run had a result; the report gives the "
        "verdict of every row by both"
    )
    (amendment,) = read_manifest(tmp_path).amendments
    assert (amendment.margin, amendment.complete) == ([0.01, {"default": 0.01, "norm": 0.03}], 1)


def test_margins_by_factor_are_in_the_manifest_as_they_were_given(plan):
    margins = {"default": 0.02, "norm": 0.04}
    manifest = plan(margin=margins).manifest("")
    assert manifest.to_dict()["margin"] == margins
    assert [manifest.margin_of(name) for name in NAMES] == [0.02, 0.04, 0.02]


@pytest.mark.parametrize("factor", ["norms", "positions"])
def test_a_margin_of_what_no_variant_changes_is_refused(plan, factor):
    with pytest.raises(UserError, match=rf"margin\.{factor}: no variant .*Known: norm, feedforward"):
        plan(margin={"default": 0.02, factor: 0.04})


def test_a_damaged_manifest_is_set_aside_and_made_anew(plan, tmp_path):
    """As a power loss may leave it: there, and empty."""
    whole = plan_manifest(plan)(0.01)
    freeze(whole, tmp_path)
    (tmp_path / "study.yaml").write_bytes(b"")
    (note,) = freeze(whole, tmp_path)
    assert "holds no mapping" in note
    assert "study.yaml.damaged" in note
    assert read_yaml(tmp_path / "study.yaml")["hash"] == whole.hash
    assert (tmp_path / "study.yaml.damaged").read_bytes() == b""


@pytest.mark.parametrize(
    ("states", "kept", "dropped"),
    [
        ([State.COMPLETE, State.DIVERGED, State.COMPLETE], [1, 2, 3], 0),
        ([State.COMPLETE, State.COMPLETE, State.RUNNING], [1, 2], 1),
        ([], [], 0),
    ],
)
def test_a_pilot_of_an_earlier_version_stays_as_far_as_it_ended_and_is_no_amendment(
    plan, tmp_path, states, kept, dropped
):
    old = with_pilot(plan().manifest(""), [1, 2, 3])
    old.write(tmp_path)
    for seed, state in enumerate(states, 1):
        record = plan().record(plan().baseline, Phase.PILOT, {"learning_rate": 0.02}, seed)
        write_record(tmp_path, record.model_copy(update={"state": state}))
    assert freeze(plan().manifest(""), tmp_path) == []
    found = load_study(tmp_path)
    assert (found.manifest.seeds.pilot, found.manifest.amendments) == (kept, [])
    assert found.manifest.hash == with_pilot(old, kept).hash
    assert (Phase.PILOT in found.manifest.phases, found.superseded) == (bool(kept), dropped)
    summary = pilot_summary(found)
    assert (summary and summary.seeds_planned) == (len(kept) or None)
    assert freeze(plan(seeds={"tune": [7, 5], "confirm": 3}).manifest(""), tmp_path) == [
        "seeds differs from this study's earlier manifest; the report says so"
    ]
    assert read_manifest(tmp_path).seeds.pilot == kept


def test_a_pilot_of_another_model_is_none_of_this_study(plan, tmp_path):
    with_pilot(plan().manifest(""), [1]).write(tmp_path)
    record = plan().record(plan().baseline, Phase.PILOT, {"learning_rate": 0.02}, 1)
    write_record(tmp_path, record.model_copy(update={"state": State.COMPLETE}))
    freeze(plan(size={"layers": 2, "width": 32, "heads": 2}).manifest(""), tmp_path)
    assert read_manifest(tmp_path).seeds.pilot == []


def with_pilot(manifest, seeds):
    """The manifest that an earlier version would have written of a study with a pilot."""
    others = [phase for phase in manifest.phases if phase is not Phase.PILOT]
    phases = [Phase.PILOT, *others] if seeds else others
    planned = manifest.seeds.model_copy(update={"pilot": seeds})
    return signed(manifest.model_copy(update={"seeds": planned, "phases": phases}))


def plan_manifest(plan):
    return lambda margin: plan(margin=margin).manifest("")
