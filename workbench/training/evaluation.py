"""What a trained decoder scores on text: the validation of training, for any run and any corpus."""

import torch
from torch.nn import functional as F

from workbench.data.batches import EvaluationBatches, TokenizedCorpus
from workbench.errors import UserError
from workbench.model.decoder import Decoder
from workbench.progress import Progress
from workbench.training.validation import ValidationSums


@torch.no_grad()
def evaluate(
    decoder: Decoder,
    corpus: TokenizedCorpus,
    *,
    batch_size: int,
    max_tokens: int | None,
    context: int | None = None,
    beginning: int | None = None,
    progress: Progress = lambda text, part: None,
) -> dict[str, float]:
    """Loss in nats per token and bits per byte on the corpus's validation windows of ``context`` tokens.

    With a trial's own corpus, batch size and limit these are the numbers in its record. ``beginning`` is the
    id of a token that each window is read after: the targets stay the same, and the model reads one token
    more than ``context``. Raises ``UserError`` for a text with tokens that the decoder does not know, or a
    context beyond its positions.
    """
    context = context or decoder.config.context
    limit = decoder.positions.limit
    if beginning is not None and limit is not None and context >= limit:
        raise UserError(
            f"context: {context} tokens after a beginning of text are more than the {limit} positions of the "
            f"model; use --context {limit - 1}, or --no-bos"
        )
    batches = EvaluationBatches(corpus, context, batch_size, max_tokens)
    batches.require_known(decoder.config.vocabulary)
    sums = ValidationSums()
    for number, (inputs, targets, target_bytes) in enumerate(batches, start=1):
        if beginning is not None:
            inputs = F.pad(inputs, (1, 0), value=beginning)  # (B, 1 + T)
        logits = decoder(inputs.to(decoder.device))[:, -targets.shape[1] :]  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.to(decoder.device).flatten())
        sums.add(loss.cpu(), targets, target_bytes)  # waits for the device: progress is of what is done
        progress("evaluating", number / len(batches))
    return sums.metrics() | {"tokens": sums.targets}
