"""What a browser has drawn of Vega's charts, read off the page: texts, marks, labels of axes."""

from dataclasses import dataclass

from tests.readable import faults_of_axis, overlaps

_READ = """
() => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].map((chart) => {
  const svg = chart.querySelector('svg'), canvas = chart.querySelector('canvas')
  const name = chart.getAttribute('aria-label')
  if (!svg) return { name, canvas: canvas !== null }
  const box = (one) => { const b = one.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom] }
  const seen = (one) => {
    for (let node = one; node !== svg; node = node.parentElement)
      if (getComputedStyle(node).opacity === '0' || getComputedStyle(node).display === 'none') return false
    return true
  }
  const style = getComputedStyle
  const lines = (one) => [...one.querySelectorAll('tspan')].map((part) => part.textContent).join(' ')
  const rim = (one) => one.closest('.role-mark[aria-hidden]') !== null  // drawn once more, under the words
  const texts = [...svg.querySelectorAll('text')]
    .filter((one) => one.textContent.trim() && seen(one) && !rim(one))
  const marks = [...svg.querySelectorAll('.role-mark path, .role-mark line')]
  const labels = (axis) => [...axis.querySelectorAll('.role-axis-label text')].filter(seen)
  return {
    name, box: box(chart),
    nameless: svg.querySelectorAll('[role=graphics-symbol]:not([aria-label])').length,
    texts: texts.map((one) => [lines(one) || one.textContent, box(one), style(one).fill]),
    marks: marks.filter((one) => one.closest('.role-legend') === null).map((one) => {
      const b = one.getBBox()
      const kind = one.closest('.role-mark').getAttribute('class').split(' ')[0]
      const { fill, stroke, strokeDasharray } = style(one)
      return [kind, Math.max(b.width, b.height), fill, box(one), strokeDasharray, stroke]
    }),
    axes: [...svg.querySelectorAll('.role-axis')].map(labels).filter((found) => found.length)
      .map((found) => found.map((one) => one.textContent)),
  }
})
"""


@dataclass(frozen=True)
class Mark:
    """One mark: its kind (``mark-rect``), size and place in pixels, colours as CSS, and dash."""

    kind: str
    size: float
    fill: str
    box: tuple[float, float, float, float]
    dash: str
    stroke: str


@dataclass(frozen=True)
class Chart:
    """One chart as it was drawn; one of thousands of marks is a picture, of which only the name is known."""

    name: str
    texts: list[tuple[str, tuple[float, float, float, float], str]]
    marks: list[Mark]
    axes: list[list[str]]
    box: tuple[float, float, float, float]
    nameless: int = 0
    picture: bool = False

    def faults(self) -> list[str]:
        """What a reader could not read."""
        if not self.name:
            return ["it has no name"]
        if self.nameless:
            return [f"{self.nameless} of its parts have no name"]
        if self.picture:
            return []
        found = [
            f"{one!r} on {other!r}" for one, other in overlaps((text, box) for text, box, _ in self.texts)
        ]
        left, top, right, bottom = self.box
        for text, (x0, y0, x1, y1), _ in self.texts:
            if x0 < left - 2 or x1 > right + 2 or y0 < top - 2 or y1 > bottom + 2 or "…" in text:
                found.append(f"{text!r} is cut")
        if not any(mark.size > 1 for mark in self.marks):
            found.append("no marks")
        return found + [fault for labels in self.axes for fault in faults_of_axis(labels)]


def read_charts(page) -> list[Chart]:
    """All of Vega's charts on ``page``, from the first to the last."""
    found = []
    for raw in page.evaluate(_READ):
        if "texts" not in raw:
            assert raw["canvas"], f"{raw['name']}: nothing is drawn"
            found.append(Chart(raw["name"], [], [], [], (0, 0, 0, 0), picture=True))
            continue
        texts = [(" ".join(text.split()), tuple(box), fill) for text, box, fill in raw["texts"]]
        marks = [Mark(*mark) for mark in raw["marks"]]
        found.append(Chart(raw["name"], texts, marks, raw["axes"], tuple(raw["box"]), raw["nameless"]))
    return found
