# SPDX-License-Identifier: GPL-2.0-or-later
"""Gateways that work, of several styles: doctor finds no error on them.

Each is built by its own tool or written as people write it. Its forwards are asked from outside, on
every uplink, with real traffic; then `doctor --live` must say nothing of the level of an error.
"""

import json
import tempfile

import pytest

from gateway import ARTICLE, Portreeve
from pitfall import configure, doctor
from test_article import DNAT, FWMARK_RULES, REPLY_ONLY, TABLES
from test_foreign import (ADDRESSES, ADDRESSES6, ARTICLE6, DOCKER_20, DOCKER_28, docker,
                          firewalld_box, ufw_box)
from topology import Inside, Machine, Site, lan, telecom, telecom6, unicom6
from traffic import ask, serve, together

FORWARD_RULES = [
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
    "iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
    "iptables -A FORWARD -i eth2 -j ACCEPT",
]
INPUT_RULES = [
    "iptables -P INPUT DROP",
    "iptables -A INPUT -i lo -j ACCEPT",
    "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "iptables -A INPUT -p icmp -j ACCEPT",
    "iptables -A INPUT -i eth2 -j ACCEPT",
    "iptables -A INPUT -p tcp --dport 22 -j ACCEPT",
]


def gateway(lab, *pieces, uplinks=None, backend_uses_gateway=True, forward=True):
    site = Site(lab, uplinks,
                [lan(Machine("backend", ["192.168.0.2/24"], gateway=backend_uses_gateway))])
    serve(site.backend, tcp=[80], udp=[53])
    if forward:
        site.gw.sysctl("net.ipv4.ip_forward", 1)
    configure(site, *pieces)
    return site


def answers(site, addresses=ADDRESSES, port=80, proto="tcp"):
    strays = [site.foreign(name) for name in site.isp]
    got = together(*(lambda a=a: bool(ask(site.world, a, port, proto)) for a in addresses))
    return all(got) and strays == [site.foreign(name) for name in site.isp]


def is_quiet(portreeve):
    """No error, and the exit that says so; of a snapshot, too."""
    files = tempfile.mkdtemp(dir=portreeve.host.lab.dir) + "/state"
    portreeve.run("snapshot", files)
    findings = quiet_findings(portreeve, "--state", files)
    assert warned(findings) <= warned(quiet_findings(portreeve, "--live"))
    return findings


def quiet_findings(portreeve, *source):
    done = portreeve.run("doctor", *source, "--json", check=False)
    findings = json.loads(done.stdout)["findings"]
    worst = [(f["number"], f["severity"], f["title"], f["evidence"]) for f in findings
             if f["severity"] == "error"]
    assert not worst
    assert done.returncode == 0, done.stdout + done.stderr
    return findings


def warned(findings):
    return {f["number"] for f in findings if f["severity"] == "warning"}


# ---- one uplink ----

def test_home_router(lab):
    site = gateway(lab, "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80"
                        " -j DNAT --to-destination 192.168.0.2",
                   "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                   FORWARD_RULES, INPUT_RULES, uplinks=[telecom()])
    for interface in ("all", "default", "eth0", "eth2"):
        site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 1)
    assert answers(site, ["1.1.1.1"])
    assert ask(site.backend, "100.100.100.100", 1) is None
    assert warned(is_quiet(Portreeve(site.gw))) <= {34}


def test_home_router_with_hairpin(lab):
    """By the address, from everywhere; the LAN's own clients get the gateway's address."""
    site = gateway(lab, "iptables -t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 80"
                        " -j DNAT --to-destination 192.168.0.2",
                   "iptables -t nat -A OUTPUT -d 1.1.1.1 -p tcp --dport 80"
                   " -j DNAT --to-destination 192.168.0.2",
                   "iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.0/24 -o eth2"
                   " -j MASQUERADE",
                   "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                   FORWARD_RULES, INPUT_RULES, uplinks=[telecom()])
    assert answers(site, ["1.1.1.1"])
    assert ask(site.backend, "1.1.1.1", 80) and ask(site.gw, "1.1.1.1", 80)
    assert warned(is_quiet(Portreeve(site.gw))) == set()


def test_openwrt(lab):
    """fw4's chains, as it makes them for a router with one forward and reflection."""
    site = gateway(lab, """table inet fw4 {
        chain input {
            type filter hook input priority filter; policy drop;
            iif "lo" accept
            ct state vmap { established : accept, related : accept }
            tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
            iifname "eth2" jump input_lan
            iifname "eth0" jump input_wan
            jump handle_reject
        }
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state vmap { established : accept, related : accept }
            iifname "eth2" jump forward_lan
            iifname "eth0" jump forward_wan
            jump handle_reject
        }
        chain output {
            type filter hook output priority filter; policy accept;
            oif "lo" accept
            ct state vmap { established : accept, related : accept }
        }
        chain prerouting {
            type filter hook prerouting priority filter; policy accept;
        }
        chain handle_reject {
            meta l4proto tcp reject with tcp reset
            reject with icmpx type port-unreachable
        }
        chain syn_flood {
            limit rate 25/second burst 50 packets return
            drop
        }
        chain input_lan { jump accept_from_lan; }
        chain forward_lan {
            jump accept_to_wan
            ct status dnat accept
            jump accept_to_lan
        }
        chain accept_from_lan { iifname "eth2" counter accept; }
        chain accept_to_lan { oifname "eth2" counter accept; }
        chain input_wan {
            meta nfproto ipv4 udp dport 68 counter accept
            icmp type echo-request counter accept
            ct status dnat accept
            jump reject_from_wan
        }
        chain forward_wan {
            meta l4proto esp counter jump accept_to_lan
            ct status dnat accept
            jump reject_to_wan
        }
        chain accept_to_wan {
            meta nfproto ipv4 oifname "eth0" ct state invalid counter drop
            oifname "eth0" counter accept
        }
        chain reject_from_wan { iifname "eth0" counter jump handle_reject; }
        chain reject_to_wan { oifname "eth0" counter jump handle_reject; }
        chain dstnat {
            type nat hook prerouting priority dstnat; policy accept;
            iifname "eth2" jump dstnat_lan
            iifname "eth0" jump dstnat_wan
        }
        chain srcnat {
            type nat hook postrouting priority srcnat; policy accept;
            oifname "eth2" jump srcnat_lan
            oifname "eth0" jump srcnat_wan
        }
        chain dstnat_lan {
            ip saddr 192.168.0.0/24 ip daddr 1.1.1.1 tcp dport 80 dnat ip to 192.168.0.2:80
        }
        chain srcnat_lan {
            ip saddr 192.168.0.0/24 ip daddr 192.168.0.2 tcp dport 80 snat ip to 192.168.0.1
        }
        chain dstnat_wan {
            meta nfproto ipv4 tcp dport 80 counter dnat ip to 192.168.0.2:80
        }
        chain srcnat_wan { meta nfproto ipv4 masquerade; }
        chain mangle_postrouting {
            type filter hook postrouting priority mangle; policy accept;
            oifname "eth0" tcp flags & (fin | syn | rst) == syn tcp option maxseg size set rt mtu
        }
        chain mangle_forward {
            type filter hook forward priority mangle; policy accept;
            iifname "eth0" tcp flags & (fin | syn | rst) == syn tcp option maxseg size set rt mtu
        }
    }""", uplinks=[telecom()])
    assert answers(site, ["1.1.1.1"]) and ask(site.backend, "1.1.1.1", 80)
    assert warned(is_quiet(Portreeve(site.gw))) == set()


@pytest.mark.parametrize("rules", (DOCKER_20, DOCKER_28), ids=("docker20", "docker28"))
def test_docker_host(lab, rules):
    """Docker's own forward, to a container on its bridge, and one of the admin's in DOCKER-USER."""
    site = gateway(lab, uplinks=[telecom()])
    docker(site, rules)
    container = lab.host("container")
    lab.wire((site.gw, "veth1"), (container, "eth0"))
    site.gw.ip("link set veth1 master docker0")
    container.ip("addr add 172.17.0.2/16 dev eth0", "route add default via 172.17.0.1")
    serve(container, tcp=[80])
    site.gw.iptables("-t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                     "-t nat -A PREROUTING -i eth0 -p tcp --dport 80"
                     " -j DNAT --to-destination 192.168.0.2",
                     "-I DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT")
    assert answers(site, ["1.1.1.1"]) and answers(site, ["1.1.1.1"], 8080)
    is_quiet(Portreeve(site.gw))


def test_iptables_legacy(lab):
    """The older tool alone."""
    rules = ["iptables -t nat -A PREROUTING -i eth0 -p tcp -m multiport --dports 80,443"
             " -j DNAT --to-destination 192.168.0.2",
             "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE"] + FORWARD_RULES + INPUT_RULES
    site = gateway(lab, [rule.replace("iptables", "iptables-legacy", 1) for rule in rules],
                   uplinks=[telecom()])
    assert answers(site, ["1.1.1.1"])
    assert warned(is_quiet(Portreeve(site.gw))) <= {34}


@pytest.mark.parametrize("named", (True, False), ids=("named", "for-all"))
def test_public_network_inside(lab, named):
    """Servers with public addresses of their own: their interface looks like an uplink's. Where
    forwards do not name the uplinks, that is told, as what cannot be told."""
    site = Site(lab, [telecom()],
                [lan(Machine("backend", ["192.168.0.2/24"], gateway=True)),
                 Inside("eth3", ["203.0.113.1/24"],
                        [Machine("server", ["203.0.113.10/24"], gateway=True)])])
    serve(site.backend, tcp=[80], udp=[53])
    site.gw.sysctl("net.ipv4.ip_forward", 1)
    match = "-i eth0" if named else "! -i eth2 -m addrtype --dst-type LOCAL"
    configure(site, f"iptables -t nat -A PREROUTING {match} -p tcp --dport 80"
                    " -j DNAT --to-destination 192.168.0.2",
              "iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o eth0 -j MASQUERADE",
              FORWARD_RULES, "iptables -A FORWARD -i eth3 -j ACCEPT",
              "iptables -A FORWARD -d 203.0.113.0/24 -p tcp --dport 443 -j ACCEPT", INPUT_RULES)
    assert answers(site, ["1.1.1.1"])
    portreeve = Portreeve(site.gw)
    assert warned(is_quiet(portreeve)) <= {34}
    untold = json.loads(portreeve.run("doctor", "--json").stdout)["untold"]
    assert any("eth3, with 203.0.113.1, is an uplink" in u["what"] for u in untold) is not named


def test_silent_service(lab):
    """A service that owes strangers no answer, like WireGuard, and who knocks there."""
    site = gateway(lab, "iptables -t nat -A PREROUTING -i eth0 -p udp --dport 51820"
                        " -j DNAT --to-destination 192.168.0.2",
                   "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                   FORWARD_RULES, INPUT_RULES, uplinks=[telecom()])
    lab.keep(site.backend.udp("0.0.0.0", 51820))
    assert ask(site.world, "1.1.1.1", 51820, "udp", timeout=0.5) is None
    is_quiet(Portreeve(site.gw))


def test_vpn_client(lab):
    """wg-quick's rules, for a tunnel that takes all of the gateway's own traffic but what is
    marked; replies of forwards are marked, too."""
    site = gateway(lab, "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80"
                        " -j DNAT --to-destination 192.168.0.2", uplinks=[telecom()])
    site.gw.ip("link add wg0 type veth peer name wg0-end", "link set wg0-end up",
               "link set wg0 up", "addr add 10.66.0.2/32 dev wg0",
               "route add default dev wg0 table 51820",
               "rule add not fwmark 51820 table 51820",
               "rule add table main suppress_prefixlength 0")
    site.gw.sysctl("net.ipv4.conf.all.src_valid_mark", 1)
    site.gw.iptables("-t mangle -A PREROUTING -i eth0 -j CONNMARK --set-mark 51820",
                     "-t mangle -A PREROUTING -i eth2 -j CONNMARK --restore-mark",
                     "-t nat -A POSTROUTING -o wg0 -j MASQUERADE",
                     "-t nat -A POSTROUTING -o eth0 -j MASQUERADE")
    assert answers(site, ["1.1.1.1"])
    is_quiet(Portreeve(site.gw))


def test_libvirt_host(lab):
    """libvirt's chains for its default network, beside a forward of the admin's."""
    site = gateway(lab, uplinks=[telecom()])
    site.gw.ip("link add virbr0 type bridge", "addr add 192.168.122.1/24 dev virbr0",
               "link set virbr0 up")
    for chain in ("INP", "OUT", "FWI", "FWO", "FWX"):
        site.gw.iptables(f"-N LIBVIRT_{chain}")
    site.gw.iptables(
        "-t nat -N LIBVIRT_PRT", "-t nat -A POSTROUTING -j LIBVIRT_PRT",
        "-t nat -A LIBVIRT_PRT -s 192.168.122.0/24 -d 224.0.0.0/24 -j RETURN",
        "-t nat -A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p tcp -j MASQUERADE"
        " --to-ports 1024-65535",
        "-t nat -A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE",
        "-A INPUT -j LIBVIRT_INP", "-A FORWARD -j LIBVIRT_FWX", "-A FORWARD -j LIBVIRT_FWI",
        "-A FORWARD -j LIBVIRT_FWO", "-A OUTPUT -j LIBVIRT_OUT",
        "-A LIBVIRT_INP -i virbr0 -p udp --dport 53 -j ACCEPT",
        "-A LIBVIRT_OUT -o virbr0 -p udp --dport 68 -j ACCEPT",
        "-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED"
        " -j ACCEPT", "-A LIBVIRT_FWI -o virbr0 -j REJECT",
        "-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT",
        "-A LIBVIRT_FWO -i virbr0 -j REJECT", "-A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT",
        "-t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2",
        "-t nat -A POSTROUTING -s 192.168.0.0/24 -o eth0 -j MASQUERADE")
    assert answers(site, ["1.1.1.1"])
    is_quiet(Portreeve(site.gw))


# ---- two uplinks ----

CONNMARK = [
    "iptables -t mangle -A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark"
    " --nfmask 0xff --ctmask 0xff",
    "iptables -t mangle -A PREROUTING -i eth0 -m conntrack --ctstate NEW"
    " -j CONNMARK --set-xmark 0x1/0xff",
    "iptables -t mangle -A PREROUTING -i eth1 -m conntrack --ctstate NEW"
    " -j CONNMARK --set-xmark 0x2/0xff",
    "iptables -t mangle -A OUTPUT -m conntrack --ctdir REPLY -j CONNMARK --restore-mark"
    " --nfmask 0xff --ctmask 0xff",
    "ip rule add pref 1000 lookup main suppress_prefixlength 0",
    "ip rule add pref 1001 fwmark 1/0xff lookup 1000",
    "ip rule add pref 1002 fwmark 2/0xff lookup 1001",
]


def test_connmark(lab):
    site = gateway(lab, DNAT, TABLES, CONNMARK, FORWARD_RULES, INPUT_RULES,
                   "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                   "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE")
    for interface in ("eth0", "eth1"):
        site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 2)
    assert answers(site)
    assert warned(is_quiet(Portreeve(site.gw))) <= {34}


def test_article_that_works(lab):
    """The article's own way: backends answer by a line of their own, so clients are hidden."""
    site = gateway(lab, DNAT, REPLY_ONLY, FWMARK_RULES,
                   "ip rule add pref 100 lookup main suppress_prefixlength 0",
                   "iptables -t nat -A POSTROUTING -o eth2 -m conntrack --ctstate DNAT"
                   " -j SNAT --to-source 192.168.0.1", backend_uses_gateway=False)
    assert answers(site)
    is_quiet(Portreeve(site.gw))


def test_connmark_nft(lab):
    site = gateway(lab, TABLES, "ip rule add pref 1000 lookup main suppress_prefixlength 0",
                   "ip rule add pref 1001 fwmark 1 lookup 1000",
                   "ip rule add pref 1002 fwmark 2 lookup 1001", """table inet gateway {
        map ports { type inet_service : ipv4_addr; elements = { 80 : 192.168.0.2 }; }
        chain mangle_prerouting {
            type filter hook prerouting priority mangle;
            ct state new ct mark set iifname map { "eth0" : 1, "eth1" : 2 }
            ct direction reply ct mark 1-2 meta mark set ct mark
        }
        chain mangle_output {
            type route hook output priority mangle;
            ct direction reply ct mark 1-2 meta mark set ct mark
        }
        chain dstnat {
            type nat hook prerouting priority dstnat;
            fib daddr type local iifname { "eth0", "eth1" } dnat ip to tcp dport map @ports
            iifname { "eth0", "eth1" } udp dport 53 dnat ip to 192.168.0.2
        }
        chain srcnat {
            type nat hook postrouting priority srcnat;
            oifname { "eth0", "eth1" } masquerade
        }
        chain input {
            type filter hook input priority filter; policy drop;
            ct state vmap { established : accept, related : accept, invalid : drop }
            iifname { "lo", "eth2" } accept
            tcp dport 22 accept
            meta l4proto { icmp, ipv6-icmp } accept
        }
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state vmap { established : accept, related : accept, invalid : drop }
            ct status dnat accept
            iifname "eth2" accept
        }
    }""")
    assert answers(site) and answers(site, port=53, proto="udp")
    assert warned(is_quiet(Portreeve(site.gw))) <= {34}


def mwan3(lab):
    """OpenWrt's mwan3: marks for all, balanced by chance; forwards by the line they came in on."""
    mask = "0x3f00"
    return gateway(
        lab, [rule.replace(" -i eth0", "").replace(" -i eth1", "") for rule in DNAT], TABLES,
        [f"iptables -t mangle -N {chain}" for chain in
         ("mwan3_hook", "mwan3_ifaces_in", "mwan3_iface_in_wan", "mwan3_iface_in_wanb",
          "mwan3_connected", "mwan3_rules")],
        "iptables -t mangle -A PREROUTING -j mwan3_hook",
        "iptables -t mangle -A OUTPUT -j mwan3_hook",
        "iptables -t mangle -A mwan3_hook -j CONNMARK --restore-mark"
        f" --nfmask {mask} --ctmask {mask}",
        f"iptables -t mangle -A mwan3_hook -m mark --mark 0x0/{mask} -j mwan3_ifaces_in",
        f"iptables -t mangle -A mwan3_hook -m mark --mark 0x0/{mask} -j mwan3_connected",
        f"iptables -t mangle -A mwan3_hook -m mark --mark 0x0/{mask} -j mwan3_rules",
        f"iptables -t mangle -A mwan3_hook -j CONNMARK --save-mark --nfmask {mask} --ctmask {mask}",
        "iptables -t mangle -A mwan3_ifaces_in -j mwan3_iface_in_wan",
        "iptables -t mangle -A mwan3_ifaces_in -j mwan3_iface_in_wanb",
        f"iptables -t mangle -A mwan3_iface_in_wan -i eth0 -m mark --mark 0x0/{mask}"
        f" -j MARK --set-xmark 0x100/{mask}",
        f"iptables -t mangle -A mwan3_iface_in_wanb -i eth1 -m mark --mark 0x0/{mask}"
        f" -j MARK --set-xmark 0x200/{mask}",
        "iptables -t mangle -A mwan3_connected -d 192.168.0.0/24"
        f" -j MARK --set-xmark {mask}/{mask}",
        f"iptables -t mangle -A mwan3_connected -d 127.0.0.0/8 -j MARK --set-xmark {mask}/{mask}",
        "iptables -t mangle -A mwan3_rules -m statistic --mode random --probability 0.5"
        f" -j MARK --set-xmark 0x100/{mask}",
        f"iptables -t mangle -A mwan3_rules -m mark --mark 0x0/{mask}"
        f" -j MARK --set-xmark 0x200/{mask}",
        ["ip route add 192.168.0.0/24 dev eth2 table 1000",
         "ip route add 192.168.0.0/24 dev eth2 table 1001",
         "ip rule add pref 1001 iif eth0 lookup 1000", "ip rule add pref 1002 iif eth1 lookup 1001",
         f"ip rule add pref 2001 fwmark 0x100/{mask} lookup 1000",
         f"ip rule add pref 2002 fwmark 0x200/{mask} lookup 1001",
         f"ip rule add pref 2061 fwmark 0x3d00/{mask} blackhole"],
        "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
        "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE", FORWARD_RULES)


def test_mwan3(lab):
    site = mwan3(lab)
    assert answers(site)
    is_quiet(Portreeve(site.gw))


def test_shorewall(lab):
    """Shorewall's providers, tracked: what is marked already stays so, multipath for the rest."""
    site = gateway(
        lab, DNAT, TABLES,
        "iptables -t mangle -N routemark",
        "iptables -t mangle -A PREROUTING -m connmark ! --mark 0/0xff -j CONNMARK --restore-mark"
        " --mask 0xff",
        "iptables -t mangle -A PREROUTING -i eth0 -m mark --mark 0/0xff -j routemark",
        "iptables -t mangle -A PREROUTING -i eth1 -m mark --mark 0/0xff -j routemark",
        "iptables -t mangle -A routemark -i eth0 -j MARK --set-mark 1/0xff",
        "iptables -t mangle -A routemark -i eth1 -j MARK --set-mark 2/0xff",
        "iptables -t mangle -A routemark -m mark ! --mark 0/0xff -j CONNMARK --save-mark"
        " --mask 0xff",
        ["ip rule add pref 999 lookup main suppress_prefixlength 0",
         "ip rule add pref 10000 fwmark 1/0xff lookup 1000",
         "ip rule add pref 10001 fwmark 2/0xff lookup 1001",
         "ip rule add pref 20000 from 1.1.1.1 lookup 1000",
         "ip rule add pref 20001 from 2.2.2.2 lookup 1001",
         "ip route change default nexthop via 1.1.1.254 dev eth0 weight 1"
         " nexthop via 2.2.2.254 dev eth1 weight 1"],
        "iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 1.1.1.1",
        "iptables -t nat -A POSTROUTING -o eth1 -j SNAT --to-source 2.2.2.2",
        FORWARD_RULES, INPUT_RULES)
    for _ in range(4):  # whatever way the client's address would be led by chance
        assert answers(site)
    is_quiet(Portreeve(site.gw))


# ---- portreeve's own ----

def dual(lab):
    inside = lan(Machine("backend", ["192.168.0.2/24", "fd00:0:0:1::2/64"]),
                 addresses=("192.168.0.1/24", "fd00:0:0:1::1/64"))
    site = Site(lab, [telecom6(), unicom6()], [inside])
    serve(site.backend, tcp=[80], udp=[53])
    return site


def test_portreeve(lab):
    site = gateway(lab, forward=False, backend_uses_gateway=False)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE)
    assert answers(site)
    assert warned(is_quiet(portreeve)) == set()


def test_portreeve_direct(lab):
    """Where backends see their clients' addresses."""
    site = gateway(lab, forward=False)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE.replace("192.168.0.2", "192.168.0.2, return: direct"))
    assert answers(site)
    assert warned(is_quiet(portreeve)) == set()


def test_portreeve_ipv6(lab):
    site = dual(lab)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE6)
    assert answers(site) and answers(site, ADDRESSES6) and answers(site, port=53, proto="udp")
    assert warned(is_quiet(portreeve)) == set()


# ---- beside tools ----

def test_portreeve_and_ufw(lab):
    site = dual(lab)
    box = ufw_box(site.gw)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE6, check=False)
    done = portreeve.check(ARTICLE6, "--live", "--json", check=False)
    for finding in json.loads(done.stdout)["findings"]:
        for line in finding["remedy"] if finding["blocks"] else []:
            box.run(line)
    assert answers(site) and answers(site, ADDRESSES6)
    is_quiet(portreeve)


def test_ufw(lab):
    """As its manual has it: a *nat section in before.rules, and a route rule."""
    site = gateway(lab, uplinks=[telecom()])
    box = ufw_box(site.gw)
    box.run("sed -i '1i *nat\\n:PREROUTING ACCEPT [0:0]\\n:POSTROUTING ACCEPT [0:0]\\n"
            "-A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2\\n"
            "-A POSTROUTING -s 192.168.0.0/24 -o eth0 -j MASQUERADE\\nCOMMIT'"
            " /etc/ufw/before.rules && ufw reload")
    box.run("ufw route allow in on eth0 out on eth2 to 192.168.0.2 port 80 proto tcp")
    box.run("ufw route allow in on eth2 out on eth0")
    assert answers(site, ["1.1.1.1"])
    assert warned(is_quiet(Portreeve(site.gw))) <= {34}


@pytest.mark.parametrize("backend", ("nftables", "iptables"))
def test_firewalld(lab, backend):
    site = gateway(lab, uplinks=[telecom()])
    box = firewalld_box(site.gw, f" && sed -i s/^FirewallBackend=.*/FirewallBackend={backend}/ "
                                 "/etc/firewalld/firewalld.conf")
    box.run("firewall-cmd --zone=external --add-interface=eth0 && firewall-cmd --zone=external"
            " --add-forward-port=port=80:proto=tcp:toport=80:toaddr=192.168.0.2")
    assert answers(site, ["1.1.1.1"])
    assert warned(is_quiet(Portreeve(site.gw))) <= {34}


def test_portreeve_and_firewalld(lab):
    site = dual(lab)
    box = firewalld_box(site.gw, " && sed -i s/^IPv6_rpfilter=.*/IPv6_rpfilter=no/ "
                                 "/etc/firewalld/firewalld.conf")
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE6)
    assert answers(site) and answers(site, ADDRESSES6)
    box.run("firewall-cmd --reload")
    assert answers(site)
    is_quiet(portreeve)


def test_a_map_that_takes_a_service_of_the_gateways(lab):
    """No rule of somebody's belongs into portreeve's own table: the remedy is another listener."""
    site = gateway(lab)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE)
    serve(site.gw, tcp=[80])
    found = next(f for f in doctor(portreeve, "--live") if f["number"] == 60)
    assert found["remedy"] == [] and "`on:`" in found["advice"]
