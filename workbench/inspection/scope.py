"""Which runs a view is about: a run, what it is compared with, variants beside them, and the seeds of all."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.analysis.colours import BASELINE_COLOUR, BLUE, ORANGE, PALETTE, variant_colours
from workbench.errors import UserError
from workbench.inspection.measured import common_probe, is_damaged, measurements, not_measured, read_table
from workbench.inspection.series_titles import series_titles
from workbench.records.index import StudyRecords, load_study
from workbench.records.run import RunDirectory, RunRecord

if TYPE_CHECKING:  # with torch, of which a table that was measured before needs nothing
    from workbench.inspection.subject import Subject
    from workbench.model.config import ModelConfig

ROLES = ("run", "against")
MOST_SERIES = 12  # variants in a chart, at most: more cannot be told apart


def _tokenizer(config: Mapping[str, Any]) -> Any:
    """What tells the tokenizer of a run: of one in a file, its digest."""
    spec = config["data"].get("tokenizer")
    return spec.get("sha256", spec) if isinstance(spec, dict) else spec


# What probes of one text depend on, in configurations of runs.
_OF_A_PROBE: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "tokenizer": _tokenizer,
    "context": lambda config: config["model"].get("context"),
}


@dataclass(frozen=True)
class Scope:
    """``run`` is what is looked at; ``against``, which may be absent, is what it is compared with.

    Maps show these two. Whatever is a series per variant shows ``others`` too, a run of each of these
    variants. Measured tables are read for all seeds: every complete run of the same variant and phase.
    ``load`` may be a cached ``load_study``.
    """

    run: RunDirectory
    against: RunDirectory | None = None
    load: Callable[..., StudyRecords] = load_study
    others: tuple[RunDirectory, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of maps: ``("run",)``, or ``("run", "against")``."""
        return ROLES if self.against else ROLES[:1]

    @property
    def other_roles(self) -> tuple[str, ...]:
        """A role for each of ``others``."""
        return tuple(f"other {number}" for number in range(1, len(self.others) + 1))

    @property
    def all_roles(self) -> tuple[str, ...]:
        """The roles of series: those of maps, then ``others``."""
        return (*self.roles, *self.other_roles)

    @property
    def compared(self) -> tuple[str, ...]:
        """The roles that ``against`` is subtracted from; none without it."""
        return ("run", *self.other_roles) if self.against else ()

    def directory(self, role: str = "run") -> RunDirectory:
        """The run directory of a role; raises ``UserError`` if nothing plays it."""
        if role in self.other_roles:
            return self.others[self.other_roles.index(role)]
        found = self.run if role == "run" else self.against
        if found is None:
            raise UserError("against: this view compares two runs; name a second one")
        return found

    def opened_on(self, role: str) -> dict[str, str]:
        """The ids of the runs that show the role's run by itself: as ``inspect``, and ``against`` if any is.

        The run that it is against now stays, unless it is that run.
        """
        opened = self.directory(role)
        other = self.run if role == "against" else self.against
        return {"inspect": opened.run_id, "against": other.run_id if other else ""}

    @cached_property
    def _records(self) -> dict[str, RunRecord]:
        return {role: self.directory(role).read() for role in self.all_roles}

    def record(self, role: str = "run") -> RunRecord:
        """The run's record."""
        self.directory(role)
        return self._records[role]

    def model(self, role: str = "run") -> "ModelConfig":
        """The configuration of the run's decoder."""
        from workbench.training.trained_decoder import model_of

        return model_of(self.directory(role), self.record(role))

    def study(self, role: str = "run") -> StudyRecords:
        """The study that the run belongs to."""
        return self._studies[self.directory(role).path.parent.parent]

    @cached_property
    def _studies(self) -> dict[Path, StudyRecords]:
        """Read once: views ask for seeds many times."""
        paths = {self.directory(role).path.parent.parent for role in self.all_roles}
        return {path: self.load(path) for path in paths}

    def subject(self, role: str = "run") -> "Subject":
        """The run's decoder and text, for live views."""
        from workbench.inspection.subject import open_subject

        return open_subject(self.directory(role))

    @cached_property
    def probes_apart(self) -> str:
        """By what probes differ: ``tokenizer`` or, where that is one, ``context``; empty for neither."""
        configs = [self.record(role).config for role in self.all_roles]
        for name, read in _OF_A_PROBE.items():
            if any(read(config) != read(configs[0]) for config in configs):
                return name
        return ""

    @cached_property
    def series(self) -> dict[str, str]:
        """What each role is called in legends: its variant, with study or seed where those alone differ."""
        records = {role: self.record(role) for role in self.all_roles}
        found = {}
        for role, record in records.items():
            namesakes = [one for one in records.values() if one.variant == record.variant]
            found[role] = record.variant
            if len(namesakes) > 1:
                differs = "study" if len({one.study for one in namesakes}) > 1 else "seed"
                found[role] = f"{record.variant} ({differs} {getattr(record, differs)})"
        return found

    @cached_property
    def colours(self) -> dict[str, str]:
        """A colour for each name in ``series``: the one that the variant has on every page."""
        own = {
            name: variant_colours(self.study(role).manifest).get(self.record(role).variant, BLUE)
            for role, name in self.series.items()
        }
        found: dict[str, str] = {}
        for name, colour in own.items():
            if colour in found.values():  # of another study, or another seed of one variant
                first = BLUE if BASELINE_COLOUR in own.values() else ORANGE
                taken = {*own.values(), *found.values()}
                colour = next((one for one in (first, *PALETTE) if one not in taken), first)
            found[name] = colour
        return found

    @cached_property
    def titles(self) -> dict[str, str]:
        """What legends call each name in ``series``."""
        return series_titles(
            {name: (self.study(role).manifest, self.record(role)) for role, name in self.series.items()}
        )

    @property
    def pair_name(self) -> str:
        """``alibi minus baseline``."""
        return " minus ".join(self.series[role] for role in self.roles)

    def seeds(self, role: str = "run") -> pd.DataFrame:
        """Complete runs of the same variant, phase and hyperparameters, by seed.

        Columns are ``run_id, seed, path, step``; ``step`` is that of the final weights. Callers must not
        change the table.
        """
        self.directory(role)
        return self._seeds[role]

    @cached_property
    def _seeds(self) -> dict[str, pd.DataFrame]:
        return {role: self._find_seeds(role) for role in self.all_roles}

    def _find_seeds(self, role: str) -> pd.DataFrame:
        record, runs = self.record(role), self.study(role).runs
        alike = (runs["variant"] == record.variant) & (runs["phase"] == record.phase)
        alike &= runs["state"] == "complete"
        # Of few columns, which is several times as fast as of all.
        found = runs.loc[alike, ["run_id", "seed", "path", "step", "hyperparameters"]]
        points = found.pop("hyperparameters")
        found = found[points.map(lambda point: point == record.hyperparameters).astype(bool)]
        found = found.assign(step=found["step"].fillna(0).astype(int))
        return found.sort_values("seed", ignore_index=True)

    def measurable(self, tables: Collection[str]) -> list[RunDirectory]:
        """Runs of ``seeds`` whose final weights lack one of ``tables``, and are there to be measured."""
        paths = [path for role in self.all_roles for path in self.seeds(role)["path"]]
        runs = [RunDirectory(path) for path in dict.fromkeys(paths)]
        return [
            run for run in runs if run.weights.exists() and not is_damaged(run) and not_measured(run, tables)
        ]

    def table(self, name: str, *, checkpoints: bool = False) -> pd.DataFrame:
        """The rows of one table for all seeds that have it, with ``role, series, seed, run_id``.

        Those of final weights; with ``checkpoints`` those of every checkpoint, of the runs that have several.
        All are of one probe, so that values compare. Raises ``UserError`` where the run's variant has none.
        """
        known = pd.concat([self.measured(role, name, checkpoints=checkpoints) for role in self.all_roles])
        if not (known["role"] == "run").any():
            raise UserError(
                f"probes: no run of {self.record().variant!r} has the table {name!r}; measure them with "
                f"'workbench probe {self.run.run_id}'"
            )
        probe = common_probe(known)
        having = known[known["probe_hash"] == probe]
        parts = []
        for role in self.all_roles:
            ids = set(having.loc[having["role"] == role, "run_id"])
            for row in self.seeds(role).itertuples():
                if row.run_id in ids:
                    rows = read_table(RunDirectory(row.path), name, probe)
                    rows = rows if checkpoints else rows[rows["step"] == row.step]
                    parts.append((role, row, rows))
        lengths = [len(rows) for *_, rows in parts]
        known = pd.concat([rows for *_, rows in parts], ignore_index=True)
        return known.assign(
            role=np.repeat([role for role, *_ in parts], lengths),
            series=np.repeat([self.series[role] for role, *_ in parts], lengths),
            seed=np.repeat([row.seed for _, row, _ in parts], lengths),
            run_id=np.repeat([row.run_id for _, row, _ in parts], lengths),
        )

    def measured(self, role: str, table: str, *, checkpoints: bool = False) -> pd.DataFrame:
        """Which of the role's seeds ``table`` has rows of, by which probe: ``role, run_id, probe_hash``."""
        found = []
        for row in self.seeds(role).itertuples():
            if is_damaged(RunDirectory(row.path)):  # it costs its run, not the view
                continue
            steps: dict[str, list[int]] = {}
            for step, name, probe in measurements(RunDirectory(row.path)):
                if name == table:
                    steps.setdefault(probe, []).append(step)
            for probe, measured in steps.items():
                enough = len(measured) > 1 if checkpoints else row.step in measured
                if enough:
                    found.append((role, row.run_id, probe))
        return pd.DataFrame(found, columns=["role", "run_id", "probe_hash"])

    def source(
        self,
        *,
        seeds: pd.DataFrame | None = None,
        step: int | None = None,
        detail: str = "",
    ) -> str:
        """One line that names what was looked at: runs, or a table's seeds, checkpoint, and ``detail``."""
        pair = " against ".join(self._source(role, seeds) for role in self.roles)
        beside = [f"beside {self._source(role, seeds)}" for role in self.other_roles]
        step = self.record().progress.get("step", 0) if step is None else step
        return " · ".join([pair, *beside, f"step {step:,}", *([detail] if detail else [])])

    def _source(self, role: str, seeds: pd.DataFrame | None) -> str:
        record = self.record(role)
        if seeds is None:
            return f"{record.study}/{record.variant} seed {record.seed} (run {record.run_id})"
        used = sorted(seeds.loc[seeds["role"] == role, "seed"].unique().tolist())
        return f"{record.study}/{record.variant}, {which_seeds(used)}"


def which_seeds(seeds: list[int]) -> str:
    """``seed 2001``, ``seeds 2001-2008`` for a run of consecutive numbers, ``seeds 2001, 2003`` otherwise."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"seeds {seeds[0]}-{seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"
