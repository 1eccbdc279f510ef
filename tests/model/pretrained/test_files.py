"""Files of weights: what is read, what is refused, and that nothing in a file is ever executed."""

import json
import os
import pickle
import subprocess
import sys

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from workbench.errors import UserError
from workbench.model.pretrained import read_checkpoint
from workbench.model.pretrained.reading import read_tensors

CONFIG = transformers.LlamaConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=16,
)


@pytest.fixture
def model():
    torch.manual_seed(1)
    return transformers.LlamaForCausalLM(CONFIG)


@pytest.fixture
def folder(model, tmp_path):
    model.save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def sharded(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="6KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    return tmp_path


def as_torch(folder, legacy=False):
    """The same weights as an old folder keeps them."""
    tensors = load_file(folder / "model.safetensors")
    torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    (folder / "model.safetensors").unlink()
    return folder / "pytorch_model.bin"


def assert_same(found, model):
    expected = dict(model.named_parameters())
    assert torch.equal(found.tensors["token_embedding.weight"], expected["model.embed_tokens.weight"])
    key = found.tensors["blocks.1.attention.key.weight"]
    assert torch.equal(key, expected["model.layers.1.self_attn.k_proj.weight"])
    assert len(found.tensors) == len(expected)


def test_one_file(folder, model):
    assert_same(read_checkpoint(folder), model)


def test_several_files_with_an_index(sharded, model):
    assert_same(read_checkpoint(sharded), model)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before PyTorch 1.6"])
def test_pytorch_files(legacy, folder, model):
    as_torch(folder, legacy)
    assert_same(read_checkpoint(folder), model)


def test_pytorch_files_with_an_index(sharded, model):
    index = json.loads((sharded / "model.safetensors.index.json").read_text())
    for file in list(sharded.glob("*.safetensors")):
        torch.save(load_file(file), file.with_suffix(".bin"))
        file.unlink()
    places = {name: file.replace(".safetensors", ".bin") for name, file in index["weight_map"].items()}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    (sharded / "model.safetensors.index.json").unlink()
    assert_same(read_checkpoint(sharded), model)


def test_the_folders_name_plays_no_part(folder, model, tmp_path_factory):
    other = tmp_path_factory.mktemp("gpt2-meta") / "mistral"
    os.rename(folder, other)
    assert_same(read_checkpoint(other), model)


class Program:
    """A pickle that runs a command when it is read."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("how", ["torch.save", "pickle"])
def test_a_pickle_with_a_program_is_refused_and_does_not_run(how, folder):
    file, proof = as_torch(folder), folder / "it ran"
    content = {"a": torch.zeros(2), "b": Program(f"touch '{proof}'")}
    if how == "torch.save":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=r"pytorch_model.bin: holds more than tensors.*\.safetensors"):
        read_checkpoint(folder)
    assert not proof.exists()
    with file.open("rb") as stream:
        torch.load(stream, weights_only=False) if how == "torch.save" else pickle.load(stream)
    assert proof.exists()  # the file is as dangerous as the test supposes


def test_the_refusal_names_the_culprit(folder):
    torch.save({"a": Program("true")}, as_torch(folder))
    with pytest.raises(UserError, match=r"posix.system"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    "content", [[torch.zeros(2)], {"model": {"a": torch.zeros(2)}, "step": 3}, torch.zeros(2)]
)
def test_a_file_without_tensors_by_name_is_refused(content, folder):
    torch.save(content, as_torch(folder))
    with pytest.raises(UserError, match=r"does not hold tensors by name.*state_dict"):
        read_checkpoint(folder)


@pytest.mark.parametrize("keep", [0, 5, 200, 4000])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_a_file_cut_short_is_refused(kind, keep, folder):
    file = (
        folder / "model.safetensors" if kind == "safetensors" else as_torch(folder, legacy=kind == "legacy")
    )
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=rf"{file.name}: (is damaged or cut short|holds more than tensors)"):
        read_checkpoint(folder)


def test_a_file_of_noise_is_refused(folder):
    as_torch(folder).write_bytes(b"hello world, this is no pickle")
    with pytest.raises(UserError, match=r"pytorch_model.bin: is damaged"):
        read_checkpoint(folder)


def test_a_missing_shard_is_named(sharded):
    (sharded / "model-00002-of-00006.safetensors").unlink(missing_ok=True)
    gone = sorted(sharded.glob("*.safetensors"))[0]
    gone.unlink()
    with pytest.raises(UserError, match=rf"{gone.name}: there is no such file"):
        read_checkpoint(sharded)


def test_a_tensor_that_the_index_misplaces_is_named(sharded):
    file = sharded / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    index["weight_map"]["model.extra"] = next(iter(index["weight_map"].values()))
    file.write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"model.extra is missing, though model.safetensors.index.json"):
        read_checkpoint(sharded)


def test_an_index_cannot_reach_outside_its_folder(sharded):
    file = sharded / "model.safetensors.index.json"
    file.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(UserError, match=r"'../secret.safetensors' is not the name of a file"):
        read_checkpoint(sharded)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": 3}', '{"weight_map": {"a": 1}}', "[", "[]"])
def test_a_damaged_index_is_refused(content, sharded):
    (sharded / "model.safetensors.index.json").write_text(content)
    with pytest.raises(UserError, match=r"index.json: "):
        read_checkpoint(sharded)


def change_weights(folder, change):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_a_missing_tensor_is_named(folder):
    change_weights(folder, lambda t: t.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(UserError, match=r"model.safetensors: model.layers.1.mlp.up_proj.weight is missing"):
        read_checkpoint(folder)


def test_a_surplus_tensor_is_named(folder):
    change_weights(folder, lambda t: t.update({"model.layers.1.router.weight": torch.zeros(3)}))
    with pytest.raises(UserError, match=r"model.layers.1.router.weight is not part of the model"):
        read_checkpoint(folder)


def test_a_misshapen_tensor_is_named_with_both_shapes(folder):
    change_weights(folder, lambda t: t.update({"model.norm.weight": torch.ones(15)}))
    with pytest.raises(UserError, match=r"model.norm.weight has shape \(15,\).* asks for \(16,\)"):
        read_checkpoint(folder)


def test_the_inverse_frequencies_of_old_files_are_skipped(folder, model):
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    change_weights(folder, lambda t: t.update({name: torch.zeros(4)}))
    assert_same(read_checkpoint(folder), model)


def test_quantised_weights_are_refused(folder):
    name = "model.layers.0.mlp.up_proj.weight"
    change_weights(folder, lambda t: t.update({name: t[name].to(torch.int8)}))
    with pytest.raises(UserError, match=r"feedforward.up.weight is stored as int8"):
        read_checkpoint(folder)


def test_the_type_is_kept_as_stored(folder):
    def mostly_half(tensors):
        tensors |= {name: value.half() for name, value in tensors.items() if "norm" not in name}

    change_weights(folder, mostly_half)
    checkpoint = read_checkpoint(folder)
    assert checkpoint.dtype == torch.float16
    assert checkpoint.tensors["final_norm.weight"].dtype == torch.float32


def test_a_folder_of_neither_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"neither config.json .* nor params.json"):
        read_checkpoint(tmp_path)
    with pytest.raises(UserError, match=r"nowhere: is not a folder"):
        read_checkpoint(tmp_path / "nowhere")


def test_a_config_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"holds no weights; expected one of model.safetensors, "):
        read_checkpoint(folder)


@pytest.mark.parametrize("content", ["", "{", "3", '{"hidden_size": 16}'])
def test_a_damaged_config_is_refused(content, folder):
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config.json: .*(fetch)"):
        read_checkpoint(folder)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_config_nested_without_end_is_refused(opening, folder):
    (folder / "config.json").write_text(opening * 100_000)
    with pytest.raises(UserError, match=r"config.json: .*nested thousands of levels deep.*fetch it again"):
        read_checkpoint(folder)


def test_tensors_stay_in_the_file_until_they_are_used(tmp_path):
    """A matrix of 128 MB, in either format: reading it may not take as much memory."""
    code = (
        "import sys, resource, pathlib\n"
        "from workbench.model.pretrained.reading import read_tensors\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak(); kept = [read_tensors(pathlib.Path(name)) for name in sys.argv[1:]]\n"
        "print(peak() - before)\n"
    )
    big = {"a": torch.empty(32_000_000)}
    save_file(big, tmp_path / "a.safetensors")
    torch.save(big, tmp_path / "a.pth")
    files = [str(tmp_path / name) for name in ("a.safetensors", "a.pth")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 60


def test_it_works_without_transformers():
    code = (
        "import sys\n"
        "sys.modules['transformers'] = None\n"
        "import workbench.model.pretrained as p; print(p.read_checkpoint.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "read_checkpoint", done.stderr


def test_read_tensors_of_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"a.safetensors: there is no such file"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("value", ["text", [1], {"a": 1}, -1, 0, 1.5, None, True], ids=repr)
def test_no_value_of_the_config_leads_to_another_error(value, folder):
    """Each value in turn is nonsense: the model is read all the same, or the error is the user's."""
    file = folder / "config.json"
    sound = json.loads(file.read_text())
    messages = []
    for key in sound:
        file.write_text(json.dumps(sound | {key: value}))
        try:
            read_checkpoint(folder)
        except UserError as error:
            messages.append(str(error))
    assert len(messages) >= (5 if value is None else 8)
    assert all(message.startswith(str(folder)) for message in messages)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_pointer_of_git_lfs_is_told_with_its_remedy(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n")
    with pytest.raises(UserError, match=rf"{name}: is a Git LFS pointer.*git lfs pull"):
        read_checkpoint(folder)
