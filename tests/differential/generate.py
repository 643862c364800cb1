# SPDX-License-Identifier: GPL-2.0-or-later
"""A random case: a state, as the lines that tools are given, and questions about it.

A case is a dict of plain values, as it is kept in cases/*.json:
  links      how many interfaces
  ip, ip4, ip6        lines for `ip -batch`, `ip -4 -batch`, `ip -6 -batch`
  sysctl     pairs of path and value, in order
  ipset, nft, and {iptables,ip6tables}-{nft,legacy}   lines for the tools of these names
  then       whether connections are there already: the questions are sent, then the rules become those
             of then-nft and so on, ip rules are added, and only then it is explained and sent again
  dumps      what the prediction is made from: "json", "text" or "live"
  questions  proto, src, sport, dst, dport, in
"""

import random
import re

import gen_iptables
import gen_nft
import pools

ECHO_ID, OWN_PORT = 1, 40000  # portreeve's, where a question cannot name one
RULES = ("nft", "iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy")
LISTS = ("ip", "ip4", "ip6", "sysctl", "ipset", "nft", "iptables-nft", "iptables-legacy",
         "ip6tables-nft", "ip6tables-legacy")
THEN = ("then-ip4", "then-ip6", *("then-" + name for name in RULES))
ALL = LISTS + THEN


def case(seed, number, packets):
    """The case with that number of that seed: always the same."""
    rng = random.Random(f"{seed}:{number}")
    p = pools.Pools(rng)
    made = {"seed": seed, "number": number, "links": len(p.links)}
    made.update((name, []) for name in LISTS)
    made["ip"] = pools.addresses(p)
    made["sysctl"] = pools.sysctls(p)
    for family in p.families:
        made[f"ip{family}"] = pools.routes(p, family) + pools.rules(p, family)
    tools = rng.choice((("nft",), ("iptables-nft",), ("iptables-legacy",), ("iptables-nft", "nft"),
                        ("iptables-nft", "iptables-legacy"), ("iptables-legacy", "nft"),
                        ("iptables-nft", "iptables-legacy", "nft")))
    names = {4: [], 6: []}
    if tools != ("nft",) and rng.random() < 0.3:
        made["ipset"], names = gen_iptables.ipsets(p)
    _rules(p, made, "", tools, names)
    made["dumps"] = rng.choice(("json", "json", "text", "live"))
    made["questions"] = [question(p) for _ in range(packets)]
    # (Of legacy's and nft's chains of one priority, the order in which they were loaded would matter.)
    made["then"] = rng.random() < 0.25 and tools in (
        ("nft",), ("iptables-nft",), ("iptables-legacy",), ("iptables-nft", "nft"))
    made.update((name, []) for name in THEN)
    if made["then"]:
        _prepare(made)
        _rules(p, made, "then-", tools, names)
        for family in p.families:
            made[f"then-ip{family}"] = pools.rules(p, family) if rng.random() < 0.5 else []
        made["questions"] = _connections(made["questions"])
    return made


# Without any chain of nat and any rule about connections the kernel tracks and translates nothing, not
# even what it has begun to.
NAT_STAYS = ["add table inet nat_stays",
             "add chain inet nat_stays none { type nat hook prerouting priority -99; }",
             "add rule inet nat_stays none ct mark 0x7ffffff0 accept"]


def _prepare(made):
    """What was masqueraded and leaves by another interface than before is dropped, and entries do not
    tell what was masqueraded: there is nothing to compare then."""
    for name in RULES:
        made[name] = [re.sub(r"-j MASQUERADE.*", "-j ACCEPT", re.sub(r"\bmasquerade\b.*", "accept", line))
                      for line in made[name]]
    made["nft"] += NAT_STAYS


def _rules(p, made, prefix, tools, ipsets):
    for tool in tools:
        if tool == "nft":
            made[prefix + "nft"] = gen_nft.rules(p)
            continue
        for family in p.families:
            name = tool if family == 4 else "ip6" + tool[2:]
            made[prefix + name] = gen_iptables.rules(p, family, ipsets[family])


def _connections(questions):
    """Those that can be sent twice: a SYN would not be the same connection's."""
    out, used = [], set()
    for q in questions:
        ends = frozenset(((q["src"], q["sport"]), (q["dst"], q["dport"])))
        if q["src"] != "self" and ends not in used:
            out.append(dict(q, proto="udp") if q["proto"] == "tcp" else q)
            used.add(ends)
    return out


def question(p):
    """A packet from somewhere to somewhere, as it might come."""
    rng = p.rng
    family = rng.choice(p.families)
    proto = rng.choice(("tcp", "tcp", "tcp", "udp", "udp", "icmp"))
    pick = rng.random()
    if rng.random() < 0.08:
        link = p.link()
        return {"proto": proto, "src": "self", "sport": ECHO_ID if proto == "icmp" else OWN_PORT,
                "dst": rng.choice((p.client(family), p.client(family), rng.choice(p.hosts[family][link]),
                                   p.beyond(family))),
                "dport": 0 if proto == "icmp" else p.port(), "in": None}
    if pick < 0.45:
        link = rng.choice(p.uplink_links())
        src = p.client(family) if rng.random() < 0.9 else rng.choice(p.hosts[family][link])
        dst = rng.choice(p.own[family][link]) if rng.random() < 0.85 else p.own_address(family)
    elif pick < 0.65:
        link = rng.choice(p.lan_links())
        src = rng.choice(p.hosts[family][link]) if rng.random() < 0.85 else p.beyond(family)
        dst = p.client(family)
    elif pick < 0.8:
        link = rng.choice(p.lan_links())
        src = rng.choice(p.hosts[family][link])
        dst = p.own_address(family)
    elif pick < 0.9:
        link = rng.choice(p.uplink_links())
        src, dst = p.client(family), rng.choice((p.backend(family), p.beyond(family)))
    else:
        link, src, dst = p.link(), p.address(family), p.address(family)
        if rng.random() < 0.1 and family == 4:
            dst = rng.choice(("127.0.0.1", "240.0.0.1", p.net(4, link).replace("0/24", "255")))
    sport = rng.randint(20000, 60000) if rng.random() < 0.9 else rng.randint(1, 1023)
    if proto == "icmp":
        return {"proto": proto, "src": src, "sport": ECHO_ID, "dst": dst, "dport": 0, "in": link}
    return {"proto": proto, "src": src, "sport": sport, "dst": dst, "dport": p.port(), "in": link}
