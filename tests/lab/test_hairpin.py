# SPDX-License-Identifier: GPL-2.0-or-later
"""From the inside to a public address of one's own gateway: from beside the backend, from another
inside network, from the backend itself, from the gateway; also to the address of the modem."""

import pytest

from gateway import ARTICLE, Portreeve
from state import misrouted
from topology import Inside, Machine, Modem, Site, Uplink, lan
from traffic import ask, dead, serve, together

MAPS = """
      dns: {listen: 53/udp, to: 192.168.0.2}
    """


def inside():
    return [lan(Machine("backend", ["192.168.0.2/24"]),
                Machine("pc", ["192.168.0.9/24"], gateway=True)),
            Inside("eth3", ["10.0.0.1/24"], [Machine("guest", ["10.0.0.9/24"], gateway=True)])]


@pytest.fixture(scope="module")
def site(module_lab):
    made = Site(module_lab, None, inside())
    serve(made.backend, tcp=[80], udp=[53])
    Portreeve(made.gw).apply(ARTICLE + MAPS)
    # The client inside reaches the public addresses by the gateway even where it has another line.
    made.backend.ip("route add 1.1.1.1 via 192.168.0.1", "route add 2.2.2.2 via 192.168.0.1")
    return made


@pytest.mark.parametrize("address", ("1.1.1.1", "2.2.2.2"))
@pytest.mark.parametrize("proto", ("tcp", "udp"))
class TestHairpin:
    def ask(self, host, address, proto):
        return ask(host, address, {"tcp": 80, "udp": 53}[proto], proto)

    def test_from_beside_the_backend(self, site, address, proto):
        """Without SNAT the backend would answer the client directly, from its private address."""
        assert self.ask(site.pc, address, proto).client == "192.168.0.1"

    def test_from_another_inside_network(self, site, address, proto):
        assert self.ask(site.guest, address, proto).server == "backend"

    def test_from_the_backend_itself(self, site, address, proto):
        assert self.ask(site.backend, address, proto).client == "192.168.0.1"

    def test_from_the_gateway(self, site, address, proto):
        assert self.ask(site.gw, address, proto).server == "backend"


def test_hairpin_is_not_misrouted(site):
    """Replies to the inside have no uplink for a home, so nothing counts them."""
    for host in (site.pc, site.guest, site.gw):
        assert ask(host, "2.2.2.2", 80)
    assert not any(misrouted(site.gw).values())
    assert site.foreign("telecom") == site.foreign("unicom") == 0


def test_other_ports_stay_the_gateways_own(site):
    """Only what is mapped is taken away from the gateway."""
    serve(site.gw, tcp=[8080])
    assert ask(site.pc, "1.1.1.1", 8080).server == "gw"
    assert ask(site.gw, "2.2.2.2", 8080).server == "gw"


def test_direct_return_still_hides_the_client_beside_the_backend(lab):
    """return: direct shows the backend its client, but one beside it must be hidden all the same:
    else the backend answers it directly, from an address that it did not ask."""
    site = Site(lab, None, [
        lan(Machine("backend", ["192.168.0.2/24"], gateway=True),
            Machine("pc", ["192.168.0.9/24"], gateway=True)),
        Inside("eth3", ["10.0.0.1/24"], [Machine("guest", ["10.0.0.9/24"], gateway=True)])])
    serve(site.backend, tcp=[80])
    Portreeve(site.gw).apply(ARTICLE.replace("192.168.0.2}", "192.168.0.2, return: direct}"))
    assert ask(site.world, "2.2.2.2", 80).client == "100.100.100.100"
    assert ask(site.pc, "2.2.2.2", 80).client == "192.168.0.1"
    assert ask(site.guest, "2.2.2.2", 80).client == "10.0.0.9"
    assert ask(site.gw, "2.2.2.2", 80).server == "backend"


def test_to_public_address_of_a_modem(lab):
    """`public:` is on no interface of the gateway; from inside it leads to the backend without a
    round by the modem. Without `public:` in the config the packets go out by telecom and the
    answer, if any, comes from elsewhere."""
    site = Site(lab, [
        Uplink("telecom", "eth0", ["192.168.1.2/24"], ["192.168.1.1"],
               modem=Modem("203.0.113.10/24", "203.0.113.254")),
        Uplink("unicom", "eth1", ["192.168.2.2/24"], ["192.168.2.1"],
               modem=Modem("198.51.100.20/24", "198.51.100.254"))], inside())
    serve(site.backend, tcp=[80], udp=[53])
    portreeve = Portreeve(site.gw)
    config = """
        uplinks:
          telecom: {interface: eth0, gateway: 192.168.1.1, public: 203.0.113.10}
          unicom:  {interface: eth1, gateway: 192.168.2.1, public: 198.51.100.20}
        maps:
          web: {listen: 80/tcp, to: 192.168.0.2}
          dns: {listen: 53/udp, to: 192.168.0.2}
        """
    portreeve.apply(config.replace(", public: 203.0.113.10", "")
                    .replace(", public: 198.51.100.20", ""))
    assert dead(site.pc, "198.51.100.20", 80)

    portreeve.apply(config)
    calls = [lambda h=host, a=address, n=port, p=proto: ask(h, a, n, p)
             for host in (site.pc, site.guest, site.gw)
             for address in ("203.0.113.10", "198.51.100.20")
             for port, proto in ((80, "tcp"), (53, "udp"))]
    answers = together(*calls)
    assert all(answers), [bool(answer) for answer in answers]
    # And from outside as ever.
    assert ask(site.world, "203.0.113.10", 80) and ask(site.world, "198.51.100.20", 80)
    assert not any(misrouted(site.gw).values())
