# SPDX-License-Identifier: GPL-2.0-or-later
"""A service on the gateway itself, mapped by nobody, answers on both uplinks by home."""

import pytest

from gateway import ARTICLE, Portreeve
from state import misrouted
from topology import Site
from traffic import DEAD_S, ask, dead, serve, together


@pytest.fixture(scope="module")
def site(module_lab):
    made = Site(module_lab)
    made.services = [serve(made.gw, tcp=[2222]),
                     serve(made.gw, udp=[1194], address="1.1.1.1", name="telecom's"),
                     serve(made.gw, udp=[1194], address="2.2.2.2", name="unicom's")]
    # Before: what is not the default line is dead, which is why the tests below mean something.
    assert together(lambda: dead(made.world, "2.2.2.2", 2222),
                    lambda: dead(made.world, "2.2.2.2", 1194, "udp")) == [True, True]
    assert made.foreign("telecom") > 0
    made.dropped_before = made.foreign("telecom")
    Portreeve(made.gw).apply(ARTICLE)
    return made


def ping(site, address):
    return site.world.run(["ping", "-c1", "-W", "3", address], check=False).returncode == 0


def test_tcp_on_both(site):
    assert ask(site.world, "1.1.1.1", 2222).server == "gw"
    assert ask(site.world, "2.2.2.2", 2222).server == "gw"


def test_bound_udp_on_both(site):
    assert ask(site.world, "1.1.1.1", 1194, "udp").server == "telecom's"
    assert ask(site.world, "2.2.2.2", 1194, "udp").server == "unicom's"


def test_ping_on_both(site):
    """Echo replies are the kernel's own packets."""
    assert ping(site, "1.1.1.1") and ping(site, "2.2.2.2")


def test_refusals_on_both(site):
    """A closed port refuses at once on either line: the RST too goes home."""
    for address in ("1.1.1.1", "2.2.2.2"):
        with pytest.raises(ConnectionRefusedError):
            site.world.tcp_connect(address, 4444, timeout=DEAD_S)


def test_nothing_was_misrouted(site):
    assert not any(misrouted(site.gw).values())
    assert site.foreign("telecom") == site.dropped_before
    assert site.foreign("unicom") == 0


def test_the_gateways_own_connections_are_untouched(site):
    """What the gateway starts itself goes by main, as before."""
    serve(site.world, tcp=[7000], udp=[7000])
    assert ask(site.gw, "100.100.100.100", 7000).client == "1.1.1.1"
    assert ask(site.gw, "100.100.100.100", 7000, "udp").client == "1.1.1.1"
