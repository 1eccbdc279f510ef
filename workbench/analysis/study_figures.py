"""All figures of a study by name, colours bound to levels."""

from matplotlib.figure import Figure

from workbench.analysis.colours import variant_colours
from workbench.analysis.curves_figure import curves_plot
from workbench.analysis.dismantling_figure import dismantling_plot
from workbench.analysis.effects import study_report
from workbench.analysis.forest_figure import forest_plot
from workbench.analysis.gains_figure import gains_plot
from workbench.analysis.ladder_effects import LadderReport
from workbench.analysis.ladder_figure import ladder_plot
from workbench.analysis.tuning_figures import best_of_plot, learning_rate_plot
from workbench.records.index import StudyRecords


def ladder_figures(study: StudyRecords, found: LadderReport) -> dict[str, Figure]:
    """All figures of a ladder by name: ``ladder``, and those of each rung, as ``rung-1-forest``."""
    figures = {"ladder": ladder_plot(found)}
    for number, rung in enumerate(study.compared, start=1):
        figures |= {f"rung-{number}-{name}": one for name, one in study_figures(rung).items()}
    return figures


def study_figures(study: StudyRecords) -> dict[str, Figure]:
    """All figures by name: ``forest``, ``learning_rates``, ``curves``; with a space, ``best_of_k``.

    Where two recipes are taken apart there is ``parts`` too, and ``gains`` where the baseline was trained at
    other budgets. Of a ladder, see ``ladder_figures``.
    """
    report = study_report(study)
    figures = {
        "forest": forest_plot(report),
        "learning_rates": learning_rate_plot(study),
        "curves": curves_plot(study),
    }
    if report.dismantled is not None:
        figures["parts"] = dismantling_plot(report)
    if report.gains is not None:
        figures["gains"] = gains_plot(report, variant_colours(study.manifest))
    if study.manifest.tuning is not None:
        figures["best_of_k"] = best_of_plot(study)
    return figures
