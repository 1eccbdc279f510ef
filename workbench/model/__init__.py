"""A decoder-only transformer and its swappable parts."""

from workbench.model.component import FACTORS, Component, ComponentConfig
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.feedforward import FeedForward
from workbench.model.initialization import Initialization
from workbench.model.matching import match_size
from workbench.model.norms import Norm
from workbench.model.positions import Positions
from workbench.model.presets import preset, preset_names

__all__ = [
    "FACTORS",
    "Component",
    "ComponentConfig",
    "Decoder",
    "FeedForward",
    "Initialization",
    "ModelConfig",
    "Norm",
    "Positions",
    "match_size",
    "preset",
    "preset_names",
]
