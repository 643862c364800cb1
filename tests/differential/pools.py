# SPDX-License-Identifier: GPL-2.0-or-later
"""What a random case is drawn from: interfaces, addresses, ports and marks that have to do with each
other, so that rules do match, with what stands behind them: addresses, neighbours, routes, ip rules,
sysctls."""

import netns

UPLINK_NETS = {4: ["192.0.2.{}", "198.51.100.{}", "203.0.113.{}"],
               6: ["2001:db8:1::{}", "2001:db8:2::{}", "2001:db8:3::{}"]}
LAN_NETS = {4: ["192.168.0.{}", "192.168.1.{}"], 6: ["fd00:1::{}", "fd00:2::{}"]}
LENGTH = {4: 24, 6: 64}
CLIENTS = {4: ["8.8.8.8", "9.9.9.9", "100.64.1.5", "1.2.3.4"],
           6: ["2001:db8:ff::1", "2001:db8:fe::2", "2a00:1::5"]}
BEYOND_LAN = {4: ("10.20.0.{}", "10.20.0.0/24"), 6: ("fd00:20::{}", "fd00:20::/64")}
_NETMAPPED = ("1", "2", "3", "4", "5", "6", "9", "10", "11", "12")  # last parts of all addresses
PORTS = (22, 53, 80, 443, 2222, 3389, 5000, 5001, 8080, 8443)
MARKS = (1, 2, 3, 0x10, 0x11, 0x100)
MASKS = (0xFF, 0xF, 0x3, 0x10, 0xFFFFFFFF)


class Pools:
    """The topology of one case. `family` arguments are 4 or 6."""

    def __init__(self, rng):
        self.rng = rng
        self.uplinks = rng.choice((1, 2, 2, 2, 3))
        self.lans = 1 if self.uplinks == 3 else rng.choice((1, 1, 2))
        self.links = [f"eth{i}" for i in range(self.uplinks + self.lans)]
        self.families = rng.choice(((4,), (4,), (4, 6), (4, 6), (6,)))
        self.own = {4: {}, 6: {}}  # addresses of the gateway, by interface
        self.hosts = {4: {}, 6: {}}  # hosts beside it
        for family in self.families:
            for i, link in enumerate(self.links):
                self._settle(family, i, link)

    def _settle(self, family, i, link):
        net = (UPLINK_NETS[family][i] if i < self.uplinks else LAN_NETS[family][i - self.uplinks])
        rng = self.rng
        if i < self.uplinks:
            self.own[family][link] = [net.format(2)] + [net.format(n) for n in (3, 4)
                                                        if rng.random() < 0.3]
            self.hosts[family][link] = [net.format(n) for n in (1, 9)]
        else:
            self.own[family][link] = [net.format(1)] + ([net.format(2)] if rng.random() < 0.2 else [])
            self.hosts[family][link] = [net.format(n) for n in (10, 11, 12)]

    def is_uplink(self, link):
        return int(link[3:]) < self.uplinks

    def uplink_links(self):
        return self.links[:self.uplinks]

    def lan_links(self):
        return self.links[self.uplinks:]

    def net(self, family, link):
        first = self.own[family][link][0]
        cut = first.rindex("." if family == 4 else ":") + 1
        return f"{first[:cut]}{0 if family == 4 else ''}/{LENGTH[family]}"

    def router(self, family, link):
        """The next hop beyond this interface."""
        if self.is_uplink(link):
            return self.hosts[family][link][0]
        return LAN_NETS[family][int(link[3:]) - self.uplinks].format(254 if family == 4 else "fe")

    # ---- one of them ----

    def link(self):
        return self.rng.choice(self.links)

    def own_address(self, family, uplinks=None):
        links = self.links if uplinks is None else (
            self.uplink_links() if uplinks else self.lan_links())
        return self.rng.choice(self.own[family][self.rng.choice(links)])

    def backend(self, family):
        return self.rng.choice(self.hosts[family][self.rng.choice(self.lan_links())])

    def client(self, family):
        return self.rng.choice(CLIENTS[family])

    def beyond(self, family):
        return BEYOND_LAN[family][0].format(self.rng.choice((5, 6)))

    def address(self, family):
        """Any that may be seen on a packet."""
        pick = self.rng.random()
        if pick < 0.35:
            return self.own_address(family)
        if pick < 0.65:
            return self.backend(family)
        if pick < 0.9:
            return self.client(family)
        return self.beyond(family)

    def prefix(self, family):
        """An address, or a network that some of them are in."""
        pick = self.rng.random()
        if pick < 0.5:
            return self.address(family)
        if pick < 0.85:
            return self.net(family, self.link())
        return self.rng.choice(
            ("0.0.0.0/0", "8.0.0.0/7", "192.0.0.0/8", "100.64.0.0/10", "10.20.0.0/24")
            if family == 4 else ("::/0", "2001:db8::/32", "fd00::/8", "fd00:20::/64"))

    def port(self):
        return self.rng.choice(PORTS)

    def mark(self):
        return self.rng.choice(MARKS)

    def mask(self):
        return self.rng.choice(MASKS)


def addresses(p):
    """Lines for `ip -batch`: addresses and permanent neighbours."""
    lines = []
    for i, link in enumerate(p.links):
        for family in p.families:
            for address in p.own[family][link]:
                lines.append(f"addr add {address}/{LENGTH[family]} dev {link}"
                             + (" nodad" if family == 6 else ""))
            known = p.hosts[family][link] + [p.router(family, link)]
            if family == 6:  # who answers there may meet a rule in INPUT: a netmap's hosts too
                known += [p.net(6, link)[:-len("/64")] + n for n in _NETMAPPED]
            for host in sorted(set(known) - set(p.own[family][link])):
                lines.append(f"neigh add {host} lladdr {netns.mac_text(netns.far_mac(i))} "
                             f"dev {link} nud permanent")
        if 6 in p.families:
            lines.append(f"addr add fe80::{i + 1}/64 dev {link} nodad")
        if 4 in p.families and p.rng.random() < 0.15:
            lines.append(f"addr add 10.{i}.0.2/29 dev {link}")
    return lines


def _default(p, family, link, extra=""):
    return f"default via {p.router(family, link)} dev {link}{extra}"


def routes(p, family):
    """Lines for `ip -4 -batch` or `ip -6 -batch`."""
    rng = p.rng
    ups = p.uplink_links()
    lines = []
    pick = rng.random()
    if pick < 0.06 and len(ups) > 1:
        hops = " ".join(f"nexthop via {p.router(family, u)} dev {u} weight {rng.choice((1, 1, 2))}"
                        for u in ups)
        lines.append(f"route add default {hops}")
    elif pick < 0.96:
        for i, link in enumerate(rng.sample(ups, rng.randint(1, len(ups)))):
            lines.append("route add " + _default(p, family, link, f" metric {(i + 1) * 100}"))
    for i, link in enumerate(ups):
        if rng.random() < 0.75:
            extra = f" src {rng.choice(p.own[family][link])}" if rng.random() < 0.2 else ""
            lines.append("route add " + _default(p, family, link, f"{extra} table {100 + i}"))
        if rng.random() < 0.4:
            for lan in p.lan_links():
                lines.append(f"route add {p.net(family, lan)} dev {lan} table {100 + i}")
        if rng.random() < 0.2:
            lines.append(f"route add unreachable default metric 9999 table {100 + i}")
    if rng.random() < 0.5:
        lan = rng.choice(p.lan_links())
        lines.append(f"route add {BEYOND_LAN[family][1]} via {p.router(family, lan)} dev {lan}")
    for _ in range(rng.choice((0, 0, 1, 2))):
        table = rng.choice(("", "", f" table {100 + rng.randrange(len(ups))}"))
        where = p.prefix(family)
        if where.endswith("/0"):
            continue
        if rng.random() < 0.5:
            kind = rng.choice(("unreachable", "blackhole", "prohibit", "throw"))
            lines.append(f"route add {kind} {where}{table}")
        else:
            link = p.link()
            lines.append(f"route add {where} via {p.router(family, link)} dev {link} "
                         f"metric {rng.choice((5, 50))}{table}")
    return lines


def _selector(p, family):
    rng = p.rng
    kind = rng.randrange(11)
    if kind < 3:
        mask = f"/{p.mask():#x}" if rng.random() < 0.4 else ""
        return f"fwmark {p.mark():#x}{mask}"
    if kind < 5:
        return f"from {p.prefix(family)}"
    if kind == 5:
        return f"to {p.prefix(family)}"
    if kind < 8:
        return f"iif {rng.choice(p.links + ['lo'])}"
    if kind == 8:
        return rng.choice((f"ipproto tcp dport {p.port()}", f"ipproto tcp sport {p.port()}",
                           "ipproto udp", "ipproto tcp", f"ipproto tcp sport {p.port()}-9000"))
    if kind == 9:
        return f"not from {p.prefix(family)}"
    return rng.choice((f"from {p.prefix(family)} iif {p.link()}", f"not fwmark {p.mark():#x}",
                       f"from {p.own_address(family)} to {p.client(family)}", "from all",
                       "tos 0x10", f"fwmark {p.mark():#x} iif {p.link()}"))


def rules(p, family):
    rng = p.rng
    lines = []
    used = []
    if rng.random() < 0.45:
        for i, _ in enumerate(p.uplink_links()):
            lines.append(f"rule add fwmark {i + 1:#x} lookup {100 + i} pref {1000 + i}")
            used.append(1000 + i)
    if rng.random() < 0.25:
        for i, link in enumerate(p.uplink_links()):
            lines.append(f"rule add from {p.own[family][link][0]} lookup {100 + i} pref {1100 + i}")
            used.append(1100 + i)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        pref = rng.choice((10, 500, 900, 1050, 1200, 5000, 32000)) + rng.randrange(3)
        pick = rng.random()
        table = rng.choice((100, 101, 102, "main"))
        action = f"lookup {table}"
        if pick < 0.1:
            action = rng.choice(("unreachable", "prohibit", "blackhole"))
        elif pick < 0.22:
            action = f"lookup main suppress_prefixlength {rng.choice((0, 0, 16))}"
        elif pick < 0.3 and any(u > pref for u in used):
            action = f"goto {rng.choice([u for u in used if u > pref])}"
        selector = _selector(p, family)
        if action in ("unreachable", "prohibit", "blackhole") and selector == "from all":
            continue
        negate, selector = ("not ", selector[4:]) if selector.startswith("not ") else ("", selector)
        lines.append(f"rule add {negate}{selector} {action} pref {pref}")
        used.append(pref)
    # IPv6 goes on asking main until the first rule was added (fib6_has_custom_rules).
    if used and rng.random() < 0.08:
        lines.append("rule del pref 32766")
    return lines


def sysctls(p):
    """Paths and values, in the order in which they are to be written."""
    rng = p.rng
    out = [("net/ipv4/ip_forward", 1 if rng.random() < 0.97 else 0)]
    if 6 in p.families:
        out.append(("net/ipv6/conf/all/forwarding", 1 if rng.random() < 0.97 else 0))
    conf = "net/ipv4/conf/"
    if rng.random() < 0.5:
        out.append((conf + "all/rp_filter", rng.choice((0, 1, 1, 2))))
    for link in p.links:
        if rng.random() < 0.3:
            out.append((f"{conf}{link}/rp_filter", rng.choice((0, 1, 2))))
        for key, chance in (("src_valid_mark", 0.15), ("accept_local", 0.07), ("route_localnet", 0.1)):
            if rng.random() < chance:
                out.append((f"{conf}{link}/{key}", 1))
        if rng.random() < 0.04:
            out.append((f"{conf}{link}/forwarding", 0))
    for key, chance in (("src_valid_mark", 0.15), ("accept_local", 0.05), ("route_localnet", 0.05)):
        if rng.random() < chance:
            out.append((f"{conf}all/{key}", 1))
    for path, chance in (("net/ipv4/tcp_fwmark_accept", 0.1), ("net/ipv4/fwmark_reflect", 0.1),
                         ("net/ipv6/fwmark_reflect", 0.1)):
        if rng.random() < chance:
            out.append((path, 1))
    return [[path, value] for path, value in out]
