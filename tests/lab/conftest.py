# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the lab: a fresh lab per test, or one per file where tests only look."""

import os
import signal

import pytest

import lab as lab_module
from lab import Lab


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("the lab makes network namespaces: run it as root", returncode=2)
    # A terminated run unwinds like an interrupted one, so that fixtures clean up.
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    lab_module.sweep()


def pytest_sessionfinish(session, exitstatus):
    lab_module.close_all()


def _terminated(number, frame):
    raise KeyboardInterrupt


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def module_lab():
    with Lab() as made:
        yield made
