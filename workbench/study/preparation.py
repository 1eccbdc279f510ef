"""From a study file to its plan: the file read, its texts tokenised, and what it goes on from opened."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from workbench.data.cache import cache_directory
from workbench.data.corpora import corpus_config, untreated
from workbench.data.tokenizers import Spec, Tokenizer, learned, parse_tokenizer
from workbench.errors import RecordError, UserError
from workbench.progress import progress_on
from workbench.records.cells import BLOCKS
from workbench.records.manifest import TextData, read_manifest
from workbench.records.published_tables import RUNS
from workbench.records.step_times import StepTimes
from workbench.study.plan import Plan
from workbench.study.recipe import Recipe
from workbench.study.schema import StudyFile, load_study_file
from workbench.study.start_from_run import open_start
from workbench.study.step_measuring import cell_of, measure_recipes, recipe_digest
from workbench.study.texts import PreparedTexts, Texts
from workbench.terminal import Terminal
from workbench.training.hardware import default_device
from workbench.training.run_text import kept_tokenizer, remade_tokenizer

PILOT_NOTE = (
    "seeds.pilot: has no effect any more, as the first pairs of confirm show the noise, at the tuned rates; "
    "leave it out"
)


CHECKED_BLOCKS = 3  # of step times, for who asks what a study would do


def make_plan(
    path: Path,
    overrides: list[str],
    console: Terminal,
    out: Path,
    device: str | None = None,
    blocks: int = BLOCKS,
) -> Plan:
    """Read, check and resolve a study, preparing its data (cached) on the way.

    A run that it starts from is looked for in ``out``, and so are tokenizers that the study learned before.
    ``device`` is what other machines train on; None: it is this one that trains. Where a budget is seconds
    its step times are those of the study's manifest in ``out``, or are measured now, in so many ``blocks``.
    """
    return plan_of(load_study_file(path, overrides), console, out, device, blocks)


def plan_of(
    study: StudyFile,
    console: Terminal,
    out: Path,
    device: str | None = None,
    blocks: int = BLOCKS,
) -> Plan:
    """As ``make_plan``, for a study that was read already."""
    if study.seeds.pilot:
        console.print(f"note: {PILOT_NOTE}", soft_wrap=True)
    start = open_start(study, out)
    study = start.completed(study) if start else study
    before = LearnedBefore(study, out / study.name)

    def known(asked: Spec) -> Tokenizer | None:
        return start.tokenizer if start else before.tokenizer(asked)

    with progress_on(console, "data", announce=True) as progress:
        texts = PreparedTexts(study.data.corpus, cache_directory(), known, progress)
        elsewhere = device is not None
        measure = None if elsewhere else StepTimesBefore(out / study.name, console, blocks)
        plan = Plan.build(
            study, texts, device or default_device(), start, elsewhere=elsewhere, measure=measure
        )
    if before.found and plan.corpus.fingerprint != before.fingerprint:
        console.print(
            f"note: data.corpus: the text changed since {study.name} was last run; the tokenizer that it "
            "learned then stays, and what was trained on the earlier text is left out",
            soft_wrap=True,
        )
    return plan


class StepTimesBefore:
    """The step times by which equal seconds were planned in ``directory``, where they are of the same steps
    in the same cell; else measured now, in turns.
    """

    def __init__(self, directory: Path, console: Terminal, blocks: int) -> None:
        self._directory = directory
        self._console = console
        self._blocks = blocks

    def __call__(self, recipes: Mapping[str, Recipe], texts: Texts, device: str) -> StepTimes:
        """The step times of ``recipes``, by variant, the baseline first."""
        cell = cell_of(next(iter(recipes.values())), device)
        frozen = self._frozen()
        if frozen is not None and frozen.cell == cell and step_times_fit(frozen, recipes):
            return frozen
        with progress_on(self._console, "step times", announce=True) as progress:
            measured = measure_recipes(recipes, texts, cell, blocks=self._blocks, progress=progress)
        for doubt in measured.doubts:
            self._console.print(
                f"note: budget: {doubt}: stop, delete what is in {self._directory / RUNS}, and run it then",
                soft_wrap=True,
            )
        return measured

    def _frozen(self) -> StepTimes | None:
        try:
            found = read_manifest(self._directory).step_times
        except RecordError:  # none is there yet, or it is damaged, and is made anew
            return None
        # What is in doubt is measured anew as long as nothing was trained by it.
        began = any((self._directory / RUNS).glob("*"))
        return found if found is None or began or not found.doubts else None


def step_times_fit(measured: StepTimes, recipes: Mapping[str, Recipe]) -> bool:
    """Whether ``measured`` is of the steps of ``recipes``, by variant, the baseline first."""
    (first, baseline), *variants = recipes.items()
    if measured.baseline != first:
        return False
    for name, recipe in variants:
        pair = measured.pair(name)
        if pair is None or (pair.step, pair.baseline_step) != (
            recipe_digest(recipe),
            recipe_digest(baseline),
        ):
            return False
    return True


class LearnedBefore:
    """The tokenizers that the study in ``directory`` learned, where it still asks for their size and corpus.

    A text that changed since does not change what the study's tokens mean.
    """

    def __init__(self, study: StudyFile, directory: Path) -> None:
        self.found = False
        self._corpus = study.data.corpus
        self._directory = directory
        self._texts = _manifest_texts(directory)

    @property
    def fingerprint(self) -> str | None:
        """Of the text that the study's baseline was trained on."""
        return self._texts[0].get("fingerprint") if self._texts else None

    def tokenizer(self, asked: Spec) -> Tokenizer | None:
        """The one that is asked for, None where it is to be made.

        Raises ``UserError`` where its file is damaged and the text does not give it again.
        """
        for data in self._matching(parse_tokenizer(asked)):
            spec = data["tokenizer"]
            assert isinstance(spec, dict), "what was learned has a mapping"
            try:
                tokenizer = kept_tokenizer(self._directory, spec)
            except UserError as error:
                tokenizer = remade_tokenizer(self._directory, dict(data), error)
            self.found = True
            return tokenizer
        return None

    def _matching(self, asked: Spec) -> Iterator[TextData]:
        # What was learned was learned from the baseline's corpus, whatever else is cut by it.
        if not learned(asked) or not self._texts:
            return
        if self._texts[0].get("corpus") != corpus_config(self._corpus).spec():
            return
        for data in self._texts:
            spec = data.get("tokenizer")
            if learned(spec) and "sha256" in spec and spec["bpe"] == asked["bpe"]:
                yield data | {"corpus": untreated(self._texts[0]["corpus"])}


def _manifest_texts(directory: Path) -> list[TextData]:
    """What the study's manifest says of its data, the baseline's first; nothing where it cannot be read."""
    try:
        manifest = read_manifest(directory)
    except RecordError:
        return []
    own = [cast(TextData, variant.data) for variant in manifest.variants if variant.data]
    return [manifest.data, *own]
