"""From a model's folder to its text and back: where texts begin and end, as transformers has it."""

import json

import pytest
import torch
import transformers
from tokenizers import Tokenizer
from torch.nn import functional as F
from typer.testing import CliRunner

from tests.tiny_models import bring, save_gpt2, save_llama
from workbench.cli.main import app
from workbench.data.batches import EvaluationBatches
from workbench.errors import UserError
from workbench.records.run import RunDirectory
from workbench.trained import evaluate
from workbench.trained.evaluate import evaluate_run
from workbench.trained.export import export_run
from workbench.trained.generate import generate_text
from workbench.training.run_text import open_corpus, open_tokenizer
from workbench.training.trained_decoder import load_decoder

GREEDY = {"temperature": 0, "top_k": None, "top_p": None, "seed": 0}


def edit(folder, file, **changes):
    path = folder / f"{file}.json"
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(values | changes))


def change_tokenizer(folder, *added, without_end=False):
    """Special tokens in place of the tokenizer's last pieces, so that the model has them all."""
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text())
    vocabulary = values["model"]["vocab"]
    last = sorted(vocabulary, key=vocabulary.get)[-len(added) :] if added else []
    for piece in last:
        del vocabulary[piece]
    values["model"]["merges"] = [
        pair for pair in values["model"]["merges"] if all(one in vocabulary for one in (*pair, "".join(pair)))
    ]
    if without_end:
        values["added_tokens"] = []
        vocabulary["<|document|>"] = vocabulary.pop("<|endoftext|>")
    path.write_text(json.dumps(values))
    model = Tokenizer.from_file(str(path))
    model.add_special_tokens(list(added))
    model.save(str(path))
    return [model.token_to_id(token) for token in added]


def continuation(theirs, ids, **options):
    out = theirs.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False, pad_token_id=0, **options)
    return out[0, len(ids) :].tolist()


def test_text_begins_and_ends_where_transformers_has_it_and_again_after_an_export(tmp_path):
    """The whole way: folder, generation, export, transformers' generate and tokenizer, and back."""
    model = tmp_path / "model"
    theirs = save_llama(model)
    (first,) = change_tokenizer(model, "<s>")
    prompt = Tokenizer.from_file(str(model / "tokenizer.json")).encode("def f", add_special_tokens=False).ids
    free = continuation(theirs, [first, *prompt], eos_token_id=None)
    end = next(token for place, token in enumerate(free) if place >= 3 and token not in free[:place])
    edit(model, "generation_config", eos_token_id=[0, end])
    edit(model, "config", eos_token_id=0)
    edit(model, "tokenizer_config", bos_token="<s>", add_bos_token=True)

    run = bring(model, tmp_path / "results")
    special = open_tokenizer(run).special_tokens
    assert (special.beginning_of_text, special.adds_beginning) == (first, True)
    assert (special.ends_of_text, special.end_of_document) == ((0, end), 0)
    expected = free[: free.index(end)]
    assert expected
    shown = open_tokenizer(run).decode(prompt + expected)[len("def f") :]
    found = "".join(generate_text(run, "def f", tokens=20, **GREEDY))
    assert found.rstrip("\ufffd") == shown.rstrip("\ufffd")
    without = "".join(generate_text(run, "def f", tokens=20, bos=False, **GREEDY))
    plain = continuation(theirs, prompt, eos_token_id=[0, end])
    assert (
        open_tokenizer(run)
        .decode(prompt + [t for t in plain if t not in (0, end)])
        .startswith("def f" + without.rstrip("\ufffd"))
    )
    assert "".join(generate_text(run, "", tokens=3, **GREEDY))  # from the beginning of text alone

    export_run(run, tmp_path / "exported", layout="huggingface", dtype=None)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "exported")
    assert tokenizer("def f")["input_ids"] == [first, *prompt]
    assert continuation(again, [first, *prompt]) == [*expected, end]
    assert (again.config.bos_token_id, again.config.eos_token_id) == (first, [0, end])
    back = bring(tmp_path / "exported", tmp_path / "other")
    assert back.read().config["data"]["special_tokens"] == run.read().config["data"]["special_tokens"]


def test_loss_after_a_beginning_of_text_is_that_of_transformers_over_the_same_targets(tmp_path, text):
    model = tmp_path / "model"
    theirs = save_llama(model)
    (first,) = change_tokenizer(model, "<s>")
    edit(model, "tokenizer_config", bos_token="<s>", add_bos_token=True)
    run = bring(model, tmp_path / "results")
    found = evaluate_run(run, corpus=text, context=32, tokens=320)
    batches = list(EvaluationBatches(open_corpus(run, text), 32, 8, 320))
    assert found["tokens"] == sum(targets.numel() for _, targets, *_ in batches)
    assert found["beginning_of_text"] == first
    losses = []
    for inputs, targets, *_ in batches:
        logits = theirs(F.pad(inputs, (1, 0), value=first)).logits[:, 1:]
        losses.append(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none"))
    assert found["validation/loss"] == pytest.approx(torch.cat(losses).mean().item(), abs=1e-5)
    plain = evaluate_run(run, corpus=text, context=32, tokens=320, bos=False)
    losses = [
        F.cross_entropy(theirs(inputs).logits.flatten(0, 1), targets.flatten(), reduction="none")
        for inputs, targets, *_ in batches
    ]
    assert plain["beginning_of_text"] is None
    assert plain["validation/loss"] == pytest.approx(torch.cat(losses).mean().item(), abs=1e-5)
    assert plain["validation/loss"] != found["validation/loss"]
    whole = evaluate_run(run, corpus=text, tokens=320)
    assert whole["context"] == load_decoder(run).config.context - 1  # and the beginning


def test_a_position_table_leaves_room_for_the_beginning(tmp_path, text):
    save_gpt2(tmp_path / "model")
    edit(tmp_path / "model", "config", bos_token_id=0, eos_token_id=0)
    run = bring(tmp_path / "model", tmp_path / "results")
    assert evaluate_run(run, corpus=text, tokens=96)["context"] == 48
    assert evaluate_run(run, corpus=text, tokens=96, bos=True)["context"] == 47
    with pytest.raises(UserError, match=r"context: 48 tokens .* use --context 47, or --no-bos"):
        evaluate_run(run, corpus=text, context=48, tokens=96, bos=True)


def test_a_model_without_any_end_is_imported_and_used_as_far_as_it_can_be(tmp_path, text):
    model, out = tmp_path / "model", tmp_path / "results"
    save_gpt2(model)
    change_tokenizer(model, without_end=True)
    (model / "generation_config.json").unlink()
    run = bring(model, out)
    assert run.read().config["data"]["special_tokens"]["ends_of_text"] == []
    assert "".join(generate_text(run, "alpha", tokens=20, **GREEDY))
    with pytest.raises(UserError, match=r"\d+ to keep apart; import the model again with --eos TOKEN"):
        evaluate_run(run, corpus=text, tokens=96)
    one = tmp_path / "one.txt"
    one.write_text("def f(x):\n    return x + 1\n" * 400)
    with pytest.raises(UserError, match=r"bos: .* no token that begins a text; use --no-bos"):
        evaluate_run(run, corpus=text | {"path": str(one)}, tokens=96, bos=True)
    with pytest.raises(UserError, match=r"eos: the tokenizer has no token '<stop>'"):
        bring(model, out, name="ended", ends_of_text=["<stop>"])
    with pytest.raises(UserError, match=r"'model' is this model with .* other ends of text, already"):
        bring(model, out, ends_of_text=["<|document|>"])
    result = CliRunner().invoke(
        app,
        ["import", str(model), "--name", "ended", "--eos", "<|document|>", "--eos", "7", "--out", str(out)],
    )
    assert "Its texts end with token 0 or 7." in result.output
    ended = RunDirectory(next(p for p in (out / "imported" / "runs").iterdir() if p.name != run.run_id))
    assert evaluate_run(ended, corpus=text, tokens=96)["tokens"] == 96
    assert open_tokenizer(ended).end_of_document == 0


def test_an_import_from_before_special_tokens_were_kept_is_read_as_it_was(tmp_path, text):
    save_gpt2(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    record = run.read()
    del record.config["data"]["special_tokens"]
    run.write(record)
    assert open_tokenizer(run).special_tokens.ends_of_text == (0,)
    assert evaluate_run(run, corpus=text, tokens=96)["tokens"] == 96
    export_run(run, tmp_path / "exported", layout="huggingface", dtype=None)
    assert json.loads((tmp_path / "exported" / "config.json").read_text())["eos_token_id"] == 0


@pytest.mark.parametrize(("tokenizer", "end"), [("bytes", 256), ({"bpe": 280}, 279)], ids=["bytes", "bpe"])
def test_a_studys_own_run_exports_its_end_of_document(tokenizer, end, tmp_path):
    save_llama(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    record = run.read()
    record.config["data"] = {"corpus": "python-stdlib", "tokenizer": tokenizer, "fingerprint": "0"}
    run.write(record)
    (run.path / "tokenizer.json").unlink()
    export_run(run, tmp_path / "exported", layout="huggingface", dtype=None)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported")
    assert (again.generation_config.eos_token_id, again.config.eos_token_id) == (end, end)


def test_a_number_that_cannot_be_kept_is_given_all_the_same(tmp_path, text, monkeypatch):
    """Results on a medium that cannot be written: the evaluation is what was asked for."""
    save_llama(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")

    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(evaluate, "write_json", read_only)
    found = evaluate_run(run, corpus=text, tokens=96)
    assert found["validation/loss"] > 0
    assert "could not be kept" in found["notes"][-1]
