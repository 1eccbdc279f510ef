"""A view inside in Python: its answers, tables and figure, and how a notebook shows it."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from workbench.analysis.figure_look import SANS, looking
from workbench.analysis.paper_figures import to_bytes
from workbench.analysis.report_html import html_list, html_text
from workbench.analysis.text_escapes import escape_markdown
from workbench.errors import UserError
from workbench.inspection.command import measure_for, scope_of_study
from workbench.inspection.panel_figures import figure as draw
from workbench.inspection.panels import Result
from workbench.inspection.scope import Scope
from workbench.inspection.variants_beside import ALL, chosen_beside, first_run
from workbench.inspection.views import find_view
from workbench.notebooks.pictures import look_of, shown_as_svg
from workbench.progress import progress_on
from workbench.records.find import find_seed
from workbench.records.index import StudyRecords
from workbench.records.run import RunDirectory
from workbench.terminal import console


class StudyView:
    """A view, computed. ``result`` is the view itself, with its panels as data.

    ``unmeasured`` says why something that it reads could not be measured.
    """

    def __init__(self, result: Result, unmeasured: tuple[str, ...] = ()) -> None:
        self.result = result
        self.unmeasured = list(dict.fromkeys(unmeasured))

    @property
    def title(self) -> str:
        """What is looked at."""
        return self.result.title

    @property
    def answers(self) -> list[str]:
        """What the numbers say, in sentences."""
        return list(self.result.answers)

    @property
    def source(self) -> str:
        """The runs, seeds and checkpoint that it is of."""
        return self.result.source

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every number behind it, by the title of its panel: what ``inspect`` writes as CSV."""
        return self.result.all_tables()

    def figure(self, *, columns: int = 2, letters: str = SANS) -> Figure:
        """All panels in a matplotlib figure, as wide as ``columns`` of a paper."""
        look = look_of(columns, letters)
        with looking(look):
            return shown_as_svg(draw(self.result), look)

    def __repr__(self) -> str:
        """The title, and a line for each answer."""
        return "\n".join([f"{self.title} ({self.source})", *(f"  {answer}" for answer in self.answers)])

    def _repr_html_(self) -> str:
        """What a notebook shows: question, answers and figure."""
        svg = to_bytes(self.figure(), "svg").decode()
        return "\n".join(
            [
                f"<h3>{html_text(self.title)}</h3>",
                f"<p>{html_text(self.result.question)}</p>",
                *html_list((*self.answers, *self.unmeasured), "sentences"),
                svg[svg.index("<svg") :],
            ]
        )

    def _repr_markdown_(self) -> str:
        """Title and answers for what shows Markdown alone."""
        answers = "\n".join(f"- {escape_markdown(answer)}" for answer in self.answers)
        return f"### {escape_markdown(self.title)}\n\n{escape_markdown(self.result.question)}\n\n{answers}\n"


def view_of(
    study: StudyRecords,
    name: str,
    variant: str | None,
    *,
    seed: int | None,
    against: str | None,
    beside: list[str],
    options: Mapping[str, object],
) -> StudyView:
    """The view ``name`` of runs of ``study``, chosen as ``Study.view`` says; raises as that does."""
    view = find_view(name)
    scope = _scope(study, variant, seed, against, beside)
    given = {key: str(value) for key, value in options.items()}
    with progress_on(console(stderr=True)) as progress:
        unmeasured = measure_for([view], scope, progress)
    return StudyView(view.show(scope, given), tuple(one.reason for one in unmeasured))


def _scope(
    study: StudyRecords, variant: str | None, seed: int | None, against: str | None, beside: list[str]
) -> Scope:
    if variant is None:
        if against is not None or seed is not None:
            raise UserError("variant: name the variant that 'seed' and 'against' are about")
        scope = scope_of_study(study)
        beside = beside or [ALL]
    else:
        run = _run(study, variant, seed)
        other = None if against is None else _run(study, against, seed, like=run, key="against")
        scope = Scope(run, other)
    return replace(scope, others=chosen_beside(study, scope, beside)) if beside else scope


def _run(
    study: StudyRecords,
    variant: str,
    seed: int | None,
    *,
    like: RunDirectory | None = None,
    key: str = "variant",
) -> RunDirectory:
    """A complete run of ``variant``: of ``seed``, else of the seed of ``like``, else the first to look at."""
    found = None
    if seed is None:
        found = first_run(study, variant, None if like is None else like.read().seed)
    return found or find_seed(study.path, variant, seed, key=key if seed is None else "seed")
