"""How far a study is: runs by phase and state, and when it will be done."""

from datetime import datetime

import pandas as pd

from workbench.analysis.hyperband import brackets
from workbench.records.index import StudyRecords
from workbench.records.run import Phase, State

INTERRUPTED = "interrupted"  # the state of a run that was begun, while nobody drives its study
STATES = ["complete", "running", INTERRUPTED, "queued", "diverged", "failed", "pruned"]
ENDED = ["complete", "diverged", "failed", "pruned"]


def shown_state(state: str, *, live: bool) -> str:
    """A run's state as readers see it: a record says that its run goes on until somebody takes it up again.

    ``live``: somebody drives the study.
    """
    return INTERRUPTED if state == State.RUNNING and not live else str(state)


def planned(records: StudyRecords) -> dict[str, int]:
    """Trials per phase: as declared, or as many as there are where a grid has grown.

    Of a study that runs until all is decided, those of the first look, and then what is due: a block is
    written before its first trial runs, and how many there will be is not known.
    """
    manifest, runs = records.manifest, records.runs
    variants = len(manifest.variants)
    declared = {
        Phase.PILOT: len(manifest.seeds.pilot),
        Phase.TUNE: manifest.tuning_trials * variants,
        Phase.CONFIRM: len(manifest.seeds.confirm) * variants,
        Phase.GAIN: sum(manifest.gain_trials.values()),
    }
    if manifest.looks:
        declared[Phase.CONFIRM] = manifest.looks[0] * variants
    if manifest.search is not None:
        trainings = manifest.search.trials
        if manifest.search.rungs:
            trainings = sum(sum(one.sizes) for one in brackets(manifest.search.rungs, trainings))
        declared = {Phase.SEARCH: trainings * len(manifest.seeds.tune)}
    phases = manifest.phases or [phase for phase, count in declared.items() if count]
    return {str(phase): max(declared.get(phase, 0), int((runs["phase"] == phase).sum())) for phase in phases}


def progress_table(records: StudyRecords) -> pd.DataFrame:
    """One row per phase: the share that has ended, and runs by state; what is not yet written is queued."""
    rows = []
    for phase, total in planned(records).items():
        states = records.runs.loc[records.runs["phase"] == phase, "state"]
        shown = states.map(lambda state: shown_state(state, live=records.is_live)).value_counts()
        counts = {state: int(shown.get(state, 0)) for state in STATES}
        counts["queued"] = total - sum(count for state, count in counts.items() if state != "queued")
        ended = sum(counts[state] for state in ENDED)
        rows.append({"phase": phase, "progress": ended / total if total else 1.0, "planned": total} | counts)
    return pd.DataFrame(rows, columns=["phase", "progress", "planned", *STATES])


def last_activity(runs: pd.DataFrame) -> datetime | None:
    """When the latest run ended; None when none has."""
    ends = [str(value) for value in runs["finished"].dropna()] if len(runs) else []
    return datetime.fromisoformat(max(ends)) if ends else None
