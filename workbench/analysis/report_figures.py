"""The figures of a study of any design, by name: what a published study and its page have."""

from matplotlib.figure import Figure

from workbench.analysis.any_report import AnyReport
from workbench.analysis.ladder_effects import LadderReport
from workbench.analysis.search_figures import search_figures
from workbench.analysis.search_report import SearchReport
from workbench.analysis.study_figures import ladder_figures, study_figures
from workbench.records.index import StudyRecords
from workbench.records.run import Phase


def report_figures(study: StudyRecords, report: AnyReport) -> dict[str, Figure]:
    """All figures of ``study``, whose report is ``report``; of learning rates none where nothing was tuned.

    They have the look that is set when this is called.
    """
    if isinstance(report, SearchReport):
        return search_figures(study)
    figures = ladder_figures(study, report) if isinstance(report, LadderReport) else study_figures(study)
    if Phase.TUNE in (study.manifest.phases or []):
        return figures
    return {name: figure for name, figure in figures.items() if not name.endswith("learning_rates")}
