"""How noisy a comparison will be, from what finished studies have measured.

The best witness is the same comparison, made before: the sd of its paired differences. Where nobody made it,
two independent baseline runs differ by the square root of two times the sd of one; pairing can only lower
that, as long as the variant is no noisier than the baseline. Of several studies the nearest in size and
training tokens is believed, one's own before a published one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from workbench.analysis.decisions import Outcomes, confirm_phase, paired_differences
from workbench.analysis.metric_units import is_per_token
from workbench.analysis.pilot import pilot_summary
from workbench.analysis.power import bound_on_paired_sd
from workbench.analysis.sd_range import SdRange, safe_sd, sd_range
from workbench.analysis.statistics import compare_pairs
from workbench.errors import RecordError
from workbench.numbers import plural
from workbench.records.index import StudyRecords, is_published, list_studies, load_study, study_title
from workbench.records.manifest import Manifest, ManifestVariant, kept_manifest

_Change = frozenset[tuple[str, frozenset[str]]]
TrialSize = tuple[int | None, int | None]


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The sd of a paired difference in units of the metric, and where it is from.

    ``degrees`` of freedom say how well it is known; None for an sd that was assumed.
    """

    sd: float
    degrees: int | None
    source: str

    @property
    def safe(self) -> float:
        """The 80 % upper bound of the true sd."""
        return self.sd if self.degrees is None else safe_sd(self.sd, self.degrees)

    @property
    def range(self) -> SdRange | None:
        """The 95 % range of the true sd."""
        return None if self.degrees is None else sd_range(self.sd, self.degrees)

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        known = self.range
        return {
            "sd": self.sd,
            "sd_low": known.low if known else None,
            "sd_high": known.high if known else None,
            "safe_sd": self.safe,
            "source": self.source,
        }


def known_noise(manifest: Manifest, results: Path) -> dict[str, Noise]:
    """The noise of each comparison of ``manifest``, by variant; empty where no study in ``results`` knows."""
    others = _nearest_first(manifest, results)
    missing = {
        _change(variant): variant.name
        for variant in manifest.variants
        if variant.name != manifest.baseline and variant.change
    }
    found: dict[str, Noise] = {}
    for path, other in others:
        offered = [(one.name, _change(one)) for one in other.variants if _change(one) in missing]
        for change, noise in _paired(path, offered):
            found[missing.pop(change)] = noise
        if not missing:
            break

    names = [name for name in manifest.names if name not in found and name != manifest.baseline]
    if names:
        alone = next(filter(None, (_baseline(path) for path, _ in others)), None)
        if alone is not None:
            found |= dict.fromkeys(names, alone)
    return found


def _nearest_first(manifest: Manifest, results: Path) -> list[tuple[Path, Manifest]]:
    """Studies with the same metric; those within a tenth of each other's size are as near.

    Of these one's own come before published ones, the newest first, and a published one that has the study's
    name before others, which go by their names: their age is that of the checkout.
    """
    found = []
    for path in list_studies(results):
        try:
            other = kept_manifest(path)
        except RecordError:
            continue  # 'workbench status' names what is damaged
        usable = other.incomparable is None and not other.is_import
        if usable and other.metric == manifest.metric and _same_tokens(manifest, other):
            found.append((path, other))
    own = trial_size(manifest)

    def nearness(one: tuple[Path, Manifest]) -> tuple[float, bool, bool, str]:
        path, other = one
        distance = round(size_distance(own, trial_size(other)), 1)
        if is_published(path):
            return distance, True, other.name != manifest.name, path.name
        return distance, False, False, ""

    return sorted(found, key=nearness)


def _same_tokens(manifest: Manifest, other: Manifest) -> bool:
    # Tokens of another tokenizer stand for other text: their noise is another.
    return not is_per_token(manifest.metric) or _tokenizer(manifest) == _tokenizer(other)


def _tokenizer(manifest: Manifest) -> str:
    spec = manifest.data.get("tokenizer")
    return f"bpe {spec['bpe']}" if isinstance(spec, dict) and "bpe" in spec else str(spec)


def trial_size(manifest: Manifest) -> TrialSize:
    """Parameters of the baseline, and training tokens of one of its trials; None where it is not recorded."""
    return manifest.baseline_variant.parameters, manifest.training.get("tokens")


def size_distance(one: TrialSize, other: TrialSize) -> float:
    """By how many factors of e they differ, in both together; infinite where one is not recorded."""
    pairs = zip(one, other, strict=True)
    return sum(abs(math.log(ours / theirs)) if ours and theirs else math.inf for ours, theirs in pairs)


def _change(variant: ManifestVariant) -> _Change:
    """What is compared, in whichever direction."""
    return frozenset((factor, frozenset(pair)) for factor, pair in variant.change.items())


def _paired(path: Path, offered: list[tuple[str, _Change]]) -> Iterator[tuple[_Change, Noise]]:
    """The noise of those comparisons in the study at ``path`` that are finished."""
    outcomes = _outcomes(path) if offered else None
    if outcomes is None:
        return
    records, confirmed = outcomes
    baseline = confirmed[records.manifest.baseline]
    for name, change in offered:
        if confirmed[name].status != "done" or baseline.status != "done":
            continue
        differences = list(paired_differences(confirmed[name], baseline)[0].values())
        comparison = compare_pairs(differences) if differences else None
        if comparison is not None and comparison.sd:
            pairs = plural(comparison.n, "pair")
            source = f"{pairs} of the same comparison in {_named(records)}"
            yield change, Noise(sd=comparison.sd, degrees=comparison.n - 1, source=source)


def _baseline(path: Path) -> Noise | None:
    """The noise of two independent baseline runs, of the confirm phase or else of the pilot."""
    outcomes = _outcomes(path)
    if outcomes is None:
        return None
    records, confirmed = outcomes
    mine = confirmed[records.manifest.baseline]
    values = list(mine.values.values())
    pilot = pilot_summary(records)
    if mine.status == "done" and len(values) > 1:
        sd, runs, what = stdev(values), len(values), "baseline runs"
    elif pilot is not None and pilot.sd is not None and pilot.seeds_done + pilot.lost == pilot.seeds_planned:
        sd, runs, what = pilot.sd, pilot.seeds_done, "pilot runs"
    else:
        return None
    source = f"√2 × the sd of {runs} {what} in {_named(records)}; pairing may remove some of it"
    return Noise(sd=bound_on_paired_sd(sd), degrees=runs - 1, source=source) if sd else None


def _outcomes(path: Path) -> tuple[StudyRecords, dict[str, Outcomes]] | None:
    try:
        records = load_study(path)
    except RecordError:
        return None  # its manifest was damaged since it was read
    return records, confirm_phase(records)[1]


def _named(records: StudyRecords) -> str:
    manifest = records.manifest
    parameters, tokens = trial_size(manifest)
    sizes = [f"{parameters:,} parameters"] if parameters else []
    sizes += [f"{tokens:,} tokens"] if tokens else []
    return f"{study_title(records.path)} ({', '.join(sizes)})" if sizes else study_title(records.path)
