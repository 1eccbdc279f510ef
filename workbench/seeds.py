"""Seeds derived from names, so that nothing depends on the order of draws.

``torch.manual_seed(s)`` pairs two variants by luck: one extra parameter shifts every later draw.
Here each stream (initialisation of one tensor, one epoch of data, dropout, evaluation) has a
generator of its own, seeded by a stable hash of what it is for.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stable_hash(*parts: object) -> int:
    """A 63-bit integer that depends on ``parts`` alone, on every machine and in every process."""
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(*parts: object, device: "str | torch.device" = "cpu") -> "torch.Generator":
    """A new ``torch.Generator`` seeded by ``stable_hash(*parts)``; the global one is never touched."""
    import torch  # which takes a second to import; whoever only derives seeds does without

    return torch.Generator(device=device).manual_seed(stable_hash(*parts))
