"""Documents of a study's texts in its published copy: counts whole, beginnings as long as there is room.

The beginnings are the user's text, so that who publishes can leave them out.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from workbench.data.treatments.tally import CHANGED, DROPPED, KEPT
from workbench.study.kept_reports import compressed

MOST_BYTES = 60_000  # of a published study
# How many examples of each rule, and how many characters of each: the first that fits is taken.
_STEPS = ((20, 400), (20, 240), (20, 160), (20, 100), (10, 100), (5, 100), (2, 60), (0, 0))


def fitted(reports: list[dict[str, Any]], most_bytes: int = MOST_BYTES) -> bytes:
    """What ``data.json.xz`` holds of ``reports``, their examples cut until it has at most ``most_bytes``.

    Counts are never cut: where they alone have more bytes, so has the file.
    """
    content = b""
    for number, characters in _STEPS:
        content = compressed([cut(report, number, characters) for report in reports])
        if len(content) <= most_bytes:
            break
    return content


def without_examples(reports: list[dict[str, Any]]) -> bytes:
    """The same without any text of a document."""
    return compressed([cut(report, 0, 0) for report in reports])


def count_examples(reports: Iterable[dict[str, Any]]) -> int:
    """How many beginnings of documents ``reports`` have."""
    reports = list(reports)
    sides = sum(len(report[side].get("beginnings", [])) for report in reports for side in _SIDES)
    return sides + sum(len(stage[kind]) for report in reports for stage in _stages(report) for kind in _KINDS)


def cut(report: dict[str, Any], number: int, characters: int) -> dict[str, Any]:
    """``report`` with at most ``number`` examples of each rule, and so many ``characters`` of each."""
    shorter = dict(report)
    for side in _SIDES:
        beginnings = report[side].get("beginnings", [])
        shorter[side] = report[side] | {"beginnings": [text[:characters] for text in beginnings[:number]]}
    shorter["examples"] = [_cut_stage(stage, number, characters) for stage in report["examples"]]
    if "sources" in report:
        shorter["sources"] = [
            source
            | {"examples": [_cut_stage(stage, number, characters) for stage in source.get("examples", [])]}
            for source in report["sources"]
        ]
    return shorter


_SIDES = ("train", "validation")
_KINDS = (KEPT, CHANGED, DROPPED)


def _stages(report: dict[str, Any]) -> list[dict[str, Any]]:
    own = list(report["examples"])
    return own + [stage for source in report.get("sources", []) for stage in source.get("examples", [])]


def _cut_stage(stage: dict[str, Any], number: int, characters: int) -> dict[str, Any]:
    return stage | {kind: _few(stage[kind], number, characters) for kind in _KINDS}


def _few(examples: list[dict[str, Any]], number: int, characters: int) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    few = []
    for example in examples:
        seen[example.get("rule", "")] += 1
        if seen[example.get("rule", "")] <= number:
            texts = {key: example[key][:characters] for key in ("text", "became") if key in example}
            few.append(example | texts)
    return few
