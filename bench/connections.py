# SPDX-License-Identifier: GPL-2.0-or-later
"""Short TCP connections a second: bare ones, and HTTP requests of wrk to nginx with one connection each.

How many maps there are must not matter. The one that is used stands in the middle of them.
"""

import re
import subprocess

import maps
import network
from contenders import Skip, flush, wait_for_port
from network import inside, sh
from setting import spread

THREADS, PARALLEL = 2, 64
PARTS = ("bare", "http")


def bare(setting, tool, contender, port):
    done, failed = sh(*inside("c", tool, "source", contender.target, str(port),
                             str(setting.seconds))).split()
    if int(failed):
        raise Skip(f"{failed} connections failed")
    return float(done)


def http(setting, contender, port):
    done = sh(*inside("c", "wrk", "-t", str(THREADS), "-c", str(PARALLEL),
                      "-d", f"{max(1, round(setting.seconds))}s", "-H", "Connection: close",
                      f"http://{contender.target}:{port}/"))
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done)
    bad = re.search(r"Socket errors:.*|Non-2xx.*", done)
    if not rate or bad:
        raise Skip(f"wrk: {bad.group(0) if bad else done}")
    return float(rate.group(1))


def nginx(tmp):
    """The backend's command line. It keeps nothing on disk and logs nothing."""
    file = tmp / "backend.conf"
    file.write_text(
        f"worker_processes auto;\ndaemon off;\npid {file}.pid;\nerror_log /dev/null;\n"
        f"events {{ worker_connections 4096; }}\n"
        f"http {{ access_log off; client_body_temp_path {tmp}/nginx;\n"
        f"  server {{ listen 80 backlog=4096; return 200 \"hello\\n\"; }} }}\n")
    return "nginx", "-c", str(file), "-p", str(tmp)


def cases(setting, part):
    """Who, and with how many maps. Proxies and limits have one: they do not look up among many."""
    names = ["forward", "iptables-legacy", "iptables-nft", "nft", "portreeve", "portreeve-tc",
             "portreeve-xdp"]
    if part == "http":
        names += ["haproxy", "nginx", "rinetd", "socat"]
    found = []
    for contender in setting.contenders(*names):
        counts = setting.maps if contender.name.startswith("iptables") or \
            contender.name == "portreeve" else [1]
        found += [(f"{contender.name} {n}", contender, maps.many(n)) for n in counts]
    return found


def backend(setting, part, tool):
    command = (tool, "sink", "80") if part == "bare" else nginx(setting.tmp)
    process = subprocess.Popen(inside("b", *command),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_port("b", 80)
    return process


def measure_part(setting, part):
    tool = setting.compiled("connections")

    def work(contender, there):
        port = 80 if contender.target == network.BACKEND else maps.middle(len(there))
        flush()
        return bare(setting, tool, contender, port) if part == "bare" else \
            http(setting, contender, port)

    process = backend(setting, part, tool)
    try:
        samples, skipped = setting.in_turn(f"connections, {part}", cases(setting, part), work)
    finally:
        process.terminate()
        process.wait()
    return {"contenders": {key: spread(values) for key, values in samples.items()},
            "skipped": skipped}


def measure(setting):
    return {part: measure_part(setting, part) for part in PARTS}
