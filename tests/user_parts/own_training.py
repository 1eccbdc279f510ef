"""An optimizer and a schedule as a user may write them, given to studies by import path."""

from typing import Any

import torch

from workbench.training.optimizers import Optimizer, parameter_groups
from workbench.training.optimizers.lion import Lion, ReplicatedLion
from workbench.training.schedules import Schedule


class Signs(Optimizer, torch.optim.SGD):
    """The sign of the gradient, without a momentum."""

    class Config(Optimizer.Config):
        slower: float = 1.0

    def __init__(self, config, module, training, learning_rate):
        groups = parameter_groups(module.parameters(), training.weight_decay)
        super().__init__(groups, lr=learning_rate / config.slower)

    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad.sign_()
        super().step()
        return loss


class HalfLion(Lion):
    """Lion at half the rate: it steps otherwise than its parent, and so would its replicas."""

    def __init__(self, config, module, training, learning_rate):
        super().__init__(config, module, training, learning_rate / 2)


class Pride(Lion):
    """Lion under another name, whose replicas are Lion's."""

    replicated = ReplicatedLion


class Stepless(Optimizer):
    """No torch optimizer at all."""

    def __init__(self, config, module, training, learning_rate):
        pass


class Stairs(Schedule):
    """Half the rate in the second half."""

    class Config(Schedule.Config):
        tread: float = 0.5
        landings: Any = ()

    def after_warmup(self, step, *, steps, warmup, final_rate):
        return 1.0 if step < steps / 2 else self.config.tread


class Sunken(Schedule):
    """Below zero."""

    def after_warmup(self, step, *, steps, warmup, final_rate):
        return -1.0
