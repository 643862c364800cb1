# SPDX-License-Identifier: GPL-2.0-or-later
"""Gateways of several styles that work: the doctor finds nothing wrong with them."""

import pytest

from gateway import ARTICLE, Portreeve
from pitfall import ADVICE, article, doctor, reaches, serious
from test_article import CONNMARK, DNAT, FWMARK_RULES, REPLY_ONLY, SNAT, TABLES
from topology import telecom
from traffic import together

TELECOM, UNICOM = "1.1.1.1", "2.2.2.2"
FWMARK = TABLES + [
    "ip rule add pref 1000 fwmark 1 lookup 1000",
    "ip rule add pref 1001 fwmark 2 lookup 1001",
]
MASKED = TABLES + [
    "ip rule add pref 1000 fwmark 0x100/0x3f00 lookup 1000",
    "ip rule add pref 1001 fwmark 0x200/0x3f00 lookup 1001",
]
INSIDE_FIRST = ["ip rule add pref 100 lookup main suppress_prefixlength 0"]
LAN_ROUTES = ["ip route add 192.168.0.0/24 dev eth2 table 1000",
              "ip route add 192.168.0.0/24 dev eth2 table 1001"]
OUTWARD = ["iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
           "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE"]
HAIRPIN = [
    "iptables -t nat -A PREROUTING -i eth2 -d 1.1.1.1 -p tcp --dport 80"
    " -j DNAT --to-destination 192.168.0.2",
    "iptables -t nat -A PREROUTING -i eth2 -d 2.2.2.2 -p tcp --dport 80"
    " -j DNAT --to-destination 192.168.0.2",
    "iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.2 -p tcp --dport 80"
    " -j MASQUERADE",
]
FILTER = [
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
    "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A FORWARD -i eth2 -j ACCEPT",
    "iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
]
# As mwan3 does it: the mark of a connection is on its packets of both directions, and the tables of
# the uplinks know the inside.
MWAN3 = [
    "iptables -t mangle -N mwan3_hook",
    "iptables -t mangle -A PREROUTING -j mwan3_hook",
    "iptables -t mangle -A OUTPUT -j mwan3_hook",
    "iptables -t mangle -A mwan3_hook -j CONNMARK --restore-mark --nfmask 0x3f00 --ctmask 0x3f00",
    "iptables -t mangle -A mwan3_hook -i eth0 -m mark --mark 0x0/0x3f00"
    " -j MARK --set-xmark 0x100/0x3f00",
    "iptables -t mangle -A mwan3_hook -i eth1 -m mark --mark 0x0/0x3f00"
    " -j MARK --set-xmark 0x200/0x3f00",
    "iptables -t mangle -A mwan3_hook -m mark --mark 0x0/0x3f00 -m statistic --mode random"
    " --probability 0.5 -j MARK --set-xmark 0x200/0x3f00",
    "iptables -t mangle -A mwan3_hook -m mark --mark 0x0/0x3f00 -j MARK --set-xmark 0x100/0x3f00",
    "iptables -t mangle -A mwan3_hook -j CONNMARK --save-mark --nfmask 0x3f00 --ctmask 0x3f00",
]
NFT = """
    table inet gateway {
        map lines { type ifname : verdict; elements = { "eth0" : jump by_telecom,
                                                         "eth1" : jump by_unicom }; }
        chain by_telecom { ct mark set ct mark and 0xffff00ff or 0x100; }
        chain by_unicom { ct mark set ct mark and 0xffff00ff or 0x200; }
        chain marks {
            type filter hook prerouting priority mangle;
            ct state new iifname vmap @lines
            ct direction reply meta mark set ct mark
        }
        chain services { type nat hook prerouting priority dstnat;
            iifname { "eth0", "eth1" } dnat ip to tcp dport map { 80 : 192.168.0.2 };
        }
        chain outward { type nat hook postrouting priority srcnat;
            oifname { "eth0", "eth1" } masquerade
        }
        chain forward { type filter hook forward priority filter; policy drop;
            ct state vmap { established : accept, related : accept, invalid : drop }
            iifname "eth2" accept
            ct status dnat accept
        }
    }"""


class Style:
    def __init__(self, *pieces, alive=(TELECOM, UNICOM), **options):
        self.commands = [c for piece in pieces for c in ([piece] if isinstance(piece, str) else piece)]
        self.alive = alive
        self.options = {"backend_uses_gateway": True, **options}


STYLES = {
    "one line": Style(DNAT[0], OUTWARD[0], FILTER, uplinks=[telecom()], alive=[TELECOM]),
    "one line, hairpin": Style(DNAT[0], OUTWARD[0], HAIRPIN[0], HAIRPIN[2], uplinks=[telecom()],
                               alive=[TELECOM]),
    "article's own end": Style(DNAT, SNAT, CONNMARK, FWMARK_RULES,
                               "ip rule add lookup main suppress_prefixlength 0",
                               backend_uses_gateway=False),
    "restored on replies": Style(DNAT, REPLY_ONLY, FWMARK, OUTWARD, FILTER),
    "restored on replies, backend hidden from": Style(DNAT, SNAT, REPLY_ONLY, FWMARK, OUTWARD, FILTER,
                                                      HAIRPIN, backend_uses_gateway=False),
    "mwan3": Style(DNAT, MWAN3, MASKED, LAN_ROUTES, OUTWARD, FILTER),
    "mwan3, inside first": Style(DNAT, MWAN3, MASKED, INSIDE_FIRST, OUTWARD, FILTER),
    "nft": Style(NFT, MASKED),
    "balancing default, pinned": Style(
        DNAT, REPLY_ONLY, FWMARK, OUTWARD,
        "ip route replace default nexthop via 1.1.1.254 dev eth0 nexthop via 2.2.2.254 dev eth1"),
    "forwards on the main line only": Style(
        DNAT[0], "ip route add default via 2.2.2.254 dev eth1 metric 200", OUTWARD, alive=[TELECOM]),
    "backend lives on the other line": Style(
        DNAT[1], TABLES, INSIDE_FIRST, "ip rule add pref 1000 from 192.168.0.2 lookup 1001", OUTWARD,
        "ip rule add pref 900 from 2.2.2.2 lookup 1001", alive=[UNICOM]),
    "table without a way out is cared for": Style(
        DNAT, REPLY_ONLY, FWMARK, "ip route add unreachable default metric 4278198272 table 1000",
        "ip route add unreachable default metric 4278198272 table 1001"),
}


def works(site, addresses):
    return all(together(*(lambda a=a: reaches(site, a, timeout=3) for a in addresses)))


@pytest.mark.parametrize("name", STYLES)
def test_nothing_is_wrong(lab, name):
    style = STYLES[name]
    site = article(lab, **style.options)
    portreeve = Portreeve(site.gw)
    for command in style.commands:
        if "{" in command:
            site.gw.nft(command)
        else:
            site.gw.run(command)
    before = doctor(portreeve)
    assert works(site, style.alive)
    # What connection tracking has seen does not change it; nor is a snapshot read otherwise.
    portreeve.run("snapshot", lab.path("snapshot"))
    for findings in (before, doctor(portreeve), doctor(portreeve, "--state", lab.path("snapshot"))):
        assert serious(findings) <= ADVICE, \
            [(f["number"], f["title"], f["evidence"]) for f in findings if f["number"] not in ADVICE]


def test_own_plan(lab):
    site = article(lab)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE)
    assert works(site, [TELECOM, UNICOM])
    for arguments in ([], [portreeve.file]):
        assert serious(doctor(portreeve, *arguments)) <= ADVICE
