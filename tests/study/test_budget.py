"""``budget: pool``: as many passes over what each treatment leaves; and how often every text is read."""

import pytest

from workbench.errors import UserError
from workbench.study.plan import Plan, manifest_hash
from workbench.study.repetition import DECAY, worth
from workbench.study.schema import parse_study
from workbench.study.texts import PreparedTexts
from workbench.study.warnings import study_warnings

DOCUMENT = 128  # tokens of each document, its end among them; a step has 64
STUDY = {
    "name": "pool",
    "question": "do copies matter?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "factors": {"treatment": ["as_is", "exact_dedup"], "norm": ["rmsnorm", "layernorm"]},
    "budget": "pool",
    "learning_rates": [0.01],
    "seeds": {"tune": 0, "confirm": 3},
    "margin": 0.01,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty documents, fourteen of them twice."""
    folder = tmp_path_factory.mktemp("budget")
    (folder / "pool").mkdir()
    for number in range(40):
        text = (
            (f"{number:02d} " + "of words and words " * 7)[: DOCUMENT - 1].rstrip().ljust(DOCUMENT - 1, ".")
        )
        for copy in range(2 if number % 3 == 0 else 1):
            (folder / "pool" / f"{number}-{copy}.txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def plan(folder):
    """``plan(passes)``: of a study whose baseline reads its text so often."""

    def build(passes=3, evaluations=2, **changes):
        data = {"corpus": {"path": str(folder / "pool"), "copies": "keep"}}
        texts = PreparedTexts(data["corpus"], folder / "cache")
        training = {"batch_size": 2, "evaluations": evaluations, "evaluation_tokens": 64, "tokens": 10_000}
        values = STUDY | {"data": data, "training": training} | changes
        size = len(texts.of(parse_study(values, "study.yaml").data).train)
        values["training"] = training | {"tokens": round(passes * size)}
        return Plan.build(parse_study(values, "study.yaml"), texts, "cpu")

    return build


def test_each_treatment_trains_on_all_that_it_leaves_as_often_as_the_baseline(plan):
    whole = plan(passes=3)
    baseline, deduplicated, swapped = whole.variants
    documents, left = (len(whole.corpus_of(one).train_documents) for one in (baseline, deduplicated))
    assert (documents, left) == (49, 36)  # of 54, and of 40, less those that validate
    assert whole.tokens_of(baseline) == 3 * DOCUMENT * documents
    assert whole.tokens_of(deduplicated) == 3 * DOCUMENT * left
    assert whole.tokens_of(swapped) == whole.tokens_of(baseline)
    assert [whole.passes_of(one) for one in whole.variants] == [3, 3, 3]
    assert [whole.budget_of(one).mismatch for one in whole.variants] == pytest.approx([0, 0, 0])
    # Evaluations fall at the same parts of each run.
    assert [one.recipe.training.evaluations for one in whole.variants] == [2, 2, 2]
    assert [whole.steps_of(one) % 2 for one in whole.variants] == [0, 0, 0]
    # At equal tokens the one that has less reads it more often.
    equal = plan(passes=3, budget="tokens")
    assert equal.tokens_of(equal.variants[1]) == equal.tokens
    assert equal.passes_of(equal.variants[1]) == pytest.approx(3 * documents / left)


def test_copies_of_a_document_are_unique_tokens_once(plan):
    whole = plan(passes=3)
    baseline, deduplicated = whole.variants[:2]
    left = len(whole.corpus_of(deduplicated).train)
    assert [whole.corpus_of(one).unique_train_tokens for one in whole.variants] == [left, left, left]
    assert whole.epochs_of(deduplicated) == 3
    assert whole.epochs_of(baseline) == pytest.approx(whole.tokens / left)
    assert whole.epochs_of(baseline) > 3.9


def test_the_manifest_keeps_unique_tokens_beside_what_it_promises(plan):
    manifest = plan(passes=3).manifest("")
    left = manifest.variants[1].data["train_tokens"]
    assert manifest.to_dict()["budget"] == "pool"
    assert manifest.unique_tokens == dict.fromkeys(manifest.names, left)
    tokens = manifest.training["tokens"]
    assert [manifest.epochs_of(one) for one in manifest.variants] == [tokens / left, 3, tokens / left]
    assert [manifest.passes_of(one) for one in manifest.variants] == [3, 3, 3]
    assert [manifest.spent_by(one, "pool") for one in manifest.variants] == [3, 3, 3]
    # A manifest from before they were counted makes the same promise.
    assert manifest_hash(manifest.model_copy(update={"unique_tokens": {}})) == manifest.hash
    # One whose variants read the same text, at most once, has nothing to say of it.
    swaps = {"factors": {"norm": ["rmsnorm", "layernorm"]}, "budget": "tokens"}
    assert "unique_tokens" not in plan(passes=0.5, **swaps).manifest("").to_dict()
    assert "unique_tokens" in plan(passes=2, **swaps).manifest("").to_dict()


def test_text_that_is_read_too_often_is_worth_less(plan):
    whole = plan(passes=6)
    left = len(whole.corpus_of(whole.variants[1]).train)
    epochs = whole.tokens / left
    [warning] = [text for text in study_warnings(whole, whole.manifest("")) if "repetition" in text]
    assert warning.startswith(
        f"baseline: training.tokens: {epochs:.1f} epochs over {left:,} unique tokens; bey"
    )
    assert f"worth about {worth(left, epochs):,.0f} fresh tokens" in warning
    assert "Muennighoff et al. 2023 (arXiv 2305.16264)" in warning
    few = plan(passes=2)
    assert not [text for text in study_warnings(few, few.manifest("")) if "repetition" in text]


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (0.5, 500),
        (1, 1000),
        (1 + DECAY, 1000 * (1 + DECAY * 0.6321205588)),
        (4, 3725.7),  # their finding: up to four epochs are nearly as good as fresh text
        (1e6, 1000 * (1 + DECAY)),
    ],
)
def test_what_epochs_are_worth(epochs, expected):
    assert worth(1000, epochs) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"factors": {"norm": ["rmsnorm", "layernorm"]}},
            r"pool: budget: pool gives .* none changes treatment or corpus; write 'budget: tokens'",
        ),
        (
            {"factors": {"tokenizer": ["bytes", {"bpe": 300}]}, "metric": "validation/bits_per_byte"},
            r"pool: budget: pool gives .* write 'budget: bytes'",
        ),
        ({"evaluations": 64}, r"budget: treatment=exact_dedup: an equal budget is .* raise training\.tokens"),
    ],
)
def test_what_has_no_pool_to_share_is_refused(plan, changes, message):
    with pytest.raises(UserError, match=message):
        plan(**{"passes": 1} | changes)


HALF = {"size": {"layers": 1}, "treatment": "exact_dedup"}
OWN = {
    "size": {"layers": 2, "width": 32, "heads": 2},
    "design": "explicit",
    "factors": {},
    "budget": "tokens",
    "variants": [{"name": "half", **HALF}, {"name": "half for longer", **HALF, "budget": "flops"}],
}


def test_a_variant_may_have_another_budget_than_its_study(plan):
    whole = plan(**OWN)
    baseline, half, longer = whole.variants
    assert whole.tokens_of(half) == whole.tokens_of(baseline) == whole.tokens
    spent = [whole.tokens_of(one) * one.model.flops_per_token() for one in (longer, baseline)]
    assert spent[0] == pytest.approx(spent[1], rel=0.01)
    assert whole.tokens_of(longer) > 1.5 * whole.tokens
    # They are one recipe on other tokens: each is tuned, and has runs, of its own.
    assert (half.change, half.model) == (longer.change, longer.model)
    ids = [whole.record(one, "confirm", {"learning_rate": 0.01}, 2001).run_id for one in (half, longer)]
    assert len(set(ids)) == 2

    manifest = whole.manifest("")
    assert [manifest.budget_unit(one) for one in manifest.variants] == ["tokens", "tokens", "flops"]
    assert manifest.budget_units_differ
    written = manifest.to_dict()
    assert "budget" not in written
    assert ["unit" in one["budget"] for one in written["variants"]] == [False, False, True]
    told = written["variants"][2]["budget"]
    assert told["mismatch"] == pytest.approx(spent[0] / spent[1] - 1)
    assert told["flops"] == spent[0]


def test_a_studys_own_budget_may_be_named_by_a_variant_and_changes_nothing(plan):
    named = [{**OWN["variants"][0], "budget": "tokens"}, OWN["variants"][1]]
    manifest = plan(**OWN).manifest("")
    assert plan(**OWN | {"variants": named}).manifest("").hash == manifest.hash
    # And the other way round: tokens may be what one variant alone has as many of.
    other = [{"name": "half", **HALF, "budget": "tokens"}, {"name": "half for longer", **HALF}]
    turned = plan(**OWN | {"variants": other, "budget": "flops"}).manifest("")
    assert [turned.tokens_of(one) for one in turned.variants] == [
        manifest.tokens_of(one) for one in manifest.variants
    ]
    assert [turned.budget_unit(one) for one in turned.variants] == ["flops", "tokens", "flops"]


def test_a_budget_alone_makes_no_variant_where_it_gives_the_same_tokens(plan):
    twice = [{"name": "alike", "budget": "flops"}, {"name": "half", **HALF}]
    with pytest.raises(UserError, match="'baseline' and 'alike' are the same model, trained alike"):
        plan(**OWN | {"variants": twice})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"variants": [{"name": "half", "size": {"layers": 1}, "budget": "steps"}]},
            r"variants\.0\.budget: should be one of tokens, bytes, flops, pool, seconds, memory, got 'steps'",
        ),
        (
            {"variants": [{"name": "half", "size": {"layers": 1}, "budget": "pool"}]},
            r"budget: pool gives .* none changes treatment or corpus; write 'budget: tokens'",
        ),
        (
            {
                "variants": [{"name": "pairs", "tokenizer": {"bpe": 300}, "budget": "tokens"}],
                "metric": "validation/bits_per_byte",
                "budget": "flops",
            },
            r"at equal tokens, tokenizers \(bytes, bpe-300\) train on more and less text",
        ),
        (
            {"design": "one_at_a_time", "variants": [], "factors": {"budget": ["tokens", "flops"]}},
            r"unknown factor 'budget'; .* a variant of 'design: explicit' may have its own",
        ),
    ],
)
def test_a_budget_of_ones_own_is_refused_where_the_studys_would_be(plan, changes, message):
    with pytest.raises(UserError, match=message):
        plan(**OWN | changes)
