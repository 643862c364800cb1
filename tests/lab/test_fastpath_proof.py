# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path changes nothing but the time it takes: the same frames with it off, by tc and by XDP,
seen at both ends, and the same connections in conntrack afterwards.

Scripts put whole frames on the wires of a client and a backend that have no stack of their own, so
that every byte that arrives is the gateway's doing.
"""

import contextlib
import re
import socket
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR, fragment
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
from scapy.layers.l2 import Ether
from scapy.packet import Padding, Raw

from fastpath_site import MODES, FastSite
from lab import Lab
from traffic import Capture

LINES = {"telecom": ("eth0", "1.1.1.1", "2001:db8:1::1"),
         "unicom": ("eth1", "2.2.2.2", "2001:db8:2::2")}
CLIENT, CLIENT6 = "100.100.100.7", "2001:db8:100::7"
BACKEND, BACKEND6 = "192.168.0.77", "2001:db8:ff::77"
GATEWAY, GATEWAY6 = "192.168.0.1", "2001:db8:ff::1"
OURS = {CLIENT, CLIENT6, BACKEND, BACKEND6}


class Ends:
    """The wires of the scripts' client and backend on one gateway."""

    def __init__(self, lab, mode):
        self.fast = FastSite(lab, mode)
        self.gw, near = self.fast.gw, self.fast.near
        self.near_mac, self.lan_mac = near.mac("eth0"), self.gw.mac("eth2")
        for address in (BACKEND, BACKEND6):
            self.gw.ip(f"neigh replace {address} lladdr {self.near_mac} dev eth2 nud permanent")
        self.ends = {"near": Capture(near, "eth0")}
        self.gw_mac = {}
        for line, (interface, _, _) in LINES.items():
            isp = self.fast.site.isp[line]
            self.gw_mac[line] = self.gw.mac(interface)
            self.ends[line] = Capture(isp, "customer")
            # The scripts' client is behind the ISP for the gateway, and nobody for the ISP.
            isp.nft(f"""table inet silent {{
                chain forward {{
                    type filter hook forward priority -10;
                    ip daddr {CLIENT} drop
                    ip6 daddr {CLIENT6} drop
                }}
            }}""")
        self.mode = mode

    def from_client(self, line, packet):
        self._send(self.ends[line], self.gw_mac[line], packet)

    def from_backend(self, packet):
        self._send(self.ends["near"], self.lan_mac, packet)

    @staticmethod
    def _send(end, mac, packet):
        end.sock.send(bytes(Ether(dst=mac, src="02:00:00:00:00:99") / packet))
        time.sleep(0.002)

    def begin(self):
        self.gw.run("conntrack -F", check=False)
        for end in self.ends.values():
            end.packets()
            end._packets.clear()

    def arrived(self):
        """What came out of the gateway at each end, as bytes of IP packets."""
        time.sleep(0.1)
        macs = {*self.gw_mac.values(), self.lan_mac}
        return {name: [p for p in map(_plain, end.packets(lambda p: p.src in macs)) if p]
                for name, end in self.ends.items()}

    def connections(self):
        lines = self.fast.connections() + self.fast.connections(family="ipv6")
        return sorted(filter(None, map(_connection, lines)))


def _plain(frame):
    """An IP packet of the scripts' without Ethernet's padding; what the gateway itself sends has an
    identification of its own."""
    packet = frame.payload
    if not isinstance(packet, (IP, IPv6)) or not {packet.src, packet.dst} & OURS:
        return None
    raw = bytearray(bytes(packet))
    if isinstance(packet, IP):
        raw = raw[:packet.len]
        assert _sum(raw[:packet.ihl * 4]) == 0xffff, "checksum of IP"
        gateways = {GATEWAY, *(addresses[1] for addresses in LINES.values())}
        if ICMP in packet and packet.src in gateways and packet[ICMP].type in (3, 11):
            raw[4:6] = raw[10:12] = b"\0\0"
    else:
        raw = raw[:40 + packet.plen]
    return bytes(raw)


def _sum(data):
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def _connection(line):
    """Protocol, state, addresses, flags and mark; the timeout by its magnitude."""
    if CLIENT not in line and CLIENT6 not in line:
        return None
    protocol, _, timeout, rest = re.match(r"(\w+)\s+(\d+) (\d+) (.*)", line).groups()
    return f"{protocol} ~{(int(timeout) + 9) // 10 * 10} {re.sub(r' use=.*', '', rest).strip()}"


class Tcp:
    """A scripted connection; a side's packets have the sequence numbers that they should."""

    def __init__(self, ends, line, v6=False, port=8000, sport=40000):
        self.ends, self.line, self.v6 = ends, line, v6
        self.address = LINES[line][2 if v6 else 1]
        self.port, self.sport = port, sport
        self.seq = {"c": 1000, "b": 500000}

    def ip(self, side, **fields):
        ours, theirs = ((CLIENT6, self.address) if side == "c" else (BACKEND6, GATEWAY6)) \
            if self.v6 else ((CLIENT, self.address) if side == "c" else (BACKEND, GATEWAY))
        if self.v6:
            fields = {{"ttl": "hlim", "tos": "tc"}.get(k, k): v for k, v in fields.items()}
            return IPv6(src=ours, dst=theirs, **fields)
        return IP(**{"src": ours, "dst": theirs, "id": 7, "flags": "DF", **fields})

    def ports(self, side):
        return ({"sport": self.sport, "dport": self.port} if side == "c"
                else {"sport": self.port, "dport": self.sport})

    def packet(self, side, flags="A", payload=b"", options=(), seq=None, **fields):
        other = "b" if side == "c" else "c"
        ack = 0 if flags == "S" else self.seq[other]
        tcp = TCP(**self.ports(side), flags=flags, window=60000, options=list(options), ack=ack,
                  seq=self.seq[side] if seq is None else seq)
        packet = self.ip(side, **fields) / tcp
        if seq is None:
            self.seq[side] += len(payload) + ("S" in flags) + ("F" in flags)
        return packet / Raw(payload) if payload else packet

    def send(self, side, flags="A", payload=b"", **more):
        packet = self.packet(side, flags, payload, **more)
        self.put(side, packet)
        return packet

    def put(self, side, packet):
        if side == "c":
            self.ends.from_client(self.line, packet)
        else:
            self.ends.from_backend(packet)

    def open(self):
        self.send("c", "S", options=[("MSS", 1460), ("WScale", 7)])
        self.send("b", "SA", options=[("MSS", 1460), ("WScale", 7)])
        self.send("c")
        return self

    def talk(self, n=3, size=100):
        for i in range(n):
            self.send("c", "PA", bytes([i]) * size)
            self.send("b", "PA", bytes([i + 100]) * (size + 1))
        return self

    def close(self):
        self.send("c", "FA")
        self.send("b", "A")
        self.send("b", "FA")
        self.send("c")


class Udp(Tcp):
    def packet(self, side, flags="", payload=b"x", chksum=None, **fields):
        return self.ip(side, **fields) / UDP(**self.ports(side), chksum=chksum) / Raw(payload)

    def open(self):
        """Conntrack calls it a stream after two seconds."""
        self.send("c")
        self.send("b")
        return self


def each(make, ends, **options):
    """One connection for each line and family, each with a port of its own."""
    return [make(ends, line, v6, sport=40000 + 10 * i, **options)
            for i, (line, v6) in enumerate((line, v6) for line in LINES for v6 in (False, True))]


# ---- scripts: each is played alike on all gateways ----

def tcp_conversations(ends):
    for c in each(Tcp, ends):
        c.open().talk()
        for size in (0, 1, 7, 536, 1459, 1460 - 20 * c.v6):
            c.send("c", "PA", b"\xff" * size)
            c.send("b", "A", b"\0" * size, tos=0xb8)
        c.send("c", "PAU", b"urgent")
        c.send("b", "A", b"timestamps", options=[("Timestamp", (1, 2))])
        c.send("c", "AEC", b"congestion", tos=3)
        c.close()


def half_open(ends):
    """What is not yet, or no longer, a connection."""
    for c in each(Tcp, ends):
        c.send("c", "S")
        c.send("b", "SA")
    for c in each(Tcp, ends, port=8001):
        c.open().talk()
        c.send("c", "FA")
        c.talk(2)


def reset_by_client(ends):
    for c in each(Tcp, ends):
        c.open().talk().send("c", "RA")
        c.send("b", "A", b"too late")


def reset_by_backend(ends):
    for c in each(Tcp, ends):
        c.open().talk().send("b", "R")
        c.send("c", "A", b"too late")


def port_reused(ends):
    for c in each(Tcp, ends):
        c.open().talk().close()
        c.seq = {"c": 7_000_000, "b": 9_000_000}
        c.open().talk()


def datagrams(ends):
    flows = [u.open() for u in each(Udp, ends)]
    time.sleep(2.2)
    for u in flows:
        for size in (1, 2, 512, 1472 - 20 * u.v6):
            u.send("c", payload=b"\xff" * size)
            u.send("b", payload=b"\xee" * size, tos=0x28)
        if not u.v6:
            u.send("c", payload=b"no checksum", chksum=0)
            u.send("b", payload=b"no checksum", chksum=0)


def short_frames(ends):
    """Frames shorter than Ethernet allows, padded with what must not go on as payload."""
    for c in each(Tcp, ends):
        c.open().talk()
        for side in "cb":
            c.put(side, c.packet(side) / Padding(b"\xaa" * 6))
            c.put(side, c.packet(side, "PA", b"ab") / Padding(b"\xbb" * 30))


def hops(ends):
    """What has no hop left ends at the gateway, which says so."""
    for c in each(Tcp, ends):
        c.open().talk()
        for ttl in (255, 2, 1, 0):
            for side in "cb":
                c.put(side, c.packet(side, "A", seq=c.seq[side], ttl=ttl))


def options(ends):
    for c in each(Tcp, ends):
        c.open().talk()
        for side in "cb":
            more = c.ip(side) / IPv6ExtHdrDestOpt() if c.v6 else c.ip(side, options=[IPOption_RR()])
            c.put(side, more / c.packet(side)[TCP])


def fragments(ends):
    flows = [u.open() for u in each(Udp, ends)]
    time.sleep(2.2)
    for u in flows:
        for side in "cb":
            u.talk(1)
            whole = u.packet(side, payload=bytes(range(256)) * 8)
            if u.v6:
                data = bytes(whole)[40:]
                for at in range(0, len(data), 1200):
                    more = IPv6ExtHdrFragment(offset=at // 8, m=at + 1200 < len(data), id=77, nh=17)
                    u.put(side, u.ip(side) / more / Raw(data[at:at + 1200]))
            else:
                whole.flags = 0
                for piece in fragment(IP(bytes(whole)), 1200):
                    u.put(side, piece)


def errors(ends):
    """Routers on both sides complain about packets that were bypassed."""
    for c in each(Tcp, ends):
        c.open().talk()
        for side, other in (("b", "c"), ("c", "b")):
            sent = c.packet(other, "PA", b"about this", seq=c.seq[other])
            c.put(other, sent)
            about = _translated(c, other, sent)
            router = c.ip(side)
            if c.v6:
                for what in (ICMPv6DestUnreach(code=4), ICMPv6TimeExceeded(),
                             ICMPv6PacketTooBig(mtu=1300)):
                    c.put(side, IPv6(src=router.src, dst=router.dst) / what / about)
            else:
                for kind, code, mtu in ((3, 3, 0), (11, 0, 0), (3, 4, 1300), (3, 1, 0)):
                    c.put(side, IP(src=router.src, dst=router.dst, id=9)
                          / ICMP(type=kind, code=code, nexthopmtu=mtu) / about)
        c.talk()


def _translated(c, sender, sent):
    """The packet as its receiver has it: what an error there quotes."""
    copy = sent.copy()
    if sender == "c":
        copy.src, copy.dst = (GATEWAY6, BACKEND6) if c.v6 else (GATEWAY, BACKEND)
    else:
        copy.src, copy.dst = c.address, CLIENT6 if c.v6 else CLIENT
    return copy


def large(ends):
    """What is too long for the next link: the gateway cuts it up, or says so."""
    ends.gw.ip("link set eth2 mtu 1400")
    try:
        for c in each(Tcp, ends):
            c.open().talk()
            for size in (1400 - 40 - 20 * c.v6, 1401 - 40 - 20 * c.v6, 1440 - 20 * c.v6):
                c.put("c", c.packet("c", "A", bytes(size), seq=c.seq["c"]))
                if not c.v6:
                    c.put("c", _may_be_cut(c, size))
            c.send("b", "A", bytes(1300))
            c.talk()
    finally:
        ends.gw.ip("link set eth2 mtu 1500")


def _may_be_cut(c, size):
    packet = c.packet("c", "A", bytes(size), seq=c.seq["c"])
    packet[IP].flags = 0
    packet[IP].id = 11
    return packet


def jumps(ends):
    """A connection that goes on for gigabytes: sequence numbers that conntrack has not followed."""
    for c in each(Tcp, ends):
        c.open().talk()
        for _ in range(40):
            c.seq["c"] = (c.seq["c"] + (100 << 20)) & 0xffffffff
            c.seq["b"] = (c.seq["b"] + (10 << 20)) & 0xffffffff
            c.talk(1)


SCRIPTS = [tcp_conversations, half_open, reset_by_client, reset_by_backend, port_reused, datagrams,
           short_frames, hops, options, fragments, errors, large]


@pytest.fixture(scope="module")
def gateways():
    """All of them live side by side; what a script gives with the fast path off is kept."""
    with contextlib.ExitStack() as stack:
        yield {mode: Ends(stack.enter_context(Lab()), mode) for mode in ("off", *MODES)}


_expected = {}


def play(ends, script):
    ends.begin()
    script(ends)
    return ends.arrived(), ends.connections()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.__name__)
def test_same_as_without(gateways, script, mode):
    if script not in _expected:
        _expected[script] = play(gateways["off"], script)
    before = gateways[mode].fast.bypassed()
    arrived, connections = play(gateways[mode], script)
    for end, packets in _expected[script][0].items():
        assert len(packets) > 0
        assert [_shown(p) for p in arrived[end]] == [_shown(p) for p in packets], end
        assert arrived[end] == packets, end
    assert connections == _expected[script][1]
    assert gateways[mode].fast.bypassed() > before, "nothing took the fast path"


def _shown(raw):
    packet = IPv6(raw) if raw[0] >> 4 == 6 else IP(raw)
    return packet.summary()
