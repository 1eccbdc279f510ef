"""One trial on several devices: the numbers of one, and every way in which a rank may end."""

import subprocess
import sys
import time
from shutil import copytree

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.forked import Forked
from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import evaluation_text
from workbench.data.task_batches import NO_ANSWER, TaskTrainingBatches
from workbench.files import file_sha256
from workbench.model.decoder import Decoder
from workbench.model.presets import preset
from workbench.model.weights import plain_tensors
from workbench.records.execution import USUAL, Execution
from workbench.records.run import RunDirectory, RunRecord, State, error_line
from workbench.training import leader
from workbench.training.config import TrainingConfig
from workbench.training.machine_faults import RankLost, is_machine_fault
from workbench.training.module import DecoderModule
from workbench.training.pieces import Piece, pieces_of
from workbench.training.run import Watcher
from workbench.training.run_text import study_corpus
from workbench.training.starting_weights import STARTING_WEIGHTS
from workbench.training.trial import run_trial

pytestmark = pytest.mark.slow
CONTEXT = 16
STEPS = 20
TWO = Execution(devices=2, strategy="ddp")
OF_ANSWERS = {"dropout": 0.2, "vocabulary": 10, "starts": True}
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """One for all tests of this file, whose other processes find the text in it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _own_cache():
    """In place of the one that each test has elsewhere."""


@pytest.fixture(scope="module")
def text(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("text")
    for index in range(8):
        (folder / f"{index}.txt").write_text("".join(f"line {index} {number}\n" for number in range(80)))
    spec = {"path": str(folder)}
    fingerprint = prepare(spec, "bytes", cache_directory()).fingerprint
    return {"corpus": spec, "tokenizer": "bytes", "fingerprint": fingerprint}


@pytest.fixture(scope="module")
def recall(cache):
    """Sequences with as many answers as their length says: pieces of a batch have more or fewer."""
    spec = {"generated": "induction", "length": 16, "shortest": 2, "longest": 8, "vocabulary": 10}
    judged = evaluation_text(spec, 512, cache_directory())
    return {
        "corpus": spec,
        "tokenizer": {"ids": 10},
        "fingerprint": prepare(spec, {"ids": 10}, cache_directory()).fingerprint,
        "evaluation": [{"name": "task", "corpus": spec, "max_bytes": 512, "fingerprint": judged.fingerprint}],
    }


@pytest.fixture
def others(monkeypatch):
    """The processes of other ranks that are started: forked, since each would import torch for seconds."""
    made = []

    def start(*words, **options):
        made.append(Forked(*words, **options))
        return made[-1]

    monkeypatch.setattr(leader.subprocess, "Popen", start)
    return made


def require_ended(others):
    """Of several ranks, none is left."""
    assert others
    assert all(other.poll() is not None for other in others)


def run_of(folder, data, *, dropout=0.0, vocabulary=257, starts=False, **levels):
    """A directory with the record of a trial that is yet to begin; it ``starts`` from other weights."""
    model = preset(
        "llama", vocabulary=vocabulary, context=CONTEXT, layers=2, width=16, heads=2, dropout=dropout
    )
    training = TrainingConfig(
        tokens=STEPS * 8 * CONTEXT,
        batch_size=8,
        evaluations=2,
        evaluation_tokens=512,
        probes=0,
    ).resolve("cpu")
    record = RunRecord(
        run_id="run",
        study="s",
        variant="v",
        phase="confirm",
        seed=7,
        hyperparameters={"learning_rate": 0.01},
        config={
            "model": model.with_levels(**levels).to_dict(),
            "data": data,
            "training": training.model_dump(mode="json") | {"device": "cpu"},
        },
    )
    directory = RunDirectory(folder / "study" / "runs" / "run")
    if starts:
        path = folder / "study" / STARTING_WEIGHTS
        path.parent.mkdir(parents=True)
        start = Decoder(model.with_levels(**levels))
        start.initialize(99)
        save_file(plain_tensors(start), path)
        record.config["start"] = {"sha256": file_sha256(path)}
    directory.write(record)
    return directory


def train(directory, execution=USUAL, stop_at=None):
    """Train until the end, or to step ``stop_at``."""
    watcher = Watcher(should_stop=lambda: stop_at is not None and watcher.pulse.count >= stop_at)
    return run_trial(directory, lambda data: study_corpus(None, data), watcher, execution)


def equal(one, other):
    """Whether two runs have the same parameters, losses and rows, to 1e-5."""
    first, second = load_file(one.weights), load_file(other.weights)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], **CLOSE)
    ours, theirs = one.read(), other.read()
    assert ours.state is theirs.state is State.COMPLETE
    assert ours.summary == pytest.approx(theirs.summary, abs=1e-5, rel=0)
    columns = ["step", "tokens", "train/loss", "validation/loss", "gradient_norm", "learning_rate"]
    pd.testing.assert_frame_equal(
        one.metrics()[columns], other.metrics()[columns], check_exact=False, rtol=0, atol=2e-5
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory, text):
    """A trial on one device, in one piece."""
    directory = run_of(tmp_path_factory.mktemp("plain"), text)
    assert "execution" not in train(directory).provenance
    return directory


@pytest.fixture(scope="module")
def answers(tmp_path_factory, recall):
    """The same of a task whose sequences have more and fewer answers, with dropout, from given weights."""
    directory = run_of(tmp_path_factory.mktemp("answers"), recall, **OF_ANSWERS)
    train(directory)
    return directory


def test_pieces_are_all_rows_once_and_their_shares_are_of_the_targets(recall):
    corpus = study_corpus(None, recall)
    batch = TaskTrainingBatches(corpus.task, corpus.train, CONTEXT, 8, seed=1).batch(0)
    execution = Execution(devices=2, gradient_accumulation=2)
    pieces = [piece for rank in range(2) for piece in pieces_of(batch, execution, rank)]
    assert sorted(piece.first for piece in pieces) == [0, 2, 4, 6]
    for piece in pieces:
        rows = slice(piece.first, piece.first + 2)
        assert torch.equal(piece.inputs, batch[0][rows])
        assert torch.equal(piece.targets, batch[1][rows])
        assert piece.rows == 8
    shares = [float(piece.share) for piece in pieces]
    assert len(set(shares)) > 1, "pieces with equally many answers would show nothing"
    assert sum(shares) == pytest.approx(1)


def test_a_piece_without_a_target_gives_nothing_and_breaks_nothing():
    model = preset("llama", vocabulary=10, context=4, layers=1, width=8, heads=2)
    module = DecoderModule(
        model,
        TrainingConfig(tokens=8, batch_size=2),
        learning_rate=0.01,
        seed=1,
        steps=1,
        execution=Execution(gradient_accumulation=2),
    )
    nothing = torch.full((1, 4), NO_ANSWER)
    piece = Piece(torch.zeros(1, 4, dtype=torch.long), nothing, torch.tensor(0.0), first=0, rows=2)
    module.training_step(piece, 0).backward()
    assert float(module.pieces_loss) == 0
    assert all(not parameter.grad.any() for parameter in module.parameters())


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path, recall, answers):
    own = run_of(tmp_path, recall, **OF_ANSWERS)
    record = train(own, Execution(gradient_accumulation=4))
    equal(answers, own)
    assert record.provenance["execution"] == [{"gradient_accumulation": 4}]


def test_recomputed_activations_change_no_bit_with_the_same_dropout(tmp_path, recall, answers):
    own = run_of(tmp_path, recall, **OF_ANSWERS)
    train(own, Execution(activation_checkpointing=True))
    assert own.weights.read_bytes() == answers.weights.read_bytes()


def test_activations_are_recomputed():
    """A block runs twice, as often as it would not with all of its activations kept."""
    model = preset("llama", vocabulary=10, context=4, layers=1, width=8, heads=2)
    decoder = Decoder(model)
    decoder.initialize(1)
    passes = []
    decoder.blocks[0].feedforward.register_forward_pre_hook(lambda *_: passes.append(1))
    tokens = torch.zeros(1, 4, dtype=torch.long)
    decoder(tokens).sum().backward()
    assert len(passes) == 1
    decoder.checkpoint_activations()
    decoder(tokens).sum().backward()
    assert len(passes) == 3
    with torch.no_grad():
        decoder(tokens)
    assert len(passes) == 4


def test_a_part_that_draws_from_everywhere_draws_the_same_again(tmp_path, text):
    settings = {"norm": "own_parts:Drawing"}
    kept = run_of(tmp_path / "kept", text, **settings)
    again = run_of(tmp_path / "again", text, **settings)
    assert train(kept).state is State.COMPLETE
    train(again, Execution(activation_checkpointing=True))
    assert again.weights.read_bytes() == kept.weights.read_bytes()


def test_two_devices_are_one_to_rounding_whatever_their_pieces_hold(tmp_path, recall, answers):
    """Sequences with unequal numbers of answers, in two turns, with dropout and recomputed activations.

    The other rank is started as it is for a user.
    """
    own = run_of(tmp_path, recall, **OF_ANSWERS)
    ways = {"gradient_accumulation": 2, "activation_checkpointing": True}
    record = train(own, TWO.model_copy(update=ways))
    equal(answers, own)
    assert record.provenance["execution"] == [{"devices": 2, "strategy": "ddp", **ways}]
    ours, theirs = record.answers["task"], answers.read().answers["task"]
    assert ours["along"]["answers"] == theirs["along"]["answers"]


def test_what_two_devices_began_one_goes_on_with(tmp_path, text, plain, others):
    own = run_of(tmp_path, text)
    stopped = train(own, TWO, stop_at=7)
    assert stopped.state is State.RUNNING
    require_ended(others)
    assert torch.load(own.checkpoint, weights_only=True)["global_step"] == 7
    record = train(own)
    equal(plain, own)
    assert record.provenance["execution"] == [TWO.to_dict(), {}]


def test_a_decoder_in_parts_trains_as_a_whole_and_goes_on_as_one(tmp_path, recall, answers, others):
    """FSDP, which needs no GPU but to be worth it: from one device's checkpoint, and to one."""
    own = run_of(tmp_path / "own", recall, **OF_ANSWERS)
    assert train(own, stop_at=7).state is State.RUNNING
    ways = {"gradient_accumulation": 2, "activation_checkpointing": True}
    parts = Execution(devices=2, strategy="fsdp").model_copy(update=ways)
    halfway = RunDirectory(tmp_path / "halfway" / "study" / "runs" / "run")

    def stop():
        if started(own) == 10 and not halfway.exists():
            copytree(own.path, halfway.path)
        return False

    watcher = Watcher(should_stop=stop)
    run_trial(own, lambda data: study_corpus(None, data), watcher, parts)
    equal(answers, own)
    assert started(halfway) == 10
    train(halfway)
    equal(answers, halfway)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_gpus_in_bf16_compiled(tmp_path, text, strategy):
    found = []
    for name, execution in (("one", USUAL), ("two", Execution(devices=2, strategy=strategy))):
        own = run_of(tmp_path / name, text)
        record = own.read()
        options = TrainingConfig.model_validate(
            {key: value for key, value in record.config["training"].items() if key != "device"}
            | {"precision": "auto", "compile": "auto"}
        )
        record.config["training"] = options.resolve("cuda").model_dump(mode="json") | {"device": "cuda"}
        own.write(record)
        found.append(train(own, execution))
        assert found[-1].state is State.COMPLETE, found[-1].error
    one, two = (record.summary["validation/loss"] for record in found)
    assert two == pytest.approx(one, abs=0.02)


def test_pieces_may_change_on_the_way(tmp_path, text, plain):
    own = run_of(tmp_path, text)
    for pieces, stop in ((4, 3 * 4), (1, 10), (2, 2 * 12)):
        train(own, Execution(gradient_accumulation=pieces), stop_at=stop - started(own) * pieces)
    train(own)
    equal(plain, own)


def started(directory):
    """The step that a run goes on from."""
    if not directory.checkpoint.exists():
        return 0
    return torch.load(directory.checkpoint, weights_only=True)["global_step"]


def test_the_error_of_another_rank_is_the_outcome(tmp_path, text, others):
    own = run_of(tmp_path, text, norm="faulty_parts:OtherRankNorm")
    began = time.monotonic()
    record = train(own, TWO)
    assert record.state is State.FAILED
    assert record.error.startswith("rank 1:\nTraceback")
    assert "faulty_parts.py" in record.error
    assert error_line(record.error) == "RuntimeError: the norm broke on another rank"
    assert time.monotonic() - began < 120
    require_ended(others)


def test_a_rank_that_is_killed_is_a_fault_and_the_trial_goes_on(tmp_path, text, plain, others):
    """It began on one device, goes on on two that compute it in pieces, and ends on one."""
    own = run_of(tmp_path, text)
    assert train(own, stop_at=7).state is State.RUNNING
    killed = []

    def stop():
        if started(own) == 10 and watcher.pulse.count > 8 and not killed:
            (other,) = others
            other.kill()
            killed.append(time.monotonic())
        return False

    watcher = Watcher(should_stop=stop)
    execution = TWO.model_copy(update={"gradient_accumulation": 2})
    with pytest.raises(RankLost, match="rank 1 ended with status -9") as raised:
        run_trial(own, lambda data: study_corpus(None, data), watcher, execution)
    assert time.monotonic() - killed[0] < 30
    assert is_machine_fault(raised.value)
    require_ended(others)
    assert own.read().state is State.RUNNING
    assert started(own) == 10
    record = train(own)
    equal(plain, own)
    assert record.provenance["execution"] == [{}, execution.to_dict()]


def test_the_other_ranks_end_with_the_first():
    other = Forked([sys.executable, "-m", "workbench.training.follower"], stdin=subprocess.PIPE)
    other.stdin.write(b'{"reports": 2, "run": "nowhere", "attempt": null}\n')
    other.stdin.close()
    assert other.wait(timeout=120) == 1
