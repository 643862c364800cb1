# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of uplinks and backends while the daemon runs: who is down, who is told, what follows."""

import json
import os
import socket
import threading
import time

import pytest

from daemon import Daemon
from gateway import Portreeve
from lab import wait_for
from topology import CLIENT, Machine, Site, lan
from traffic import ask, serve

CHECK = "{icmp: [%s], every: 200ms, timeout: 150ms, rise: 2, fall: 2}" % CLIENT

CONFIG = """
    gateway:
      hook: [%(hook)s, "two  words; $(id)"]
      hook-timeout: 1s
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254, check: %(check)s}
      unicom:  {interface: eth1, gateway: 2.2.2.254, check: %(check)s}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2, return: snat}
    """

# What the hook writes down: its environment and arguments, as JSON, a line per run.
HOOK = """#!/usr/bin/python3
import json, os, sys
with open(%r, "a") as log:
    log.write(json.dumps({"env": dict(os.environ), "args": sys.argv[1:]}) + "\\n")
"""


@pytest.fixture
def site(lab):
    made = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"], gateway=True),
                                 Machine("other", ["192.168.0.3/24"], gateway=True))])
    made.portreeve = Portreeve(made.gw)
    return made


def script(site, text, name="hook"):
    path = site.lab.path(name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def start(site, hook="/bin/true", check=CHECK, config=CONFIG):
    return Daemon(site.portreeve, config % {"hook": hook, "check": check})


def runs(site):
    try:
        with open(site.lab.path("log"), encoding="ascii") as log:
            return [json.loads(line) for line in log]
    except FileNotFoundError:
        return []


def both_up(daemon):
    for name in ("telecom", "unicom"):
        daemon.wait_event("uplink-up", lambda e: e["uplink"] == name)


def silence(site, isp):
    """The line dies beyond the ISP's first router: carrier, address and gateway stay."""
    site.isp[isp].run("ip link set world down")


def heal(site, isp):
    host = site.isp[isp]
    host.run("ip link set world up")
    n = list(site.isp).index(isp)
    host.run(f"ip route replace default via 10.254.{n}.1")


def test_a_line_whose_target_dies(site):
    """One target for both lines, each asked by its own."""
    hook = script(site, HOOK % site.lab.path("log"))
    daemon = start(site, hook)
    both_up(daemon)
    assert "LOWER_UP" in site.gw.run("ip link show eth1").stdout

    silence(site, "unicom")
    down = daemon.wait_event("uplink-down")
    assert down["uplink"] == "unicom" and down["was"] == "up" and down["state"] == "down"
    assert down["reason"] == f"icmp {CLIENT}: no answer in 150 ms"
    assert "LOWER_UP" in site.gw.run("ip link show eth1").stdout

    told = wait_for(lambda: [r for r in runs(site) if r["env"]["PORTREEVE_EVENT"] == "uplink-down"],
                    "the hook")[0]
    assert told["args"] == ["two  words; $(id)"]
    assert told["env"].pop("PATH")
    assert {k: v for k, v in told["env"].items() if k.startswith("PORTREEVE_")} == {
        "PORTREEVE_EVENT": "uplink-down", "PORTREEVE_UPLINK": "unicom",
        "PORTREEVE_STATE": "down", "PORTREEVE_OLD_STATE": "up",
        "PORTREEVE_REASON": down["reason"], "PORTREEVE_ADDRESSES": "2.2.2.2"}
    assert set(told["env"]) <= {"PORTREEVE_EVENT", "PORTREEVE_UPLINK", "PORTREEVE_STATE",
                                "PORTREEVE_OLD_STATE", "PORTREEVE_REASON",
                                "PORTREEVE_ADDRESSES", "LC_CTYPE"}

    heal(site, "unicom")
    up = daemon.wait_event("uplink-up", lambda e: e["was"] == "down")
    assert up["uplink"] == "unicom"
    assert not [e for e in daemon.events("uplink-down") if e["uplink"] == "telecom"]
    daemon.stop()


def test_the_link_comes_before_the_checks(site):
    """Checks that are slow: what is seen at once is said at once, and back again asked at once."""
    daemon = start(site, check="{icmp: [%s], every: 20s, timeout: 10s}" % CLIENT)
    both_up(daemon)
    site.gw.run("ip link set eth1 down")
    down = daemon.wait_event("uplink-down")
    assert down["uplink"] == "unicom" and down["reason"] == "its interface is switched off"
    site.gw.run("ip link set eth1 up")
    daemon.wait_event("uplink-up", lambda e: e["was"] == "down" and e["uplink"] == "unicom")

    before = len(daemon.events("uplink-down"))
    site.isp["unicom"].run("ip link set customer down")
    assert "carrier" in daemon.wait_event("uplink-down", after=before)["reason"]
    site.isp["unicom"].run("ip link set customer up")
    daemon.wait_event("uplink-up", lambda e: e["uplink"] == "unicom", after=3)
    daemon.stop()


def test_the_gateway_as_target(site):
    daemon = start(site, check="{icmp: gateway, every: 200ms, timeout: 150ms, fall: 2}")
    both_up(daemon)
    site.isp["unicom"].sysctl("net.ipv4.icmp_echo_ignore_all", 1)
    assert daemon.wait_event("uplink-down")["reason"] == "icmp gateway: no answer in 150 ms"
    daemon.stop()


def test_one_of_two_targets(site):
    """A target that is dead while another answers: degraded, not down."""
    check = "{icmp: [%s, 100.100.100.77], every: 200ms, timeout: 150ms, fall: 2}" % CLIENT
    daemon = start(site, check=check)
    event = daemon.wait_event("uplink-degraded", lambda e: e["uplink"] == "unicom")
    assert event["reason"] == "icmp 100.100.100.77: no answer in 150 ms"
    assert not daemon.events("uplink-down")
    daemon.stop()


def sleeping(site):
    """Processes of the hook in the gateway's namespace."""
    pids = site.gw.run(["ip", "netns", "pids", site.gw.netns]).stdout.split()
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                if "sleep" in file.read():
                    found.append(pid)
        except FileNotFoundError:
            pass
    return found


def test_a_hook_that_hangs(site):
    """It is killed with what it started, the next change is told, and the gateway goes on."""
    hook = script(site, "#!/bin/sh\ntrap '' TERM\necho begun\nsleep 300 & wait; sleep 300\n")
    daemon = start(site, hook)
    both_up(daemon)
    daemon.wait_event("hook-killed")
    assert daemon.wait_event("hook-output")["message"] == "begun"
    silence(site, "unicom")
    daemon.wait_event("uplink-down")
    daemon.wait_event("hook-killed", lambda e: e["subject"] == "unicom", after=1)
    wait_for(lambda: not sleeping(site), "the hook's children to be gone", timeout=10)
    daemon.stop()


def test_a_hook_that_floods(site):
    hook = script(site, "#!/bin/sh\nexec yes 'this is said again and again'\n")
    daemon = start(site, hook)
    both_up(daemon)
    daemon.wait_event("hook-killed")
    assert len(daemon.text()) < 200_000
    before = time.monotonic()
    silence(site, "unicom")
    daemon.wait_event("uplink-down")
    assert time.monotonic() - before < 5  # it was not kept from its work
    daemon.stop()


def test_a_target_that_floods(site):
    """Thousands of answers that nobody asked for neither count nor cost."""
    site.world.sysctl("net.ipv4.icmp_echo_ignore_all", 1)
    check = "{icmp: [%s], every: 300ms, timeout: 250ms, fall: 1}" % CLIENT
    daemon = start(site, check=check)
    daemon.wait_event("uplink-down", lambda e: e["uplink"] == "telecom")
    flood = _Flood(site)
    try:
        ticks, began = daemon.cpu_ticks(), time.monotonic()
        time.sleep(3)
        share = (daemon.cpu_ticks() - ticks) / 100 / (time.monotonic() - began)
    finally:
        flood.stop()
    assert flood.sent > 5000
    assert share < 0.2
    assert not daemon.events("uplink-up")
    daemon.stop()


class _Flood(threading.Thread):
    """Echo replies to the gateway with every identifier and sequence number in turn."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.sock = site.world.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.sock.bind((CLIENT, 0))
        self.sent, self.going = 0, True
        self.start()

    def run(self):
        n = 0
        while self.going:
            n = (n + 1) & 0xffffffff
            data = n.to_bytes(4, "big") + bytes(16)
            total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
            total = (total & 0xffff) + (total >> 16)
            head = bytes(2) + (~total & 0xffff).to_bytes(2, "big")
            try:
                self.sock.sendto(head + data, ("1.1.1.1", 0))
                self.sent += 1
            except OSError:
                pass

    def stop(self):
        self.going = False
        self.join()


BACKENDS = """
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254}
      unicom:  {interface: eth1, gateway: 2.2.2.254}
    maps:
      web:
        listen: 80/tcp
        to: [192.168.0.2, 192.168.0.3]
        balance: first
        return: snat
        check: {%s, every: 200ms, timeout: 150ms, rise: 2, fall: 2}
    """


@pytest.mark.parametrize("check", ("tcp: true", "icmp: true"))
def test_a_backend_that_dies(site, check):
    """New connections go to the other, and come back when it is back."""
    serve(site.backend, tcp=[80])
    serve(site.other, tcp=[80])
    daemon = Daemon(site.portreeve, BACKENDS % check)
    assert ask(site.world, "2.2.2.2", 80).server == "backend"
    # By iptables: the host stays up, so that nothing of the gateway's own tells.
    site.backend.iptables("-I INPUT -s 192.168.0.1 -j DROP")
    down = daemon.wait_event("backend-down")
    assert down["map"] == "web" and down["backend"] == "192.168.0.2:80"
    assert down["reason"].endswith("no answer in 150 ms")
    wait_for(lambda: getattr(ask(site.world, "2.2.2.2", 80, timeout=1), "server", "") == "other",
             "the other backend to answer", timeout=10)
    site.backend.iptables("-D INPUT -s 192.168.0.1 -j DROP")
    daemon.wait_event("backend-up", lambda e: e["was"] == "down")
    wait_for(lambda: getattr(ask(site.world, "2.2.2.2", 80, timeout=1), "server", "") == "backend",
             "the first backend to answer", timeout=10)
    daemon.stop()


def test_a_service_that_is_gone(site):
    """The host lives, the service does not: tcp is refused. The hook is told which."""
    server = serve(site.backend, tcp=[80])
    serve(site.other, tcp=[80])
    hook = script(site, HOOK % site.lab.path("log"))
    daemon = Daemon(site.portreeve, f"""
    gateway: {{hook: [{hook}]}}""" + BACKENDS % "tcp: true")
    daemon.wait_event("backend-up", lambda e: e["backend"] == "192.168.0.2:80")
    site.lab.drop(server)
    assert daemon.wait_event("backend-down")["reason"] == "tcp: connection refused"
    told = wait_for(lambda: [r["env"] for r in runs(site)
                             if r["env"]["PORTREEVE_EVENT"] == "backend-down"], "the hook")[0]
    assert {k: v for k, v in told.items() if k.startswith("PORTREEVE_")} == {
        "PORTREEVE_EVENT": "backend-down", "PORTREEVE_MAP": "web",
        "PORTREEVE_BACKEND": "192.168.0.2:80", "PORTREEVE_STATE": "down",
        "PORTREEVE_OLD_STATE": "up", "PORTREEVE_REASON": "tcp: connection refused"}
    daemon.stop()


@pytest.mark.parametrize("answer, up", (("200 OK", True), ("503 No", False)))
def test_a_backend_by_http(site, answer, up):
    """What counts is the status, with the path and host that the file says."""
    listener = site.backend.tcp_listen(8080)
    asked = []
    threading.Thread(target=_http, args=(listener, answer, asked), daemon=True).start()
    config = BACKENDS.replace("[192.168.0.2, 192.168.0.3]", "192.168.0.2")
    daemon = Daemon(site.portreeve, config % 'http: ":8080/health", host: shop.example')
    event = daemon.wait_event("backend-up" if up else "backend-down")
    assert up or event["reason"] == "http: status 503"
    assert asked[0].startswith("GET /health HTTP/1.1\r\n")
    assert "\r\nHost: shop.example\r\n" in asked[0]
    daemon.stop()


def _http(listener, answer, asked):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        with sock:
            asked.append(sock.recv(4096).decode())
            sock.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())


def test_a_reload_keeps_what_is_known(site):
    """Subjects whose checks are the same keep their state; no event, no hook."""
    hook = script(site, HOOK % site.lab.path("log"))
    daemon = start(site, hook)
    both_up(daemon)
    wait_for(lambda: len(runs(site)) == 2, "the hook to be done")
    config = CONFIG % {"hook": hook, "check": CHECK}
    daemon.write(config.replace("listen: 80/tcp", "listen: [80/tcp, 81/tcp]"))
    seen = len(daemon.events("configured"))
    daemon.reload()
    daemon.wait_event("configured", after=seen)
    time.sleep(1)
    assert len(daemon.events("uplink-up")) == 2 and len(runs(site)) == 2
    daemon.stop()
