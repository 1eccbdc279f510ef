"""Tiny random models with a tokenizer, as Hugging Face saves them."""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from workbench.records.run import RunDirectory
from workbench.trained.imports import import_model

TEXT = ["def f(x):\n    return x + 1\n", "alpha beta gamma delta\n"] * 40


def bring(path: Path, out: Path, **options) -> RunDirectory:
    """Import the model in ``path``."""
    return import_model(path, **({"name": None, "context": None, "tokenizer": None, "out": out} | options))


def save_tokenizer(folder: Path) -> int:
    """Train a byte-level tokenizer, save it in ``folder``, and return its vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def save_llama(folder: Path, seed: int = 0) -> transformers.LlamaForCausalLM:
    """A LLaMA of two layers with grouped keys."""
    vocabulary = save_tokenizer(folder)
    torch.manual_seed(seed)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=48,
        )
    )
    model.save_pretrained(folder)
    return model.eval()


def save_gpt2(folder: Path, positions: int = 48) -> transformers.GPT2LMHeadModel:
    """A GPT-2 of two layers with a table of so many positions."""
    vocabulary = save_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=positions, n_embd=32, n_layer=2, n_head=4
    )
    model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    return model.eval()
