"""A dataset of the Hugging Face hub, or of a local folder, through ``datasets.load_dataset``.

Pin ``revision`` (a commit) for a corpus that can be had again: a branch moves. With ``max_bytes`` the rows
are streamed and reading stops there, so that a sample of a large dataset is no large download.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.data.local_files import require_field, require_text
from workbench.data.source import KEY, CorpusConfig, Source
from workbench.errors import UserError


class HuggingFace(CorpusConfig):
    """One text field of one split of a dataset."""

    unit: ClassVar[str] = "documents"
    huggingface: str = Field(description="the dataset's name, a local folder, or a builder such as 'json'")
    config: str | None = Field(None, description="the dataset's configuration, where it has several")
    revision: str | None = Field(None, description="a commit, tag or branch")
    split: str = Field("train", description="which of the dataset's splits is read")
    field: str = Field("text", description="the column that holds the text")
    data_files: str | list[str] | None = Field(None, description="files of a builder or folder")

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
        try:
            with _quiet(datasets):
                return datasets.load_dataset(
                    self.huggingface,
                    self.config,
                    data_files=self.data_files,
                    revision=self.revision,
                    split=self.split,
                    streaming=self.max_bytes is not None,
                )
        except Exception as error:  # the library raises a dozen kinds; each means that there is no data
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UserError:
        return UserError(
            f"{KEY}.huggingface: {self.huggingface!r} cannot be loaded ({type(error).__name__}: {error}); "
            "check the name, 'config', 'revision', 'split' and 'data_files', the network connection, and "
            "HF_TOKEN for a gated dataset"
        )

    def _rows(self, dataset: Any) -> Iterator[dict[str, Any]]:
        try:
            yield from dataset
        except Exception as error:  # streamed rows are fetched here
            raise self._unreadable(error) from error

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


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Switch progress bars off for the while: who called says what is going on."""
    shown = not datasets.are_progress_bars_disabled()
    restore: Callable[[], None] = datasets.enable_progress_bars if shown else lambda: None
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        restore()
