"""A decoder-only transformer and its swappable parts."""

from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.matching import match_size
from workbench.model.old_import_paths import keep_old_paths
from workbench.model.parts.component import FACTORS, Component, ComponentConfig
from workbench.model.parts.feedforward import FeedForward
from workbench.model.parts.initialization import Initialization
from workbench.model.parts.norms import Norm
from workbench.model.parts.positions import Positions
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

keep_old_paths()
