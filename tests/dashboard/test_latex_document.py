"""A paper with all figures of a study, at both widths, compiles, and each has the width of its place."""

import re
import shutil
import subprocess

import pytest

from tests.odd_panels import result
from workbench.analysis.figure_look import ONE, SERIF, TWO, WIDTHS, Look, looking
from workbench.analysis.paper_figures import save
from workbench.analysis.study_figures import study_figures
from workbench.inspection.panel_figures import figure, panel_figure
from workbench.records.index import load_study

_DOCUMENT = r"""\documentclass[10pt,twocolumn]{article}
\usepackage{graphicx}
\usepackage[paperwidth=8.5in,paperheight=60in,textwidth=6.9in,textheight=58in]{geometry}
\setlength{\columnsep}{0.3in}
\begin{document}
%s
\end{document}
"""


def _drawn(study, folder):
    """The figures of the study and of a view, at both widths; ``\\includegraphics`` of each."""
    lines = []
    for size, place in ((ONE, "figure"), (TWO, "figure*")):
        with looking(Look(size, SERIF)):
            figures = study_figures(load_study(study)) | {"view": figure(result())}
            figures |= {"panel": panel_figure(result().panels[0])}
            for name, one in figures.items():
                path = save(one, folder / f"{name}-{size[:3]}.pdf")
                lines.append(
                    rf"\begin{{{place}}}[p]\centering\includegraphics{{{path.name}}}\caption{{{name}}}"
                    rf"\end{{{place}}}\clearpage".replace("_", r"\_").replace(
                        path.name.replace("_", r"\_"), path.name
                    )
                )
    return lines


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX is installed: there is no pdflatex")
def test_a_paper_with_every_figure_compiles_and_none_is_wider_than_its_column(study, tmp_path):
    lines = _drawn(study, tmp_path)
    assert len(lines) >= 2 * (3 + 2)
    (tmp_path / "paper.tex").write_text(_DOCUMENT % "\n".join(lines))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "Overfull \\hbox" not in log
    for line in lines:
        name = re.search(r"includegraphics\{([^}]+)\}", line)[1]
        assert name in log.replace("\n", "")


@pytest.mark.parametrize("size", list(WIDTHS))
def test_figures_have_the_width_that_was_asked_for(study, size):
    with looking(Look(size)):
        assert {one.get_figwidth() for one in study_figures(load_study(study)).values()} == {WIDTHS[size]}
