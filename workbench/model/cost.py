"""What a decoder costs, from its config alone: parameters, FLOPs, memory.

FLOPs follow PaLM's appendix B (arXiv 2204.02311): ``6 N + 12 L D T`` per trained token, where N are the
weights of all matrix multiplications (with the head, without tables that are looked up) and the second
term is attention over the full context, or the window, not halved for causality.
"""

from workbench.model.architecture import Architecture
from workbench.model.parts.counts import part_matmul_parameters, part_parameters
from workbench.model.sizes import Sizes


def parameters_by_group(config: Architecture) -> dict[str, int]:
    """Parameters of ``token_embedding, positions, attention, feedforward, norm, head``; a tied head has 0."""
    layers, width = config.layers, config.width
    table = config.vocabulary * width
    attention = _attention_matrices(config) + _attention_biases(config)
    feedforward = part_parameters(config.feedforward, width, config.feedforward_width, config.bias)
    return {
        "token_embedding": table,
        "positions": part_parameters(config.positions, config),
        "attention": layers * attention,
        "feedforward": layers * feedforward,
        "norm": _norms(config) * part_parameters(config.norm, width) + _head_norms(config),
        "head": 0 if config.tied_embeddings else table,
    }


def num_parameters(config: Architecture) -> int:
    """All parameters."""
    return sum(parameters_by_group(config).values())


def nonembedding_parameters(config: Architecture) -> int:
    """Parameters of the blocks and norms: without token table, position code and head."""
    groups = parameters_by_group(config)
    return groups["attention"] + groups["feedforward"] + groups["norm"]


def matmul_parameters(config: Architecture) -> int:
    """Weights that multiply every token: projections and the head (tied or not), no tables, norms, biases."""
    feedforward = part_matmul_parameters(
        config.feedforward, config.width, config.feedforward_width, config.bias
    )
    norm = _norms(config) * part_matmul_parameters(config.norm, config.width)
    norm += 2 * config.layers * part_matmul_parameters(config.qk_norm, config.head_width)
    layer = _attention_matrices(config) + feedforward
    return config.layers * layer + norm + config.vocabulary * config.width


def flops_per_token(config: Architecture) -> int:
    """Training FLOPs per token at full context: forward, and backward at twice the forward.

    A layer with a window attends to as many keys as the window holds.
    """
    keys = sum(min(window or config.context, config.context) for window in config.layer_windows)
    attention = 12 * config.attention_width * keys
    return 6 * matmul_parameters(config) + attention


def kv_cache_bytes_per_token(sizes: Sizes, bytes_per_value: int = 2) -> int:
    """Bytes that generation keeps per token: a key and a value in every layer."""
    return 2 * sizes.layers * sizes.key_value_width * bytes_per_value


def decode_bytes(config: Architecture, bytes_per_value: int = 2) -> int:
    """Bytes that generating one more token reads at the full context, for a batch of one.

    They are all weights, of tables that are looked up one row, and the cached keys and values of the tokens
    before: ``b (N - tables + rows + 2 · sum of keys · key heads · head width)`` with ``b`` bytes per value. N
    counts the head, tied or not; a layer has as many keys as the context or its window holds. Decoding one
    sequence is bound by this traffic, not by its FLOPs (Pope et al. 2022, arXiv 2211.05102).
    """
    groups = parameters_by_group(config)
    # The head is read as a whole, whether it is the token table or its own; of the table itself one row.
    head = config.vocabulary * config.width
    positions = groups["positions"]
    if positions == config.context * config.width:  # a row for each position, of which one is read
        positions = config.width
    weights = groups["attention"] + groups["feedforward"] + groups["norm"] + head + config.width + positions
    keys = sum(min(window or config.context, config.context) for window in config.layer_windows)
    return bytes_per_value * (weights + 2 * keys * config.key_value_width)


def training_memory(
    config: Architecture, *, batch_size: int, bytes_per_activation: int = 4, moments: int = 2
) -> dict[str, int]:
    """Bytes of ``parameters, gradients, optimizer, activations, total`` for one training step.

    Parameters, gradients and the optimizer's ``moments`` (AdamW has two) are fp32. Activations are an
    estimate: what the backward pass keeps, attention scores recomputed (flash), logits three times (logits,
    log-softmax, gradient).
    """
    parameters = 4 * num_parameters(config)
    values = config.layers * _layer_activations(config) * bytes_per_activation
    logits = 3 * 4 * config.vocabulary
    activations = batch_size * config.context * (values + logits)
    parts = {
        "parameters": parameters,
        "gradients": parameters,
        "optimizer": moments * parameters,
        "activations": activations,
    }
    return parts | {"total": sum(parts.values())}


def _layer_activations(config: Architecture) -> int:
    """Values per token that a layer keeps: inputs of norms and projections, q, k, v, hidden units."""
    hidden = 4 if config.feedforward.matrices == 3 else 2
    inner = 2 * config.attention_width + 2 * config.key_value_width
    return 6 * config.width + inner + hidden * config.feedforward_width


def _attention_matrices(config: Architecture) -> int:
    columns = 2 * config.attention_width + 2 * config.key_value_width + config.gate.outputs(config)
    return config.width * columns


def _attention_biases(config: Architecture) -> int:
    biases = 0
    if config.has_qkv_bias:
        biases += config.attention_width + 2 * config.key_value_width
    if config.has_output_bias:
        biases += config.width
    return biases


def _norms(config: Architecture) -> int:
    """Norms of the residual stream's width."""
    in_blocks = (2 + len(config.placement.further_norms)) * config.layers
    return in_blocks if config.placement.normalises_sums else in_blocks + 1


def _head_norms(config: Architecture) -> int:
    """Parameters of the norms of queries and keys."""
    return 2 * config.layers * part_parameters(config.qk_norm, config.head_width)
