"""What a trained decoder scores on text: the validation of training, for any run and any text."""

from collections.abc import Mapping

import torch
from torch.nn import functional as F

from workbench.data.task_batches import AnswerBatch, JudgingBatches
from workbench.errors import UserError
from workbench.model.decoder import Decoder
from workbench.model.loss import losses_of_logits
from workbench.progress import Progress
from workbench.training.validation import SetSums, score_answers


@torch.no_grad()
def evaluate(
    decoder: Decoder,
    sets: Mapping[str, JudgingBatches],
    *,
    beginning: int | None = None,
    progress: Progress = lambda text, part: None,
) -> dict[str, float]:
    """The metrics of a validation on ``sets``, which are given by name, and ``tokens`` of the first.

    The first set gives loss in nats per token and bits per byte, every other its bits per byte. On a trial's
    own sets these are the numbers in its record. ``beginning`` is the id of a token that each window is read
    after: the targets stay the same, and the model reads one token more than the context. Raises
    ``UserError`` for a text with tokens that the decoder does not know, or a context beyond its positions.
    """
    for batches in sets.values():
        _require_readable(decoder, batches, beginning)
    sums = SetSums(tuple(sets))
    whole = sum(len(batches) for batches in sets.values())
    done = 0
    for number, batches in enumerate(sets.values()):
        for batch in batches:
            inputs, targets = batch.inputs, batch.targets
            if beginning is not None:
                inputs = F.pad(inputs, (1, 0), value=beginning)  # (B, 1 + T)
            logits = decoder(inputs.to(decoder.device))[:, -targets.shape[1] :]  # (B, T, V)
            done += 1
            if isinstance(batch, AnswerBatch):
                sums.add_answers(number, score_answers(logits.cpu(), targets), batch)
                progress("evaluating", done / whole)
                continue
            losses = losses_of_logits(logits, targets.to(decoder.device))
            sums.add(number, losses._replace(mean=losses.mean.cpu()), batch)  # waits for the device
            progress("evaluating", done / whole)
    return sums.metrics() | {"tokens": next(iter(sets.values())).tokens}


def _require_readable(decoder: Decoder, batches: JudgingBatches, beginning: int | None) -> None:
    limit = decoder.positions.limit
    if beginning is not None and limit is not None and batches.context >= limit:
        raise UserError(
            f"context: {batches.context} tokens after a beginning of text are more than the {limit} "
            f"positions of the model; use --context {limit - 1}, or --no-bos"
        )
    batches.require_known(decoder.config.vocabulary)
