"""The calibration in one figure: false words, power against its prediction, and noise along the runs."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from workbench.analysis.calibrating.calibration import Calibration
from workbench.analysis.calibrating.error_rates import NONE, TWO_MARGINS, averaged
from workbench.analysis.calibrating.error_shares import EQUIVALENT, error_shares
from workbench.analysis.calibrating.goals import PROMISED, TOLERANCE, TWO_SIDED
from workbench.analysis.colours import BASELINE_COLOUR, BLUE, VERMILLION
from workbench.analysis.figure_look import look, width
from workbench.analysis.paper_figures import paper_style

_BAND = "#DDDDDD"


@paper_style
def calibration_figure(found: Calibration) -> Figure:
    """False words at the study's margin, power predicted and observed, and the noise along the runs."""
    figure = Figure(figsize=(width(), 8.0 if look().is_narrow else 2.9), layout="constrained")
    errors, power, noise = figure.subplots(3, 1) if look().is_narrow else figure.subplots(1, 3)
    _draw_errors(errors, found)
    _draw_power(power, found)
    _draw_noise(noise, found)
    return figure


def _draw_errors(axes: Axes, found: Calibration) -> None:
    """One comparison at the study's margin, exactly at which the truth lies."""
    shares = error_shares(found)
    designs = list(dict.fromkeys(one.design for one in shares))
    low, high = 100 * (PROMISED - TOLERANCE), 100 * (PROMISED + TOLERANCE)
    axes.axvspan(low, high, color=_BAND, linewidth=0)
    axes.axvline(100 * PROMISED, color=BASELINE_COLOUR, linewidth=0.6)
    for one in shares:
        is_equivalent = one.word == EQUIVALENT
        place = designs.index(one.design) + (0.15 if is_equivalent else -0.15)
        axes.errorbar(
            one.percent,
            place,
            xerr=TWO_SIDED * one.error,
            fmt="o" if is_equivalent else "s",
            color=BLUE if is_equivalent else VERMILLION,
            markersize=3.5,
            linewidth=1.2,
            label=one.word if one.design == designs[0] else None,
        )
    axes.set_yticks(range(len(designs)), [design.replace(", ", ",\n") for design in designs])
    axes.set_ylim(len(designs) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"false words, % of studies\n(truth at the margin ±{found.margin:g})")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=1, borderaxespad=0.1)


def _draw_power(axes: Axes, found: Calibration) -> None:
    """Every margin and design of one comparison; the band is five points to both sides."""
    axes.fill_between([0, 100], [-5, 95], [5, 105], color=_BAND, linewidth=0)
    axes.plot([0, 100], [0, 100], color=BASELINE_COLOUR, linewidth=0.6)
    for names, colour, marker, label in (
        ((NONE,), BLUE, "o", "equivalent, if equal"),
        (TWO_MARGINS, VERMILLION, "s", "better or worse, at two margins"),
    ):
        predicted, observed = [], []
        for one in found.rates:
            if one.comparisons > 1:
                continue
            truths = [one.at(name) for name in names]
            predicted.append(100 * (truths[0].predicted or 0.0))
            observed.append(100 * averaged([truth.right for truth in truths if truth.right]).value)
        axes.plot(predicted, observed, marker, color=colour, markersize=3.5, label=label, clip_on=False)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("power predicted, %")
    axes.set_ylabel("power observed, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=1, borderaxespad=0.1)


def _draw_noise(axes: Axes, found: Calibration) -> None:
    tokens = [one.tokens for one in found.noise]
    low = [one.paired_range.low for one in found.noise]
    high = [one.paired_range.high for one in found.noise]
    axes.fill_between(tokens, low, high, color=BLUE, alpha=0.15, linewidth=0)
    paired = [one.paired_sd for one in found.noise]
    axes.plot(tokens, paired, "-o", color=BLUE, markersize=2.5, label="of a paired difference")
    single = [one.run_sd for one in found.noise]
    axes.plot(tokens, single, "-s", color=BASELINE_COLOUR, markersize=2.5, label="of a run")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("training tokens")
    axes.set_ylabel(f"sd ({found.unit})")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=1, borderaxespad=0.1)
