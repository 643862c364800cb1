# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside tools that use marks themselves: their bits stay theirs, and what they do to whole marks
does not send requests back to the ISP."""

import re

import pytest

from gateway import ARTICLE, Portreeve
from state import connections, misrouted
from topology import Site
from traffic import ask, serve

MAPS = """
      dns: {listen: 53/udp, to: 192.168.0.2}
    """


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[80], udp=[53])
    return made


def works(site):
    """Both addresses; UDP for several packets of one flow, TCP for a while."""
    for address in ("1.1.1.1", "2.2.2.2"):
        if not ask(site.world, address, 80, timeout=1.5):
            return False
        client = site.world.udp_connect(address, 53, timeout=1.5)
        try:
            for text in (b"1", b"2", b"3", b"4"):
                client.send(text)
                client.recv(1000)
        except OSError:
            return False
    return site.foreign("telecom") == site.foreign("unicom") == 0


# What wg-quick puts in, word for word but for the interface's address.
WG_QUICK = [
    "-t mangle -I POSTROUTING -m mark --mark 0xca6c -p udp -j CONNMARK --save-mark"
    " -m comment --comment 'wg-quick(8) rule for wg0'",
    "-t mangle -I PREROUTING -p udp -j CONNMARK --restore-mark"
    " -m comment --comment 'wg-quick(8) rule for wg0'",
]


@pytest.mark.parametrize("first", ("wg-quick", "portreeve"))
def test_beside_wg_quick(site, first):
    """It restores whole connmarks on requests too: without clearing our bits in the original
    direction, every UDP map dies at its second packet. Whoever came first."""
    if first == "wg-quick":
        site.gw.iptables(*WG_QUICK)
    Portreeve(site.gw).apply(ARTICLE + MAPS)
    if first == "portreeve":
        site.gw.iptables(*WG_QUICK)
    site.gw.sysctl("net.ipv4.conf.all.src_valid_mark", 1)
    # No request carries our bits any further. (The uplinks' tables know the inside too, which saves
    # most requests that do; not one to a network that came later.)
    site.gw.iptables("-t mangle -A FORWARD -i eth0 -m mark ! --mark 0/0xff000000",
                     "-t mangle -A FORWARD -i eth1 -m mark ! --mark 0/0xff000000")
    assert works(site)
    listing = site.gw.run("iptables -t mangle -nvxL FORWARD").stdout
    assert [int(line.split()[0]) for line in listing.splitlines()[2:]] == [0, 0]
    assert not any(misrouted(site.gw).values())


def test_naive_rules_die_beside_wg_quick(site):
    """The same traffic through the article's cure, whose marks requests then get: so `works` can
    fail, and this is a real trap."""
    site.gw.sysctl("net.ipv4.ip_forward", 1)
    site.gw.iptables(
        "-t nat -A PREROUTING -d 1.1.1.1 -p udp --dport 53 -j DNAT --to-destination 192.168.0.2",
        "-t nat -A POSTROUTING -d 192.168.0.2 -o eth2 -j SNAT --to-source 192.168.0.1",
        "-t mangle -A PREROUTING -i eth0 -m conntrack --ctstate NEW -j CONNMARK --set-mark 1",
        "-t mangle -A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark")
    site.gw.ip("route add default via 1.1.1.254 dev eth0 table 1000",
               "rule add fwmark 1 lookup 1000")
    client = site.world.udp_connect("1.1.1.1", 53, timeout=0.7)
    client.send(b"1")
    assert client.recv(1000)
    site.gw.iptables(*WG_QUICK)
    client.send(b"2")
    with pytest.raises(TimeoutError):
        client.recv(1000)


def test_foreign_bits_of_the_packet_mark_stay(site):
    """Another tool marks packets before us and matches its mark after us, in both directions."""
    site.gw.iptables(
        "-t mangle -A PREROUTING -i eth1 -j MARK --set-xmark 0x1300/0xff00",
        "-t mangle -A PREROUTING -i eth2 -j MARK --set-xmark 0x2400/0xff00",
        "-t mangle -A FORWARD -i eth1 -m mark --mark 0x1300/0xff00",
        "-t mangle -A FORWARD -o eth1 -m mark --mark 0x2400/0xff00",
        "-t mangle -A FORWARD -i eth1 -m mark ! --mark 0x1300/0xff00",
        "-t mangle -A FORWARD -o eth1 -m mark ! --mark 0x2400/0xff00")
    Portreeve(site.gw).apply(ARTICLE + MAPS)
    assert works(site)
    listing = site.gw.run("iptables -t mangle -nvxL FORWARD").stdout
    counts = [int(line.split()[0]) for line in listing.splitlines()[2:]]
    assert counts[0] > 0 and counts[1] > 0, "its mark was lost on the way"
    assert counts[2:] == [0, 0]


def test_foreign_bits_of_the_connmark_stay(site):
    """Another tool saves its own bits into the connection: ours are added beside them."""
    site.gw.iptables(
        "-t mangle -A PREROUTING -i eth1 -m conntrack --ctstate NEW"
        " -j CONNMARK --set-xmark 0x1300/0xff00",
        "-t mangle -A FORWARD -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x5/0xff")
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE + MAPS)
    assert works(site)
    marks = {int(mark) for line in connections(site.gw, "-p", "udp")
             for mark in re.findall(r"mark=(\d+)", line)}
    assert {mark & 0xffffff for mark in marks} == {0x1305, 0x05}
    assert all(mark & 0xff000000 for mark in marks)
    # Applying again, and removing, leaves the foreign bits too.
    portreeve.remove()
    marks = {int(mark) for line in connections(site.gw, "-p", "udp")
             for mark in re.findall(r"mark=(\d+)", line)}
    assert {mark & 0xff for mark in marks} <= {0x05}


def test_foreign_tool_that_sets_whole_marks(site):
    """A tool without masks overwrites the whole packet mark before us: ours is set afterwards."""
    site.gw.iptables("-t mangle -A PREROUTING -j MARK --set-mark 7")
    Portreeve(site.gw).apply(ARTICLE + MAPS)
    assert works(site)
    assert not any(misrouted(site.gw).values())


def test_other_mark_bits_by_config(site):
    """`mark:` moves our bits; a tool that claims the default ones then does no harm."""
    site.gw.iptables(
        "-t mangle -A PREROUTING -j CONNMARK --set-xmark 0xab000000/0xff000000",
        "-t mangle -A PREROUTING -j MARK --set-xmark 0xab000000/0xff000000")
    Portreeve(site.gw).apply(ARTICLE.replace("maps:", "gateway: {mark: 0xff00}\n    maps:") + MAPS)
    assert works(site)
    assert not any(misrouted(site.gw).values())
