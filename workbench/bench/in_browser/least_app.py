"""The least that Streamlit can show: two pages of a heading and a sentence, with nothing of the workbench."""

import streamlit as st


def _page(title: str) -> None:
    st.header(title, anchor=False)
    st.write("A page of one heading and one sentence.")


def _first() -> None:
    _page("First")


def _second() -> None:
    _page("Second")


if __name__ == "__main__":
    pages = [st.Page(_first, title="First"), st.Page(_second, title="Second")]
    st.navigation(pages, position="top").run()
