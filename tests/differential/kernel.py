# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's answer: a packet is really sent, replied to, and followed by another.

What leaves is seen by a packet socket in the gateway, with the mark that it has at that moment; what
is delivered to the gateway itself, by raw sockets there. Nothing waits: after every packet a frame of
a protocol of its own goes the same way, and once that one is seen the packet's fate is settled.
(Both pass the same backlog of the same processor in order, so this process is tied to one.)
"""

import select
import socket
import struct

import netns
import wire

SO_RCVMARK, SO_MARK, IPV6_RECVPKTINFO, IPV6_PKTINFO = 75, 36, 49, 50
OUTGOING = 4
LISTEN = (22, 53, 80, 443, 2222, 3389, 5000, 5001, 8080, 8443)
_PATIENCE_S = 2.0
_REDIRECTS = {(wire.ICMP, 5), (wire.ICMPV6, 137)}


class Lost(Exception):
    """The harness itself does not see what it must."""


class Fate:
    """What became of a packet.

    end: forwarded, local, refused (an ICMP error or a reset came of it), nothing.
    """

    def __init__(self, end, seen=None):
        self.end, self.seen = end, seen

    @property
    def out(self):
        return self.seen.place if self.end == "forwarded" else None

    def describe(self):
        if self.seen is None:
            return self.end
        s = self.seen
        if self.end == "refused":
            return f"refused ({'reset' if s.kind == 'reset' else f'ICMP {s.error}'})"
        return (f"{self.end} {s.place or '-'} {s.src}:{s.sport} > {s.dst}:{s.dport} mark {s.mark:#x} "
                f"mss {s.mss}")


class Kernel:
    """Sockets in a World; ask() sends one question on its way."""

    def __init__(self, world):
        self.world = world
        self.sockets = []
        self.serial = 0
        self.arrived = {}  # what was delivered here of the last packet sent, by kind
        world.enter(world.far)
        self.far = self._socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        world.enter(world.gateway)
        self.tap = self._socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.tap.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)
        self.tap.setblocking(False)
        self.wait = select.poll()
        self.wait.register(self.tap, select.POLLIN)
        self.raw = {}
        for proto in (wire.TCP, wire.UDP, wire.ICMP):
            self.raw[4, proto] = self._raw(socket.AF_INET, proto)
        for proto in (wire.TCP, wire.UDP, wire.ICMPV6):
            self.raw[6, proto] = self._raw(socket.AF_INET6, proto)
        self.conntrack = self._socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.udp = {}
        for port in LISTEN:
            tcp = self._socket(socket.AF_INET6, socket.SOCK_STREAM, 0)
            tcp.bind(("::", port))
            tcp.listen(1000)
            udp = self._socket(socket.AF_INET6, socket.SOCK_DGRAM, 0)
            udp.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
            udp.bind(("::", port))
            udp.setblocking(False)
            self.udp[port] = udp

    def _socket(self, *kind):
        made = socket.socket(*kind)
        self.sockets.append(made)
        return made

    def _raw(self, family, proto):
        raw = self._socket(family, socket.SOCK_RAW, proto)
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)
        if family == socket.AF_INET6:
            raw.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        return raw

    def close(self):
        for made in self.sockets:
            made.close()

    def forget(self):
        """Empty conntrack's table."""
        self.conntrack.send(struct.pack("=IHHII", 20, 0x0102, 5, 0, 0) + bytes(4))
        error = struct.unpack("=i", self.conntrack.recv(4096)[16:20])[0]
        if error:
            raise Lost(f"conntrack cannot be emptied: {error}")

    # ---- sending and seeing ----

    def _inject(self, i, packet):
        self.far.sendto(wire.frame(netns.gateway_mac(i), netns.far_mac(i), packet), (f"far{i}", 0))

    def _fence(self, i):
        self.serial += 1
        mark = self.serial.to_bytes(8, "big")
        self.far.sendto(netns.gateway_mac(i) + netns.far_mac(i) +
                        struct.pack("!H", wire.ETH_FENCE) + mark, (f"far{i}", 0))
        return mark

    def _collect(self, i, tag):
        """All that leaves about this tag until all is settled that was sent before."""
        out = []
        fence = self._fence(i)
        while True:
            try:
                data, extra, _, address = self.tap.recvmsg(2048, 64)
            except BlockingIOError:
                if not self.wait.poll(_PATIENCE_S * 1000):
                    raise Lost("a frame into the gateway did not arrive") from None
                continue
            if address[2] != OUTGOING:
                if fence in data[14:22] and address[1] == wire.ETH_FENCE:
                    return out
                continue
            helped = self._help(data, address[0])
            if helped is not None:
                fence = self._fence(helped)
            elif address[1] in (wire.ETH_IP, wire.ETH_IP6) and address[0] != "lo":
                seen = wire.read(data[14:], tag)
                seen.place, seen.mark = address[0], _mark(extra)
                out.append(seen)

    def _help(self, data, name):
        """Answer who asks for a neighbour. The number of the interface, or None: it is not that."""
        kind = data[12:14]
        if kind == b"\x08\x06" and data[20:22] == b"\0\1":
            i = int(name[3:])
            self.far.sendto(wire.arp_reply(data, netns.far_mac(i)), (f"far{i}", 0))
            return i
        if kind == b"\x86\xdd" and data[20] == wire.ICMPV6 and data[54] == 135:
            i = int(name[3:])
            self.far.sendto(wire.neighbour_reply(data, netns.far_mac(i)), (f"far{i}", 0))
            return i
        return None

    def _delivered(self, family, proto, tag, kind):
        """The last packet of that kind about this tag that reached a socket here, or None. Without a
        tag it is the first: through lo a whole handshake has been made by now."""
        raw = self.raw[family, proto]
        while True:
            try:
                data, extra, _, address = raw.recvmsg(2048, 128)
            except BlockingIOError:
                break
            if family == 4:
                seen = wire.read(data, tag)
            else:
                dst = next(d[:16] for level, what, d in extra
                           if level == socket.IPPROTO_IPV6 and what == IPV6_PKTINFO)
                seen = wire.read_body(proto, address[0].partition("%")[0], wire.plain(dst), 0, data,
                                      tag)
            seen.mark = _mark(extra)
            if tag is not None or seen.kind not in self.arrived:
                self.arrived[seen.kind] = seen
        return self.arrived.get(kind)

    def _send(self, i, packet, tag, kind):
        """Send it from beyond interface i; its Fate, and all that left meanwhile."""
        self.arrived = {}
        self._inject(i, packet)
        left = self._collect(i, tag)
        family = packet[0] >> 4
        proto = packet[9] if family == 4 else packet[6]
        for seen in left:
            if seen.kind == kind:
                return Fate("forwarded", seen), left
        local = self._delivered(family, proto, tag, kind)
        if local is not None:
            return Fate("local", local), left
        for seen in left:
            if seen.kind == "reset" or (seen.kind == "error" and
                                        (seen.proto, seen.error[0]) not in _REDIRECTS):
                return Fate("refused", seen), left
        return Fate("nothing"), left

    # ---- legs ----

    def ask(self, question, tag):
        """The Fates of request, reply and later; None for what there was nothing to do about."""
        self.arrived = {}
        if question["src"] == "self":
            return self._ask_own(question, tag)
        q = question
        i = int(q["in"][3:])
        first = wire.request(q["proto"], q["src"], q["sport"], q["dst"], q["dport"], tag, 0)
        request, left = self._send(i, first, tag, "request")
        if request.end == "forwarded":
            far = int(request.out[3:])
            reply, _ = self._send(far, wire.answer(request.seen), tag, "reply")
        elif request.end == "local":
            reply = self._own_reply(request.seen, i, left, tag)
        else:
            return request, None, None
        if reply is None or reply.end != "forwarded":
            return request, reply, None
        if q["proto"] == "tcp":
            more = wire.tcp_later(q["src"], q["sport"], q["dst"], q["dport"], tag, reply.seen.seq)
        else:
            more = wire.request(q["proto"], q["src"], q["sport"], q["dst"], q["dport"], tag, 1)
        later, _ = self._send(i, more, tag, "request")
        return request, reply, later

    def _ask_own(self, q, tag):
        """The same for a connection that the gateway itself makes."""
        family = socket.AF_INET6 if wire.is_v6(q["dst"]) else socket.AF_INET
        kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "icmp": socket.SOCK_RAW}
        proto = {"tcp": 0, "udp": 0}.get(q["proto"],
                                         wire.ICMPV6 if wire.is_v6(q["dst"]) else wire.ICMP)
        with socket.socket(family, kind[q["proto"]], proto) as own:
            own.setblocking(False)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request, tag = self._own_request(own, q, tag)
            if request.end != "forwarded":
                return request, None, None
            far = int(request.out[3:])
            reply, left = self._send(far, wire.answer(request.seen), tag, "reply")
            if reply.end != "local" or reply.seen.src != q["dst"] or \
                    (q["proto"] == "tcp" and reply.seen.dst != own.getsockname()[0]):
                return request, reply, None  # the socket did not get it
            if q["proto"] != "tcp":  # which has acknowledged by now
                left = self._own_send(own, q, tag, 1)
            sent = [p for p in left if p.kind == "request"]
            return request, reply, Fate("forwarded", sent[0]) if sent else Fate("nothing")

    def _own_send(self, own, q, tag, leg):
        """A packet from that socket; what left, or nothing where the kernel would not have it."""
        try:
            if leg == 0:
                own.bind(("::" if wire.is_v6(q["dst"]) else "0.0.0.0",
                          q["sport"] if q["proto"] != "icmp" else 0))
                if q["proto"] != "icmp":
                    own.connect((q["dst"], q["dport"]))
            if q["proto"] == "udp":
                own.send(wire.own_payload(q, tag, leg))
            elif q["proto"] == "icmp":
                own.sendto(wire.own_payload(q, tag, leg), (q["dst"], 0))
        except BlockingIOError:
            pass
        except OSError:
            return []
        return self._collect(0, tag)

    def _own_request(self, own, q, tag):
        if q["proto"] == "tcp":
            tag = None  # the kernel picks the sequence number
        for seen in self._own_send(own, q, tag, 0):
            if seen.kind == "request":
                return Fate("forwarded", seen), seen.tag
        family = 6 if wire.is_v6(q["dst"]) else 4
        number = {"tcp": wire.TCP, "udp": wire.UDP}.get(
            q["proto"], wire.ICMP if family == 4 else wire.ICMPV6)
        local = self._delivered(family, number, tag, "request")
        return Fate("local", local) if local else Fate("nothing"), tag

    def _own_reply(self, seen, i, left, tag):
        """What this machine says to what was delivered to it. None: nobody is there to reply."""
        if seen.proto in (wire.TCP, wire.UDP) and seen.dport not in LISTEN:
            return None
        if seen.dst.endswith(".255"):
            return None  # nor may anybody answer from a broadcast address
        if seen.proto == wire.UDP:
            self._answer_datagram(seen.dport, tag)
            left = self._collect(i, tag)
        for packet in left:
            if packet.kind == "reply":
                return Fate("forwarded", packet)
        local = self._delivered(6 if wire.is_v6(seen.src) else 4, seen.proto, tag, "reply")
        return Fate("local", local) if local else Fate("nothing")

    def _answer_datagram(self, port, tag):
        """From the address that it was sent to, as a careful service does."""
        while True:
            try:
                data, extra, _, address = self.udp[port].recvmsg(2048, 128)
            except BlockingIOError:
                raise Lost(f"delivered to port {port}, but not to its socket") from None
            if data[:4] == tag:
                break  # others are later packets of earlier questions
        info = next(d for level, what, d in extra
                    if level == socket.IPPROTO_IPV6 and what == IPV6_PKTINFO)
        try:
            self.udp[port].sendmsg(
                [data[:4] + b"repl"],
                [(socket.IPPROTO_IPV6, IPV6_PKTINFO, info[:16] + bytes(4))], 0, address)
        except OSError:
            pass  # no route, or forbidden by a rule


def _mark(extra):
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == SO_MARK:
            return struct.unpack("=I", data)[0]
    return 0
