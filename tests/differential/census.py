# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rules of a case are made of, counted by kind."""

import collections
import re

_IPTABLES = (re.compile(r" (-m \w+)"), re.compile(r" (-[jg] [A-Z]+)\b"),
             re.compile(r" (--to-source|--to-destination|--to-ports) \S+-\S+"),
             re.compile(r" (--mode nth|--ctstate|--ctstatus|--ctdir|--ctorig\w+|--ctrepl\w+)"))
# Longer ones first: each place counts once.
_NFT = re.compile(
    r"(ct original|ct reply|ct state|ct status|ct direction|ct mark set|ct mark|meta mark set|meta mark|"
    r"meta l4proto|meta length|meta pkttype|meta skuid|meta skgid|ip6? length|ip ttl set|ip ttl|"
    r"ip6 hoplimit set|ip6 hoplimit|ether saddr|tcp option maxseg size set|tcp option maxseg size|"
    r"dscp set|dscp|fib \w+(?: \. \w+)* \w+|snat|dnat|masquerade|redirect|numgen inc|numgen random|"
    r"jhash|symhash|vmap|map|reject|notrack|limit rate|tcp flags|th dport|tcp dport|udp dport|sport|"
    r"iifname|oifname|iif|oif|icmpv6 type|icmp type|jump|goto|@\w+|30000-31000)\b")


def count(case):
    out = collections.Counter()
    for name in ("iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"):
        for line in case[name]:
            for pattern in _IPTABLES:
                out.update(f"{name.split('-', maxsplit=1)[0]}: {f}" + (" a range" if "--to" in f else "")
                           for f in pattern.findall(line))
    for line in case["nft"]:
        if line.startswith("add rule"):
            found = _NFT.findall(line)
            out.update("nft: " + ("@set" if f.startswith("@") else f) for f in found)
            if re.search(r"\w \. (tcp|udp|th|meta|ip|ct) ", line):
                out["nft: concatenation"] += 1
    return out
