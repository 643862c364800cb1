# SPDX-License-Identifier: GPL-2.0-or-later
"""What `portreeve snapshot` writes, read back, is what the kernel says; anonymised it keeps its
structure. A program (state_matches.c) compares the two field by field."""

import json
import os
import pathlib
import re

import pytest

from gateway import ARTICLE, BINARY, Portreeve
from test_article import CONNMARK, DNAT, FWMARK_RULES, SNAT
from topology import CLIENT, Site
from traffic import ask, serve

MATCHES = pathlib.Path(BINARY).parent / "tests" / "state_matches"

IPTABLES = [
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "iptables -N guests",
    "iptables -A guests -s 10.0.0.0/8 -p tcp -m multiport --dports 80,443,1000:2000 -j RETURN",
    "iptables -A guests -m comment --comment 'all others of 203.0.113.7' -j DROP",
    "iptables -A FORWARD -i eth2+ -o eth0 -g guests",
    "iptables -A FORWARD ! -i eth0 -m iprange --src-range 10.0.0.5-10.0.0.9 -j ACCEPT",
    "iptables -A FORWARD -m mark --mark 0x1/0xff -m limit --limit 5/min -j LOG --log-prefix x",
    "iptables -A FORWARD -m set --match-set friends src -j ACCEPT",
    "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
    "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE",
    "ip6tables -A INPUT -p ipv6-icmp -j ACCEPT",
    "ip6tables -A INPUT -d fd00::/8 -j REJECT",
]
LEGACY = [
    "iptables-legacy -A FORWARD -s 203.0.113.0/24 -j DROP",
    "iptables-legacy -t nat -A PREROUTING -d 1.1.1.1 -p udp --dport 53"
    " -j DNAT --to-destination 192.168.0.2:5353",
    "ip6tables-legacy -P FORWARD DROP",
]
IPSETS = """
create friends hash:net family inet
add friends 203.0.113.0/25
add friends 203.0.113.64/26 nomatch
create ports hash:ip,port family inet
add ports 192.168.0.2,tcp:80
create both list:set
add both friends
"""
NFT = """
table inet fw {
    set blocked { type ipv4_addr; flags interval; elements = { 198.51.100.0/24, 203.0.113.5 } }
    map backends { type inet_service : ipv4_addr . inet_service;
        elements = { 8080 : 192.168.0.2 . 80, 8443 : 192.168.0.3 . 443 } }
    chain forward {
        type filter hook forward priority 10; policy accept;
        ip saddr @blocked counter drop
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname "eth0" meta mark & 0xff == 0x1 tcp dport { 80, 443, 8000-8100 } accept
        ip6 saddr fd00::/8 log prefix "six" reject
        tcp flags syn tcp option maxseg size set rt mtu
    }
    chain prerouting {
        type nat hook prerouting priority dstnat + 5;
        fib daddr type local dnat ip to tcp dport map @backends
    }
    chain mangle {
        type filter hook prerouting priority mangle;
        iifname "eth1" ct state new ct mark set ct mark & 0xffffff00 | 0x2
        ct direction reply meta mark set ct mark & 0x000000ff
    }
}
"""
NETWORK = [
    "ip addr add 10.7.0.1 peer 10.7.0.2/32 dev eth2",
    "ip addr add 192.168.0.9/24 dev eth2",
    "ip -6 addr add fd00:7::1/64 dev eth2 nodad",
    "ip route add default table 77 nexthop via 1.1.1.254 dev eth0 weight 2"
    " nexthop via 2.2.2.254 dev eth1",
    "ip route add unreachable default table 77 metric 9000",
    "ip route add 5.0.0.0/8 via inet6 fd00:7::9 dev eth2",
    "ip route add 6.0.0.0/8 via 192.168.0.2 mtu 1400 src 192.168.0.9 proto 180",
    "ip nexthop add id 5 via 192.168.0.2 dev eth2",
    "ip route add 7.0.0.0/8 nhid 5",
    "ip -6 route add fd01::/48 via fd00:7::9 metric 33",
    "ip -6 rule add from fd00:7::/64 lookup 77 pref 5",
    "ip rule add not from 10.0.0.0/24 to 1.2.3.4 iif eth0 ipproto tcp sport 1-5 dport 80"
    " lookup 77 pref 101 suppress_prefixlength 0",
    "ip rule add uidrange 5-9 goto 32766 pref 102",
    "ip rule add tos 0x10 blackhole pref 103",
    "ip rule add tun_id 44 prohibit pref 104",
    "ip neigh replace 192.168.0.77 lladdr 02:00:00:00:00:77 dev eth2 nud permanent",
]


def build(lab):
    site = Site(lab)
    gw = site.gw
    gw.sysctl("net.ipv4.ip_forward", 1)
    return site


def load(host, commands):
    for command in commands:
        host.run(command)


@pytest.fixture(scope="module")
def busy(module_lab):
    """A gateway with a bit of everything, connections too."""
    site = build(module_lab)
    gw = site.gw
    load(gw, NETWORK)
    gw.run(["ipset", "restore"], input=IPSETS)
    load(gw, DNAT + SNAT + CONNMARK + FWMARK_RULES + IPTABLES + LEGACY)
    gw.run(["nft", "-f", "-"], input=NFT)
    return site


def snapshot(host, name, *options, check=True):
    path = host.lab.path(name)
    result = host.run([BINARY, "snapshot", path, *options], check=check)
    return pathlib.Path(path), result


def assert_matches(host, path):
    result = host.run([str(MATCHES), str(path)], check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_everything_is_read_back(busy):
    path, _ = snapshot(busy.gw, "busy")
    assert_matches(busy.gw, path)
    meta = json.loads((path / "meta.json").read_text())
    assert meta["missing"] == [] and meta["known_empty"] == []
    assert {entry.name for entry in path.iterdir()} == set(meta["files"]) | {"meta.json"}


def test_connections_are_read_back(lab):
    site = build(lab)
    serve(site.backend, tcp=[80], udp=[53])
    Portreeve(site.gw).apply(ARTICLE.replace("80/tcp", "[80/tcp, 53/udp]"))
    assert ask(site.world, "2.2.2.2", 80)
    path, _ = snapshot(site.gw, "flows")
    assert f"src={CLIENT}" in (path / "conntrack.txt").read_text()
    assert_matches(site.gw, path)
    meta = json.loads((path / "meta.json").read_text())
    assert meta["known_empty"] == ["iptables-legacy", "ip6tables-legacy"]


def test_sentinel_differences_are_seen(busy):
    """The comparison can fail: change the kernel behind the snapshot's back."""
    path, _ = snapshot(busy.gw, "stale")
    busy.gw.run("ip route add 99.0.0.0/8 via 192.168.0.2")
    busy.gw.run("iptables -A FORWARD -d 99.0.0.0/8 -j DROP")
    result = busy.gw.run([str(MATCHES), str(path)], check=False)
    busy.gw.run("iptables -D FORWARD -d 99.0.0.0/8 -j DROP")
    busy.gw.run("ip route del 99.0.0.0/8")
    assert result.returncode == 1
    assert "99.0.0.0/8" in result.stdout and "FORWARD of filter" in result.stdout


ADDRESS = re.compile(r"(?<![\w.:])\d+\.\d+\.\d+\.\d+(?![\w.])")


def blank(text):
    """Without what changes by itself, and with one word for all v6 and hardware addresses."""
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r'"(gc_timer|hello_timer)": [0-9.]+', "", text)
    text = re.sub(r"\[[0-9]+:[0-9]+\]", "[counters]", text)
    return re.sub(r"[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*", "*", text)



def test_anonymised(busy):
    plain, _ = snapshot(busy.gw, "plain")
    path, _ = snapshot(busy.gw, "anonymous", "--anonymise")
    host = json.loads((plain / "meta.json").read_text())["host"]
    meta = json.loads((path / "meta.json").read_text())
    assert meta["anonymised"] and "host" not in meta
    assert host not in json.dumps({**meta, "kernel": ""})
    for before in plain.iterdir():
        after = path / before.name
        if before.name in ("meta.json", "sysctl.txt"):
            continue
        old, new = before.read_text(), after.read_text()
        # The same but for the addresses, of which there are as many different ones.
        assert ADDRESS.sub("*", blank(old)) == ADDRESS.sub("*", blank(new)), before.name
        assert len(set(ADDRESS.findall(old))) == len(set(ADDRESS.findall(new))), before.name
        # (By a chance of one in 65,536 an address may become itself.)
        assert "203.0.113.7" not in new and "1.1.1.254" not in new, before.name
        assert "02:00:00:00:00:77" not in new, before.name
    # Consistent over files: the DNAT's address is the interface's.
    nat = (path / "iptables-save.txt").read_text()
    mapped = re.search(r"-A PREROUTING -d (\S+)/32 -i eth1 .*--dport 80 -j DNAT", nat).group(1)
    interfaces = json.loads((path / "ip-addr.json").read_text())
    assert mapped in [a["local"] for i in interfaces if i["ifname"] == "eth1"
                      for a in i["addr_info"]]


def test_directory_in_use(lab):
    host = lab.host("gw")
    path = pathlib.Path(lab.path("there"))
    path.mkdir()
    (path / "notes.md").write_text("mine")
    _, refused = snapshot(host, "there", check=False)
    assert refused.returncode == 2 and "not empty" in refused.stderr
    assert [entry.name for entry in path.iterdir()] == ["notes.md"]
    snapshot(host, "there", "--force")
    assert (path / "notes.md").read_text() == "mine" and (path / "meta.json").exists()
    (path / "iptables-legacy-save.txt").write_text("of an older one")
    snapshot(host, "there", "--force")
    assert not (path / "iptables-legacy-save.txt").exists()
    assert not os.path.exists(str(path) + ".partial")
    empty = pathlib.Path(lab.path("empty"))
    empty.mkdir()
    snapshot(host, "empty")
    assert (empty / "meta.json").exists()


def test_cannot_write(lab):
    host = lab.host("gw")
    result = host.run([BINARY, "snapshot", "/proc/nothing/here"], check=False)
    assert result.returncode == 3 and "cannot write" in result.stderr


def test_missing_tools(lab):
    """Tools that are not there are said, and what is there is written."""
    host = lab.host("gw")
    path = lab.path("poor")
    # An empty tmpfs over a tool's directory would hide all of them; one file is hidden by another.
    script = (f"mount --bind /dev/null $(readlink -f $(command -v conntrack)) && "
              f"{BINARY} snapshot {path}")
    host.run(["unshare", "-m", "sh", "-c", script])
    meta = json.loads((pathlib.Path(path) / "meta.json").read_text())
    assert [gap["what"] for gap in meta["missing"]] == ["conntrack"]
    assert not (pathlib.Path(path) / "conntrack.txt").exists()
    assert (pathlib.Path(path) / "ip-route.json").exists()


def test_json_answer(lab):
    host = lab.host("gw")
    _, result = snapshot(host, "answer", "--json")
    answer = json.loads(result.stdout)
    assert "meta.json" in answer["files"] and answer["missing"] == [] and not answer["anonymised"]
