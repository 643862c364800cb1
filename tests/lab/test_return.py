# SPDX-License-Identifier: GPL-2.0-or-later
"""How replies come back: direct (the backend sees its client), snat, several snat addresses; and a
backend behind a router inside."""

import pytest

from gateway import ARTICLE, UPLINKS, Portreeve
from state import misrouted
from topology import CLIENT, Machine, Site, lan
from traffic import ask, dead, serve, together

ADDRESSES = ("1.1.1.1", "2.2.2.2")


def clients(site, port=80, proto="tcp"):
    answers = together(*(lambda a=a: ask(site.world, a, port, proto) for a in ADDRESSES))
    return [answer and answer.client for answer in answers]


def clean(site):
    return (not any(misrouted(site.gw).values())
            and site.foreign("telecom") == site.foreign("unicom") == 0)


def test_direct(lab):
    """The backend's default route is the gateway: both lines work and it sees its client."""
    site = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"], gateway=True))])
    serve(site.backend, tcp=[80], udp=[80])
    Portreeve(site.gw).apply("""
        uplinks:
          telecom: {interface: eth0, gateway: 1.1.1.254}
          unicom:  {interface: eth1, gateway: 2.2.2.254}
        maps:
          web: {listen: [80/tcp, 80/udp], to: 192.168.0.2, return: direct}
        """)
    assert clients(site) == [CLIENT, CLIENT]
    assert clients(site, proto="udp") == [CLIENT, CLIENT]
    assert clean(site)


def test_direct_with_a_backend_that_has_another_line(lab):
    """Pitfall 1: `direct` is a promise about the backend, and this one does not keep it."""
    site = Site(lab)
    serve(site.backend, tcp=[80])
    Portreeve(site.gw).apply(ARTICLE.replace("192.168.0.2}", "192.168.0.2, return: direct}"))
    assert together(*(lambda a=a: dead(site.world, a, 80) for a in ADDRESSES)) == [True, True]
    assert site.foreign("line-backend") > 0


def test_auto_is_snat(lab):
    """Nobody can know from the gateway what the backend's routes are; snat always works."""
    site = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"], gateway=True))])
    serve(site.backend, tcp=[80])
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE)
    assert clients(site) == ["192.168.0.1", "192.168.0.1"]
    assert "return snat 192.168.0.1" in portreeve.show(ARTICLE).stdout


@pytest.mark.parametrize("given", (["192.168.0.1", "192.168.0.3"],
                                   ["192.168.0.1", "192.168.0.3", "192.168.0.4"]))
def test_several_snat_addresses(lab, given):
    """Each adds some 64,000 ports towards one backend port; all of them are used."""
    site = Site(lab, inside=[lan(addresses=[f"{a}/24" for a in given])])
    serve(site.backend, tcp=[80], udp=[80])
    Portreeve(site.gw).apply(f"""
        uplinks:
          telecom: {{interface: eth0, gateway: 1.1.1.254}}
          unicom:  {{interface: eth1, gateway: 2.2.2.254}}
        maps:
          web: {{listen: [80/tcp, 80/udp], to: 192.168.0.2, return: {{snat: [{", ".join(given)}]}}}}
        """)
    # 40 flows each, from fixed ports so that the run is the same every time: that one of three
    # addresses gets none of 40 by chance is less likely than 1 in 10 million.
    for proto in ("tcp", "udp"):
        seen = {ask(site.world, address, 80, proto, source=CLIENT, source_port=20000 + i).client
                for address in ADDRESSES for i in range(20)}
        assert seen == set(given)
    assert clean(site)


def test_one_snat_address_of_ones_choice(lab):
    """Not the first address of the network, which `auto` takes."""
    site = Site(lab, inside=[lan(addresses=["192.168.0.1/24", "192.168.0.3/24"])])
    serve(site.backend, tcp=[80])
    Portreeve(site.gw).apply(
        ARTICLE.replace("192.168.0.2}", "192.168.0.2, return: {snat: [192.168.0.3]}}"))
    assert clients(site) == ["192.168.0.3", "192.168.0.3"]


def test_backends_with_different_returns(lab):
    """snat is for the backends that need it, not for everything that passes."""
    site = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"]),
                                 Machine("mail", ["192.168.0.5/24"], gateway=True))])
    serve(site.backend, tcp=[80])
    serve(site.mail, tcp=[25])
    Portreeve(site.gw).apply(ARTICLE + """
      mail: {listen: 25/tcp, to: 192.168.0.5, return: direct}
    """)
    assert clients(site, 80) == ["192.168.0.1", "192.168.0.1"]
    assert clients(site, 25) == [CLIENT, CLIENT]
    # A connection of the backend's own that passes the gateway keeps its source.
    serve(site.world, tcp=[7000])
    site.isp["telecom"].nft("flush chain inet isp forward")
    site.world.ip("route add 192.168.0.0/24 via 10.254.0.2")
    site.isp["telecom"].ip("route add 192.168.0.0/24 via 1.1.1.1")
    assert ask(site.mail, CLIENT, 7000).client == "192.168.0.5"


def test_backend_is_the_gateway_itself(lab):
    """A service that listens on the gateway's inside address alone, shown to the Internet."""
    site = Site(lab)
    serve(site.gw, tcp=[8080], udp=[8080], address="192.168.0.1")
    Portreeve(site.gw).apply(UPLINKS + """
    maps:
      own: {listen: [80/tcp, 80/udp], to: "192.168.0.1:8080"}
    """)
    assert clients(site) == [CLIENT, CLIENT]
    assert clients(site, proto="udp") == [CLIENT, CLIENT]
    assert clean(site)


def test_backend_behind_a_router_inside(lab):
    """The uplinks' tables know the inside routes too, and the SNAT address is the gateway's on the
    network of the backend's route."""
    site = Site(lab, inside=[lan(Machine("router", ["192.168.0.5/24"], gateway=True))])
    far = lab.host("far")
    lab.wire((site.router, "eth1"), (far, "eth0"))
    site.router.sysctl("net.ipv4.ip_forward", 1)
    site.router.ip("addr add 10.9.0.1/24 dev eth1")
    far.ip("addr add 10.9.0.2/24 dev eth0", "route add default via 10.9.0.1")
    site.gw.ip("route add 10.9.0.0/24 via 192.168.0.5")
    site.gw.sysctl("net.ipv4.conf.all.src_valid_mark", 1)
    site.gw.sysctl("net.ipv4.conf.eth2.rp_filter", 1)
    serve(far, tcp=[80], udp=[80])
    config = """
        uplinks:
          telecom: {interface: eth0, gateway: 1.1.1.254}
          unicom:  {interface: eth1, gateway: 2.2.2.254}
        maps:
          web: {listen: [80/tcp, 80/udp], to: 10.9.0.2%s}
        """
    portreeve = Portreeve(site.gw)
    portreeve.apply(config % "")
    assert clients(site) == ["192.168.0.1", "192.168.0.1"]
    portreeve.apply(config % ", return: direct")
    assert clients(site) == [CLIENT, CLIENT]
    assert clients(site, proto="udp") == [CLIENT, CLIENT]
    assert clean(site)
