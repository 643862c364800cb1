# SPDX-License-Identifier: GPL-2.0-or-later
"""How the page is built: typed throughout, the same bytes twice, nothing inline."""

import pathlib
import re
import subprocess

import pytest

from gateway import BINARY

WORK = pathlib.Path(BINARY).resolve().parent / "web" / "page"  # tools/page builds it there


@pytest.fixture
def run():
    if not (WORK / "node_modules").is_dir():
        pytest.skip("this build has made no page")

    def call(script):
        done = subprocess.run(["npm", "run", "--silent", script], cwd=WORK, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    return call


def files():
    return {file.name: file.read_bytes() for file in (WORK / "dist").iterdir()}


def test_types(run):
    run("types")


def test_the_same_sources_make_the_same_bytes(run):
    before = files()
    run("build")
    assert files() == before
    assert set(before) == {"index.html", "page.js", "page.css", "icon.svg"}


def test_nothing_is_inline_or_from_elsewhere(run):
    made = files()
    page = made["index.html"].decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert re.findall(r'<script[^>]*>([^<]*)', page) in ([], [""], ["\n"])
    for name in ("index.html", "page.css"):
        assert not re.search(r"https?://|url\(", made[name].decode()), name
