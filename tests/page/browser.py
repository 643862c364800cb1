# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium in a host's namespace, driven by playwright-core (driver.mjs).

    page = Browser(site.gw, "http://127.0.0.1:9180/")
    page.open()
    page.wait("h1", "All is well.")
"""

import functools
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from gateway import BINARY

HERE = pathlib.Path(__file__).resolve().parent
LOCK = ("package.json", "package-lock.json")
INSTALL_S = 300


@functools.cache
def _modules():
    """A folder beside the build with what the lock file names; skips where that cannot be had."""
    for program in ("node", "npm", "chromium"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program}")
    work = pathlib.Path(BINARY).resolve().parent / "page-tests"
    work.mkdir(exist_ok=True)
    lock = "".join((HERE / name).read_text(encoding="utf-8") for name in LOCK)
    stamp = work / "installed"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != lock:
        for name in LOCK:
            shutil.copy2(HERE / name, work)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
                               "--loglevel=error"], cwd=work, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=INSTALL_S)
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
        stamp.write_text(lock, encoding="utf-8")
    return work


class Browser:
    """One page at a time. A call that fails fails the test, with what the driver says."""

    def __init__(self, host, url):
        work = _modules()
        shutil.copy2(HERE / "driver.mjs", work)
        self.url = url
        home = host.lab.path("browser")
        os.makedirs(home)
        # It starts processes of its own, which share its group and end with the lab.
        self.driver = host.popen(["node", str(work / "driver.mjs"), shutil.which("chromium")],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env={**os.environ, "HOME": home, "TMPDIR": home})

    def call(self, what, **words):
        self.driver.stdin.write(json.dumps({"call": what, **words}) + "\n")
        self.driver.stdin.flush()
        line = self.driver.stdout.readline()
        assert line, "the driver has ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{what} {words}: {answer['error']}"
        return answer["value"]

    def open(self, fragment="", **how):
        self.call("open", url=self.url + fragment, **how)

    def wait(self, selector, text=None, **how):
        self.call("wait", selector=selector, **({} if text is None else {"text": text}), **how)

    def gone(self, selector, text):
        self.call("gone", selector=selector, text=text)

    def text(self, selector):
        return self.call("text", selector=selector)

    def texts(self, selector):
        return self.call("texts", selector=selector)

    def count(self, selector):
        return self.call("count", selector=selector)

    def click(self, selector):
        self.call("click", selector=selector)

    def press_button(self, name):
        self.call("click", role="button", name=name)

    def fill(self, label, text):
        self.call("fill", label=label, text=text)

    def choose(self, label, value):
        self.call("choose", label=label, value=value)

    def focus(self, selector):
        self.call("focus", selector=selector)

    def press(self, key):
        self.call("press", key=key)

    def evaluate(self, script):
        return self.call("evaluate", script=script)
