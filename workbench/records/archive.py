"""Putting studies away, bringing them back, and deleting them: whole folders, in one rename each.

An archived study lies in ``<results>/archive``, one level below where studies are looked for, so that nothing
lists it, compares with it or takes noise from it. Only folders that really lie in the results are touched:
no published study, no link, and none that somebody drives.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import UserError, suggestion
from workbench.records.driver_state import LOCK
from workbench.records.driving import Driving, driver_of, where
from workbench.records.index import PUBLISHED, is_published
from workbench.records.manifest import MANIFEST

ARCHIVE = "archive"
_OTHERS = (ARCHIVE, PUBLISHED, "benchmarks")  # folders of results that are no studies
_DELETED = ".deleted-"  # the folder that a study is moved into before it is taken apart


def archived_studies(results: Path) -> list[Path]:
    """The directories of archived studies, by name."""
    return sorted(manifest.parent for manifest in (results / ARCHIVE).glob(f"*/{MANIFEST}"))


def archived_study(name: str, results: Path) -> Path:
    """The directory of the archived study ``name`` (or ``archive/NAME``); raises ``UserError`` for none."""
    known = {study.name: study for study in archived_studies(results)}
    plain = name.removeprefix(f"{ARCHIVE}/")
    if plain not in known:
        raise UserError(f"{name}: is not in the archive of {results}; {suggestion(plain, known)}")
    return known[plain]


def archive_study(study: Path, results: Path) -> Path:
    """Move the study's directory into the archive; gives where it is now.

    Raises ``UserError`` for what is no study of ``results``, is published, a link, or being run, and where an
    archived study has its name.
    """
    require_own(study, results)
    if not (study / MANIFEST).is_file():
        raise UserError(f"{study.name}: has no manifest, and nothing to keep; delete it")
    if (results / ARCHIVE / MANIFEST).exists():
        raise UserError(
            f"{ARCHIVE}: a study has this name; rename its folder, in which archived ones would lie"
        )
    target = results / ARCHIVE / study.name
    if target.exists():
        raise UserError(
            f"{study.name}: an archived study has this name already; bring that one back, or delete it, first"
        )
    with _undriven(study), _writing(study):
        target.parent.mkdir(exist_ok=True)
        study.rename(target)
    return target


def restore_study(study: Path, results: Path) -> Path:
    """Move an archived study back among the others; gives where it is now.

    Raises ``UserError`` for what is none, and where another study has its name by now.
    """
    require_own(study, results)
    target = results / study.name
    if study.parent.name != ARCHIVE:
        raise UserError(f"{study.name}: is not archived")
    if target.exists():
        raise UserError(
            f"{study.name}: there is a study of this name again; archive or delete that one first"
        )
    with _writing(study):
        study.rename(target)
    return target


def delete_study(study: Path, results: Path) -> None:
    """Delete the directory of a study, archived or not, with all its runs.

    It is out of sight at once, and then taken apart; links in it are removed, and not what they lead to.
    Raises ``UserError`` as ``archive_study`` does.
    """
    require_own(study, results)
    with _undriven(study), _writing(study):
        # A level deeper than studies are looked for: one that is half deleted is in no list.
        grave = Path(tempfile.mkdtemp(prefix=_DELETED, dir=results))
        try:
            study.rename(grave / study.name)
        except OSError:
            grave.rmdir()
            raise
    with _writing(study):
        shutil.rmtree(grave)


def require_own(study: Path, results: Path) -> None:
    """Raise ``UserError`` unless ``study`` is a directory of its own in ``results``, or in its archive."""
    if is_published(study):
        raise UserError(f"{study.name}: is published, and stays as it is")
    folders = (results, results / ARCHIVE)
    if study.is_symlink() or (study.parent.is_symlink() and study.parent != results):
        raise UserError(
            f"{study}: is a link, or lies behind one; what it leads to is not touched: remove it by hand"
        )
    if study.parent.resolve() not in [folder.resolve() for folder in folders] or not study.is_dir():
        raise UserError(f"{study}: is no study of {results}")
    if study.name in ("", ".", "..", *_OTHERS):
        raise UserError(f"{study}: is no study of {results}")


@contextmanager
def _undriven(study: Path) -> Iterator[None]:
    """Hold the lock of the study's driver meanwhile; raises ``UserError`` where somebody drives it.

    A driver on another machine, or one that has only just been started, need not hold the lock here.
    """
    driver = driver_of(study)
    if driver.driving is not Driving.NONE:
        raise UserError(f"{study.name}: is being run, {where(driver)}; stop it, or wait for it")
    lock = FileLock(study / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{study.name}: is being run; stop it, or wait for it") from None
    except OSError as error:
        raise UserError(f"{study}: cannot be written ({error.strerror}); check the folder") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(study: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{study}: cannot be moved or deleted ({error.strerror}); check the folder"
        ) from error
