"""What a trained decoder scores on text: the validation of training, for any run and any corpus."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from workbench.data.batches import EvaluationBatches, TokenizedCorpus
from workbench.errors import UserError
from workbench.model.decoder import Decoder
from workbench.records.run import RunDirectory, RunRecord
from workbench.training.metrics import validation_metrics

Progress = Callable[[str, float], None]
TOKENIZER = "tokenizer.json"  # beside an imported run's weights


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
    more than ``context``. Raises ``UserError``
    for a corpus of more token ids than the decoder knows, or a context beyond its positions.
    """
    if corpus.vocabulary > decoder.config.vocabulary:
        raise UserError(
            f"tokenizer: has {corpus.vocabulary} token ids, the model only {decoder.config.vocabulary}; "
            f"evaluate it with the tokenizer that it was trained with"
        )
    context = context or decoder.config.context
    limit = decoder.positions.limit
    if beginning is not None and limit is not None and context >= limit:
        raise UserError(
            f"context: {context} tokens after a beginning of text are more than the {limit} positions of the "
            f"model; use --context {limit - 1}, or --no-bos"
        )
    batches = EvaluationBatches(corpus, context, batch_size, max_tokens)
    nats, tokens, text_bytes = 0.0, 0, 0
    for number, (inputs, targets, count) in enumerate(batches, start=1):
        if beginning is not None:
            inputs = F.pad(inputs, (1, 0), value=beginning)  # (B, 1 + T)
        logits = decoder(inputs.to(decoder.device))[:, -targets.shape[1] :]  # (B, T, V)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.to(decoder.device).flatten())
        nats += loss.item() * targets.numel()
        tokens, text_bytes = tokens + targets.numel(), text_bytes + count
        progress("evaluating", number / len(batches))
    return validation_metrics(nats, tokens, text_bytes) | {"tokens": tokens}


def data_of(directory: RunDirectory, record: RunRecord) -> dict[str, Any]:
    """The run's ``data`` with a tokenizer that can be opened: an imported one lies beside the weights.

    Its specification then names the special tokens that came with the model. Raises ``UserError`` where it
    came without a tokenizer.
    """
    data = record.config["data"]
    if data["tokenizer"] is None:
        raise UserError(
            f"run {record.run_id}: came without a tokenizer; import it again with --tokenizer tokenizer.json"
        )
    if isinstance(data["tokenizer"], dict) and data["tokenizer"].get("file") == TOKENIZER:
        own = {"file": str(directory.path / TOKENIZER), **data.get("special_tokens", {})}
        return data | {"tokenizer": data["tokenizer"] | own}
    return data
