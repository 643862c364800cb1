# SPDX-License-Identifier: GPL-2.0-or-later
"""Pitfalls of the way of packets: replies that leave by another line, requests that never arrive.

The article's network; see pitfall.py for what each case is held to. Number 16 needs two gateways.
"""

import pytest

from gateway import Portreeve
from pitfall import ADVICE, CASES, Broken, doctor, gateway, hold, pitfall, reaches, serious
from test_article import CONNMARK, DNAT, FWMARK_RULES, REPLY_ONLY, SNAT, TABLES
from topology import CLIENT, Machine, Uplink, lan, telecom, telecom6, unicom6
from traffic import DEAD_S, Server, together

BEFORE = len(CASES)
TELECOM, UNICOM = "1.1.1.1", "2.2.2.2"
LOCAL_FIRST = ["ip rule add pref 100 lookup main suppress_prefixlength 0"]
FWMARK = TABLES + [
    "ip rule add pref 1000 fwmark 1 lookup 1000",
    "ip rule add pref 1001 fwmark 2 lookup 1001",
]
MARKED_BY_LINE, RESTORED_ON_REPLIES = REPLY_ONLY[:2], REPLY_ONLY[2:]
# What iptables' rules above do, in nft's words.
NFT_DNAT = """
    table ip nat {
        chain prerouting {
            type nat hook prerouting priority dstnat;
            iifname { "eth0", "eth1" } tcp dport 80 dnat to 192.168.0.2
        }
    }"""
NFT_MARKS = """
    table ip marks {
        chain prerouting {
            type filter hook prerouting priority mangle;
            iifname "eth0" ct state new ct mark set 1
            iifname "eth1" ct state new ct mark set 2
        }
    }"""


def both(site, **options):
    return all(together(lambda: reaches(site, TELECOM, **options),
                        lambda: reaches(site, UNICOM, **options)))


def both6(site):
    return all(together(lambda: reaches(site, "2001:db8:1::1"),
                        lambda: reaches(site, "2001:db8:2::2")))


def dual_stack():
    return lan(Machine("backend", ["192.168.0.2/24", "fd00:a::2/64"], gateway=True),
               addresses=["192.168.0.1/24", "fd00:a::1/64"])


def clients_of(site, count=8):
    """So many clients: chance does not lead all of them home."""
    sources = [f"100.100.{n}.7" for n in range(count)]
    site.add_client(*sources)
    return sources


def all_reach(site, sources, address, port=80):
    def one(source):
        try:
            site.lab.drop(site.world.tcp_connect(address, port, source=source, timeout=DEAD_S))
            return True
        except OSError:
            return False
    return all(together(*(lambda s=s: one(s) for s in sources)))


def pings(site, address):
    return site.world.run(["ping", "-c1", "-W1", "-I", CLIENT, address],
                          check=False).returncode == 0


def talks_udp(site, address, port=53):
    """Two datagrams of one connection, both answered."""
    sock = site.world.udp_connect(address, port, source=CLIENT, timeout=DEAD_S)
    try:
        for word in (b"one", b"two"):
            sock.send(word)
            assert sock.recv(2048).endswith(word)
        return True
    except OSError:
        return False
    finally:
        site.lab.drop(sock)


# ---- the backend ----

@pitfall(1)
def backend_answers_by_its_own_line(lab):
    site = gateway(lab, DNAT[0], uplinks=[telecom()], backend_uses_gateway=False)
    return Broken(site, works=lambda: reaches(site, TELECOM))


@pitfall(1)
def backend_answers_by_its_own_line_nft(lab):
    site = gateway(lab, NFT_DNAT, uplinks=[telecom()], backend_uses_gateway=False)
    return Broken(site, works=lambda: reaches(site, TELECOM))


# ---- replies by the wrong line ----

@pitfall(2)
def rules_for_the_public_address_miss(lab):
    site = gateway(lab, DNAT, TABLES, "ip rule add from 1.1.1.1 lookup 1000",
                   "ip rule add from 2.2.2.2 lookup 1001")
    return Broken(site, works=lambda: both(site))


@pitfall(2)
def many_have_tried(lab):
    """Their entries in conntrack stay behind, and are no finding of their own."""
    site = gateway(lab, DNAT, TABLES)
    sources = clients_of(site)
    return Broken(site, works=lambda: all_reach(site, sources, UNICOM))


@pitfall(2)
def ipv6(lab):
    site = gateway(lab, "sysctl -qw net.ipv6.conf.all.forwarding=1",
                   "ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80"
                   " -j DNAT --to-destination fd00:a::2",
                   "ip6tables -t nat -A PREROUTING -i eth1 -p tcp --dport 80"
                   " -j DNAT --to-destination fd00:a::2",
                   "ip -6 route add default via 2001:db8:2::fe dev eth1 metric 2000",
                   uplinks=[telecom6(), unicom6()], inside=[dual_stack()])
    return Broken(site, works=lambda: both6(site))


@pitfall(2)
def both_families_nft(lab):
    site = gateway(lab, "sysctl -qw net.ipv6.conf.all.forwarding=1", """
        table inet nat {
            chain prerouting {
                type nat hook prerouting priority dstnat;
                iifname { "eth0", "eth1" } tcp dport 80 dnat ip to 192.168.0.2
                iifname { "eth0", "eth1" } tcp dport 80 dnat ip6 to fd00:a::2
            }
        }""",
                   "ip route add default via 2.2.2.254 dev eth1 metric 200",
                   "ip -6 route add default via 2001:db8:2::fe dev eth1 metric 2000",
                   uplinks=[telecom6(), unicom6()], inside=[dual_stack()])
    return Broken(site, works=lambda: both(site) and both6(site))


@pitfall(2)
def no_policy_routing_at_all_nft(lab):
    site = gateway(lab, NFT_DNAT, "ip route add default via 2.2.2.254 dev eth1 metric 200")
    return Broken(site, works=lambda: both(site))


@pitfall(3)
def snat_to_the_backend(lab):
    site = gateway(lab, DNAT, SNAT, TABLES, backend_uses_gateway=False)
    return Broken(site, works=lambda: both(site))


@pitfall(4)
def mark_is_not_restored(lab):
    site = gateway(lab, DNAT, MARKED_BY_LINE, FWMARK)
    return Broken(site, works=lambda: both(site))


@pitfall(4)
def mark_is_restored_too_late(lab):
    site = gateway(lab, DNAT, MARKED_BY_LINE, FWMARK,
                   "iptables -t mangle -A FORWARD -j CONNMARK --restore-mark")
    return Broken(site, works=lambda: both(site))


@pitfall(4)
def mark_is_restored_where_no_reply_comes(lab):
    site = gateway(lab, DNAT, MARKED_BY_LINE, FWMARK,
                   "iptables -t mangle -A PREROUTING -i eth1 -j CONNMARK --restore-mark",
                   "iptables -t mangle -A OUTPUT -j CONNMARK --restore-mark", LOCAL_FIRST)
    return Broken(site, works=lambda: both(site))


@pitfall(4)
def mark_is_not_restored_nft(lab):
    site = gateway(lab, NFT_DNAT, NFT_MARKS, FWMARK)
    return Broken(site, works=lambda: both(site))


@pitfall(5)
def marked_after_the_translation(lab):
    site = gateway(lab, DNAT, RESTORED_ON_REPLIES, FWMARK,
                   "iptables -t nat -A PREROUTING -i eth0 -j CONNMARK --set-mark 1",
                   "iptables -t nat -A PREROUTING -i eth1 -j CONNMARK --set-mark 2")
    return Broken(site, works=lambda: both(site))


@pitfall(5)
def packets_are_marked_in_a_nat_chain(lab):
    site = gateway(lab, DNAT, FWMARK, LOCAL_FIRST,
                   "iptables -t nat -I PREROUTING -i eth0 -j MARK --set-mark 1",
                   "iptables -t nat -I PREROUTING -i eth1 -j MARK --set-mark 2")
    return Broken(site, works=lambda: both(site))


@pitfall(6)
def marked_by_a_state_that_comes_later(lab):
    site = gateway(lab, DNAT, FWMARK,
                   "iptables -t mangle -A PREROUTING -i eth0 -m conntrack --ctstate DNAT"
                   " -j CONNMARK --set-mark 1",
                   "iptables -t mangle -A PREROUTING -i eth1 -m conntrack --ctstate DNAT"
                   " -j CONNMARK --set-mark 2",
                   RESTORED_ON_REPLIES)
    return Broken(site, works=lambda: both(site))


@pitfall(6)
def marked_by_a_state_that_comes_later_nft(lab):
    site = gateway(lab, NFT_DNAT, FWMARK, """
        table ip marks {
            chain prerouting {
                type filter hook prerouting priority mangle;
                iifname "eth0" ct status dnat ct mark set 1
                iifname "eth1" ct status dnat ct mark set 2
                ct direction reply meta mark set ct mark
            }
        }""")
    return Broken(site, works=lambda: both(site))


@pitfall(9)
def main_is_asked_before(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK, "ip rule add pref 900 lookup main")
    return Broken(site, works=lambda: both(site))


@pitfall(9)
def rule_goes_nowhere(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, TABLES, "ip rule add pref 1000 fwmark 1 lookup 1000",
                   "ip rule add pref 900 fwmark 2 goto 2000")
    return Broken(site, works=lambda: both(site))


@pitfall(9)
def rule_lacks_a_mask(lab):
    site = gateway(lab, DNAT, [c.replace("--set-mark 1", "--set-xmark 0x1/0xff")
                               .replace("--set-mark 2", "--set-xmark 0x2/0xff")
                               for c in MARKED_BY_LINE],
                   "iptables -t mangle -A PREROUTING -m conntrack --ctdir REPLY"
                   " -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", FWMARK,
                   # Somebody's classes, for shaping.
                   "iptables -t mangle -A PREROUTING -i eth2 -j MARK --set-xmark 0x100/0xf00")
    return Broken(site, works=lambda: both(site))


@pitfall(9)
def same_preference_twice(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, TABLES, "ip rule add pref 1000 fwmark 1 lookup 1000",
                   "ip rule add pref 1000 lookup main", "ip rule add pref 1000 fwmark 2 lookup 1001")
    return Broken(site, works=lambda: both(site))


@pitfall(10)
def table_flushed_when_the_line_went_down(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK)
    site.gw.ip("link set eth1 down", "link set eth1 up",
               # What dhcp does when the line is back: main, and main only.
               "route add default via 2.2.2.254 dev eth1 metric 200")
    return Broken(site, works=lambda: both(site))


@pitfall(11)
def replies_are_spread_by_the_default_route(lab):
    site = gateway(lab, DNAT, "ip route replace default nexthop via 1.1.1.254 dev eth0"
                   " nexthop via 2.2.2.254 dev eth1")
    sources = clients_of(site)
    return Broken(site, works=lambda: all_reach(site, sources, TELECOM)
                  and all_reach(site, sources, UNICOM))


@pitfall(12)
def balancing_takes_replies(lab):
    site = gateway(lab, DNAT, FWMARK, LOCAL_FIRST,
                   "iptables -t mangle -A PREROUTING -i eth2 -j MARK --set-mark 1",
                   "iptables -t mangle -A PREROUTING -i eth2 -m statistic --mode random"
                   " --probability 0.5 -j MARK --set-mark 2")
    sources = clients_of(site)
    return Broken(site, works=lambda: all_reach(site, sources, TELECOM)
                  and all_reach(site, sources, UNICOM))


@pitfall(13)
def backends_own_mark_takes_replies(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK, LOCAL_FIRST,
                   "iptables -t mangle -A PREROUTING -s 192.168.0.2/32 -j MARK --set-mark 1")
    return Broken(site, works=lambda: both(site))


@pitfall(13)
def backends_own_rule_takes_replies(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK, LOCAL_FIRST,
                   "ip rule add pref 500 from 192.168.0.2 lookup 1000")
    return Broken(site, works=lambda: both(site))


@pitfall(14)
def two_lines_on_one_interface(lab):
    uplinks = [telecom(), Uplink("unicom", "eth0", ["2.2.2.2/24"], ["2.2.2.254"])]
    site = gateway(lab, [command.replace("eth1", "eth0") for command in
                         DNAT + MARKED_BY_LINE[:1] + RESTORED_ON_REPLIES + FWMARK], uplinks=uplinks)
    return Broken(site, works=lambda: both(site))


@pitfall(15)
def only_tcp_is_pinned(lab):
    site = gateway(lab, FWMARK, RESTORED_ON_REPLIES,
                   "iptables -t nat -A PREROUTING -i eth0 -j DNAT --to-destination 192.168.0.2",
                   "iptables -t nat -A PREROUTING -i eth1 -j DNAT --to-destination 192.168.0.2",
                   "iptables -t mangle -A PREROUTING -i eth0 -p tcp -m conntrack --ctstate NEW"
                   " -j CONNMARK --set-mark 1",
                   "iptables -t mangle -A PREROUTING -i eth1 -p tcp -m conntrack --ctstate NEW"
                   " -j CONNMARK --set-mark 2")
    assert both(site)
    return Broken(site, works=lambda: pings(site, UNICOM))


# ---- requests that leave again ----

@pitfall(7)
def mark_is_on_requests_too(lab):
    site = gateway(lab, DNAT, SNAT, CONNMARK, FWMARK_RULES, backend_uses_gateway=False)
    return Broken(site, works=lambda: both(site))


@pitfall(8)
def marked_hosts_do_not_reach_other_networks(lab):
    servers = lan(Machine("dmz", ["10.0.0.2/24"], gateway=True), addresses=["10.0.0.1/24"])
    servers.interface = "eth3"
    people = lan(Machine("backend", ["192.168.0.2/24"], gateway=True))
    # People surf by unicom; their table knows nothing but its default route.
    site = gateway(lab, FWMARK,
                   "iptables -t mangle -A PREROUTING -i eth2 -j MARK --set-mark 2",
                   inside=[people, servers])
    Server(site.dmz, tcp=[80])
    return Broken(site, works=lambda: reaches(site, "10.0.0.2", host=site.backend))


@pitfall(7)
def mark_is_on_requests_too_nft(lab):
    site = gateway(lab, NFT_DNAT, FWMARK, """
        table ip marks {
            chain prerouting {
                type filter hook prerouting priority mangle;
                iifname "eth0" ct state new ct mark set 1
                iifname "eth1" ct state new ct mark set 2
                meta mark set ct mark
            }
        }""")
    for _ in range(3):
        assert not both(site)
    return Broken(site, works=lambda: both(site))


@pitfall(7)
def mark_is_set_on_requests_alone(lab):
    site = gateway(lab, DNAT, FWMARK,
                   "iptables -t mangle -A PREROUTING -i eth0 -j MARK --set-mark 1",
                   "iptables -t mangle -A PREROUTING -i eth1 -j MARK --set-mark 2")
    return Broken(site, works=lambda: both(site))


@pitfall(7)
def marked_requests_and_nothing_restored(lab):
    site = gateway(lab, DNAT, FWMARK,
                   "iptables -t mangle -A PREROUTING -i eth0 -j MARK --set-mark 1",
                   "iptables -t mangle -A PREROUTING -i eth1 -j MARK --set-mark 2",
                   "iptables -t mangle -A PREROUTING -m mark ! --mark 0 -j CONNMARK --save-mark")
    return Broken(site, works=lambda: both(site))


@pitfall(8)
def line_has_a_table_by_interface(lab):
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK, "ip rule add pref 500 iif eth1 lookup 1001")
    return Broken(site, works=lambda: both(site))


@pitfall(55)
def rules_without_preference(lab):
    site = gateway(lab, DNAT, SNAT, CONNMARK, "ip rule add lookup main suppress_prefixlength 0",
                   FWMARK_RULES, backend_uses_gateway=False)
    return Broken(site, works=lambda: both(site))


@pitfall(58)
def wg_quick_restores_whole_marks(lab):
    site = gateway(
        lab, TABLES,
        "iptables -t nat -A PREROUTING -i eth0 -p udp --dport 53 -j DNAT --to 192.168.0.2",
        "iptables -t nat -A PREROUTING -i eth1 -p udp --dport 53 -j DNAT --to 192.168.0.2",
        "iptables -t mangle -A PREROUTING -i eth0 -m conntrack --ctstate NEW"
        " -j CONNMARK --set-xmark 0x1000000/0xff000000",
        "iptables -t mangle -A PREROUTING -i eth1 -m conntrack --ctstate NEW"
        " -j CONNMARK --set-xmark 0x2000000/0xff000000",
        "iptables -t mangle -A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark"
        " --nfmask 0xff000000 --ctmask 0xff000000",
        "ip rule add pref 1000 fwmark 0x1000000/0xff000000 lookup 1000",
        "ip rule add pref 1001 fwmark 0x2000000/0xff000000 lookup 1001")
    assert talks_udp(site, TELECOM) and talks_udp(site, UNICOM)
    site.gw.run("iptables -t mangle -I PREROUTING -p udp -j CONNMARK --restore-mark")
    return Broken(site, works=lambda: talks_udp(site, TELECOM) and talks_udp(site, UNICOM))


# ---- what looks like it, and works ----

LAN_ROUTES = ["ip route add 192.168.0.0/24 dev eth2 table 1000",
              "ip route add 192.168.0.0/24 dev eth2 table 1001"]
ONE_INTERFACE = [telecom(), Uplink("unicom", "eth0", ["2.2.2.2/24"], ["2.2.2.254"])]
# By name: what it nearly is; commands; addresses that answer; the site's options.
NEAR = {
    "2: forwards on the main line only": (
        [DNAT[0], "ip route add default via 2.2.2.254 dev eth1 metric 200"], [TELECOM], {}),
    "7: marks on requests, tables that know the inside": (
        DNAT + CONNMARK + LAN_ROUTES + FWMARK, [TELECOM, UNICOM], {}),
    "10: tables with a second, unreachable way": (
        DNAT + REPLY_ONLY + FWMARK
        + [f"ip route add unreachable default metric 4278198272 table {t}" for t in (1000, 1001)],
        [TELECOM, UNICOM], {}),
    "11: replies are pinned, the rest is spread": (
        DNAT + REPLY_ONLY + FWMARK
        + ["ip route replace default nexthop via 1.1.1.254 dev eth0"
           " nexthop via 2.2.2.254 dev eth1"], [TELECOM, UNICOM], {}),
    "13: the backend lives on the line of its forward": (
        DNAT[1:] + TABLES + LOCAL_FIRST + ["ip rule add pref 1000 from 192.168.0.2 lookup 1001"],
        [UNICOM], {}),
    "14: lines told apart by address": (
        [command.replace("eth1", "eth0") for command in DNAT + FWMARK + RESTORED_ON_REPLIES]
        + ["iptables -t mangle -A PREROUTING -d 1.1.1.1 -m conntrack --ctstate NEW"
           " -j CONNMARK --set-mark 1",
           "iptables -t mangle -A PREROUTING -d 2.2.2.2 -m conntrack --ctstate NEW"
           " -j CONNMARK --set-mark 2"], [TELECOM, UNICOM], {"uplinks": ONE_INTERFACE}),
    "15: only tcp is forwarded": (
        DNAT + FWMARK + RESTORED_ON_REPLIES
        + [command.replace(" -m conntrack", " -p tcp -m conntrack") for command in MARKED_BY_LINE],
        [TELECOM, UNICOM], {}),
}


@pytest.mark.parametrize("name", NEAR)
def test_near(lab, name):
    commands, addresses, options = NEAR[name]
    site = gateway(lab, commands, **options)
    portreeve = Portreeve(site.gw)
    before = doctor(portreeve)
    assert all(together(*(lambda a=a: reaches(site, a, timeout=3) for a in addresses)))
    # What connection tracking has seen makes no difference.
    for findings in (before, doctor(portreeve)):
        assert serious(findings) <= ADVICE, \
            [(f["number"], f["title"], f["evidence"]) for f in findings]


@pytest.mark.parametrize("number, build", CASES[BEFORE:],
                         ids=[f"{number}-{build.__name__}" for number, build in CASES[BEFORE:]])
def test_pitfall(lab, number, build):
    hold(lab, number, build)
