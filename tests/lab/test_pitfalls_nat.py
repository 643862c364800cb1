# SPDX-License-Identifier: GPL-2.0-or-later
"""Pitfalls of translation, of the gateway's own traffic, and of what is around the rules.

See pitfall.py for what each case is held to. Not here: what this kernel has no means for, or what
no state shows; src/walk/pitfalls/catalogue.c says which and why.
"""

import contextlib
import socket
import struct

import pytest

from pitfall import CASES, Broken, article, configure, hold, pitfall, reaches
from test_article import TABLES
from topology import CLIENT, Machine, lan, telecom
from traffic import DEAD_S, Server, ask, dead, together

BEFORE = len(CASES)
PUBLIC = "1.1.1.1"
WEB = f"iptables -t nat -A PREROUTING -d {PUBLIC} -p tcp --dport 80 -j DNAT --to 192.168.0.2"
OUTWARD = "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"
FROM_OUTSIDE = "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 192.168.0.2"
PINNED = TABLES + [
    "ip rule add pref 100 lookup main suppress_prefixlength 0",
    "ip rule add pref 1000 fwmark 0x1/0xff lookup 1000",
    "ip rule add pref 1001 fwmark 0x2/0xff lookup 1001",
    "iptables -t mangle -A PREROUTING -i eth0 -m conntrack --ctstate NEW "
    "-j CONNMARK --set-xmark 0x1/0xff",
    "iptables -t mangle -A PREROUTING -i eth1 -m conntrack --ctstate NEW "
    "-j CONNMARK --set-xmark 0x2/0xff",
    "iptables -t mangle -A PREROUTING -m conntrack --ctdir REPLY "
    "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
]


def nft_nat(prerouting="", postrouting='oifname "eth0" masquerade'):
    return f"""
        table ip nat {{
            chain prerouting {{
                type nat hook prerouting priority dstnat;
                {prerouting}
            }}
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                {postrouting}
            }}
        }}"""


NFT_WEB = f"ip daddr {PUBLIC} tcp dport 80 dnat to 192.168.0.2"


def single(lab, *commands, machines=(), **options):
    """A gateway with one line, its commands, a backend that answers through it, and `machines`."""
    backend = Machine("backend", ["192.168.0.2/24"], gateway=True)
    options.setdefault("uplinks", [telecom()])
    options.setdefault("inside", [lan(backend, *machines)])
    site = article(lab, **options)
    configure(site, *commands)
    return site


def inside_host(name, address):
    return Machine(name, [f"{address}/24"], gateway=True)


def outward(site, port=8080, proto="tcp", **source):
    """Does a host inside reach a server out there?"""
    return ask(site.backend, CLIENT, port, proto, timeout=DEAD_S, **source) is not None


# ---- from everywhere (34, 35) ----

def only_from_outside(lab, *commands):
    site = single(lab, *commands, machines=[inside_host("desk", "192.168.0.3")])
    assert reaches(site, PUBLIC)
    return Broken(site, works=lambda: all(together(
        lambda: reaches(site, PUBLIC, host=site.desk), lambda: reaches(site, PUBLIC, host=site.gw),
        lambda: reaches(site, PUBLIC))))


@pitfall(34)
def forward_by_interface(lab):
    """Who asks for the public address from inside finds the gateway, not the backend."""
    return only_from_outside(lab, FROM_OUTSIDE, OUTWARD)


@pitfall(34)
def forward_by_interface_nft(lab):
    """The same with nft."""
    return only_from_outside(lab, nft_nat('iifname "eth0" tcp dport 80 dnat to 192.168.0.2'))


def without_hairpin(lab, *commands):
    site = single(lab, *commands, machines=[inside_host("desk", "192.168.0.3")])
    assert reaches(site, PUBLIC)
    return Broken(site, works=lambda: reaches(site, PUBLIC, host=site.desk))


@pitfall(35)
def hairpin_without_snat(lab):
    """The backend answers its neighbour directly, who asked somebody else."""
    return without_hairpin(lab, WEB, OUTWARD)


@pitfall(35)
def hairpin_without_snat_nft(lab):
    """The same with nft."""
    return without_hairpin(lab, nft_nat(NFT_WEB))


# ---- forwards (36, 37, 44, 60) ----

def two_targets(lab, *commands):
    site = single(lab, *commands, machines=[inside_host("second", "192.168.0.3")])
    Server(site.second, tcp=[80])

    def works():
        answer = ask(site.world, PUBLIC, 80, source=CLIENT)
        return answer is not None and answer.server == "second"
    return Broken(site, works=works)


@pitfall(36)
def earlier_forward(lab):
    """The first rule takes all; the second is never asked."""
    return two_targets(lab, WEB, WEB.replace("0.2", "0.3"), OUTWARD)


@pitfall(36)
def earlier_chain_nft(lab):
    """Another tool's chain comes first, for a whole range of ports."""
    return two_targets(lab, nft_nat(NFT_WEB.replace("0.2", "0.3")), """
        table ip other {
            chain prerouting {
                type nat hook prerouting priority dstnat - 10;
                iifname "eth0" tcp dport 1-1000 dnat to 192.168.0.2
            }
        }""")


def moved(lab, *commands):
    site = single(lab, *commands)
    Server(site.world, tcp=[8080])
    return Broken(site, works=lambda: all(together(
        lambda: reaches(site, PUBLIC), lambda: outward(site))))


@pitfall(37)
def address_changed(lab):
    """The provider gave another address; the rules still name the old one."""
    return moved(lab, WEB.replace(PUBLIC, "5.5.5.5"),
                 "iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 5.5.5.5")


@pitfall(37)
def address_changed_nft(lab):
    """The same with nft."""
    return moved(lab, nft_nat(NFT_WEB.replace(PUBLIC, "5.5.5.5"), 'oifname "eth0" snat to 5.5.5.5'))


def shifted(lab, *commands):
    site = single(lab, *commands)
    Server(site.backend, tcp=range(9000, 9004))

    def works():
        answers = together(*(lambda p=p: ask(site.world, PUBLIC, p, source=CLIENT)
                             for p in range(8000, 8004)))
        return [a and a.port for a in answers] == [9000, 9001, 9002, 9003]
    return Broken(site, works=works)


@pitfall(44)
def ranges_do_not_shift(lab):
    """8003 is not led to 9003, but to the first port of the range."""
    return shifted(lab, "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8000:8003 "
                   "-j DNAT --to-destination 192.168.0.2:9000-9003", OUTWARD)


@pitfall(44)
def ranges_do_not_shift_nft(lab):
    """The same with nft."""
    return shifted(lab, nft_nat(
        f"ip daddr {PUBLIC} tcp dport 8000-8003 dnat to 192.168.0.2:9000-9003"))


def shadowed_service(lab, *commands):
    site = single(lab, *commands)
    Server(site.gw, tcp=[22])
    Server(site.backend, tcp=[22])

    def works():
        answer = ask(site.world, PUBLIC, 22, source=CLIENT)
        return answer is not None and answer.server == "gw"
    return Broken(site, works=works)


@pitfall(60)
def service_shadowed(lab):
    """ssh to the gateway ends up at the backend."""
    return shadowed_service(lab, WEB.replace("--dport 80", "--dport 22"), OUTWARD)


@pitfall(60)
def service_shadowed_nft(lab):
    """The same with nft."""
    return shadowed_service(lab, nft_nat(NFT_WEB.replace("dport 80", "dport 22")))


# ---- sources (38, 39, 43, 56) ----

def seen_as(site):
    answer = ask(site.world, PUBLIC, 80, source=CLIENT)
    return answer and answer.client


@pitfall(38)
def blanket_masquerade(lab):
    """The backend takes everybody for the gateway."""
    site = single(lab, WEB, "iptables -t nat -A POSTROUTING -j MASQUERADE")
    return Broken(site, works=lambda: seen_as(site) == CLIENT)


@pitfall(38)
def blanket_masquerade_nft(lab):
    """The same with nft."""
    site = single(lab, nft_nat(NFT_WEB, "masquerade"))
    return Broken(site, works=lambda: seen_as(site) == CLIENT)


def wrong_source(lab, *commands):
    """The line's interface also has the address by which the modem is managed, and first."""
    site = single(lab)
    site.gw.ip("addr flush dev eth0", "addr add 10.9.9.2/24 dev eth0",
               f"addr add {PUBLIC}/32 dev eth0",
               f"route add default via 1.1.1.254 dev eth0 onlink src {PUBLIC}")
    configure(site, *commands)
    Server(site.world, tcp=[8080])
    assert reaches(site, PUBLIC)
    return Broken(site, works=lambda: outward(site))


@pitfall(39)
def masquerade_takes_another_address(lab):
    """The route says which source to use; masquerading does not ask it."""
    return wrong_source(lab, WEB, OUTWARD)


@pitfall(39)
def masquerade_takes_another_address_nft(lab):
    """The same with nft."""
    return wrong_source(lab, nft_nat(NFT_WEB))


def few_ports(lab, *commands):
    site = single(lab, *commands)
    Server(site.world, tcp=[8080])

    def works():
        with contextlib.ExitStack() as stack:
            try:
                for _ in range(8):
                    sock = site.backend.tcp_connect(CLIENT, 8080, timeout=DEAD_S)
                    stack.callback(site.lab.drop, sock)
            except OSError:
                return False
            return True
    return Broken(site, works=works)


@pitfall(43)
def source_ports_narrow(lab):
    """The fifth connection at a time to one server fails."""
    return few_ports(lab, "iptables -t nat -A POSTROUTING -o eth0 -p tcp "
                     f"-j SNAT --to-source {PUBLIC}:40000-40003")


@pitfall(43)
def source_ports_narrow_masquerade(lab):
    """The same with masquerading."""
    return few_ports(lab, "iptables -t nat -A POSTROUTING -o eth0 -p tcp "
                     "-j MASQUERADE --to-ports 40000-40003")


@pitfall(43)
def source_ports_narrow_nft(lab):
    """The same with nft."""
    return few_ports(lab, nft_nat(
        "", f'oifname "eth0" meta l4proto tcp snat to {PUBLIC}:40000-40003'))


def used_up(lab, *commands):
    """So many requests as there are ports, all from one client; then another client comes."""
    site = single(lab, *commands)
    site.gw.sysctl("net.netfilter.nf_conntrack_udp_timeout", 120)
    site.add_client("100.100.7.7")
    site.backend.nft("""
        table ip deaf {
            chain input {
                type filter hook input priority filter;
                udp length 8 drop
            }
        }""")

    def works():
        return ask(site.world, PUBLIC, 53, "udp", timeout=DEAD_S, source="100.100.7.7") is not None
    assert works()
    raw = site.world.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    header = bytes.fromhex("4500001c000040004011000064646464") + socket.inet_aton(PUBLIC)
    for port in range(1024, 65536):
        raw.sendto(header + struct.pack("!HHHH", port, 53, 8, 0), (PUBLIC, 0))
    return Broken(site, works=works)


@pitfall(56)
def snat_ports_used_up(lab):
    """Towards one port of a backend, one address has no port left."""
    return used_up(lab, WEB.replace("tcp --dport 80", "udp --dport 53"), "iptables -t nat "
                   "-A POSTROUTING -d 192.168.0.2 -o eth2 -j SNAT --to-source 192.168.0.1")


@pitfall(56)
def snat_ports_used_up_nft(lab):
    """The same with nft."""
    return used_up(lab, nft_nat(NFT_WEB.replace("tcp dport 80", "udp dport 53"),
                                'oifname "eth2" ip daddr 192.168.0.2 snat to 192.168.0.1'))


# ---- connections (40, 41, 42) ----

@pitfall(40)
def old_connection(lab):
    """A client that goes on with its connection keeps the backend that the rule had before."""
    rule = WEB.replace("tcp --dport 80", "udp --dport 53")
    site = single(lab, rule, OUTWARD, machines=[inside_host("second", "192.168.0.3")])
    Server(site.second, udp=[53])

    def served_by():
        answer = ask(site.world, PUBLIC, 53, "udp", timeout=DEAD_S, source=CLIENT,
                     source_port=40000)
        return answer and answer.server
    assert served_by() == "backend"
    configure(site, rule.replace("-A", "-D"), rule.replace("0.2", "0.3"))
    return Broken(site, works=lambda: served_by() == "second")


def peer_before_the_rules(lab, rule):
    site = single(lab, OUTWARD)

    def works():
        return ask(site.world, PUBLIC, 5060, "udp", timeout=DEAD_S, source=CLIENT,
                   source_port=5060) is not None
    assert not works()
    configure(site, rule)
    assert reaches(site, PUBLIC, 5060, "udp")
    return Broken(site, works=works)


@pitfall(41)
def peer_older_than_the_rule(lab):
    """A peer that called before the forward was there is never led to the backend."""
    return peer_before_the_rules(lab, WEB.replace("tcp --dport 80", "udp --dport 5060"))


@pitfall(41)
def peer_older_than_the_rule_by_interface(lab):
    """The same where the forward is for an interface, not for an address."""
    return peer_before_the_rules(lab, FROM_OUTSIDE.replace("tcp --dport 80", "udp --dport 5060"))


@pitfall(42)
def source_outlives_route(lab):
    """The default route has moved to the other line; an old call keeps the first's address."""
    site = single(lab, "iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 1.1.1.1",
                  "iptables -t nat -A POSTROUTING -o eth1 -j SNAT --to-source 2.2.2.2",
                  uplinks=None)
    Server(site.world, udp=[8080])

    def works():
        return outward(site, proto="udp", source_port=40000)
    assert works()
    site.gw.ip("route replace default via 2.2.2.254")
    assert outward(site, proto="udp")
    return Broken(site, works=works)


# ---- tracking, services, marks (45, 46, 48, 53) ----

@pitfall(45)
def not_tracked(lab):
    """What is not tracked is not translated."""
    site = single(lab, WEB, OUTWARD, "iptables -t raw -A PREROUTING -p tcp --dport 80 -j NOTRACK")
    return Broken(site, works=lambda: reaches(site, PUBLIC))


@pitfall(45)
def replies_not_tracked_nft(lab):
    """Replies that are not tracked leave with the backend's own address."""
    site = single(lab, nft_nat(NFT_WEB), """
        table ip raw {
            chain prerouting {
                type filter hook prerouting priority raw;
                iifname "eth2" tcp sport 80 notrack
            }
        }""")
    return Broken(site, works=lambda: reaches(site, PUBLIC))


def own_service(lab, *commands):
    site = article(lab)
    configure(site, TABLES, *commands)
    Server(site.gw, tcp=[22], udp=[5060], address="2.2.2.2")
    Server(site.gw, tcp=[22], address="1.1.1.1", name="telecom")
    return Broken(site, works=lambda: all(together(
        lambda: reaches(site, PUBLIC, 22), lambda: reaches(site, "2.2.2.2", 22),
        lambda: reaches(site, "2.2.2.2", 5060, "udp"))))


@pitfall(46)
def own_service_by_the_other_line(lab):
    """What the gateway itself serves on the second line is answered by the first."""
    return own_service(lab)


@pitfall(46)
def output_mark_without_effect(lab):
    """A mark that a filter chain sets in output is too late: the way has been chosen."""
    return own_service(lab, ["ip rule add pref 1001 fwmark 2 lookup 1001"], """
        table inet marks {
            chain prerouting {
                type filter hook prerouting priority mangle;
                iifname "eth1" ct state new ct mark set 2
            }
            chain output {
                type filter hook output priority mangle;
                ct direction reply meta mark set ct mark
            }
        }""")


@pitfall(48)
def mark_overwritten(lab):
    """Another product's rule writes the whole mark, and takes the uplink's bits away."""
    site = article(lab, backend_uses_gateway=True)
    configure(site, PINNED, WEB, WEB.replace(PUBLIC, "2.2.2.2"),
              "ip route add 10.52.0.0/16 dev eth2 table 52",
              "ip rule add pref 5210 fwmark 0x80000/0xff0000 lookup 52",
              "iptables -t mangle -A PREROUTING -i eth2 -j MARK --set-mark 0x80000")
    assert reaches(site, PUBLIC)
    return Broken(site, works=lambda: reaches(site, "2.2.2.2"))


@pitfall(53)
def partly_loaded(lab):
    """One word that this iptables does not know, and none of the table's rules is there."""
    site = article(lab, backend_uses_gateway=True)
    configure(site, PINNED[:-3], WEB, WEB.replace(PUBLIC, "2.2.2.2"))
    rules = "*mangle\n" + "\n".join(rule.removeprefix("iptables -t mangle ")
                                    for rule in PINNED[-3:]) + "\nCOMMIT\n"
    loaded = site.gw.run("iptables-restore -n", input=rules.replace("--nfmask", "--nfmsk"),
                         check=False)
    assert loaded.returncode != 0
    return Broken(site, works=lambda: all(together(
        lambda: reaches(site, PUBLIC), lambda: reaches(site, "2.2.2.2"))))


# ---- what is around the rules (50, 54, 57) ----

def small_line(site, interface, isp):
    """A line of a small MTU, and a backend that hears nothing of ICMP."""
    site.gw.ip(f"link set {interface} mtu 1400")
    site.isp[isp].ip("link set customer mtu 1400")
    site.backend.nft("""table ip deaf {
            chain input {
                type filter hook input priority filter;
                meta l4proto icmp drop
            }
        }""")


def small_mtu(lab, *commands):
    site = single(lab, *commands)
    small_line(site, "eth0", "telecom")
    Server(site.world, tcp=[8080])
    big = b"x" * 30000

    def works():
        return all(together(
            lambda: ask(site.world, PUBLIC, 80, source=CLIENT, data=big, timeout=DEAD_S),
            lambda: ask(site.backend, CLIENT, 8080, data=big, timeout=DEAD_S)))
    assert reaches(site, PUBLIC)
    return Broken(site, works=works)


@pitfall(50)
def mtu_without_clamp(lab):
    """Handshakes pass, large replies do not."""
    return small_mtu(lab, WEB, OUTWARD)


@pitfall(50)
def mtu_without_clamp_nft(lab):
    """The same with nft."""
    return small_mtu(lab, nft_nat(NFT_WEB))


def clamp_by_route(lab, *commands):
    """The second line is the narrow one; the clamp asks the routes, and they say the first."""
    site = article(lab, backend_uses_gateway=True)
    configure(site, PINNED, WEB.replace(PUBLIC, "2.2.2.2"), *commands)
    small_line(site, "eth1", "unicom")
    big = b"x" * 30000
    assert reaches(site, "2.2.2.2", timeout=5)
    return Broken(site, works=lambda: ask(site.world, "2.2.2.2", 80, source=CLIENT, data=big,
                                          timeout=DEAD_S))


@pitfall(50)
def clamp_by_the_wrong_route(lab):
    """The way back that the clamp looks up is by address alone, and so by the other line."""
    return clamp_by_route(lab, "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN "
                          "-j TCPMSS --clamp-mss-to-pmtu")


@pitfall(50)
def clamp_by_the_wrong_route_nft(lab):
    """The same with nft's clamp."""
    return clamp_by_route(lab, """
        table inet mss {
            chain forward {
                type filter hook forward priority mangle;
                tcp flags syn tcp option maxseg size set rt mtu
            }
        }""")


@pitfall(50)
def one_sided_clamp(lab):
    """Only what leaves is clamped: what the backend is told stays as large as it was."""
    return small_mtu(lab, WEB, OUTWARD, "iptables -t mangle -A FORWARD -o eth0 -p tcp "
                     "--tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu")


@pitfall(54)
def overlapping_subnets(lab):
    """The modem's network is the same as the one inside: the backend is sought on the line."""
    site = single(lab, WEB, OUTWARD, uplinks=[telecom()])
    site.gw.ip("addr del 192.168.0.1/24 dev eth2", "addr add 192.168.0.99/24 dev eth0",
               "addr add 192.168.0.1/24 dev eth2")
    return Broken(site, works=lambda: reaches(site, PUBLIC))


def open_to_neighbours(lab, *commands):
    site = single(lab, *commands, uplinks=[telecom(neighbours={"mallory": ["1.1.1.66/24"]})])
    site.mallory.ip(f"route add 192.168.0.0/24 via {PUBLIC}")
    return Broken(site, works=lambda: all(together(
        lambda: dead(site.mallory, "192.168.0.2", 80),
        lambda: reaches(site, PUBLIC), lambda: reaches(site, PUBLIC, host=site.mallory))))


@pitfall(57)
def open_to_an_uplinks_neighbours(lab):
    """A neighbour on the provider's network walks in."""
    return open_to_neighbours(lab, WEB, OUTWARD)


@pitfall(57)
def open_to_an_uplinks_neighbours_nft(lab):
    """The same with nft."""
    return open_to_neighbours(lab, nft_nat(NFT_WEB))


MINE = CASES[BEFORE:]


@pytest.mark.parametrize("number, build", MINE, ids=[f"{n}-{b.__name__}" for n, b in MINE])
def test_pitfall(lab, number, build):
    """A pitfall, as pitfall.py holds it."""
    hold(lab, number, build)
