"""Each section on models of a few thousand parameters: what it measures, and what it says of it."""

import time
from dataclasses import replace

import pytest

from workbench.bench import studies
from workbench.bench.outcome import Outcome
from workbench.bench.rivals.contest import Contest, Sweep
from workbench.bench.rivals.training_case import BARE, PLAIN, Case, Measured
from workbench.bench.section import Effort
from workbench.bench.sections import (
    decoding,
    driver,
    levels,
    reading,
    scaling,
    scheduling,
    training,
    trials,
    workers,
)
from workbench.bench.sections.overhead import LITTLE, overhead_findings
from workbench.bench.sections.workers import Trials
from workbench.bench.sizes import SIZES, TINY
from workbench.bench.timing.modes import Mode
from workbench.bench.timing.seconds import Rounds
from workbench.bench.timing.spread import Spread
from workbench.bench.timing.turns import REAL
from workbench.bench.worker_pools import pool, train_all
from workbench.errors import UserError
from workbench.model.parts.component import FACTORS
from workbench.records.index import load_study
from workbench.records.run import State

FP32, BF16 = Mode("fp32", False), Mode("bf16", False)


def rounds_of(**values):
    rounds = Rounds()
    for case, numbers in values.items():
        for number in numbers:
            rounds.add(case.replace("_", "-"), number)
    return rounds


def sized(name):
    return next(size for size in SIZES if size.name == name)


def measured(name, real, plain, bare=None, mode=FP32):
    size = TINY if name == "tiny" else sized(name)
    contenders = {REAL: real, PLAIN: plain} | ({BARE: bare} if bare else {})
    rounds = Rounds()
    for contender, seconds in contenders.items():
        for second in seconds:
            rounds.add(contender, second)
    return Measured(Case(size, mode, with_bare=bare is not None), rounds)


def test_training_measures_every_case_that_fits(tiny_sizes, least_rounds, setting):
    outcome = training.measure(replace(setting, seconds=60.0))
    speeds, overhead = outcome.tables
    assert [(row["size"], row["mode"]) for row in speeds.rows] == [
        ("nano", "fp32"),
        ("1M", "fp32"),
        ("nano", "bf16"),
        ("1M", "bf16"),
    ]
    assert all(row["ratio"].count >= 3 for row in speeds.rows)
    assert all(row["utilisation"] is None for row in speeds.rows)  # a CPU has no peak that we know
    assert [row["case"] for row in overhead.rows] == ["tiny, fp32", "nano, fp32", "1M, fp32"]
    assert outcome.findings[0].goal is training.AS_FAST
    assert outcome.notes == []


def test_training_names_what_does_not_fit(tiny_sizes, least_rounds, setting):
    outcome = training.measure(replace(setting, seconds=1e-9))
    assert any("not measured, it would take about" in note for note in outcome.notes)


def test_speeds_are_ratios_of_rates():
    one = measured("nano", real=[2.0, 4.0], plain=[1.0, 2.0])
    assert one.speed == Spread(0.5, 0.5, 0.5, 2)
    assert one.rate(REAL).median == pytest.approx(1024 * 0.375)
    assert one.utilisation("cpu") is None


def test_the_goal_of_speed_is_missed_if_one_case_misses_it():
    good = measured("nano", real=[1.0] * 5, plain=[1.1] * 5)
    bad = measured("1M", real=[1.0] * 5, plain=[0.9] * 5)
    [finding] = training._speed_findings([good, bad])
    assert str(finding.verdict) == "missed"
    assert "met in 1" in finding.text
    assert "1M, fp32 at 0.90×" in finding.text
    [finding] = training._speed_findings([good])
    assert str(finding.verdict) == "met"


def test_utilisation_is_judged_at_124m(monkeypatch):
    monkeypatch.setattr("workbench.bench.rivals.training_case.peak_flops", lambda device, precision: 1e12)
    size = sized("124M")
    flops = size.model.flops_per_token() * size.tokens_per_step
    one = measured("124M", real=[flops / 0.6e12] * 3, plain=[1.0] * 3, mode=BF16)
    [finding] = training._peak_findings([one, measured("nano", real=[1.0], plain=[1.0])], "cuda")
    assert "60.0 %" in finding.text
    assert str(finding.verdict) == "met"


def test_overhead_is_the_tiny_models_as_a_share_of_a_step_at_10m():
    tiny = measured("tiny", real=[0.003] * 3, plain=[0.002] * 3, bare=[0.002] * 3)
    large = measured("10M", real=[0.1] * 3, plain=[0.1] * 3, bare=[0.0999] * 3)
    absolute, share = overhead_findings([tiny, large])
    assert "1.00 ms" in absolute.text
    assert "1.0 %" in share.text
    assert share.goal is LITTLE
    assert str(share.verdict) == "met"
    slow = measured("tiny", real=[0.012] * 3, plain=[0.002] * 3, bare=[0.002] * 3)
    assert str(list(overhead_findings([slow, large]))[1].verdict) == "missed"


def test_a_smaller_model_can_only_show_that_overhead_is_small():
    small = measured("1M", real=[0.1] * 3, plain=[0.1] * 3, bare=[0.0999] * 3)
    tiny = measured("tiny", real=[0.003] * 3, plain=[0.002] * 3, bare=[0.002] * 3)
    share = list(overhead_findings([tiny, small]))[1]
    assert str(share.verdict) == "met"
    assert "at 10M it is less" in share.text
    slow = measured("tiny", real=[0.012] * 3, plain=[0.002] * 3, bare=[0.002] * 3)
    assert list(overhead_findings([slow, small]))[1].verdict is None


def test_levels_measures_each_against_the_baseline(tiny_sizes, least_rounds, no_compiler, setting):
    outcome = levels.measure(replace(setting, seconds=60.0))
    steps, alone = outcome.tables
    known = {(factor, name) for factor in levels.SWAPPED for name in FACTORS[factor].names()}
    baseline = {("norm", "rmsnorm"), ("feedforward", "swiglu"), ("positions", "rope")}
    assert {(row["factor"], row["level"]) for row in steps.rows} == known - baseline
    assert all(row["ratio"].count >= 3 for row in steps.rows)
    assert {(row["mode"], row["norm"]) for row in alone.rows} >= {
        ("eager", "rmsnorm"),
        ("compiled", "layernorm"),
    }
    claim = outcome.findings[-1]
    assert claim.goal is levels.CHEAPER
    assert "alone, eager" in claim.text
    assert "a whole step, fp32" in claim.text


def test_levels_are_matched_in_parameters():
    baseline = sized("1M").model
    found, refused = levels.levels_of(baseline)
    assert not refused
    for level in found:
        mismatch = level.model.nonembedding_parameters() / baseline.nonembedding_parameters() - 1
        assert abs(mismatch) < 0.01, level.name


def test_the_claim_is_rmsnorm_over_layernorm():
    layernorm = levels.Level("norm", "layernorm", sized("1M").model)
    rounds = rounds_of(baseline=[0.9] * 3, level=[1.0] * 3)
    alone = {"eager": rounds_of(rmsnorm=[2.0] * 3, layernorm=[1.0] * 3)}
    finding = levels._claim([levels.Cost(layernorm, FP32, rounds)], alone)
    assert "2.00× (2.00–2.00) alone, eager (missed)" in finding.text
    assert "0.90× (0.90–0.90) a whole step, fp32 (met)" in finding.text
    assert str(finding.verdict) == "missed"


def test_decoding_compares_with_and_without_the_cache(tiny_sizes, setting, monkeypatch):
    short = {device: dict.fromkeys(Effort, 6) for device in ("cpu", "cuda")}
    monkeypatch.setattr(decoding, "_NEW_TOKENS", short)
    monkeypatch.setattr(decoding, "_PROMPT", 4)
    outcome = decoding.measure(setting)
    rows = outcome.tables[0].rows
    assert {row["model"] for row in rows} == {"llama, 2 key heads", "llama, 1 key head", "gpt2"}
    assert {row["batch"] for row in rows} == {1, 8}
    sizes = {row["model"]: row["bytes"] for row in rows}
    assert sizes["llama, 2 key heads"] == 2 * 16 * 4  # a key and a value of 16 numbers in the one layer
    assert sizes["llama, 1 key head"] == 2 * 8 * 4
    assert not outcome.notes


def test_without_the_cache_the_text_is_the_same(tiny_sizes, setting):
    import torch

    from workbench.model.decoder import Decoder
    from workbench.model.generation import generate

    for kind in decoding.kinds(setting):
        decoder = Decoder(kind.model)
        decoder.initialize(1)
        prompt = torch.tensor([[1, 2, 3]])
        expected = generate(decoder.eval(), prompt, new_tokens=8, temperature=0)
        assert torch.equal(decoding.recompute(decoder, prompt, 8), expected)


def test_a_made_up_study_has_500_finished_runs(tmp_path, monkeypatch):
    plan = studies.tiny_plan(tmp_path, "cpu", **studies.FIVE_HUNDRED)
    assert sum(plan.trial_counts().values()) == 500
    small = studies.FIVE_HUNDRED | {"seeds": {"tune": 1, "confirm": 2}}
    plan = studies.tiny_plan(tmp_path, "cpu", **small)
    path = tmp_path / "study"
    from workbench.study.plan import freeze

    freeze(plan.manifest("test"), path)
    assert studies.write_finished(plan, path, points=50) == 16 + 8
    records = load_study(path)
    assert set(records.runs["state"]) == {"complete"}
    assert records.superseded == 0
    from workbench.records.run import RunDirectory

    assert len(RunDirectory(records.runs["path"].iloc[0]).metrics()) == 50


def test_driver_times_trials_and_openings(tiny_sizes, setting, no_processes, monkeypatch):
    few = studies.FIVE_HUNDRED | {"seeds": {"tune": 1, "confirm": 2}}
    monkeypatch.setattr(driver, "FIVE_HUNDRED", few)
    monkeypatch.setattr(driver, "_SEEDS", dict.fromkeys(Effort, 3))
    outcome = driver.measure(setting)
    rows = {row["what"]: row["seconds"] for row in outcome.tables[0].rows}
    assert rows["a trivial trial, beside its training"].count == 4  # of six, without the first and the last
    assert rows["opening 24 finished trials"].median > 0
    assert {finding.goal for finding in outcome.findings} == {driver.SMALL_OVERHEAD, driver.QUICK_OPENING}


def test_scheduling_is_timed_on_workers_and_alone(tiny_sizes, setting, no_processes, monkeypatch):
    monkeypatch.setattr(scheduling, "_SEEDS", dict.fromkeys(Effort, 2))
    monkeypatch.setattr(scheduling, "_TRIALS", dict.fromkeys(Effort, 40))
    assert scheduling.measure(setting).notes == [
        "left out: ray (starting it takes longer than the time that is left)"
    ]
    monkeypatch.setitem(scheduling.EXECUTORS, "ray", unavailable)
    outcome = scheduling.measure(replace(setting, seconds=60.0, folder=setting.folder / "again"))
    workers, alone = outcome.tables
    assert [(row["executor"], row["beside"].count) for row in workers.rows] == [("local", 2)]
    assert outcome.notes == ["left out: ray (Ray is not installed here)"]
    assert [(row["which"], row["seconds"].count) for row in alone.rows] == [
        ("the first 3", 3),
        ("the last 3", 3),
    ]
    assert [finding.goal for finding in outcome.findings] == [scheduling.SCALES]


def unavailable(folder, device):
    raise UserError("Ray is not installed here")


def test_what_is_beside_training_is_split():
    times = driver.Times(cycles=[1.0, 2.0], training=[0.4, 0.5], between=[0.1, 0.2])
    assert times.beside == pytest.approx([0.6, 1.5])
    assert times.own == pytest.approx([0.5, 1.3])


def test_reading_asks_what_the_pages_ask(setting, monkeypatch):
    few = studies.FIVE_HUNDRED | {"seeds": {"tune": 1, "confirm": 2}}
    monkeypatch.setattr(reading, "FIVE_HUNDRED", few)
    monkeypatch.setattr(reading, "POINTS", 50)
    monkeypatch.setattr(reading.write_study, "__defaults__", (50,))
    asked = []
    monkeypatch.setattr(reading, "measure_in_browser", lambda *given: asked.append(given) or Outcome())
    outcome = reading.measure(setting)
    [(_, study, seconds)] = asked
    assert study == setting.folder / "results" / "bench"
    assert seconds == pytest.approx(0.85 * setting.seconds)
    [table] = outcome.tables
    assert len(table.rows) == 6
    assert all(row["first"].count == row["again"].count == 2 for row in table.rows)
    assert table.title.startswith("24 runs")
    drawn = reading.Reader(setting.folder / "results" / "bench")._draw("validation/loss", True)
    assert len(drawn.curves) == 3
    assert drawn.runs == 6


def test_workers_count_the_tokens_of_all(tiny_sizes, setting, no_processes, monkeypatch):
    monkeypatch.setattr(workers, "_TRIAL_SECONDS", dict.fromkeys(Effort, 0.01))
    monkeypatch.setattr(workers, "_FIRST_STEPS", 2)
    monkeypatch.setattr(workers, "train_all", lambda *given: train_all(*given) and 0.5)
    outcome = workers.measure(setting)
    rates = {row["workers"]: row["rate"].median for row in outcome.tables[0].rows}
    assert set(rates) == {"1", "2"}
    assert rates["2"] == 2 * rates["1"]  # the same seconds for twice the tokens
    assert outcome.findings[0].goal is workers.TWICE


@pytest.mark.parametrize(
    ("error", "message"), [(ValueError(), str(State.FAILED)), (OSError(28, "No space"), "No space")]
)
def test_a_trial_that_does_not_end_well_is_no_measurement(setting, no_processes, monkeypatch, error, message):
    size = replace(TINY, batch_size=2)
    with pool(1, "cpu", setting.folder) as workers_:
        trials_ = Trials(workers_, size, setting)
        monkeypatch.setattr(
            "workbench.training.trial.Trial._train", lambda self: (_ for _ in ()).throw(error)
        )
        with pytest.raises(RuntimeError, match=message):
            trials_.throughput(1)()


def test_all_ways_of_a_sweep_end_at_the_same_losses(tiny_sizes, setting, no_processes):
    outcome = trials.measure(setting)
    ways = [row["way"] for row in outcome.tables[0].rows]
    assert ways[0] == trials.BY_HAND
    assert ways[-1] == "population of 4"
    assert len(ways) == 3
    difference = outcome.findings[-1].text
    found = float(difference.split("at most ")[1].split(" ")[0])
    assert 0 <= found < 1e-5
    assert not any("Error" in note for note in outcome.notes)


def test_a_sweep_that_does_not_fit_any_more_is_named(setting, monkeypatch):
    def slow(*_):
        time.sleep(0.03)
        raise RuntimeError("no room")

    extent = replace(trials.extent(setting), sizes=("nano", "1M", "3M"))
    monkeypatch.setattr(trials, "extent", lambda setting: extent)
    monkeypatch.setattr(trials, "_contest", slow)
    outcome = trials.measure(replace(setting, seconds=0.04))
    assert outcome.notes[:2] == ["nano: RuntimeError: no room", "not measured, the time was up: 1M, 3M"]


def test_a_difference_between_ways_is_found(tmp_path):
    sweep = Sweep(size=replace(TINY, batch_size=2), steps=4, rates=(0.01,), seeds=1)
    contest = Contest(sweep, tmp_path, "cpu")
    assert contest.largest_difference() is None
    contest.losses = {"a": {(0.01, 1): 2.0, (0.01, 2): 3.0}, "b": {(0.01, 1): 2.2}}
    assert contest.largest_difference() == pytest.approx(0.1)


def test_populations_are_judged_on_a_gpu_at_the_sizes_of_the_goal():
    rounds = Rounds()
    for way, rate in (
        (trials.BY_HAND, 1.0),
        ("1 process", 3.0),
        ("2 processes", 4.0),
        ("population of 9", 12.0),
    ):
        rounds.add(way, rate)

    class Fake:
        sweep = Sweep(size=sized("1M"), steps=4, rates=(0.01,), seeds=1)

        def largest_difference(self):
            return None

    result = trials.Result(Fake(), rounds, "population of 9")
    assert result.processes == "2 processes"
    by_hand, processes = trials._findings(result, "cuda")
    assert (by_hand.goal, str(by_hand.verdict)) == (trials.TEN_TIMES, "met")
    assert (processes.goal, str(processes.verdict)) == (trials.TWICE, "met")
    assert all(finding.goal is None for finding in trials._findings(result, "cpu"))


def test_scaling_counts_the_tokens_of_all_replicas(tiny_sizes, least_rounds, setting):
    outcome = scaling.measure(setting)
    assert [table.title.split(",")[0] for table in outcome.tables] == [
        "Over replicas",
        "Over context",
        "Over width",
    ]
    assert not outcome.notes
    replicas = outcome.tables[0].rows
    assert [row["value"] for row in replicas] == [1, 2, 4]
    assert replicas[0]["gain"] is None
    assert replicas[2]["gain"].count == 3


def test_gains_are_rates_over_the_first():
    size = sized("nano")
    points = [scaling.Point(1, size), scaling.Point(4, size, replicas=4)]
    rounds = Rounds()
    for first, last in ((1.0, 2.0), (2.0, 4.0)):
        rounds.add("1", first)
        rounds.add("4", last)
    line = scaling.Line("replicas", points, rounds)
    assert line.gain(points[1]).median == pytest.approx(2.0)
    assert line.rate(points[1]).median == pytest.approx(4 * size.tokens_per_step * 0.375)
