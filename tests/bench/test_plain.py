"""The hand-written model and loop are the workbench's, written apart from it: same function, same steps."""

import ast
from pathlib import Path

import pytest
import torch

from workbench.bench.rivals import plain, user_sweep
from workbench.bench.rivals.counterpart import plain_config_of, plain_weights_of
from workbench.bench.rivals.plain import PlainDecoder, PlainLoop
from workbench.bench.sizes import SIZES, Size, random_tokens
from workbench.data.batches import TrainingBatches
from workbench.model.decoder import Decoder
from workbench.training.config import TrainingConfig
from workbench.training.module import DecoderModule

SIZE = Size(name="small", layers=2, width=32, heads=4, context=16, batch_size=4)
STEPS = 20


def test_it_uses_nothing_of_the_workbench():
    tree = ast.parse(Path(plain.__file__).read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert not [name for name in imported if name.startswith("workbench")]
    sweep = ast.parse(Path(user_sweep.__file__).read_text())
    ours = {node.module for node in ast.walk(sweep) if isinstance(node, ast.ImportFrom)}
    assert {name for name in ours if name.startswith("workbench")} == {"workbench.bench.rivals.plain"}


@pytest.mark.parametrize("tied", [False, True])
def test_equal_weights_give_equal_logits(tied):
    decoder = Decoder(SIZE.model.with_levels(tied_embeddings=tied))
    decoder.initialize(3)
    other = PlainDecoder(plain_config_of(SIZE.model))
    other.load_state_dict(plain_weights_of(decoder))
    tokens = torch.from_numpy(random_tokens(257, 64).astype("int64")).view(4, 16)  # (B, T)
    torch.testing.assert_close(other(tokens), decoder(tokens), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_every_size_has_the_same_parameters_in_both(size):
    with torch.device("meta"):
        model = PlainDecoder(plain_config_of(size.model))
    assert sum(parameter.numel() for parameter in model.parameters()) == size.model.num_parameters()


def test_sizes_are_what_they_are_called():
    counts = {size.name: size.model.num_parameters() for size in SIZES}
    called = {"1M": 1e6, "3M": 3e6, "10M": 10e6, "124M": 124e6, "350M": 350e6}
    for name, count in called.items():
        assert counts[name] == pytest.approx(count, rel=0.15), name


def test_it_takes_the_same_steps():
    tokens = random_tokens(257, 10_000)
    training = TrainingConfig(tokens=STEPS * SIZE.tokens_per_step, batch_size=4, evaluations=1).resolve("cpu")
    module = DecoderModule(SIZE.model, training, learning_rate=1e-2, seed=1, steps=STEPS)
    module.on_fit_start()
    loop = PlainLoop(
        plain_config_of(SIZE.model),
        tokens,
        batch_size=4,
        device="cpu",
        bf16=False,
        compiled=False,
        steps=STEPS,
        learning_rate=1e-2,
    )
    loop.model.load_state_dict(plain_weights_of(module.decoder))
    found = module.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    batches = TrainingBatches(tokens, SIZE.context, 4, seed=1)
    for step in range(STEPS):
        batch = batches.batch(step)
        loss = module.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        schedule.step()
        assert loop.step(*batch).item() == pytest.approx(loss.item(), rel=1e-5), step


def test_its_batches_are_windows_of_the_text():
    tokens = random_tokens(257, 200)
    options = {"device": "cpu", "bf16": False, "compiled": False, "steps": 10}
    loop = PlainLoop(plain_config_of(SIZE.model), tokens, batch_size=4, **options)
    inputs, targets = loop.batch()
    assert inputs.shape == targets.shape == (4, 16)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    text = ",".join(map(str, tokens))
    assert all(",".join(map(str, row)) in text for row in inputs.tolist())
