"""Tokenizer, corpus and context as factors: what is equal, what is judged on, and what is refused."""

import random

import pytest

from tests.texts import BYTES
from workbench.data.tokenizers import learned
from workbench.errors import UserError
from workbench.records.run import config_hash
from workbench.study.design import build_variants
from workbench.study.plan import Plan
from workbench.study.schema import parse_study
from workbench.study.texts import PreparedTexts
from workbench.study.warnings import study_warnings, what_is_paired

TRAINING = {"tokens": 10_240, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 512}
STUDY = {
    "name": "texts",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "training": TRAINING,
    "learning_rates": [0.01],
    "seeds": {"confirm": 3},
    "margin": 0.01,
}
TOKENIZERS = {
    "factors": {"tokenizer": ["bytes", {"bpe": 300}, {"bpe": 400}]},
    "budget": "flops",
    "metric": "validation/bits_per_byte",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of text, and a cache."""
    place = tmp_path_factory.mktemp("texts")
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 6))) for _ in range(200)]
    for name, opening in (("code", "return"), ("prose", "once upon a time")):
        folder = place / name
        folder.mkdir()
        for number in range(20):
            lines = (f"{opening} {' '.join(draw.choices(words, k=4))}\n" for _ in range(60))
            (folder / f"{number}.txt").write_text("".join(lines))
    return place


@pytest.fixture
def plan(folders):
    def build(data=(), training=(), **changes):
        own = {"corpus": {"path": str(folders / "code")}} | dict(data)
        values = STUDY | {"data": own, "training": TRAINING | dict(training)} | changes
        study = parse_study(values, "study.yaml")
        return Plan.build(study, PreparedTexts(study.data.corpus, folders / "cache"), "cpu")

    return build


def corpora(folders):
    """The keys of a study that compares two corpora on two texts."""
    code, prose = {"path": str(folders / "code")}, {"path": str(folders / "prose")}
    return {
        "factors": {"corpus": [code, prose], "norm": ["rmsnorm", "layernorm"]},
        "data": {"corpus": code, "evaluation": {"in_domain": code, "prose": prose}},
    }


def test_tokenizers_are_compared_at_equal_flops_on_the_same_bytes(plan):
    whole = plan(**TOKENIZERS)
    names = [variant.name for variant in whole.variants]
    assert names == ["baseline", "tokenizer=bpe-300", "tokenizer=bpe-400"]
    assert [variant.model.vocabulary for variant in whole.variants] == [257, 300, 400]
    assert [variant.change for variant in whole.variants[1:]] == [
        {"tokenizer": ("bytes", "bpe-300")},
        {"tokenizer": ("bytes", "bpe-400")},
    ]
    # Equal FLOPs, up to whole steps between evaluations: a larger head costs tokens, of more text each.
    budgets = [whole.budget_of(variant) for variant in whole.variants]
    for variant, budget in zip(whole.variants, budgets, strict=True):
        assert abs(budget.mismatch) < 0.03
        assert budget.flops == budget.tokens * variant.model.flops_per_token()
        assert budget.tokens == whole.steps_of(variant) * 4 * 32
        assert whole.steps_of(variant) % 2 == 0
    assert budgets[0].mismatch == 0
    assert budgets[0].tokens > budgets[1].tokens > budgets[2].tokens
    assert budgets[0].bytes < budgets[1].bytes
    assert whole.steps_of(whole.variants[2]) < whole.steps
    # All are judged on one text, whose bytes do not depend on how they are cut.
    assert list(whole.evaluation) == ["in_domain"]
    texts = [whole.config(variant)["data"]["evaluation"] for variant in whole.variants]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0][0]["max_bytes"] == 512


def test_the_manifest_says_what_each_variant_has_of_its_own(plan):
    described = plan(**TOKENIZERS).manifest("").to_dict()
    assert described["budget"] == "flops"
    assert [item["name"] for item in described["evaluation"]] == ["in_domain"]
    assert described["evaluation"][0]["bytes"] <= 512
    baseline, pairs, _ = described["variants"]
    assert "data" not in baseline
    assert described["data"]["tokenizer"] == "bytes"
    assert pairs["data"]["tokenizer"]["bpe"] == 300
    assert learned(pairs["data"]["tokenizer"])
    assert pairs["training"] == {"tokens": pairs["budget"]["tokens"]}
    assert baseline["budget"]["tokens"] == described["training"]["tokens"]
    assert pairs["levels"] == {"tokenizer": "bpe-300"}


def test_equal_bytes_are_equal_text(plan):
    whole = plan(**TOKENIZERS | {"budget": "bytes"}, training={"evaluations": 1})
    budgets = [whole.budget_of(variant) for variant in whole.variants]
    sizes = [budget.bytes for budget in budgets]
    assert max(sizes) < 1.03 * min(sizes)
    assert [budget.mismatch for budget in budgets] == [
        pytest.approx(size / sizes[0] - 1, abs=1e-3) for size in sizes
    ]


def test_a_study_of_models_may_have_equal_flops_too(plan):
    """As windows and sizes cost other FLOPs per token; what it is judged on is what it always was."""
    swap = {"factors": {"size": [{"layers": 1}, {"layers": 3}]}}
    whole = plan(**swap, budget="flops")
    small, large = (whole.budget_of(variant) for variant in whole.variants)
    assert small.tokens > 1.2 * large.tokens
    assert abs(large.mismatch) < 0.05
    assert whole.evaluation == {}
    assert "evaluation" not in whole.config(whole.baseline)["data"]
    # The baseline is the run that it is at equal tokens.
    assert whole.config(whole.baseline) == plan(**swap).config(plan(**swap).baseline)


def test_corpora_are_compared_on_named_texts(plan, folders):
    whole = plan(**corpora(folders))
    changed = next(variant for variant in whole.variants if "corpus" in variant.change)
    assert changed.change == {"corpus": ("code", "prose")}
    assert whole.corpus_of(changed).fingerprint != whole.corpus.fingerprint
    data = whole.config(changed)["data"]
    assert data["corpus"] == {"path": str(folders / "prose")}
    assert [text["name"] for text in data["evaluation"]] == ["in_domain", "prose"]
    assert data["evaluation"] == whole.config(whole.baseline)["data"]["evaluation"]
    described = whole.manifest("").to_dict()
    entry = described["variants"][whole.variants.index(changed)]
    assert entry["data"]["fingerprint"] == whole.corpus_of(changed).fingerprint
    assert entry["budget"]["tokens"] == described["variants"][0]["budget"]["tokens"]
    assert "budget" not in described  # equal tokens go without saying
    assert len({config_hash(whole.config(variant)) for variant in whole.variants}) == 3


def test_treatments_are_judged_on_the_same_windows_and_cut_by_one_tokenizer(plan):
    levels = ["as_is", {"name": "shuffled_words", "share": 0.6}, "line_dedup"]
    whole = plan({"tokenizer": {"bpe": 300}}, factors={"treatment": levels})
    plain = plan({"tokenizer": {"bpe": 300}}, factors={"norm": ["rmsnorm", "layernorm"]})
    names = [variant.name for variant in whole.variants]
    assert names == ["baseline", "treatment=shuffled_words(share=0.6)", "treatment=line_dedup"]
    # Its text is the same, in the order that treatments share: runs of other studies keep theirs.
    own = plain.config(plain.baseline)
    assert "order" not in own["data"]
    assert whole.config(whole.baseline) == own | {"data": own["data"] | {"order": "documents"}}
    assert whole.config(whole.variants[1])["data"]["order"] == "documents"
    shuffled = whole.variants[1]
    assert whole.evaluation == {}
    assert whole.corpus_of(shuffled).validation.tolist() == whole.corpus.validation.tolist()
    assert whole.corpus_of(shuffled).train.tolist() != whole.corpus.train.tolist()
    assert whole.corpus_of(shuffled).tokenizer.spec == whole.corpus.tokenizer.spec
    data = whole.config(shuffled)["data"]
    assert data["corpus"]["treatment"] == {"name": "shuffled_words", "share": 0.6}
    entry = whole.manifest("").to_dict()["variants"][1]
    assert entry["data"]["corpus"]["treatment"] == {"name": "shuffled_words", "share": 0.6}
    assert what_is_paired(whole) == (
        "initial values by name, validation tokens and the order of training documents that both have; "
        "not batches (treatment)"
    )


def test_a_learned_tokenizer_is_one_for_all_corpora(plan, folders):
    keys = corpora(folders)
    keys["data"] = keys["data"] | {"tokenizer": {"bpe": 300}}
    whole = plan(**keys)
    found = {whole.corpus_of(variant).tokenizer.spec["sha256"] for variant in whole.variants}
    assert len(found) == 1  # learned from the baseline's text


def test_corpora_and_tokenizers_cross(plan, folders):
    keys = corpora(folders)
    keys["factors"] = {"corpus": keys["factors"]["corpus"], "tokenizer": ["bytes", {"bpe": 300}]}
    whole = plan(
        **keys,
        design="full_factorial",
        budget="bytes",
        metric="prose/bits_per_byte",
        training={"evaluations": 1},
    )
    both = whole.variants[-1]
    assert both.name == "corpus=prose,tokenizer=bpe-300"
    assert both.model.vocabulary == 300
    alone = next(variant for variant in whole.variants if list(variant.change) == ["tokenizer"])
    assert whole.corpus_of(both).tokenizer.spec == whole.corpus_of(alone).tokenizer.spec


def test_a_longer_context_has_as_many_tokens_in_a_step(plan):
    whole = plan(factors={"context": [32, 64], "positions": ["rope", "learned"]})
    longer = next(variant for variant in whole.variants if "context" in variant.change)
    assert longer.change == {"context": ("32", "64")}
    assert (longer.model.context, longer.recipe.training.batch_size) == (64, 2)
    assert whole.steps_of(longer) == whole.steps
    assert whole.tokens_of(longer) == whole.tokens
    entry = whole.manifest("").to_dict()["variants"][whole.variants.index(longer)]
    assert entry["training"] == {"batch_size": 2}
    assert list(whole.evaluation) == ["in_domain"]


def test_a_batch_size_beside_a_context_is_a_change_of_its_own(plan):
    variants = [{"name": "it", "context": 64, "batch_size": 4}]
    whole = plan(design="explicit", variants=variants)
    assert whole.variants[1].change == {"context": ("32", "64")}  # the number of windows is the baseline's
    assert whole.variants[1].recipe.training.batch_size == 4
    assert 2 * whole.steps_of(whole.variants[1]) == whole.steps
    assert whole.tokens_of(whole.variants[1]) == whole.tokens
    variants = [{"name": "it", "context": 64, "batch_size": 8}]
    both = plan(design="explicit", variants=variants)
    assert both.variants[1].change == {"context": ("32", "64"), "batch_size": ("4", "8")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": "tokens"}, r"budget: at equal tokens, tokenizers \(bytes, bpe-300, bpe-400\) train on"),
        (
            {"metric": "validation/loss"},
            r"metric: nats per token .* write 'metric: validation/bits_per_byte'",
        ),
        ({"factors": {"tokenizer": ["bytes", {"bpe": 300}, {"bpe": "3e2"}]}}, r"a level is listed twice"),
        ({"factors": {"tokenizer": [{"bpe": 300}, {"bpe": 400}]}}, r"'bytes' is not in .* data\.tokenizer"),
        ({"baseline": {"tokenizer": "bytes"}}, r"baseline\.tokenizer: .* write it as data\.tokenizer"),
        ({"training": {"tokens": 512}}, r"budget: tokenizer=bpe-\d+: an equal budget is .* raise training"),
    ],
)
def test_what_does_not_compare_is_refused(plan, changes, message):
    with pytest.raises(UserError, match=message):
        plan(**TOKENIZERS | changes)


def test_corpora_need_a_text_to_be_judged_on(plan, folders):
    keys = corpora(folders)
    keys["data"] = {"corpus": keys["data"]["corpus"]}
    with pytest.raises(UserError, match=r"data\.evaluation: corpora are compared \(code, prose\)"):
        plan(**keys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"validation_fraction": 0.2},
            r"prose\.validation_fraction: 0\.2 would judge on text that corpus=prose",
        ),
        ({"validation_fraction": 1}, r"prose\.validation_fraction: 1 would .* has 0\.1; give both the same"),
        ({"max_bytes": 20_000}, r"evaluation\.prose\.max_bytes: 20000 would .* has none; give both the same"),
        (
            {"treatment": "line_dedup"},
            r"evaluation\.prose\.treatment: text that is judged on is never treated",
        ),
    ],
)
def test_what_a_variant_trains_on_is_not_what_it_is_judged_on(plan, folders, options, message):
    keys = corpora(folders)
    keys["data"]["evaluation"]["prose"] = keys["data"]["evaluation"]["prose"] | options
    with pytest.raises(UserError, match=message):
        plan(**keys)


def test_a_source_that_nobody_trains_on_may_be_judged_on_whole(plan, folders):
    keys = corpora(folders)
    keys["data"]["evaluation"]["prose"] = keys["data"]["evaluation"]["prose"] | {"validation_fraction": 1}
    keys["factors"] = {"norm": ["rmsnorm", "layernorm"]}
    assert len(plan(**keys).evaluation) == 2
    # Less may be held out to judge on than a corpus holds out.
    keys["data"]["evaluation"]["in_domain"] = keys["data"]["evaluation"]["in_domain"] | {
        "validation_fraction": 0.05
    }
    assert plan(**keys).evaluation["in_domain"].bytes <= 512


def test_two_halves_of_a_pool_are_compared_with_each_other(plan, folders):
    halves = [{"name": "half", "side": side} for side in "ab"]
    corpus = {"path": str(folders / "code")}
    whole = plan({"corpus": corpus | {"treatment": halves[0]}}, factors={"treatment": halves})
    assert whole.variants[1].change == {"treatment": ("half(side=a)", "half(side=b)")}
    left, right = (whole.corpus_of(variant) for variant in whole.variants)
    keys = [set(half.train_documents[:, 1].tolist()) for half in (left, right)]
    assert not keys[0] & keys[1]
    raw = plan(factors={"treatment": ["as_is", halves[0]]}).corpus
    assert keys[0] | keys[1] == set(raw.train_documents[:, 1].tolist())
    assert left.validation.tolist() == right.validation.tolist()


@pytest.mark.parametrize("budget", ["tokens", "flops"])
def test_treated_text_on_a_small_model_against_raw_text_on_a_larger(plan, budget):
    """One variant may differ in size, in treatment, and in the tokens that an equal budget gives it."""
    small = {"name": "small", "size": {"layers": 1}, "treatment": "line_dedup"}
    larger = {"layers": 2, "width": 32, "heads": 2}
    whole = plan(design="explicit", variants=[small], size=larger, budget=budget)
    raw, treated = whole.variants
    assert treated.change == {"size": ("2x32x2", "1x32x2"), "treatment": ("as_is", "line_dedup")}
    assert treated.mismatch is None  # a size is matched to nothing
    ratio = raw.model.flops_per_token() / treated.model.flops_per_token()
    expected = {"tokens": 1, "flops": ratio}[budget]
    assert whole.tokens_of(treated) / whole.tokens_of(raw) == pytest.approx(expected, rel=0.02)
    assert whole.budget_of(treated).mismatch == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("data", "metric", "message"),
    [
        ({"evaluation": {"in domain": "python-stdlib"}}, None, r"data\.evaluation: 'in domain' is no name"),
        ({"evaluation": {"validation": "python-stdlib"}}, None, r"data\.evaluation: 'validation' is no name"),
        ({"evaluation": {"a": "python-stdlib"}}, "a/bits_per_byte", r"a is the first .* validation/bits_per"),
        ({"evaluation": {"a": "python-stdlib"}}, "b/bits_per_byte", r"unknown metric 'b/bits_per_byte'"),
        (
            {},
            "prose/bits_per_byte",
            r"metric: unknown metric 'prose/bits_per_byte'; .*Known: validation/loss",
        ),
        ({"evaluation": ["python-stdlib"]}, None, r"data\.evaluation: "),
        ({"evaluation": {"a": {"path": "nowhere"}}}, None, r"data\.evaluation\.a.*nowhere"),
    ],
)
def test_evaluation_texts_and_metrics_that_cannot_be(plan, data, metric, message):
    changes = {} if metric is None else {"metric": metric}
    with pytest.raises(UserError, match=message):
        plan(data=data, factors={"norm": ["rmsnorm", "layernorm"]}, **changes)


def test_check_says_what_stays_paired_and_what_changes_beside(plan, folders):
    whole = plan(**TOKENIZERS)
    paired = what_is_paired(whole)
    assert paired.startswith("initial values by name, the text that all are judged on; not batches")
    assert "the token table's initial values (tokenizer)" in paired
    warnings = [text for text in study_warnings(whole, whole.manifest("")) if "tokenizer:" in text]
    assert len(warnings) == 2
    assert "a token stands for" in warnings[0]
    assert f"change the parameters by {2 * 43 * 32:+,}" in warnings[0]
    paired = what_is_paired(plan(**corpora(folders)))
    assert "not batches, nor the order of the training text (corpus)" in paired
    context = plan(factors={"context": [32, 64]})
    assert "(context)" in what_is_paired(context)
    assert any("context: FLOPs per token" in text for text in study_warnings(context, context.manifest("")))


def test_vocabularies_alone_are_enough_for_a_design():
    values = STUDY | TOKENIZERS | {"budget": "bytes"}
    assert len(build_variants(parse_study(values, "study.yaml"), BYTES)) == 3


def test_a_reference_may_have_another_tokenizer_and_context(plan):
    reference = {"tokenizer": {"bpe": 300}, "context": 64, "norm": "layernorm"}
    keys = {"budget": "flops", "metric": "validation/bits_per_byte"}
    whole = plan(design="leave_one_out", reference=reference, **keys)
    assert [variant.change for variant in whole.variants[1:-1]] == [
        {"norm": ("rmsnorm", "layernorm")},
        {"context": ("32", "64")},
        {"tokenizer": ("bytes", "bpe-300")},
    ]
    assert len(whole.variants[-1].change) == 3
    assert whole.variants[-1].model.vocabulary == 300
