# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel is the oracle: random states and packets, walked by explain and really sent.

tests/differential/run.py does the work and says what it does; here it runs with one seed that is
always the same, so that a change that breaks something is seen by everybody, and with a fresh one,
which is printed. Together more than 2,000 packets over 200 states.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from gateway import BINARY

RUN = pathlib.Path(__file__).resolve().parent.parent / "differential" / "run.py"
CONNECTIONS = 1200  # over 100 states, for each of the two seeds


def differential(tmp_path, *arguments):
    done = subprocess.run([sys.executable, str(RUN), "--portreeve", BINARY,
                           "--keep", str(tmp_path / "cases"), *arguments],
                          capture_output=True, text=True, timeout=600, check=False,
                          env={**os.environ, "TMPDIR": str(tmp_path)})
    print(done.stdout + done.stderr)
    assert not list(tmp_path.glob("portreeve-*"))
    return done


@pytest.mark.parametrize("seed", ["always", None])
def test_walk_and_kernel_agree(tmp_path, seed):
    arguments = ["--packets", str(CONNECTIONS)] + (["--seed", seed] if seed else ["--no-kept"])
    done = differential(tmp_path, *arguments)
    assert done.returncode == 0, f"differences:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
    states, packets = (int(re.search(pattern, done.stdout)[1])
                       for pattern in (r"(\d+) states", r"(\d+) packets sent"))
    assert states >= 100 and packets >= 1000


def test_a_wrong_walk_is_noticed(tmp_path):
    """With a walker that is wrong on purpose, the harness must find differences."""
    liar = tmp_path / "liar"
    liar.write_text(f"""#!/bin/sh
exec {BINARY} "$@" | sed 's/"out":"eth0"/"out":"eth1"/g'
""", encoding="ascii")
    liar.chmod(0o755)
    done = subprocess.run([sys.executable, str(RUN), "--portreeve", str(liar), "--packets", "60",
                           "--seed", "always", "--keep", str(tmp_path), "--shrink", "0", "--no-kept"],
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1 and "DIFFERENT" in done.stdout, done.stdout + done.stderr
