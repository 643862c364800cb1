# SPDX-License-Identifier: GPL-2.0-or-later
"""Two minutes of chaos.py, with a fresh seed, which is printed."""

import pathlib
import subprocess
import sys

CHAOS = pathlib.Path(__file__).with_name("chaos.py")
SECONDS = 120


def test_chaos():
    done = subprocess.run([sys.executable, str(CHAOS), "--seconds", str(SECONDS), "--verbose"],
                          capture_output=True, text=True, timeout=SECONDS + 240, check=False)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "no reply left by another line" in done.stdout
