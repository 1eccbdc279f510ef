"""One text of a study: what it is, what was done to it, and what each rule took."""

from collections.abc import Callable
from functools import partial
from shlex import quote
from typing import Any

import pandas as pd
import streamlit as st
import yaml
from pandas.api.types import is_numeric_dtype

from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads, text_charts
from workbench.dashboard.documents import document
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.state import View
from workbench.data.corpora import corpus_config, untreated
from workbench.data.report import Stage
from workbench.data.sources.mixture import Mixture
from workbench.data.tasks.registry import task_of
from workbench.data.tasks.task import GeneratedTask, as_text
from workbench.data.treatments.curated import Curated
from workbench.data.treatments.registry import treatment_config
from workbench.data.treatments.treatment import Treatment
from workbench.errors import UserError
from workbench.numbers import MISSING, byte_size, count, percent, plural, span
from workbench.study.data_labels import corpus_label
from workbench.study.kept_reports import StudyText
from workbench.visible import one_line, visible

_DOCUMENTS, _BYTES = "documents", "bytes"


def text_in_full(now: View, text: StudyText) -> None:
    """The text in words, its treatment, task or mixture, and its rules."""
    with st.container(border=True):
        _description(text)
        _treatment(text)
        _task(text)
        _mixture(text)
    _rules(now, _stages(text))


def labelled(label: Callable[[Any], str], corpus: Any) -> str:
    """What ``label`` makes of the corpus of a record; the record itself where it cannot read that."""
    try:
        return label(corpus) if corpus else MISSING
    except (UserError, ValueError):
        return str(corpus)  # of a later version, or of someone's own


def _description(text: StudyText) -> None:
    st.markdown(f"**{literal(text.facts.description or labelled(corpus_label, text.facts.corpus))}**")
    lines = []
    if dropped := text.facts.dropped_duplicates:
        what = "sequences" if _generated(text) else "exact copies"
        lines.append(f"{dropped:,} {what} were left out before the split.")
    for stage in text.facts.stages:
        if stage.judged_share is not None:
            share = percent(stage.judged_share, 2)
            lines.append(f"{share} of the bytes that are judged on stood in training documents, which went.")
    if lines:
        st.markdown(literal(" ".join(lines)))
    if text.report is None:
        not_kept(text)


def not_kept(text: StudyText) -> None:
    """How to get the sizes and examples of a text that has no report."""
    st.info(
        "Sizes in bytes and examples of this text were not kept with the study. Where the text is, this "
        "command gives them, and this page shows them then.",
        icon=":material/folder_off:",
    )
    st.code(visible(_command(text.facts.corpus)), language="bash", wrap_lines=True)


def _command(spec: Any) -> str:
    """``workbench data`` for a corpus of the record, its options as short as they mean the same."""
    treatment = None
    try:
        config = corpus_config(spec)
    except UserError:
        pass  # of a later version, or of files that are elsewhere: as it stands in the record
    else:
        spec = config.model_dump(mode="json", exclude_defaults=True, exclude={"treatment"})
        spec = untreated({config.key: getattr(config, config.key), **spec})
        if config.treatment is not None:
            options = config.treatment.model_dump(mode="json", exclude_defaults=True)
            treatment = {"name": config.treatment.name, **options} if options else config.treatment.name
    option = f" --treatment {quote(_flow(treatment))}" if treatment else ""
    return f"workbench data {quote(_flow(spec))}{option}"


def _flow(value: Any) -> str:
    """A value as YAML in a line: ``near_dedup``, ``{name: boilerplate, share: 0.3}``."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False).strip()


def _treatment(text: StudyText) -> None:
    """What is done to the text: in a sentence, as a formula, its paper, and its thresholds."""
    spec = text.facts.corpus.get("treatment") if isinstance(text.facts.corpus, dict) else None
    if spec is None:
        return
    try:
        treatment = treatment_config(spec)
    except UserError:
        st.markdown(f"Treatment: {code_span(_flow(spec))}")
        return
    about = (type(treatment).__doc__ or "").split("\n")[0]
    st.markdown(
        f"Treatment {code_span(treatment.label)}: {literal(about)}  \n"
        f"{code_span(treatment.formula)}  \n{literal(treatment.paper)}"
    )
    table = _options(treatment)
    if len(table):
        with st.expander(f"Its thresholds and options ({len(table)})"):
            grid(table, hide_index=True, alt="Options of the treatment", key="options")


def _options(treatment: Treatment) -> pd.DataFrame:
    steps = treatment.steps if isinstance(treatment, Curated) else (treatment,)
    rows = [
        {
            "step": step.name,
            "option": name,
            "value": _flow(value) if isinstance(value, dict) else one_line(value),
            "default": "" if value == field.default else one_line(field.default),
            "what it says": field.description or "",
        }
        for step in steps
        for name, field in type(step).model_fields.items()
        for value in [getattr(step, name)]
    ]
    table = pd.DataFrame(rows, columns=["step", "option", "value", "default", "what it says"])
    unused = [name for name in ("default",) if not (table[name] != "").any()]
    return table.drop(columns=unused if len(steps) > 1 else [*unused, "step"])


def _generated(text: StudyText) -> GeneratedTask | None:
    try:
        return task_of(text.facts.corpus)
    except UserError:  # of a later version
        return None


def _task(text: StudyText) -> None:
    """What a generated task asks, and one of its sequences."""
    task = _generated(text)
    if task is None:
        return
    about = (type(task).__doc__ or "").split("\n")[0]
    st.markdown(
        f"{literal(about)}  \n{code_span(task.formula)}  \n{literal(task.paper)}  \n"
        f"{task.tokens:,} tokens a sequence, {task.ids:,} ids; by chance {percent(task.chance, 2)} of the "
        "answers are right."
    )
    st.caption("The first sequence that is held out")
    document(as_text(task.held_out(1))[0].strip())


def _mixture(text: StudyText) -> None:
    """The corpora of a mixture, with their weights and what of each is in it."""
    report = text.report
    if report is None or not report.sources:
        shares = _shares(text.facts.corpus)
        if shares:
            table = pd.DataFrame(
                {"corpus": list(shares), "weight": [percent(one, 1) for one in shares.values()]}
            )
            grid(table, hide_index=True, alt="Corpora of the mixture", key="sources")
        return
    rows = [
        {
            "corpus": source.name,
            "weight": percent(source.share, 1),
            "documents": count(source.train.documents),
            "bytes": byte_size(source.train.bytes),
            "of available": byte_size(source.available.bytes),
            "passes": span([source.train.bytes / source.available.bytes], 2)
            if source.available.bytes
            else "",
            "held out": byte_size(source.validation.bytes),
            "what it is": source.description,
        }
        for source in report.sources
    ]
    grid(pd.DataFrame(rows), hide_index=True, alt="Corpora of the mixture", key="sources")


def _shares(spec: Any) -> dict[str, float]:
    try:
        config = corpus_config(spec)
    except UserError:
        return {}
    return config.shares if isinstance(config, Mixture) else {}


def _stages(text: StudyText) -> list[tuple[str, Stage]]:
    """What was done to the text, by what it is called: to a mixture's corpora first."""
    sources = text.report.sources if text.report else []
    inside = [(f"{source.name}: {stage.name}", stage) for source in sources for stage in source.stages]
    return [*inside, *((stage.name, stage) for stage in text.facts.stages)]


def _rules(now: View, stages: list[tuple[str, Stage]]) -> None:
    if not any(stage.rules for _, stage in stages):
        return
    st.subheader("What each rule took", anchor=False)
    unit = st.segmented_control(
        "Of",
        [_DOCUMENTS, _BYTES],
        default=_DOCUMENTS,
        required=True,
        key="unit",
        bind="query-params",
        persist_state="page",  # while another part is open
    )
    table = text_charts.rule_frame(stages, unit)
    if len(table):
        with st.container(border=True):
            title = f"Share of the {unit} that came into the stage"
            show_chart(
                partial(text_charts.bars, table, title, now.ink, whole=False),
                alt=f"What each rule took of {unit}",
                key="rules",
            )
            left = sum(len(stage.rules) for _, stage in stages) - table["name"].nunique()
            if left > 0:
                st.caption(f"{plural(left, 'more rule')} in the table.")
            with st.container(horizontal=True):
                downloads.figure_buttons(
                    partial(text_charts.shares_figure, table, title),
                    f"{now.file_name}-rules-of-{unit}",
                    write=partial(to_csv, table, index=False),
                )
    shown = _rule_table(stages)
    numbers = [name for name in shown if is_numeric_dtype(shown[name])]
    grid(
        shown,
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="localized") for name in numbers},
        alt="What each rule dropped and changed",
        key="rule_table",
    )
    downloads.csv_button(lambda: to_csv(shown, index=False), f"{now.file_name}-rules", key="download_rules")


def _rule_table(stages: list[tuple[str, Stage]]) -> pd.DataFrame:
    rows = [
        {
            "stage": title,
            "rule": rule,
            "dropped": counts.dropped,
            "changed": counts.changed,
            "of documents": stage.documents,
            "share of documents": _part(counts.dropped + counts.changed, stage.documents),
            "bytes taken": counts.bytes,
            "of bytes": stage.bytes,
            "share of bytes": _part(counts.bytes, stage.bytes),
        }
        for title, stage in stages
        for rule, counts in stage.rules.items()
    ]
    return pd.DataFrame(rows)


def _part(number: int, whole: int) -> str:
    return percent(number / whole, 2) if whole else MISSING
