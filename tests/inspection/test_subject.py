import shutil

import pytest
import torch
from safetensors.torch import save_file

from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.errors import UserError
from workbench.inspection.subject import Subject, open_subject
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.training.run_text import keep_tokenizer
from workbench.training.trained_decoder import load_decoder


@pytest.fixture
def text(tmp_path):
    """A folder of two texts."""
    folder = tmp_path / "text"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"alpha beta {number} gamma\n" * 40)
    return folder


def _run(tmp_path, text, tokenizer, *, kept=True):
    corpus = prepare({"path": str(text)}, tokenizer, cache_directory())
    if kept:
        keep_tokenizer(corpus.tokenizer, tmp_path / "s")
        tokenizer = corpus.tokenizer.spec
    sizes = {"vocabulary": corpus.vocabulary, "context": 16, "width": 16, "layers": 1, "heads": 2}
    model = preset("llama", **sizes)
    data = {"corpus": {"path": str(text)}, "tokenizer": tokenizer, "fingerprint": corpus.fingerprint}
    record = RunRecord(
        run_id="aaaa00000000",
        study="s",
        variant="v",
        phase="confirm",
        seed=1,
        hyperparameters={"learning_rate": 0.1},
        config={"model": model.to_dict(), "data": data, "training": {}},
        state=State.COMPLETE,
    )
    directory = RunDirectory(tmp_path / "s" / "runs" / record.run_id)
    directory.write(record)
    decoder = Decoder(model)
    decoder.initialize(1)
    save_file(plain_tensors(decoder), directory.weights)
    return directory


def test_white_space_and_control_characters_are_made_visible(tmp_path, text):
    subject = open_subject(_run(tmp_path, text, "bytes"))
    ids = torch.tensor(list(b"a \n\t\x00$"))
    assert subject.pieces(ids) == ["a", "␣", "⏎", "⇥", "\\x00", "$"]
    with pytest.raises(UserError, match="text: it has no tokens"):
        subject.encode("")


def test_both_kernels_agree_and_the_error_is_known(tmp_path, text):
    assert 0 <= open_subject(_run(tmp_path, text, "bytes")).kernel_error < 1e-4


def test_text_is_read_in_the_tokens_that_the_run_learned(tmp_path, text):
    directory = _run(tmp_path, text, {"bpe": 270})
    before = open_subject(directory).encode("alpha beta").tolist()
    (text / "more.txt").write_text("omega psi chi phi\n" * 60)
    subject = Subject(directory, directory.read(), load_decoder(directory))
    assert subject.encode("alpha beta").tolist() == before
    assert subject.corpus.fingerprint != subject.record.config["data"]["fingerprint"]
    assert subject.corpus.tokenizer.spec == subject.tokenizer.spec
    shutil.rmtree(text)
    again = Subject(directory, directory.read(), load_decoder(directory))
    assert again.encode("alpha beta").tolist() == before


def test_an_early_record_is_refused_when_its_text_changed(tmp_path, text):
    learned = _run(tmp_path / "l", text, {"bpe": 270}, kept=False)
    fixed = _run(tmp_path / "f", text, "bytes")
    assert open_subject(learned).encode("ab").shape[0] == 1
    (text / "more.txt").write_text("omega psi chi phi\n" * 60)
    assert open_subject(fixed).encode("ab").tolist() == [[97, 98]]
    subject = Subject(learned, learned.read(), load_decoder(learned))
    with pytest.raises(
        UserError, match=r"run aaaa00000000 of s: its tokenizer was not kept, .* another one now"
    ):
        subject.encode("ab")


def test_a_text_of_tokens_beyond_the_model_is_refused(tmp_path, text):
    subject = open_subject(_run(tmp_path, text, "bytes"))
    small = Subject(
        subject.directory,
        subject.record,
        Decoder(preset("llama", vocabulary=100, context=16, width=16, layers=1, heads=2)),
    )
    assert small.encode("AB").tolist() == [[65, 66]]
    with pytest.raises(
        UserError, match=r"text: the text has tokens that the model does not know, 'n' \(110\)"
    ):
        small.encode("An")


def test_a_run_without_weights_says_so(tmp_path, text):
    directory = _run(tmp_path, text, "bytes")
    directory.weights.unlink()
    with pytest.raises(UserError, match="has no weights, its state is complete; choose"):
        open_subject(directory)
