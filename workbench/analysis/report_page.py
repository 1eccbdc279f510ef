"""A study's report as one page of HTML: verdicts, tables and figures in a file that needs no other.

It has no script and asks for nothing: its policy forbids both. It is light or dark as the reader's system is.
"""

import re

from matplotlib.figure import Figure

from workbench.analysis.any_report import AnyReport, report_of
from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.contrast import seen_on
from workbench.analysis.paper_figures import BAND, to_bytes
from workbench.analysis.report_figures import report_figures
from workbench.analysis.report_html import html_report, html_text
from workbench.analysis.report_outline import outline
from workbench.records.index import StudyRecords

# What is ink or paper in a figure follows the page.
_OF_THE_PAGE = {"#000000": "ink", BASELINE_COLOUR.lower(): "ink", "#ffffff": "paper", BAND.lower(): "band"}
_DARK = "#14181d"  # the paper of a dark page
_REM_PER_INCH = 8.7  # of a figure at its largest: its letters of 8 pt are as large as the page's then
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_STYLED = re.compile(r'(?<=\sstyle=")[^"]*')
_TITLES = {
    "forest": "Paired differences to the baseline, with their intervals and every seed; the margin is a band",
    "learning_rates": "What tuning tried: the loss by learning rate, with what was chosen",
    "curves": "Validation curves: means over seeds with their 95 % intervals",
    "parts": "What each part contributes to the gap between the two recipes",
    "gains": "The loss of the baseline by its budget, and what each variant is worth by it",
    "best_of_k": "How good tuning looks by how many points it tried",
    "ladder": "Each change's effect by the compute of a run",
}
_BEGINNINGS = {  # of a search's figures, by the objective that follows
    "front_": "All complete points and the Pareto front, with {}",
    "importances_": "How much each dimension of the space matters for {}",
}
_RUNG = re.compile(r"rung-(\d+)-(.+)")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_CSS = """
:root { color-scheme: light dark;
  --ink: #1f2933; --faint: #5b6672; --paper: #ffffff; --line: #d5dae0; --band: #dddddd; --shade: #00000033;
  --better: #00694d; --worse: #a63c00; --equivalent: #005b8f; --open: #5b6672; --lost: #7d2a63; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6e9ed; --faint: #a7b0ba; --paper: #14181d; --line: #39424c; --band: #3a424b; --shade: #ffffff33;
  --better: #4fd0a5; --worse: #ff9a5c; --equivalent: #6fbdf0; --open: #a7b0ba; --lost: #e79ac6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 1rem 0 0.25rem; }
h2, h3 { font-size: 1.25rem; margin: 2.5rem 0 0.25rem; }
.question { color: var(--faint); margin: 0 0 1rem; }
.sentences li { margin: 0.25rem 0; }
.notes, summary, dl, .title, figcaption { color: var(--faint); font-size: 0.9rem; }
.title { margin: 1.5rem 0 0.5rem; }
.table { overflow-x: auto; margin: 0 0 1.25rem;
  background: linear-gradient(90deg, var(--paper) 30%, transparent) left / 3rem 100% local no-repeat,
    linear-gradient(-90deg, var(--paper) 30%, transparent) right / 3rem 100% local no-repeat,
    linear-gradient(90deg, var(--shade), transparent) left / 1rem 100% scroll no-repeat,
    linear-gradient(-90deg, var(--shade), transparent) right / 1rem 100% scroll no-repeat; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; min-width: 100%;
  overflow-wrap: normal; }
th, td { padding: 0.3rem 0.75rem; border-bottom: 1px solid var(--line); vertical-align: top;
  white-space: nowrap; }
th { font-weight: 600; }
tbody th { font-weight: 400; }
.left { text-align: left; white-space: normal; }
.right { text-align: right; }
td.left { min-width: 8rem; }
.word { font-weight: 600; }
.better { color: var(--better); } .worse { color: var(--worse); } .equivalent { color: var(--equivalent); }
.open { color: var(--open); } .lost { color: var(--lost); }
figure { margin: 2rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { fill: var(--ink); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
@media (max-width: 64rem) { th, td { padding: 0.3rem 0.4rem; } table { font-size: 0.8rem; } }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
@media print { .table { overflow: visible; } }
"""


def report_page(study: StudyRecords, report: AnyReport | None = None) -> str:
    """The page of ``study``; ``report`` is its report where that is at hand.

    Raises ``UserError`` as ``report_of`` does.
    """
    report = report_of(study) if report is None else report
    drawn = {name: _figure(name, figure) for name, figure in report_figures(study, report).items()}
    body = html_report(outline(report), drawn)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html_text(study.title)}</title>\n<style>{_CSS}{_seen_in_the_dark(body)}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>"
    )


def _figure(name: str, figure: Figure) -> str:
    title = figure_title(name)
    return f"<figure>{svg_within_page(figure, title)}<figcaption>{html_text(title)}</figcaption></figure>"


def figure_title(name: str) -> str:
    """What the figure called ``name`` shows; of one without words here, the name."""
    if found := _RUNG.fullmatch(name):
        return f"Rung {found[1]}: {figure_title(found[2])}"
    for beginning, title in _BEGINNINGS.items():
        if name.startswith(beginning):
            return title.format(name.removeprefix(beginning).replace("_", " "))
    return _TITLES.get(name, name.replace("_", " "))


def svg_within_page(figure: Figure, title: str) -> str:
    """``figure`` as an element of a page, its colours by name: ``var(--ink)``, ``var(--of-009e73, #009e73)``.

    Without a page that says otherwise each has its own.
    """
    text = to_bytes(figure, "svg").decode()
    text = text[text.index("<svg") :].rstrip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would be of all elements of the page
    text = _STYLED.sub(lambda style: _COLOUR.sub(_named, style[0]), text)
    widest = _REM_PER_INCH * figure.get_figwidth()
    named = f'<svg role="img" aria-label="{html_text(title)}" style="max-width: {widest:.4g}rem" '
    return text.replace("<svg ", named, 1)


def _named(colour: re.Match[str]) -> str:
    return f"var(--{_OF_THE_PAGE.get(colour[0], f'of-{colour[0][1:]}')}, {colour[0]})"


def _seen_in_the_dark(body: str) -> str:
    """Colours of levels that a dark page has to show lighter."""
    found = sorted(set(re.findall(r"var\(--of-([0-9a-f]{6})", body)))
    lighter = {one: seen_on(f"#{one}", _DARK) for one in found}
    said = " ".join(f"--of-{one}: {colour};" for one, colour in lighter.items() if colour != f"#{one}")
    return f"@media (prefers-color-scheme: dark) {{ :root {{ {said} }} }}\n" if said else ""
