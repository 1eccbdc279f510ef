"""``workbench export``: a run's model in the files that other libraries read."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from workbench.data.tokenizers import TOKENIZER
from workbench.errors import UserError, suggestion
from workbench.model.pretrained import write_checkpoint
from workbench.model.weights import plain_tensors
from workbench.records.run import RunDirectory, RunRecord
from workbench.special_tokens import SpecialTokens
from workbench.training.run_text import open_tokenizer
from workbench.training.trained_decoder import load_decoder

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def export_run(directory: RunDirectory, path: Path, *, layout: str, dtype: str | None) -> None:
    """Write the run's model in the layout of Hugging Face or Meta, with its tokenizer where one is kept."""
    if dtype is not None and dtype not in DTYPES:
        raise UserError(f"dtype: unknown {dtype!r}; {suggestion(dtype, list(DTYPES))}")
    decoder = load_decoder(directory)
    record = directory.read()
    kind = DTYPES[dtype] if dtype else getattr(torch, record.provenance.get("dtype", "float32"))
    with TemporaryDirectory() as folder:
        file = Path(folder) / TOKENIZER
        if _keeps_tokenizer(record):
            open_tokenizer(directory).save(file.parent)
        write_checkpoint(
            decoder.config,
            plain_tensors(decoder),
            path,
            layout=layout,
            dtype=kind,
            tokenizer=file if file.exists() else None,
            special_tokens=_special_tokens(directory),
        )


def _keeps_tokenizer(record: RunRecord) -> bool:
    spec = record.config["data"]["tokenizer"]
    return isinstance(spec, dict) and "sha256" in spec


def _special_tokens(directory: RunDirectory) -> SpecialTokens:
    """What begins and ends the run's texts, as far as its record says: no corpus is opened for it."""
    data = directory.read().config["data"]
    if "special_tokens" in data:
        return SpecialTokens.from_dict(data["special_tokens"])
    spec = data["tokenizer"]
    if isinstance(spec, dict) and "bpe" in spec:
        end = spec["bpe"] - 1
        return SpecialTokens(ends_of_text=(end,), end_of_document=end)
    return SpecialTokens() if spec is None else open_tokenizer(directory).special_tokens
