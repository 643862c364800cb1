# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway with the fast path off, by tc or by XDP, and everything around it alike.

    gateway = FastSite(lab, "xdp")
    before = gateway.bypassed()
    ...
    assert gateway.bypassed() > before

Virtual cables need two things for XDP: senders must finish their checksums themselves, since a frame
has no room for "the device will do it", and the far end of a cable must poll (GRO), or frames that
are redirected to it are dropped.
"""

import json
import time

import pytest

from daemon import Daemon
from gateway import Portreeve
from lab import wait_for
from topology import Machine, Site, lan, telecom6, unicom6

MODES = ("tc", "xdp")
CONFIG = """
    uplinks:
      telecom: {{interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}}
      unicom:  {{interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}}
    maps:
      near: {{listen: [80/tcp, 53/udp], to: 192.168.0.2, return: snat}}
      near6: {{listen: [80/tcp, 53/udp], to: "2001:db8:ff::2", return: snat}}
      raw: {{listen: [8000-8999/tcp, 8000-8999/udp], to: 192.168.0.77, return: snat}}
      raw6: {{listen: [8000-8999/tcp, 8000-8999/udp], to: "2001:db8:ff::77", return: snat}}
      {maps}
    gateway: {{fastpath: {mode}, fastpath-flows: {flows}}}
    """


class FastSite:
    """The article's gateway with two lines, IPv4 and IPv6, and a backend `near`."""

    def __init__(self, lab, mode, *, flows=4096, sysctls=()):
        self.lab, self.mode, self.flows = lab, mode, flows
        self.site = Site(lab, [telecom6(), unicom6()],
                         [lan(Machine("near", ["192.168.0.2/24", "2001:db8:ff::2/64"]),
                              Machine("client", ["192.168.0.9/24"], gateway=True),
                              addresses=["192.168.0.1/24", "2001:db8:ff::1/64"])])
        self.world, self.gw, self.near = self.site.world, self.site.gw, self.site.near
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.gw.sysctl(key, 1)
        for key, value in (("net.ipv4.icmp_ratelimit", 0), ("net.ipv6.icmp.ratelimit", 0),
                           *sysctls):
            self.gw.sysctl(key, value)
        for host in lab.hosts.values():
            self.finish_checksums(host)
        self.daemon = Daemon(Portreeve(self.gw), self.config())
        if mode != "off":
            wait_for(lambda: self.interfaces() == {mode}, f"{mode} on all interfaces")

    def config(self, maps=""):
        return CONFIG.format(mode=self.mode, flows=self.flows, maps=maps)

    @staticmethod
    def finish_checksums(host):
        for link in json.loads(host.run("ip -j link show type veth").stdout):
            done = host.run(["ethtool", "-K", link["ifname"], "tx", "off", "gro", "on"],
                            check=False)
            if done.returncode != 0:
                pytest.skip(f"ethtool: {done.stderr.strip()}")

    def status(self):
        return json.loads(self.daemon.portreeve.run("status", "--fastpath", "--json",
                                                    check=False).stdout)

    def interfaces(self):
        return {i["mode"] for i in self.status().get("interfaces", [])}

    def bypassed(self):
        return self.status()["bypassed"]["packets"] if self.mode != "off" else 0

    def passed(self):
        """{reason: packets}"""
        return {p["reason"]: p["packets"] for p in self.status().get("passed", [])}

    def connections(self, *filters, family="ipv4"):
        """conntrack's lines."""
        done = self.gw.run(["conntrack", "-L", "-f", family, *filters], check=False)
        return done.stdout.splitlines()

    def carry_on(self, sock, until, data=b"x" * 200, interval=0.02, timeout=6.0):
        """Send on a UDP socket until until() is true; (seconds that took, answers missed)."""
        begin, missed = time.monotonic(), 0
        sock.settimeout(0.5)
        while not until():
            assert time.monotonic() - begin < timeout, "it did not happen"
            sock.send(data)
            try:
                sock.recv(65536)
            except (TimeoutError, ConnectionRefusedError, OSError):
                missed += 1
            time.sleep(interval)
        return time.monotonic() - begin, missed

    def talk(self, sock, seconds, **options):
        end = time.monotonic() + seconds
        return self.carry_on(sock, lambda: time.monotonic() > end, timeout=seconds + 6, **options)
