# SPDX-License-Identifier: GPL-2.0-or-later
"""Random rules in the words of nft, a command per line."""

import ipaddress
import re

import netns

_SEES_IN, _SEES_OUT = {"prerouting", "input", "forward"}, {"forward", "output", "postrouting"}
_NFPROTO = re.compile(r"meta nfproto ipv[46]\b")
_HOOKS = {
    "filter": ("prerouting", "input", "forward", "output", "postrouting"),
    "nat": ("prerouting", "input", "output", "postrouting"),
    "route": ("output",),
}
_PRIORITIES = (-300, -250, -150, -140, -50, 0, 0, 10, 50, 150)


def _listable(text):
    """A rule without what nft loses when it lists it: the family before a reset."""
    if "with tcp reset" in text:
        text = _NFPROTO.sub("", text)
    return " ".join(text.split())


class Nft:
    """One table."""

    def __init__(self, pools, number):
        self.p, self.rng = pools, pools.rng
        if len(pools.families) == 2:
            self.kind = self.rng.choice(("inet", "inet", "inet", "ip", "ip6"))
        else:
            self.kind = self.rng.choice(("inet", "ip" if 4 in pools.families else "ip6"))
        self.families = {"inet": pools.families, "ip": (4,), "ip6": (6,)}[self.kind]
        self.name = f"{self.kind} t{number}"
        self.sets = []
        self.lines = [f"add table {self.name}"]

    def family(self):
        return self.rng.choice(self.families)

    # ---- pieces ----

    def some(self, make, n=3):
        """An anonymous set of what make() gives, or one of it."""
        made = sorted({str(make()) for _ in range(self.rng.randint(1, n))})
        return made[0] if len(made) == 1 else "{ " + ", ".join(made) + " }"

    def op(self, chance=0.15):
        return "!= " if self.rng.random() < chance else ""

    @staticmethod
    def ip(family):
        return "ip" if family == 4 else "ip6"

    def address_match(self):
        rng, p, family = self.rng, self.p, self.family()
        side = rng.choice(("saddr", "daddr", "daddr"))
        word = f"{self.ip(family)} {side}"
        kind = rng.randrange(6)
        if kind < 2:
            return f"{word} {self.op()}{p.prefix(family)}"
        if kind == 2:
            return f"{word} {self.op()}{self.some(lambda: p.address(family))}"
        named = [s for s in self.sets if s[1] == ("addr", family)]
        if kind == 3 and named:
            return f"{word} {self.op()}@{rng.choice(named)[0]}"
        named = [s for s in self.sets if s[1] == ("pair", family)]
        if kind == 4 and named:
            # (`th` alone would be of ICMP, too, which has its checksum there.)
            port = rng.choice(("tcp dport", "udp dport", "th dport"))
            lead = "meta l4proto { tcp, udp } " if port == "th dport" else ""
            return f"{lead}{word} . {port} {self.op()}@{rng.choice(named)[0]}"
        if family == 4:
            low = rng.choice(("192.168.0.5-192.168.0.11", "192.0.2.0-198.51.100.2", "1.0.0.0-9.9.9.8"))
        else:
            low = rng.choice(("fd00:1::5-fd00:1::11", "2001:db8::-2001:db8:2::3"))
        return f"{word} {self.op()}{low}"

    def port_match(self):
        rng, p = self.rng, self.p
        proto = rng.choice(("tcp", "tcp", "udp", "th"))
        lead = "meta l4proto { tcp, udp } " if proto == "th" else ""
        kind = rng.randrange(6)
        if kind < 2:
            return f"{lead}{proto} dport {self.op()}{p.port()}"
        if kind == 2:
            return f"{lead}{proto} dport {self.op()}{self.some(p.port, 4)}"
        if kind == 3:
            return f"{lead}{proto} dport {self.op()}{rng.choice(('1-1023', '5000-9000', '{ 22, 80-443, 5000-9000 }'))}"
        if kind == 4:
            return f"{lead}{proto} sport {rng.choice(('20000-40000', '>= 30000', '< 1024'))}"
        return rng.choice((
            "meta l4proto tcp", "meta l4proto { udp, icmp, ipv6-icmp }", "meta l4proto != tcp",
            "tcp flags syn", "tcp flags & (syn | ack) == syn", "tcp flags != syn", "tcp flags ack",
            "tcp flags & (fin | syn | rst | ack) == ack | psh"))

    def ct_match(self):
        rng, p, family = self.rng, self.p, self.family()
        return rng.choice((
            lambda: "ct state " + self.op() + rng.choice((
                "new", "established", "established,related", "invalid", "invalid,untracked",
                "{ new, untracked }")),
            lambda: "ct status " + self.op(0.1) + rng.choice((
                "dnat", "snat", "seen-reply", "assured", "confirmed", "dnat,snat")),
            lambda: "ct direction " + self.op() + rng.choice(("original", "reply")),
            lambda: f"ct mark {self.op()}{p.mark():#x}",
            lambda: f"ct mark & {p.mask():#x} {rng.choice(('==', '!='))} {p.mark():#x}",
            lambda: f"ct original {self.ip(family)} daddr {self.op()}{p.prefix(family)}",
            lambda: f"ct reply {self.ip(family)} saddr {self.op()}{p.prefix(family)}",
            lambda: f"meta l4proto {rng.choice(('tcp', 'udp'))} ct original proto-dst "
                    f"{self.op()}{p.port()}",
        ))()

    def fib_match(self, hook):
        rng = self.rng
        kinds = [f"fib daddr type {self.op()}{rng.choice(('local', 'unicast', 'local'))}",
                 f"fib saddr type {self.op()}{rng.choice(('local', 'unicast', 'local'))}"]
        if hook in ("prerouting", "input", "forward"):
            kinds += [f"fib saddr . iif oif {rng.choice(('missing', 'exists', '0'))}",
                      f"fib saddr . mark . iif oif {rng.choice(('missing', 'exists'))}",
                      "fib daddr . iif type local", "fib saddr oif missing",
                      f"fib saddr oifname {self.p.link()}"]
        return rng.choice(kinds)

    def match(self, hook):
        rng, p = self.rng, self.p
        kind = rng.randrange(20)
        if kind < 4:
            return self.address_match()
        if kind < 8:
            return self.port_match()
        if kind < 11:
            sides = []
            if hook in _SEES_IN:
                sides += ["iifname", "iifname", "iif"]
            if hook in _SEES_OUT:
                sides += ["oifname", "oifname", "oif"]
            side = rng.choice(sides)
            if side.endswith("name") and rng.random() < 0.1:
                return f'{side} "eth*"'
            return f"{side} {self.op()}{self.some(p.link, 2)}"
        if kind < 14:
            return self.ct_match()
        if kind < 16:
            return rng.choice((f"meta mark {self.op()}{p.mark():#x}", f"meta mark & {p.mask():#x} == "
                               f"{p.mark():#x}", f"meta mark {self.some(lambda: hex(p.mark()))}",
                               "meta mark 0", f"meta mark > {p.mark():#x}"))
        if kind == 16 and hook in ("prerouting", "input", "forward"):
            return self.fib_match(hook)
        if kind == 17:
            return rng.choice(("icmp type echo-request" if 4 in self.families else
                               "icmpv6 type echo-request", "meta pkttype unicast",
                               "limit rate 1000/second burst 1000 packets"))
        if kind == 18 and self.kind == "inet":
            return f"meta nfproto {rng.choice(('ipv4', 'ipv6'))}"
        if kind == 18 and rng.random() < 0.5:
            return self.of_packet(hook)
        if kind == 19 and rng.random() < 0.5:
            return self.several(hook)
        if kind == 19:
            return f"{self.ip(self.family())} dscp {self.op(0.4)}{rng.choice(('cs0', 'af41', '0x04'))}"
        return "counter"

    def of_packet(self, hook):
        """A match on what a question does not tell: the walk goes both ways."""
        rng, v4 = self.rng, self.family() == 4
        kinds = ["meta length <= 40", "ip length 36-40" if v4 else "meta length > 56",
                 f"ip ttl {self.op()}64" if v4 else f"ip6 hoplimit {self.op()}64",
                 "tcp flags syn tcp option maxseg size 1000-1500"]
        if hook in ("prerouting", "input", "forward"):
            mac = netns.mac_text(netns.far_mac(int(self.p.link()[3:])))
            kinds += [f"ether saddr {self.op()}{mac}"] * 2
        if hook in ("output", "postrouting"):
            kinds += [f"meta skuid {self.op()}0", "meta skgid 5"] * 2
        return rng.choice(kinds)

    def several(self, hook):
        """An anonymous set of concatenations, or of intervals of addresses and marks."""
        rng, p, family = self.rng, self.p, self.family()
        ip = self.ip(family)
        marks = self.some(lambda: f"{ip} saddr", 1)
        keys = [(f"{ip} saddr . tcp dport", lambda: f"{p.address(family)} . {p.port()}"),
                (f"{ip} daddr . udp dport", lambda: f"{p.address(family)} . 5000-9000"),
                (f"{ip} daddr . meta mark", lambda: f"{p.address(family)} . {p.mark():#x}"),
                (f"{marks} . ct mark", lambda: f"{p.address(family)} . {p.mark():#x}"),
                ("meta mark", lambda: f"{p.mark():#x}-0xfff"),
                ("ct mark . meta l4proto", lambda: f"0 . {rng.choice(('tcp', 'udp'))}")]
        if hook in _SEES_IN:
            keys.append((f"iifname . {ip} daddr", lambda: f"{p.link()} . {p.prefix(family)}"))
        if hook in _SEES_OUT:
            keys.append((f"oifname . {ip} saddr", lambda: f"{p.link()} . {p.address(family)}"))
        key, value = rng.choice(keys)
        entries = []
        for _ in range(1 if "-" in value() or "/" in value() else 3):
            made = value()
            if "/0" not in made and made not in entries:
                entries.append(made)
        return f"{key} {self.op()}{{ {', '.join(entries)} }}" if entries else "counter"

    # ---- what a rule does ----

    def endpoint(self, address, family, ported):
        if ported and self.rng.random() < 0.6:
            port = self.p.port()
            return f"[{address}]:{port}" if family == 6 else f"{address}:{port}"
        return address

    def nat_rule(self, hook):
        rng, p, family = self.rng, self.p, self.family()
        word = self.ip(family) if self.kind == "inet" else ""
        ip = self.ip(family)
        pick = rng.random()
        first = self.match(hook) + " " if rng.random() < 0.5 else ""
        if hook == "postrouting":
            out = f"oifname {self.some(p.link, 2)} " if rng.random() < 0.6 else ""
            if pick < 0.45:
                return f"{first}{out}masquerade" + (
                    " to :30000-31000" if "tcp dport" in first and "!=" not in first else "")
            if pick < 0.55:
                proto, low = rng.choice(("tcp", "udp")), p.own_address(family)
                to = rng.choice((f"{low}-{ipaddress.ip_address(low) + 1}",
                                 f"{'[' + low + ']' if family == 6 else low}:30000-31000"))
                return f"{first}{out}meta nfproto ipv{family} meta l4proto {proto} snat {ip} to {to}" \
                    if self.kind == "inet" else f"{first}{out}meta l4proto {proto} snat to {to}"
            if pick < 0.85:
                return f"{first}{out}meta nfproto ipv{family} snat {word} to {p.own_address(family)}" \
                    if self.kind == "inet" else f"{first}{out}snat to {p.own_address(family)}"
            return f"{first}{out}{rng.choice(('accept', 'return'))}"
        if hook == "input":
            return f"{first}snat {word} to {p.own_address(family)}".replace("  ", " ") \
                if rng.random() < 0.4 else f"{first}accept"
        maps = [s for s in self.sets if s[1] in (("dnat", family), ("dnatport", family))]
        if maps and pick < 0.35:
            name, (kind, _) = rng.choice(maps)
            if kind == "dnat":
                return f"{first}dnat {word or ip} to tcp dport map @{name}"
            return f"{first}dnat {word or ip} addr . port to {ip} daddr . tcp dport map @{name}"
        proto = rng.choice(("tcp", "udp"))
        where = rng.choice((f"{proto} dport {p.port()}", f"{proto} dport {self.some(p.port)}", ""))
        dst = rng.choice((f"{ip} daddr {p.own_address(family)} ", f"iifname {p.link()} "
                          if hook == "prerouting" else "", ""))
        if pick < 0.8:
            to = p.backend(family) if rng.random() < 0.85 else p.address(family)
            if self.kind == "inet" and "ip" not in dst:
                dst = f"meta nfproto ipv{family} {dst}"
            return f"{first}{dst}{where} dnat {word} to {self.endpoint(to, family, where)}"
        if pick < 0.92:
            return f"{first}{dst}{where} redirect" + (f" to :{p.port()}" if where else "")
        return f"{first}{rng.choice(('accept', 'return'))}"

    def mark_statement(self):
        rng, p = self.rng, self.p
        return rng.choice((
            lambda: f"meta mark set {p.mark():#x}",
            lambda: f"meta mark set meta mark | {p.mark():#x}",
            lambda: f"meta mark set meta mark & {p.mask():#x}",
            lambda: f"meta mark set meta mark & 0xffffff00 | {p.mark() & 0xFF:#x}",
            lambda: "meta mark set ct mark",
            lambda: f"meta mark set ct mark & {p.mask():#x}",
            lambda: "ct mark set meta mark",
            lambda: f"ct mark set {p.mark():#x}",
            lambda: f"ct mark set meta mark & {p.mask():#x}",
            lambda: f"ct mark set ct mark | {p.mark():#x}",
            lambda: rng.choice(("ip ttl set 20", "ip6 hoplimit set 20")) if self.kind == "inet"
            else ("ip ttl set 20" if self.kind == "ip" else "ip6 hoplimit set 20"),
            lambda: f"{self.ip(self.family())} dscp set {rng.choice(('cs0', '0x04'))}",
            lambda: "counter" if rng.random() < 0.9 else
            f"meta mark set {rng.choice(('numgen random', 'numgen inc', f'jhash {self.ip(self.family())} saddr', 'symhash'))}"
            " mod 2 offset 1",
        ))()

    def verdict(self, jumps):
        rng = self.rng
        if jumps and rng.random() < 0.35:
            return f"{rng.choice(('jump', 'jump', 'goto'))} {rng.choice(jumps)}"
        return rng.choice(("accept", "accept", "accept", "return", "drop", "continue"))

    def reject(self, hook):
        if hook == "postrouting":
            return "drop"
        kinds = ["reject", "meta l4proto tcp reject with tcp reset"]
        if self.kind == "inet":
            kinds.append("reject with icmpx admin-prohibited")
        elif self.kind == "ip":
            kinds.append("reject with icmp admin-prohibited")
        return self.rng.choice(kinds)

    def vmap(self, hook, jumps):
        rng, p, family = self.rng, self.p, self.family()
        named = [s for s in self.sets if s[1] == ("vmap", family)]
        if named and rng.random() < 0.4:
            return f"{self.ip(family)} saddr . tcp dport vmap @{rng.choice(named)[0]}"
        keys = {"tcp dport": p.port, "ct mark": lambda: f"{p.mark():#x}",
                f"{self.ip(family)} daddr": lambda: p.address(family),
                "meta mark": lambda: f"{p.mark():#x}",
                "ct state": lambda: rng.choice(("new", "established", "invalid"))}
        if hook in _SEES_IN:
            keys["iifname"] = p.link
        key = rng.choice(sorted(keys))
        entries = {str(keys[key]()): self.verdict(jumps) for _ in range(rng.randint(1, 3))}
        return f"{key} vmap {{ " + ", ".join(f"{k} : {v}" for k, v in entries.items()) + " }"

    def marking_map(self, hook):
        rng, p = self.rng, self.p
        what = rng.choice(("meta mark", "ct mark"))
        if hook in _SEES_IN and rng.random() < 0.6:
            key, entries = "iifname", {link: p.mark() for link in p.links}
        else:
            family = self.family()
            key = f"{self.ip(family)} {rng.choice(('saddr', 'daddr'))}"
            entries = {p.address(family): p.mark() for _ in range(3)}
        return f"{what} set {key} map {{ " + ", ".join(f"{k} : {v:#x}" for k, v in entries.items()) + " }"

    def filter_rule(self, hook, priority, jumps):
        rng = self.rng
        parts = [self.match(hook) for _ in range(rng.choice((0, 1, 1, 2)))]
        pick = rng.random()
        if priority < 0 or rng.random() < 0.25:
            if priority <= -300 and pick < 0.5 and hook in ("prerouting", "output"):
                last = "notrack"
            elif pick < 0.6:
                last = self.mark_statement()
            elif pick < 0.7:
                last = self.marking_map(hook)
            elif pick < 0.76 and hook in ("forward", "postrouting"):
                last = "tcp flags syn tcp option maxseg size set " + rng.choice(("1200", "rt mtu"))
            elif pick < 0.8:
                last = self.vmap(hook, jumps)
            else:
                last = rng.choice(("accept", "return")) if not jumps else self.verdict(jumps)
            if last == "drop" and not parts:
                last = "accept"
            return " ".join([*parts, last])
        if pick < 0.5:
            last = "accept"
        elif pick < 0.6:
            last = "drop"
        elif pick < 0.72:
            last = self.reject(hook)
        elif pick < 0.84:
            last = self.vmap(hook, jumps)
        else:
            last = self.verdict(jumps)
        if last.startswith(("drop", "reject")) and not parts:
            parts = ["meta l4proto udp"]
        return " ".join([*parts, last])

    # ---- sets, chains ----

    def declare(self):
        rng, p = self.rng, self.p
        for n in range(rng.choice((0, 1, 2, 3))):
            family = self.family()
            address = "ipv4_addr" if family == 4 else "ipv6_addr"
            kind = rng.choice(("addr", "addr", "pair", "dnat", "dnatport"))
            name = f"s{n}"
            if kind == "addr":
                kinds, flags = address, "flags interval; auto-merge; "
                elements = {p.prefix(family) for _ in range(3)}
            elif kind == "pair":
                interval = rng.random() < 0.5
                kinds, flags = f"{address} . inet_service", "flags interval; " if interval else ""
                elements = {f"{p.prefix(family) if interval else p.address(family)} . "
                            f"{rng.choice((p.port(), '5000-9000')) if interval else p.port()}"
                            for _ in range(1 if interval else 3)}
            elif kind == "dnat":
                kinds, flags = f"inet_service : {address}", ""
                elements = {f"{port} : {p.backend(family)}"
                            for port in rng.sample((22, 53, 80, 443, 8080), 3)}
            else:
                kinds, flags = f"{address} . inet_service : {address} . inet_service", ""
                keys = sorted({(p.own_address(family), p.port()) for _ in range(3)})
                elements = {f"{a} . {port} : {p.backend(family)} . {p.port()}" for a, port in keys}
            word = "map" if ":" in kinds.replace("ipv6_addr", "") else "set"
            elements = sorted(e for e in elements if "/0" not in e)
            if not elements:
                continue
            self.sets.append((name, (kind, family)))
            self.lines.append(f"add {word} {self.name} {name} {{ type {kinds}; {flags}"
                              f"elements = {{ {', '.join(elements)} }} }}")

    def build(self):
        rng = self.rng
        self.declare()
        bases, plain = [], []
        for n in range(rng.choice((1, 2, 3, 4))):
            kind = rng.choice(("filter", "filter", "nat", "nat", "route"))
            hook = rng.choice(_HOOKS[kind])
            priority = rng.choice(_PRIORITIES) if kind != "nat" else (
                -100 if hook in ("prerouting", "output") else 100) + rng.choice((0, 0, -5, 5))
            drop = kind == "filter" and hook in ("input", "forward") and rng.random() < 0.1
            bases.append((f"b{n}", kind, hook, priority))
            self.lines.append(f"add chain {self.name} b{n} {{ type {kind} hook {hook} priority "
                              f"{priority}; policy {'drop' if drop else 'accept'}; }}")
        filters = [b for b in bases if b[1] != "nat"]
        if filters:
            for n in range(rng.choice((0, 0, 1, 2))):
                plain.append((f"u{n}", rng.choice(filters)))
                self.lines.append(f"add chain {self.name} u{n}")
        for name, kind, hook, priority in bases:
            jumps = [u for u, base in plain if base[0] == name]
            for _ in range(rng.choice((1, 2, 3, 4))):
                text = (self.nat_rule(hook) if kind == "nat"
                        else self.filter_rule(hook, priority, jumps))
                self.lines.append(f"add rule {self.name} {name} {_listable(text)}")
        for name, (_, _, hook, priority) in plain:
            for _ in range(rng.randint(1, 3)):
                text = self.filter_rule(hook, priority, [])
                self.lines.append(f"add rule {self.name} {name} {_listable(text)}")
        return self.lines


def rules(pools):
    """Lines for `nft -f`."""
    out = []
    for number in range(pools.rng.choice((1, 1, 2))):
        out += Nft(pools, number).build()
    return out
