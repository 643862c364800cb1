# SPDX-License-Identifier: GPL-2.0-or-later
"""The promise as a number: replies that leave by another line than home are counted."""

from gateway import ARTICLE, Portreeve
from state import misrouted
from topology import Site
from traffic import ask, dead, serve


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
    assert site.foreign("telecom") > 0
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
