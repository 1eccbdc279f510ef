"""Which token begins a text and which end one: what the files beside a model's weights say of it."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from workbench.errors import UserError
from workbench.model.pretrained.special_tokens import (
    read_special_tokens,
    token_put_first,
    write_special_tokens,
)
from workbench.special_tokens import SpecialTokens, special_tokens

WORDS = ["a", "b", "c", "d"]  # 0 to 3
SPECIAL = ["<s>", "</s>", "<|endoftext|>", "<|eot|>"]  # 4 to 7
VOCABULARY = 8


def tokenizer(special=SPECIAL, put_first=None):
    found = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="a"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.add_special_tokens([AddedToken(one, special=True) for one in special])
    if put_first:
        found.post_processor = processors.TemplateProcessing(
            single=f"{put_first} $A", special_tokens=[(put_first, found.token_to_id(put_first))]
        )
    return found


def read(folder, model=None, layout="huggingface", vocabulary=VOCABULARY, **files):
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    return read_special_tokens(folder, layout, vocabulary, model)


ENDS = [
    ({}, (6,)),  # the first of the well-known names
    ({"special_tokens_map": {"eos_token": {"content": "</s>"}}}, (5,)),
    ({"special_tokens_map": {"eos_token": "</s>"}, "tokenizer_config": {"eos_token": "<|eot|>"}}, (7,)),
    ({"tokenizer_config": {"eos_token": {"content": "<|eot|>"}}, "config": {"eos_token_id": 5}}, (5,)),
    ({"config": {"eos_token_id": 5}, "generation_config": {"eos_token_id": [7, 5]}}, (7, 5)),
    ({"config": {"eos_token_id": 5}, "generation_config": {"eos_token_id": None}}, (5,)),
    ({"config": {"eos_token_id": 5}, "generation_config": {}}, (5,)),
    ({"config": {"eos_token_id": [5, 5, 7]}}, (5, 7)),
    # Ids of another vocabulary, as configurations that were never filled in have them.
    ({"config": {"eos_token_id": 50256}, "tokenizer_config": {"eos_token": "</s>"}}, (5,)),
    ({"config": {"eos_token_id": -1}, "generation_config": {"eos_token_id": [True, "5"]}}, (6,)),
    ({"tokenizer_config": {"eos_token": "<none>"}}, (6,)),
]


@pytest.mark.parametrize(("files", "expected"), ENDS, ids=lambda case: str(case)[:60])
def test_the_ends_of_a_text_in_their_order(files, expected, tmp_path):
    found = read(tmp_path, tokenizer(), **files)
    assert found.ends_of_text == expected
    assert found.end_of_document == expected[0]


def test_without_any_known_name_the_ids_suffice_and_without_those_there_is_no_end(tmp_path):
    model = tokenizer(["<stop>"])
    assert read(tmp_path, model) == SpecialTokens()
    assert read(tmp_path, model, config={"eos_token_id": 4}) == SpecialTokens(
        ends_of_text=(4,), end_of_document=4
    )
    assert read(tmp_path, None, config={"eos_token_id": [7, 2]}).ends_of_text == (7, 2)


def test_documents_are_not_separated_by_a_piece_of_ordinary_text(tmp_path):
    """LlamaConfig's default is 2, whatever the tokenizer: generate stops there, text is full of it."""
    found = read(tmp_path, tokenizer(), config={"eos_token_id": 2})
    assert (found.ends_of_text, found.end_of_document) == ((2,), 6)
    found = read(tmp_path, tokenizer(), generation_config={"eos_token_id": [2, 7]})
    assert (found.ends_of_text, found.end_of_document) == ((2, 7), 7)
    files = {"tokenizer_config": {"eos_token": "c"}, "generation_config": {"eos_token_id": 2}}
    found = read(tmp_path, tokenizer(), **files)
    assert (found.ends_of_text, found.end_of_document) == ((2,), 2)  # two files agree


BEGINNINGS = [
    ({}, None, (None, False)),
    ({"config": {"bos_token_id": 4}}, None, (4, False)),
    ({"config": {"bos_token_id": 5}, "generation_config": {"bos_token_id": 4}}, None, (4, False)),
    ({"config": {"bos_token_id": 5}}, "<s>", (4, True)),
    ({"tokenizer_config": {"bos_token": "<s>", "add_bos_token": True}}, None, (4, True)),
    ({"tokenizer_config": {"bos_token": {"content": "<s>"}, "add_bos_token": False}}, "<s>", (4, False)),
    ({"tokenizer_config": {"bos_token": None, "add_bos_token": True}}, None, (None, False)),
    ({"special_tokens_map": {"bos_token": "<s>"}}, None, (4, False)),
    ({"special_tokens_map": {"bos_token": "<s>"}}, "<s>", (4, True)),
]


@pytest.mark.parametrize(("files", "put_first", "expected"), BEGINNINGS, ids=lambda case: str(case)[:60])
def test_what_begins_a_text_and_whether_it_is_put(files, put_first, expected, tmp_path):
    found = read(tmp_path, tokenizer(put_first=put_first), **files)
    assert (found.beginning_of_text, found.adds_beginning) == expected


def test_metas_layout_begins_every_prompt(tmp_path):
    """llama/generation.py encodes prompts with bos=True; the ids are those of the released tokenizers."""
    first = read(tmp_path, None, "meta", 32_000)
    assert (first.beginning_of_text, first.ends_of_text, first.adds_beginning) == (1, (2,), True)
    third = read(tmp_path, None, "meta", 128_256)
    assert (third.beginning_of_text, third.ends_of_text) == (128_000, (128_001, 128_009))
    assert read(tmp_path, None, "meta", 40) == SpecialTokens()
    model = tokenizer(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    given = read(tmp_path, model, "meta")
    assert (given.beginning_of_text, given.ends_of_text, given.adds_beginning) == (4, (5, 6), True)


def test_padding_in_front_is_not_what_the_tokenizer_puts_first():
    model = tokenizer()
    model.enable_padding(direction="left", length=6, pad_id=7, pad_token="<|eot|>")
    assert token_put_first(model) is None
    model.post_processor = tokenizer(put_first="<s>").post_processor
    assert token_put_first(model) == 4


@pytest.mark.parametrize("put_first", [None, "<s>"])
@pytest.mark.parametrize(
    "tokens",
    [
        SpecialTokens(beginning_of_text=4, adds_beginning=True, ends_of_text=(7, 5), end_of_document=7),
        SpecialTokens(beginning_of_text=4, adds_beginning=False, ends_of_text=(5,), end_of_document=5),
        SpecialTokens(ends_of_text=(2,), end_of_document=2),
    ],
    ids=["begins", "knows a beginning", "ends with a word"],
)
def test_what_is_written_is_read_again(tokens, put_first, tmp_path):
    import transformers

    file = tmp_path / "mine.json"
    tokenizer(put_first=put_first).save(str(file))
    out = tmp_path / "out"
    out.mkdir()
    ids = write_special_tokens(tokens, out, file)
    (out / "config.json").write_text(json.dumps(ids))
    written = Tokenizer.from_file(str(out / "tokenizer.json"))
    assert read_special_tokens(out, "huggingface", VOCABULARY, written) == tokens
    theirs = transformers.AutoTokenizer.from_pretrained(out)("b c")["input_ids"]
    assert theirs == ([4, 1, 2] if tokens.adds_beginning else [1, 2])
    generation = transformers.GenerationConfig.from_pretrained(out)
    assert generation.bos_token_id == tokens.beginning_of_text
    assert generation.eos_token_id in (list(tokens.ends_of_text), tokens.ends_of_text[0])


def test_a_specification_names_tokens_by_text_or_id():
    model = tokenizer()
    assert special_tokens({}, model, "key").end_of_document == 6
    found = special_tokens({"end_of_document": "</s>"}, model, "key")
    assert (found.end_of_document, found.ends_of_text) == (5, (5,))
    found = special_tokens({"ends_of_text": ["<|eot|>", 5], "beginning_of_text": "<s>"}, model, "key")
    assert (found.end_of_document, found.ends_of_text, found.beginning_of_text) == (7, (7, 5), 4)
    assert special_tokens(SpecialTokens().to_dict(), model, "key") == SpecialTokens()
    with pytest.raises(UserError, match=r"key.end_of_document: the tokenizer has no token 'stop'"):
        special_tokens({"end_of_document": "stop"}, model, "key")
    with pytest.raises(UserError, match=r"key.ends_of_text: the tokenizer has no token 99"):
        special_tokens({"ends_of_text": [99]}, model, "key")


def test_a_damaged_file_is_one_error(tmp_path):
    (tmp_path / "generation_config.json").write_text("[" * 100_000)
    with pytest.raises(
        UserError, match=r"generation_config.json: .*nested thousands of levels .*fetch it again"
    ):
        read_special_tokens(tmp_path, "huggingface", VOCABULARY, None)
