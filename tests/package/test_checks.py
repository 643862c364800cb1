# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/check where a test of the lab fails: once, always, or with many others."""

import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TESTS = """
import pathlib
import pytest

SEEN = pathlib.Path(__file__).with_name("seen")

class TestOnce:
    @pytest.mark.parametrize("word", ["a-b.c"])
    def test_first_fails(self, word):
        seen = SEEN.exists()
        SEEN.touch()
        assert seen

def test_fine():
    assert True

def never():
    assert False

for i in range({failing}):
    globals()[f"test_never_{{i}}"] = never
"""


@pytest.fixture
def check(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tests/lab").mkdir(parents=True)
    (tmp_path / "build").mkdir()
    shutil.copy(TOP / "tools/check", tmp_path / "tools/check")
    shutil.copy(TOP / "tests/lab/pytest.ini", tmp_path / "tests/lab/pytest.ini")

    def run(failing):
        (tmp_path / "tests/lab/test_some.py").write_text(TESTS.format(failing=failing))
        done = subprocess.run([tmp_path / "tools/check", "lab"], capture_output=True, text=True, timeout=60)
        if "SKIP lab" in done.stdout:
            pytest.skip("the lab wants root, and sudo does not work unasked")
        return done
    return run


def test_failed_once_is_told(check):
    done = check(failing=0)
    told, = [line for line in done.stdout.splitlines() if "UNSTEADY" in line]
    assert "tests/lab/test_some.py::TestOnce::test_first_fails[a-b.c]: failed" in told
    assert done.stdout.splitlines()[-1] == "2 passed, 0 failed, 0 skipped"
    assert done.returncode == 0


@pytest.mark.parametrize("failing, again", [(2, True), (3, False)])
def test_failed_twice_or_with_many_has_failed(check, failing, again):
    """With the one that passes when it is alone, three are run again, and four are not."""
    done = check(failing=failing)
    assert ("UNSTEADY" in done.stdout) == again
    assert done.stdout.splitlines()[-1] == f"{1 + again} passed, {failing + (not again)} failed, 0 skipped"
    assert done.returncode == 1
