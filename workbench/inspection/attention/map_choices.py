"""What a reader chooses about maps of attention, and how much of one is shown."""

from workbench.inspection.scope import Scope

TILE = 256  # tokens along each side of a map
SHOWS = {
    "attention": "weight",
    "attention without the first token": "weight",
    "attention x size of what is read": "weight x |value|",
    "attention minus uniform": "weight minus uniform",
}


def layers_of(scope: Scope) -> list[str]:
    """The run's layers, as options are written."""
    return _counted(scope, "layers")


def heads_of(scope: Scope) -> list[str]:
    """The run's heads, as options are written."""
    return _counted(scope, "heads")


def _counted(scope: Scope, what: str) -> list[str]:
    return [str(place) for place in range(scope.record().config["model"][what])]
