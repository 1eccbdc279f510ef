"""A study that starts from a run: its model is the baseline, its weights are where every variant begins."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from workbench.data.tokenizers import IDS, Tokenizer, learned, parse_tokenizer
from workbench.errors import RecordError, UserError
from workbench.files import file_sha256, replacing
from workbench.model.config import ModelConfig
from workbench.model.decoder import skeleton
from workbench.model.weights import families, plan_transfer, require_finite
from workbench.records.find import find_run
from workbench.records.manifest import Transfer, read_manifest
from workbench.records.run import RunDirectory, State
from workbench.records.weights_at_hand import require_weights, weights_digest
from workbench.study.schema import StudyFile
from workbench.training.run_text import open_tokenizer
from workbench.training.starting_weights import STARTING_WEIGHTS
from workbench.training.trained_decoder import model_of

KEPT = "start"  # in the study's directory: the run that it began with, as far as that is needed


@dataclass(frozen=True, kw_only=True)
class Start:
    """The run that a study starts from."""

    directory: RunDirectory
    model: ModelConfig
    corpus: str | dict[str, Any]
    tokenizer: Tokenizer
    sha256: str

    @property
    def spec(self) -> dict[str, str]:
        """What a trial's configuration says of it."""
        return {"run": self.directory.run_id, "sha256": self.sha256}

    def completed(self, study: StudyFile) -> StudyFile:
        """``study`` with what it leaves to the run: context, corpus, tokenizer.

        Raises ``UserError`` for another tokenizer than the run's: its tokens would mean other texts.
        """
        data, given = study.data.model_dump(), study.data.model_fields_set
        if "tokenizer" in given and not self._means_own(data["tokenizer"]):
            raise UserError(
                f"data.tokenizer: the study starts from run {self.directory.run_id}, which knows the tokens "
                f"of {self.tokenizer.spec!r}; remove the key"
            )
        corpus = data["corpus"] if "corpus" in given else self.corpus
        own = {"corpus": corpus, "tokenizer": self.tokenizer.spec}
        changes = {"context": study.context or self.model.context, "data": study.data.model_copy(update=own)}
        return study.model_copy(update=changes)

    def _means_own(self, requested: Any) -> bool:
        """Whether a study that asks for this tokenizer may have the run's own in its stead."""
        own = self.tokenizer.spec
        if not isinstance(own, dict):
            return requested == own
        if requested == own:
            return True
        asked = parse_tokenizer(requested)
        if IDS in own:  # a task with fewer ids than the run's
            return isinstance(asked, dict) and asked.get(IDS, own[IDS] + 1) <= own[IDS]
        if learned(own):
            return asked == {"bpe": own["bpe"]}
        return isinstance(asked, dict) and asked.get("sha256") == own["sha256"]

    def place(self, study: Path) -> None:
        """Put the weights into the study's directory, so that it does not depend on the run any more.

        A file there that is not these weights, damaged or of an earlier start, is replaced.
        """
        target = study / STARTING_WEIGHTS
        if not target.exists() or file_sha256(target) != self.sha256:
            _link(self.directory.weights, target)
        kept = RunDirectory(study / KEPT / self.directory.run_id)
        if kept.path != self.directory.path and not kept.exists():
            # What opens the run where it is gone: its record, and its weights under the name that a run has.
            _link(target, kept.weights)
            kept.write(self.directory.read())

    def transfer(self, model: ModelConfig) -> Transfer:
        """How many parameters ``model`` keeps from the run, and which it starts afresh."""
        decoder = skeleton(model)
        plan = plan_transfer(decoder, self._shapes())
        sizes = {name: parameter.numel() for name, parameter in decoder.named_parameters()}
        return Transfer(
            kept=sum(sizes.get(name, 0) for name in plan.kept),  # buffers are no parameters
            fresh=sum(sizes.get(name, 0) for name in plan.fresh),
            fresh_names=families(plan.fresh),
            unused_names=families(plan.unused),
        )

    def _shapes(self) -> dict[str, torch.Tensor]:
        with safe_open(self.directory.weights, framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def open_start(study: StudyFile, results: Path) -> Start | None:
    """The run that ``study.start`` names, None for a study without; ``UserError`` if it cannot be one.

    Where the run is gone, a study that began with it goes on with what it kept.
    """
    if study.start is None:
        return None
    try:
        directory = find_run(results, study.start)
    except UserError as error:
        kept = _kept_run(results / study.name, study.start)
        if kept is None:
            raise UserError(f"{study.name}: start: {error}") from None
        directory = kept
    record = directory.read()
    if record.state is not State.COMPLETE:
        raise UserError(f"{study.name}: start: run {record.run_id} is {record.state}; name a complete run")
    require_weights(directory)
    weights = directory.weights
    require_finite(load_file(weights), f"{study.name}: start: {weights}: ", "start from another run")
    return Start(
        directory=directory,
        model=model_of(directory, record),
        sha256=weights_digest(directory),
        corpus=record.config["data"]["corpus"],
        tokenizer=open_tokenizer(directory),
    )


def _kept_run(study: Path, reference: str) -> RunDirectory | None:
    """The copy of the run ``reference`` that the study in ``study`` began with, if it did."""
    try:
        start = read_manifest(study).start
    except RecordError:
        return None
    if start is None or start.reference != reference:
        return None
    kept = RunDirectory(study / KEPT / start.run)
    return kept if kept.exists() else None


def _link(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        try:
            os.link(source, temporary)  # no second copy where the file system can
        except OSError:
            shutil.copyfile(source, temporary)
