import json
import textwrap

import pytest
import torch

from workbench.errors import UserError
from workbench.model import Decoder, ModelConfig, match_size
from workbench.model.parts import component as component_module
from workbench.model.parts.component import NORMS, Registry
from workbench.model.parts.norms import Norm, RMSNorm
from workbench.seeds import generator

MY_PARTS = '''
import torch
from torch import nn
from torch.nn import functional as F

from workbench.model import FeedForward, Initialization, Norm, Positions
from workbench.model.parts.norms import RMSNorm


class ScaledNorm(Norm):
    """One scale for all dimensions: neither 'weight' nor 'bias'."""

    class Config(Norm.Config):
        start: float = 2.0
        powers: tuple = (2,)

    def __init__(self, config, width):
        super().__init__(config, width)
        self.scale = nn.Parameter(torch.full((1,), config.start))

    def forward(self, x):
        return F.normalize(x, dim=-1) * self.scale * self.width**0.5


class Heir(RMSNorm):
    """No Config of its own."""

    def forward(self, x):
        return super().forward(x) * 3


class Bottleneck(FeedForward):
    """Three matrices without a formula for their number."""

    def __init__(self, config, width, hidden, bias):
        super().__init__(config, width, hidden, bias)
        self.up = nn.Linear(width, hidden, bias=bias)
        self.middle = nn.Linear(hidden, 4, bias=bias)
        self.down = nn.Linear(4, width, bias=bias)

    def initial_value(self, name, shape, generator):
        return torch.full(shape, 0.5) if name == "middle.weight" else None

    def forward(self, x):
        return self.down(F.relu(self.middle(self.up(x))))


class Recency(Positions):
    relative = True

    def __init__(self, config, model):
        super().__init__(config, model)
        self.decay = nn.Parameter(torch.ones(model.heads, 1, 1))

    def bias(self, query_ids, key_ids):
        return -self.decay * (query_ids[:, None] - key_ids).abs().sqrt()


class Doubled(Positions):
    """The plain way: rotate gets the positions themselves."""

    def rotate(self, x, position_ids):
        return x * (1 + position_ids[:, None] / 10)


class Tiny(Initialization):
    def matrix(self, name, shape, generator):
        return torch.randn(shape, generator=generator) * 1e-3


class Wrong(Norm):
    def initial_value(self, name, shape, generator):
        return torch.zeros(3, 3)

    def __init__(self, config, width):
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.ones(width))


class NotAComponent(nn.Module):
    pass


number = 3
'''


@pytest.fixture
def my_parts(tmp_path, monkeypatch):
    """A user's module ``my_parts`` on the import path."""
    monkeypatch.delitem(__import__("sys").modules, "my_parts", raising=False)
    (tmp_path / "my_parts.py").write_text(MY_PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    __import__("sys").modules.pop("my_parts", None)


CUSTOM = {
    "norm": "my_parts:ScaledNorm",
    "feedforward": "my_parts:Bottleneck",
    "positions": "my_parts:Recency",
    "initialization": "my_parts:Tiny",
}
EVERY_CUSTOM = [*CUSTOM.items(), ("norm", "my_parts:Heir"), ("positions", "my_parts:Doubled")]


@pytest.mark.parametrize(("factor", "path"), EVERY_CUSTOM)
def test_a_part_of_ones_own_builds_counts_trains_and_survives_json(my_parts, small, tokens, factor, path):
    config = small(**{factor: path})
    assert config.labels()[factor] == path
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    model = Decoder(config)
    model.initialize(1)
    assert config.num_parameters() == model.num_parameters()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(model(tokens()).flatten(0, 1), tokens().flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_all_own_parts_together(my_parts, small, tokens):
    config = small(**CUSTOM)
    assert config.num_parameters() == Decoder(config).num_parameters()
    assert (
        config.flops_per_token()
        == 6 * (2 * (4 * 16 * 16 + 16 * 24 + 24 * 4 + 4 * 16) + 19 * 16) + 12 * 2 * 16 * 12
    )
    assert Decoder(config)(tokens()).shape == (2, 12, 19)


def test_shared_tensors_start_equal_beside_a_part_of_ones_own(my_parts, small):
    states = []
    for norm in ("rmsnorm", "my_parts:ScaledNorm"):
        model = Decoder(small(norm=norm))
        model.initialize(1)
        states.append(model.state_dict())
    shared = [name for name in states[0] if name in states[1]]
    assert len(shared) == 2 * 7 + 2
    assert all(torch.equal(states[0][name], states[1][name]) for name in shared)


def test_initial_values_of_own_parts_follow_the_rule(my_parts, small):
    model = Decoder(
        small(norm={"name": "my_parts:ScaledNorm", "start": 5}, feedforward="my_parts:Bottleneck")
    )
    model.initialize(1)
    state = model.state_dict()
    assert state["blocks.0.attention_norm.scale"].tolist() == [5.0]  # a vector keeps its constructor's value
    assert (state["blocks.0.feedforward.middle.weight"] == 0.5).all()  # the part's own initial_value
    assert 0.01 < state["blocks.0.feedforward.up.weight"].std() < 0.03  # the level's


def test_options_of_own_parts_are_checked_and_labelled(my_parts, small):
    config = small(norm={"name": "my_parts:ScaledNorm", "start": 3, "powers": [1, 2]})
    assert config.labels()["norm"] == "my_parts:ScaledNorm(start=3, powers=(1, 2))"
    plain = config.norm.to_dict()
    assert len(plain.pop("source")) == 12
    assert plain == {"name": "my_parts:ScaledNorm", "start": 3.0, "powers": [1, 2]}
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert isinstance(hash(config), int)
    with pytest.raises(UserError, match=r"my_parts:ScaledNorm.start: expected a number, got 'x'"):
        small(norm={"name": "my_parts:ScaledNorm", "start": "x"})
    with pytest.raises(
        UserError, match=r"unknown option 'stat'; did you mean 'start'\? Known: start, powers"
    ):
        small(norm={"name": "my_parts:ScaledNorm", "stat": 1})


def test_a_subclass_without_a_config_builds_itself_not_its_parent(my_parts, small):
    x = torch.randn(2, 16, generator=generator("x"))
    heir, parent = small(norm="my_parts:Heir").norm, small(norm={"name": "rmsnorm"}).norm
    assert heir != parent
    torch.testing.assert_close(heir.build(16)(x), 3 * parent.build(16)(x))
    assert small(norm={"name": "my_parts:Heir", "eps": 1e-3}).norm.eps == 1e-3


def test_a_registered_class_keeps_its_name_when_given_by_path(small):
    assert small(norm="workbench.model.parts.norms:LayerNorm") == small(norm="layernorm")


def test_matching_works_for_a_part_without_formulas(my_parts, small):
    target = small()
    matched, mismatch = match_size(
        target.with_levels(feedforward="my_parts:Bottleneck"), target, "parameters"
    )
    assert abs(mismatch) < 0.05
    assert matched.nonembedding_parameters() == pytest.approx(target.nonembedding_parameters(), rel=0.05)


def test_the_current_directory_can_be_imported_from(tmp_path, monkeypatch, small):
    (tmp_path / "parts_here.py").write_text(
        textwrap.dedent("""
        from workbench.model import Norm
        class Same(Norm):
            def forward(self, x):
                return x
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in __import__("sys").path if p])
    assert small(norm="parts_here:Same").labels()["norm"] == "parts_here:Same"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "no_such_module:Norm",
            r"norm: importing 'no_such_module' .* failed \(ModuleNotFoundError.*PYTHONPATH",
        ),
        ("my_parts:ScaledNrm", r"my_parts has no class 'ScaledNrm'; did you mean 'ScaledNorm'\?"),
        ("my_parts:NotAComponent", r"is not a level; derive the class from workbench.model.Norm"),
        ("my_parts:number", r"is not a level; derive the class from workbench.model.Norm"),
        ("my_parts:Bottleneck", r"is a level of feedforward; write it under 'feedforward'"),
    ],
)
def test_import_paths_that_fail_name_the_remedy(my_parts, small, spec, message):
    with pytest.raises(UserError, match=message):
        small(norm=spec)


def test_a_module_that_fails_to_import_says_why(tmp_path, monkeypatch, small):
    (tmp_path / "broken_parts.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError, match=r"importing 'broken_parts' .* \(ZeroDivisionError: division by zero\)"
    ):
        small(norm="broken_parts:Norm")


def test_an_initial_value_of_the_wrong_shape_is_named(my_parts, small):
    model = Decoder(small(norm="my_parts:Wrong"))
    with pytest.raises(
        UserError, match=r"attention_norm.weight: initial_value gave shape \(3, 3\).* \(16,\)"
    ):
        model.initialize(1)


class _EntryPoint:
    def __init__(self, name, target):
        self.name, self.value, self.target = name, "installed:Target", target

    def load(self):
        if isinstance(self.target, Exception):
            raise self.target
        return self.target


class Installed(Norm):
    def forward(self, x):
        return x


def test_entry_points_are_levels(monkeypatch):
    points = [_EntryPoint("installed", Installed), _EntryPoint("gone", ImportError("no module"))]
    groups = []

    def find(group):
        groups.append(group)
        return points

    monkeypatch.setattr(component_module, "entry_points", find)
    registry = Registry("norm", "workbench.model.Norm")
    assert registry.names() == ["installed", "gone"]
    config = registry.config("installed")
    assert config.component is Installed
    assert config.to_dict().keys() == {"name", "source"}
    assert registry.config(config.to_dict()) == config
    assert set(groups) == {"workbench.norm"}
    with pytest.raises(UserError, match=r"entry point 'gone' .* cannot be loaded .* reinstall or remove"):
        registry.config("gone")


def test_a_name_is_registered_once():
    with pytest.raises(UserError, match="norm: the name 'rmsnorm' is taken; register under another"):
        NORMS.register("rmsnorm")(Installed)
    assert NORMS.get("rmsnorm") is RMSNorm


def test_a_config_of_the_wrong_kind_is_refused():
    with pytest.raises(UserError, match=r"Odd.Config: derive it from Norm.Config"):

        class Odd(Norm):
            class Config:
                pass


def test_building_a_part_restores_the_random_state_and_repeats():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    config = component_module.FEEDFORWARDS.config("relu")
    first, second = (config.build(8, 16, True).up.weight for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
