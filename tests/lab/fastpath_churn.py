#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path under churn: more flows than its cache has room for, and always others.

usage: tests/lab/fastpath_churn.py [--minutes N] [--mode tc|xdp]

Each second every flow says something both ways, some end, others come, and some are deleted from
conntrack while they go on. From then on their packets carry a TTL that the gateway's own path drops,
so what still arrives went by what was cached: that must stop within a second. The cache must stay
within its bounds, the daemon must not grow, and conntrack must forget what ended.
"""

import argparse
import os
import random
import socket
import struct
import sys
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from fastpath_site import FastSite
from lab import Lab

CLIENT, BACKEND, GATEWAY = "100.100.100.7", "192.168.0.77", "192.168.0.1"
FLOWS, LIFE_S, DELETED_PER_S = 1500, 6, 8
ROOM = 1024  # connections, of which each takes two places; a power of two of them on each CPU
PLACES = max(4 * ROOM, 512 * os.cpu_count())
STALE_TTL = 77
GRACE_S = 1.2  # a second, and what a busy machine needs to get on with it
GROWTH_KIB = 4096

SYSCTLS = [("net.netfilter.nf_conntrack_udp_timeout", 4),
           ("net.netfilter.nf_conntrack_udp_timeout_stream", 4)]


def template(mac, src, dst, ttl=64):
    """A frame without ports. Its UDP checksum is left out, so that ports can be put in."""
    return bytes(Ether(dst=mac, src="02:00:00:00:00:99") / IP(src=src, dst=dst, ttl=ttl)
                 / UDP(sport=0, dport=0, chksum=0) / Raw(b"churn" * 10))


def with_ports(frame, sport, dport):
    return frame[:34] + struct.pack("!HH", sport, dport) + frame[38:]


class Flow:
    """One UDP connection: its frames as they come in, both ways."""

    def __init__(self, number, request, stale, reply):
        self.sport, self.dport = 10000 + number % 40000, 8000 + number // 40000 % 1000
        self.request = with_ports(request, self.sport, self.dport)
        self.stale = with_ports(stale, self.sport, self.dport)
        self.reply = with_ports(reply, self.dport, self.sport)
        self.deleted = None  # when


class Churn:
    def __init__(self, lab, mode):
        self.fast = FastSite(lab, mode, flows=ROOM, sysctls=SYSCTLS)
        gw, near, isp = self.fast.gw, self.fast.near, self.fast.site.isp["telecom"]
        gw.ip(f"neigh replace {BACKEND} lladdr {near.mac('eth0')} dev eth2 nud permanent")
        gw.nft(f"""table ip stale {{
            chain pre {{
                type filter hook prerouting priority raw - 10;
                ip ttl {STALE_TTL} drop
            }}
        }}""")
        isp.nft(f"""table ip silent {{
            chain forward {{
                type filter hook forward priority -10;
                ip daddr {CLIENT} drop
            }}
        }}""")
        self.frames = (template(gw.mac("eth0"), CLIENT, "1.1.1.1"),
                       template(gw.mac("eth0"), CLIENT, "1.1.1.1", STALE_TTL),
                       template(gw.mac("eth2"), BACKEND, GATEWAY))
        self.client = self._wire(isp, "customer")
        self.backend = self._wire(near, "eth0")
        self.made = 0
        self.random = random.Random(1)
        self.flows, self.deleted = [], {}
        self.arrived = self.stale = self.late = 0
        self.rss, self.most = [], 0

    @staticmethod
    def _wire(host, interface):
        sock = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        sock.bind((interface, 0x0003))
        sock.setblocking(False)
        return sock

    def second(self):
        """Everybody speaks once; the churn of one second."""
        begin = time.monotonic()
        ended = len(self.flows) // LIFE_S
        self.flows = self.flows[ended:]
        while len(self.flows) < FLOWS:
            self.made += 1
            self.flows.append(Flow(self.made, *self.frames))
        now = time.monotonic()
        self.deleted = {ports: flow for ports, flow in self.deleted.items() if now - flow.deleted < 3}
        for flow in self.random.sample(self.flows[:len(self.flows) // 2], DELETED_PER_S):
            if not flow.deleted:
                self.fast.gw.run(f"conntrack -D -p udp -s {CLIENT} --sport {flow.sport} "
                                 f"--dport {flow.dport}", check=False)
                flow.deleted = time.monotonic()
                self.deleted[flow.sport, flow.dport] = flow
        for i, flow in enumerate(self.flows):
            if not flow.deleted:
                self._put(self.client, flow.request)
                self._put(self.backend, flow.reply)
            if i % 50 == 0:
                self._insist()
        while time.monotonic() - begin < 1:
            self._insist()
            time.sleep(0.02)

    def _insist(self):
        """What was deleted goes on without a pause."""
        for flow in self.deleted.values():
            self._put(self.client, flow.stale)
        self._read()

    @staticmethod
    def _put(sock, frame):
        try:
            sock.send(frame)
        except BlockingIOError:
            pass

    def _read(self):
        """What arrived at the backend; of deleted flows, how long after."""
        now = time.monotonic()
        try:
            while True:
                frame = self.backend.recv(256)
                if len(frame) < 42 or frame[26:30] != socket.inet_aton(GATEWAY):
                    continue
                self.arrived += 1
                if frame[22] == STALE_TTL - 1:
                    self.stale += 1
                    ports = struct.unpack("!HH", frame[34:38])
                    flow = self.deleted.get(ports)
                    self.late += flow is None or now - flow.deleted > GRACE_S
        except BlockingIOError:
            pass

    def look(self):
        status = self.fast.status()
        assert status["flows"] <= PLACES, status
        self.most = max(self.most, status["flows"])
        self.rss.append(self.fast.daemon.rss_kib())

    def run(self, seconds, say=lambda text: None):
        """Each CPU has a cache of its own: it is filled from one alone."""
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cpus)})
        try:
            self._churn(seconds, say)
        finally:
            os.sched_setaffinity(0, cpus)
        self.judge()

    def _churn(self, seconds, say):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.second()
            if len(self.rss) == 0 or self.random.random() < 0.3:
                self.look()
                say(f"{self.made} flows so far, {self.arrived} packets arrived, "
                    f"{self.most} cached at most, {self.stale} of deleted ones ({self.late} late), "
                    f"daemon {self.rss[-1]} KiB")
        self.look()

    def judge(self):
        passed, bypassed = self.fast.passed(), self.fast.bypassed()
        assert self.arrived > 1000 and bypassed > 100, (self.arrived, bypassed)
        assert passed["full"] > 0, "there was room for all"
        assert self.stale > 0, "no deleted flow was cached"
        assert self.late == 0, f"{self.late} packets of deleted flows arrived late"
        settled = self.rss[len(self.rss) // 4:]
        assert settled[-1] - settled[0] < GROWTH_KIB, self.rss
        time.sleep(SYSCTLS[0][1] + 2)
        assert len(self.fast.connections("-p", "udp")) == 0, "conntrack keeps what ended"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--mode", choices=("tc", "xdp"), default="xdp")
    options = parser.parse_args()
    with Lab() as lab:
        Churn(lab, options.mode).run(options.minutes * 60, print)
    print("fine")


if __name__ == "__main__":
    sys.exit(main())
