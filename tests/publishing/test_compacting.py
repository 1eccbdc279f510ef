"""A copy says once what its runs repeat, and is small for it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from workbench.files import write_json
from workbench.publishing.compacting import join_tables, shorten_workers
from workbench.records.index import load_study
from workbench.records.metrics import read_metrics, save_frame

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
STUDIES = sorted(path.parent for path in PUBLISHED.glob("*/study.yaml"))
LIMIT = 80e6  # bytes
# Of a run without weights, on average; longer trials have more rows: 18 kB at 0.4M tokens, 23 kB at 0.8M,
# 25 kB where five sets of a task are scored, 26.4 kB at 1M tokens where every run is measured, as none tuned,
# 31 kB of four layers.
LIMIT_OF_A_RUN = 32e3


def sizes(folder):
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_what_is_published_takes_few_bytes_a_run(study):
    # A calibration has them in its table alone, and what was only measured has none.
    runs = max(1, len(load_study(study).runs))
    of_runs = (
        size
        for path, size in sizes(study).items()
        if path.suffix != ".safetensors" and not path.name.startswith(("tokenizer-", "data.json"))
    )
    taken = sum(of_runs)
    assert taken / runs <= LIMIT_OF_A_RUN
    assert {path.name for path in study.glob("runs/*/*")} <= {"run.json", "model.safetensors"}


def test_all_that_is_published_stays_within_the_limit():
    assert STUDIES
    assert sum(sizes(PUBLISHED).values()) <= LIMIT


def run(study, name, losses):
    directory = study / "runs" / name
    write_json(directory / "run.json", {"run_id": name})
    if losses:
        save_frame(directory, pd.DataFrame({"step": range(len(losses)), "train/loss": losses}))
    return directory


def test_files_of_runs_become_one_and_a_later_file_of_a_run_takes_the_place_of_its_rows(tmp_path):
    first, second = run(tmp_path, "1", [3.0, 2.0]), run(tmp_path, "2", [2.5])
    without = run(tmp_path, "3", [])
    join_tables(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == ["metrics.parquet"]
    assert [len(read_metrics(path)) for path in (first, second, without)] == [2, 1, 0]
    join_tables(tmp_path)  # nothing left to do
    save_frame(second, pd.DataFrame({"step": [7], "train/loss": [0.5]}))
    join_tables(tmp_path)
    assert not (second / "metrics.parquet").exists()
    assert read_metrics(first)["train/loss"].tolist() == [3.0, 2.0]
    assert read_metrics(second).to_dict("records") == [{"step": 7, "train/loss": 0.5}]


def test_workers_are_numbers_and_optuna_reads_the_same_trials(tmp_path):
    path = PUBLISHED / "quickstart" / "optuna.journal"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    names = ["5916ac8c-af01-4fab-b7cd-db5d83de697d-1405", "93d2-1405"]
    long = [entry | {"worker_id": names[int(number > 9)]} for number, entry in enumerate(entries)]
    short = shorten_workers(long)
    assert [entry["worker_id"] for entry in short] == [str(int(number > 9)) for number in range(len(short))]
    assert trials(tmp_path / "long", long) == trials(tmp_path / "short", short)
    assert long[0]["worker_id"] == names[0]


def trials(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    storage = JournalStorage(JournalFileBackend(str(path)))
    return [trial for one in storage.get_all_studies() for trial in storage.get_all_trials(one._study_id)]
