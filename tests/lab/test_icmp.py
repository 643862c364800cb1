# SPDX-License-Identifier: GPL-2.0-or-later
"""ICMP errors reach the end that has to know, with the addresses that it knows; fragments pass."""

import contextlib
import errno
import socket
import threading

import pytest
from scapy.layers.inet import ICMP, IP, IPerror, TCPerror, UDPerror
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPerror6

from gateway import Portreeve
from lab import wait_for
from state import misrouted
from topology import CLIENT, CLIENT6, Machine, Site, lan, telecom6, unicom6
from traffic import Capture, ask, serve

CONFIG = """
    uplinks:
      telecom: {interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}
      unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
    maps:
      near: {listen: [80/tcp, 53/udp, 54/udp], to: 192.168.0.2}
      near6: {listen: [80/tcp, 53/udp, 54/udp], to: "2001:db8:ff::2"}
      far: {listen: [8080/tcp, 8053/udp], to: 10.9.0.2}
    """
LINE = {"1.1.1.1": "telecom", "2.2.2.2": "unicom",
        "2001:db8:1::1": "telecom", "2001:db8:2::2": "unicom"}
V4, V6 = list(LINE)[:2], list(LINE)[2:]
SMALL, BULK = 1300, 300_000

# linux/in.h, linux/in6.h; Python has no names for them.
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14


@pytest.fixture(scope="module")
def site(module_lab):
    """`near` is on the gateway's own LAN, `far` behind a router inside."""
    made = Site(module_lab, [telecom6(), unicom6()],
                [lan(Machine("near", ["192.168.0.2/24", "2001:db8:ff::2/64"]),
                     Machine("router", ["192.168.0.5/24"], gateway=True),
                     addresses=["192.168.0.1/24", "2001:db8:ff::1/64"])])
    made.far = module_lab.host("far")
    module_lab.wire((made.router, "eth1"), (made.far, "eth0"))
    made.router.sysctl("net.ipv4.ip_forward", 1)
    made.router.ip("addr add 10.9.0.1/24 dev eth1")
    made.far.ip("addr add 10.9.0.2/24 dev eth0", "route add default via 10.9.0.1")
    made.gw.ip("route add 10.9.0.0/24 via 192.168.0.5")
    serve(made.near, udp=[53])
    Portreeve(made.gw).apply(CONFIG)
    yield made
    assert not any(misrouted(made.gw).values())
    assert made.foreign("telecom") == made.foreign("unicom") == 0


@contextlib.contextmanager
def mtu(host, interface, size):
    host.ip(f"link set {interface} mtu {size}")
    try:
        yield
    finally:
        host.ip(f"link set {interface} mtu 1500")


def forget_mtus(*hosts):
    """What one test taught about path MTUs must not help the next."""
    for host in hosts:
        for family in ("-4", "-6"):
            host.run(f"ip {family} route flush cache")


def _send(sock):
    with contextlib.suppress(OSError):
        sock.sendall(bytes(BULK))


def transfer(sender, receiver):
    """True when all of a bulk arrives in time."""
    threading.Thread(target=_send, args=(sender,), daemon=True).start()
    receiver.settimeout(3)
    got = 0
    with contextlib.suppress(TimeoutError):
        while got < BULK:
            more = receiver.recv(65536)
            if not more:
                break
            got += len(more)
    return got == BULK


def connect(site, backend, address, port, backend_port=None):
    """A TCP connection through the map: (client's socket, backend's socket)."""
    listener = backend.tcp_listen(backend_port or port)
    listener.settimeout(3)
    client = site.world.tcp_connect(address, port)
    server, _ = listener.accept()
    backend.lab.keep(server)
    backend.lab.drop(listener)
    return client, server


def is_icmp_error(kind, code):
    return lambda p: ICMP in p and (p[ICMP].type, p[ICMP].code) == (kind, code)


@pytest.mark.parametrize("address", V4)
def test_port_unreachable_from_the_backend(site, address):
    line = Capture(site.world, LINE[address])
    client = site.world.udp_connect(address, 54)
    client.send(b"anyone?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)
    error = line.wait(is_icmp_error(3, 3), "port unreachable on the line of the request")
    assert error[IP].src == address
    assert (error[IPerror].src, error[IPerror].dst) == (CLIENT, address)
    assert error[UDPerror].dport == 54


@pytest.mark.parametrize("address", V6)
def test_port_unreachable_v6(site, address):
    client = site.world.udp_connect(address, 54)
    client.send(b"anyone?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(100)


@pytest.mark.parametrize("address", V4)
def test_port_unreachable_from_the_client(site, address):
    """The other way: the client is gone when the backend's next datagram comes."""
    backend = site.near.udp("192.168.0.2", 54)
    inside = Capture(site.near, "eth0")
    client = site.world.udp_connect(address, 54)
    client.send(b"hello")
    _, peer = backend.recvfrom(100)
    assert peer[0] == "192.168.0.1"
    backend.connect(peer)
    site.lab.drop(client)
    backend.send(b"too late")
    with pytest.raises(ConnectionRefusedError):
        backend.recv(100)
    error = inside.wait(is_icmp_error(3, 3), "port unreachable")
    assert (error[IPerror].src, error[IPerror].dst) == ("192.168.0.2", "192.168.0.1")
    assert error[UDPerror].sport == 54
    site.lab.drop(backend)


@pytest.mark.parametrize("address", V4)
def test_fragmentation_needed_beyond_the_uplink(site, address):
    """A small hop in the ISP's network: the backend must learn, or the download stalls."""
    isp = site.isp[LINE[address]]
    inside = Capture(site.near, "eth0")
    with mtu(isp, "world", SMALL):
        client, server = connect(site, site.near, address, 80)
        assert transfer(server, client)
    forget_mtus(site.near, isp)
    error = inside.packets(is_icmp_error(3, 4))[0]
    assert error[IP].dst == "192.168.0.2"
    assert (error[IPerror].src, error[IPerror].dst) == ("192.168.0.2", "192.168.0.1")
    assert (error[TCPerror].sport, error[ICMP].nexthopmtu) == (80, SMALL)


@pytest.mark.parametrize("address", V4)
def test_fragmentation_needed_inside(site, address):
    """A small hop before the backend: the client must learn, by the line it came on, or the upload
    stalls."""
    line = Capture(site.world, LINE[address])
    with mtu(site.router, "eth1", SMALL):
        client, server = connect(site, site.far, address, 8080)
        assert transfer(client, server)
    forget_mtus(site.world, site.router)
    error = line.packets(is_icmp_error(3, 4))[0]
    assert error[IP].dst == CLIENT
    assert (error[IPerror].src, error[IPerror].dst) == (CLIENT, address)
    assert (error[TCPerror].dport, error[ICMP].nexthopmtu) == (8080, SMALL)


@pytest.mark.parametrize("address", V4)
def test_the_gateways_own_uplink_is_small(site, address):
    """As with PPPoE: the gateway itself cannot pass on the backend's large segments."""
    interface = {"1.1.1.1": "eth0", "2.2.2.2": "eth1"}[address]
    with mtu(site.gw, interface, SMALL):
        client, server = connect(site, site.near, address, 80)
        assert transfer(server, client)
    forget_mtus(site.near, site.gw)


@pytest.mark.parametrize("address", V4)
def test_the_gateways_own_inside_is_small(site, address):
    """The gateway itself must tell the client, by the line it came on."""
    with mtu(site.gw, "eth2", SMALL):
        client, server = connect(site, site.near, address, 80)
        assert transfer(client, server)
    forget_mtus(site.world, site.gw)


@pytest.mark.parametrize("address", V6)
def test_packet_too_big_v6(site, address):
    isp = site.isp[LINE[address]]
    inside = Capture(site.near, "eth0")
    with mtu(isp, "world", SMALL):
        client, server = connect(site, site.near, address, 80)
        assert transfer(server, client)
    forget_mtus(site.near, isp)
    error = inside.packets(lambda p: ICMPv6PacketTooBig in p)[0]
    assert (error[IPerror6].src, error[IPerror6].dst) == ("2001:db8:ff::2", "2001:db8:ff::1")
    assert error[ICMPv6PacketTooBig].mtu == SMALL


@pytest.mark.parametrize("address", V4)
def test_udp_path_mtu_inside(site, address):
    """What a UDP client that does its own path MTU discovery (QUIC, a VPN) gets to know."""
    with mtu(site.router, "eth1", SMALL):
        client = site.world.udp_connect(address, 8053, timeout=0.2)
        client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)

        def learned():
            try:
                client.send(bytes(1400))
            except OSError as error:
                return error.errno == errno.EMSGSIZE
            return False

        wait_for(learned, "the client to learn the path's MTU", timeout=3)
        assert client.getsockopt(socket.IPPROTO_IP, IP_MTU) == SMALL
    forget_mtus(site.world, site.router)


@pytest.mark.parametrize("address", list(LINE))
@pytest.mark.parametrize("size", (4000, 60000))
def test_fragments(site, address, size):
    """Large datagrams, both ways: only the first fragment has ports."""
    line = Capture(site.isp[LINE[address]], "customer")
    answer = ask(site.world, address, 53, "udp", data=bytes(size))
    assert answer and answer.server == "near"
    fragments = line.packets(lambda p: IP in p and p[IP].flags.MF or "IPv6ExtHdrFragment" in p)
    ours = {CLIENT, CLIENT6}
    assert {p.payload.src in ours for p in fragments} == {True, False}, "not fragmented both ways"
