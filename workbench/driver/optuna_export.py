"""``workbench export STUDY --to optuna``: the trials of a study, for those who work with Optuna's own tools.

The journal in a study's folder is the storage that the driver writes. What is exported is a copy: it may be
sampled on, pruned and deleted without touching the study.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from workbench.driver.optuna_ledger import JOURNAL, journal_damage
from workbench.errors import UserError, in_one_line
from workbench.records.index import study_title


def export_trials(study: Path, storage: str) -> dict[str, int]:
    """Copy all Optuna studies of a study's directory; returns how many trials each has, by its new name.

    ``storage`` is a URL that Optuna knows (``sqlite:///trials.db``), or the path of a journal. A copy is
    named ``STUDY/VARIANT``, so that several studies fit into one storage. Raises ``UserError`` where the
    journal is missing or damaged, the storage cannot be opened, or has a study of such a name.
    """
    journal = study / JOURNAL
    if not journal.exists():
        raise UserError(f"{study_title(study)}: has no {JOURNAL} to export; run the study first")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / JOURNAL
        shutil.copyfile(journal, copy)  # a driver may be writing into the journal itself
        if damage := journal_damage(copy):
            raise UserError(
                f"{journal}: is damaged ({damage}); run the study again, which makes it anew from the records"
            )
        source = JournalStorage(JournalFileBackend(str(copy)))
        target = _opened(storage)
        names = {one.study_name: f"{study.name}/{one.study_name}" for one in source.get_all_studies()}
        _refuse_taken(list(names.values()), target, storage)
        for name, copied in names.items():
            optuna.copy_study(
                from_study_name=name, from_storage=source, to_storage=target, to_study_name=copied
            )
        return {
            copied: len(optuna.load_study(study_name=name, storage=source).get_trials(deepcopy=False))
            for name, copied in names.items()
        }


def _opened(storage: str) -> BaseStorage:
    try:
        if "://" in storage:
            return optuna.storages.get_storage(storage)
        Path(storage).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(storage))
    except Exception as error:  # a library for each database, with errors of its own
        raise UserError(
            f"--storage: {storage!r} cannot be opened ({in_one_line(str(error))[:200]}); give for example "
            "sqlite:///trials.db"
        ) from error


def _refuse_taken(names: list[str], target: BaseStorage, storage: str) -> None:
    known = {one.study_name for one in target.get_all_studies()}
    taken = [name for name in names if name in known]
    if taken:
        raise UserError(
            f"--storage: {storage} has a study {taken[0]!r} already; give another storage, or delete it "
            f"there: optuna delete-study --storage {storage} --study-name {taken[0]!r}"
        )
