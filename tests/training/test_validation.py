"""One way to sum a validation: the same numbers from a trial, from a population and from ``evaluate``."""

import math

import numpy as np
import pytest
import torch
from torch.func import vmap
from torch.nn import functional as F

from tests.training.test_trial import CONTEXT, config, train
from workbench.data.batches import EvaluationBatch, EvaluationBatches
from workbench.data.task_batches import NO_ANSWER
from workbench.data.text_parts import TextParts
from workbench.data.tokenized import TokenizedCorpus
from workbench.data.tokenizers import ByteTokenizer
from workbench.model.decoder import Decoder
from workbench.model.loss import TokenLosses, losses_of_logits, next_token_loss, token_losses
from workbench.model.presets import preset
from workbench.records.run import RunDirectory
from workbench.seeds import generator
from workbench.training.evaluation import evaluate
from workbench.training.population.trial import run_population
from workbench.training.run import Watcher
from workbench.training.trained_decoder import load_decoder
from workbench.training.validation import SetSums, ValidationSums, score_answers

BATCHES = [(7, 11), (5, 0), (3, 4)]  # targets, bytes
PART = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2]  # of each target of these
PARTS = TextParts(targets=[3, 8, 4], bytes=[5, 7, 3], documents=3, cut="cut")


def own_split(corpus):
    return {"validation": EvaluationBatches(corpus, CONTEXT, 2, 128)}


def summed(losses):
    """Of the losses (..., N) of all targets, in batches."""
    sums = ValidationSums(PARTS)
    first = 0
    for count, size in BATCHES:
        of_tokens = losses[..., None, first : first + count]
        part = torch.tensor([PART[first : first + count]])
        batch = EvaluationBatch(part, part, size, part)
        sums.add(TokenLosses(of_tokens.mean(dim=(-2, -1)), of_tokens), batch)
        first += count
    return sums


def test_the_sums_are_those_of_python_in_the_order_of_the_batches():
    losses = torch.rand(15, generator=generator("validation"))
    nats = 0.0
    for part, (count, _) in zip(losses.split([count for count, _ in BATCHES]), BATCHES, strict=True):
        nats += part.mean().item() * count
    found = summed(losses)
    assert found.targets == 15
    assert found.metrics() == {
        "validation/loss": nats / 15,
        "validation/bits_per_byte": nats / math.log(2) / 15,
    }


def test_each_replica_has_the_sums_that_it_has_alone():
    losses = torch.rand(3, 15, generator=generator("validation"))  # (R, N)
    assert summed(losses).metrics_of_each() == [summed(losses[index]).metrics() for index in range(3)]
    alone = [summed(losses[index]).text_losses(1)[0] for index in range(3)]
    assert summed(losses).text_losses(3) == alone


def test_documents_add_up_to_the_loss():
    losses = torch.rand(15, generator=generator("validation"))
    sums = summed(losses)
    (found,) = sums.text_losses(1)
    expected = [sum(losses[place].item() for place in range(15) if PART[place] == part) for part in range(3)]
    assert found["nats"] == pytest.approx(expected, abs=1e-6)
    assert sum(found["nats"]) / 15 == pytest.approx(sums.metrics()["validation/loss"])
    assert {key: found[key] for key in ("targets", "bytes", "documents", "cut")} == vars(PARTS)
    assert ValidationSums().text_losses(2) == [None, None]


def test_documents_over_window_borders_have_the_losses_of_their_tokens():
    """Three documents, cut by windows of a tiny model, token by token; one of them lies in three windows."""
    tokenizer = ByteTokenizer()
    texts = ["A short one.", "The second document is the longest of all.", "The end of it all, with a tail"]
    tokens = np.concatenate(list(tokenizer.encode_documents(texts)))
    decoder = tiny(257)
    batches = EvaluationBatches(TokenizedCorpus(tokens, tokens, tokenizer, meta={}), CONTEXT, 2)
    sums = SetSums(["validation"], batches.parts)
    expected = [0.0, 0.0, 0.0]
    with torch.inference_mode():
        for batch in batches:
            sums.add(0, token_losses(decoder, batch.inputs, batch.targets), batch)
        for start in range(0, len(tokens) - CONTEXT, CONTEXT):
            window = torch.from_numpy(tokens[start : start + CONTEXT + 1].astype(np.int64))
            logits = decoder(window[None, :-1])[0]
            for place in range(CONTEXT):
                document = int((tokens[: start + place + 1] == tokenizer.end_of_document).sum())
                loss = F.cross_entropy(logits[place : place + 1], window[place + 1 : place + 2])
                expected[document] += loss.item()
    (found,) = sums.text_losses(1)
    assert found["nats"] == pytest.approx(expected, rel=1e-5)
    assert found["targets"] == [12, 43, 25]
    assert found["documents"] == 3


def tiny(vocabulary):
    decoder = Decoder(preset("llama", vocabulary=vocabulary, context=CONTEXT, layers=1, width=16, heads=2))
    decoder.initialize(3)
    return decoder


@pytest.mark.parametrize("vocabulary", [97, 1000])
@pytest.mark.parametrize("autocast", [False, True])
def test_the_mean_beside_the_losses_of_tokens_has_the_bits_that_it_had(monkeypatch, vocabulary, autocast):
    """As recorded losses were computed: eager, where large logits are cut, and of replicas."""
    decoder = tiny(vocabulary)
    random = generator("bits")
    for size in (2**30, 0):
        monkeypatch.setattr("workbench.model.loss.WHOLE_BYTES", size)
        tokens, targets = torch.randint(vocabulary, (2, 5, CONTEXT), generator=random)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            whole = losses_of_logits(decoder(tokens), targets)
            assert torch.equal(
                whole.mean, F.cross_entropy(decoder(tokens).flatten(0, 1).float(), targets.flatten())
            )
            found = token_losses(decoder, tokens, targets)
            assert torch.equal(found.mean, next_token_loss(decoder, tokens, targets))
            torch.testing.assert_close(found.of_tokens, whole.of_tokens, rtol=0.01, atol=1e-4)
            assert size == 0 or torch.equal(found.mean, whole.mean)
        with torch.inference_mode():  # in which nothing is cut
            found = token_losses(decoder, tokens, targets)
            assert torch.equal(found.mean, next_token_loss(decoder, tokens, targets))
    logits = torch.randn(3, 5, CONTEXT, vocabulary, generator=random)

    def mean(logits):
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    each = vmap(lambda own: losses_of_logits(own, targets))(logits)
    assert torch.equal(each.mean, vmap(mean)(logits))
    for index in range(3):
        assert torch.equal(each.of_tokens[index], losses_of_logits(logits[index], targets).of_tokens)
    of_answers = targets.where(targets % 3 == 0, NO_ANSWER)
    scored = score_answers(logits[0], of_answers)
    whole = F.cross_entropy(logits[0].flatten(0, 1), of_answers.flatten(), reduction="sum")
    assert torch.equal(scored.nats, whole)
    assert scored.of_sequences.sum() == pytest.approx(float(whole), rel=1e-5)


def test_tokens_that_stand_for_no_byte_divide_by_one():
    sums = ValidationSums()
    none = torch.zeros((1, 4), dtype=torch.long)
    losses = torch.full((1, 4), math.log(2))
    sums.add(TokenLosses(losses.mean(), losses), EvaluationBatch(none, none, 0, none))
    assert sums.metrics()["validation/bits_per_byte"] == pytest.approx(4)


def test_a_trial_and_evaluate_give_the_same_to_the_last_bit(tmp_path, corpus):
    record, directory = train(tmp_path, corpus)
    found = evaluate(load_decoder(directory), own_split(corpus))
    tokens = found.pop("tokens")
    assert tokens == 128 // CONTEXT * CONTEXT
    assert {key: record.summary[key] for key in found} == found
    kept = record.text_losses
    assert sum(kept["targets"]) == tokens
    assert sum(kept["nats"]) / tokens == pytest.approx(found["validation/loss"])
    parts = own_split(corpus)["validation"].parts
    assert kept == vars(parts) | {"nats": kept["nats"]}
    assert len(kept["nats"]) == len(parts.targets)
    assert directory.read().text_losses == kept
    assert "passages" not in directory.read().to_dict()


def test_a_population_and_evaluate_give_the_same(tmp_path, corpus):
    for seed in (1, 2):
        train(tmp_path / str(seed), corpus, config(dropout=0.1), seed=seed, stop_at=0)  # only its record
    made = [RunDirectory(tmp_path / seed / "runs" / "run") for seed in "12"]
    for directory in made:
        directory.checkpoint.unlink()
    for record, directory in zip(run_population(made, lambda data: corpus, Watcher()), made, strict=True):
        found = evaluate(load_decoder(directory), own_split(corpus))
        for key in ("validation/loss", "validation/bits_per_byte"):
            assert record.summary[key] == pytest.approx(found[key], rel=1e-6)
        decoder = load_decoder(directory)
        sums = SetSums(["validation"], own_split(corpus)["validation"].parts)
        with torch.inference_mode():
            for batch in own_split(corpus)["validation"]:
                sums.add(0, token_losses(decoder, batch.inputs, batch.targets), batch)
        (alone,) = sums.text_losses(1)
        assert record.text_losses == alone | {"nats": pytest.approx(alone["nats"], rel=1e-5)}
