# SPDX-License-Identifier: GPL-2.0-or-later
"""Two minutes of chaos.py, with a fresh seed, which is printed."""

import pathlib
import subprocess
import sys

CHAOS = pathlib.Path(__file__).with_name("chaos.py")
SECONDS = 120
AT_REST_S = 600  # until everything is as it should be at the end, on however busy a machine


def test_chaos():
    done = subprocess.run([sys.executable, str(CHAOS), "--seconds", str(SECONDS), "--verbose"],
                          capture_output=True, text=True, timeout=SECONDS + AT_REST_S, check=False)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "no reply left by another line" in done.stdout
