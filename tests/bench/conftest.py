"""Benchmarks of models of a few thousand parameters, on workers without processes."""

from dataclasses import replace

import pytest

from tests.in_process import InProcessExecutor
from workbench.bench import sizes
from workbench.bench.section import Effort, Setting
from workbench.bench.sections import levels, norms_alone, scaling, training
from workbench.bench.timing import machine
from workbench.bench.timing.seconds import interleave
from workbench.driver.executors.local import LocalExecutor


@pytest.fixture
def tiny_sizes(monkeypatch):
    """Every size is tiny, whatever it is called."""
    shape = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 257, "context": 16, "batch_size": 2}
    monkeypatch.setattr(sizes, "SIZES", tuple(replace(size, **shape) for size in sizes.SIZES))


@pytest.fixture
def setting(tmp_path):
    """So little time that every section measures as seldom as it may."""
    return Setting(effort=Effort.QUICK, device="cpu", seconds=0.1, folder=tmp_path)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    """Look at the machine's load for an instant only."""
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def least_rounds(monkeypatch):
    """As few rounds of as few calls as may be, however much time there is."""

    def few(cases, *, seconds, **options):
        return interleave(cases, **options | {"seconds": 0.0})

    for module in (levels, norms_alone, scaling):
        monkeypatch.setattr(module, "interleave", few)
        monkeypatch.setattr(module, "_SLICE_SECONDS", dict.fromkeys(Effort, 1e-6))
    for name in ("_CASE_SECONDS", "_TURN_SECONDS"):
        monkeypatch.setattr(training, name, dict.fromkeys(Effort, 1e-6))


@pytest.fixture
def no_processes(monkeypatch):
    """Workers train in the test's own process."""
    monkeypatch.setattr(LocalExecutor, "_spawn", InProcessExecutor._spawn)


@pytest.fixture
def no_compiler(monkeypatch):
    """``torch.compile`` gives back what it is given: compiling takes many seconds and is not tested."""
    monkeypatch.setattr("torch.compile", lambda function, **options: function)
