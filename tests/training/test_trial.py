"""One trial: same data for every variant, bitwise reruns and resumes, and every way it can end."""

import math
from hashlib import blake2b

import pytest
import torch
from safetensors.torch import load_file

from workbench.data.batches import EvaluationBatches
from workbench.errors import UserError
from workbench.model.decoder import Decoder
from workbench.model.loss import next_token_loss
from workbench.model.parts.component import FACTORS, FEEDFORWARDS, NORMS, POSITIONS
from workbench.model.parts.norms import RMSNorm
from workbench.model.presets import preset
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.seeds import generator
from workbench.training.config import TrainingConfig
from workbench.training.module import DecoderModule
from workbench.training.run import Run, Watcher
from workbench.training.trial import run_trial

CONTEXT = 16
STEPS = 12


class BrokenNorm(RMSNorm):
    def forward(self, x):
        raise RuntimeError("the norm broke")


class NanNorm(RMSNorm):
    def forward(self, x):
        return super().forward(x) * math.nan


class HungryNorm(RMSNorm):
    def forward(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory")


def config(dropout=0.0, **levels):
    model = preset("llama", vocabulary=257, context=CONTEXT, layers=1, width=16, heads=2, dropout=dropout)
    training = TrainingConfig(
        tokens=STEPS * 2 * CONTEXT, batch_size=2, evaluations=3, evaluation_tokens=128
    ).resolve("cpu")
    return {
        "model": model.with_levels(**levels).to_dict(),
        "data": {"corpus": "unused", "tokenizer": "bytes"},
        "training": training.model_dump(mode="json") | {"device": "cpu"},
    }


def train(folder, corpus, settings=None, *, seed=7, rate=0.01, stop_at=None, **watching):
    record = RunRecord(
        run_id="run",
        study="s",
        variant="v",
        phase="confirm",
        seed=seed,
        hyperparameters={"learning_rate": rate},
        config=settings or config(),
    )
    directory = RunDirectory(folder / "runs" / "run")
    if not directory.exists():
        directory.write(record)
    steps = [0]
    watcher = Watcher(
        report=lambda event: steps.append(event.get("step", steps[-1])),
        should_stop=lambda: stop_at is not None and steps[-1] >= stop_at,
        **watching,
    )
    return run_trial(directory, lambda data: corpus, watcher), directory


def weights(directory):
    return load_file(directory.weights)


def test_a_trial_ends_with_weights_metrics_and_its_cost(tmp_path, corpus):
    record, directory = train(tmp_path, corpus)
    assert record.state is State.COMPLETE
    assert record.cost["tokens"] == STEPS * 2 * CONTEXT
    assert record.cost["flops"] == record.cost["tokens"] * record.cost["flops_per_token"]
    assert record.cost["seconds"] > 0
    assert record.summary["validation/loss"] < math.log(257)
    assert record.provenance["versions"]["torch"]
    assert record.provenance["precision"] == "fp32"
    table = directory.metrics()
    assert table["train/loss"].notna().sum() == STEPS
    assert table.loc[table["validation/loss"].notna(), "step"].tolist() == [4, 8, 12]
    assert {"learning_rate", "gradient_norm", "tokens_per_second", "memory_bytes"} <= set(table.columns)
    assert table["tokens"].is_monotonic_increasing
    assert table["seconds"].is_monotonic_increasing
    assert not directory.checkpoint.exists()


def test_saved_weights_give_the_recorded_loss(tmp_path, corpus):
    record, directory = train(tmp_path, corpus)
    decoder = Decoder(Run(directory, corpus).model)
    decoder.load_state_dict(weights(directory))
    nats = tokens = 0
    for inputs, targets, *_ in EvaluationBatches(corpus, CONTEXT, 2, 128):
        logits = decoder(inputs)  # (B, T, V)
        nats += (
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
            * targets.numel()
        )
        tokens += targets.numel()
    assert record.summary["validation/loss"] == pytest.approx(nats / tokens, rel=1e-6)


def test_bits_per_byte_are_the_nats_over_the_bytes(tmp_path, corpus):
    record, _ = train(tmp_path, corpus)
    evaluation = EvaluationBatches(corpus, CONTEXT, 2, 128)
    expected = record.summary["validation/loss"] * evaluation.tokens / math.log(2) / evaluation.bytes
    assert record.summary["validation/bits_per_byte"] == pytest.approx(expected)


def test_a_rerun_is_bitwise_equal(tmp_path, corpus):
    first, one = train(tmp_path / "1", corpus, config(dropout=0.1))
    torch.rand(3)  # the global generator must not matter
    second, two = train(tmp_path / "2", corpus, config(dropout=0.1))
    assert first.summary == second.summary
    assert one.weights.read_bytes() == two.weights.read_bytes()


def test_another_seed_is_another_result(tmp_path, corpus):
    first, _ = train(tmp_path / "1", corpus)
    second, _ = train(tmp_path / "2", corpus, seed=8)
    assert first.summary != second.summary


def test_a_trial_leaves_the_global_generator_alone(tmp_path, corpus):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(tmp_path, corpus, config(dropout=0.1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("stop_at", [1, 4, 6, 11, 12])
def test_a_stopped_trial_resumes_bit_for_bit(tmp_path, corpus, stop_at):
    whole, directory = train(tmp_path / "whole", corpus, config(dropout=0.1))
    stopped, _ = train(tmp_path / "parts", corpus, config(dropout=0.1), stop_at=stop_at)
    assert stopped.state is State.RUNNING
    resumed, parts = train(tmp_path / "parts", corpus, config(dropout=0.1))
    assert resumed.attempts == 2
    assert resumed.summary == whole.summary
    assert resumed.text_losses == whole.text_losses
    assert parts.weights.read_bytes() == directory.weights.read_bytes()
    columns = ["step", "tokens", "train/loss", "validation/loss", "learning_rate", "gradient_norm"]
    assert parts.metrics()[columns].equals(directory.metrics()[columns])


def test_what_a_killed_attempt_left_after_its_checkpoint_is_dropped(tmp_path, corpus):
    """Before the first checkpoint that is all; afterwards what is later than it."""
    whole, directory = train(tmp_path / "whole", corpus)
    late = '{"step": 5, "tokens": 160, "flops": 1.0, "seconds": 9.0, "train/loss": 9.0}\n'
    parts = RunDirectory(tmp_path / "parts" / "runs" / "run")
    parts.path.mkdir(parents=True)
    (parts.path / "metrics.jsonl").write_text(late)
    train(tmp_path / "parts", corpus, stop_at=4)
    with open(parts.path / "metrics.jsonl", "a") as file:
        file.write(late)
    stopped = parts.read()
    stopped.started = "2026-01-01T00:00:00+00:00"
    parts.write(stopped)
    resumed, _ = train(tmp_path / "parts", corpus)
    assert resumed.started == stopped.started
    assert resumed.summary == whole.summary
    columns = ["step", "tokens", "train/loss", "validation/loss"]
    assert parts.metrics()[columns].equals(directory.metrics()[columns])


@pytest.fixture
def seen(monkeypatch):
    """Digests of every training and validation batch that a trial is given."""
    digests = {"training": [], "validation": []}

    def spy(step, kind):
        def recording(self, batch, index):
            digests[kind].append(blake2b(b"".join(part.numpy().tobytes() for part in batch[:2])).hexdigest())
            return step(self, batch, index)

        return recording

    monkeypatch.setattr(DecoderModule, "training_step", spy(DecoderModule.training_step, "training"))
    monkeypatch.setattr(DecoderModule, "validation_step", spy(DecoderModule.validation_step, "validation"))
    return digests


LEVELS = [
    *(("positions", name) for name in POSITIONS.names()),
    *(("norm", name) for name in NORMS.names()),
    *(("feedforward", name) for name in FEEDFORWARDS.names()),
    *(("initialization", name) for name in FACTORS["initialization"].names()),
    ("bias", True),
    ("tied_embeddings", True),
    ("norm_placement", "post"),
]


@pytest.mark.parametrize(("factor", "level"), LEVELS)
def test_every_level_trains_on_the_baselines_batches(tmp_path, corpus, seen, factor, level):
    train(tmp_path / "baseline", corpus)
    baseline = {kind: list(digests) for kind, digests in seen.items()}
    assert len(set(baseline["training"])) == STEPS
    for digests in seen.values():
        digests.clear()
    record, _ = train(tmp_path / "variant", corpus, config(**{factor: level}))
    assert record.state is State.COMPLETE, record.error
    assert seen == baseline


def test_validation_tokens_do_not_depend_on_the_seed(tmp_path, corpus, seen):
    train(tmp_path / "1", corpus, seed=1)
    first = list(seen["validation"])
    seen["validation"].clear()
    train(tmp_path / "2", corpus, seed=2)
    assert seen["validation"] == first
    assert len(set(seen["training"])) == 2 * STEPS


@pytest.mark.parametrize(
    ("norm", "state", "error"),
    [
        (NanNorm, State.DIVERGED, "training loss became nan at step 1"),
        (BrokenNorm, State.FAILED, "the norm broke"),
    ],
)
def test_what_goes_wrong_is_recorded(tmp_path, corpus, monkeypatch, norm, state, error):
    settings = config()
    module = __name__
    monkeypatch.setitem(__import__("sys").modules, module, __import__("sys").modules[module])
    settings["model"]["norm"] = {"name": f"{module}:{norm.__name__}"}
    record, directory = train(tmp_path, corpus, settings)
    assert record.state is state
    assert error in record.error
    assert directory.read() == record
    assert not directory.checkpoint.exists()


def test_memory_that_runs_out_twice_says_that_the_model_is_too_large(tmp_path, corpus):
    """Once may be the machine's fault: other processes need memory too."""
    settings = config()
    settings["model"]["norm"] = {"name": f"{__name__}:HungryNorm"}
    with pytest.raises(torch.OutOfMemoryError):
        train(tmp_path, corpus, settings)
    assert RunDirectory(tmp_path / "runs" / "run").read().state is State.RUNNING
    record, _ = train(tmp_path, corpus, settings)
    assert record.state is State.FAILED
    assert record.error.startswith("out of memory: CUDA out of memory. Use a smaller batch_size")


def test_a_component_that_is_gone_is_no_outcome_of_its_trial(tmp_path, corpus):
    settings = config()
    settings["model"]["norm"] = {"name": "no_such_module:Norm"}
    with pytest.raises(UserError, match="no_such_module"):
        train(tmp_path, corpus, settings)
    assert RunDirectory(tmp_path / "runs" / "run").read().state is State.QUEUED


def test_a_learning_rate_that_is_far_too_high_diverges_or_is_worse(tmp_path, corpus):
    sound, _ = train(tmp_path / "1", corpus)
    wild, _ = train(tmp_path / "2", corpus, rate=5.0)
    assert wild.state is State.DIVERGED or wild.summary["validation/loss"] > sound.summary["validation/loss"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trial_in_bf16_compiled(tmp_path, corpus):
    settings = config()
    options = TrainingConfig(tokens=STEPS * 2 * CONTEXT, batch_size=2, evaluations=3, evaluation_tokens=128)
    settings["training"] = options.resolve("cuda").model_dump(mode="json") | {"device": "cuda"}
    record, directory = train(tmp_path, corpus, settings)
    assert record.state is State.COMPLETE, record.error
    assert record.provenance["precision"] == "bf16"
    assert record.cost["peak_memory_bytes"] > 0
    assert "mfu" in directory.metrics().columns


def test_a_loss_in_chunks_is_the_same(tmp_path, corpus, monkeypatch):
    calls = []
    chunked = torch.nn.functional.linear_cross_entropy

    def counting(*args, **options):
        calls.append(options["options"])
        return chunked(*args, **options)

    whole, _ = train(tmp_path / "whole", corpus)
    monkeypatch.setattr("workbench.model.loss.WHOLE_BYTES", 0)
    monkeypatch.setattr(torch.nn.functional, "linear_cross_entropy", counting)
    found, _ = train(tmp_path / "chunks", corpus)
    assert found.state is State.COMPLETE, found.error
    assert len(calls) > STEPS
    assert found.summary == pytest.approx(whole.summary, rel=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_loss_in_chunks_has_the_same_gradient(monkeypatch, tied):
    decoder = Decoder(
        preset("llama", vocabulary=97, context=8, layers=1, width=16, heads=2, tied_embeddings=tied)
    )
    decoder.initialize(1)
    tokens = torch.randint(97, (3, 8), generator=generator("loss"))  # (B, T)
    found = []
    for size in (2**30, 0):
        monkeypatch.setattr("workbench.model.loss.WHOLE_BYTES", size)
        decoder.zero_grad()
        next_token_loss(decoder, tokens, tokens.flip(0)).backward()
        found.append(torch.cat([parameter.grad.flatten() for parameter in decoder.parameters()]))
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("asked", [True, "cuda_graphs"])
def test_a_compiled_trial_is_the_same(tmp_path, corpus, monkeypatch, asked):
    compile_, modes = torch.compile, []

    def traced(function, *, dynamic, mode):
        modes.append(mode)
        return compile_(function, backend="aot_eager", dynamic=dynamic)

    expected, _ = train(tmp_path / "eager", corpus)
    monkeypatch.setattr(torch, "compile", traced)
    settings = config()
    settings["training"]["compile"] = asked
    found, _ = train(tmp_path / "compiled", corpus, settings)
    assert found.state is State.COMPLETE, found.error
    assert found.summary == pytest.approx(expected.summary, rel=1e-5)
    assert modes == 2 * [None if asked is True else "reduce-overhead"]  # for training, and for validations
