"""Trials on several devices in a study: what may be asked for, what it changes, and what a check says."""

import json
from dataclasses import replace

import pytest

from tests.analysis.synthetic_studies import Study, manifest, one_at_a_time
from workbench.analysis.effects import study_report
from workbench.analysis.report_footer import footer_lines
from workbench.data.batches import prepare
from workbench.driver.populations import chosen_size
from workbench.errors import UserError
from workbench.records.execution import USUAL, Execution
from workbench.study.check import check_study, render_check
from workbench.study.devices import execution_lines
from workbench.study.memory import require_room
from workbench.study.plan import Plan
from workbench.study.schema import parse_study

STUDY = {
    "name": "tiny",
    "question": "does it?",
    "context": 16,
    "size": {"layers": 1, "width": 16, "heads": 2},
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "learning_rates": [0.01],
    "seeds": {"confirm": 1},
    "margin": 0.01,
}
TRAINING = {"tokens": 2560, "batch_size": 8, "evaluations": 2, "evaluation_tokens": 64}


def parsed(training, **changes):
    return parse_study(STUDY | {"training": TRAINING | training} | changes, "study.yaml")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    for index in range(10):
        (folder / f"{index}.txt").write_text("".join(f"{index} has line {line}\n" for line in range(60)))
    return prepare({"path": str(folder)}, "bytes", folder / "cache")


@pytest.fixture
def plan(corpus, monkeypatch):
    monkeypatch.setattr("workbench.study.memory.total_memory", lambda device: 2**34)

    def build(training, device="cpu", **changes):
        return Plan.build(parsed(training, **changes), corpus, device)

    return build


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            {"devices": 3},
            "batch_size: 8 windows are no multiple of devices × gradient_accumulation = 3 × 1, and each "
            "piece of a batch has as many; give a batch_size of 9, or fewer pieces",
        ),
        ({"devices": 2, "gradient_accumulation": 8}, "give a batch_size of 16, or fewer pieces"),
        ({"strategy": "ddp"}, "strategy: ddp is how several devices share a trial; give devices"),
        ({"devices": 2, "strategy": "deepspeed"}, "strategy"),
        ({"devices": 0}, "devices"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_key_and_remedy(training, said):
    with pytest.raises(UserError) as raised:
        parsed(training)
    assert said in str(raised.value)
    assert "training" in str(raised.value)


def test_a_level_of_the_batch_must_have_its_pieces_too(plan):
    with pytest.raises(UserError, match=r"batch_size: 6 windows are no multiple .* = 2 × 2"):
        plan({"devices": 2, "gradient_accumulation": 2}, factors={"batch_size": [8, 6]})


def test_candidates_that_train_in_one_program_cannot_be_shared():
    with pytest.raises(UserError, match=r"halving: .* computed on 2 devices \(ddp\); remove halving, or"):
        parsed({"devices": 2}, halving=True, learning_rates=[0.01, 0.02], seeds={"tune": 1, "confirm": 1})


def test_one_device_may_be_asked_for_where_a_study_names_a_strategy():
    """So that runs of several devices go on on one: ``--set training.devices=1``."""
    assert parsed({"devices": 1, "strategy": "fsdp"}).training.execution == USUAL


def test_fsdp_needs_gpus_and_an_optimizer_that_takes_parts(plan):
    parts = {"devices": 2, "strategy": "fsdp"}
    with pytest.raises(UserError, match=r"training\.strategy: fsdp needs GPUs.*write 'strategy: ddp'"):
        plan(parts)
    with pytest.raises(UserError, match=r"optimizer: muon is not for parts of matrices.*adamw"):
        plan(parts | {"optimizer": "muon"}, device="cuda")
    assert plan(parts, device="cuda").study.training.execution.strategy == "fsdp"
    assert plan({"devices": 2, "optimizer": "muon"}, device="cuda").names


def test_how_a_trial_is_computed_is_no_part_of_what_it_is(plan):
    ways = {"devices": 2, "gradient_accumulation": 2, "activation_checkpointing": True}
    usual, other = plan({}), plan(ways)
    assert [run.run_id for run in usual.confirm(chosen(usual))] == [
        run.run_id for run in other.confirm(chosen(other))
    ]
    assert usual.manifest("").hash == other.manifest("").hash
    assert not set(ways) & set(other.config(other.baseline)["training"])
    assert other.study.training.execution == Execution(strategy="ddp", **ways)


def chosen(plan):
    return {name: {"learning_rate": 0.01} for name in plan.names}


def test_populations_leave_such_trials_alone(plan):
    notes = []
    size = chosen_size("16", plan({"devices": 2}), notes.append)
    assert size(None) == 1
    assert notes == ["--population: trials on 2 devices (ddp) are trained one by one"]
    with pytest.raises(UserError, match="neither auto nor a number"):
        chosen_size("many", plan({"devices": 2}))


def test_a_check_says_devices_and_slots(tmp_path, monkeypatch, corpus):
    monkeypatch.setattr("workbench.study.check.make_plan", lambda *_: Plan.build(parsed(ways), corpus, "cpu"))
    monkeypatch.setattr("workbench.training.hardware.os.sched_getaffinity", lambda _: range(8))
    ways = {"devices": 2, "gradient_accumulation": 4, "activation_checkpointing": True}
    facts = check_study(tmp_path, overrides=[], workers=None, out=tmp_path)
    assert facts["workers"] == 4
    assert facts["execution"] == ways | {"strategy": "ddp"}
    assert facts["computed"] == execution_lines(Execution(strategy="ddp", **ways))
    (line,) = facts["computed"]
    assert line.startswith(
        "each trial on 2 devices (ddp), gradients of 4 pieces accumulated, activations checkpointed"
    )
    assert f"computed: {line}" in render_check(facts).renderables
    ways = {}
    facts = check_study(tmp_path, overrides=[], workers=None, out=tmp_path)
    assert (facts["workers"], facts["computed"]) == (8, [])


def test_memory_is_reckoned_for_each_device(plan, monkeypatch):
    recipe = plan({}).baseline.recipe

    def fits(room, **training):
        monkeypatch.setattr("workbench.study.memory.total_memory", lambda device: room)
        try:
            require_room("baseline", replace(recipe, training=parsed(training).training), "cuda")
        except UserError:
            return False
        return True

    least = next(room for room in range(0, 2**21, 2**12) if fits(room))
    fits(0)
    with pytest.raises(UserError, match="need about"):
        require_room("baseline", recipe, "cuda")
    assert not fits(int(0.7 * least))
    assert fits(int(0.7 * least), gradient_accumulation=4)
    assert fits(int(0.7 * least), activation_checkpointing=True)
    assert fits(int(0.7 * least), devices=4)
    assert not fits(int(0.1 * least), devices=4)
    assert fits(int(0.3 * least), devices=8, strategy="fsdp")


def test_a_report_says_that_runs_were_computed_in_several_ways_and_counts_all_devices(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2]))
    study.confirm("baseline", [3.0, 3.1, 3.2]).confirm("positions=learned", [3.2, 3.3, 3.4])
    assert not said(study)
    assert study_report(study.load()).footer["computed"] == []
    before = study_report(study.load()).footer["core_hours"]
    path = next((tmp_path / "runs").glob("*/run.json"))
    record = json.loads(path.read_text())
    record["provenance"]["execution"] = [{}, {"devices": 2, "strategy": "ddp"}]
    path.write_text(json.dumps(record))
    assert said(study) == [
        "runs come from 2 ways of computing, which differ by rounding: 1 device, 2 devices (ddp)"
    ]
    footer = study_report(study.load()).footer
    assert footer["computed"] == ["1 device", "2 devices (ddp)"]
    assert ("computed", "1 device; 2 devices (ddp)") in footer_lines(footer)
    assert footer["core_hours"] == pytest.approx(before * 7 / 6)


def said(study):
    return [note for note in study_report(study.load()).notes if "ways of computing" in note]
