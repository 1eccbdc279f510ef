"""Validation curves are read once for each version of a run's metrics."""

from tests.analysis.synthetic_studies import full_study, learning_curve, one_at_a_time
from workbench.analysis import flops
from workbench.analysis.effects import study_report
from workbench.analysis.flops import validation_curve
from workbench.records.metrics import evaluations, save_frame
from workbench.records.run import RunDirectory


def dear_variants():
    return [variant | {"flops_per_token": 800_000 * (1 + i)} for i, variant in enumerate(one_at_a_time())]


def test_a_second_report_reads_no_curve_again(tmp_path, monkeypatch):
    study = full_study(tmp_path, variants=dear_variants()).load()
    reads = []
    monkeypatch.setattr(
        flops,
        "evaluations",
        lambda path, metric: reads.append(path) or evaluations(path, metric),
    )
    first = study_report(study)
    assert first.equal_flops is not None
    assert len(reads) == len(set(reads)) == 20  # four variants, five seeds
    assert study_report(study).equal_flops == first.equal_flops
    assert len(reads) == 20


def test_a_curve_that_changed_is_read_anew(tmp_path):
    study = full_study(tmp_path).load()
    run = study.runs[study.runs["phase"] == "confirm"].iloc[0]
    before = validation_curve(run["path"], "validation/loss")["validation/loss"][-1]
    save_frame(RunDirectory(run["path"]).path, learning_curve(before + 1, 800_000))
    assert validation_curve(run["path"], "validation/loss")["validation/loss"][-1] == before + 1
