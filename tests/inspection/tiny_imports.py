"""Tiny random models with a tokenizer, as Hugging Face saves them, and a text to look at them on."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from workbench.records.run import RunDirectory
from workbench.trained import imports

CONTEXT = 48
WORDS = ("def", "return", "value", "alpha", "beta", "for", "in", "range", "if", "else")


def write_text(folder: Path) -> dict[str, str]:
    """A small corpus, as a study file names it."""
    folder.mkdir(parents=True)
    for index in range(12):
        words = [WORDS[(index + number * number) % len(WORDS)] for number in range(500)]
        lines = [" ".join(words[start : start + 7]) for start in range(0, len(words), 7)]
        (folder / f"{index}.txt").write_text("\n".join(lines))
    return {"path": str(folder)}


def save_llama(folder: Path, context: int = CONTEXT) -> transformers.LlamaForCausalLM:
    """A LLaMA of three layers with grouped keys."""
    config = transformers.LlamaConfig(
        vocab_size=_save_tokenizer(folder),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        attn_implementation="eager",
    )
    return _saved(transformers.LlamaForCausalLM(config), folder)


def save_gpt2(folder: Path) -> transformers.GPT2LMHeadModel:
    """A GPT-2 of two layers: learned positions, layernorm, gelu, biases, a tied head."""
    config = transformers.GPT2Config(
        vocab_size=_save_tokenizer(folder),
        n_positions=CONTEXT,
        n_embd=32,
        n_layer=2,
        n_head=4,
        attn_implementation="eager",
    )
    return _saved(transformers.GPT2LMHeadModel(config), folder)


def bring(folder: Path, out: Path) -> RunDirectory:
    """Import the model in ``folder`` into the results ``out``."""
    return imports.import_model(folder, name=None, context=None, tokenizer=None, out=out)


def _save_tokenizer(folder: Path) -> int:
    """Train a byte-level tokenizer, save it in ``folder``, and return its vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 40, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def _saved(model: transformers.PreTrainedModel, folder: Path) -> transformers.PreTrainedModel:
    """Sharper than at initialisation, and no bias is 0: all that is lost in reading it would show."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=draw))
    model.save_pretrained(folder)
    return model.eval()
