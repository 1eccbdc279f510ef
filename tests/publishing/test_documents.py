"""Documents in a published copy: as many and as long as there is room, scrubbed, or none at all."""

import random

import pytest

from tests.dashboard.text_studies import report_of, text_data
from tests.data.treatments.pools import prose
from tests.publishing.test_publish import place, study  # noqa: F401 (fixtures)
from workbench.errors import RecordError
from workbench.files import read_yaml, write_yaml
from workbench.publishing.documents import MOST_BYTES, count_examples, cut, fitted
from workbench.publishing.publish import publish
from workbench.study.kept_reports import REPORTS, decompressed, read_reports, write_reports


def large_report(rules):
    """A report with twenty long examples of each of so many rules."""
    draw = random.Random(3)
    report = report_of(text_data())
    dropped = [
        {"text": prose(draw, 70)[:400], "rule": f"rule {number}"}
        for number in range(rules)
        for _ in range(20)
    ]
    report["examples"] = [report["examples"][0] | {"dropped": dropped}]
    return report


def test_examples_are_cut_until_they_fit_and_counts_stay(tmp_path):
    report = large_report(40)
    content = fitted([report])
    assert len(content) <= MOST_BYTES
    (tmp_path / REPORTS).write_bytes(content)
    [found] = read_reports(tmp_path)
    assert found.stages[0].model_dump(exclude_none=True) == report["stages"][0]
    lengths = {len(one.text) for one in found.examples[0].dropped}
    assert len(found.examples[0].dropped) == 800  # shorter ones first, then fewer
    assert max(lengths) in (100, 160, 240)


def test_few_short_examples_stay_whole(tmp_path):
    report = large_report(2)
    (tmp_path / REPORTS).write_bytes(fitted([report, report]))
    assert [one.to_dict() for one in read_reports(tmp_path)] == [report, report]


def test_where_there_is_no_room_no_example_is_left():
    report = large_report(3)
    assert b"prose" not in decompressed(fitted([report], most_bytes=10))
    assert count_examples([cut(report, 0, 0)]) == 0
    assert count_examples([report]) == 3 + 1 + 3 + 60


def with_reports(folder, place):  # noqa: F811
    """Give the study a report of its text, whose documents name the machine's places."""
    manifest = read_yaml(folder / "study.yaml")
    data = text_data() | {"corpus": {"path": str(place.parent / "texts")}}
    write_yaml(folder / "study.yaml", manifest | {"data": data})
    report = report_of(data)
    report["train"] |= {"beginnings": [f"import sys\nsys.path.append('{place}/secret')\n"]}
    write_reports(folder, [report])


def test_a_copy_has_the_documents_without_the_names_of_the_machine(study, place):  # noqa: F811
    with_reports(study, place)
    done = publish(study, place / "results", weights=0, limit=80.0)
    [found] = read_reports(done.path)
    assert found.corpus == read_yaml(done.path / "study.yaml")["data"]["corpus"] == {"path": "texts"}
    assert found.train.beginnings == ["import sys\nsys.path.append('./secret')\n"]
    assert done.examples == 1 + 1 + 3 + 2
    assert str(place).encode() not in decompressed((done.path / REPORTS).read_bytes())


def test_documents_can_be_left_out(study, place):  # noqa: F811
    with_reports(study, place)
    done = publish(study, place / "results", weights=0, limit=80.0, examples=False)
    assert done.examples == 0
    [found] = read_reports(done.path)
    assert found.train.documents == 990
    assert found.train.beginnings == []


def test_a_damaged_file_is_refused(study, place):  # noqa: F811
    with_reports(study, place)
    (study / REPORTS).write_bytes(b"half")
    with pytest.raises(RecordError, match="run the study again"):
        publish(study, place / "results", weights=0, limit=80.0)
