"""One run is one directory: writing, reading, indexing and provenance. A leaf: it imports no other room."""

from workbench.records.index import Problem, StudyRecords, list_studies, load_study
from workbench.records.manifest import Manifest
from workbench.records.run import (
    FINISHED,
    Phase,
    RunDirectory,
    RunRecord,
    State,
    config_hash,
    run_id,
    write_record,
)

__all__ = [
    "FINISHED",
    "Manifest",
    "Phase",
    "Problem",
    "RunDirectory",
    "RunRecord",
    "State",
    "StudyRecords",
    "config_hash",
    "list_studies",
    "load_study",
    "run_id",
    "write_record",
]
