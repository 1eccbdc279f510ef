"""Made-up studies whose variants differ in what is done to their text, and what is known of these texts."""

from pathlib import Path

from tests.dashboard.dashboard_studies import manifest
from workbench.data.report import CorpusReport
from workbench.files import write_yaml
from workbench.study.kept_reports import write_reports

POOL = {"path": "pool", "validation_fraction": 0.1}
DEDUP = {"name": "near_dedup", "bands": 14, "rows": 8, "words": 5}
CURATED = {"name": "curated", "steps": [{"name": "exact_dedup"}, {"name": "line_dedup", "times": 3}]}
NEAR_COPIES = {
    "name": "near_copies",
    "documents": 1000,
    "bytes": 2_000_000,
    "documents_left": 990,
    "bytes_left": 1_980_000,
    "rules": {"near_copy": {"dropped": 10, "changed": 0, "bytes": 20_000}},
}
STAGES = {
    "near_dedup": {
        "name": "near_dedup",
        "documents": 990,
        "bytes": 1_980_000,
        "documents_left": 693,
        "bytes_left": 1_584_000,
        "rules": {"near_copy": {"dropped": 297, "changed": 0, "bytes": 396_000}},
    },
    "curated": {
        "name": "curated",
        "documents": 990,
        "bytes": 1_980_000,
        "documents_left": 940,
        "bytes_left": 1_900_000,
        "rules": {
            "line_dedup: repeated_line": {"dropped": 5, "changed": 40, "bytes": 50_000},
            "exact_dedup: copy": {"dropped": 45, "changed": 0, "bytes": 30_000},
        },
    },
}

# Of the baseline's text, which another variant has too, and of one of the two that are treated.
UNIQUE = {"baseline": 1_500_000, "positions=learned": 1_584_000, "feedforward=relu": 1_500_000}


def text_data(treatment=None, text="") -> dict:
    """What the manifest says of the pool under a treatment, every text of it with ``text`` behind."""
    stages = [NEAR_COPIES] if treatment is None else [NEAR_COPIES, STAGES[treatment["name"]]]
    stages = [
        stage | {"rules": {name + text: rule for name, rule in stage["rules"].items()}} for stage in stages
    ]
    return {
        "corpus": POOL if treatment is None else POOL | {"treatment": treatment},
        "description": f"files in pool{text}",
        "tokenizer": "bytes",
        "fingerprint": f"{'as_is' if treatment is None else treatment['name']}-sha",
        "train_tokens": stages[-1]["bytes_left"],
        "validation_tokens": 200_000,
        "train_documents": stages[-1]["documents_left"],
        "validation_documents": 110,
        "dropped_duplicates": 7,
        "stages": stages,
    }


def report_of(data, text="") -> dict:
    """A report on a text of the manifest, with a few documents of each rule."""
    documents = [f"document {number}{text}" for number in range(3)]
    side = {"documents": data["train_documents"], "bytes": 1_980_000, "beginnings": documents}
    examples = [
        {
            "name": stage["name"],
            "kept": [{"text": f"kept {number}{text}"} for number in range(3)],
            "changed": [
                {"text": f"before {number}{text}", "rule": rule, "became": f"after {number}{text}"}
                for rule, counts in stage["rules"].items()
                for number in range(min(2, counts["changed"]))
            ],
            "dropped": [
                {"text": f"dropped by {rule} {number}{text}", "rule": rule}
                for rule, counts in stage["rules"].items()
                for number in range(min(2, counts["dropped"]))
            ],
        }
        for stage in data["stages"]
    ]
    report = {
        "corpus": data["corpus"],
        "description": data["description"],
        "fingerprint": data["fingerprint"],
        "dropped_duplicates": 7,
        "train": side,
        "validation": {"documents": 110, "bytes": 200_000, "beginnings": [f"held out{text}"]},
        "stages": data["stages"],
        "examples": examples,
    }
    return CorpusReport.model_validate(report).to_dict()


def write_text_study(results, name="texts", *, reports=True, text="", **changes) -> Path:
    """A study that has not begun, of three treatments and the baseline; two of them on one text."""
    study = Path(results) / name
    values = manifest(name)
    texts = [text_data(None, text), text_data(DEDUP, text), text_data(CURATED, text)]
    values["data"] = texts[0]
    values["training"] = {"tokens": 3_960_000}
    for variant, data in zip(values["variants"][1:3], texts[1:], strict=True):
        variant["data"] = data
        variant["change"] = {"treatment": ["as_is", data["corpus"]["treatment"]["name"]]}
    write_yaml(study / "study.yaml", values | changes)
    if reports:
        write_reports(study, [report_of(data, text) for data in texts])
    return study
