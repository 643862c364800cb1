# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path changes nothing but the time it takes: the same frames with it off, by tc and by XDP,
seen at both ends, and the same connections in conntrack afterwards.

Scripts put whole frames on the wires of a client and a backend that have no stack of their own, so
that every byte that arrives is the gateway's doing. (Over 700 lines since each thing that can happen to
a connection has its own short script, and all are played on the same three gateways.)
"""

import contextlib
import hashlib
import json
import os
import re
import socket
import threading
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR, fragment
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
from scapy.layers.l2 import Ether
from scapy.packet import Padding, Raw

from fastpath_churn import Churn
from fastpath_site import MODES, FastSite
from lab import Lab, wait_for
from topology import CLIENT as CLIENT_HOST
from traffic import Capture, Conversation, ask, serve

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
        if packet.nh == 44:  # a packet that was put together and cut up again
            raw[44:48] = bytes(4)
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
    timeout, rest = (int(timeout) + 9) // 10 * 10, re.sub(r" use=.*", "", rest).strip()
    if timeout == 10:
        # Conntrack keeps the state of a connection whose reset it cannot tell from a forged one, and
        # gives it ten seconds all the same.
        rest = re.sub("CLOSE |ESTABLISHED ", "reset ", rest)
    return f"{protocol} ~{timeout} {rest}"


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
        return self.settle()

    def settle(self):
        """Both sides have acknowledged all."""
        for side in "cb":
            self.send(side)
        return self

    def close(self):
        self.send("c", "FA")
        self.send("b", "A")
        self.send("b", "FA")
        self.send("c")


class Udp(Tcp):
    def packet(self, side, flags="", payload=b"x", chksum=None, **fields):
        return self.ip(side, **fields) / UDP(**self.ports(side), chksum=chksum) / Raw(payload)

    def settle(self):
        return self

    def open(self):
        """Conntrack calls it a stream after two seconds."""
        self.send("c")
        self.send("b")
        return self


def each(make, ends, sport=40000, **options):
    """One connection for each line and family, each with a port of its own."""
    return [make(ends, line, v6, sport=sport + 10 * i, **options)
            for i, (line, v6) in enumerate((line, v6) for line in LINES for v6 in (False, True))]


# ---- scripts: each is played alike on all gateways ----

def tcp_conversations(ends):
    for c in each(Tcp, ends):
        c.open().talk()
        for size in (0, 1, 7, 536, 1459 - 20 * c.v6, 1460 - 20 * c.v6):
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
        c.send("c", "R", seq=c.seq["c"])


def reset_by_backend(ends):
    for c in each(Tcp, ends):
        c.open().talk().send("b", "R")
        c.send("c", "A", b"too late")
        c.send("b", "R", seq=c.seq["b"])


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
        c.settle()


def hops(ends):
    """What has no hop left ends at the gateway, which says so."""
    connections = [c.open().talk() for c in each(Tcp, ends)]
    for c in connections:
        for ttl in (255, 2, 1, 0):
            for side in "cb":
                c.put(side, c.packet(side, "A", seq=c.seq[side], ttl=ttl))
    time.sleep(1.1)
    for c in connections:
        c.settle()


def send_options(c, side):
    more = c.ip(side) / IPv6ExtHdrDestOpt() if c.v6 else c.ip(side, options=[IPOption_RR()])
    c.put(side, more / c.packet(side)[TCP])


def options(ends):
    connections = [c.open().talk() for c in each(Tcp, ends)]
    for c in connections:
        for side in "cb":
            send_options(c, side)
    time.sleep(1.1)
    for c in connections:
        c.settle()


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
    """What is too long for the next link: the gateway cuts it up, or says so, and then it comes again in
    smaller pieces."""
    ends.gw.ip("link set eth2 mtu 1400")
    try:
        for c in each(Tcp, ends):
            c.open().talk()
            fits = 1400 - 40 - 20 * c.v6
            for size in (fits, fits + 1, 1440 - 20 * c.v6):
                c.put("c", c.packet("c", "A", bytes(size), seq=c.seq["c"]))
                if not c.v6:
                    c.put("c", may_be_cut(c.packet("c", "A", bytes(size), seq=c.seq["c"])))
                c.send("c", "A", bytes(size - 700))
                c.send("c", "A", bytes(700))
                c.send("b", "A", bytes(1300))
            c.talk()
    finally:
        ends.gw.ip("link set eth2 mtu 1500")


def may_be_cut(packet):
    packet[IP].flags = 0
    packet[IP].id = 11
    return packet


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


# ---- what conntrack loses sight of ----

@pytest.fixture(params=MODES)
def fast(gateways, request):
    ends = gateways[request.param]
    ends.begin()
    return ends


def gigabytes(c):
    """Go on for four gigabytes, of which conntrack sees next to nothing."""
    for _ in range(45):
        c.seq["c"] = (c.seq["c"] + (100 << 20)) & 0xffffffff
        c.seq["b"] = (c.seq["b"] + (90 << 20)) & 0xffffffff
        c.talk(1)


def test_gigabytes_then_fin(fast):
    for c in each(Tcp, fast):
        c.open().talk()
        gigabytes(c)
        c.close()
    arrived, connections = fast.arrived(), fast.connections()
    assert len(arrived["near"]) == 4 * (2 + 3 + 1 + 45 * 2 + 2)
    assert len(connections) == 4 and all("TIME_WAIT" in line for line in connections)


@pytest.mark.parametrize("half", (0, 1))
def test_gigabytes_then_reset(fast, half):
    """The reset reaches the other end, and the entry goes soon; with any number in the first or the second
    half of the space, of which conntrack takes one for the past."""
    for c in each(Tcp, fast):
        c.open().talk()
        gigabytes(c)
        c.seq["c"] = (c.seq["c"] + (half << 31)) & 0xffffffff
        c.talk(1)
        c.send("c", "R")
    resets = [p for p in fast.arrived()["near"] if p[0] >> 4 == 4 and p[33] & 4
              or p[0] >> 4 == 6 and p[53] & 4]
    assert len(resets) == 4
    assert all("~10 " in line for line in fast.connections())


def test_rest_is_long(fast):
    """A connection that has nothing to say is kept as long as the kernel would."""
    for c in each(Tcp, fast):
        c.open().talk(20)
    assert all("~432000 " in line for line in fast.connections())


def test_rest_after_options(fast):
    """Conntrack has seen data whose acknowledgement went by it. So an acknowledgement that it does see, since it
    has options, gives the connection the time of unacknowledged data, until a later one is bypassed."""
    connections = each(Tcp, fast)
    for c in connections:
        c.open().talk(20)
        send_options(c, "b")
    assert {t for line in fast.connections() for t in re.findall(r"~(\d+) ", line)} <= {"300", "432000"}
    time.sleep(1.1)
    for c in connections:
        c.settle()
    assert all("~432000 " in line for line in fast.connections())


def bypassed_of(fast):
    """{(client's port, IPv6?): packets of requests and replies that took the fast path}"""
    done = fast.daemon.portreeve.run("flows", "--json")
    return {(f["client_port"], ":" in f["client"]): (f["bypassed"]["request"], f["bypassed"]["reply"])
            for f in json.loads(done.stdout)["flows"]}


def run_on(cpus, but=None):
    """All threads of this process, servers among them, but one."""
    for thread in map(int, os.listdir("/proc/self/task")):
        with contextlib.suppress(ProcessLookupError):
            if thread != but:
                os.sched_setaffinity(thread, cpus)


@pytest.fixture
def one_cpu():
    """Each has a cache of its own, and what comes by a virtual cable is handled where it was sent. Gives the
    other CPUs."""
    cpus = os.sched_getaffinity(0)
    run_on({min(cpus)})
    yield cpus - {min(cpus)}
    run_on(cpus)


@pytest.mark.usefixtures("one_cpu")
def test_accounts_end_with_connections(fast):
    """What begins from the same port has nothing of what went before; the sum of all never falls.

    Ports of its own: what another CPU had of other tests' connections may not be settled yet."""
    begun = fast.fast.bypassed()
    connections = each(Tcp, fast, sport=41000)
    for c in connections:
        c.open().talk(30).close()
    sums = [fast.fast.bypassed()]
    first = bypassed_of(fast.fast)
    for c in connections:
        assert min(first[c.sport, c.v6]) >= 25, first
        c.seq = {"c": 7_000_000, "b": 9_000_000}
        c.send("c", "S", options=[("MSS", 1460), ("WScale", 7)])
    assert all(bypassed_of(fast.fast)[c.sport, c.v6] == (0, 0) for c in connections)
    for c in connections:
        c.send("b", "SA", options=[("MSS", 1460), ("WScale", 7)])
        c.send("c")
        sums.append(fast.fast.bypassed())
        c.talk(3)
        sums.append(fast.fast.bypassed())
    second = bypassed_of(fast.fast)
    assert all(min(second[c.sport, c.v6]) >= 1 and max(second[c.sport, c.v6]) <= 6
               for c in connections), second
    assert sums == sorted(sums) and sums[0] - begun >= 4 * 50 and sums[-1] - sums[0] >= 4 * 2


def test_reply_by_another_line(fast):
    """What says that it is the backend, but comes in by an uplink, is for the kernel and its rules to judge."""
    fast.gw.nft("""table inet spoof {
        chain pre {
            type filter hook prerouting priority raw
            iifname { eth0, eth1 } ip saddr 192.168.0.0/16 drop
            iifname { eth0, eth1 } ip6 saddr 2001:db8:ff::/64 drop
        }
    }""")
    try:
        connections = [c.open().talk() for c in each(Tcp, fast) + each(Udp, fast, port=8001)]
        time.sleep(2.2)
        for c in connections:
            c.talk()
            for line in LINES:
                forged = c.packet("b", "PA", b"forged")
                fast._send(fast.ends[line], fast.gw_mac[line], forged)
            c.send("b", "PA", b"honest")
        arrived = [p for packets in fast.arrived().values() for p in packets]
        assert not [p for p in arrived if b"forged" in p]
        assert len([p for p in arrived if b"honest" in p]) == len(connections)
    finally:
        fast.gw.run("nft delete table inet spoof")


def test_sender_without_peer(fast):
    """Data that nobody acknowledges does not keep a connection for days."""
    connections = each(Tcp, fast)
    for c in connections:
        c.open().talk()
    time.sleep(5.2)  # so that the kernel gets its packet now and then (FP_KICK_S) first, and not last
    for wait in (0, 0.2, 0.4, 0.8, 1.6):
        time.sleep(wait)
        for c in connections:
            c.send("c", "PA", b"again", seq=c.seq["c"])
    kept = fast.connections()
    assert kept and all("~300 " in line for line in kept), kept


# ---- changes while it runs: real sockets, real servers ----

@pytest.fixture(scope="module")
def kept():
    """{mode: gateway} for tests that leave it as they found it."""
    with contextlib.ExitStack() as stack:
        made = {}

        def get(mode):
            if mode not in made:
                made[mode] = FastSite(stack.enter_context(Lab()), mode)
                serve(made[mode].near, tcp=[80], udp=[53])
            return made[mode]
        yield get


@pytest.fixture(params=MODES)
def running(kept, request):
    fast = kept(request.param)
    fast.gw.run("conntrack -F", check=False)
    return fast


@pytest.fixture(params=MODES)
def breakable(lab, request):
    """For those that do not."""
    fast = FastSite(lab, request.param)
    serve(fast.near, tcp=[80], udp=[53])
    return fast


def stream(fast, address="1.1.1.1", port=53, host=None):
    """A UDP socket whose flow takes the fast path."""
    sock = (host or fast.world).udp_connect(address, port)
    before = fast.bypassed()
    fast.talk(sock, 2.6)
    assert fast.bypassed() > before
    return sock


def entry(fast, sock):
    port = sock.getsockname()[1]
    return [line for family in ("ipv4", "ipv6")
            for line in fast.connections("-p", "udp", "--sport", str(port), family=family)]


@pytest.mark.usefixtures("one_cpu")
def test_deleted_in_conntrack(running):
    """Another entry is made by the kernel within a second: until then packets go on by the old one."""
    sock = stream(running)
    running.gw.run("conntrack -D -p udp --dport 53")
    assert not entry(running, sock)
    took, missed = running.carry_on(sock, lambda: entry(running, sock))
    assert took < 1.5 and missed == 0


def test_deleted_in_conntrack_and_answered_by_another_cpu(one_cpu, running):
    """There replies are nobody's, until a request is asked about again."""
    if not one_cpu:
        pytest.skip("there is one CPU")
    sock = stream(running)
    running.gw.run("conntrack -D -p udp --dport 53")
    run_on(one_cpu, but=threading.get_native_id())
    took, _ = running.carry_on(sock, lambda: entry(running, sock))
    assert took < 2
    assert running.talk(sock, 0.5)[1] == 0


def test_mark_changed(running):
    """Its replies leave by the other line, as in the kernel; that ISP drops them."""
    sock = stream(running)
    running.gw.run("conntrack -U -s 100.100.100.100 -m 0x82000000")
    foreign = running.site.foreign("unicom")
    took, missed = running.carry_on(sock, lambda: running.site.foreign("unicom") > foreign)
    assert took < 1.5


def test_backend_has_another_mac(breakable):
    sock = stream(breakable)
    breakable.near.ip("link set eth0 address 02:00:00:00:aa:aa")
    breakable.gw.ip("neigh replace 192.168.0.2 lladdr 02:00:00:00:aa:aa dev eth2 nud reachable")
    _, missed = breakable.talk(sock, 1.5)
    assert missed * 0.5 < 1.5
    assert breakable.talk(sock, 0.5)[1] == 0


def test_route_moves(breakable):
    """The backend is behind another host from now on."""
    sock = stream(breakable)
    other = breakable.site.client
    other.ip("addr add 192.168.0.2/32 dev lo")
    serve(other, udp=[53], address="192.168.0.2")
    breakable.gw.ip("route add 192.168.0.2/32 via 192.168.0.9")
    took, _ = breakable.carry_on(sock, lambda: _answers(sock).startswith(b"client "))
    assert took < 1.5


def _answers(sock, data=b"who?"):
    sock.send(data)
    try:
        return sock.recv(65536)
    except (TimeoutError, OSError):
        return b""


def test_line_fails_and_comes_back(breakable):
    """Nothing leaves by the other line meanwhile, and the connection goes on afterwards."""
    sock = stream(breakable)
    other = Capture(breakable.site.isp["unicom"], "customer")
    breakable.gw.ip("link set eth0 down")
    assert breakable.talk(sock, 1.0)[1] > 0
    breakable.gw.ip("link set eth0 up", "neigh replace 1.1.1.254 lladdr "
                  f"{breakable.site.isp['telecom'].mac('customer')} dev eth0 nud reachable")
    wait_for(lambda: _answers(sock), "the line to work again", timeout=10)
    assert not other.packets(lambda p: UDP in p and p[UDP].sport == 53)
    before = breakable.bypassed()
    assert breakable.talk(sock, 3)[1] == 0
    assert breakable.bypassed() > before


def test_reload(running):
    """A map more: nobody notices. The map less: its connections end within a second."""
    sock = stream(running)
    running.daemon.write(running.config("more: {listen: 81/tcp, to: 192.168.0.2}"))
    running.daemon.reload()
    _, missed = running.talk(sock, 2)
    assert missed == 0
    running.daemon.write(running.config().replace("near: {listen: [80/tcp, 53/udp]",
                                                  "near: {listen: [80/tcp]"))
    running.daemon.reload()
    running.talk(sock, 3)
    assert running.talk(sock, 0.5)[1] > 0
    running.daemon.write(running.config())
    running.daemon.reload()
    wait_for(lambda: _answers(sock), "the map to be there again")


def test_interface_comes_again(breakable):
    """The fast path is there again by itself."""
    breakable.gw.ip("link del eth1")
    breakable.lab.wire((breakable.gw, "eth1"), (breakable.site.isp["unicom"], "customer"))
    breakable.gw.ip("addr add 2.2.2.2/24 dev eth1", "addr add 2001:db8:2::2/64 dev eth1 nodad")
    breakable.site.isp["unicom"].ip("addr add 2.2.2.254/24 dev customer",
                                  "addr add 2001:db8:2::fe/64 dev customer nodad")
    breakable.gw.sysctl("net.ipv6.conf.eth1.forwarding", 1)
    for host in (breakable.gw, breakable.site.isp["unicom"]):
        breakable.finish_checksums(host)
    wait_for(lambda: ask(breakable.world, "2.2.2.2", 80, timeout=0.5), "the line to work", timeout=15)
    wait_for(lambda: breakable.interfaces() == {breakable.mode}, "the fast path there", timeout=15)
    stream(breakable, "2.2.2.2")


def test_switched_off_and_on(running):
    """By hand, while it is used: no packet is lost either way."""
    sock = stream(running)
    running.daemon.portreeve.run("fastpath", "off")
    before = running.bypassed()
    assert running.talk(sock, 1)[1] == 0
    assert running.bypassed() == before
    running.daemon.portreeve.run("fastpath", "on")
    assert running.talk(sock, 2)[1] == 0
    assert running.bypassed() > before


def test_daemon_dies(running):
    """The programs go on, and a new daemon takes over without a packet lost."""
    sock = stream(running)
    running.daemon.kill()
    assert running.talk(sock, 2)[1] == 0
    running.daemon.start()
    assert running.talk(sock, 3)[1] == 0
    assert running.bypassed() > 0


def test_what_is_not_mapped(running):
    """The gateway's own services, a client behind it that is masqueraded, and hairpin are left alone."""
    gw, inside = running.gw, running.site.client
    gw.nft("""table ip office {
        chain out {
            type nat hook postrouting priority srcnat
            oifname { eth0, eth1 } ip saddr 192.168.0.0/24 masquerade
        }
    }""")
    serve(gw, tcp=[2222], udp=[2222])
    serve(running.world, tcp=[9999], udp=[9999])
    before = running.bypassed()
    for _ in range(2):
        assert ask(running.world, "1.1.1.1", 2222).server == "gw"
        assert ask(running.world, "2.2.2.2", 2222).server == "gw"
        assert ask(inside, CLIENT_HOST, 9999).client == "1.1.1.1"
        assert ask(inside, "1.1.1.1", 80).server == "near"
    outgoing = inside.udp_connect(CLIENT_HOST, 9999)
    local = running.world.udp_connect("1.1.1.1", 2222, source=CLIENT_HOST)
    hairpin = inside.udp_connect("2.2.2.2", 53)
    for sock in (outgoing, local, hairpin):
        assert running.talk(sock, 2.4)[1] == 0
    assert running.bypassed() == before
    gw.run("nft delete table ip office")


def test_vlan(running):
    done = running.gw.run("ip link add link eth2 name eth2.5 type vlan id 5", check=False)
    if done.returncode != 0:
        pytest.skip(f"this kernel has no VLANs: {done.stderr.strip()}")
    running.near.ip("link add link eth0 name eth0.5 type vlan id 5", "link set eth0.5 up",
                    "addr add 192.168.5.2/24 dev eth0.5")
    running.gw.ip("link set eth2.5 up", "addr add 192.168.5.1/24 dev eth2.5")
    assert running.gw.run("ping -c 3 -i 0.2 192.168.5.2").returncode == 0


# ---- how long connections are kept ----

SHORT = [("net.netfilter.nf_conntrack_udp_timeout", 3),
         ("net.netfilter.nf_conntrack_udp_timeout_stream", 3),
         ("net.netfilter.nf_conntrack_tcp_timeout_established", 4),
         ("net.netfilter.nf_conntrack_tcp_timeout_unacknowledged", 4)]


@pytest.mark.parametrize("mode", MODES)
def test_timeouts(lab, mode):
    """Busy ones stay however short the timeout is, be it in one direction; idle ones go."""
    fast = FastSite(lab, mode, sysctls=SHORT)
    server = serve(fast.near, tcp=[80], udp=[53])
    busy, idle = fast.world.udp_connect("1.1.1.1", 53), fast.world.udp_connect("1.1.1.1", 53)
    oneway = fast.world.udp_connect("2.2.2.2", 53)
    tcp, tcp_idle = (Conversation(fast.world, "2.2.2.2", 80) for _ in range(2))
    end = time.monotonic() + 2.6
    while time.monotonic() < end:
        for sock in (busy, idle, oneway):
            sock.send(b"x")
            sock.recv(1000)
        tcp.say()
        time.sleep(0.05)
    server.close()  # nobody answers by UDP from now on
    fast.lab._kept.remove(server)
    silent = fast.near.udp("192.168.0.2", 53)
    before = fast.bypassed()
    end = time.monotonic() + 7
    while time.monotonic() < end:
        for sock in (busy, oneway):
            sock.send(b"x")
        time.sleep(0.05)
    ports = {name: sock.getsockname()[1] for name, sock in
             (("busy", busy), ("idle", idle), ("oneway", oneway))}
    listed = "\n".join(fast.connections("-p", "udp"))
    assert fast.bypassed() > before
    assert f"sport={ports['busy']} " in listed and f"sport={ports['oneway']} " in listed
    assert f"sport={ports['idle']} " not in listed
    assert not fast.connections("-p", "tcp", "--state", "ESTABLISHED"), (tcp, tcp_idle, silent)


@pytest.mark.parametrize("mode", MODES)
def test_slow_tcp_is_kept(lab, mode):
    """A connection that says something now and then, more often than its timeout, is kept."""
    fast = FastSite(lab, mode, sysctls=SHORT)
    serve(fast.near, tcp=[80])
    talks = [Conversation(fast.world, address, 80) for address in
             ("1.1.1.1", "2.2.2.2", "2001:db8:1::1", "2001:db8:2::2")]
    for pause in (0.3, 1, 1.5, 2, 2.5, 3, 3):
        for conversation in talks:
            conversation.say(b"still there?" * 20)
        time.sleep(pause)
    assert all(conversation.alive() for conversation in talks)


# ---- real streams ----

def transfer(sender, receiver, size):
    """All of it arrives, and nothing else."""
    block = os.urandom(1 << 20)
    def send():
        for _ in range(size >> 20):
            sender.sendall(block)
        sender.shutdown(socket.SHUT_WR)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    receiver.settimeout(20)
    got, wanted = hashlib.sha256(), hashlib.sha256()
    for _ in range(size >> 20):
        wanted.update(block)
    while data := receiver.recv(1 << 20):
        got.update(data)
    thread.join()
    return got.digest() == wanted.digest()


def pair(fast, address):
    backend = "2001:db8:ff::2" if ":" in address else "192.168.0.2"
    listener = fast.near.tcp_listen(80, backend)
    client = fast.world.tcp_connect(address, 80)
    server = fast.lab.keep(listener.accept()[0])
    fast.lab.drop(listener)
    client.settimeout(20)
    return client, server


BULK = int(os.environ.get("PORTREEVE_BULK_MIB", "64")) << 20


@pytest.mark.parametrize("mode", MODES)
def test_bulk(lab, mode):
    """Up and down, IPv4 and IPv6, on both lines; by tc with checksums left to the device too. (With
    PORTREEVE_BULK_MIB=2500 it is more than TCP can number.)"""
    fast = FastSite(lab, mode)
    for address in ("1.1.1.1", "2001:db8:2::2"):
        before = fast.bypassed()
        client, server = pair(fast, address)
        assert transfer(client, server, BULK)
        assert transfer(server, client, BULK)
        assert fast.bypassed() - before > 100
    if mode == "tc":
        for host in (fast.world, fast.near, *fast.site.isp.values()):
            for link in json.loads(host.run("ip -j link show type veth").stdout):
                host.run(["ethtool", "-K", link["ifname"], "tx", "on"])
        for address in ("2.2.2.2", "2001:db8:1::1"):
            client, server = pair(fast, address)
            assert transfer(client, server, BULK)
            assert transfer(server, client, BULK)
    wait_for(lambda: not fast.connections("-p", "tcp", "--state", "ESTABLISHED"), "all to be closed")


@pytest.mark.parametrize("inside, outside", [(1400, 1500), (1500, 1400), (9000, 1500), (9000, 9000)])
@pytest.mark.parametrize("mode", MODES)
def test_mtus(lab, mode, inside, outside):
    """Whatever the links take on either side, what is sent arrives, also where the path must be learned."""
    if mode == "xdp" and inside == 9000:
        pytest.skip("a veth takes no XDP program with frames of several pages")
    fast = FastSite(lab, mode)
    for host, interface, size in ((fast.gw, "eth2", inside), (fast.near, "eth0", inside),
                                  (fast.gw, "eth0", outside), (fast.site.isp["telecom"], "customer", outside)):
        host.ip(f"link set {interface} mtu {size}")
    switch = next(host for name, host in lab.hosts.items() if name.startswith("switch"))
    switch.ip(*(f"link set port{i} mtu {inside}" for i in range(3)))
    for address in ("1.1.1.1", "2001:db8:1::1"):
        client, server = pair(fast, address)
        assert transfer(client, server, 4 << 20)
        assert transfer(server, client, 4 << 20)
    serve(fast.near, udp=[53])
    sock = fast.world.udp_connect("1.1.1.1", 53)
    for size in (100, 1372, 1373, 1472, 3000):
        wait_for(lambda: _answers(sock, bytes(size)), "both ends to learn the path")
        assert fast.talk(sock, 0.3, data=bytes(size))[1] == 0


@pytest.mark.parametrize("mode", MODES)
def test_churn(lab, mode):
    """Half a minute of what fastpath_churn.py does by hand for as long as one likes."""
    Churn(lab, mode).run(30)
