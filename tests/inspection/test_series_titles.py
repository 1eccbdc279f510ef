"""What legends call variants: titles of levels, unless that would say less than their names."""

from workbench.inspection.series_titles import series_titles
from workbench.records.manifest import Manifest
from workbench.records.run import RunRecord


def titles(changes, shown=None):
    variants = [
        {"name": name, "change": change, "config_hash": str(place)}
        for place, (name, change) in enumerate(changes.items())
    ]
    first = next(iter(changes))
    manifest = Manifest.model_validate(
        {"name": "s", "variants": variants, "baseline": first, "metric": "validation/loss"}
    )
    return series_titles({name: (manifest, _record(name)) for name in shown or changes})


def _record(variant):
    return RunRecord(
        run_id="r",
        study="s",
        variant=variant,
        phase="confirm",
        seed=1,
        hyperparameters={"learning_rate": 0.01},
        config={},
    )


def test_levels_have_their_titles_and_a_baseline_that_of_what_it_has_of_the_factor():
    found = titles(
        {
            "baseline": {},
            "positions=alibi": {"positions": ["rope", "alibi"]},
            "positions=none": {"positions": ["rope", "none"]},
            "positions=rope(base=500000)": {"positions": ["rope", "rope(base=500000)"]},
        }
    )
    assert found == {
        "baseline": "RoPE (baseline)",
        "positions=alibi": "ALiBi",
        "positions=none": "no positions",
        "positions=rope(base=500000)": "RoPE(base=500000)",
    }


def test_of_several_factors_the_baseline_keeps_its_name_and_plain_levels_say_whose_they_are():
    found = titles(
        {
            "baseline": {},
            "norm=layernorm": {"norm": ["rmsnorm", "layernorm"]},
            "bias=true": {"bias": ["false", "true"]},
        }
    )
    assert list(found.values()) == ["baseline", "LayerNorm", "bias=true"]


def test_a_users_own_name_stays_and_so_do_names_that_would_have_one_title():
    found = titles({"baseline": {}, "mine": {"norm": ["rmsnorm", "layernorm"]}})
    assert found == {"baseline": "RMSNorm (baseline)", "mine": "mine"}
    several = {"baseline": {}, "two": {"norm": ["rmsnorm", "none"], "bias": ["false", "true"]}}
    assert titles(several) == {"baseline": "baseline", "two": "two"}
