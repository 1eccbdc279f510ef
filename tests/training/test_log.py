"""A run's rows: how fast it is, and which part of the device's arithmetic that is."""

import math

import pytest
import torch

from workbench.records.metrics import MetricsWriter, read_metrics
from workbench.training.callbacks import Recorder
from workbench.training.hardware import peak_flops
from workbench.training.log import Accounting, Clock, Diverged, RunLog, rows_every


def rows(folder, peak):
    """Ten steps of 100 tokens in two seconds, then ten in four: 500 and 250 tokens a second."""
    accounting = Accounting(tokens_per_step=100, flops_per_token=3_000, peak_flops=peak, device="cpu")
    log = RunLog(MetricsWriter(folder), accounting, 20, lambda event: None)
    log.start(0, 1.0)
    for step, seconds in ((10, 3.0), (20, 7.0)):
        log.trained(step, seconds, {"train/loss": 2.0})
    log.close()
    return read_metrics(folder)


def test_utilisation_is_the_flops_of_the_tokens_over_the_peak(tmp_path):
    table = rows(tmp_path, peak=6e6)
    assert table["tokens_per_second"].tolist() == pytest.approx([500.0, 250.0])
    assert table["mfu"].tolist() == pytest.approx([0.25, 0.125])
    assert table["tokens"].tolist() == [1000, 2000]
    assert table["flops"].tolist() == [3e6, 6e6]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_an_outcome_in_training_and_in_validation(tmp_path, loss):
    accounting = Accounting(tokens_per_step=1, flops_per_token=1, peak_flops=None, device="cpu")
    log = RunLog(MetricsWriter(tmp_path), accounting, 20, lambda event: None)
    with pytest.raises(Diverged, match=f"the training loss became {loss} at step 3; try a smaller"):
        log.trained(3, 1.0, {"train/loss": loss})
    with pytest.raises(Diverged, match=f"the validation loss became {loss} at step 4; try a smaller"):
        log.validated(4, 1.0, {"validation/loss": loss})
    with pytest.raises(Diverged, match=f"became {loss} at step 1, before anything was learned; look for"):
        log.trained(1, 1.0, {"train/loss": loss})
    with pytest.raises(Diverged, match=f"became {loss} at step 0, before anything was learned; look for"):
        log.validated(0, 1.0, {"validation/loss": loss})
    log.close()


def test_runs_that_train_together_share_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.training.log.memory_bytes", lambda device: 1000)
    accounting = Accounting(tokens_per_step=1, flops_per_token=1, peak_flops=None, device="cpu")
    log = RunLog(MetricsWriter(tmp_path), accounting, 20, lambda event: None)
    log.trained(1, 1.0, {"train/loss": 2.0}, parts=4)
    log.trained(2, 2.0, {"train/loss": 2.0}, parts=5)
    log.close()
    assert read_metrics(tmp_path)["memory_bytes"].tolist() == [250, 200]
    assert log.peak_memory == 250


def test_a_resumed_trial_goes_on_counting():
    accounting = Accounting(tokens_per_step=1, flops_per_token=1, peak_flops=None, device="cpu")
    recorder = Recorder(None, RunLog(None, accounting, 20, lambda event: None), 20)
    state = {"seconds": 12.5, "peak_memory": 700, "last_loss": 2.5}
    recorder.load_state_dict(state)
    assert recorder.state_dict() == state


def test_without_a_peak_there_is_no_utilisation(tmp_path):
    assert "mfu" not in rows(tmp_path, peak=None)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA GH200 480GB", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("Tesla T4", 65e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        # Names that only begin like one of those.
        ("NVIDIA L40", None),
        ("NVIDIA T400 4GB", None),
        ("NVIDIA RTX A1000", None),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_the_peak_is_the_cards_own(monkeypatch, name, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    assert peak_flops("cuda", "bf16") == peak


def test_only_bf16_on_a_gpu_has_a_peak(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    assert peak_flops("cuda", "fp32") is peak_flops("cpu", "bf16") is peak_flops("cpu", "fp32") is None


@pytest.fixture
def clock(monkeypatch):
    """A function that lets seconds pass for the clocks of a test."""
    now = [100.0]
    monkeypatch.setattr("workbench.training.log.time.monotonic", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_a_clock_stands_still_while_it_is_paused(clock):
    one = Clock(5.0)
    clock(1)
    one.run()
    clock(2)
    with one.paused():
        clock(40)
    clock(3)
    assert one.seconds == 10.0
    one.pause()
    clock(40)
    assert one.seconds == 10.0


def test_each_run_of_a_population_is_charged_its_part(clock):
    """Six seconds for three, then four for the two that are left."""
    one = Clock(parts=3)
    one.run()
    clock(6)
    one.share(2)
    clock(4)
    assert one.seconds == 2.0 + 2.0


@pytest.mark.parametrize(("steps", "every"), [(10, 1), (399, 1), (400, 2), (100_000, 500)])
def test_a_trial_has_two_hundred_rows_or_a_few_more(steps, every):
    assert rows_every(steps) == every
