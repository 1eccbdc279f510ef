"""How a trial is computed: on how many devices, in how many pieces, and what of a forward pass is kept.

None of it changes what is asked. Sums are only formed in another order, so that a number differs by rounding:
it is no part of a run's identity, and a run may go on on another number of devices than it began on. What it
was computed on stands in its provenance.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from workbench.numbers import plural

Strategy = Literal["ddp", "fsdp"]


class Execution(BaseModel):
    """``devices`` processes, each on a device of its own, compute a step's batch in equal pieces.

    Each takes ``gradient_accumulation`` pieces one after another. ``strategy`` is None on one device.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer version may know more

    devices: int = 1
    strategy: Strategy | None = None
    gradient_accumulation: int = 1
    activation_checkpointing: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether it is what every trial was before there was another way: no record mentions it."""
        return self == USUAL

    @property
    def pieces(self) -> int:
        """Pieces of a step's batch."""
        return self.devices * self.gradient_accumulation

    def to_dict(self) -> dict[str, int | str | bool]:
        """What is not as usual."""
        return self.model_dump(exclude_defaults=True)

    def words(self) -> str:
        """For readers: ``2 devices (ddp), gradients of 4 pieces accumulated``."""
        parts = [plural(self.devices, "device")]
        if self.strategy:
            parts[0] += f" ({self.strategy})"
        if self.gradient_accumulation > 1:
            parts.append(f"gradients of {self.gradient_accumulation} pieces accumulated")
        if self.activation_checkpointing:
            parts.append("activations checkpointed")
        return ", ".join(parts)


USUAL = Execution()
