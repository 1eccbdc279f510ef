"""A dataset of the Hugging Face hub, or of a local folder, through ``datasets.load_dataset``.

Pin ``revision`` (a commit) for a corpus that can be had again: a branch moves. With ``max_bytes`` the rows
are streamed and reading stops there, so that a sample of a large dataset is no large download.
"""

import errno
import gzip
import logging
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any, ClassVar

import pyarrow
from pydantic import Field

from workbench.data.sources.local_files import require_field, require_text
from workbench.data.sources.source import KEY, CorpusConfig, Example, Source
from workbench.errors import UserError, in_one_line

_NO_ANSWER = (ConnectionError, TimeoutError, socket.gaierror)
_CLIENTS = {"requests", "urllib3", "httpx", "httpcore", "aiohttp", "huggingface_hub"}
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM, errno.EMFILE)
# What the library's readers of files raise where the files are there; "no rows" is a StopIteration of theirs.
_DAMAGE = (pyarrow.ArrowException, UnicodeError, gzip.BadGzipFile, zlib.error, EOFError, StopIteration)


class HuggingFace(CorpusConfig):
    """One text field of one split of a dataset."""

    key: ClassVar[str] = "huggingface"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(
            "Hugging Face",
            "a dataset of the hub or a local folder (extra: datasets)",
            "{huggingface: roneneldan/TinyStories, split: train, field: text, max_bytes: 50_000_000}",
        ),
    )
    huggingface: str = Field(
        description="A dataset's name on the Hugging Face hub, or a local folder of one. It may also be a "
        "builder such as json or csv, which reads data_files.",
        examples=["roneneldan/TinyStories"],
    )
    config: str | None = Field(
        None,
        description="Which of the dataset's configurations is read, where it has several. Left out: its "
        "only or default one.",
    )
    revision: str | None = Field(
        None,
        description="A commit, tag or branch of the dataset. Give a commit for a corpus that can be had "
        "again: a branch moves. Left out: the newest.",
    )
    split: str = Field(
        "train",
        description="Which of the dataset's splits is read; the workbench makes its own validation split "
        "from it.",
    )
    field: str = Field("text", description="The column that holds a document's text.")
    data_files: str | list[str] | None = Field(
        None,
        description="Files, patterns or addresses that a builder or a folder's dataset reads. Left out: "
        "what the dataset says itself.",
        examples=["texts/*.json"],
    )

    def open(self) -> Source:
        """Load the dataset; raises ``UserError`` naming what is missing and the remedy."""
        dataset = self._load()
        if dataset.column_names is not None:
            require_field(self.field, dataset.column_names, self.huggingface)
        return Source(self._title(dataset), self._documents(dataset))

    def identity(self) -> Any:
        """Names, sizes and times of local files; a dataset of the hub is known by its options alone."""
        patterns = [self.data_files] if isinstance(self.data_files, str) else self.data_files or []
        files = [Path(name) for pattern in patterns for name in glob(pattern, recursive=True)]
        if Path(self.huggingface).is_dir():
            files += [path for path in Path(self.huggingface).rglob("*") if path.is_file()]
        stats = [(str(path.resolve()), path.stat()) for path in sorted(files) if path.is_file()]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    def _load(self) -> Any:
        datasets = _library()
        with _silenced(datasets) as logged:
            try:
                return datasets.load_dataset(
                    self.huggingface,
                    self.config,
                    data_files=self.data_files,
                    revision=self.revision,
                    split=self.split,
                    streaming=self.max_bytes is not None,
                )
            except Exception as error:  # the library raises a dozen kinds; each means that there is no data
                raise self._refused(error, logged, reading=False) from error

    def _rows(self, dataset: Any) -> Iterator[dict[str, Any]]:
        with _silenced(_library()) as logged:
            try:
                yield from dataset
            except Exception as error:  # streamed rows are fetched here
                raise self._refused(error, logged, reading=True) from error

    def _refused(self, error: Exception, logged: list[str], *, reading: bool) -> UserError:
        """What to do about ``error``: the network, the data and the study file are mended differently.

        ``logged`` is what the library logged meanwhile: it names the file that could not be read, which the
        errors do not. Raises what is none of them: a full disk, or want of memory.
        """
        chain = list(_causes(error))
        cause = f"({': '.join(filter(None, (type(chain[-1]).__name__, in_one_line(chain[-1]))))})"
        if isinstance(chain[-1], MemoryError) or getattr(chain[-1], "errno", None) in _OF_THE_MACHINE:
            raise chain[-1]
        if any(map(_is_of_the_network, chain)):
            return UserError(
                f"{KEY}.huggingface: {self.huggingface!r} cannot be reached {cause}; check the name, the "
                "network connection, and HF_TOKEN for a gated dataset"
            )
        damage = (*_DAMAGE, _library().exceptions.DatasetGenerationError)
        if reading or any(isinstance(one, damage) for one in chain):
            return UserError(
                f"{KEY}.huggingface: {self.huggingface!r} has data that cannot be read {cause}; mend "
                f"{_file_in(logged) or 'the file that holds it'} or fetch it again, or leave it out with "
                "'data_files'"
            )
        network = ", the network connection" if "://" in str(self.data_files) else ""
        return UserError(
            f"{KEY}.huggingface: {self.huggingface!r} cannot be loaded {cause}; check the name, 'config', "
            f"'revision', 'split' and 'data_files'{network}, and HF_TOKEN for a gated dataset"
        )

    def _documents(self, dataset: Any) -> Iterator[str]:
        for number, row in enumerate(self._rows(dataset)):
            place = f"{self.huggingface}, row {number}"
            require_field(self.field, row, place)
            yield require_text(row[self.field], self.field, place)

    def _title(self, dataset: Any) -> str:
        config = f"/{self.config}" if self.config else ""
        commit = _commit(dataset) or self.revision
        revision = f" at {commit}" if commit else ""
        return f"Hugging Face {self.huggingface}{config} [{self.split}]{revision}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was raised from, on purpose: the last one says what happened."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_of_the_network(error: BaseException) -> bool:
    libraries = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, _NO_ANSWER) or not libraries.isdisjoint(_CLIENTS)


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError(
            f"{KEY}.huggingface: the 'datasets' library is not installed; "
            "run: pip install 'ablation-workbench[datasets]'"
        ) from None
    return datasets


def _commit(dataset: Any) -> str | None:
    """The commit that was downloaded, which the addresses of the files carry."""
    addresses = " ".join(dataset.info.download_checksums or {})
    found = re.search(r"@([0-9a-f]{40})", addresses)
    return found.group(1) if found else None


def _file_in(messages: list[str]) -> str | None:
    """The first file that one of the messages names in quotes."""
    found = (re.search(r"file '([^']+)'", message) for message in messages)
    return next((match.group(1) for match in found if match), None)


class _Listener(logging.Handler):
    """Keeps the messages that are logged to it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _silenced(datasets: Any) -> Iterator[list[str]]:
    """Switch the library's progress bars and messages off for the while: the caller reports what is going on.

    Gives the errors that the library logs in that time.
    """
    shown = not datasets.are_progress_bars_disabled()
    restore: Callable[[], None] = datasets.enable_progress_bars if shown else lambda: None
    logger = logging.getLogger("datasets")
    listener = _Listener()
    handlers = logger.handlers
    propagates = logger.propagate
    datasets.disable_progress_bars()
    logger.handlers = [listener]
    logger.propagate = False
    try:
        yield listener.messages
    finally:
        logger.handlers = handlers
        logger.propagate = propagates
        restore()
