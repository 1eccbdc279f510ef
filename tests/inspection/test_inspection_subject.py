import pytest
import torch
from safetensors.torch import save_file

from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.errors import UserError
from workbench.inspection.subject import open_subject
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.records.run import RunDirectory, RunRecord, State


@pytest.fixture
def text(tmp_path):
    """A folder of two texts."""
    folder = tmp_path / "text"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"alpha beta {number} gamma\n" * 40)
    return folder


def _run(tmp_path, text, tokenizer):
    corpus = prepare({"path": str(text)}, tokenizer, cache_directory())
    sizes = {"vocabulary": corpus.vocabulary, "context": 16, "width": 16, "layers": 1, "heads": 2}
    model = preset("llama", **sizes)
    data = {"corpus": {"path": str(text)}, "tokenizer": tokenizer, "fingerprint": corpus.fingerprint}
    record = RunRecord(
        run_id="aaaa00000000",
        study="s",
        variant="v",
        phase="confirm",
        seed=1,
        learning_rate=0.1,
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


def test_a_tokenizer_that_was_learned_from_another_text_is_refused(tmp_path, text):
    learned, fixed = (_run(tmp_path / name, text, t) for name, t in (("l", {"bpe": 270}), ("f", "bytes")))
    (text / "more.txt").write_text("omega psi chi phi\n" * 60)
    assert open_subject(fixed).encode("ab").tolist() == [[97, 98]]
    with pytest.raises(UserError, match=r"tokenizer was learned from .* another one now"):
        open_subject(learned).encode("ab")


def test_a_run_without_weights_says_so(tmp_path, text):
    directory = _run(tmp_path, text, "bytes")
    directory.weights.unlink()
    with pytest.raises(UserError, match="has no weights, its state is complete; choose"):
        open_subject(directory)
