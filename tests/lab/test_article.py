# SPDX-License-Identifier: GPL-2.0-or-later
"""The article's network, in each of its broken stages, and cured.

Gateway: eth0 1.1.1.1 (ISP 1.1.1.254), eth1 2.2.2.2 (ISP 2.2.2.254), eth2 192.168.0.1; main's
default route by eth0. Backend: 192.168.0.2, with a default route of its own to the Internet.
Client: 100.100.100.100. The commands are the article's own.
"""

from dataclasses import dataclass

import pytest

from gateway import ARTICLE
from state import Watch, differences, dump, nft_generation
from topology import CLIENT, Site
from traffic import DEAD_S, Capture, curl, nginx, together

TELECOM, UNICOM = "http://1.1.1.1/", "http://2.2.2.2/"

DNAT = [
    "iptables -t nat -A PREROUTING -d 1.1.1.1/32 -i eth0 -p tcp -m tcp --dport 80"
    " -j DNAT --to-destination 192.168.0.2",
    "iptables -t nat -A PREROUTING -d 2.2.2.2/32 -i eth1 -p tcp -m tcp --dport 80"
    " -j DNAT --to-destination 192.168.0.2",
]
SNAT = [
    "iptables -t nat -A POSTROUTING -d 192.168.0.2/32 -o eth2 -p tcp -m tcp --dport 80"
    " -j SNAT --to-source 192.168.0.1",
]
TABLES = [
    "ip route replace default via 1.1.1.254 dev eth0 table 1000",
    "ip route replace default via 2.2.2.254 dev eth1 table 1001",
]
FROM_RULES = TABLES + [
    "ip rule add from 1.1.1.1 lookup 1000",
    "ip rule add from 2.2.2.2 lookup 1001",
]
CONNMARK = [
    "iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark",
    "iptables -t mangle -A PREROUTING -m mark ! --mark 0 -j ACCEPT",
    "iptables -t mangle -A PREROUTING -d 1.1.1.1/32 -i eth0 -p tcp -m tcp -j MARK --set-mark 1",
    "iptables -t mangle -A PREROUTING -d 2.2.2.2/32 -i eth1 -p tcp -m tcp -j MARK --set-mark 2",
    "iptables -t mangle -A PREROUTING -j CONNMARK --save-mark",
]
FWMARK_RULES = TABLES + [
    "ip rule add fwmark 1 lookup 1000",
    "ip rule add fwmark 2 lookup 1001",
]
# Marks the connection only, and copies the mark to packets of the reply direction alone.
REPLY_ONLY = [
    "iptables -t mangle -A PREROUTING -i eth0 -m conntrack --ctstate NEW"
    " -j CONNMARK --set-mark 1",
    "iptables -t mangle -A PREROUTING -i eth1 -m conntrack --ctstate NEW"
    " -j CONNMARK --set-mark 2",
    "iptables -t mangle -A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark",
]


@dataclass
class Stage:
    commands: list
    telecom: bool  # does 1.1.1.1 answer?
    unicom: bool
    why: str = ""  # which of the checks in EVIDENCE explains the dead ones


STAGES = {
    "dnat": Stage(DNAT, False, False, "backend answers by its own line"),
    "dnat, snat": Stage(DNAT + SNAT, True, False, "unicom's replies leave by telecom"),
    "dnat, snat, from rules": Stage(DNAT + SNAT + FROM_RULES, True, False,
                                    "unicom's replies leave by telecom"),
    "connmark as printed": Stage(DNAT + SNAT + CONNMARK + FWMARK_RULES, False, False,
                                 "requests leave by the uplinks"),
    "connmark, inside looked up first": Stage(
        DNAT + SNAT + CONNMARK + FWMARK_RULES + ["ip rule add lookup main suppress_prefixlength 0"],
        True, True),
    # Without pref the kernel puts a rule before the first one there is, so the order of adding is
    # the reverse of the order of looking up.
    "connmark, inside first, then the rules without pref": Stage(
        DNAT + SNAT + CONNMARK + ["ip rule add lookup main suppress_prefixlength 0"] + FWMARK_RULES,
        False, False, "requests leave by the uplinks"),
    "mark restored on replies only": Stage(DNAT + SNAT + REPLY_ONLY + FWMARK_RULES, True, True),
}

EVIDENCE = {
    "backend answers by its own line": lambda site, sent: site.foreign("line-backend") > 0,
    "unicom's replies leave by telecom": lambda site, sent: (
        site.foreign("telecom") > 0 and sent("telecom", src="2.2.2.2", dst=CLIENT)),
    "requests leave by the uplinks": lambda site, sent: (
        sent("telecom", src=CLIENT, dst="192.168.0.2")
        and sent("unicom", src=CLIENT, dst="192.168.0.2")),
}


@pytest.mark.parametrize("name", STAGES)
def test_naive_stage(lab, name):
    stage = STAGES[name]
    site = Site(lab)
    nginx(site.backend)
    site.gw.sysctl("net.ipv4.ip_forward", 1)
    for command in stage.commands:
        site.gw.run(command)
    # Every capture is at the ISP, so its frames are what the gateway really put on the line.
    lines = {name: Capture(isp, "customer") for name, isp in site.isp.items()}

    def sent(line, src, dst):
        return lines[line].packets(lambda p: "IP" in p and p["IP"].src == src
                                   and p["IP"].dst == dst)

    telecom, unicom = together(
        lambda: curl(site.world, TELECOM, 5 if stage.telecom else DEAD_S),
        lambda: curl(site.world, UNICOM, 5 if stage.unicom else DEAD_S))

    assert (telecom is not None, unicom is not None) == (stage.telecom, stage.unicom)
    # With its source hidden, the backend saw the gateway.
    assert {telecom, unicom} <= {None, "backend saw 192.168.0.1\n"}
    if stage.why:
        assert EVIDENCE[stage.why](site, sent), f"dead, but not because {stage.why}"


@pytest.fixture
def site(lab):
    made = Site(lab)
    nginx(made.backend)
    return made


def both_answer(site):
    return together(lambda: curl(site.world, TELECOM), lambda: curl(site.world, UNICOM)) \
        == ["backend saw 192.168.0.1\n"] * 2


def both_dead(site):
    return together(lambda: curl(site.world, TELECOM, DEAD_S),
                    lambda: curl(site.world, UNICOM, DEAD_S)) == [None, None]


def test_cure_twice(site, portreeve):
    assert both_dead(site)
    dropped = site.foreign("telecom"), site.foreign("unicom")
    assert portreeve.apply_json(ARTICLE)["changed"] is True
    assert both_answer(site)

    generation, watch = nft_generation(site.gw), Watch(site.gw)
    assert portreeve.apply_json(ARTICLE)["changed"] is False
    assert "nothing to do" in portreeve.apply(ARTICLE).stdout.lower()
    # Traffic changes none of this either; only someone who writes does.
    assert both_answer(site)
    assert nft_generation(site.gw) == generation
    assert watch.messages() == []
    assert (site.foreign("telecom"), site.foreign("unicom")) == dropped


def test_watch_sees_changes(site):
    """The check above can fail."""
    watch = Watch(site.gw)
    generation = nft_generation(site.gw)
    assert watch.messages() == []
    site.gw.nft("add table inet other")
    assert nft_generation(site.gw) == generation + 1
    assert watch.messages()
    site.gw.ip("rule add pref 7 lookup 7")
    assert watch.messages()
    site.gw.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    assert watch.messages()


def test_diff_says_what_apply_would_do(site, portreeve):
    before = dump(site.gw)
    assert portreeve.diff(ARTICLE, check=False).returncode == 1
    assert differences(before, dump(site.gw)) == []
    portreeve.apply(ARTICLE)
    assert portreeve.diff(ARTICLE).returncode == 0


# What others have on the same gateway: it must be there, to the letter, afterwards. Strict
# rp_filter and forwarding off are what portreeve has to change and to put back.
OTHERS = """
    table inet filter {
        set admins { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
        chain input { type filter hook input priority filter; ip saddr @admins counter accept; }
    }
    table ip nat {
        chain postrouting {
            type nat hook postrouting priority srcnat;
            oifname eth0 ip saddr 192.168.0.0/24 masquerade
        }
    }
    """


def with_others(site):
    site.gw.nft(OTHERS)
    site.gw.ip("rule add pref 400 from 10.9.9.9 lookup 77", "route add 10.7.7.0/24 via 192.168.0.7",
               "route add default via 1.1.1.254 dev eth0 table 77",
               "route add unreachable 10.8.0.0/16 table 1000")
    for interface in ("eth0", "eth1"):
        site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 1)


def test_remove_leaves_no_trace(site, portreeve):
    with_others(site)
    before = dump(site.gw)
    portreeve.apply(ARTICLE)
    assert both_answer(site)
    assert differences(before, dump(site.gw)) != []
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []
    assert both_dead(site)
    # A second removal finds nothing, and says so without failing.
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_remove_after_several_changes(site, portreeve):
    """What was before the first apply comes back, not what was before the last."""
    with_others(site)
    before = dump(site.gw)
    portreeve.apply(ARTICLE)
    portreeve.apply(ARTICLE + "  more: {listen: 81/tcp, to: 192.168.0.2}\n")
    portreeve.apply(ARTICLE.replace("maps:", "gateway: {guard: off}\n    maps:"))
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_remove_after_foreign_flush(site, portreeve):
    """Someone's `nft flush ruleset` takes the memory in the table with it; not the other copy."""
    before = dump(site.gw)
    for interface in ("eth0", "eth1"):
        site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 1)
    before = dump(site.gw)
    portreeve.apply(ARTICLE)
    site.gw.run("nft flush ruleset")
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_apply_heals_foreign_flush(site, portreeve):
    site.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    before = dump(site.gw)
    portreeve.apply(ARTICLE)
    site.gw.run("nft flush ruleset")
    assert both_dead(site)
    assert portreeve.apply_json(ARTICLE)["changed"] is True
    assert both_answer(site)
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_remove_with_the_run_directory_lost(site, portreeve):
    """The other way round: /run is gone (a new boot of it, a cleaner), the table is there."""
    site.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    before = dump(site.gw)
    portreeve.apply(ARTICLE)
    site.gw.run(["sh", "-c", f"rm -rf {portreeve.run_dir}/*"])
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []
