"""How long a training step takes, as the logarithm of a ratio: 0.02 is two percent more."""

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.report_footer import machine_words
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity, Sides
from workbench.errors import RecordError
from workbench.numbers import percent
from workbench.records.cells import BLOCKS, CELLS
from workbench.records.manifest import Manifest, ManifestVariant
from workbench.records.step_times import StepPair, StepTimes, read_step_times, step_digest


class StepTimeRatio(Quantity):
    """The time of a training step, block by block in turn with the baseline's."""

    name = "step_time_ratio"
    title = "ln step time"
    unit = "ln ratio"
    joined = "over"
    page = None
    counted = "block"
    fewest = BLOCKS
    of_a_cell = True
    of_trials = False
    about = (
        "Seconds of a training step as the natural logarithm of variant over the study's baseline, in the "
        "cell that the prediction names: measured in turns, in blocks of A B B A that stand for pairs "
        f"(workbench steptimes). A word needs {BLOCKS} blocks of a second or more, and a machine whose cores "
        "other processes left alone."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The logarithm of each block's ratio."""
        variant, baseline = study.pair(sides)
        found, pair = self._pair(study, sides)
        manifest = study.records.manifest
        reservations = list(found.doubts)
        steps = (_step(manifest, variant), _step(manifest, baseline))
        if steps != (pair.step, pair.baseline_step):
            reservations.append(
                f"{variant.name}: its step times are of another model or training than the study's now; "
                "measure again"
            )
        return Measured(
            values=pair.log_ratios,
            rule=Rule.fixed(len(pair.blocks), 1),
            reservations=tuple(reservations),
            hardware=(machine_words(found.hardware),),
            details=(_details(found, pair),),
            seconds=pair.steps * sum(pair.seconds),
        )

    def _pair(self, study: ConfirmedStudy, sides: Sides) -> tuple[StepTimes, StepPair]:
        try:
            measured = read_step_times(study.records.path)
        except RecordError as error:
            raise NotMeasurableError(str(error)) from None
        cell = CELLS[str(sides.cell)]
        found = next((one for one in measured if one.cell == cell), None)
        pair = None if found is None else found.pair(sides.variant)
        if found is None or pair is None:
            raise NotMeasurableError(f"step times of {study.records.title} were not measured on {cell.words}")
        return found, pair


def _step(manifest: Manifest, variant: ManifestVariant) -> str:
    return step_digest(variant.model, {**manifest.training, **variant.training})


def _details(found: StepTimes, pair: StepPair) -> str:
    """How it was measured, in a line."""
    load = "unknown" if found.load_average is None else f"{found.load_average:.2f}"
    others = "an unknown part" if found.others is None else percent(found.others)
    commit = found.git_commit[:12] if found.git_commit else "no commit"
    commit += " with changes" if found.git_dirty else ""
    return (
        f"{found.cell.words}, {found.threads} CPU thread{'s' if found.threads > 1 else ''}: "
        f"{len(pair.blocks)} blocks of {pair.shortest:.2g} s or more, batches of {pair.batch_size} × "
        f"{pair.context} tokens, {found.date.partition('T')[0]}, {commit}; load average {load} before, other "
        f"processes on {others} of the cores"
    )
