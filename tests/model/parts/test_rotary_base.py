import math

import pytest

from workbench.model.parts.rotary_base import base_lower_bound, base_upper_bound, slow_bands


@pytest.mark.parametrize(
    ("width", "context", "expected"),
    [(128, 1024, 4.3e3), (128, 4096, 2.9e4), (64, 512, 3.5e3), (64, 1024, 7.8e3), (32, 512, 1.25e4)],
)
def test_the_least_base_is_that_of_men_et_al(width, context, expected):
    """Computed elsewhere from the same formula, to two digits."""
    assert base_lower_bound(width, context) == pytest.approx(expected, rel=0.02)


def test_the_least_base_fails_just_below():
    """Σ cos(m θ_i) written out, at the bound and one step of the search below it."""
    bound = base_lower_bound(32, 512)
    for base, sound in ((bound, True), (bound / 1.005, False)):
        sums = [sum(math.cos(m * base ** (-i / 16)) for i in range(16)) for m in range(513)]
        assert (min(sums) >= 0) == sound


def test_pairs_that_do_not_rotate_keep_attention_positive():
    assert base_lower_bound(16, 2048, still=16) == 100
    bound = base_lower_bound(16, 512, still=4)
    for base, sound in ((bound, True), (bound / 1.005, False)):
        sums = [sum(math.cos(m * base ** (-i / 8)) for i in range(8)) for m in range(513)]
        assert (min(sums) + 2 >= 0) == sound


def test_one_pair_suits_no_context(small):
    assert base_lower_bound(2, 512) == math.inf
    config = small(width=8, heads=4, context=512)
    assert config.positions.warnings(config) == []


@pytest.mark.parametrize(("width", "context"), [(32, 256), (64, 512), (64, 4096), (24, 100)])
def test_up_to_the_upper_bound_half_of_the_bands_turn(width, context):
    bound = base_upper_bound(width, context)
    assert slow_bands(bound * 0.999, width, context) <= width / 4
    assert slow_bands(bound * 1.001, width, context) > width / 4


def test_bands_that_never_turn():
    assert slow_bands(1e4, 32, 512) == 8
    assert slow_bands(1e4, 64, 512) == 16


def _warnings(small, context, **options):
    config = small(width=128, heads=4, context=context, positions={"name": "rope", **options})
    return config.positions.warnings(config)


def test_a_base_too_small_or_too_large_is_told(small):
    assert _warnings(small, 512, base=12_600.0) == []
    assert "rope.base: 10,000 is below 12,495" in _warnings(small, 512)[0]
    assert (
        "9 of 16 frequencies do not complete a turn within 256 positions; use a base of at most 4,788"
        in _warnings(small, 256)[0]
    )
    assert _warnings(small, 256, base=2_200.0) == []


def test_partial_rotation_is_judged_with_what_does_not_rotate(small):
    """At 8 of 32 dimensions every base keeps attention positive."""
    assert _warnings(small, 512, base=10_000.0, fraction=0.25) == []


def test_no_warning_where_no_base_would_help(small):
    """Heads of 16 at a context of 32: every base that keeps attention positive leaves slow bands."""
    config = small(width=64, heads=4, context=32)
    assert config.positions.warnings(config) == []
