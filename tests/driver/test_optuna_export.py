import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.driver.test_optuna_ledger import record
from workbench.driver.optuna_export import export_trials
from workbench.driver.optuna_ledger import Ledger
from workbench.errors import UserError
from workbench.records.run import State


@pytest.fixture
def study(tmp_path):
    """A study's folder with a journal of two variants, one of which is still running."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    ledger = Ledger(folder, "validation/loss")
    for variant, loss in (("baseline", 2.0), ("norm=layernorm", 2.1)):
        ledger.finish(record(f"{variant}-1", State.COMPLETE, loss, variant))
    ledger.finish(record("bad", State.FAILED, None, "baseline", rate=0.1))
    ledger.start(record("live", variant="norm=layernorm"))
    return folder


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_all_trials_of_all_variants_are_copied(study, tmp_path, kind):
    path = tmp_path / "copies" / "trials"
    path.parent.mkdir()
    storage = f"sqlite:///{path}" if kind == "sqlite" else str(path)
    before = (study / "optuna.journal").read_bytes()
    assert export_trials(study, storage) == {"tiny/baseline": 2, "tiny/norm=layernorm": 2}
    target = storage if kind == "sqlite" else JournalStorage(JournalFileBackend(storage))
    trials = optuna.load_study(study_name="tiny/baseline", storage=target).trials
    assert [(trial.value, trial.params["learning_rate"]) for trial in trials] == [(2.0, 0.01), (None, 0.1)]
    assert trials[1].user_attrs["error"] == "boom"
    assert (study / "optuna.journal").read_bytes() == before


def test_a_study_of_that_name_is_refused_and_nothing_is_copied(study, tmp_path):
    storage = f"sqlite:///{tmp_path / 'trials.db'}"
    optuna.create_study(study_name="tiny/norm=layernorm", storage=storage)
    with pytest.raises(UserError, match="has a study 'tiny/norm=layernorm' already"):
        export_trials(study, storage)
    assert optuna.get_all_study_names(storage) == ["tiny/norm=layernorm"]


def test_what_cannot_be_exported_says_what_to_do(study, tmp_path):
    with pytest.raises(UserError, match="cannot be opened"):
        export_trials(study, "nothing://here")
    (study / "optuna.journal").write_text("nonsense\n")
    with pytest.raises(UserError, match="is damaged"):
        export_trials(study, str(tmp_path / "copy"))
    (study / "optuna.journal").unlink()
    with pytest.raises(UserError, match=r"has no optuna\.journal"):
        export_trials(study, str(tmp_path / "copy"))
