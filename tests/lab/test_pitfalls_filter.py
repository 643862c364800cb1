# SPDX-License-Identifier: GPL-2.0-or-later
"""Pitfalls of what stops packets: reverse path filters, sysctls, filter rules, other tools.

The article's network; see pitfall.py for what each case is held to.
"""

import json
import os
import socket
import subprocess
import time

import pytest

from gateway import BINARY
from lab import wait_for
from pitfall import CASES, Broken, gateway, hold, pitfall, reaches
from test_article import DNAT, FWMARK_RULES, REPLY_ONLY
from test_foreign import DOCKER_28, Box, docker, needs, ufw_box
from topology import Inside, Machine, Uplink, lan, telecom, telecom6
from traffic import DEAD_S, Capture, Conversation, Server, ask, together

BEFORE = len(CASES)
TELECOM, UNICOM = "1.1.1.1", "2.2.2.2"
LOCAL_FIRST = ["ip rule add pref 100 lookup main suppress_prefixlength 0"]
PINNED = DNAT + REPLY_ONLY + FWMARK_RULES + LOCAL_FIRST
PORT_8080 = ("iptables -t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 8080 -j DNAT"
             " --to-destination 192.168.0.2:80")
ESTABLISHED = "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
NFT_DNAT = """table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname eth0 ip daddr 1.1.1.1 tcp dport 80 dnat to 192.168.0.2
    }
}"""
NFT_PINNED = """table ip pin {
    chain nat {
        type nat hook prerouting priority dstnat;
        ip daddr { 1.1.1.1, 2.2.2.2 } tcp dport 80 dnat to 192.168.0.2
    }
    chain mangle {
        type filter hook prerouting priority mangle;
        iifname eth0 ct state new ct mark set 1
        iifname eth1 ct state new ct mark set 2
        ct direction reply meta mark set ct mark
    }
}"""


def home(lab, *pieces, **options):
    """Like that, with one uplink."""
    return gateway(lab, *pieces, uplinks=[telecom()], **options)


def one(site, address=TELECOM, port=80):
    return lambda: reaches(site, address, port)


def both(site):
    return lambda: all(together(one(site), one(site, UNICOM)))


# ---- the way back ----

@pitfall(17)
def strict_on_the_second_line(lab):
    site = gateway(lab, PINNED)
    assert both(site)()
    site.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    return Broken(site, works=both(site))


@pitfall(17)
def strict_everywhere_nft(lab):
    site = gateway(lab, NFT_PINNED, FWMARK_RULES, LOCAL_FIRST)
    assert both(site)()
    site.gw.sysctl("net.ipv4.conf.all.rp_filter", 1)
    return Broken(site, works=both(site))


@pitfall(18)
def loose_without_a_default(lab):
    site = gateway(lab, PINNED, default=None)
    assert both(site)()
    for interface in ("eth0", "eth1"):
        site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 2)
    return Broken(site, works=both(site))


@pitfall(18)
def strict_without_a_default(lab):
    site = gateway(lab, PINNED, default=None)
    site.gw.sysctl("net.ipv4.conf.all.rp_filter", 1)
    return Broken(site, works=both(site))


@pitfall(19)
def the_mark_leads_past_the_lan(lab):
    """A VPN tool sets src_valid_mark; the LAN's own filter then follows the uplink's table."""
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK_RULES)
    site.gw.sysctl("net.ipv4.conf.eth2.rp_filter", 1)
    assert both(site)()
    site.gw.sysctl("net.ipv4.conf.all.src_valid_mark", 1)
    return Broken(site, works=both(site))


@pitfall(19)
def the_mark_leads_here(lab):
    """A transparent proxy, and then a VPN tool that sets src_valid_mark."""
    site = home(lab, "ip rule add pref 50 fwmark 7 lookup 77",
                "ip route add local default dev lo table 77",
                "iptables -t mangle -A PREROUTING -i eth0 -p tcp --dport 80"
                " -j TPROXY --on-port 8000 --tproxy-mark 7")
    with site.gw.inside():
        proxy = socket.socket()
    proxy.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
    proxy.bind(("", 8000))
    proxy.listen()
    lab.keep(proxy)

    def works():
        try:
            lab.drop(site.world.tcp_connect(TELECOM, 80, timeout=DEAD_S))
            return True
        except OSError:
            return False
    assert works()
    site.gw.sysctl("net.ipv4.conf.all.src_valid_mark", 1)
    return Broken(site, works=works)


@pitfall(22)
def rpfilter_in_raw(lab):
    site = gateway(lab, PINNED)
    assert both(site)()
    site.gw.iptables("-t raw -A PREROUTING -m rpfilter --invert -j DROP")
    return Broken(site, works=both(site))


@pitfall(22)
def fib_before_the_mark(lab):
    site = gateway(lab, NFT_PINNED, FWMARK_RULES, LOCAL_FIRST)
    assert both(site)()
    site.gw.nft("""table inet rpf {
        chain c {
            type filter hook prerouting priority raw;
            fib saddr . mark . iif oif missing counter drop
        }
    }""")
    return Broken(site, works=both(site))


# ---- sysctls and addresses ----

@pitfall(20)
def nothing_is_forwarded(lab):
    site = home(lab, DNAT[0], forwarding=False)
    return Broken(site, works=one(site))


@pitfall(20)
def one_line_is_not_forwarded(lab):
    site = gateway(lab, PINNED)
    assert both(site)()
    site.gw.sysctl("net.ipv4.conf.eth1.forwarding", 0)
    return Broken(site, works=both(site))


@pitfall(21)
def dnat_to_loopback(lab):
    site = home(lab, "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80"
                     " -j DNAT --to-destination 127.0.0.1:8000")
    Server(site.gw, tcp=[8000], address="127.0.0.1")
    return Broken(site, works=one(site))


@pitfall(21)
def dnat_to_loopback_nft(lab):
    site = home(lab, NFT_DNAT.replace("192.168.0.2", "127.0.0.1:8000"))
    Server(site.gw, tcp=[8000], address="127.0.0.1")
    return Broken(site, works=one(site))


@pitfall(23)
def a_short_cut_is_told(lab):
    """A host whose neighbour is to be reached through the gateway is told to go past it. (Redirects
    about the forward itself, which is broken as well, the kernel keeps back, and also those about
    the first packet of a connection, whose translation it has not decided.)"""
    inside = lan(Machine("backend", ["192.168.0.2/24"], gateway=True),
                 Machine("pc", ["192.168.0.3/24"], gateway=True))
    site = home(lab, "iptables -t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 80"
                     " -j DNAT --to-destination 192.168.0.2", inside=[inside])
    site.gw.sysctl("net.ipv4.conf.eth2.send_redirects", 1)
    site.pc.sysctl("net.ipv4.conf.all.accept_redirects", 0)
    site.pc.ip("route add 192.168.0.2/32 via 192.168.0.1")

    def works():
        capture = Capture(site.pc, "eth0")
        talk = Conversation(site.pc, "192.168.0.2", 80)
        for _ in range(4):
            time.sleep(0.05)
            talk.say()
        lab.drop(talk.sock)
        return not capture.packets(lambda p: p.haslayer("ICMP") and p["ICMP"].type == 5)
    return Broken(site, works=works, also={35}, remains={35})


@pitfall(24)
def address_of_nobody(lab):
    """The provider routes a second address here, and nobody answers for it."""
    uplink = Uplink("telecom", "eth0", ["1.1.1.1/24", "1.1.1.9/24"], ["1.1.1.254"])
    site = gateway(lab, DNAT[0].replace("1.1.1.1/32", "1.1.1.9/32"), uplinks=[uplink])
    assert one(site, "1.1.1.9")()
    site.gw.ip("addr del 1.1.1.9/24 dev eth0")
    site.isp["telecom"].ip("neigh flush dev customer")
    return Broken(site, works=one(site, "1.1.1.9"))


# ---- filters ----

@pitfall(25)
def policy_drop(lab):
    site = home(lab, DNAT[0])
    assert one(site)()
    site.gw.iptables("-P FORWARD DROP", "-A FORWARD -i eth2 -j ACCEPT",
                     "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    return Broken(site, works=one(site))


@pitfall(25)
def policy_drop_nft(lab):
    site = home(lab, NFT_DNAT)
    assert one(site)()
    site.gw.nft("""table inet filter {
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established,related accept
            iifname eth2 accept
        }
    }""")
    return Broken(site, works=one(site))


@pitfall(25)
def reject_at_the_end(lab):
    site = home(lab, DNAT[0], ESTABLISHED, "iptables -A FORWARD -i eth2 -j ACCEPT",
                "iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited")
    return Broken(site, works=one(site))


@pitfall(25)
def policy_drop_legacy(lab):
    site = home(lab, DNAT[0].replace("iptables", "iptables-legacy", 1))
    assert one(site)()
    for rule in ("-P FORWARD DROP", "-A FORWARD -i eth2 -j ACCEPT",
                 "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"):
        site.gw.run("iptables-legacy " + rule)
    return Broken(site, works=one(site))


def home6(lab, *pieces):
    """One uplink, in IPv6 too."""
    inside = lan(Machine("backend", ["192.168.0.2/24", "fd00:0:0:1::2/64"], gateway=True),
                 addresses=("192.168.0.1/24", "fd00:0:0:1::1/64"))
    site = gateway(lab, pieces, uplinks=[telecom6()], inside=[inside])
    site.gw.sysctl("net.ipv6.conf.all.forwarding", 1)
    assert ask(site.world, "2001:db8:1::1", 80)
    return site


def answers6(site):
    return lambda: reaches(site, "2001:db8:1::1", host=site.world)


DNAT6 = ("ip6tables -t nat -A PREROUTING -i eth0 -p tcp --dport 80"
         " -j DNAT --to-destination fd00:0:0:1::2")


@pitfall(25)
def policy_drop_ipv6(lab):
    site = home6(lab, DNAT6)
    for rule in ("-P FORWARD DROP", "-A FORWARD -i eth2 -j ACCEPT",
                 "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"):
        site.gw.run("ip6tables " + rule)
    return Broken(site, works=answers6(site))


@pitfall(20)
def nothing_is_forwarded_ipv6(lab):
    site = home6(lab, DNAT6)
    site.gw.sysctl("net.ipv6.conf.all.forwarding", 0)
    return Broken(site, works=answers6(site))


@pitfall(26)
def accept_asks_for_the_public_port(lab):
    site = home(lab, PORT_8080, "iptables -P FORWARD DROP", ESTABLISHED,
                "iptables -A FORWARD -p tcp --dport 8080 -j ACCEPT")
    return Broken(site, works=one(site, port=8080))


@pitfall(26)
def accept_asks_for_the_public_address_nft(lab):
    site = home(lab, NFT_DNAT, """table inet filter {
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established,related accept
            ip daddr 1.1.1.1 tcp dport 80 accept
        }
    }""")
    return Broken(site, works=one(site))


@pitfall(27)
def accept_behind_a_drop(lab):
    site = home(lab, DNAT[0], ESTABLISHED, "iptables -A FORWARD -i eth0 -j DROP",
                "iptables -A FORWARD -i eth0 -d 192.168.0.2 -p tcp --dport 80 -j ACCEPT")
    return Broken(site, works=one(site))


@pitfall(27)
def drop_in_a_called_chain(lab):
    site = home(lab, DNAT[0], "iptables -N WAN", ESTABLISHED, "iptables -A FORWARD -i eth0 -j WAN",
                "iptables -A FORWARD -i eth0 -d 192.168.0.2 -p tcp --dport 80 -j ACCEPT",
                "iptables -A WAN -p udp -j RETURN", "iptables -A WAN -j DROP")
    return Broken(site, works=one(site))


@pitfall(27)
def accept_behind_a_drop_nft(lab):
    site = home(lab, NFT_DNAT, """table inet filter {
        chain forward {
            type filter hook forward priority filter;
            ct state established,related accept
            iifname eth0 drop
            iifname eth0 ip daddr 192.168.0.2 tcp dport 80 accept
        }
    }""")
    return Broken(site, works=one(site))


@pitfall(28)
def another_table_drops(lab):
    site = home(lab, DNAT[0], "iptables -P FORWARD DROP", ESTABLISHED,
                "iptables -A FORWARD -d 192.168.0.2 -p tcp --dport 80 -j ACCEPT")
    assert one(site)()
    site.gw.nft("""table inet filter {
        chain forward {
            type filter hook forward priority 10; policy drop;
            ct state established,related accept
            iifname eth2 accept
        }
    }""")
    return Broken(site, works=one(site))


@pitfall(28)
def docker_drops(lab):
    site = home(lab, DNAT[0])
    assert one(site)()
    docker(site, DOCKER_28)
    return Broken(site, works=one(site))


@pitfall(28)
def ufw_drops(lab):
    needs("ufw")
    site = home(lab, DNAT[0])
    assert one(site)()
    box = ufw_box(site.gw)
    return Broken(site, works=one(site), cure=lambda lines: [box.run(line) for line in lines])


@pitfall(29)
def two_rule_sets(lab):
    site = home(lab, DNAT[0], "iptables -P FORWARD DROP", ESTABLISHED,
                "iptables -A FORWARD -d 192.168.0.2 -p tcp --dport 80 -j ACCEPT")
    assert one(site)()
    site.gw.run("iptables-legacy -w -P FORWARD DROP")
    site.gw.run("iptables-legacy -w -A FORWARD -i eth2 -j ACCEPT")
    return Broken(site, works=one(site), also={28})


@pitfall(29)
def two_rule_sets_and_the_forward_in_one(lab):
    site = home(lab, DNAT[0].replace("iptables", "iptables-legacy", 1), "iptables -P FORWARD DROP",
                ESTABLISHED, "iptables -A FORWARD -d 192.168.0.2 -p tcp --dport 80 -j ACCEPT")
    assert one(site)()
    site.gw.run("iptables-legacy -w -A FORWARD -i eth0 -j DROP")
    return Broken(site, works=one(site), also={28})


@pitfall(30)
def replies_are_dropped(lab):
    site = home(lab, DNAT[0], "iptables -P FORWARD DROP",
                "iptables -A FORWARD -d 192.168.0.2 -p tcp --dport 80 -j ACCEPT")
    return Broken(site, works=one(site))


@pitfall(30)
def replies_are_dropped_nft(lab):
    site = home(lab, NFT_DNAT, """table inet filter {
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct status dnat ct state new accept
        }
    }""")
    return Broken(site, works=one(site))


def port_is_closed(site):
    """Does the client learn that nobody listens on the backend's port?"""
    def works():
        sock = site.world.udp_connect(TELECOM, 9, timeout=DEAD_S)
        try:
            sock.send(b"anybody?")
            sock.recv(100)
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
        finally:
            site.lab.drop(sock)
            site.gw.run("conntrack -F")  # a connection without an answer is a finding of its own
        return False
    return works


@pitfall(30)
def errors_are_dropped(lab):
    site = home(lab, DNAT[0].replace("tcp", "udp").replace("--dport 80", "--dport 9"))
    assert port_is_closed(site)()
    site.gw.iptables("-P FORWARD DROP", "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                     "-A FORWARD -d 192.168.0.2 -p udp --dport 9 -j ACCEPT")
    return Broken(site, works=port_is_closed(site))


@pitfall(30)
def errors_are_dropped_nft(lab):
    site = home(lab, NFT_DNAT.replace("tcp dport 80", "udp dport 9"))
    assert port_is_closed(site)()
    site.gw.nft("""table inet filter {
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established accept
            ip daddr 192.168.0.2 udp dport 9 accept
        }
    }""")
    return Broken(site, works=port_is_closed(site))


@pitfall(31)
def directions_in_different_zones(lab):
    """Replies are looked for where no connection is: they are invalid, and a rule drops those."""
    site = home(lab, DNAT[0], "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP")
    assert one(site)()
    site.gw.iptables("-t raw -A PREROUTING -i eth0 -j CT --zone 7")
    return Broken(site, works=one(site))


@pitfall(31)
def replies_leave_untranslated_nft(lab):
    site = home(lab, NFT_DNAT)
    assert one(site)()
    site.gw.nft("""table inet zones {
        chain prerouting {
            type filter hook prerouting priority raw;
            iifname eth0 ct zone set 7
        }
    }""")
    return Broken(site, works=one(site))


@pitfall(32)
def opened_in_input(lab):
    site = home(lab, DNAT[0], "iptables -P FORWARD DROP", ESTABLISHED,
                "iptables -A INPUT -p tcp --dport 80 -j ACCEPT")
    return Broken(site, works=one(site))


@pitfall(32)
def opened_in_forward(lab):
    """The forward leads to the gateway itself, by another address and port."""
    site = home(lab, "iptables -t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 80"
                     " -j DNAT --to-destination 192.168.0.1:8000")
    Server(site.gw, tcp=[8000])
    assert one(site)()
    site.gw.iptables("-P INPUT DROP",
                     "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                     "-A INPUT -i lo -j ACCEPT", "-A INPUT -p tcp --dport 80 -j ACCEPT",
                     "-A FORWARD -p tcp --dport 8000 -j ACCEPT")
    return Broken(site, works=one(site))


@pitfall(33)
def chain_of_forwards_without_a_jump(lab):
    site = home(lab, "iptables -t nat -N PORTS",
                "iptables -t nat -A PORTS -d 1.1.1.1 -p tcp --dport 80"
                " -j DNAT --to-destination 192.168.0.2")
    return Broken(site, works=one(site))


@pitfall(33)
def chain_of_forwards_without_a_jump_nft(lab):
    site = home(lab, """table ip nat {
        chain ports { ip daddr 1.1.1.1 tcp dport 80 dnat to 192.168.0.2; }
        chain prerouting { type nat hook prerouting priority dstnat; }
    }""")
    return Broken(site, works=one(site))


# ---- what the kernel itself says ----

def refused(site, address, port):
    """Is the client told at once that nobody may connect?"""
    try:
        site.lab.drop(site.world.tcp_connect(address, port, timeout=DEAD_S))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


@pitfall(47)
def resets_leave_by_the_default(lab):
    site = gateway(lab, PINNED, "iptables -A INPUT -p tcp --dport 443 -j REJECT"
                                " --reject-with tcp-reset")
    assert both(site)() and refused(site, TELECOM, 443)
    return Broken(site, works=lambda: refused(site, UNICOM, 443) and refused(site, TELECOM, 443))


@pitfall(47)
def icmp_leaves_by_the_default_nft(lab):
    site = gateway(lab, NFT_PINNED, FWMARK_RULES, LOCAL_FIRST, """table inet filter {
        chain input {
            type filter hook input priority filter;
            tcp dport 443 reject
        }
    }""")
    assert both(site)() and refused(site, TELECOM, 443)
    return Broken(site, works=lambda: refused(site, UNICOM, 443) and refused(site, TELECOM, 443))


@pitfall(47)
def the_mark_is_on_requests(lab):
    site = gateway(lab, DNAT, FWMARK_RULES, LOCAL_FIRST,
                   "iptables -t mangle -A PREROUTING -i eth0 -j MARK --set-mark 1",
                   "iptables -t mangle -A PREROUTING -i eth1 -j MARK --set-mark 2",
                   "iptables -t mangle -A PREROUTING ! -i eth2 -j CONNMARK --save-mark",
                   "iptables -t mangle -A PREROUTING -i eth2 -j CONNMARK --restore-mark",
                   "iptables -A INPUT -p tcp --dport 443 -j REJECT")
    assert both(site)() and refused(site, TELECOM, 443)
    return Broken(site, works=lambda: refused(site, UNICOM, 443) and refused(site, TELECOM, 443))


# ---- bridges ----

@pitfall(51)
def frames_are_dropped(lab):
    """Two machines of one LAN, which the gateway bridges, and its rules for what is routed."""
    site = home(lab, "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80"
                     " -j DNAT --to-destination 192.168.0.2",
                "iptables -P FORWARD DROP", ESTABLISHED,
                "iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
                inside=[Inside("dummy", ["10.0.0.1/24"])])
    gw = site.gw
    if not gw.has_sysctl("net.bridge.bridge-nf-call-iptables"):
        pytest.skip("this kernel has no br_netfilter")
    gw.ip("link add br0 type bridge forward_delay 0", "link set br0 up",
          "addr add 192.168.0.1/24 dev br0")
    hosts = [lab.host("one"), lab.host("two")]
    for n, host in enumerate(hosts, 2):
        lab.wire((gw, f"port{n}"), (host, "eth0"))
        gw.ip(f"link set port{n} master br0")
        host.ip(f"addr add 192.168.0.{n}/24 dev eth0", "route add default via 192.168.0.1")
    gw.sysctl("net.bridge.bridge-nf-call-iptables", 1)
    Server(hosts[0], tcp=[80])
    assert reaches(site, TELECOM)
    return Broken(site, works=lambda: reaches(site, "192.168.0.2", host=hosts[1]))


def test_networkd(lab):
    """Number 59: that it runs and was not told to leave foreign rules alone is found, until it was.
    (What it then removes depends on its version, so that there is no case with traffic.)"""
    networkd = "/lib/systemd/systemd-networkd"
    if not os.path.exists(networkd):
        pytest.skip("systemd-networkd is not installed")
    site = gateway(lab, PINNED)
    box = Box(site.gw, "/etc/systemd")
    box.popen(networkd)
    wait_for(lambda: "systemd-network" in box.run("ps -e -o comm").stdout, "networkd to run")

    def found():
        done = subprocess.run(box.command(BINARY, "doctor", "--live", "--json"),
                              capture_output=True, text=True, check=True)
        return [f for f in json.loads(done.stdout)["findings"] if f["number"] == 59]
    (finding,) = found()
    assert finding["severity"] == "warning" and "ManageForeignRoutes" in finding["evidence"]
    for line in finding["remedy"]:
        if "systemctl" not in line:  # there is no system manager here
            box.run(line)
    assert found() == []


@pytest.mark.parametrize("number, build", CASES[BEFORE:],
                         ids=[f"{number}-{build.__name__}" for number, build in CASES[BEFORE:]])
def test_pitfall(lab, number, build):
    hold(lab, number, build)
