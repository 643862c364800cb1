# SPDX-License-Identifier: GPL-2.0-or-later
"""The page's tests use the lab's namespaces, hosts and daemon."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

import lab as lab_module  # noqa: E402 (found by the line above)


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("the page's tests make network namespaces: run them as root", returncode=2)
    lab_module.sweep()


def pytest_sessionfinish(session, exitstatus):
    lab_module.close_all()
