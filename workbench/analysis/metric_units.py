"""The metrics that a verdict can rest on, and their units."""

from workbench.errors import UserError

UNITS = {
    "validation/loss": "nats/token",
    "train/loss": "nats/token",
    "validation/bits_per_byte": "bits/byte",
}


def unit_of(metric: str) -> str:
    """The unit of ``metric``; raises ``UserError`` for one that is not known to be better when lower."""
    if metric not in UNITS:
        raise UserError(
            f"metric: {metric!r} is not supported: a verdict reads lower as better. "
            f"Use one of: {', '.join(UNITS)}"
        )
    return UNITS[metric]
