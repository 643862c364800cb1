# SPDX-License-Identifier: GPL-2.0-or-later
"""What an uplink's gateway and addresses may come from: the file, the system's default route, a
point-to-point line; and what happens when the system changes under an applied config."""

import pytest

from gateway import ARTICLE, Portreeve
from state import misrouted
from topology import Site, Uplink, telecom
from traffic import ask, dead, serve, together

BARE = """
    uplinks:
      telecom: {interface: eth0}
      unicom:  {interface: eth1}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
    """


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[80])
    made.portreeve = Portreeve(made.gw)
    return made


def both_answer(site, addresses=("1.1.1.1", "2.2.2.2")):
    return (all(together(*(lambda a=a: ask(site.world, a, 80) for a in addresses)))
            and site.foreign("telecom") == site.foreign("unicom") == 0
            and not any(misrouted(site.gw).values()))


def test_from_the_systems_default_routes(site):
    """As a DHCP client leaves them: one per line, with metrics."""
    site.gw.ip("route add default via 2.2.2.254 dev eth1 metric 200")
    site.portreeve.apply(BARE)
    assert both_answer(site)


def test_no_gateway_anywhere(site):
    """unicom has no default route in the system and none in the file: said, with its place."""
    done = site.portreeve.apply(BARE, check=False)
    assert done.returncode in (1, 2)
    assert "gw.yaml:3:" in done.stderr and "gateway" in done.stderr


@pytest.mark.parametrize("policy", (0, 1))
def test_multipath_default_route(site, policy):
    """A balancing default route must not spread the replies of one line over both."""
    site.gw.sysctl("net.ipv4.fib_multipath_hash_policy", policy)
    site.gw.ip("route replace default nexthop via 1.1.1.254 nexthop via 2.2.2.254")
    site.portreeve.apply(BARE)
    # Twenty flows per line: an unpinned one would take the wrong leg half of the time.
    for _ in range(20):
        assert both_answer(site)


def test_onlink(lab):
    """A line without a next hop, as with PPP: the default route names the interface alone."""
    site = Site(lab, [telecom(), Uplink("unicom", "eth3", ["4.4.4.4/29"], ["4.4.4.1"])])
    site.isp["unicom"].sysctl("net.ipv4.conf.customer.proxy_arp", 1)  # what stands in for PPP
    serve(site.backend, tcp=[80])
    Portreeve(site.gw).apply(ARTICLE.replace("eth1, gateway: 2.2.2.254", "eth3, gateway: onlink"))
    assert both_answer(site, ("1.1.1.1", "4.4.4.4"))


def test_address_changed(site):
    """As DHCP does at night: the next apply follows."""
    site.portreeve.apply(ARTICLE)
    assert both_answer(site)
    site.isp["unicom"].nft("""
        flush chain inet isp forward
        add rule inet isp forward iifname customer ip saddr != 2.2.2.77 counter name foreign drop
    """)
    site.gw.ip("addr del 2.2.2.2/24 dev eth1", "addr add 2.2.2.77/24 dev eth1")
    assert dead(site.world, "2.2.2.77", 80)
    assert site.portreeve.diff(ARTICLE, check=False).returncode == 1
    site.portreeve.apply(ARTICLE)
    assert both_answer(site, ("1.1.1.1", "2.2.2.77"))


def test_line_down_and_up(site):
    """The kernel drops the routes of an interface that goes down; the next apply brings them back.
    In between nothing leaves by the other line."""
    site.portreeve.apply(ARTICLE)
    site.gw.ip("link set eth1 down", "link set eth1 up")
    assert dead(site.world, "2.2.2.2", 80)
    assert site.foreign("telecom") == 0
    assert ask(site.world, "1.1.1.1", 80)
    assert site.portreeve.apply_json(ARTICLE)["changed"] is True
    assert both_answer(site)


def add_network(site):
    late = site.lab.host("late")
    site.lab.wire((site.gw, "eth7"), (late, "eth0"))
    site.gw.ip("addr add 10.7.0.1/24 dev eth7")
    late.ip("addr add 10.7.0.2/24 dev eth0")
    return late


def test_inside_network_added(site):
    """A network that comes after the apply: found at the next one."""
    site.portreeve.apply(ARTICLE)
    late = add_network(site)
    serve(late, tcp=[80])
    config = ARTICLE.replace("192.168.0.2", "10.7.0.2")
    site.portreeve.apply(config)
    assert both_answer(site)
    assert ask(site.world, "2.2.2.2", 80).server == "late"
