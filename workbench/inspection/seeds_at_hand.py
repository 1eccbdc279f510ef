"""What the seeds at hand allow: which runs a view over seeds is of, and what it says of the others.

A seed that lacks a table costs the view that seed, never the whole: it is left out and counted. Only where no
seed of the run's variant has the table there is nothing to show.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from workbench.errors import UserError
from workbench.inspection.measured import common_probe, is_damaged
from workbench.inspection.scope import Scope, which_seeds
from workbench.inspection.seed_spread import one_variant
from workbench.records.index import study_title
from workbench.records.run import RunDirectory, RunRecord, State

_OTHER_TEXT = "{were} measured on another text"
# Of a variant whose probe is another by intention, by what it differs in.
_APART = {
    "tokenizer": "{were} measured in other tokens",
    "context": "{were} measured in windows of another length",
}
_ONCE = "{were} measured once, at the end"
_PUBLISHED = "{were} published without weights"
_NO_WEIGHTS = "{have} no weights"
_NOT_YET = "{were} not measured yet"
_DAMAGED = "{have} a damaged probes.parquet (delete it to have it measured again)"


class NothingAtHandError(UserError):
    """No seed of the run's variant has what a view over seeds reads."""


@dataclass(frozen=True)
class AtHand:
    """The scope that a view can show, and sentences on what is left out of it."""

    scope: Scope
    sentences: tuple[str, ...] = ()


def seeds_at_hand(
    scope: Scope, tables: Sequence[str], more: Sequence[str] = (), *, checkpoints: bool = False
) -> AtHand:
    """``scope`` as far as its seeds have all of ``tables``; ``checkpoints``: measured at several steps.

    Of seeds that lack one of ``more``, which the view can do without, it is said if others have it.
    Where the chosen run has not, another seed of its variant stands in for it, and where no seed of another
    variant has, that one is left out. Raises ``NothingAtHandError`` with the remedy where the run's variant
    has none.
    """
    needed = _Needed(scope, tuple(tables), tuple(more), checkpoints)
    if reason := needed.nothing_of("run"):
        raise NothingAtHandError(reason)
    if scope.against is not None and (reason := needed.nothing_of("against")):
        alone = seeds_at_hand(replace(scope, against=None), tables, more, checkpoints=checkpoints)
        name = scope.series["against"]
        return replace(alone, sentences=(f"{name} is left out: {reason}.", *alone.sentences))
    reasons = {role: needed.nothing_of(role) for role in scope.other_roles}
    if lacking := {role: reason for role, reason in reasons.items() if reason}:
        kept = tuple(scope.directory(role) for role in scope.other_roles if role not in lacking)
        fewer = seeds_at_hand(replace(scope, others=kept), tables, more, checkpoints=checkpoints)
        without = [f"{scope.series[role]} is left out: {reason}." for role, reason in lacking.items()]
        return replace(fewer, sentences=(*fewer.sentences, *without))
    chosen = {role: needed.stand_in(role) for role in scope.all_roles}
    shown = scope
    if any(run.run_id != _id(scope, role) for role, run in chosen.items()):
        others = tuple(chosen[role] for role in scope.other_roles)
        shown = replace(scope, run=chosen["run"], against=chosen.get("against"), others=others)
    # Two seeds of one variant have one set of seeds, which is described once.
    roles = (*(scope.roles[:1] if one_variant(scope) else scope.roles), *scope.other_roles)
    sentences = [sentence for role in roles for sentence in needed.left_out(role)]
    single = {role: chosen[role] for role in scope.roles}  # of the others no single run is shown
    return AtHand(shown, (*sentences, *needed.stand_ins(single)))


class _Needed:
    """The tables that a view needs, those that it reads besides, and which runs have them."""

    def __init__(
        self, scope: Scope, tables: tuple[str, ...], more: tuple[str, ...], checkpoints: bool
    ) -> None:
        self._scope = scope
        self._tables = tables
        self._more = more
        self._checkpoints = checkpoints
        self._known = {
            (role, table): scope.measured(role, table, checkpoints=checkpoints)
            for role in scope.all_roles
            for table in (*tables, *more)
        }
        self._having = {}
        for table in (*tables, *more):
            rows = pd.concat([self._known[role, table] for role in scope.all_roles])
            compared = rows[rows["probe_hash"] == common_probe(rows)] if len(rows) else rows
            for role in scope.all_roles:
                self._having[role, table] = set(compared.loc[compared["role"] == role, "run_id"])

    def has(self, role: str, table: str) -> set[str]:
        """Ids of the runs that have the table, of the probe that all are compared by."""
        return self._having[role, table]

    def covered(self, role: str) -> list[str]:
        """Ids of the runs that have every table, by seed."""
        ids = self._scope.seeds(role)["run_id"].tolist()
        return [one for one in ids if all(one in self.has(role, table) for table in self._tables)]

    def nothing_of(self, role: str) -> str:
        """Why there is nothing to show of the role; empty if there is."""
        scope, directory = self._scope, self._scope.directory(role)
        record, seeds = scope.record(role), scope.seeds(role)
        if record.state is not State.COMPLETE:
            return f"run: {directory.run_id} is {record.state}, and views over seeds are of complete runs"
        if directory.run_id not in set(seeds["run_id"]):
            return (
                f"run: {directory.run_id} belongs to an earlier version of its study, which views over seeds "
                f"leave out; name a run of the present one, or choose a view of a text"
            )
        if self._free(role):
            return ""
        lacking = [table for table in self._tables if not self.has(role, table)] or list(self._tables)
        whose = f"{record.variant} in {study_title(directory.path.parent.parent)}"
        reasons = "; ".join(self._reasons(role, lacking[0]))
        tables = " and ".join(lacking)
        return f"{tables}: no seed of {whose} can be shown: {reasons}; {self._remedy(role, lacking[0])}"

    def _free(self, role: str) -> list[str]:
        """Runs that can play the role: of two seeds of one variant the other role's is taken."""
        covered = self.covered(role)
        if role == "against" and one_variant(self._scope):
            taken = self.stand_in("run").run_id
            covered = [one for one in covered if one != taken]
        return covered

    def stand_in(self, role: str) -> RunDirectory:
        """The chosen run if it has the tables, or else the first seed of its variant that has them."""
        free, chosen = self._free(role), self._scope.directory(role)
        if chosen.run_id in free:
            return chosen
        # Rather not the run that plays the other role.
        taken = {_id(self._scope, other) for other in self._scope.all_roles}
        first = next((one for one in free if one not in taken), free[0])
        seeds = self._scope.seeds(role)
        return RunDirectory(seeds.loc[seeds["run_id"] == first, "path"].iloc[0])

    def stand_ins(self, chosen: dict[str, RunDirectory]) -> list[str]:
        """That another run than the chosen one is shown where a single run is."""
        sentences = []
        for role, run in chosen.items():
            if run.run_id != _id(self._scope, role):
                asked, shown = self._scope.record(role).seed, run.read().seed
                sentences.append(
                    f"{self._name(role)}: seed {shown} stands in for seed {asked} where one run is shown."
                )
        return sentences

    def left_out(self, role: str) -> list[str]:
        """How many of the seeds each table is of, and why not of the others."""
        whole, sentences = len(self._scope.seeds(role)), {}
        tables = [*self._tables, *(table for table in self._more if self.has(role, table))]
        for table in tables:
            count = len(self.has(role, table))
            if count < whole:
                reasons = "; ".join(self._reasons(role, table))
                sentences[table] = f"n = {count} of {whole} seeds: {reasons}"
        name = self._name(role)
        if len(sentences) == len(tables) and len(set(sentences.values())) == 1:
            return [f"{name}: {next(iter(sentences.values()))}."]
        return [f"{name} ({table}): {sentence}." for table, sentence in sentences.items()]

    def _name(self, role: str) -> str:
        """The role's seeds by the name that they have in the view."""
        scope = self._scope
        return scope.record(role).variant if one_variant(scope) and role == "run" else scope.series[role]

    def _reasons(self, role: str, table: str) -> list[str]:
        """``seeds 2002-2008 were published without weights``, for each reason that there is."""
        found: dict[str, list[int]] = {}
        for row in self._scope.seeds(role).itertuples():
            if row.run_id not in self.has(role, table):
                reason = self._reason(role, RunDirectory(row.path), table)
                found.setdefault(reason, []).append(row.seed)
        return [f"{which_seeds(seeds)} {_for(reason, len(seeds))}" for reason, seeds in found.items()]

    def _reason(self, role: str, directory: RunDirectory, table: str) -> str:
        rows = self._known[role, table]
        if directory.run_id in set(rows["run_id"]):
            apart = self._scope.probes_apart if role != "run" else ""
            return _APART.get(apart, _OTHER_TEXT)
        if self._checkpoints and directory.run_id in set(self._scope.measured(role, table)["run_id"]):
            return _ONCE
        if is_damaged(directory):
            return _DAMAGED
        if directory.weights.exists():
            return _NOT_YET
        return _PUBLISHED if self._scope.study(role).is_published else _NO_WEIGHTS

    def _one_text(self) -> bool:
        """Whether all roles can be measured on one probe."""
        return len({_probed_text(self._scope.record(role)) for role in self._scope.all_roles}) == 1

    def _remedy(self, role: str, table: str) -> str:
        if len(self._known[role, table]) and not self._one_text():
            return "compare runs of one corpus, tokenizer and context"
        if len(self._known[role, table]):
            return (
                "compare runs of one corpus, tokenizer and context, or measure all anew with "
                "'workbench probe --again'"
            )
        title = study_title(self._scope.directory(role).path.parent.parent)
        if self._checkpoints:
            return "only runs that are measured while they train can show it"
        if any(RunDirectory(path).weights.exists() for path in self._scope.seeds(role)["path"]):
            return f"'workbench probe {title}' does it"
        return "choose a variant of which a run has weights, or train the study anew with 'workbench run'"


def _probed_text(record: RunRecord) -> str:
    """What a run's probe depends on, as far as its record says it."""
    data = record.config["data"]
    return json.dumps([data.get("corpus"), data.get("tokenizer"), record.config["model"]["context"]])


def _for(reason: str, count: int) -> str:
    return reason.format(were="was" if count == 1 else "were", have="has" if count == 1 else "have")


def _id(scope: Scope, role: str) -> str:
    return scope.directory(role).run_id
