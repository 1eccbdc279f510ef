"""Decoders in parts: each rank holds a part of every parameter, its gradient and its moments (``fsdp``).

That is FSDP2 (``torch.distributed.fsdp.fully_shard``), whose parts have the whole's shape to whoever computes
with them. Lightning's strategy for it takes checkpoints of its own kind; here they are those of one device,
so that a run may go on on another number of devices, or on one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard(module: nn.Module, blocks: nn.ModuleList, mesh: DeviceMesh, methods: tuple[str, ...]) -> None:
    """Keep only this rank's part of the parameters of ``module``, and gather them where they are needed.

    Those of a block are while it computes, all others while one of the ``methods`` runs.
    """
    if any(isinstance(parameter, DTensor) for parameter in module.parameters()):
        return  # a module that is validated before it is fitted is asked for twice
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    for method in methods:
        register_fsdp_forward_method(module, method)


def whole_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state of ``module`` in whole, on rank 0; all ranks have to ask. Elsewhere it is empty."""
    return dict(get_model_state_dict(module, options=_WHOLE))


def whole_number(value: Tensor) -> Tensor:
    """A number ``()`` that all ranks have computed together, as a tensor of its own."""
    return value.full_tensor() if isinstance(value, DTensor) else value


class Sharded(ModelParallelStrategy):
    """Lightning's strategy, with checkpoints that are those of one device."""

    def __init__(self, devices: int) -> None:
        super().__init__(
            data_parallel_size=devices, tensor_parallel_size=1, save_distributed_checkpoint=False
        )

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The whole state, on rank 0, with its parameters numbered as an optimizer numbers them."""
        state = get_optimizer_state_dict(self._module, _own(optimizer), options=_WHOLE)
        if self.global_rank:
            return dict(state)
        groups = state["param_groups"]
        number = {name: place for place, name in enumerate(_all(groups))}
        return {
            "state": {number[name]: moments for name, moments in state["state"].items()},
            "param_groups": [
                group | {"params": [number[name] for name in group["params"]]} for group in groups
            ],
        }

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The checkpoint, of which each rank has taken its part."""
        checkpoint = self.checkpoint_io.load_checkpoint(checkpoint_path)
        set_model_state_dict(self._module, checkpoint["state_dict"], options=_WHOLE)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            self._load_optimizer(optimizer, state)
        return checkpoint

    def _load_optimizer(self, optimizer: Optimizer, state: Mapping[str, Any]) -> None:
        names = {parameter: name for name, parameter in self._module.named_parameters()}
        named = [names[parameter] for parameter in _all(optimizer.param_groups)]
        by_name = {
            "state": {named[number]: moments for number, moments in state["state"].items()},
            "param_groups": [
                group | {"params": [named[number] for number in group["params"]]}
                for group in state["param_groups"]
            ],
        }
        set_optimizer_state_dict(self._module, optimizer, optim_state_dict=by_name, options=_WHOLE)

    @property
    def _module(self) -> nn.Module:
        assert self.model is not None, "it is connected to one"
        return self.model


def _own(optimizer: Optimizer) -> Optimizer:
    return optimizer._optimizer if isinstance(optimizer, LightningOptimizer) else optimizer


def _all(groups: list[dict[str, Any]]) -> list[Any]:
    return [parameter for group in groups for parameter in group["params"]]
