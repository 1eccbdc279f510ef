"""How corpora are called where they are levels."""

from workbench.study.data_labels import corpus_label


def test_a_mixture_is_called_by_its_weights():
    parts = {"code": "python-stdlib", "prose": {"path": "prose/"}}
    spec = {"mixture": parts, "weights": {"code": 0.7, "prose": 0.3}}
    assert corpus_label(spec) == "mixture(code=0.7,prose=0.3)"
    assert corpus_label(spec | {"passes": 2, "treatment": "c4"}) == "mixture(code=0.7,prose=0.3,passes=2)"
    assert corpus_label({"mixture": {"c4": parts["code"]}, "weights": "llama"}) == "mixture(weights=llama)"
