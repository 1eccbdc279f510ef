"""Data: which texts variants train on and are judged on, and what was done to them."""

from collections.abc import Callable, Sequence
from functools import partial
from shlex import quote
from typing import Any

import pandas as pd
import streamlit as st
import yaml
from pandas.api.types import is_numeric_dtype

from workbench.analysis.page_figures import shares_plot
from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads, empty_pages, links, text_charts
from workbench.dashboard.documents import document
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.imported_models import is_imported
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.state import View, view
from workbench.data.corpora import corpus_config, untreated
from workbench.data.report import CorpusReport, Example, Stage
from workbench.data.sources.mixture import Mixture
from workbench.data.tasks.registry import task_of
from workbench.data.tasks.task import GeneratedTask, as_text
from workbench.data.treatments.curated import Curated
from workbench.data.treatments.registry import treatment_config
from workbench.data.treatments.treatment import Treatment
from workbench.errors import RecordError, UserError
from workbench.numbers import MISSING, byte_size, count, percent, plural, span
from workbench.records.manifest import Manifest
from workbench.study.data_labels import corpus_label, treatment_label
from workbench.study.kept_reports import StudyText
from workbench.visible import one_line, visible

_DOCUMENTS, _BYTES = "documents", "bytes"
_TRAINED_ON, _HELD_OUT = "what is trained on", "what is held out"
_KEPT, _CHANGED, _DROPPED = "kept", "changed", "dropped"
_TALL, _SHORT = 720, 3  # pixels of a list of examples, and how many need none
_MANY = 4  # variants that are named; of more the first and how many


def page() -> None:
    """Draw the page."""
    now = view()
    st.header("Data", anchor=False)
    if is_imported(now):
        st.info("Imported models were trained elsewhere; what on is not recorded here.")
        return
    try:
        texts, problem = now.library.texts(now.records)
    except RecordError as error:
        st.error(literal(error), icon=":material/error:")
        return
    if problem:
        st.warning(literal(problem), icon=":material/warning:")
    if not any(text.facts.corpus for text in texts):
        st.info("This study is of an early version, whose record does not name its text.")
        return
    named = _named(now.records.manifest, texts)
    st.subheader("What variants train on", anchor=False)
    grid(
        _overview(now.records.manifest, named),
        hide_index=True,
        alt="Texts that variants train on",
        key="texts",
    )
    _judged_on(now.records.manifest)
    _fates(now, named)
    st.fragment(_one_text)()
    empty_pages.problems([problem.message for problem in now.records.problems])


def _named(manifest: Manifest, texts: Sequence[StudyText]) -> dict[str, StudyText]:
    """Each text by what tells it from the others: its treatment, its corpus, or both."""
    corpora = [_label(corpus_label, text.facts.corpus) for text in texts]
    treatments = [_label(treatment_label, text.facts.corpus) for text in texts]
    named: dict[str, StudyText] = {}
    for text, corpus, treatment in zip(texts, corpora, treatments, strict=True):
        name = f"{corpus}, {treatment}"
        if len(set(corpora)) == 1:
            name = treatment
        elif len(set(treatments)) == 1:
            name = corpus
        if name in named:  # alike in words, for example in options that a label leaves out
            name = f"{name}, of {text.variants[0]}"
        named[one_line(name)] = text
    return named


def _label(label: Callable[[Any], str], corpus: Any) -> str:
    try:
        return label(corpus) if corpus else MISSING
    except (UserError, ValueError):
        return str(corpus)  # of a later version, or of someone's own


def _variants(names: Sequence[str], manifest: Manifest) -> str:
    if len(names) == len(manifest.variants):
        return "all" if len(names) > 1 else names[0]
    more = f" and {len(names) - _MANY + 1} more" if len(names) > _MANY else ""
    return ", ".join(names[: _MANY - 1] if more else names) + more


def _overview(manifest: Manifest, named: dict[str, StudyText]) -> pd.DataFrame:
    """One row per text: what there was, what is left, and how often variants go through it."""
    rows = []
    for name, text in named.items():
        first = text.facts.stages[0] if text.facts.stages else None
        last = text.facts.stages[-1] if text.facts.stages else None
        documents = count(last.documents_left if last else text.facts.train_documents)
        bytes_left = _bytes_left(text)
        share = ""
        if first and last and first.bytes:
            documents = f"{count(first.documents)} → {documents}"
            bytes_left = f"{byte_size(first.bytes)} → {bytes_left}"
            share = percent(last.bytes_left / first.bytes, 1)
        rows.append(
            {
                "text": name,
                "variants": _variants(text.variants, manifest),
                "documents": documents,
                "bytes": bytes_left,
                "left": share,
                "tokens": count(text.facts.train_tokens),
                "unique tokens": _unique_tokens(manifest, text),
                "passes": _passes(manifest, text),
                "held out": _held_out(text),
            }
        )
    table = pd.DataFrame(rows)
    return table.loc[:, [name for name in table if (table[name] != "").any()]]


def _bytes_left(text: StudyText) -> str:
    """The size of what is trained on, which early manifests, and those of untreated texts, do not have."""
    if text.facts.stages:
        return byte_size(text.facts.stages[-1].bytes_left)
    return byte_size(text.report.train.bytes) if text.report else MISSING


def _held_out(text: StudyText) -> str:
    documents = text.facts.validation_documents
    if documents is None:
        return MISSING
    size = f", {byte_size(text.report.validation.bytes)}" if text.report else ""
    return f"{plural(documents, 'document')}{size}"


def _unique_tokens(manifest: Manifest, text: StudyText) -> str:
    """How many tokens the text has, copies of a document counted once; nothing where no text's are known."""
    if not manifest.unique_tokens:
        return ""
    known = [manifest.unique_tokens[name] for name in text.variants if name in manifest.unique_tokens]
    return " to ".join(dict.fromkeys(map(count, (min(known), max(known))))) if known else MISSING


def _passes(manifest: Manifest, text: StudyText) -> str:
    """How often trials of its variants go through the text, from the least to the most."""
    own = (one for one in manifest.variants if one.name in text.variants)
    known = [passes for passes in map(manifest.passes_of, own) if passes is not None]
    return span(known, 2) if known else MISSING


def _fates(now: View, named: dict[str, StudyText]) -> None:
    table = text_charts.fate_frame(named)
    if table.empty:
        return
    st.subheader("What became of the documents", anchor=False)
    with st.container(border=True):
        chart = partial(text_charts.bars, table, "Share of the documents", now.ink, whole=True)
        show_chart(chart, alt="What became of the documents of each text", key="fates")
        st.caption(
            "Of the training documents as they were before anything was done to them. What is held out for "
            "validation, and what all variants are judged on, is never treated."
        )
        with st.container(horizontal=True):
            downloads.figure_buttons(
                lambda: shares_plot(table, text_charts.kind_colours(), "Share of the documents"),
                f"{now.file_name}-fates",
                write=partial(to_csv, table, index=False),
            )


def _one_text() -> None:
    """One text in full, and examples of it."""
    now = view()
    texts, _ = now.library.texts(now.records)
    named = _named(now.records.manifest, texts)
    text = named[_pick("Text", list(named), "text", "text")] if len(named) > 1 else next(iter(named.values()))
    with st.container(border=True):
        _description(text)
        _treatment(text)
        _task(text)
        _mixture(text)
    stages = _stages(text)
    _rules(now, stages)
    _examples(text)


def _pick(label: str, options: list[str], key: str, what: str, *, width: int = 420) -> str:
    """The option that is chosen, and stands in the link."""
    links.report_unknown(key, [visible(option) for option in options], what)
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)  # that of another text, or of another stage
    return st.selectbox(label, options, format_func=visible, key=key, bind="query-params", width=width)


def _description(text: StudyText) -> None:
    st.markdown(f"**{literal(text.facts.description or _label(corpus_label, text.facts.corpus))}**")
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
        "Of", [_DOCUMENTS, _BYTES], default=_DOCUMENTS, required=True, key="unit", bind="query-params"
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
                    lambda: shares_plot(table, text_charts.kind_colours(), title),
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


def _examples(text: StudyText) -> None:
    """Up to twenty documents of what is chosen, as text."""
    report = text.report
    if report is None:
        return
    groups = _groups(report)
    if not any(groups.values()):
        st.info("The examples of documents were left out of this copy.", icon=":material/visibility_off:")
        return
    st.subheader("Examples", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = _pick("Of", [name for name in groups if groups[name]], "stage", "stage", width=300)
        examples = groups[group]
        if group not in (_TRAINED_ON, _HELD_OUT):
            kind = _pick(
                "That were",
                [one for one in (_DROPPED, _CHANGED, _KEPT) if examples.get(one)],
                "fate",
                "fate",
                width=160,
            )
            rules = list(dict.fromkeys(example.rule for example in examples[kind] if example.rule))
            chosen = examples[kind]
            if rules:
                rule = _pick("By", rules, "rule", "rule", width=300)
                chosen = [example for example in chosen if example.rule == rule]
        else:
            chosen = examples[_KEPT]
    _documents(chosen)


def _groups(report: CorpusReport) -> dict[str, dict[str, list[Example]]]:
    """Examples by what they are of, and by what became of them there."""
    sides = {_TRAINED_ON: report.train, _HELD_OUT: report.validation}
    groups = {
        name: {_KEPT: [Example(text=text) for text in side.beginnings]} if side.beginnings else {}
        for name, side in sides.items()
    }
    inside = [
        (f"{source.name}: {stage.name}", stage) for source in report.sources for stage in source.examples
    ]
    stages = [*inside, *((stage.name, stage) for stage in report.examples)]
    for title, stage in reversed(stages):
        own = {_KEPT: stage.kept, _CHANGED: stage.changed, _DROPPED: stage.dropped}
        groups = {title: {kind: found for kind, found in own.items() if found}} | groups
    return groups


def _documents(examples: list[Example]) -> None:
    st.caption(
        f"{plural(len(examples), 'document')}, a sample that depends on the text alone. Each from its "
        "beginning; one that was changed further on from shortly before that place."
    )
    # Twenty of them are several screens: they scroll by themselves.
    with st.container(height=_TALL if len(examples) > _SHORT else "content", border=len(examples) > _SHORT):
        if any(example.became is not None for example in examples):
            for column, title in zip(st.columns(2), ("Before", "After"), strict=True):
                column.markdown(f"**{title}**")
        for example in examples:
            if example.became is None:
                document(example.text)
                continue
            for column, shown in zip(st.columns(2), (example.text, example.became), strict=True):
                with column:
                    document(shown)


def _judged_on(manifest: Manifest) -> None:
    st.subheader("What variants are judged on", anchor=False)
    if not manifest.evaluation:
        st.markdown(
            "On windows of what their corpus holds out: documents are split by their content before anything "
            "is done to them, so that a document stands on one side alone, with all of its exact copies."
        )
        return
    rows = [
        {
            "text": one.name,
            "what it is": one.description,
            "bytes": byte_size(one.bytes),
            "corpus": _label(corpus_label, one.corpus),
        }
        for one in manifest.evaluation
    ]
    grid(pd.DataFrame(rows), hide_index=True, alt="Texts that variants are judged on", key="judged")
    st.caption(
        "Passages drawn once, the same for all variants, and never treated. The first is the metric's."
    )


if __name__ == "__main__":
    page()
