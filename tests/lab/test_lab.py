# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: it leaves nothing behind, however a run ends."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

import lab as lab_module
from lab import Lab, wait_for
from topology import Site
from traffic import dead

NETNS = pathlib.Path("/run/netns")

CHILD = """
import signal, sys, time
sys.path.insert(0, sys.argv[1])
from lab import Lab
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with Lab() as lab:
    host = lab.host("orphan")
    print(host.netns, lab.dir, host.popen("sleep 600").pid, flush=True)
    time.sleep(600)
"""


def start_child():
    child = subprocess.Popen([sys.executable, "-c", CHILD, os.path.dirname(__file__)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with child.stdout:
        netns, directory, pid = child.stdout.readline().split()
    assert (NETNS / netns).exists()
    return child, NETNS / netns, pathlib.Path(directory), pathlib.Path("/proc") / pid


def test_closed_lab_leaves_nothing():
    with pytest.raises(ZeroDivisionError), Lab() as lab:
        host = lab.host("short-lived")
        process = host.popen("sleep 600")
        background = host.run(["sh", "-c", "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!"])
        raise ZeroDivisionError
    assert process.returncode is not None
    assert not (NETNS / host.netns).exists()
    assert not os.path.exists(lab.dir)
    # A process that left its group and session goes with its namespace.
    wait_for(lambda: not os.path.exists(f"/proc/{background.stdout.strip()}"), "the process to end")


def test_interrupted_run_leaves_nothing():
    child, netns, directory, process = start_child()
    child.send_signal(signal.SIGINT)
    child.wait(10)
    assert not netns.exists() and not directory.exists() and not process.exists()


def test_killed_run_is_swept_by_the_next():
    child, netns, directory, process = start_child()
    lab_module.sweep()
    assert netns.exists(), "swept a run that is alive"
    child.kill()
    child.wait()
    lab_module.sweep()
    assert not netns.exists() and not directory.exists()
    wait_for(lambda: not process.exists(), "the process to end")


def test_isps_drop_foreign_sources(lab):
    """The ground of everything else: a reply by the wrong line gets nowhere, and is counted."""
    site = Site(lab)
    assert site.world.run("ping -c1 -W3 1.1.1.1").returncode == 0
    assert dead(site.world, "2.2.2.2", 9, "udp")
    assert site.foreign("telecom") == 1  # the port unreachable from 2.2.2.2
    assert site.foreign("unicom") == 0
