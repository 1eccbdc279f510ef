"""AdamW (arXiv 1711.05101) that decays matrices only: never norm weights, biases or scalars."""

import torch
from torch import nn

from workbench.training.config import TrainingConfig


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two AdamW groups: tensors of two or more dimensions with decay, all others without; no fixed ones."""
    trained = [tensor for tensor in model.parameters() if tensor.requires_grad]
    matrices = [tensor for tensor in trained if tensor.ndim >= 2]
    vectors = [tensor for tensor in trained if tensor.ndim < 2]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def build_optimizer(model: nn.Module, training: TrainingConfig, learning_rate: float) -> torch.optim.AdamW:
    """AdamW over ``model`` with its fused kernel, which CPU and CUDA both have."""
    groups = [group for group in parameter_groups(model, training.weight_decay) if group["params"]]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=training.betas, eps=training.epsilon, fused=True)
