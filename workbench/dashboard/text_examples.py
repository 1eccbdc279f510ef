"""Documents of a text as they are: what is trained on and held out, and what a treatment did to some."""

import streamlit as st

from workbench.dashboard.documents import document
from workbench.dashboard.linked_choice import linked_choice
from workbench.dashboard.text_in_full import not_kept
from workbench.data.report import CorpusReport, Example
from workbench.numbers import plural
from workbench.study.kept_reports import StudyText

_TRAINED_ON, _HELD_OUT = "what is trained on", "what is held out"
_KEPT, _CHANGED, _DROPPED = "kept", "changed", "dropped"
_TALL, _SHORT = 720, 3  # pixels of a list of examples, and how many need none


def text_examples(text: StudyText) -> None:
    """Up to twenty documents of what is chosen, as text."""
    report = text.report
    if report is None:
        not_kept(text)
        return
    groups = _groups(report)
    if not any(groups.values()):
        st.info("The examples of documents were left out of this copy.", icon=":material/visibility_off:")
        return
    st.subheader("Examples", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group = linked_choice("Of", [name for name in groups if groups[name]], "stage", "stage", width=300)
        examples = groups[group]
        if group not in (_TRAINED_ON, _HELD_OUT):
            kind = linked_choice(
                "That were",
                [one for one in (_DROPPED, _CHANGED, _KEPT) if examples.get(one)],
                "fate",
                "fate",
                width=160,
            )
            rules = list(dict.fromkeys(example.rule for example in examples[kind] if example.rule))
            chosen = examples[kind]
            if rules:
                rule = linked_choice("By", rules, "rule", "rule", width=300)
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
