"""Data: which texts variants train on and are judged on, and what was done to them."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads, empty_pages, links, text_charts
from workbench.dashboard.drawn_chart import show_chart
from workbench.dashboard.imported_models import is_imported
from workbench.dashboard.linked_choice import linked_choice
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.state import View, view
from workbench.dashboard.tabbed import tabbed
from workbench.dashboard.text_examples import text_examples
from workbench.dashboard.text_in_full import labelled, text_in_full
from workbench.errors import RecordError
from workbench.numbers import MISSING, byte_size, count, percent, plural, span
from workbench.records.manifest import Manifest
from workbench.study.data_labels import corpus_label, treatment_label
from workbench.study.kept_reports import StudyText
from workbench.visible import one_line

_MANY = 4  # variants that are named; of more the first and how many
_TEXT, _EXAMPLES = "Text", "Examples"
# From a parameter of the address to the part that it is about: a link need not name that.
_LEADING = {"stage": _EXAMPLES, "fate": _EXAMPLES, "rule": _EXAMPLES, "unit": _TEXT, "text": _TEXT}


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
    st.fragment(_parts)()
    empty_pages.problems([problem.message for problem in now.records.problems])


def _parts() -> None:
    """What was done to the texts, and examples of them: a part at a time, as a browser draws it sooner."""
    now = view()
    texts, _ = now.library.texts(now.records)
    named = _named(now.records.manifest, texts)
    fates = text_charts.fate_frame(named)
    parts: dict[str, Callable[[], None]] = {}
    if len(fates):
        parts["Documents"] = partial(_fates, now, fates)
    parts[_TEXT] = lambda: text_in_full(now, _picked(named))
    if any(text.report for text in texts):
        parts[_EXAMPLES] = lambda: text_examples(_picked(named))
    parts["Judged on"] = partial(_judged_on, now.records.manifest)
    tabbed(parts, links.PART, leading=_LEADING)


def _picked(named: dict[str, StudyText]) -> StudyText:
    names = list(named)
    return named[linked_choice("Text", names, "text", "text") if len(names) > 1 else names[0]]


def _named(manifest: Manifest, texts: Sequence[StudyText]) -> dict[str, StudyText]:
    """Each text by what tells it from the others: its treatment, its corpus, or both."""
    corpora = [labelled(corpus_label, text.facts.corpus) for text in texts]
    treatments = [labelled(treatment_label, text.facts.corpus) for text in texts]
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


def _fates(now: View, table: pd.DataFrame) -> None:
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
                partial(text_charts.shares_figure, table, "Share of the documents"),
                f"{now.file_name}-fates",
                write=partial(to_csv, table, index=False),
            )


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
            "corpus": labelled(corpus_label, one.corpus),
        }
        for one in manifest.evaluation
    ]
    grid(pd.DataFrame(rows), hide_index=True, alt="Texts that variants are judged on", key="judged")
    st.caption(
        "Passages drawn once, the same for all variants, and never treated. The first is the metric's."
    )


if __name__ == "__main__":
    page()
