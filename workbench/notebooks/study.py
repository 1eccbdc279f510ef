"""A study that was run, read from disk: its report, runs, curves, figures and views inside."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from workbench.analysis.any_report import report_of
from workbench.analysis.figure_look import SANS, looking
from workbench.analysis.report_figures import report_figures
from workbench.errors import RecordError, UserError, suggestion
from workbench.notebooks.curves import curves_of
from workbench.notebooks.pictures import look_of, shown_as_svg
from workbench.notebooks.report import StudyReport
from workbench.records.index import StudyRecords, list_studies, load_study, study_title
from workbench.records.manifest import read_manifest
from workbench.study.paths import find_results

if TYPE_CHECKING:
    from workbench.notebooks.view import StudyView

# What a row of runs has for programs: ``records.runs`` keeps it.
_NESTED = (
    "hyperparameters",
    "config",
    "config_hash",
    "point",
    "provenance",
    "text_losses",
    "passages",
    "answers",
)


class Study:
    """What a study's directory holds, as it was when it was read; ``load`` again to see what came since.

    ``records`` is all of it: the manifest, a row per run with its whole configuration, what is damaged.
    """

    def __init__(self, records: StudyRecords) -> None:
        self.records = records

    @property
    def name(self) -> str:
        """The study's name; ``published/NAME`` of a published one."""
        return self.records.title

    @property
    def question(self) -> str:
        """What it asks."""
        return self.records.manifest.question

    @property
    def baseline(self) -> str:
        """The variant that all others are compared with."""
        return self.records.manifest.baseline

    @property
    def variants(self) -> list[str]:
        """All variants, in the study's order."""
        return list(self.records.manifest.names)

    @property
    def problems(self) -> list[str]:
        """What could not be read, and enters no number."""
        return [problem.message for problem in self.records.problems]

    def __repr__(self) -> str:
        """``Study('published/quickstart': 4 variants, 80 runs)``."""
        return f"Study({self.name!r}: {len(self.variants)} variants, {len(self.records.runs)} runs)"

    def report(self) -> StudyReport:
        """What the study says: its verdicts as a table and in sentences. In a notebook it shows itself.

        Raises ``UserError`` where nothing is compared.
        """
        return StudyReport(report_of(self.records))

    def runs(self) -> pd.DataFrame:
        """A row per run: what it is, its state, hyperparameters, costs and final metrics.

        Configuration and provenance of each are in ``records.runs``.
        """
        return self.records.runs.drop(columns=list(_NESTED), errors="ignore").reset_index(drop=True)

    def curves(self, metric: str | None = None, *, phase: str | None = None) -> pd.DataFrame:
        """``metric`` along training, a row for each value.

        Columns are ``variant, seed, phase, run_id``, the axes ``step, tokens, flops, seconds`` as far as they
        were recorded, and the metric by its name. ``metric`` is by default the one that the
        study is decided by. ``phase`` is by default the one that verdicts rest on (``confirm``; of a search
        ``search``), ``"all"`` gives every run. Raises ``UserError`` naming the metrics, or phases, there are.
        """
        return curves_of(self.records, metric, phase)

    def figures(self) -> list[str]:
        """The names of the figures that ``figure`` draws."""
        return list(report_figures(self.records, report_of(self.records)))

    def figure(self, name: str = "forest", *, columns: int = 2, letters: str = SANS) -> Figure:
        """A figure as pages and papers have it: ``forest``, ``curves``, ``learning_rates``, …

        It is as wide as ``columns`` of a paper (1 or 2), its ``letters`` are ``"sans-serif"`` or ``"serif"``.
        It is a matplotlib figure: change it, and ``savefig`` it. Raises ``UserError`` naming the figures that
        there are.
        """
        look = look_of(columns, letters)
        with looking(look):
            found = report_figures(self.records, report_of(self.records))
        if name not in found:
            raise UserError(f"figure: {self.name} has no {name!r}; {suggestion(name, list(found))}")
        return shown_as_svg(found[name], look)

    def view(
        self,
        name: str,
        variant: str | None = None,
        *,
        seed: int | None = None,
        against: str | None = None,
        beside: Iterable[str] | str = (),
        options: Mapping[str, object] | None = None,
    ) -> "StudyView":
        """A view inside, as *Attention*, *Position* and *Activations* have it, ``extrapolation`` for one.

        Without ``variant`` the one that differs most is looked at against the baseline, with all others
        beside them. ``variant`` (at ``seed``, by default the first that has weights) is looked at by itself,
        or ``against`` another one; ``beside``: variants that every series shows too, ``"all"`` for every one.
        ``options`` are the view's own, as of ``workbench inspect --option``: ``{"layer": 1}``.

        What the view reads and was not measured is measured first, and kept, as ``workbench inspect`` does.
        Raises ``UserError`` naming the views, variants, seeds or options there are, or why there is nothing
        to show.
        """
        from workbench.notebooks.view import view_of  # torch, which nothing else here needs

        names = [beside] if isinstance(beside, str) else list(beside)
        return view_of(
            self.records, name, variant, seed=seed, against=against, beside=names, options=options or {}
        )


def load(study: str | Path, results: str | Path = "results") -> Study:
    """Read a study: a name in ``results`` or in its ``published``, a study file, or a path of its results."""
    return Study(load_study(find_results(str(study), Path(results))))


def studies(results: str | Path = "results") -> pd.DataFrame:
    """The studies in ``results``, one's own before the published, newest first.

    Columns are ``study`` (what ``load`` takes), ``question``, ``design`` and ``variants`` (how many); of a
    study whose manifest is damaged ``problem`` says how.
    """
    rows = []
    for path in list_studies(Path(results)):
        row: dict[str, Any] = {"study": study_title(path), "question": "", "design": "", "variants": 0}
        try:
            manifest = read_manifest(path)
        except RecordError as error:
            rows.append(row | {"problem": str(error)})
            continue
        known = {"question": manifest.question, "design": manifest.design, "variants": len(manifest.variants)}
        rows.append(row | known | {"problem": ""})
    return pd.DataFrame(rows, columns=["study", "question", "design", "variants", "problem"])
