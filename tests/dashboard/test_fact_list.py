"""Lists of facts: a name and its text, or several texts below it, all of them literal."""

from streamlit.testing.v1 import AppTest


def script():
    from workbench.dashboard.fact_list import fact_list

    fact_list(
        [("data", "a *file*"), ("studies", ["one", "![two](http://x)"]), ("text", []), ("rungs", ["2"])]
    )


def test_each_fact_is_a_line_and_each_of_several_texts_one_below_it():
    (shown,) = AppTest.from_function(script).run().markdown
    assert shown.value.splitlines() == [
        "- **data**: a \\*file\\*",
        "- **studies**:",
        "  - one",
        "  - !\\[two\\](http:color[:]//x)",
        "- **text**: —",
        "- **rungs**: 2",
    ]
