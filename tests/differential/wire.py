# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as bytes: written by hand and read back, since this is done very often."""

import ipaddress
import struct

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
ETH_IP, ETH_IP6, ETH_ARP, ETH_FENCE = 0x0800, 0x86DD, 0x0806, 0x88B5
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS, TTL = 1460, 64


def is_v6(addr):
    return ":" in addr


def packed(addr):
    return ipaddress.ip_address(addr).packed


def plain(data):
    return str(ipaddress.ip_address(data))


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(src, dst, proto, body, ttl=TTL):
    if len(src) == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, ttl, proto, 0, src, dst)
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
    return struct.pack("!IHBB16s16s", 0x60000000, len(body), proto, ttl, src, dst) + body


def segment(src, dst, proto, body, at):
    """Put the checksum of an upper layer into its header, at this offset."""
    pseudo = b"" if proto == ICMP else (
        src + dst + (struct.pack("!BBH", 0, proto, len(body)) if len(src) == 4
                     else struct.pack("!II", len(body), proto)))
    total = checksum(pseudo + body) or (0xFFFF if proto == UDP else 0)
    return body[:at] + struct.pack("!H", total) + body[at + 2:]


def request(proto, src, sport, dst, dport, tag, leg):
    """A request as an IP packet. tag: 4 bytes that it is known by. leg: 0 the first, 1 a later one.

    TCP: the tag is the first sequence number. ICMP echo: sport is the identifier.
    """
    s, d = packed(src), packed(dst)
    if proto == "tcp":
        seq = int.from_bytes(tag, "big")
        if leg == 0:
            body = struct.pack("!HHIIBBHHHBBH", sport, dport, seq, 0, 6 << 4, SYN, 64240, 0, 0, 2, 4,
                               MSS)
            return ip_packet(s, d, TCP, segment(s, d, TCP, body, 16))
        raise ValueError("later requests of TCP need the reply's sequence number")
    if proto == "udp":
        body = struct.pack("!HHHH", sport, dport, 16, 0) + tag + bytes([leg]) * 4
        return ip_packet(s, d, UDP, segment(s, d, UDP, body, 6))
    kind, number = (128, ICMPV6) if is_v6(src) else (8, ICMP)
    body = struct.pack("!BBHHH", kind, 0, 0, sport, leg + 1) + tag + bytes([leg]) * 4
    return ip_packet(s, d, number, segment(s, d, number, body, 2))


def tcp_later(src, sport, dst, dport, tag, reply_seq):
    """The further request of TCP: acknowledges the SYN-ACK and carries a few bytes."""
    s, d = packed(src), packed(dst)
    seq = (int.from_bytes(tag, "big") + 1) & 0xFFFFFFFF
    body = struct.pack("!HHIIBBHHH", sport, dport, seq, (reply_seq + 1) & 0xFFFFFFFF, 5 << 4,
                       PSH | ACK, 64240, 0, 0) + tag
    return ip_packet(s, d, TCP, segment(s, d, TCP, body, 16))


def own_payload(q, tag, leg):
    """What the gateway's own socket is given to send: UDP's payload, or an echo's whole message."""
    if q["proto"] == "udp":
        return tag + bytes([leg]) * 4
    body = struct.pack("!BBHHH", 128 if is_v6(q["dst"]) else 8, 0, 0, q["sport"], leg + 1) + \
        tag + bytes([leg]) * 4
    return segment(b"", b"", ICMP, body, 2)  # that of ICMPv6 is the kernel's to make


def answer(seen):
    """What the far side says to a request that it got (a Seen)."""
    s, d = packed(seen.dst), packed(seen.src)
    if seen.proto == TCP:
        seq = int.from_bytes(seen.tag, "big") ^ 0x55555555
        body = struct.pack("!HHIIBBHHHBBH", seen.dport, seen.sport, seq, (seen.seq + 1) & 0xFFFFFFFF,
                           6 << 4, SYN | ACK, 64240, 0, 0, 2, 4, MSS)
        return ip_packet(s, d, TCP, segment(s, d, TCP, body, 16))
    if seen.proto == UDP:
        body = struct.pack("!HHHH", seen.dport, seen.sport, 16, 0) + seen.tag + b"repl"
        return ip_packet(s, d, UDP, segment(s, d, UDP, body, 6))
    kind = 129 if seen.proto == ICMPV6 else 0
    body = struct.pack("!BBHHH", kind, 0, 0, seen.sport, seen.seq) + seen.tag + b"repl"
    return ip_packet(s, d, seen.proto, segment(s, d, seen.proto, body, 2))


def frame(to, by, packet):
    return to + by + struct.pack("!H", ETH_IP6 if packet[0] >> 4 == 6 else ETH_IP) + packet


def arp_reply(data, mac):
    """To the ARP request in this frame: that address is here."""
    asks_mac, asks_ip, wanted = data[22:28], data[28:32], data[38:42]
    return (asks_mac + mac + struct.pack("!HHHBBH", ETH_ARP, 1, ETH_IP, 6, 4, 2) +
            mac + wanted + asks_mac + asks_ip)


def neighbour_reply(data, mac):
    """To the neighbour solicitation in this frame."""
    asks_mac, asks_ip, wanted = data[6:12], data[22:38], data[62:78]
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + wanted + bytes((2, 1)) + mac
    body = segment(wanted, asks_ip, ICMPV6, body, 2)
    return frame(asks_mac, mac, ip_packet(wanted, asks_ip, ICMPV6, body, 255))


class Seen:
    """A packet that was seen, as far as it matters here."""

    __slots__ = ("proto", "src", "dst", "sport", "dport", "seq", "mss", "ttl", "tag", "kind", "error",
                 "mark", "place")

    def __repr__(self):
        return (f"{self.kind} {self.place} proto {self.proto} {self.src}:{self.sport} > "
                f"{self.dst}:{self.dport} mark {self.mark:#x} ttl {self.ttl} error {self.error}")


def _options_mss(options):
    while options:
        if options[0] == 1:
            options = options[1:]
            continue
        if len(options) < 2 or options[0] == 0 or options[1] < 2:
            break
        if options[0] == 2:
            return int.from_bytes(options[2:4], "big")
        options = options[options[1]:]
    return None


def read(packet, tag):
    """Of an IP packet: what it is, as read_body() says."""
    if packet[0] >> 4 == 4:
        length = (packet[0] & 15) * 4
        proto, ttl, src, dst = packet[9], packet[8], packet[12:16], packet[16:20]
    else:
        length, proto, ttl, src, dst = 40, packet[6], packet[7], packet[8:24], packet[24:40]
    return read_body(proto, plain(src), plain(dst), ttl, packet[length:], tag)


def read_body(proto, src, dst, ttl, body, tag):
    """What an upper layer's packet is to the request known by this tag (None: to the first SYN seen).

    kind: "request" and "reply", where it is one; "reset", "error" (with its type and code) about
    either; else None.
    """
    seen = Seen()
    seen.proto, seen.src, seen.dst, seen.ttl, seen.tag = proto, src, dst, ttl, tag
    seen.kind = seen.mss = seen.error = None
    seen.sport = seen.dport = seen.seq = seen.mark = 0
    seen.place = ""
    if proto == TCP and len(body) >= 20:
        if tag is None:
            seen.tag = tag = body[4:8]
        _read_tcp(seen, body, int.from_bytes(tag, "big"))
    elif tag is None:
        pass
    elif proto == UDP and len(body) >= 16:
        seen.sport, seen.dport = struct.unpack("!HH", body[:4])
        if body[8:12] == tag:
            seen.kind = "reply" if body[12:16] == b"repl" else "request"
    elif proto in (ICMP, ICMPV6) and len(body) >= 8:
        _read_icmp(seen, body, tag)
    return seen


def _read_tcp(seen, body, first):
    seen.sport, seen.dport, seen.seq, ack, _, flags = struct.unpack("!HHIIBB", body[:14])
    seen.mss = _options_mss(body[20:(body[12] >> 4) * 4])
    answers = first ^ 0x55555555
    from_client = seen.seq in (first, first + 1)
    from_server = seen.seq == answers or (flags & ACK and first < ack <= first + 5)
    if flags & RST:
        if from_client or from_server or seen.seq == answers + 1 or ack == answers + 1:
            seen.kind = "reset"
    elif from_client:
        seen.kind = "request"
    elif from_server:
        seen.kind = "reply"


def _read_icmp(seen, body, tag):
    echo = {8: "request", 0: "reply"} if seen.proto == ICMP else {128: "request", 129: "reply"}
    if body[0] in echo:
        seen.sport, seen.seq = struct.unpack("!HH", body[4:8])
        if body[8:12] == tag:
            seen.kind = echo[body[0]]
        return
    first = int.from_bytes(tag, "big")
    near = (first, first + 1, first ^ 0x55555555)
    if any((n & 0xFFFFFFFF).to_bytes(4, "big") in body[8:] for n in near):
        seen.kind, seen.error = "error", (body[0], body[1])
