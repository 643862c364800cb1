# SPDX-License-Identifier: GPL-2.0-or-later
"""Reverse path filtering: strict on every interface, strict through `all`, with and without
src_valid_mark; and the one thing that cannot be cured by a sysctl of an interface."""

import pytest

from gateway import ARTICLE, Portreeve
from state import differences, dump, misrouted
from topology import Inside, Machine, Site, lan
from traffic import ask, dead, serve, together

MAPS = """
      dns: {listen: 53/udp, to: 192.168.0.2}
      guest: {listen: 81/tcp, to: 10.0.0.2}
    """
INTERFACES = ("eth0", "eth1", "eth2", "eth3")


@pytest.fixture
def site(lab):
    made = Site(lab, inside=[lan(), Inside("eth3", ["10.0.0.1/24"],
                                           [Machine("guest", ["10.0.0.2/24"])])])
    serve(made.backend, tcp=[80], udp=[53])
    serve(made.guest, tcp=[81])
    serve(made.gw, tcp=[2222])
    return made


def strict(site, where):
    if where in ("each", "both"):
        for interface in INTERFACES:
            site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 1)
    if where in ("all", "both"):
        site.gw.sysctl("net.ipv4.conf.all.rp_filter", 1)


@pytest.mark.parametrize("where", ("none", "each", "all", "both"))
@pytest.mark.parametrize("valid_mark", (0, 1))
def test_works(site, where, valid_mark):
    strict(site, where)
    site.gw.sysctl("net.ipv4.conf.all.src_valid_mark", valid_mark)
    before = dump(site.gw)
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE + MAPS)
    asked = [(address, port, proto) for address in ("1.1.1.1", "2.2.2.2")
             for port, proto in ((80, "tcp"), (53, "udp"), (81, "tcp"), (2222, "tcp"))]
    answers = together(*(lambda q=q: ask(site.world, *q) for q in asked))
    assert [q for q, answer in zip(asked, answers) if not answer] == []
    assert not any(misrouted(site.gw).values())
    # The setting of the inside is nobody's to loosen, `all` least of any.
    assert site.gw.sysctl("net.ipv4.conf.all.rp_filter") == str(int(where in ("all", "both")))
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_strict_really_kills(site):
    """What the above cures: back to strict by hand, and the second uplink is dead."""
    Portreeve(site.gw).apply(ARTICLE + MAPS)
    assert ask(site.world, "2.2.2.2", 80)
    site.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    assert dead(site.world, "2.2.2.2", 80)


@pytest.mark.parametrize("where, refused", (("none", False), ("all", True), ("each", False)))
def test_no_default_route_in_main(lab, where, refused):
    """With `all` at 1 and no default in main, loose mode too drops everything: no setting of an
    interface helps. It is said, with the remedy, and not called working. Where the uplinks' own
    settings are the only strict ones there is a cure, and it is used."""
    site = Site(lab, default=None)
    serve(site.backend, tcp=[80])
    if where == "all":
        site.gw.sysctl("net.ipv4.conf.all.rp_filter", 1)
    elif where == "each":
        for interface in ("eth0", "eth1"):
            site.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 1)
    portreeve = Portreeve(site.gw)
    done = portreeve.apply(ARTICLE, check=False)
    if not refused:
        assert done.returncode == 0, done.stderr
        assert ask(site.world, "1.1.1.1", 80) and ask(site.world, "2.2.2.2", 80)
        return
    assert done.returncode == 1
    said = done.stderr + done.stdout
    assert "rp_filter" in said and "default" in said
    assert portreeve.check(ARTICLE, "--live", check=False).returncode == 1
    # Either remedy works: a default route of any metric, or `all` at 0.
    site.gw.ip("route add default via 1.1.1.254 dev eth0 metric 9000")
    portreeve.apply(ARTICLE)
    assert ask(site.world, "1.1.1.1", 80) and ask(site.world, "2.2.2.2", 80)
