# SPDX-License-Identifier: GPL-2.0-or-later
"""What a map can listen on: lists, ranges, shifted ranges; tcp, udp, sctp."""

import socket

import pytest
from scapy.layers.inet import IP
from scapy.layers.sctp import (SCTP, SCTPChunkInit, SCTPChunkInitAck, SCTPChunkParamStateCookie)

from gateway import Portreeve
from state import misrouted
from topology import CLIENT, Site
from traffic import Capture, ask, dead, serve, together

UPLINKS = """
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254}
      unicom:  {interface: eth1, gateway: 2.2.2.254}
    maps:
    """
ADDRESSES = ("1.1.1.1", "2.2.2.2")


@pytest.fixture(scope="module")
def site(module_lab):
    made = Site(module_lab)
    serve(made.backend, tcp=[80, 443, 8443, 5000, 5050, 5099, 6100, 6150, 6199],
          udp=[53, 5000, 5099, 28000, 28042, 28099])
    Portreeve(made.gw).apply(UPLINKS + """
      list: {listen: [80/tcp, 443/tcp, 53/udp], to: 192.168.0.2}
      moved: {listen: 444/tcp, to: "192.168.0.2:8443"}
      range: {listen: [5000-5099/tcp, 5000-5099/udp], to: 192.168.0.2}
      shifted: {listen: 7000-7099/tcp, to: "192.168.0.2:6100"}
      games: {listen: 27000-27099/udp, to: "192.168.0.2:28000"}
      off: {listen: 81/tcp, to: "192.168.0.2:80", enabled: false}
      sctp: {listen: 2905/sctp, to: "192.168.0.2:3905"}
    """)
    return made


@pytest.mark.parametrize("proto, port, arrives", [
    ("tcp", 80, 80), ("tcp", 443, 443), ("udp", 53, 53), ("tcp", 444, 8443),
    # first, middle and last of a range
    ("tcp", 5000, 5000), ("tcp", 5050, 5050), ("tcp", 5099, 5099),
    ("udp", 5000, 5000), ("udp", 5099, 5099),
    # a shifted range keeps the distance; to one port or a random one would be wrong
    ("tcp", 7000, 6100), ("tcp", 7050, 6150), ("tcp", 7099, 6199),
    ("udp", 27000, 28000), ("udp", 27042, 28042), ("udp", 27099, 28099)])
def test_arrives_on_the_right_port(site, proto, port, arrives):
    answers = together(*(lambda a=a: ask(site.world, a, port, proto) for a in ADDRESSES))
    assert [answer and answer.port for answer in answers] == [arrives, arrives]


def test_beside_the_ranges_nobody_answers(site):
    """The gateway has nothing there, so it refuses; a disabled map is as none."""
    serve(site.backend, tcp=[4999, 5100, 6200])
    for port in (4999, 5100, 7100, 6999, 81):
        with pytest.raises(ConnectionRefusedError):
            site.world.tcp_connect("2.2.2.2", port)
    assert dead(site.world, "2.2.2.2", 27100, "udp")


def sctp_exchange(site, address):
    """INIT to the map, INIT-ACK back. There are no SCTP sockets in many a kernel, so both ends
    speak it by raw sockets; the gateway's conntrack knows the protocol, and its checksum."""
    if not site.gw.has_sysctl("net.netfilter.nf_conntrack_sctp_timeout_established"):
        pytest.skip("this kernel's conntrack does not know SCTP")

    def raw(host):
        sock = host.socket(socket.AF_INET, socket.SOCK_RAW, 132)
        sock.settimeout(3)
        return sock

    client, backend = raw(site.world), raw(site.backend)
    client.bind((CLIENT, 0))
    init = SCTP(sport=40001, dport=2905, tag=0) / SCTPChunkInit(
        init_tag=0x11223344, a_rwnd=65536, n_out_streams=2, n_in_streams=2, init_tsn=1)
    client.sendto(bytes(init), (address, 0))

    arrived = IP(backend.recv(4096))
    checked = SCTP(bytes(arrived[SCTP]))
    checked.chksum = None
    assert bytes(SCTP(bytes(checked))) == bytes(arrived[SCTP]), "wrong checksum after translation"
    assert (arrived.src, arrived.dst) == ("192.168.0.1", "192.168.0.2")
    assert arrived[SCTP].dport == 3905
    assert arrived[SCTPChunkInit].init_tag == 0x11223344

    answer = SCTP(sport=3905, dport=arrived[SCTP].sport, tag=0x11223344) / SCTPChunkInitAck(
        init_tag=0x55667788, a_rwnd=65536, n_out_streams=2, n_in_streams=2, init_tsn=9,
        params=[SCTPChunkParamStateCookie(cookie=b"crumbs")])
    backend.sendto(bytes(answer), (arrived.src, 0))

    back = IP(client.recv(4096))
    assert (back.src, back.dst) == (address, CLIENT)
    assert (back[SCTP].sport, back[SCTP].dport, back[SCTP].tag) == (2905, 40001, 0x11223344)
    assert back[SCTPChunkInitAck].init_tag == 0x55667788


@pytest.mark.parametrize("address", ADDRESSES)
def test_sctp(site, address):
    line = Capture(site.isp["unicom" if address == "2.2.2.2" else "telecom"], "customer")
    sctp_exchange(site, address)
    # The INIT-ACK left by home, not only arrived.
    assert line.packets(lambda p: "IP" in p and p["IP"].proto == 132 and p["IP"].src == address)


def test_nothing_was_misrouted(site):
    assert not any(misrouted(site.gw).values())
    assert site.foreign("telecom") == site.foreign("unicom") == 0
