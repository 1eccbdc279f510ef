"""SIGTERM and SIGUSR1: the driver takes the first for Ctrl-C, a worker heeds none, its children all."""

import os
import signal
import subprocess
import sys

import pytest

from workbench.driver.signals import taken_for_ctrl_c

SIGNALS = [signal.SIGTERM, signal.SIGUSR1]


@pytest.mark.parametrize("first", SIGNALS)
def test_the_first_is_ctrl_c_and_those_that_follow_cut_nothing_short(first):
    before = [signal.getsignal(number) for number in SIGNALS]
    saved = False
    with taken_for_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), first)
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        saved = True
    assert saved
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_worker_lives_on_and_what_it_starts_can_be_ended(number):
    script = (
        "import os, signal, subprocess, sys\n"
        "from workbench.driver.signals import left_to_the_driver\n"
        "left_to_the_driver()\n"
        f"number = {int(number)}\n"
        "os.kill(os.getpid(), number)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os.kill(os.getpid(), number)\n"
        "    os._exit(0)\n"
        "forked = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "executed = subprocess.Popen(['sleep', '600'])\n"
        "executed.send_signal(number)\n"
        "print(forked, executed.wait())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (answer.stdout.split(), answer.returncode) == ([str(-number)] * 2, 0), answer.stderr
