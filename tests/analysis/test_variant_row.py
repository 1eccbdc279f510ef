from workbench.analysis.statistics import compare_pairs
from workbench.analysis.variant_row import comparison_columns


def test_a_row_without_a_comparison_has_the_columns_of_one_with():
    known, unknown = comparison_columns(compare_pairs([0.1, 0.2, 0.3])), comparison_columns(None)
    assert list(unknown) == list(known)
    assert (known["pairs"], unknown["pairs"]) == (3, 0)
    assert {value for key, value in unknown.items() if key != "pairs"} == {None}
    assert known["difference_low"] < known["difference"] < known["difference_high"]
