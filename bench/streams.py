# SPDX-License-Identifier: GPL-2.0-or-later
"""Bulk TCP through the gateway, with iperf3: one stream, and eight."""

import json
import signal
import subprocess

import maps
from contenders import Skip, wait_for_port
from network import BACKEND, inside, sh
from setting import spread

PORT = 5201
STREAMS = (1, 8)
WARM_UP_S = 1  # not where a measurement is shorter than that


def checksums(on):
    """XDP sees what the ends leave to their devices, and cannot know it: without it they complete it."""
    state = "on" if on else "off"
    for name, dev in (("c", "isp1"), ("b", "eth0")):
        sh(*inside(name, "ethtool", "-K", dev, "tx", state))


def bits_per_second(setting, contender, streams):
    done = subprocess.run(
        inside("c", "iperf3", "-c", contender.target, "-p", str(PORT), "-P", str(streams), "-J",
               "-t", str(max(1, round(setting.seconds))), "-O", str(WARM_UP_S if setting.seconds >= WARM_UP_S else 0)),
        capture_output=True, text=True)
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "error" in answer:
        raise Skip(f"iperf3: {answer.get('error') or done.stderr}")
    return answer["end"]["sum_received"]["bits_per_second"]


def measure(setting):
    server = subprocess.Popen(inside("b", "iperf3", "-s", "-p", str(PORT)),
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        wait_for_port("b", PORT)

        def work(contender, _):
            checksums(contender.checksums)
            try:
                return {str(n): bits_per_second(setting, contender, n) for n in STREAMS}
            finally:
                checksums(True)

        there = [maps.Map("tcp", PORT, BACKEND, PORT)]
        cases = [(c.name, c, there) for c in setting.contenders() if c.limit == "none"]
        samples, skipped = setting.in_turn("streams", cases, work)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    return {"streams": {str(n): {name: spread([r[str(n)] for r in runs])
                                 for name, runs in samples.items()} for n in STREAMS},
            "skipped": skipped}
