# SPDX-License-Identifier: GPL-2.0-or-later
"""--state: what it takes, what it refuses, and how it tells what it did not understand."""

import os
import pathlib
import tempfile

import pytest

from conftest import NOBODY

ROUTES = "default via 1.1.1.254 dev eth0\n192.168.0.0/24 dev eth2 scope link\n"
QUESTION = ("explain", "tcp", "100.100.100.100:4242", "1.1.1.1:80", "--in", "eth0", "--state")


@pytest.fixture
def state(tmp_path):
    """A directory with the given files."""
    def make(**files):
        directory = tmp_path / "state"
        directory.mkdir(exist_ok=True)
        for name, text in files.items():
            (directory / name.replace("__", "-").replace("_", ".")).write_text(text)
        return directory
    return make


def test_not_there(run, tmp_path):
    got = run(*QUESTION, str(tmp_path / "nowhere"))
    assert got.code == 2 and "cannot read" in got.err and "nowhere" in got.err


def test_empty_directory(run, state):
    got = run(*QUESTION, str(state()))
    assert got.code == 2 and "holds no dumps" in got.err and "portreeve snapshot" in got.err


def test_nothing_known(run, state):
    got = run(*QUESTION, str(state(shopping_txt="milk\n")))
    assert got.code == 2 and "is a dump that is known" in got.err


def test_too_many_files(run, state):
    directory = state()
    for i in range(257):
        (directory / f"ip-route-{i}.txt").write_text("")
    got = run(*QUESTION, str(directory))
    assert got.code == 2 and "more than 256 files" in got.err


def test_too_large(run, state):
    directory = state()
    with open(directory / "nft.txt", "wb") as file:
        file.truncate((64 << 20) + 1)
    got = run(*QUESTION, str(directory))
    assert got.code == 2 and "larger than 64 MiB" in got.err


def test_single_file(run, state):
    got = run(*QUESTION, str(state(ip__route_txt=ROUTES) / "ip-route.txt"))
    assert got.code in (0, 1), got
    assert "cannot read" not in got.err


def test_odd_entries_are_left_out(run, state):
    directory = state(ip__route_txt=ROUTES)
    (directory / "sub").mkdir()
    (directory / ".hidden").write_text("x")
    got = run(*QUESTION, str(directory))
    assert got.code in (0, 1), got
    assert "sub: a directory within: not looked into" in got.err
    assert "hidden" not in got.err


def test_notes_are_grouped(run, state):
    wrong = "".join(f"wrong {i}\n" for i in range(100))
    got = run(*QUESTION, str(state(ip__route_txt=ROUTES + wrong, shopping_txt="milk\n")))
    assert "ip-route.txt:3: not a line of `ip route`: wrong 0 (and 99 more like it)" in got.err
    assert "shopping.txt: neither name nor content tells what this is\n" in got.err
    assert "wrong 1\n" not in got.err


def test_nothing_a_terminal_obeys(run, state):
    got = run(*QUESTION, str(state(ip__route_txt=ROUTES + "\033[2Jgone\n")))
    assert "\033" not in got.err and "?[2Jgone" in got.err


def test_not_readable(run):
    """As nobody, in a directory that is not below one of root's own."""
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "ip-route.txt").write_text(ROUTES)
        pathlib.Path(directory, "nft.txt").touch(0)
        os.chmod(directory, 0o755)
        got = run(*QUESTION, directory, through=NOBODY if os.geteuid() == 0 else ())
    assert got.code == 2
    assert f"cannot read {directory}/nft.txt: Permission denied" in got.err
    assert "hint: " in got.err
