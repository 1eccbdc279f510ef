"""A model from elsewhere becomes a run: imported, found, evaluated, continued, exported."""

import json
import math
import os
import shlex
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.tiny_models import bring, save_gpt2, save_llama
from workbench.cli.main import app
from workbench.data.batches import EvaluationBatches
from workbench.errors import UserError
from workbench.records.find import find_run
from workbench.records.index import load_study
from workbench.records.weights_at_hand import weights_digest
from workbench.study.schema import parse_study
from workbench.study.start_from_run import open_start
from workbench.trained import imports
from workbench.trained.evaluate import EVALUATIONS, evaluate_run
from workbench.trained.export import export_run
from workbench.trained.generate import generate_text
from workbench.training.run_text import open_corpus, open_tokenizer
from workbench.training.trained_decoder import load_decoder

STARTED = {
    "name": "s",
    "question": "what does it cost?",
    "start": "imported/model",
    "margin": 0.1,
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "training": {"tokens": 1000, "batch_size": 2},
    "learning_rates": [0.001],
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


def command(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.mark.parametrize("save", [save_llama, save_gpt2])
def test_an_imported_model_says_what_it_said_before(tmp_path, save):
    theirs = save(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    tokens = torch.randint(theirs.config.vocab_size, (2, 40))
    torch.testing.assert_close(load_decoder(run)(tokens), theirs(tokens).logits, atol=1e-4, rtol=1e-4)


def test_an_import_is_a_run_of_a_study_that_can_be_listed(tmp_path):
    save_llama(tmp_path / "llama"), save_gpt2(tmp_path / "gpt")
    first, second = (bring(tmp_path / name, tmp_path / "results") for name in ("llama", "gpt"))
    records = load_study(tmp_path / "results" / "imported")
    assert set(records.runs["run_id"]) == {first.run_id, second.run_id}
    assert records.problems == []
    assert list(records.runs["state"]) == ["complete", "complete"]
    assert set(records.manifest.names) == {"llama", "gpt"}
    assert "imported" in command("status", "--out", tmp_path / "results")


def test_the_same_model_twice_is_one_run_and_a_name_means_one_model(tmp_path):
    save_llama(tmp_path / "a"), save_llama(tmp_path / "b", seed=1)
    out = tmp_path / "results"
    first = bring(tmp_path / "a", out)
    assert bring(tmp_path / "a", out).run_id == first.run_id
    with pytest.raises(UserError, match="name: 'a' is another model already"):
        bring(tmp_path / "b", out, name="a")
    with pytest.raises(UserError, match="name: this model is imported already as 'a'"):
        bring(tmp_path / "a", out, name="c")
    assert len(load_study(out / "imported").runs) == 1
    assert [path.name for path in (out / "imported" / "runs").iterdir()] == [first.run_id]


def test_a_broken_model_leaves_nothing_behind(tmp_path):
    save_llama(tmp_path / "model")
    out = tmp_path / "results"
    bring(tmp_path / "model", out)
    shutil.copytree(tmp_path / "model", tmp_path / "broken")
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        bring(tmp_path / "broken", out)
    assert len(list((out / "imported" / "runs").iterdir())) == 1


def test_a_model_without_tokenizer_can_be_given_one(tmp_path, text):
    save_llama(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    out = tmp_path / "results"
    run = bring(tmp_path / "model", out)
    with pytest.raises(UserError, match=r"came without a tokenizer; import it again with --tokenizer"):
        evaluate_run(run, corpus=text)
    shutil.rmtree(out)
    run = bring(tmp_path / "model", out, tokenizer=tmp_path / "tokenizer.json")
    assert evaluate_run(run, corpus=text)["tokens"] > 0


@pytest.mark.parametrize("save", [save_llama, save_gpt2])
def test_evaluation_is_the_loss_that_transformers_gives(tmp_path, text, save):
    theirs = save(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    found = evaluate_run(run, corpus=text, context=32, tokens=320)
    corpus = open_corpus(run, text)
    batches = EvaluationBatches(corpus, 32, 8, 320)
    losses = [theirs(inputs).logits.log_softmax(-1).gather(-1, t[..., None]) for inputs, t, *_ in batches]
    expected = -torch.cat(losses).mean()
    assert found["validation/loss"] == pytest.approx(expected.item(), abs=1e-5)
    kept = json.loads((run.path / EVALUATIONS).read_text())
    assert kept[-1]["validation/loss"] == found["validation/loss"]
    assert run.read().summary == {}  # which only its default corpus and context make


def test_a_loss_above_a_uniform_guess_asks_for_the_tokenizer(tmp_path, text):
    model = save_llama(tmp_path / "model")
    with torch.no_grad():
        model.lm_head.weight.mul_(200)
    model.save_pretrained(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    found = evaluate_run(run, corpus=text, context=32, tokens=320)
    assert found["validation/loss"] > 6
    assert found["uniform_loss"] == pytest.approx(math.log(289))
    (note,) = found["notes"]
    assert "where a uniform guess loses 5.6664 over its 289 tokens: is its tokenizer the one" in note


def test_an_evaluation_leaves_what_is_published_as_it_is(tmp_path, text):
    save_llama(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results" / "published")
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    assert evaluate_run(run, corpus=text, context=32, tokens=320)["tokens"] > 0
    assert {path: path.read_bytes() for path in run.path.iterdir()} == before


def test_bits_per_byte_count_the_bytes_of_the_text(tmp_path, text):
    save_llama(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    corpus = open_corpus(run, text)
    tokens = corpus.validation[:200]
    decoded = corpus.tokenizer.decode(tokens)
    assert int(corpus.byte_lengths[tokens].sum()) == len(decoded.encode())


def test_a_path_in_results_may_move(tmp_path, text):
    save_llama(tmp_path / "model")
    bring(tmp_path / "model", tmp_path / "results")
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    run = find_run(tmp_path / "elsewhere", "imported/model")
    assert evaluate_run(run, corpus=text)["tokens"] > 0


def test_generation_repeats_under_its_seed(tmp_path):
    save_llama(tmp_path / "model")
    out = tmp_path / "results"
    bring(tmp_path / "model", out)
    call = ("generate", "imported/model", "def f", "--tokens", 12, "--out", out)
    first = command(*call)
    assert first.startswith("def f")
    assert first == command(*call)
    assert first != command(*call, "--seed", 5)


def test_greedy_generation_is_that_of_transformers(tmp_path):
    theirs = save_gpt2(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    options = {"tokens": 20, "temperature": 0, "top_k": None, "top_p": None, "seed": 0}
    found = "".join(generate_text(run, "alpha", **options))
    tokenizer = open_tokenizer(run)
    start = torch.as_tensor(tokenizer.encode("alpha").astype("int64"))[None]
    ids = theirs.generate(start, max_new_tokens=20, do_sample=False, pad_token_id=0)[
        0, start.shape[1] :
    ].tolist()
    end = tokenizer.end_of_document
    ids = ids[: ids.index(end)] if end in ids else ids
    assert tokenizer.decode(ids).rstrip("\ufffd") == found.rstrip("\ufffd")


@pytest.mark.parametrize(
    ("save", "note"),
    [(save_gpt2, "goes on from the last 48"), (save_llama, "goes on from all that it has seen")],
)
def test_a_text_may_grow_beyond_the_context_and_says_so_once(tmp_path, save, note):
    save(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    options = {"temperature": 1.0, "top_k": None, "top_p": None, "seed": 0}
    said = []
    next(generate_text(run, "alpha", tokens=9, note=said.append, **options))
    assert said == []
    pieces = generate_text(run, "alpha", tokens=90, note=said.append, **options)
    next(pieces)
    assert len(said) == 1
    assert note in said[0]
    list(pieces)
    assert len(said) == 1


def test_a_model_without_a_tokenizer_says_what_can_be_done(tmp_path, capsys):
    save_llama(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    out = tmp_path / "results"
    described = imports.describe_import(bring(tmp_path / "model", out))
    assert "evaluate" not in described
    again, export = described.rpartition("Next: workbench ")[2].split(" · workbench ")
    arguments = shlex.split(again.replace("tokenizer.json", str(tmp_path / "tokenizer.json")))
    assert "workbench evaluate imported/model-with-tokenizer" in command(*arguments, "--out", out)
    command(*shlex.split(export.replace("FOLDER", str(tmp_path / "exported"))), "--out", out)
    assert (tmp_path / "exported" / "config.json").exists()


@pytest.mark.parametrize("end", ["1" * 5000, "\ud800", "\u0663", "9" * 12], ids=range(4))
def test_an_end_of_text_that_is_no_token_is_refused(tmp_path, end):
    save_llama(tmp_path / "model")
    with pytest.raises(UserError, match="eos: the tokenizer has no token"):
        bring(tmp_path / "model", tmp_path / "results", ends_of_text=[end])


def test_names_of_tokens_that_no_vocabulary_can_have_are_passed_over(tmp_path):
    save_llama(tmp_path / "model")
    named = {"eos_token": {"content": "\ud800"}, "bos_token": "\udfff"}
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps(named))
    config = tmp_path / "model" / "config.json"
    config.write_text("\ufeff" + config.read_text(), encoding="utf-8")  # as some editors save it
    special = bring(tmp_path / "model", tmp_path / "results").read().config["data"]["special_tokens"]
    assert special["ends_of_text"] == [2]  # what config.json says


def test_a_folder_whose_path_is_not_utf8_is_refused_by_name(tmp_path):
    folder = tmp_path / os.fsdecode(b"mod\xe9l")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    with pytest.raises(UserError, match=r"mod\\xe9l: the path is not UTF-8"):
        bring(folder, tmp_path / "results", name="model")


@pytest.mark.parametrize(("save", "kind"), [(save_llama, "LlamaForCausalLM"), (save_gpt2, "GPT2LMHeadModel")])
def test_an_export_is_the_model_that_came(tmp_path, save, kind):
    theirs = save(tmp_path / "model")
    out = tmp_path / "results"
    bring(tmp_path / "model", out)
    command("export", "imported/model", tmp_path / "exported", "--out", out)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported").eval()
    assert type(again).__name__ == kind
    tokens = torch.randint(theirs.config.vocab_size, (1, 30))
    assert torch.equal(again(tokens).logits, theirs(tokens).logits)
    assert (tmp_path / "exported" / "tokenizer.json").exists()


def test_a_half_precision_model_stays_one(tmp_path):
    model = save_llama(tmp_path / "model").bfloat16()
    model.save_pretrained(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    assert run.read().provenance["dtype"] == "bfloat16"
    export_run(run, tmp_path / "exported", layout="huggingface", dtype=None)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported", dtype="auto")
    assert again.dtype == torch.bfloat16
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_a_run_whose_weights_are_no_numbers_is_neither_used_nor_started_from(tmp_path):
    save_llama(tmp_path / "model")
    run = bring(tmp_path / "model", tmp_path / "results")
    tensors = load_file(run.weights)
    tensors["blocks.1.attention.key.weight"][0, :3] = float("nan")
    save_file(tensors, run.weights)
    record = run.read()
    record.config["weights"] = weights_digest(run)  # as an early version imported such a model
    run.write(record)
    with pytest.raises(
        UserError, match=r"blocks.1.attention.key.weight: 3 of 512 values are NaN or infinite"
    ):
        load_decoder(run)
    study = parse_study(STARTED, "s.yaml")
    with pytest.raises(UserError, match=r"s: start: .*key.weight: 3 of 512 values .* start from another run"):
        open_start(study, tmp_path / "results")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "imported/modle"), "did you mean 'model'"),
        (("evaluate", "abcd1234"), "run: there is no run 'abcd1234'"),
        (("report", "imported"), "nothing is compared"),
        (("export", "imported/model", "x", "--dtype", "int8"), "dtype: unknown 'int8'"),
        (("import", "nowhere"), "is not a folder"),
        (("generate", "imported/model", ""), "prompt: it has no tokens"),
        (("generate", "imported/model", "caf\udce9"), "prompt: 'caf\\xe9' is not UTF-8"),
        (("generate", "imported/model", "a", "--temperature", "nan"), "temperature: nan"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    save_gpt2(tmp_path / "model")
    bring(tmp_path / "model", tmp_path / "results")
    with pytest.raises(UserError) as error:
        command(*arguments, "--out", tmp_path / "results")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
