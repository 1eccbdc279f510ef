"""``workbench check`` of a draft, in the background: whoever types is never waited for.

Each text is checked once, by the functions of the command itself. What takes seconds comes at the end, so
that sizes and warnings are there while the speed of a training step is still being measured.
"""

import io
import json
import math
import sys
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from workbench.dashboard.asking.draft import SOURCE, read_draft
from workbench.dashboard.turns import TURNS
from workbench.errors import UserError, in_one_line
from workbench.study.schema import StudyFile, study_of
from workbench.terminal import Terminal

if TYPE_CHECKING:  # which bring torch
    from workbench.study.design import Variant
    from workbench.study.plan import Plan

_COMMAND = "workbench.study.check"  # brings torch, which takes seconds
_KEPT = 64  # checks
_AT_ONCE = 2  # so that a large text that is being read does not hold up the check of another


@dataclass
class Check:
    """What is known so far of one text: the ``facts`` of ``workbench check``, or an ``error`` in a line.

    While it is not ``done`` times may be NaN, and ``now`` says what is going on. ``download`` names a text of
    the internet that is not here yet: nothing is fetched before somebody asks for it.
    """

    facts: dict[str, Any] | None = None
    error: str = ""
    download: str = ""
    done: bool = False
    output: io.StringIO = field(default_factory=io.StringIO)

    @property
    def now(self) -> str:
        """The last line that the preparation of the texts printed."""
        lines = self.output.getvalue().split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")


class Checks:
    """Checks by their text; safe to share between sessions. ``now`` is how work is handed to a thread."""

    def __init__(self, results: Path, submit: Callable[..., Any] | None = None) -> None:
        self._results = results
        self._submit = submit or ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="check").submit
        self._checks: OrderedDict[tuple[str, str], Check] = OrderedDict()
        self._wanted: dict[str, tuple[str, str]] = {}  # by session, its latest
        self._seconds: dict[str, float] = {}  # of a training token, by what it was measured for
        self._lock = Lock()

    def check(self, session: str, text: str, path: Path, *, download: bool = False) -> Check:
        """What is known of ``text``, which is to be the study file ``path``; it is checked where it was not.

        What a session asked for before and was not begun yet is dropped. ``download``: texts may be fetched.
        """
        key = (str(path), text)
        with self._lock:
            self._wanted[session] = key
            known = self._checks.get(key)
            if known is not None and not (download and known.download):
                self._checks.move_to_end(key)
                return known
            check = self._checks[key] = Check()
            while len(self._checks) > _KEPT:
                self._checks.popitem(last=False)
        self._submit(self._run, key, check, path, download)
        return check

    def forget(self, text: str, path: Path) -> None:
        """Check ``text`` anew: what it reads may have changed."""
        with self._lock:
            self._checks.pop((str(path), text), None)

    def _run(self, key: tuple[str, str], check: Check, path: Path, download: bool) -> None:
        with self._lock:
            if key not in self._wanted.values():
                self._checks.pop(key, None)
                return
        try:
            _import_command()
            with TURNS.drawing():  # what it imports, nobody imports meanwhile to be ready for a reader
                self._work(check, study_from(key[1], path), download)
        except UserError as error:
            check.error = str(error).removeprefix(f"{path.stem}: ")
        except Exception as error:  # a user's part, or a defect of ours: the page lives on
            check.error = f"the check failed ({type(error).__name__}: {in_one_line(error)})"
            raise
        finally:
            check.done = True

    def _work(self, check: Check, study: StudyFile, download: bool) -> None:
        from workbench.study.check import check_plan
        from workbench.study.preparation import plan_of

        check.download = "" if download else missing_download(study)
        if check.download:
            return
        plan = plan_of(study, Terminal(file=check.output, width=160), self._results)
        unknown = dict.fromkeys((variant.name for variant in plan.variants), math.nan)
        if plan.search is None:
            check.facts = check_plan(plan, unknown, workers=None, out=self._results)
        seconds = {variant.name: self._seconds_per_token(variant, plan) for variant in plan.variants}
        check.facts = check_plan(plan, seconds, workers=None, out=self._results)

    def _seconds_per_token(self, variant: "Variant", plan: "Plan") -> float:
        """As ``workbench check`` measures them, once for each model and way of training it."""
        from workbench.study.check import probe_seconds

        training = plan.config(variant)["training"]
        key = json.dumps([variant.model.to_dict(), training], sort_keys=True, default=str)
        if key not in self._seconds:
            self._seconds[key] = probe_seconds(variant, plan.device)
            _give_back_memory(plan.device)
        return self._seconds[key]


def _import_command() -> None:
    """Import what checks a study, at a time when no page is being drawn: the form needs none of it."""
    if _COMMAND not in sys.modules:
        with TURNS.stepping(for_page=True):
            import_module(_COMMAND)


def study_from(text: str, path: Path, *, complete: bool = True) -> StudyFile:
    """The study that ``text`` asks, were it in the file ``path``; raises ``UserError``."""
    try:
        return study_of(read_draft(text), path, complete=complete)
    except UserError as error:
        # The file is not there yet: its name would only lengthen the line.
        raise UserError(str(error).removeprefix(f"{path}: ").removeprefix(f"{SOURCE}: ")) from None


def missing_download(study: StudyFile) -> str:
    """The text of the internet that the study would fetch first; empty where none is missing."""
    from workbench.data.cache import cache_directory
    from workbench.data.corpora import corpus_config, part_configs
    from workbench.data.report import report_entry
    from workbench.data.sources.huggingface import HuggingFace

    trained_on: list[Any] = [study.data.corpus, *study.factors.get("corpus", [])]
    configs = [corpus_config(spec) for spec in trained_on if isinstance(spec, str | dict)]
    configs += [corpus_config(spec, trained_on=False) for spec in study.data.evaluation.values()]
    for config in configs:
        if report_entry(config, cache_directory()).exists():
            continue
        for one in (config, *part_configs(config).values()):
            if isinstance(one, HuggingFace) and not Path(one.huggingface).exists():
                return one.huggingface
    return ""


def _give_back_memory(device: str) -> None:
    """A study that trains on this GPU needs what the measuring held."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
