# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the lab: a fresh lab per test, or one per file where tests only look."""

import os
import signal

import pytest

import lab as lab_module
from gateway import Portreeve
from lab import Lab
from topology import Site
from traffic import nginx


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


@pytest.fixture
def site(lab):
    """The article's network: its gateway forwards, and its backend has a web server."""
    made = Site(lab)
    nginx(made.backend)
    made.gw.sysctl("net.ipv4.ip_forward", 1)
    return made


@pytest.fixture
def portreeve(site):
    return Portreeve(site.gw)
