# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path and IPv6 where nothing but portreeve turned forwarding on: the kernel's look-up for
programs asks each interface's own switch, and to set that must cost no router advertisement."""

import ipaddress
import json

import pytest

from daemon import Daemon
from gateway import Portreeve
from lab import wait_for
from state import differences, dump
from test_ipv6 import ADDRESSES6, advertise, default_routes6
from topology import Inside, Machine, Site, lan, telecom6, unicom6
from traffic import serve

FORWARDING = "net.ipv6.conf.{}.forwarding"
CONFIG = """
    uplinks:
      telecom: {{interface: eth0}}
      unicom:  {{interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}}
    maps:
      mail6: {{listen: [25/tcp, 53/udp], to: "fd00::2"}}
    gateway: {{fastpath: {fastpath}}}
    """


@pytest.fixture
def site(lab):
    """Telecom's router advertises itself, and a prefix; nobody forwards anything yet."""
    made = Site(lab, [telecom6(), unicom6()],
                [lan(), Inside("eth3", ["fd00::1/64"], [Machine("ula", ["fd00::2/64"])])],
                default=None)
    made.gw.ip("route add default via 1.1.1.254 dev eth0")
    made.gw.sysctl("net.ipv6.conf.eth0.accept_ra", 1)
    serve(made.ula, tcp=[25], udp=[53])
    advertise(made, autoconf=1)
    wait_for(lambda: default_routes6(made.gw) and own_addresses(made, "2001:db8:1::"),
             "default route and address by advertisement")
    return made


def own_addresses(site, prefix):
    """Those that were made from an advertised prefix, once they may be used."""
    told = json.loads(site.gw.run("ip -j -6 addr show dev eth0 scope global -tentative").stdout)
    network = ipaddress.ip_network(prefix + "/64")
    return [a["local"] for link in told for a in link.get("addr_info", [])
            if a.get("dynamic") and ipaddress.ip_address(a["local"]) in network]


def forwarding(site):
    return {name: site.gw.sysctl(FORWARDING.format(name)) for name in ("all", "eth0", "eth1", "eth3")}


def bypassed(portreeve):
    told = json.loads(portreeve.run("status", "--fastpath", "--json", check=False).stdout)
    assert [i["not_ipv6"] for i in told["interfaces"]] == [None] * len(told["interfaces"])
    return told["bypassed"]["packets"]


def assert_bypasses(site, portreeve, address):
    sock = site.world.udp_connect(address, 53)
    sock.settimeout(5)

    def asked():
        for _ in range(20):
            sock.send(b"x")
            sock.recv(1000)
        return bypassed(portreeve) > before + 50
    before = bypassed(portreeve)
    wait_for(asked, f"packets for {address} to bypass the kernel", timeout=15)


def routers(site):
    return [route["protocol"] for route in default_routes6(site.gw)]


def goes_home(site):
    """Replies of telecom's connections have a route: the daemon's follows the advertised one."""
    return site.gw.run("ip -6 route get 2001:db8:100::100 mark 0x1000000", check=False).returncode == 0


@pytest.mark.parametrize("fastpath, lines", [("tc", (0, 1)), ("{eth1: tc, eth3: tc}", (1,))])
def test_bypassed_and_still_advertised(site, fastpath, lines):
    """Also where the line with the advertised route has no fast path: forwarding anywhere takes it."""
    portreeve = Portreeve(site.gw)
    before = dump(site.gw)
    address, = own_addresses(site, "2001:db8:1::")
    daemon = Daemon(portreeve, CONFIG.format(fastpath=fastpath))
    wait_for(lambda: portreeve.run("status", "--fastpath", check=False).returncode == 0, "the programs")
    for line in lines:
        assert_bypasses(site, portreeve, ADDRESSES6[line])
    if site.gw.has_sysctl("net.ipv6.conf.eth0.force_forwarding"):
        assert forwarding(site) == {"all": "0", "eth0": str(int(0 in lines)), "eth1": "1", "eth3": "1"}

    assert routers(site) == ["ra"] and own_addresses(site, "2001:db8:1::") == [address]
    assert site.gw.sysctl("net.ipv6.conf.eth0.accept_ra") == "2"
    advertise(site, lifetime=0)
    wait_for(lambda: not routers(site) and not goes_home(site), "the advertised route to go")
    advertise(site, prefix="2001:db8:a::", autoconf=1)
    wait_for(lambda: routers(site) == ["ra"] and own_addresses(site, "2001:db8:a::") and goes_home(site),
             "the advertised route to come back, and another address")
    for line in lines:
        assert_bypasses(site, portreeve, ADDRESSES6[line])

    daemon.stop()
    portreeve.remove()
    assert routers(site) == ["ra"] and own_addresses(site, "2001:db8:1::") == [address]
    for other in own_addresses(site, "2001:db8:a::"):
        site.gw.ip(f"addr del {other}/64 dev eth0")
    site.gw.run("ip -6 route del 2001:db8:a::/64 dev eth0", check=False)
    assert differences(before, dump(site.gw)) == []


def test_an_interface_that_is_to_be_a_host(site):
    """The other way to keep advertisements: all.forwarding with the line's own switch off."""
    site.gw.sysctl("net.ipv6.conf.eth0.accept_ra", 2)
    site.gw.sysctl(FORWARDING.format("all"), 1)
    site.gw.sysctl(FORWARDING.format("eth0"), 0)
    site.gw.sysctl("net.ipv6.conf.eth0.accept_ra", 1)
    portreeve = Portreeve(site.gw)
    Daemon(portreeve, CONFIG.format(fastpath="tc"))
    wait_for(lambda: portreeve.run("status", "--fastpath", check=False).returncode == 0, "the programs")
    assert_bypasses(site, portreeve, ADDRESSES6[0])
    assert routers(site) == ["ra"]
    advertise(site, lifetime=0)
    wait_for(lambda: not routers(site), "the advertised route to go")


def test_config_turns_it_off(site):
    portreeve = Portreeve(site.gw)
    Daemon(portreeve, CONFIG.format(fastpath="tc"))
    before = forwarding(site)
    portreeve.apply(CONFIG.format(fastpath="off"))
    assert forwarding(site) == {**before, "eth0": "0", "eth1": "0", "eth3": "0"} \
        or not site.gw.has_sysctl("net.ipv6.conf.eth0.force_forwarding")
    assert routers(site) == ["ra"] and own_addresses(site, "2001:db8:1::")
