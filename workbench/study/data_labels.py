"""How corpora, their treatments and tokenizers are called where they are levels of a factor."""

from pathlib import Path
from typing import Any

from workbench.data.corpora import SOURCES
from workbench.data.tokenizers import IDS, TOKENIZER
from workbench.data.treatments.as_is import AsIs
from workbench.data.treatments.registry import treatment_config
from workbench.user_numbers import read_whole


def corpus_label(spec: str | dict[str, Any]) -> str:
    """``python-stdlib``, ``prose``, ``rows.jsonl(field=text)``: its name or last folder, and its options."""
    if isinstance(spec, str):
        return spec
    kind = next((source.key for source in SOURCES if source.key in spec), None)
    if kind is None:
        return str(spec)
    if kind == "mixture":
        return _mixture_label(spec)
    name = str(spec[kind])
    if kind == "path":
        name = Path(name).name or name
    options = ",".join(f"{key}={value}" for key, value in spec.items() if key not in (kind, "treatment"))
    return f"{name}({options})" if options else name


def _mixture_label(spec: dict[str, Any]) -> str:
    """``mixture(code=0.7,prose=0.3)``, ``mixture(weights=llama,passes=2)``: its weights, and its options."""
    weights = spec.get("weights")
    named = weights if isinstance(weights, dict) else {"weights": weights}
    own = {key: value for key, value in spec.items() if key not in ("mixture", "weights", "treatment")}
    return f"mixture({','.join(f'{key}={value}' for key, value in (named | own).items())})"


def treatment_label(spec: str | dict[str, Any]) -> str:
    """``as_is``, ``shuffled_words(share=0.6)``: what is done to the corpus's training text."""
    treatment = spec.get("treatment") if isinstance(spec, dict) else None
    return treatment_config(treatment or AsIs()).label


def tokenizer_label(spec: str | dict[str, Any]) -> str:
    """``bytes``, ``bpe-512``, or the name of a model's file; of a ``tokenizer.json`` its folder's too."""
    if isinstance(spec, str):
        return spec
    if "bpe" in spec:
        return f"bpe-{read_whole(spec['bpe'])}"
    if IDS in spec:
        return f"{read_whole(spec[IDS])} ids"
    path = Path(str(spec.get("file", spec)))
    return f"{path.parent.name}/{path.name}" if path.name == TOKENIZER and path.parent.name else path.name
