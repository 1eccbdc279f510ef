"""From a study file to its plan: the file read, its text tokenised, and what it goes on from opened."""

from pathlib import Path

from workbench.data.batches import TokenizedCorpus, prepare
from workbench.data.cache import cache_directory
from workbench.data.corpora import corpus_config
from workbench.data.tokenizers import Tokenizer, learned, parse_tokenizer
from workbench.errors import RecordError, UserError
from workbench.progress import progress_on
from workbench.records.manifest import TextData, read_manifest
from workbench.study.plan import Plan
from workbench.study.schema import StudyFile, load_study_file
from workbench.study.start_from_run import open_start
from workbench.terminal import Terminal
from workbench.training.hardware import default_device
from workbench.training.run_text import kept_tokenizer, remade_tokenizer


def make_plan(path: Path, overrides: list[str], console: Terminal, out: Path) -> Plan:
    """Read, check and resolve a study, preparing its data (cached) on the way.

    A run that it starts from is looked for in ``out``, and so is the tokenizer that the study learned before.
    """
    study = load_study_file(path, overrides)
    start = open_start(study, out)
    study = start.completed(study) if start else study
    known = None if start else _learned_before(study, out / study.name)
    tokenizer = start.tokenizer if start else known or study.data.tokenizer
    with progress_on(console, "data", announce=True) as progress:
        corpus = prepare(study.data.corpus, tokenizer, cache_directory(), progress)
    if known:
        _note_other_text(corpus, out / study.name, console)
    return Plan.build(study, corpus, default_device(), start)


def _learned_before(study: StudyFile, directory: Path) -> Tokenizer | None:
    """The tokenizer that the study in ``directory`` learned, where one of its size and corpus is asked for.

    A text that changed since does not change what the study's tokens mean. Raises ``UserError`` where its
    file is damaged and the text does not give it again.
    """
    data = _manifest_data(directory)
    spec = data.get("tokenizer")
    asked = parse_tokenizer(study.data.tokenizer)
    if not (isinstance(asked, dict) and learned(asked) and isinstance(spec, dict) and learned(spec)):
        return None
    if "sha256" not in spec or spec["bpe"] != asked["bpe"]:
        return None
    if data["corpus"] != corpus_config(study.data.corpus).spec():
        return None
    try:
        return kept_tokenizer(directory, spec)
    except UserError as error:
        return remade_tokenizer(directory, dict(data), error)


def _note_other_text(corpus: TokenizedCorpus, directory: Path, console: Terminal) -> None:
    if corpus.fingerprint != _manifest_data(directory).get("fingerprint"):
        console.print(
            f"note: data.corpus: the text changed since {directory.name} was last run; the tokenizer that it "
            "learned then stays, and what was trained on the earlier text is left out",
            soft_wrap=True,
        )


def _manifest_data(directory: Path) -> TextData:
    """What the study's manifest says of its data; nothing where there is none that can be read."""
    try:
        return read_manifest(directory).data
    except RecordError:
        return {}
