# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv6: backends with global and with unique local addresses, on both uplinks; and the trap that
forwarding, once on, makes the kernel ignore the router that told it its default route."""

import json
import socket
import subprocess

import pytest
from scapy.layers.inet6 import (ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import Ether

from gateway import Portreeve
from lab import wait_for
from state import differences, dump, misrouted
from topology import CLIENT6, Inside, Machine, Site, lan, telecom6, unicom6
from traffic import ask, dead, serve, together

UPLINKS = """
    uplinks:
      telecom: {interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}
      unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
    """
ADDRESSES6 = ("2001:db8:1::1", "2001:db8:2::2")


@pytest.fixture(scope="module")
def site(module_lab):
    made = Site(module_lab, [telecom6(), unicom6()], [
        lan(Machine("backend", ["192.168.0.2/24", "2001:db8:ff::2/64"]),
            Machine("pc", ["192.168.0.9/24", "2001:db8:ff::9/64"], gateway=True),
            addresses=["192.168.0.1/24", "2001:db8:ff::1/64"]),
        Inside("eth3", ["fd00::1/64"], [Machine("ula", ["fd00::2/64"])])])
    serve(made.backend, tcp=[80], udp=[53])
    serve(made.ula, tcp=[25], udp=[53])
    serve(made.gw, tcp=[2222])
    made.portreeve = Portreeve(made.gw)
    assert dead(made.world, ADDRESSES6[1], 2222)
    made.dropped_before = made.foreign("telecom")
    made.portreeve.apply(UPLINKS + """
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      web6: {listen: 80/tcp, to: "2001:db8:ff::2"}
      dns6: {listen: 53/udp, to: "2001:db8:ff::2"}
      mail6: {listen: 25/tcp, to: "[fd00::2]:25"}
      shifted6: {listen: 2053/udp, to: "[fd00::2]:53"}
    """)
    return made


@pytest.mark.parametrize("proto, port, server, hidden_by", [
    ("tcp", 80, "backend", "2001:db8:ff::1"), ("udp", 53, "backend", "2001:db8:ff::1"),
    ("tcp", 25, "ula", "fd00::1"), ("udp", 2053, "ula", "fd00::1")])
def test_both_uplinks(site, proto, port, server, hidden_by):
    answers = together(*(lambda a=a: ask(site.world, a, port, proto) for a in ADDRESSES6))
    assert [(a.server, a.client) for a in answers] == [(server, hidden_by)] * 2


def test_v4_beside_it(site):
    assert ask(site.world, "1.1.1.1", 80).client == "192.168.0.1"
    assert ask(site.world, "2.2.2.2", 80).client == "192.168.0.1"


def test_hairpin(site):
    assert ask(site.pc, ADDRESSES6[1], 80).client == "2001:db8:ff::1"
    assert ask(site.gw, ADDRESSES6[1], 80).server == "backend"
    assert ask(site.pc, ADDRESSES6[0], 25).server == "ula"


def test_service_of_the_gateway(site):
    assert ask(site.world, ADDRESSES6[0], 2222).server == "gw"
    assert ask(site.world, ADDRESSES6[1], 2222).server == "gw"


def test_nothing_was_misrouted(site):
    assert not any(misrouted(site.gw).values())
    assert site.foreign("telecom") == site.dropped_before
    assert site.foreign("unicom") == 0


def test_direct_shows_the_client(lab):
    site = Site(lab, [telecom6(), unicom6()], [
        lan(Machine("backend", ["2001:db8:ff::2/64"], gateway=True),
            addresses=["2001:db8:ff::1/64"])])
    serve(site.backend, tcp=[80])
    Portreeve(site.gw).apply(UPLINKS + """
    maps:
      web6: {listen: 80/tcp, to: "2001:db8:ff::2", return: direct}
    """)
    assert [ask(site.world, a, 80).client for a in ADDRESSES6] == [CLIENT6, CLIENT6]


def test_link_local_gateways(lab):
    """Most ISPs' routers are link-local, and both may well be fe80::1."""
    site = Site(lab, [telecom6(), unicom6()],
                [Inside("eth3", ["fd00::1/64"], [Machine("ula", ["fd00::2/64"])])])
    for isp in site.isp.values():
        isp.ip("addr add fe80::1/64 dev customer")
    serve(site.ula, tcp=[25])
    serve(site.gw, tcp=[2222])
    Portreeve(site.gw).apply("""
    uplinks:
      telecom: {interface: eth0, gateway: [1.1.1.254, "fe80::1"]}
      unicom:  {interface: eth1, gateway: [2.2.2.254, "fe80::1"]}
    maps:
      mail6: {listen: 25/tcp, to: "fd00::2"}
    """)
    for address in ADDRESSES6:
        assert ask(site.world, address, 25) and ask(site.world, address, 2222)
    assert site.foreign("telecom") == site.foreign("unicom") == 0


def advertise(site, lifetime=1800, prefix="2001:db8:1::", autoconf=0):
    """One router advertisement from telecom's ISP, as a gateway with DHCPv6 (or SLAAC) gets it."""
    isp = site.isp["telecom"]
    mac = isp.mac("customer")
    addresses = json.loads(isp.run("ip -j -6 addr show dev customer").stdout)[0]["addr_info"]
    router = next(a["local"] for a in addresses if a["scope"] == "link")
    frame = Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=router, dst="ff02::1", hlim=255) \
        / ICMPv6ND_RA(routerlifetime=lifetime) / ICMPv6NDOptSrcLLAddr(lladdr=mac) \
        / ICMPv6NDOptPrefixInfo(prefix=prefix, prefixlen=64, A=autoconf, L=1)
    sock = isp.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind(("customer", 0))
    sock.send(bytes(frame))
    return router


# Loaded before the program: a kernel older than 6.17, which has no force_forwarding.
OLDER_KERNEL = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

static int filtered(const char *symbol, int at, const char *path, int flags, mode_t mode)
{
	int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, symbol);

	if (!strstr(path, "force_forwarding"))
		return real(at, path, flags, mode);
	errno = ENOENT;
	return -1;
}

#define FILTERED(name) \\
	int name(int at, const char *path, int flags, ...) \\
	{ \\
		va_list ap; \\
		mode_t mode; \\
		va_start(ap, flags); \\
		mode = va_arg(ap, mode_t); \\
		va_end(ap); \\
		return filtered(#name, at, path, flags, mode); \\
	}

FILTERED(openat)
FILTERED(openat64)
"""


def older_kernel(lab):
    library = lab.path("older_kernel.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"],
                   input=OLDER_KERNEL, text=True, check=True)
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0"}


def default_routes6(host):
    return json.loads(host.run("ip -6 -j route show default table main").stdout)


class TestForwardingTrap:
    """The default route came by router advertisement. Setting all.forwarding makes the kernel drop
    it and ignore advertisements until accept_ra is 2: whoever was logged in over v6 is cut off."""

    CONFIG = """
        uplinks:
          telecom: {interface: eth0}
          unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
        maps:
          mail6: {listen: 25/tcp, to: "fd00::2"}
        """

    @pytest.fixture
    def site(self, lab):
        made = Site(lab, [telecom6(), unicom6()],
                    [lan(), Inside("eth3", ["fd00::1/64"], [Machine("ula", ["fd00::2/64"])])],
                    default=None)
        made.gw.ip("route add default via 1.1.1.254 dev eth0")
        made.gw.sysctl("net.ipv6.conf.eth0.accept_ra", 1)
        serve(made.ula, tcp=[25])
        advertise(made)
        wait_for(lambda: default_routes6(made.gw), "default route by advertisement")
        return made

    def test_the_trap_is_real(self, site):
        site.gw.sysctl("net.ipv6.conf.all.forwarding", 1)
        assert default_routes6(site.gw) == []

    @pytest.mark.parametrize("kernel", ("older", "this"))
    def test_the_default_route_stays(self, site, kernel):
        forced = "net.ipv6.conf.eth0.force_forwarding"
        if kernel == "this" and not site.gw.has_sysctl(forced):
            pytest.skip("this kernel has no force_forwarding (6.17 and later have)")
        env = older_kernel(site.lab) if kernel == "older" else None
        portreeve = Portreeve(site.gw)
        before = dump(site.gw)
        portreeve.apply(self.CONFIG, env=env)
        if site.gw.has_sysctl(forced):
            assert site.gw.sysctl(forced) == str(int(kernel == "this"))
        assert portreeve.apply_json(self.CONFIG, env=env)["changed"] is False
        assert [route["protocol"] for route in default_routes6(site.gw)] == ["ra"]
        assert ask(site.world, ADDRESSES6[0], 25) and ask(site.world, ADDRESSES6[1], 25)
        # And advertisements are still listened to: one that ends the router's life takes it away.
        advertise(site, lifetime=0)
        wait_for(lambda: not default_routes6(site.gw), "the advertised route to go")
        advertise(site)
        wait_for(lambda: default_routes6(site.gw), "the advertised route to come back")

        portreeve.remove(env=env)
        assert [route["protocol"] for route in default_routes6(site.gw)] == ["ra"]
        assert differences(before, dump(site.gw)) == []
