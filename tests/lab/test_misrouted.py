# SPDX-License-Identifier: GPL-2.0-or-later
"""The promise as a number: replies that would leave by another line than home are counted, and end
here."""

import socket

import pytest
from scapy.layers.inet import IP, TCP

from gateway import ARTICLE, UPLINKS, Portreeve
from lab import wait_for
from state import misrouted
from topology import CLIENT, Machine, Site, lan
from traffic import Capture, ask, dead, serve


def test_counters(lab):
    site = Site(lab)
    serve(site.backend, tcp=[80])
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE)
    for address in ("1.1.1.1", "2.2.2.2") * 5:
        assert ask(site.world, address, 80)
    before = misrouted(site.gw)
    assert len(before) == 2 and not any(before.values())

    # Broken on purpose: someone takes unicom's rule away, so its replies follow main to telecom.
    rules = [rule for rule in site.gw.run("ip rule show").stdout.splitlines() if "fwmark" in rule]
    assert len(rules) == 2
    site.gw.ip(f"rule del pref {rules[1].split(':')[0]}")
    assert dead(site.world, "2.2.2.2", 80)
    after = misrouted(site.gw)
    assert [name for name, count in after.items() if count > 0] \
        == [name for name in after if "unicom" in name]
    assert site.foreign("telecom") == 0
    assert ask(site.world, "1.1.1.1", 80)

    # The next apply notices and heals.
    assert portreeve.apply_json(ARTICLE)["changed"] is True
    assert ask(site.world, "2.2.2.2", 80)


def test_a_dead_line_is_not_left_by_another(lab):
    """When home has no way out any more, its replies end there: not on another ISP's line with a
    source that it does not know."""
    site = Site(lab)
    serve(site.backend, tcp=[80], udp=[80])
    Portreeve(site.gw).apply(ARTICLE + "  u: {listen: 80/udp, to: 192.168.0.2}\n")
    client = site.world.udp_connect("2.2.2.2", 80, timeout=0.5)
    client.send(b"1")
    assert client.recv(100)
    # The routes of the table go with the carrierless interface's addresses; requests still come.
    rules = [rule for rule in site.gw.run("ip rule show").stdout.splitlines() if "fwmark" in rule]
    table = rules[1].split("lookup ")[1].strip()
    site.gw.ip(f"route del default via 2.2.2.254 dev eth1 table {table}")
    client.send(b"2")
    try:
        raise AssertionError(client.recv(100))
    except TimeoutError:
        pass
    assert site.foreign("telecom") == 0
    assert not any(misrouted(site.gw).values())


@pytest.mark.parametrize("how", ["goes on", "ends"])
def test_the_rest_of_a_deleted_connection(lab, how):
    """A backend that sees its clients goes on sending, or ends, when its connection was deleted: it is
    told that it is over, and nothing of it leaves by the default route."""
    site = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"], gateway=True),
                                 Machine("other", ["192.168.0.3/24"], gateway=True))])
    config = UPLINKS + """
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2, return: direct}
    """
    listener = site.backend.tcp_listen(80)
    portreeve = Portreeve(site.gw)
    portreeve.apply(config)
    site.world.tcp_connect("2.2.2.2", 80)
    backend_end, peer = listener.accept()
    assert peer[0].endswith(CLIENT)
    leaves = Capture(site.isp["telecom"], "customer")
    portreeve.apply(config.replace("192.168.0.2,", "192.168.0.3,"))
    with pytest.raises(ConnectionError):
        if how == "ends":
            backend_end.settimeout(5)
            backend_end.shutdown(socket.SHUT_WR)
            backend_end.recv(1)
        wait_for(lambda: backend_end.send(b"still here") == 0, "a reset")
    assert not leaves.packets(lambda p: TCP in p and p[IP].dst == CLIENT)
    assert site.foreign("telecom") == 0


def test_a_reset_of_our_own_goes_home(lab):
    """To what conntrack cannot place the gateway answers with a reset, which has no mark."""
    site = Site(lab)
    Portreeve(site.gw).apply(ARTICLE)
    arrived = Capture(site.world, "unicom")
    raw = site.world.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.sendto(bytes(IP(src=CLIENT, dst="2.2.2.2") / TCP(sport=7777, dport=9999, flags="SA", ack=1)),
               ("2.2.2.2", 0))
    reset = arrived.wait(lambda p: TCP in p and p[TCP].dport == 7777, "a reset by unicom")
    assert reset[IP].src == "2.2.2.2" and "R" in reset[TCP].flags
    assert site.foreign("telecom") == 0
