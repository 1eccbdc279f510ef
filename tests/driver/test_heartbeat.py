"""One driver per study: a lock says so on one machine, a sign of life where locks reach no further."""

import json

import pytest

from workbench.driver import heartbeat
from workbench.driver.heartbeat import sole_driver
from workbench.errors import UserError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A study that a driver of another machine runs, which gives a sign while one looks, or does not."""

    def make(*, beats=True, **changes):
        state = {"state": "running", "host": "far", "pid": 7, "started": "2026-01-01T00:00:00+00:00"}
        state |= {"updated": "2026-01-01T00:00:00+00:00"} | changes
        write(state)

        def sleep(seconds):
            waited.append(seconds)
            if beats:
                write(state | {"updated": "2026-01-01T00:00:02+00:00"})

        monkeypatch.setattr(heartbeat.time, "sleep", sleep)

    def write(state):
        (tmp_path / "driver.json").write_text(json.dumps(state))

    waited = []
    make.waited = waited
    return make


def test_a_driver_of_another_machine_is_known_by_its_sign_of_life(elsewhere, tmp_path):
    """Whatever the clocks say: both are from the last year."""
    elsewhere()
    with (
        pytest.raises(UserError, match="this study is being run by process 7 on far since 2026-01-01"),
        sole_driver(tmp_path),
    ):
        pass


@pytest.mark.parametrize("changes", [{"beats": False}, {"state": "stopped"}, {"host": "here"}])
def test_one_that_is_gone_or_was_here_keeps_nobody_out(elsewhere, tmp_path, monkeypatch, changes):
    monkeypatch.setattr(heartbeat.platform, "node", lambda: "here")
    elsewhere(**changes)
    with sole_driver(tmp_path):
        pass
    assert len(elsewhere.waited) == ("beats" in changes)  # nobody waits who need not
