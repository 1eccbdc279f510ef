"""What counts as want of memory, whoever says it."""

import errno

import pytest
import torch

from workbench.training.hardware import out_of_memory, total_memory


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
