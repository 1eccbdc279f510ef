"""Which study ``workbench noise`` means: a calibration, or the one that it writes for another's baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.analysis.tuned_rates import TunedRate
from workbench.analysis.tuning_choice import tuned_variants
from workbench.errors import RecordError, UserError
from workbench.files import read_yaml, to_yaml, write_atomically
from workbench.numbers import plural, rate
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.index import MANIFEST, PUBLISHED, StudyRecords, is_published, load_study
from workbench.records.manifest import read_manifest
from workbench.records.space import middle
from workbench.study.design import BASELINE, NULL_TWIN
from workbench.study.overrides import apply_override
from workbench.study.schema import StudyFile, find_named_file, load_study_file, parse_study
from workbench.training.tuned_values import with_tuned
from workbench.visible import one_line

SHIPPED = "noise"  # the study that calibrates the workbench as it is shipped
SEEDS = 128
_OFFSET = 70_000  # seeds that no shipped study has
# What a study's baseline follows from; all else is of its variants, or of how they are tuned.
_KEPT = ("size", "context", "match", "data", "training", "metric")


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A calibration: its study file, None where only what was published of it is here; and its directory.

    ``overrides`` are those of the file, and ``notes`` what to know.
    """

    file: Path | None
    directory: Path
    overrides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_calibration(
    study: str | None, *, seeds: int | None, overrides: Sequence[str], out: Path
) -> Calibrated:
    """The calibration that ``study`` is, or that of its baseline, whose file is written where there is none.

    Left out it is the shipped one. A study is a calibration itself where it is called noise or noise-…, or
    its manifest says so; a published one is evaluated as it is, and nothing is trained. Raises ``UserError``
    where there is neither file nor copy, and for a study whose baseline cannot be trained alone.
    """
    asked = SHIPPED if study is None else study
    copy = _published_calibration(asked, out)
    if copy is not None:
        if seeds is not None or overrides:
            raise UserError(
                f"{asked}: is a published copy, and nothing is trained for it; leave out --seeds and --set, "
                "or name a study file"
            )
        return Calibrated(file=None, directory=copy)
    file = find_named_file(asked) or _file_of_results(asked)
    if file is None:
        raise UserError(
            f"{asked}: is no study file, and none at hand is called so; name one ('workbench list studies'), "
            f"or a published calibration: {PUBLISHED}/{SHIPPED}"
        )
    more = [] if seeds is None else [f"seeds.confirm={seeds}"]
    parsed = load_study_file(file, [*overrides, *more])
    if _is_calibration(parsed.name, out):
        return Calibrated(file=file, directory=out / parsed.name, overrides=(*overrides, *more))
    name = f"{SHIPPED}-{parsed.name}"
    path = file.with_name(f"{name}.yaml")
    if path.exists():
        note = f"{path}: is there already, and is what is trained"
        return Calibrated(file=path, directory=out / name, overrides=(*overrides, *more), notes=(note,))
    written, notes = _study_of_baseline(file, parsed, overrides, seeds or SEEDS, out)
    parse_study({"name": name} | written, source=str(path))
    write_atomically(path, _preface(parsed) + to_yaml(written))
    return Calibrated(file=path, directory=out / name, notes=(f"{path}: written", *notes))


def _published_calibration(asked: str, out: Path) -> Path | None:
    """The directory of a published calibration that ``asked`` means by its path, or as published/NAME."""
    for candidate in (Path(asked), out / asked):
        if candidate.is_dir() and (candidate / MANIFEST).exists() and is_published(candidate):
            return candidate if read_manifest(candidate).calibration else None
    return None


def _file_of_results(asked: str) -> Path | None:
    """The file at hand of a study that is named by its results: published/quickstart, results/quickstart."""
    return find_named_file(Path(asked).name)


def _is_calibration(name: str, out: Path) -> bool:
    if name == SHIPPED or name.startswith(f"{SHIPPED}-"):
        return True
    try:
        return (out / name / MANIFEST).exists() and read_manifest(out / name).calibration
    except RecordError:
        return False  # the driver says what is damaged


def _study_of_baseline(
    file: Path, study: StudyFile, overrides: Sequence[str], seeds: int, out: Path
) -> tuple[dict[str, Any], list[str]]:
    """The study of ``study``'s baseline and its null twin as its file has it, and what to say of it."""
    if study.search is not None:
        raise UserError(
            f"{file}: is a search, which declares no margin that its noise could be judged by; promote it, "
            "and calibrate the study that confirms it"
        )
    if study.start is not None:
        raise UserError(
            f"{file}: starts from a run, and draws no initial values that a null twin could draw otherwise; "
            "calibrate a study that starts afresh"
        )
    if study.rungs:
        raise UserError(
            f"{file}: is a ladder, whose noise differs from rung to rung; calibrate a study with the size "
            "and the training.tokens of one rung"
        )
    values = read_yaml(file)
    for override in overrides:
        apply_override(values, override)
    tuned, where = _tuned(study, out)
    training = with_tuned({**values.get("training", {}), "probes": 0}, tuned)
    margin = study.margin["default"] if isinstance(study.margin, dict) else study.margin
    written = {
        "question": f"How often is a word about the baseline of {study.name} false?",
        "baseline": values.get("from", values.get("baseline", "llama")),
        **{key: values[key] for key in _KEPT if key in values},
        "training": training,
        "design": "explicit",
        "variants": [{"name": NULL_TWIN, "draws": "twin"}],
        "learning_rates": [tuned[LEARNING_RATE]],
        "seeds": {"pilot": 0, "tune": 0, "confirm": seeds, "offset": _OFFSET},
        "margin": margin,
    }
    return written, [f"learning rate {rate(float(tuned[LEARNING_RATE]))}: {where}"]


def _tuned(study: StudyFile, out: Path) -> tuple[dict[str, Any], str]:
    """The baseline's hyperparameters: as it was tuned where that is known, else the middle of its space."""
    for directory in (out / study.name, out / PUBLISHED / study.name):
        found = _tuned_in(directory)
        if found is not None:
            return dict(found.hyperparameters), f"as its baseline was tuned in {directory}"
    if study.tuning is not None:
        return dict(middle(study.tuning.space)), "the middle of its space, as it has no results here"
    own = _own_rates(study)
    if len(own) == 1:
        return {LEARNING_RATE: own[0]}, "its only one"
    where = f"the middle of {plural(len(own), 'rate')}, as it has no results here"
    return {LEARNING_RATE: own[(len(own) - 1) // 2]}, where


def _own_rates(study: StudyFile) -> list[float]:
    """The learning rates that the baseline tries, ascending."""
    rates = study.learning_rates
    if not isinstance(rates, dict):
        return sorted(rates)
    # By variant, or by the levels of one factor, of which the baseline has one.
    levels = study.baseline.values() if isinstance(study.baseline, dict) else [study.baseline]
    known = {BASELINE, str(study.training.optimizer), *map(str, levels)}
    named = next((key for key in rates if key in known), next(iter(rates)))
    return sorted(rates[named])


def _tuned_in(directory: Path) -> TunedRate | None:
    if not (directory / MANIFEST).exists():
        return None
    try:
        records: StudyRecords = load_study(directory)
    except RecordError:
        return None
    if records.manifest.is_search or BASELINE not in records.manifest.names:
        return None
    found = tuned_variants(records, [BASELINE])[BASELINE]
    is_known = found is not None and math.isfinite(found.learning_rate)
    return found if is_known else None


def _preface(study: StudyFile) -> str:
    lines = [
        f"The calibration of {study.name}: its baseline and the null twin, which differ in nothing but the",
        "draw of one matrix, at many seeds. 'workbench noise' wrote it, trains it, and judges the verdict by",
        "it.",
    ]
    return "".join(f"# {one_line(line)}\n" for line in lines)
