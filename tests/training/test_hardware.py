"""What counts as want of memory, whoever says it."""

import errno

import pytest
import torch

from workbench.errors import UserError
from workbench.training.hardware import default_slots, out_of_memory, total_memory


def test_pytorchs_allocator_on_the_cpu_says_it_in_a_runtime_error():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert type(caught.value) is RuntimeError
    assert out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "holds"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("DefaultCPUAllocator"), False),
    ],
)
def test_want_of_memory_is_told_from_other_errors(error, holds):
    assert out_of_memory(error) == holds


def test_the_machine_has_memory():
    assert total_memory("cpu") > 2**28


def test_slots_are_those_of_so_many_devices_each(monkeypatch):
    monkeypatch.setattr("workbench.training.hardware.torch.cuda.device_count", lambda: 5)
    monkeypatch.setattr("workbench.training.hardware.os.sched_getaffinity", lambda _: range(6))
    assert [default_slots("cuda", devices) for devices in (1, 2, 4, 5)] == [5, 2, 1, 1]
    assert [default_slots("cpu", devices) for devices in (1, 2, 4, 8)] == [6, 3, 1, 1]
    with pytest.raises(UserError, match=r"training\.devices: 6 are more than this machine's 5 GPUs; give 5"):
        default_slots("cuda", 6)
