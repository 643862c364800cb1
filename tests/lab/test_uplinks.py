# SPDX-License-Identifier: GPL-2.0-or-later
"""Shapes of uplinks: three; several addresses on one; two on one interface; two modems that hand
out the same address. Every address answers, TCP and UDP, by the line that it was asked on: the ISPs
drop anything else and count it."""

import json

import pytest

from gateway import UPLINKS, Portreeve
from state import differences, dump, misrouted
from topology import Machine, Modem, Site, Uplink, lan, telecom, telecom6, unicom
from traffic import Capture, ask, dead, serve, together

MAPS = """
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      dns: {listen: 53/udp, to: 192.168.0.2}
    """


def all_answer(site, addresses):
    """Every address, both protocols, several connections each."""
    calls = [lambda a=address, p=proto, n=port: ask(site.world, a, n, p)
             for address in addresses for proto, port in (("tcp", 80), ("udp", 53))] * 2
    answers = together(*calls)
    assert all(answers), [bool(answer) for answer in answers]
    assert {answer.server for answer in answers} == {"backend"}
    for uplink in site.isp:
        assert site.foreign(uplink) == 0, f"{uplink} got packets of another line"
    assert not any(misrouted(site.gw).values())


def cured(site, config):
    serve(site.backend, tcp=[80], udp=[53])
    portreeve = Portreeve(site.gw)
    portreeve.apply(config)
    return portreeve


THREE = UPLINKS.rstrip() + """
      mobile:  {interface: eth3, gateway: 4.4.4.1}
    """
MOBILE_FIRST = """
    uplinks:
      mobile:  {interface: eth3, gateway: 4.4.4.1}
      unicom:  {interface: eth1, gateway: 2.2.2.254}
      telecom: {interface: eth0, gateway: 1.1.1.254}
    """


def test_three_uplinks(lab):
    third = Uplink("mobile", "eth3", ["4.4.4.4/29"], ["4.4.4.1"])
    site = Site(lab, [telecom(), unicom(), third])
    portreeve = cured(site, THREE + MAPS)
    all_answer(site, ["1.1.1.1", "2.2.2.2", "4.4.4.4"])

    # On one of them only: the others must not answer.
    portreeve.apply(THREE + """
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2, on: mobile}
    """)
    assert ask(site.world, "4.4.4.4", 80)
    assert together(lambda: dead(site.world, "1.1.1.1", 80),
                    lambda: dead(site.world, "2.2.2.2", 80)) == [True, True]


@pytest.mark.parametrize("names", (
    # words of the nft language; the longest an interface can have, with a VLAN's dot
    ("dst", "mark", "eth0", "eth1"), ("fwd", "ip", "wan.100", "enp12s0f1np1.99"),
    ("a-b_c.d", "7", "br-0a1b2c", "ppp0"), ("x" * 63, "ct", "w", "w0")))
def test_names(lab, names):
    one, two, interface1, interface2 = names
    site = Site(lab, [Uplink("telecom", interface1, ["1.1.1.1/24"], ["1.1.1.254"]),
                      Uplink("unicom", interface2, ["2.2.2.2/24"], ["2.2.2.254"])])
    for interface in (interface1, interface2):
        site.gw.sysctl(f"net/ipv4/conf/{interface}/rp_filter", 1)
    before = dump(site.gw)
    portreeve = cured(site, f"""
    uplinks:
      {one}: {{interface: {interface1}, gateway: 1.1.1.254}}
      {two}: {{interface: "{interface2}", gateway: 2.2.2.254}}
    maps:
      accept: {{listen: 80/tcp, to: 192.168.0.2, return: {{snat: [192.168.0.1]}}}}
      {one}: {{listen: 53/udp, to: 192.168.0.2, from: [0.0.0.0/0]}}
    """)
    all_answer(site, ["1.1.1.1", "2.2.2.2"])
    portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_numbers_do_not_move(lab):
    """A line that is added, before the others in the file, re-homes nobody: a connection that is
    open on another goes on (an uplink's number is its own for life)."""
    third = Uplink("mobile", "eth3", ["4.4.4.4/29"], ["4.4.4.1"])
    site = Site(lab, [telecom(), unicom(), third])
    portreeve = cured(site, UPLINKS + MAPS)
    client = site.world.udp_connect("2.2.2.2", 53)
    client.send(b"one")
    assert client.recv(100)

    config = MOBILE_FIRST + MAPS
    portreeve.apply(config)
    client.send(b"two")
    assert client.recv(100)
    all_answer(site, ["1.1.1.1", "2.2.2.2", "4.4.4.4"])
    numbers = {uplink["name"]: uplink["number"]
               for uplink in json.loads(portreeve.show(config, "--as", "json").stdout)["uplinks"]}
    assert numbers == {"telecom": 1, "unicom": 2, "mobile": 3}


def test_several_addresses_on_one_uplink(lab):
    site = Site(lab, [
        Uplink("telecom", "eth0", ["1.1.1.1/24", "1.1.1.5/24", "1.1.1.6/24"], ["1.1.1.254"]),
        Uplink("unicom", "eth1", ["2.2.2.2/24", "2.2.2.9/24"], ["2.2.2.254"])])
    # Without `address` an uplink has all that its interface has.
    portreeve = cured(site, UPLINKS + MAPS)
    all_answer(site, ["1.1.1.1", "1.1.1.5", "1.1.1.6", "2.2.2.2", "2.2.2.9"])

    # With it, those; and maps may be `on` one address. 1.1.1.6 is nobody's now.
    portreeve.apply("""
        uplinks:
          telecom: {interface: eth0, gateway: 1.1.1.254, address: [1.1.1.1, 1.1.1.5]}
          unicom:  {interface: eth1, gateway: 2.2.2.254}
        maps:
          one: {listen: 80/tcp, to: 192.168.0.2, on: [1.1.1.5, unicom]}
          two: {listen: 80/tcp, to: "192.168.0.2:81", on: 1.1.1.1}
        """)
    serve(site.backend, tcp=[81], name="other")
    assert [answer.server for answer in together(
        *(lambda a=a: ask(site.world, a, 80) for a in ("1.1.1.1", "1.1.1.5", "2.2.2.2", "2.2.2.9")))
    ] == ["other", "backend", "backend", "backend"]
    assert dead(site.world, "1.1.1.6", 80)


TWO_ON_ONE = """
    uplinks:
      telecom: {interface: eth0, address: 1.1.1.1, gateway: 1.1.1.254}
      unicom:  {interface: eth0, address: 2.2.2.2, gateway: 2.2.2.254}
    """


def test_two_uplinks_on_one_interface(lab):
    """One segment, two ISP routers: only the destination address tells the lines apart."""
    site = Site(lab, [telecom(), Uplink("unicom", "eth0", ["2.2.2.2/24"], ["2.2.2.254"])],
                [lan()])
    cured(site, TWO_ON_ONE + MAPS)
    all_answer(site, ["1.1.1.1", "2.2.2.2"])


TWO_MODEMS = """
    uplinks:
      telecom: {interface: eth0, gateway: 192.168.1.1, public: 203.0.113.10}
      unicom:  {interface: eth1, gateway: 192.168.1.1, public: 198.51.100.20}
    """


@pytest.fixture
def modems(lab):
    def modem(name, interface, public, router):
        return Uplink(name, interface, ["192.168.1.2/24"], ["192.168.1.1"],
                      modem=Modem(public, router))
    return Site(lab, [modem("telecom", "eth0", "203.0.113.10/24", "203.0.113.254"),
                      modem("unicom", "eth1", "198.51.100.20/24", "198.51.100.254")])


def test_two_modems_with_the_same_address(modems):
    """Both lines end at 192.168.1.2 behind 192.168.1.1: only the interface tells them apart."""
    site = modems
    cured(site, TWO_MODEMS + MAPS)
    all_answer(site, ["203.0.113.10", "198.51.100.20"])

    # The modem that carries the reply is the one that carried the request.
    lines = {name: Capture(isp, "customer") for name, isp in site.isp.items()}
    assert ask(site.world, "198.51.100.20", 80)
    assert lines["unicom"].packets(lambda p: "TCP" in p)
    assert not lines["telecom"].packets(lambda p: "TCP" in p)


def test_two_modems_one_map_each(modems):
    """The same port on the same address leads to two backends, by the line it came in on."""
    site = modems
    serve(site.backend, tcp=[80])
    serve(site.backend, tcp=[81], name="other")
    Portreeve(site.gw).apply(TWO_MODEMS + """
    maps:
      one: {listen: 80/tcp, to: 192.168.0.2, on: telecom}
      two: {listen: 80/tcp, to: "192.168.0.2:81", on: unicom}
    """)
    assert ask(site.world, "203.0.113.10", 80).server == "backend"
    assert ask(site.world, "198.51.100.20", 80).server == "other"


def test_two_modems_from_inside_and_to_the_gateway(modems):
    """`public:` tells the lines apart where the address does not; and the gateway's own services
    answer by both."""
    site = modems
    serve(site.gw, tcp=[2222])
    serve(site.backend, tcp=[81], name="other")
    portreeve = cured(site, TWO_MODEMS + MAPS)
    site.backend.ip("route add 203.0.113.10 via 192.168.0.1",
                    "route add 198.51.100.20 via 192.168.0.1")
    for address in ("203.0.113.10", "198.51.100.20"):
        assert ask(site.world, address, 2222).server == "gw"
        assert ask(site.backend, address, 80).client == "192.168.0.1"
        assert ask(site.gw, address, 53, "udp").server == "backend"
    portreeve.apply(TWO_MODEMS + """
    maps:
      one: {listen: 80/tcp, to: 192.168.0.2, on: telecom}
      two: {listen: 80/tcp, to: "192.168.0.2:81", on: unicom}
    """)
    assert ask(site.backend, "203.0.113.10", 80).server == "backend"
    assert ask(site.backend, "198.51.100.20", 80).server == "other"
    assert not any(misrouted(site.gw).values())


def test_two_uplinks_on_one_interface_v6(lab):
    site = Site(lab, [telecom6(), Uplink("unicom", "eth0", ["2.2.2.2/24", "2001:db8:2::2/64"],
                                         ["2.2.2.254", "2001:db8:2::fe"])],
                [lan(Machine("backend", ["192.168.0.2/24", "fd00::2/64"]),
                     addresses=["192.168.0.1/24", "fd00::1/64"])])
    serve(site.gw, tcp=[2222])
    cured(site, """
    uplinks:
      telecom: {interface: eth0, address: [1.1.1.1, "2001:db8:1::1"],
                gateway: [1.1.1.254, "2001:db8:1::fe"]}
      unicom: {interface: eth0, address: [2.2.2.2, "2001:db8:2::2"],
               gateway: [2.2.2.254, "2001:db8:2::fe"]}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      dns: {listen: 53/udp, to: 192.168.0.2}
      web6: {listen: 80/tcp, to: "fd00::2"}
      dns6: {listen: 53/udp, to: "fd00::2"}
    """)
    addresses = ["1.1.1.1", "2.2.2.2", "2001:db8:1::1", "2001:db8:2::2"]
    all_answer(site, addresses)
    for address in addresses:
        assert ask(site.world, address, 2222).server == "gw"


def test_onlink_client_of_the_uplinks_own_subnet(lab):
    """A neighbour at the ISP is answered directly; one of the other line's, by that line."""
    site = Site(lab, [telecom(neighbours={"near1": ["1.1.1.9/24"]}),
                      unicom(neighbours={"near2": ["2.2.2.9/24"]})])
    cured(site, UPLINKS + MAPS)
    for near, address, interface in ((site.near1, "1.1.1.1", "eth0"),
                                     (site.near2, "2.2.2.2", "eth1")):
        frames = Capture(near, "eth0")
        assert ask(near, address, 80) and ask(near, address, 53, "udp")
        replies = frames.packets(lambda p, a=address: "IP" in p and p["IP"].src == a)
        senders = {p.src for p in replies}
        assert senders == {site.gw.mac(interface)}, "took the way by the ISP's router"

    # near1 asks unicom's address through the Internet. Main has its subnet on eth0, but the reply
    # belongs to unicom: sent on eth0 it would come from 2.2.2.2 out of the wrong line.
    direct = Capture(site.near1, "eth0")
    assert ask(site.near1, "2.2.2.2", 80)
    replies = direct.packets(lambda p: "TCP" in p and p["IP"].src == "2.2.2.2")
    assert replies and all(p.src != site.gw.mac("eth0") for p in replies)
    assert site.foreign("telecom") == site.foreign("unicom") == 0
    assert not any(misrouted(site.gw).values())
