"""A study's tokenizer is a file of its own: whatever reads a run reads that, wherever its text has gone."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml
from tokenizers import Tokenizer

from tests.in_process import inside, workbench
from tests.study.studies import make_study
from tests.tiny_models import save_llama, save_tokenizer
from workbench.data.batches import TokenizedCorpus
from workbench.data.tokenizers import ByteTokenizer
from workbench.errors import UserError
from workbench.files import read_json, read_yaml, write_json
from workbench.records.find import find_run
from workbench.records.index import load_study
from workbench.records.manifest import read_manifest
from workbench.records.run import RunRecord, write_record
from workbench.study.plan import Plan, freeze
from workbench.study.schema import load_study_file
from workbench.trained.evaluate import EVALUATIONS
from workbench.training.run_text import open_corpus

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
SIZE = 270
QUICK = {
    "training": {"tokens": 1280, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 512, "probes": 0},
    "seeds": {"tune": 0, "confirm": 1},
    "learning_rates": [0.01],
}
RUN = "tiny/baseline/2001"
TOKENS = 12


def _study(folder, **data):
    return make_study(folder, **QUICK, data={"corpus": {"path": "text"}, "tokenizer": {"bpe": SIZE}} | data)


def _done(folder, *arguments):
    answer = workbench(folder, *arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer


def _refused(folder, *arguments):
    answer = workbench(folder, *arguments)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    return answer.stderr


def _evaluated(folder, *arguments):
    answer = _done(folder, "evaluate", RUN, "--json", *arguments)
    return json.loads(answer.stdout) | {"told": answer.stderr}


def _generated(folder, run=RUN):
    return _done(folder, "generate", run, "alpha gamma", "--tokens", str(TOKENS)).stdout


def _files(folder, study="tiny"):
    return sorted((folder / "results" / study).glob("tokenizer-*.json"))


def _change_text(folder):
    for path in (folder / "text").iterdir():
        path.write_text(path.read_text().replace("alpha beta", "upsilon omicron"))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    _study(folder)
    _done(folder, "run", "tiny.yaml")
    return folder


@pytest.fixture
def folder(learned, tmp_path):
    """A copy of the finished study, to harm."""
    shutil.copytree(learned, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.slow
def test_the_tokenizer_lies_beside_the_manifest_and_is_in_what_a_run_is_known_by(learned):
    [path] = _files(learned)
    digest = sha256(path.read_bytes()).hexdigest()
    assert path.name == f"tokenizer-{digest[:12]}.json"
    spec = {"bpe": SIZE, "sha256": digest}
    assert read_yaml(learned / "results/tiny/study.yaml")["data"]["tokenizer"] == spec
    runs = load_study(learned / "results/tiny").runs
    assert all(config["data"]["tokenizer"] == spec for config in runs["config"])
    assert Tokenizer.from_file(str(path)).get_vocab_size() == SIZE


@pytest.mark.slow
def test_another_text_is_read_in_the_runs_own_tokens(folder):
    own = _evaluated(folder)
    assert own["validation/loss"] == find_run(folder / "results", RUN).read().summary["validation/loss"]
    assert (own["text_changed"], own["notes"], own["told"]) == (False, [], "")
    lines = [path.read_text() for path in sorted((folder / "text").iterdir())]
    (folder / "other.txt").write_text("\n".join(reversed(lines)))
    other = _evaluated(folder, "--corpus", "other.txt")
    assert other["validation/loss"] == pytest.approx(own["validation/loss"], abs=0.1)
    assert other["text_changed"] is False
    with inside(folder):
        text = open_corpus(find_run(folder / "results", RUN), {"path": "other.txt"})
    assert text.tokenizer.content == _files(folder)[0].read_bytes()


@pytest.mark.slow
def test_generation_needs_the_study_alone(folder):
    before = _generated(folder)
    shutil.rmtree(folder / "text")
    shutil.rmtree(folder / "cache")
    (folder / "results").rename(folder / "moved")
    (folder / "elsewhere").mkdir()
    (folder / "moved").rename(folder / "elsewhere" / "results")
    assert _generated(folder / "elsewhere") == before


@pytest.mark.slow
def test_a_text_that_changed_is_told_and_nothing_is_learned_anew(folder):
    before, run = _generated(folder), find_run(folder / "results", RUN)
    [path] = _files(folder)
    _change_text(folder)
    found = _evaluated(folder)
    assert found["text_changed"] is True
    assert "note: data.corpus: the text is another one" in found["told"]
    kept = json.loads((run.path / EVALUATIONS).read_text())
    assert (kept[-1]["text_changed"], kept[-1]["notes"]) == (True, found["notes"])
    answer = _done(folder, "run", "tiny.yaml")
    assert "the text changed since tiny was last run" in answer.stdout
    assert _files(folder) == [path]
    records = load_study(folder / "results/tiny")
    assert records.superseded == 2
    assert set(records.runs["state"]) == {"complete"}
    assert records.manifest.data["tokenizer"] == {
        "bpe": SIZE,
        "sha256": sha256(path.read_bytes()).hexdigest(),
    }
    assert records.manifest.amendments[-1].keys == ["variants", "data"]
    assert _generated(folder, run.run_id) == before
    assert "the text changed" not in _done(folder, "check", "tiny.yaml").stderr


@pytest.mark.slow
def test_another_size_or_corpus_is_learned_anew_and_each_run_keeps_its_own(folder):
    first = find_run(folder / "results", RUN).run_id
    before = _generated(folder, first)
    (folder / "other").mkdir()
    for number in range(12):
        (folder / "other" / f"{number}.txt").write_text(f"sigma tau {number} rho\n" * 60)
    _study(folder, corpus={"path": "other"})
    _done(folder, "run", "tiny.yaml")
    assert len(_files(folder)) == 2
    assert _generated(folder, first) == before
    _study(folder, tokenizer={"bpe": SIZE - 2})
    _done(folder, "run", "tiny.yaml")
    assert len(_files(folder)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("{")], ids=["missing", "damaged"])
def test_a_damaged_file_is_remade_from_its_text_or_named(folder, harm):
    [path] = _files(folder)
    content, before = path.read_bytes(), _generated(folder)
    harm(path)
    assert _generated(folder) == before
    assert path.read_bytes() == content
    harm(path)
    _done(folder, "run", "tiny.yaml")
    assert path.read_bytes() == content
    harm(path)
    _change_text(folder)
    for arguments in (
        ["generate", RUN, "alpha"],
        ["evaluate", RUN],
        ["run", "tiny.yaml"],
        ["check", "tiny.yaml"],
    ):
        message = _refused(folder, *arguments)
        assert f"data.tokenizer: results/tiny/{path.name} is" in message
        assert "put it back" in message
        assert len(message.splitlines()) == 1


@pytest.mark.slow
def test_a_start_takes_the_runs_tokenizer_along(folder):
    values = yaml.safe_load((folder / "tiny.yaml").read_text())
    kept = {key: value for key, value in values.items() if key not in ("baseline", "size", "context", "data")}
    _change_text(folder)
    data = {"corpus": {"path": "text"}, "tokenizer": {"bpe": SIZE}}
    (folder / "second.yaml").write_text(yaml.safe_dump(kept | {"start": RUN, "data": data}))
    _done(folder, "run", "second.yaml")
    [first], [second] = _files(folder), _files(folder, "second")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    first.unlink()
    assert _done(folder, "evaluate", "second/baseline/2001", "--json")
    (folder / "second.yaml").write_text(
        yaml.safe_dump(kept | {"start": "second/baseline/2001", "data": {"tokenizer": {"bpe": SIZE + 1}}})
    )
    assert "data.tokenizer: the study starts from run" in _refused(folder, "check", "second.yaml")


@pytest.mark.slow
def test_the_published_copy_and_the_exported_model_have_it(folder):
    before = _generated(folder)
    loss = _evaluated(folder)["validation/loss"]
    _done(folder, "publish", "tiny")
    _done(folder, "export", RUN, "exported")
    [path] = _files(folder)
    copy = folder / "results/published/tiny" / path.name
    assert copy.read_bytes() == path.read_bytes() == (folder / "exported/tokenizer.json").read_bytes()
    path.unlink()
    _done(folder, "import", "exported", "--name", "again")
    found = _done(
        folder, "evaluate", "imported/again", "--corpus", "text", "--context", "16", "--tokens", "512",
        "--batch-size", "4", "--json",
    )  # fmt: skip
    assert json.loads(found.stdout)["validation/loss"] == pytest.approx(loss, abs=1e-5)
    shutil.rmtree(folder / "results/tiny")
    shutil.rmtree(folder / "text")
    assert _generated(folder, "published/tiny/baseline/2001") == before


@pytest.mark.slow
def test_an_early_record_is_read_as_long_as_its_text_is_the_same(folder):
    before = _generated(folder)
    run = find_run(folder / "results", RUN)
    values = read_json(run.path / "run.json")
    values["config"]["data"]["tokenizer"] = {"bpe": SIZE}
    write_json(run.path / "run.json", values)
    _files(folder)[0].unlink()
    assert _generated(folder, run.run_id) == before
    _done(folder, "export", run.run_id, "exported")
    assert not (folder / "exported/tokenizer.json").exists()
    _change_text(folder)
    message = _refused(folder, "evaluate", run.run_id)
    assert f"run {run.run_id} of tiny: its tokenizer was not kept" in message
    assert "text is another one now; put the text back as it was, or run the study again" in message
    shutil.rmtree(folder / "text")
    assert "which cannot be had" in _refused(folder, "generate", run.run_id, "alpha")


@pytest.mark.slow
def test_a_given_file_is_kept_and_its_place_is_forgotten(tmp_path):
    save_tokenizer(tmp_path / "given")
    given = tmp_path / "given/tokenizer.json"
    content = given.read_bytes()
    _study(tmp_path, tokenizer={"file": str(given)})
    _done(tmp_path, "run", "tiny.yaml")
    [path] = _files(tmp_path)
    assert path.read_bytes() == content
    run = find_run(tmp_path / "results", RUN)
    spec = {"file": path.name, "sha256": sha256(content).hexdigest()}
    assert run.read().config["data"]["tokenizer"] == spec
    shutil.rmtree(tmp_path / "given")
    assert _evaluated(tmp_path)["validation/loss"] == run.read().summary["validation/loss"]
    _done(tmp_path, "export", RUN, "exported")
    assert (tmp_path / "exported/tokenizer.json").read_bytes() == content
    path.write_bytes(content + b" ")
    assert f"{path.name} is damaged" in _refused(tmp_path, "generate", RUN, "alpha")


@pytest.mark.slow
def test_a_tokenizer_may_know_more_than_the_model(tmp_path):
    save_llama(tmp_path / "model")
    given = tmp_path / "model/tokenizer.json"
    model = Tokenizer.from_file(str(given))
    model.add_tokens(["omega"])
    model.add_special_tokens(["<pre>"])
    model.save(str(given))
    _study(tmp_path)
    _done(tmp_path, "import", "model")
    options = ["imported/model", "--corpus", "text", "--context", "16", "--tokens", "256"]
    _done(tmp_path, "evaluate", *options)
    _done(tmp_path, "generate", "imported/model", "alpha <pre>", "--tokens", "3")
    values = {"question": "?", "start": "imported/model", "context": 16, "margin": 0.1} | QUICK
    values |= {"factors": {"norm": ["rmsnorm", "layernorm"]}, "data": {"corpus": {"path": "text"}}}
    (tmp_path / "second.yaml").write_text(yaml.safe_dump(values))
    _done(tmp_path, "run", "second.yaml")
    for path in (tmp_path / "text").iterdir():
        path.write_text(path.read_text().replace("delta", "omega"))
    for arguments in (
        ["evaluate", *options],
        ["generate", "imported/model", "omega"],
        ["check", "second.yaml"],
    ):
        message = _refused(tmp_path, *arguments)
        assert "tokens that the model does not know, 'omega' (289); its ids end at 288" in message


@pytest.mark.slow
def test_what_a_tokenizer_cannot_spell_is_told(tmp_path):
    letters = sorted(set("alpha beta gamma"))
    vocabulary = {token: index for index, token in enumerate(["<unk>", "</s>", *letters])}
    given = {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "<unk>"}
    (tmp_path / "letters.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": given}))
    _study(tmp_path, tokenizer={"file": "letters.json"})
    answer = json.loads(_done(tmp_path, "check", "tiny.yaml", "--json").stdout)
    [warning] = [text for text in answer["warnings"] if text.startswith("data.tokenizer: cannot spell")]
    text = "".join(path.read_text() for path in (tmp_path / "text").iterdir())
    share = sum(text.count(letter) for letter in "d\n") / len(text)
    assert f"{100 * share:.2g} % of the text's bytes" in warning
    assert answer["data"]["unspelled_share"] == pytest.approx(share, rel=0.01)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("quickstart", []),
        ("positions", ["training.tokens=400_000"]),
        ("optimizers", ["seeds={pilot: 3, tune: 2, confirm: 8}"]),
    ],
)
def test_studies_of_bytes_are_known_by_what_they_were(name, overrides, tmp_path):
    """Run again in their folders, with the pilot that one of them had, they are no other studies."""
    manifest = read_yaml(PUBLISHED / name / "study.yaml")
    shutil.copy(PUBLISHED / name / "study.yaml", tmp_path)
    shutil.copytree(PUBLISHED / name / "runs", tmp_path / "runs", ignore=_all_but_records)
    tokens = np.zeros(2_000_000, dtype=np.uint16)
    corpus = TokenizedCorpus(tokens, tokens, tokenizer=ByteTokenizer(), meta=manifest["data"])
    study = load_study_file(PUBLISHED.parents[1] / "ablations" / f"{name}.yaml", overrides)
    assert freeze(Plan.build(study, corpus, "cpu").manifest(""), tmp_path) == []
    found = read_manifest(tmp_path)
    assert found.hash == manifest["hash"]
    hashes = [variant.config_hash for variant in found.variants]
    assert hashes == [variant["config_hash"] for variant in manifest["variants"]]


def _all_but_records(folder, names):
    return [name for name in names if Path(folder).name != "runs" and name != "run.json"]


def test_a_relative_corpus_is_found_from_another_directory(tmp_path, monkeypatch):
    """A study file names its text from where the study is run; its runs are opened from anywhere."""
    (tmp_path / "home" / "text").mkdir(parents=True)
    for index in range(4):
        (tmp_path / "home" / "text" / f"{index}.txt").write_text(f"text number {index}\n" * 20)
    record = RunRecord(
        run_id="abc",
        study="s",
        variant="v",
        phase="confirm",
        seed=1,
        hyperparameters={"learning_rate": 0.1},
        config={"data": {"corpus": {"path": "text"}, "tokenizer": "bytes", "fingerprint": None}},
        provenance={"directory": str(tmp_path / "home")},
    )
    run = write_record(tmp_path / "results" / "s", record)
    monkeypatch.chdir(tmp_path)
    assert open_corpus(run).describe()["train_documents"] >= 1
    record.provenance = {}
    run.write(record)
    with pytest.raises(UserError, match="no file or folder 'text'"):
        open_corpus(run)
