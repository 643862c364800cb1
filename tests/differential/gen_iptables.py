# SPDX-License-Identifier: GPL-2.0-or-later
"""Random rules in the words of iptables-restore."""

import ipaddress

import netns

PRE, IN, FWD, OUT, POST = "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"
CHAINS = {
    "raw": (PRE, OUT),
    "mangle": (PRE, IN, FWD, OUT, POST),
    "nat": (PRE, IN, OUT, POST),
    "filter": (IN, FWD, OUT),
}
_SEES_IN, _SEES_OUT = {PRE, IN, FWD}, {FWD, OUT, POST}
IPSETS = {4: ("hosts4", "nets4", "pairs4"), 6: ("hosts6", "nets6", "pairs6")}


class Iptables:
    """Rules of one family for one of iptables-nft and iptables-legacy."""

    def __init__(self, pools, family, ipsets):
        self.p, self.rng, self.family, self.ipsets = pools, pools.rng, family, ipsets

    def maybe_not(self, text, chance=0.15):
        return ("! " if self.rng.random() < chance else "") + text

    # ---- matches ----

    def _ports(self, n):
        picked = [str(x) for x in sorted(self.rng.sample((22, 53, 80, 443, 2222, 8080), n))]
        if self.rng.random() < 0.3:
            picked[-1] = "5000:9000"
        return ",".join(picked)

    def protocol(self):
        """With what can be said of its ports or types."""
        rng, port = self.rng, self.p.port
        proto = rng.choice(("tcp", "tcp", "tcp", "udp", "udp", "icmp"))
        if proto == "icmp":
            if self.family == 6:
                return rng.choice(("-p ipv6-icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type 128",
                                   "-p ipv6-icmp -m icmp6 ! --icmpv6-type 129"))
            return rng.choice(("-p icmp", "-p icmp -m icmp --icmp-type 8",
                               "-p icmp -m icmp ! --icmp-type 0"))
        kind = rng.randrange(10)
        if kind < 2:
            return self.maybe_not(f"-p {proto}")
        if kind < 6:
            return f"-p {proto} -m {proto} {self.maybe_not(f'--dport {port()}')}"
        if kind == 6:
            return f"-p {proto} -m {proto} --dport {rng.choice(('1:1023', '5000:9000', '80:443'))}"
        if kind == 7:
            return f"-p {proto} -m {proto} --sport {rng.choice(('20000:40000', '1:1023', '40001:'))}"
        if kind == 8:
            which = rng.choice(("--dports", "--sports", "--ports"))
            return f"-p {proto} -m multiport {self.maybe_not(f'{which} {self._ports(3)}')}"
        if proto == "tcp":
            return "-p tcp -m tcp " + rng.choice((
                "--syn", "! --syn", "--tcp-flags SYN,RST SYN", "--tcp-flags ACK ACK",
                "! --tcp-flags SYN,ACK SYN"))
        return "-p udp"

    def conntrack(self):
        rng, p = self.rng, self.p
        return "-m conntrack " + rng.choice((
            lambda: self.maybe_not("--ctstate " + rng.choice((
                "NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "NEW,RELATED", "DNAT",
                "SNAT", "UNTRACKED", "DNAT,ESTABLISHED", "INVALID,UNTRACKED"))),
            lambda: self.maybe_not("--ctstatus " + rng.choice((
                "NONE", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SEEN_REPLY,ASSURED"))),
            lambda: "--ctdir " + rng.choice(("ORIGINAL", "REPLY")),
            lambda: self.maybe_not(f"--ctorigdst {p.prefix(self.family)}"),
            lambda: self.maybe_not(f"--ctorigsrc {p.prefix(self.family)}"),
            lambda: self.maybe_not(f"--ctreplsrc {p.prefix(self.family)}"),
            lambda: self.maybe_not(f"--ctrepldst {p.prefix(self.family)}"),
            lambda: f"--ctorigdstport {p.port()}",
            lambda: f"--ctproto {rng.choice((6, 17))} --ctorigdstport {p.port()}",
            lambda: f"--ctstate NEW --ctdir ORIGINAL --ctorigdst {p.own_address(self.family)}",
        ))()

    def extra(self, table, chain):
        """A match other than by address, interface and protocol."""
        rng, p = self.rng, self.p
        kind = rng.randrange(12)
        if kind < 3:
            mask = f"/{p.mask():#x}" if rng.random() < 0.5 else ""
            return f"-m {rng.choice(('mark', 'connmark'))} {self.maybe_not(f'--mark {p.mark():#x}{mask}')}"
        if kind < 6:
            return self.conntrack()
        if kind == 6:
            return "-m state " + self.maybe_not(
                "--state " + rng.choice(("NEW", "ESTABLISHED,RELATED", "INVALID")))
        if kind == 7:
            types = ("LOCAL", "UNICAST") if self.family == 6 else (
                "LOCAL", "LOCAL", "UNICAST", "BROADCAST", "UNREACHABLE", "BLACKHOLE")
            side = rng.choice(("src", "dst"))
            limit = ""
            if rng.random() < 0.2 and chain in (PRE, IN):
                limit = " --limit-iface-in"
            return f"-m addrtype {self.maybe_not(f'--{side}-type {rng.choice(types)}')}{limit}"
        if kind == 8:
            first, last = sorted((p.address(self.family), p.address(self.family)), key=_number)
            side = rng.choice(("src", "dst"))
            return "-m iprange " + self.maybe_not(f"--{side}-range {first}-{last}")
        if kind == 9 and self.ipsets:
            name = rng.choice(self.ipsets)
            dims = rng.choice(("dst,dst", "src,dst")) if name.startswith("pairs") else \
                rng.choice(("src", "dst"))
            return f"-m set {self.maybe_not(f'--match-set {name} {dims}')}"
        if kind == 10 and chain == PRE and table in ("raw", "mangle"):
            options = [o for o in ("--loose", "--validmark", "--accept-local", "--invert")
                       if rng.random() < 0.35]
            return " ".join(["-m rpfilter", *options])
        if rng.random() < 0.1:
            return "-m statistic --mode " + rng.choice(
                ("random --probability 0.5", "nth --every 2 --packet 0"))
        if rng.random() < 0.3:
            return self.of_packet(chain)
        return rng.choice(("-m hashlimit --hashlimit-upto 1000/sec --hashlimit-burst 1000 "
                           "--hashlimit-mode srcip --hashlimit-name quiet",
                           "-m connlimit --connlimit-above 1000 --connlimit-mask 0",
                           "-m helper --helper ftp", "-m devgroup --src-group 0"
                           if chain in (PRE, IN, FWD) else "-m devgroup --dst-group 0"
                           if chain in (FWD, OUT, POST) else "-m helper --helper sip",
                           "-m comment --comment \"a comment\"", "-m pkttype --pkt-type unicast",
                           "-m limit --limit 1000/sec --limit-burst 1000", "-m dscp --dscp 0x04",
                           "-m tos --tos 0x10/0x3f", "-m dscp ! --dscp 0x00"))

    def of_packet(self, chain):
        """A match on what a question does not tell: the walk goes both ways."""
        rng = self.rng
        kinds = [f"-m length --length {rng.choice(('0:40', '41:1000', '36'))}",
                 "-p tcp -m tcp --tcp-flags SYN SYN -m tcpmss --mss 1000:1500"]
        if self.family == 4:
            kinds += [f"-m ttl --ttl-{rng.choice(('eq 64', 'lt 64', 'gt 10'))}"]
        else:
            kinds += [f"-m hl --hl-{rng.choice(('eq 64', 'lt 64', 'gt 10'))}"]
        if chain in (PRE, IN, FWD):
            mac = netns.mac_text(netns.far_mac(int(self.p.link()[3:])))
            kinds += [f"-m mac {self.maybe_not(f'--mac-source {mac}')}"] * 2
        if chain in (OUT, POST):
            kinds += [f"-m owner {self.maybe_not('--uid-owner 0')}", "-m owner --gid-owner 5",
                      "-m owner --socket-exists"] * 2
        return rng.choice(kinds)

    def matches(self, table, chain, hooks):
        rng, p = self.rng, self.p
        n = rng.choice((0, 1, 1, 1, 2, 2, 3))
        out = []
        kinds = rng.sample(("-d", "-s", "iface", "protocol", "extra", "extra"), n)
        proto = ""
        for kind in sorted(kinds, key=("-d", "-s", "iface", "protocol", "extra").index):
            if kind == "iface":
                sides = [side for side, seen in (("-i", _SEES_IN), ("-o", _SEES_OUT)) if hooks <= seen]
                name = p.link() if rng.random() < 0.93 else "eth+"
                out.append(self.maybe_not(f"{rng.choice(sides)} {name}"))
            elif kind in ("-d", "-s"):
                out.append(self.maybe_not(f"{kind} {p.prefix(self.family)}"))
            elif kind == "protocol":
                proto = self.protocol()
                out.append(proto)
            else:
                out.append(self.extra(table, chain))
        return out, proto

    # ---- targets ----

    def _with_port(self, address, proto):
        if self.rng.random() < 0.6 and ("tcp" in proto or "udp" in proto) and "!" not in proto:
            port = self.p.port()
            return f"[{address}]:{port}" if self.family == 6 else f"{address}:{port}"
        return address

    def _ranged(self, address, ported):
        """Now and then a range of addresses or of ports."""
        if self.rng.random() < 0.12:
            return f"{address}-{ipaddress.ip_address(address) + 1}"
        if ported and self.rng.random() < 0.2:
            return (f"[{address}]" if self.family == 6 else address) + ":30000-31000"
        return address

    def nat_target(self, hooks, proto):
        rng, p = self.rng, self.p
        ported = ("-p tcp" in proto or "-p udp" in proto) and "! -p" not in proto
        if hooks <= {POST}:
            pick = rng.random()
            if pick < 0.45:
                return "-j MASQUERADE" + (" --to-ports 30000-31000" if ported and
                                          rng.random() < 0.15 else "")
            if pick < 0.9:
                return "-j SNAT --to-source " + self._ranged(p.own_address(self.family), ported)
            if pick < 0.95 and self.ipsets is not None:
                return f"-j NETMAP --to {p.net(self.family, p.link())}"
            return rng.choice(("-j ACCEPT", "-j RETURN"))
        if hooks <= {IN}:
            return rng.choice((f"-j SNAT --to-source {p.own_address(self.family)}", "-j ACCEPT"))
        pick = rng.random()
        if pick < 0.7:
            to = p.backend(self.family) if rng.random() < 0.85 else p.address(self.family)
            if rng.random() < 0.15:
                return f"-j DNAT --to-destination {self._ranged(to, ported)}"
            return f"-j DNAT --to-destination {self._with_port(to, proto)}"
        if pick < 0.82:
            return "-j REDIRECT" + (f" --to-ports {rng.choice((p.port(), p.port(), '30000-31000'))}"
                                    if ported else "")
        if pick < 0.88:
            return f"-j NETMAP --to {p.net(self.family, p.link())}"
        return rng.choice(("-j ACCEPT", "-j RETURN"))

    def mangle_target(self, table, hooks, proto):
        rng, p = self.rng, self.p
        masked = rng.random() < 0.4
        pick = rng.random()
        if pick < 0.45:
            value = f"{p.mark():#x}" + (f"/{p.mask():#x}" if masked else "")
            return "-j MARK " + rng.choice((
                f"--set-mark {value}", f"--set-mark {value}", f"--set-xmark {value}",
                f"--or-mark {p.mark():#x}", f"--and-mark {p.mask():#x}",
                f"--xor-mark {p.mark():#x}"))
        if pick < 0.8:
            masks = f" --nfmask {p.mask():#x} --ctmask {p.mask():#x}" if masked else ""
            return "-j CONNMARK " + rng.choice((
                f"--save-mark{masks}", f"--restore-mark{masks}", f"--set-mark {p.mark():#x}",
                f"--set-xmark {p.mark():#x}/{p.mask():#x}", f"--or-mark {p.mark():#x}"))
        if pick < 0.87 and hooks <= {FWD, POST, OUT} and "-p tcp" in proto and "! -p" not in proto:
            return "-m tcp --tcp-flags SYN,RST SYN -j TCPMSS " + rng.choice(
                ("--set-mss 1200", "--clamp-mss-to-pmtu", "--set-mss 1500"))
        if pick < 0.9:
            return rng.choice(("-j TOS --set-tos 0x10/0x3f", "-j DSCP --set-dscp 0x04",
                               "-j HL --hl-set 20" if self.family == 6 else "-j TTL --ttl-set 20"))
        return rng.choice(("-j ACCEPT", "-j RETURN", "-j RETURN", "-j LOG"))

    def filter_target(self, proto):
        rng = self.rng
        pick = rng.random()
        if pick < 0.6:
            return "-j ACCEPT"
        if pick < 0.75:
            return "-j DROP"
        if pick < 0.9:
            if "-p tcp" in proto and "! -p" not in proto and rng.random() < 0.5:
                return "-j REJECT --reject-with tcp-reset"
            if self.family == 6:
                return rng.choice(("-j REJECT", "-j REJECT --reject-with icmp6-adm-prohibited"))
            return rng.choice(("-j REJECT", "-j REJECT --reject-with icmp-admin-prohibited"))
        return rng.choice(("-j RETURN", "-j LOG", "-j NFLOG"))

    def target(self, table, hooks, proto):
        if table == "nat":
            return self.nat_target(hooks, proto)
        if table == "raw":
            return self.rng.choice(("-j CT --notrack", "-j NOTRACK", "-j MARK --set-mark 0x2",
                                    "-j ACCEPT", "-j RETURN", "-j MARK --set-xmark 0x10/0x10",
                                    "-j DROP"))
        if table == "mangle":
            return self.mangle_target(table, hooks, proto)
        return self.filter_target(proto)

    # ---- tables ----

    def rule(self, table, chain, hooks, jump=None):
        parts, proto = self.matches(table, min(hooks) if len(hooks) == 1 else "", hooks)
        if jump is not None:
            last = f"{self.rng.choice(('-j', '-j', '-j', '-g'))} {jump}"
        else:
            last = self.target(table, hooks, proto)
            if table in ("filter", "raw") and not parts and last not in ("-j ACCEPT", "-j LOG"):
                parts = ["-p udp"]
                last = last.replace("tcp-reset", "icmp-port-unreachable")
        return " ".join(["-A", chain, *parts, last])

    def usual(self, table):
        """What sane gateways have, so that not all is noise."""
        p, rng, out = self.p, self.rng, []
        if table == "nat":
            for link in p.uplink_links():
                for _ in range(rng.choice((0, 1, 2))):
                    proto = rng.choice(("tcp", "udp"))
                    where = rng.choice((f"-i {link}", f"-d {p.own[self.family][link][0]}",
                                        f"-d {p.own[self.family][link][0]}"))
                    to = self._with_port(p.backend(self.family), proto)
                    out.append(f"-A {PRE} {where} -p {proto} -m {proto} --dport {p.port()} "
                               f"-j DNAT --to-destination {to}")
                if rng.random() < 0.7:
                    out.append(f"-A {POST} -o {link} -j " + rng.choice(
                        ("MASQUERADE", f"SNAT --to-source {rng.choice(p.own[self.family][link])}")))
            if rng.random() < 0.25:
                lan = rng.choice(p.lan_links())
                net = p.net(self.family, lan)
                out.append(f"-A {POST} -s {net} -d {net} -j " + rng.choice(
                    ("MASQUERADE", f"SNAT --to-source {p.own[self.family][lan][0]}")))
        elif table == "mangle" and rng.random() < 0.5:
            mask = rng.choice(("", " --nfmask 0xff --ctmask 0xff"))
            out.append(f"-A {PRE} -j CONNMARK --restore-mark{mask}")
            if rng.random() < 0.5:
                out.append(f"-A {PRE} -m mark ! --mark 0x0 -j ACCEPT")
            for i, link in enumerate(p.uplink_links()):
                state = rng.choice(("", " -m conntrack --ctstate NEW"))
                out.append(f"-A {PRE} -i {link}{state} -j MARK --set-mark {i + 1:#x}")
            out.append(f"-A {rng.choice((PRE, PRE, FWD, POST))} -j CONNMARK --save-mark{mask}")
            if rng.random() < 0.5:
                out.append(f"-A {OUT} -j CONNMARK --restore-mark{mask}")
        elif table == "filter" and rng.random() < 0.4:
            for chain in (IN, FWD):
                out.append(f"-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
                if rng.random() < 0.5:
                    out.append(f"-A {chain} -m conntrack --ctstate INVALID -j DROP")
            out.append(f"-A {FWD} -m conntrack --ctstate DNAT -j ACCEPT")
            for lan in p.lan_links():
                out.append(f"-A {FWD} -i {lan} -j ACCEPT")
        return out

    def table(self, table):
        """The lines of one table."""
        rng = self.rng
        hooks = CHAINS[table]
        drop = table == "filter" and rng.random() < 0.15
        lines = [f"*{table}"]
        for chain in hooks:
            policy = "DROP" if drop and chain != OUT else "ACCEPT"
            lines.append(f":{chain} {policy} [0:0]")
        own = {}  # user chains and the hooks that lead there
        for name in ("first", "second")[:rng.choice((0, 0, 1, 2))]:
            lead = rng.choice(hooks)
            own[name] = {lead}
            lines.append(f":{name} - [0:0]")
        rules = self.usual(table)
        for _ in range(rng.choice((0, 1, 2, 3, 5)) if table != "raw" else rng.choice((0, 0, 1, 2))):
            chain = rng.choice(hooks)
            rules.insert(rng.randint(0, len(rules)), self.rule(table, chain, {chain}))
        for name, lead in own.items():
            rules.insert(rng.randint(0, len(rules)), self.rule(table, min(lead), lead, name))
            for _ in range(rng.randint(1, 3)):
                rules.append(self.rule(table, name, lead))
        if len(own) == 2 and own["first"] == own["second"]:
            rules.append(self.rule(table, "first", own["first"], "second"))
        return lines + rules + ["COMMIT"]


def _number(address):
    return int(ipaddress.ip_address(address))


def rules(pools, family, ipsets):
    """Lines for iptables-restore."""
    made = Iptables(pools, family, ipsets)
    out = []
    for table, chance in (("raw", 0.25), ("mangle", 0.7), ("nat", 0.85), ("filter", 0.6)):
        if pools.rng.random() < chance:
            out += made.table(table)
    return out


def ipsets(pools):
    """Lines for `ipset restore`, and the names by family."""
    lines, names = [], {4: [], 6: []}
    rng = pools.rng
    for family in pools.families:
        kind = "inet" if family == 4 else "inet6"
        hosts, nets, pairs = IPSETS[family]
        lines.append(f"create {hosts} hash:ip family {kind}")
        lines += [f"add {hosts} {a}" for a in sorted({pools.address(family) for _ in range(3)})]
        lines.append(f"create {nets} hash:net family {kind}")
        nets_in = {pools.prefix(family) for _ in range(3)}
        lines += [f"add {nets} {n}" + (" nomatch" if rng.random() < 0.1 and "/" not in n else "")
                  for n in sorted(nets_in) if not n.endswith("/0")]
        lines.append(f"create {pairs} hash:ip,port family {kind}")
        lines += sorted({f"add {pairs} {pools.address(family)},{rng.choice(('tcp', 'udp'))}:"
                         f"{pools.port()}" for _ in range(3)})
        names[family] = [hosts, nets, pairs]
    return lines, names
