"""What a validation says: the loss in two units."""

import math


def validation_metrics(nats: float, tokens: int, text_bytes: int) -> dict[str, float]:
    """Nats per token, and bits per byte of the text that the tokens stand for."""
    return {
        "validation/loss": nats / tokens,
        "validation/bits_per_byte": nats / math.log(2) / max(1, text_bytes),
    }
