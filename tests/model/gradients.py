"""Derivatives against central differences, with every number's shift in one batch.

``torch.autograd.gradcheck`` shifts one number after another, which takes it a hundred times as many calls.
Its step and tolerances are used here.
"""

from collections.abc import Callable

import torch

STEP, ATOL, RTOL = 1e-6, 1e-5, 1e-3


def check_gradient(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, atol: float = ATOL
) -> None:
    """Compare every derivative of ``function``, which maps each sequence of a batch by itself.

    ``x`` is one sequence (1, T, D) in float64. Fails where a derivative is wrong.
    """
    ours = torch.autograd.functional.jacobian(function, x).reshape(-1, x.numel())  # (outputs, T D)
    shift = STEP * torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape[1:])  # (T D, T, D)
    with torch.no_grad():
        theirs = (function(x + shift) - function(x - shift)) / (2 * STEP)  # (T D, outputs)
    assert theirs.abs().max() > 0
    torch.testing.assert_close(ours, theirs.reshape(x.numel(), -1).T, atol=atol, rtol=RTOL)
