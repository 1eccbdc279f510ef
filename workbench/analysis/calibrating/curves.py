"""The runs of a calibration as arrays: losses of each variant at its evaluations, seed by seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.analysis.decisions import confirm_phase
from workbench.errors import UserError
from workbench.numbers import plural
from workbench.records.calibration_table import COLUMNS, TABLE, CalibrationTable, read_calibration_table
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest
from workbench.records.metrics import read_evaluations
from workbench.records.run import State
from workbench.records.training_outcome import DID_NOT_TRAIN

_LOST = {
    "diverged": str(State.DIVERGED),
    DID_NOT_TRAIN: str(State.DIVERGED),
    "failed": str(State.FAILED),
}
LEAST_PAIRS = 8  # fewer say too little of noise to be a pool


@dataclass(frozen=True, kw_only=True)
class Curves:
    """``losses`` (seeds, evaluations) by variant, the baseline's and the twin's at ``seeds`` among them.

    A variant that lacks a seed has NaN there. ``tokens`` (evaluations,) are the baseline's. ``lost`` counts
    seeds at which the baseline or its twin have no complete curve.
    """

    baseline: str
    twin: str
    seeds: np.ndarray
    tokens: np.ndarray
    losses: Mapping[str, np.ndarray]
    lost: int

    @property
    def others(self) -> list[str]:
        """The variants beside the baseline and its twin, whose true difference nobody knows."""
        return [name for name in self.losses if name not in (self.baseline, self.twin)]

    def differences(self, name: str) -> np.ndarray:
        """Final paired differences of a variant, (seeds,), NaN where it has none."""
        return self.losses[name][:, -1] - self.losses[self.baseline][:, -1]

    def joint_differences(self) -> np.ndarray:
        """Those of the twin and all others at the seeds that all have, (seeds, comparisons), twin first."""
        table = np.stack([self.differences(name) for name in (self.twin, *self.others)], axis=1)
        return table[~np.isnan(table).any(axis=1)]


def twin_of(manifest: Manifest) -> str:
    """The variant that changes nothing but the trajectory; raises ``UserError`` where there is none."""
    for variant in manifest.variants:
        if variant.is_null_twin:
            return variant.name
    raise UserError(
        f"{manifest.name}: has no null twin, and nothing in it has a truth that is known; write controls: "
        "true into its study file, or calibrate its baseline: 'workbench noise STUDY'"
    )


def calibration_table(records: StudyRecords) -> CalibrationTable:
    """The table of a study's complete confirm runs; of a copy without runs the one that it has."""
    metric = records.manifest.metric
    if (records.path / TABLE).exists() and not (records.path / "runs").exists():
        return read_calibration_table(records.path)
    parts, lost = [], []
    for name, mine in confirm_phase(records)[1].items():
        # Who diverged and who did not train is counted as one; a trial that crashed says nothing of either.
        for state, counted in _LOST.items():
            lost += [(name, seed, counted) for seed, found in mine.states.items() if found == state]
        for seed, value in mine.values.items():
            curve = read_evaluations(Path(mine.runs[seed]["path"]), metric)
            if curve.empty:
                continue
            part = curve[["step", "tokens"]].assign(variant=name, seed=seed, loss=curve[metric])
            part.iloc[-1, part.columns.get_loc("loss")] = value  # which the verdict rests on
            parts.append(part)
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    flops = {one.name: float(one.flops_per_token) for one in records.manifest.variants if one.flops_per_token}
    return CalibrationTable(metric, rows[list(COLUMNS)], flops, tuple(lost))


def curves_of(table: CalibrationTable, manifest: Manifest) -> Curves:
    """The table as arrays; raises ``UserError`` where there are fewer than eight pairs of twins."""
    twin, baseline = twin_of(manifest), manifest.baseline
    by_variant: dict[str, dict[int, pd.DataFrame]] = {}
    for curve in table.curves().values():
        by_variant.setdefault(str(curve["variant"].iloc[0]), {})[int(curve["seed"].iloc[0])] = curve
    ours, theirs = by_variant.get(twin, {}), by_variant.get(baseline, {})

    # As many evaluations as most runs have; a run with another number has no place among them.
    counts = [len(curve) for mine in (ours, theirs) for curve in mine.values()]
    usual = max(set(counts), key=counts.count) if counts else 0
    seeds = [seed for seed in theirs if _is_whole(theirs, seed, usual) and _is_whole(ours, seed, usual)]
    if len(seeds) < LEAST_PAIRS:
        raise UserError(
            f"{manifest.name}: {plural(len(seeds), 'pair')} of baseline and null twin complete, and fewer "
            f"than {LEAST_PAIRS} say too little of noise; run it to its end, or with more seeds"
        )
    nothing = np.full(usual, np.nan)
    losses = {
        name: np.stack(
            [mine[seed]["loss"].to_numpy() if _is_whole(mine, seed, usual) else nothing for seed in seeds]
        )
        for name in manifest.names
        if (mine := by_variant.get(name))
    }
    return Curves(
        baseline=baseline,
        twin=twin,
        seeds=np.array(seeds),
        tokens=theirs[seeds[0]]["tokens"].to_numpy(),
        losses=losses,
        lost=len(manifest.seeds.confirm) - len(seeds),
    )


def _is_whole(curves: Mapping[int, pd.DataFrame], seed: int, evaluations: int) -> bool:
    return seed in curves and len(curves[seed]) == evaluations
