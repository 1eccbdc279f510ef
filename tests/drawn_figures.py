"""What matplotlib has drawn of a figure, read off it: texts and boxes, labels of axes, sizes of marks."""

import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.readable import faults_of_axis, overlaps


class Drawn:
    """A figure after it was drawn."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        FigureCanvasAgg(figure).draw()
        self.parts = figure.subfigs

    def texts(self, part=None):
        """Texts that are seen, with their boxes."""
        renderer, found = self.figure.canvas.get_renderer(), []
        for text in (part or self.figure).findobj(Text):
            hidden = text in self._unseen(text.axes)
            if text.get_visible() and text.get_text().strip() and not hidden:
                box = text.get_window_extent(renderer)
                found.append((text.get_text(), (box.x0, box.y0, box.x1, box.y1)))
        return found

    def _unseen(self, axes):
        """Labels of ticks beyond the ends of an axis, which matplotlib keeps and does not draw."""
        if axes is None:
            return []
        if not axes.axison:
            return [text for axis in (axes.xaxis, axes.yaxis) for text in axis.findobj(Text)]
        found = []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            near = 1e-9 * max(abs(low), abs(high))
            for tick in [*axis.majorTicks, *axis.minorTicks]:
                if not low - near <= tick.get_loc() <= high + near:
                    found += [tick.label1, tick.label2]
        return found


def labels(axis: Axis):
    return [text.get_text() for text in axis.get_ticklabels() if text.get_visible() and text.get_text()]


def marks(axes):
    """Sizes in pixels of what is drawn on ``axes`` from data."""
    found = [bar.get_window_extent() for bar in axes.patches]
    found += [image.get_window_extent() for image in axes.images]
    found += [line.get_window_extent() for line in axes.lines if line.get_transform() == axes.transData]
    return [max(box.width, box.height) for box in found if np.isfinite([box.width, box.height]).all()]


def faults(drawn: Drawn, part: Figure | None = None) -> list[str]:
    """What a reader could not read of a figure or of a part of it."""
    seen = drawn.texts(part)
    found = [f"{one!r} on {other!r}" for one, other in overlaps(seen)]
    width, height = drawn.figure.bbox.width, drawn.figure.bbox.height
    for text, (x0, y0, x1, y1) in seen:
        if x0 < -1 or y0 < -1 or x1 > width + 1 or y1 > height + 1:
            found.append(f"{text!r} is cut")
    for axes in (part or drawn.figure).axes:
        if axes.get_label() == "<tokens>":
            continue  # a text may have one token twice
        for axis in (axes.xaxis, axes.yaxis):
            found += faults_of_axis(labels(axis))
    return found
