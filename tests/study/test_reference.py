"""The reference of study files: nothing is missing in it, what it says is true, and docs/ has it as it is."""

import dataclasses
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from tests.texts import Vocabulary
from workbench.data.corpora import SOURCES, corpus_config
from workbench.data.tasks.registry import task_of
from workbench.data.tokenizers import parse_tokenizer
from workbench.data.treatments.registry import treatment_config
from workbench.errors import UserError
from workbench.model import FACTORS, ModelConfig
from workbench.model.config import OPTIONS, PARTS
from workbench.model.parts.norms import Norm, RMSNorm
from workbench.number_types import Number, Whole
from workbench.special_tokens import KEYS
from workbench.study.design import build_variants
from workbench.study.reference.entries import Entry, Kind, prose, split_description
from workbench.study.reference.keys import fields_of, registry_path
from workbench.study.reference.levels import levels_at
from workbench.study.reference.lookup import entries_inside, find_entries, reference
from workbench.study.reference.markdown import EXAMPLE, to_markdown
from workbench.study.reference.words import as_written, choices, type_in_words, without_null
from workbench.study.schema import Level, StudyFile, parse_study
from workbench.user_numbers import LARGEST_SEED, read_number
from workbench.yaml_text import parse_yaml

PAGE = Path(__file__).parents[2] / "docs" / "study-file.md"
SECTIONS = reference()
ENTRIES = [entry for section in SECTIONS for entry in section.entries]
BY_KEY = {entry.key: entry for entry in ENTRIES}
OF_THE_SCHEMA = [entry for entry in ENTRIES if entry.kind is Kind.KEY and "tokenizer." not in entry.key]


REGISTRIES = {f"factors.{name}": registry for name, registry in FACTORS.items()} | {
    key: getattr(import_module(path.partition(":")[0]), path.partition(":")[2])
    for key, field in fields_of()
    if (path := registry_path(field))
}


def names(entries: list[Entry]) -> list[str]:
    return [entry.key for entry in entries]


def fields() -> dict[str, FieldInfo]:
    """Every field of the schema by its key, found without the reference."""
    found: dict[str, FieldInfo] = {}
    waiting: list[tuple[str, Any]] = [("", StudyFile), *(("data.corpus.", kind) for kind in SOURCES)]
    for path, model in waiting:
        for name, field in model.model_fields.items():
            found[f"{path}{field.alias or name}"] = field
            for inner in (field.annotation, *get_args(field.annotation)):
                if hasattr(inner, "model_fields"):
                    waiting.append((f"{path}{name}.", inner))
    return found


FIELDS = fields()


def test_no_key_of_the_schema_is_missing():
    assert {"name", "size.width", "data.corpus.glob", "training.warmup", "seeds.pilot"} <= FIELDS.keys()
    assert {entry.key for entry in OF_THE_SCHEMA} == FIELDS.keys()


@pytest.mark.parametrize("key", FIELDS)
def test_a_key_says_what_it_means_to_somebody_who_has_not_seen_the_code(key):
    description = FIELDS[key].description or ""
    assert len(description.split()) >= 5, f"{key}: give the field a description: 'Fraction of the steps ...'"
    assert description[0].isupper() or description.startswith(tuple(choices(FIELDS[key].annotation)))
    assert description.endswith("."), f"{key}: a description is made of sentences"


@pytest.mark.parametrize("entry", OF_THE_SCHEMA, ids=lambda entry: entry.key)
def test_what_is_said_of_leaving_it_out_agrees_with_the_default(entry):
    if entry.left_out and entry.default not in ("", "null", "{}", "[]"):
        assert entry.default in entry.left_out
    if entry.default == "null":
        assert entry.left_out, f"{entry.key}: end the description with 'Left out: ...'; null says nothing"


@pytest.mark.parametrize("entry", OF_THE_SCHEMA, ids=lambda entry: f"{entry.key}-{entry.beside}")
def test_types_are_words_and_examples_are_accepted(entry):
    assert not re.search(r"\b(int|str|float|bool|dict|tuple|None|Any|Literal|Optional)\b|a value", entry.type)
    kinds = [kind for kind in SOURCES if kind.known_by() == entry.beside]
    field = kinds[0].model_fields[entry.name] if kinds else FIELDS[entry.key]
    adapter = TypeAdapter(Annotated[field.annotation, *field.metadata, None])  # one at least has to be there
    for example in entry.examples:
        adapter.validate_python(parse_yaml(example))
    if entry.default:
        adapter.validate_python(parse_yaml(entry.default))


@pytest.mark.parametrize("kind", SOURCES, ids=lambda kind: kind.known_by())
def test_a_corpus_shows_how_it_is_written(kind):
    [section] = [section for section in SECTIONS if section.beside == kind.known_by()]
    assert section.examples
    for example, _ in section.examples:
        assert corpus_config(parse_yaml(example)).key == kind.key


def test_tokenizers_have_the_keys_that_are_read():
    listed = [entry for entry in ENTRIES if entry.key.startswith("data.tokenizer.")]
    assert sorted(entry.name for entry in listed) == sorted(["bpe", "file", "ids", *KEYS])
    least, most = map(int, re.findall(r"[\d_]{3,}", BY_KEY["data.tokenizer.bpe"].type))
    assert parse_tokenizer({"bpe": least}) == {"bpe": least}
    assert parse_tokenizer({"bpe": most}) == {"bpe": most}
    for beyond in (least - 1, most + 1):
        with pytest.raises(UserError):
            parse_tokenizer({"bpe": beyond})


def test_no_factor_and_no_level_is_missing():
    assert {f"factors.{name}" for name in (*PARTS, *OPTIONS)} == {
        entry.key for entry in ENTRIES if entry.kind is Kind.FACTOR
    }
    levels = {f"{key}.{level}" for key, registry in REGISTRIES.items() for level in registry.names()}
    assert levels < {entry.key for entry in ENTRIES if entry.kind is Kind.LEVEL}
    assert "factors.attention_gate.headwise" in BY_KEY


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.kind is not Kind.KEY], ids=lambda entry: entry.key
)
def test_factors_levels_and_options_say_what_they_are(entry):
    assert len(entry.about.split()) >= 2, f"{entry.key}: say what it is (an option: 'described')"
    if entry.kind is Kind.LEVEL:
        assert entry.formula
        assert entry.paper
    if entry.kind is Kind.OPTION:
        assert len(entry.about.split()) >= 5
        assert entry.about.endswith(".")
        assert entry.default or entry.left_out or entry.key.endswith(("classifier.positives", "half.side"))


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.kind is Kind.OPTION], ids=lambda entry: entry.key
)
def test_examples_of_options_are_accepted(entry):
    place, level, option = entry.key.rsplit(".", 2)
    if place == "data.corpus.treatment":
        for example in entry.examples:
            assert treatment_config(parse_yaml(example)).name == level
        return
    if place == "data.corpus.generated":
        for example in entry.examples:
            assert set(parse_yaml(example)) == {"generated", option}
            assert task_of(parse_yaml(example)).generated == level
        return
    registry = REGISTRIES[place]
    for example in entry.examples:
        spec = parse_yaml(example)
        assert spec["name"] == level
        assert set(spec) == {"name", option}
        assert isinstance(registry.config(spec), registry.get(level).Config)


def test_the_page_in_docs_is_what_the_command_prints():
    assert PAGE.read_text() == to_markdown(), "run: workbench explain --markdown > docs/study-file.md"


def test_the_page_begins_with_a_study_that_makes_variants():
    assert f"```yaml\n{EXAMPLE}```" in to_markdown()
    study = parse_study(parse_yaml(EXAMPLE) | {"name": "example"}, "example.yaml")
    assert [variant.name for variant in build_variants(study, Vocabulary(4096))] == [
        "baseline",
        "feedforward=relu_squared",
        "positions=rope(base=500000)",
    ]


def test_tables_of_the_page_are_whole_and_its_links_lead_somewhere():
    page = to_markdown()
    tables = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    assert len(tables) > 20
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table
    anchors = [
        re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))
        for title in re.findall(r"^## (.*)", page, re.M)
    ]
    links = re.findall(r"\]\(#(.*?)\)", page)
    assert links
    assert set(links) <= set(anchors)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("training.warmup", ["training.warmup"]),
        ("warmup", ["training.warmup"]),
        ("max_bytes", ["data.corpus.max_bytes"]),
        ("name", ["name"]),  # the study's, though a corpus may have one
        ("field", ["data.corpus.field", "data.corpus.field"]),
        ("norm", ["factors.norm"]),
        ("rope", ["factors.positions.rope"]),
        ("RoPE", ["factors.positions.rope"]),
        ("rope.base", ["factors.positions.rope.base"]),
        ("base", ["factors.positions.rope.base"]),
        ("layernorm.bias", ["factors.norm.layernorm.bias"]),
        (" clip ", ["training.clip"]),
    ],
)
def test_a_key_is_found_by_its_name_or_the_end_of_it(name, keys):
    assert names(find_entries(name)) == keys


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("bias", ["bias: ", "name one of factors.bias, factors.norm.layernorm.bias"]),
        ("none", ["factors.positions.none", "factors.norm.none"]),
        ("warmpu", ["'warmpu'", "did you mean 'warmup'?", "workbench explain"]),
        ("training.warmpu", ["did you mean 'training.warmup'?"]),
        ("swigul", ["did you mean 'swiglu'?"]),
        ("mup", ["no key or level"]),  # an end of a word is none of a key
        ("", ["''", "Known: name, question"]),
        (".", ["no key or level"]),
        ("[red]x", ["'[red]x'"]),
    ],
)
def test_a_name_that_is_none_is_answered_with_what_is_near(name, parts):
    with pytest.raises(UserError) as mistake:
        find_entries(name)
    assert [part for part in parts if part not in str(mistake.value)] == []
    assert "\n" not in str(mistake.value)


def inside(key: str) -> list[str]:
    return [entry.name for entry in entries_inside(BY_KEY[key])]


def test_what_is_inside_a_key():
    assert inside("size") == ["layers", "width", "heads", "feedforward_width"]
    assert "norm" in inside("factors")
    assert "swiglu" in inside("factors.feedforward")
    assert inside("factors.norm.rmsnorm") == ["eps", "cast"]
    assert inside("training.warmup") == []


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Whole, "a whole number"),
        (Annotated[Whole, FieldInfo(annotation=int, gt=0)], "a whole number above 0"),
        (Annotated[Whole, FieldInfo(annotation=int, gt=0, le=512)], "a whole number from 1 to 512"),
        (Annotated[Number, FieldInfo(annotation=float, ge=0, lt=1)], "a number of at least 0 and below 1"),
        (Number | None, "a number, or null"),
        (Literal["auto", "fp32", "bf16"], "one of auto, fp32, bf16"),
        (Literal["copy", "recall"], "copy or recall"),
        (Literal["auto"] | bool, "one of auto, true, false"),
        (bool, "true or false"),
        (bool | None, "one of true, false, null"),
        (int | list[int], "a whole number or a list of whole numbers"),
        (tuple[Number, Number], "a list of two numbers"),
        (str | dict[str, Any], "text or a mapping"),
        (str | list[str] | None, "text or a list of texts, or null"),
        (dict[str, list[Level]], "a mapping of names to lists of levels"),
        (Level, "a level"),
    ],
)
def test_types_in_words(annotation, words):
    assert type_in_words(annotation) == words


def test_a_part_of_somebody_elses_may_have_options_of_any_type():
    class Odd(RMSNorm):
        class Config(Norm.Config):
            """Options without a word about them."""

            sizes: tuple[int, ...] = (1, 2)
            names: set[str] = dataclasses.field(default_factory=set)
            pair: tuple[int, str] = (1, "a")
            kinds: list[Literal["a", "b"]] = dataclasses.field(default_factory=list)
            when: Path | None = None
            depth: int

    registry = SimpleNamespace(names=lambda: ["odd"], get=lambda name: Odd)
    levels, options = levels_at("factors.norm", registry, "What it is.")
    assert [entry.name for entry in levels.entries] == ["odd"]
    assert {entry.name: (entry.type, entry.when_left_out) for entry in options.entries} == {
        "sizes": ("a list of whole numbers", "[1, 2]"),
        "names": ("a value", '"set()"'),
        "pair": ("a list of two whole numbers or texts", "[1, a]"),
        "kinds": ("a list of a or b", "[]"),
        "when": ("a value", "null"),
        "depth": ("a whole number", "needed"),
    }


def test_bounds_that_are_large_are_short():
    seeds = Annotated[Whole, FieldInfo(annotation=int, ge=-LARGEST_SEED, le=10**15)]
    assert type_in_words(seeds) == "a whole number from -2^53 to 1e15"


def test_null_is_left_out_where_it_is_the_default():
    assert type_in_words(without_null(int | str | None)) == "a whole number or text"
    assert without_null(int) is int


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        16,
        1_000_000,
        0.1,
        "llama",
        "python-stdlib",
        "**/*.txt",
        "yes",
        "1",
        "a: b",
        "a, b",
        "[x]",
        "",
        "- x",
        "what?",
        "null",
        [0.9, 0.95],
        {"preset": "llama", "norm": ["rmsnorm", None]},
    ],
)
def test_values_are_written_as_a_study_file_is_read(value):
    assert parse_yaml(as_written(value)) == value
    assert parse_yaml(f"{{a: {as_written(value)}}}") == {"a": value}


@pytest.mark.parametrize(
    ("value", "text"), [(1e-8, "1e-8"), (500_000.0, "500000"), (1e22, "1e22"), (0.25, "0.25")]
)
def test_numbers_are_written_short(value, text):
    assert as_written(value) == text
    assert read_number(text) == value


def test_docstrings_and_descriptions_become_prose():
    assert prose("A ``part``\n    of two.\n\n    And more.\n    ") == "A part of two.\n\nAnd more."
    assert prose(None) == ""
    assert split_description("What it is. Left out: that of another.") == ("What it is.", "that of another")
    assert split_description("What it is.") == ("What it is.", "")


def test_models_of_the_defaults_have_the_levels_that_are_listed():
    sizes = {"vocabulary": 31, "context": 16, "width": 16, "layers": 1, "heads": 2}
    for factor in (*FACTORS, "norm_placement", "attention_gate"):
        for level in inside(f"factors.{factor}"):
            assert ModelConfig(**sizes, **{factor: level}).labels()[factor] == level
