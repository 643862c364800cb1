# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast the daemon follows, how much memory it holds, and how fast it answers.

Times are taken from the kernel's own messages, as they reach one netlink socket each for routes and
for nftables: from the event (an address, a deleted rule) to the change that it calls for.
"""

import ctypes
import json
import os
import pathlib
import select
import signal
import socket
import statistics
import struct
import subprocess
import time

import maps
import network

RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE = 20, 21, 24, 25, 32, 33
ROUTE_GROUPS = (5, 7, 8)  # v4 addresses, routes, rules
NFT_GROUPS = (7,)
NEWGEN, NEWSETELEM = (10 << 8) | 15, (10 << 8) | 12
PATIENCE_S = 30
RETURN = ", return: snat"
_libc = ctypes.CDLL(None, use_errno=True)


class Monitor:
    """Netlink messages of a namespace, each with the time at which it was read."""

    def __init__(self, namespace):
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        _libc.setns(there, 0x40000000)
        self.socks = [self._open(0, ROUTE_GROUPS), self._open(12, NFT_GROUPS)]
        _libc.setns(here, 0x40000000)
        os.close(here)
        os.close(there)
        self.messages = []

    @staticmethod
    def _open(protocol, groups):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        sock.bind((0, 0))
        for group in groups:
            sock.setsockopt(270, 1, group)
        sock.setblocking(False)
        return sock

    def read(self, timeout):
        """Wait for something and give the (time, type) of all that came."""
        found = []
        for sock in select.select(self.socks, [], [], timeout)[0]:
            now = time.monotonic()
            try:
                while True:
                    data = sock.recv(1 << 20)
                    at = 0
                    while at + 16 <= len(data):
                        length, kind = struct.unpack_from("=IH", data, at)
                        found.append((now, kind))
                        at += max(16, (length + 3) & ~3)
            except BlockingIOError:
                pass
        return found

    def between(self, action, event, change, settle):
        """Seconds from the first message of kind `event` to the last of kind `change` that comes
        before `settle` seconds without one: what it calls for may take several transactions, and one
        that is late must not be taken for the answer to the next event."""
        begun, done, end = None, None, time.monotonic() + PATIENCE_S
        action()
        while time.monotonic() < end:
            for at, kind in self.read(settle):
                if begun is None and kind == event:
                    begun = at
                elif begun is not None and kind == change:
                    done = at
            if done is not None and time.monotonic() > done + settle:
                return done - begun
        raise SystemExit(f"waited {PATIENCE_S} s in vain for message {change} after {event}")

    def count(self, action, kind, seconds=1.0):
        action()
        total, quiet = 0, False
        while not quiet:
            found = self.read(seconds)
            total += sum(k == kind for _, k in found)
            quiet = not found
        return total


class Daemon:
    def __init__(self, portreeve, inside, conf):
        self.portreeve, self.inside, self.conf = portreeve, inside, conf
        self.process = subprocess.Popen(inside("g", portreeve, "run", str(conf)),
                                        stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE_S
        while not (self.status().get("daemon") and self.status().get("in_force")):
            if time.monotonic() > end:
                raise SystemExit("the daemon does not come up")
            time.sleep(0.05)

    def run(self, *words):
        return subprocess.run(self.inside("g", self.portreeve, *words), capture_output=True, text=True)

    def status(self):
        out = self.run("status", "--json").stdout
        return json.loads(out) if out.startswith("{") else {}

    def memory(self):
        """Resident now and at most, MiB."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines())
        return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]

    def cpu_ticks(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.run("remove")


def spread(samples):
    ordered = sorted(samples)
    return {"median_ms": statistics.median(ordered) * 1000, "worst_ms": ordered[-1] * 1000,
            "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000, "n": len(ordered)}


def follow(monitor, ip, times, settle):
    """An address more, an address less, `times` in all: the maps follow it."""
    samples = []
    for n in range(times):
        verb, event = (("add", RTM_NEWADDR), ("del", RTM_DELADDR))[n % 2]
        samples.append(monitor.between(lambda verb=verb: ip(f"addr {verb} 1.1.1.9/24 dev eth0"),
                                       event, NEWGEN, settle))
    return spread(samples)


def repair(monitor, ip, times):
    """Taken away by others, and put back: a rule, the routes of a table."""
    result = {}
    for name, command, gone, back in (
            ("rule", "rule del pref 501", RTM_DELRULE, RTM_NEWRULE),
            ("route", "route del default table 70001 metric 0", RTM_DELROUTE, RTM_NEWROUTE)):
        samples = []
        for _ in range(times):
            # Not so often that it looks like a fight.
            samples.append(monitor.between(lambda command=command: ip(command), gone, back, 3))
        result[name] = spread(samples)
    return result


def answer(daemon, times):
    """Seconds of the command `status`, start to exit."""
    samples = []
    for _ in range(times):
        start = time.monotonic()
        daemon.status()
        samples.append(time.monotonic() - start)
    return spread(samples)


def measure(setting):
    """Backends are not probed: that is work, and there are as many as maps here."""
    def ip(words):
        network.ip("g", words)

    result, runs = {}, setting.runs
    conf = setting.tmp / "daemon.yaml"
    for n in sorted({min(1000, setting.maps[-1]), setting.maps[-1]}):
        setting.say(f"daemon: {n} maps")
        there = maps.many(n)
        maps.config(conf, there, more=RETURN)
        daemon = Daemon(setting.program, network.inside, conf)
        monitor = Monitor(network.TAG + "g")
        try:
            one = {"status": answer(daemon, 20 * runs)}
            few = n <= 1000
            one["follow"] = follow(monitor, ip, setting.changes // 5 * runs if few else 4 * runs,
                                   0.1 if few else 5)
            if few:
                one["repair"] = repair(monitor, ip, runs)
            maps.config(conf, maps.moved(there, n // 3), more=RETURN)
            one["elements_of_reload"] = monitor.count(lambda: daemon.run("reload"), NEWSETELEM)
            time.sleep(2)
            one["resident_mib"], one["peak_mib"] = daemon.memory()
            before = daemon.cpu_ticks()
            time.sleep(5)
            one["idle_ticks_in_5_s"] = daemon.cpu_ticks() - before
        finally:
            daemon.stop()
        result[str(n)] = one
    return result


def report(r):
    print("\nthe daemon\n")
    for n, one in r.items():
        f, s = one["follow"], one["status"]
        print(f"  {n} maps")
        print(f"    address event to kernel change   median {f['median_ms']:.1f} ms, 99% {f['p99_ms']:.1f}, "
              f"worst {f['worst_ms']:.1f} of {f['n']}")
        for name, v in one.get("repair", {}).items():
            print(f"    a deleted {name} is back after{'':{9 - len(name)}} median {v['median_ms']:.1f} ms, "
                  f"worst {v['worst_ms']:.1f} of {v['n']}")
        print(f"    portreeve status                 median {s['median_ms']:.1f} ms, worst {s['worst_ms']:.1f}")
        print(f"    a reload with one map changed    {one['elements_of_reload']} element message(s)")
        print(f"    memory                           {one['resident_mib']:.1f} MiB resident, "
              f"{one['peak_mib']:.1f} at most")
        print(f"    CPU while idle                   {one['idle_ticks_in_5_s']} ticks of 10 ms in 5 s")
