# SPDX-License-Identifier: GPL-2.0-or-later
"""`from`: who may connect. Others are dropped: they reach neither the backend nor the gateway's own
service on that port."""

import pytest

from gateway import Portreeve
from lab import Lab
from state import misrouted
from topology import Machine, Site, lan, telecom6, unicom6
from traffic import DEAD_S, Conversation, ask, dead, serve, together

FRIEND, FRIEND2, STRANGER = "198.51.100.7", "203.0.113.77", "198.51.101.7"
FRIEND6, STRANGER6 = "2001:db8:aaaa::7", "2001:db8:aaab::7"


@pytest.fixture(scope="module")
def site(module_lab):
    made = Site(module_lab, [telecom6(), unicom6()],
                [lan(Machine("backend", ["192.168.0.2/24", "2001:db8:ff::2/64"]),
                     addresses=["192.168.0.1/24", "2001:db8:ff::1/64"])])
    made.add_client(FRIEND, FRIEND2, STRANGER, FRIEND6, STRANGER6)
    serve(made.backend, tcp=[80, 81, 443, 5000, 5010], udp=[53])
    made.own = serve(made.gw, tcp=[80, 81, 443, 5000, 5010], udp=[53])
    Portreeve(made.gw).apply("""
        uplinks:
          telecom: {interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}
          unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
        maps:
          web: {listen: 80/tcp, to: 192.168.0.2, from: [198.51.100.0/24, 203.0.113.77]}
          dns: {listen: 53/udp, to: 192.168.0.2, from: [198.51.100.0/24, 203.0.113.77]}
          one: {listen: 81/tcp, to: 192.168.0.2, from: [203.0.113.77]}
          all: {listen: 443/tcp, to: 192.168.0.2}
          range: {listen: 5000-5010/tcp, to: 192.168.0.2, from: [198.51.100.0/24]}
          web6: {listen: 80/tcp, to: "2001:db8:ff::2", from: ["2001:db8:aaaa::/48"]}
        """)
    return made


@pytest.mark.parametrize("address", ("1.1.1.1", "2.2.2.2"))
class TestFrom:
    @pytest.mark.parametrize("friend", (FRIEND, FRIEND2))
    def test_friends_reach_the_backend(self, site, address, friend):
        answers = together(lambda: ask(site.world, address, 80, source=friend),
                           lambda: ask(site.world, address, 53, "udp", source=friend))
        assert [answer.server for answer in answers] == ["backend", "backend"]

    def test_strangers_reach_nobody(self, site, address):
        """Dropped, not handed over: the gateway has services on the same ports."""
        before = len(site.own.seen)
        assert together(lambda: dead(site.world, address, 80, source=STRANGER),
                        lambda: dead(site.world, address, 53, "udp", source=STRANGER),
                        lambda: dead(site.world, address, 81, source=FRIEND),
                        lambda: dead(site.world, address, 5000, source=FRIEND2),
                        lambda: dead(site.world, address, 5010, source=STRANGER)) == [True] * 5
        assert len(site.own.seen) == before

    def test_lists_do_not_mix(self, site, address):
        assert ask(site.world, address, 81, source=FRIEND2).server == "backend"
        assert ask(site.world, address, 443, source=STRANGER).server == "backend"
        assert ask(site.world, address, 5000, source=FRIEND).port == 5000
        assert ask(site.world, address, 5010, source=FRIEND).port == 5010


@pytest.mark.parametrize("address", ("2001:db8:1::1", "2001:db8:2::2"))
def test_ipv6(site, address):
    assert ask(site.world, address, 80, source=FRIEND6).server == "backend"
    before = len(site.own.seen)
    assert dead(site.world, address, 80, source=STRANGER6)
    assert len(site.own.seen) == before


def test_refused_client_is_not_answered_at_all(site):
    """No reset either: a stranger cannot tell that there is something."""
    with pytest.raises(TimeoutError):
        site.world.tcp_connect("2.2.2.2", 80, source=STRANGER, timeout=0.5)


def test_the_inside_is_asked_too(site):
    """A list is a list: whoever comes from inside to the public address must be on it."""
    site.backend.ip("route add 2.2.2.2 via 192.168.0.1")
    assert ask(site.backend, "2.2.2.2", 443).server == "backend"
    assert dead(site.backend, "2.2.2.2", 80)


def test_nothing_was_misrouted(site):
    assert not any(misrouted(site.gw).values())
    assert site.foreign("telecom") == site.foreign("unicom") == 0


SHARED = """
    uplinks:
      telecom: {interface: eth0, gateway: 1.1.1.254}
      unicom:  {interface: eth1, gateway: 2.2.2.254}
    maps:
      all: {listen: 7000-7010/tcp, to: 192.168.0.2, from: [198.51.100.0/24]}
      few: {listen: 7005-7020/tcp, to: 192.168.0.3, from: [203.0.113.0/24]}
      port: {listen: 7005/tcp, to: "192.168.0.4:8005", from: [198.51.101.0/24]}
    """


@pytest.fixture(scope="module")
def shared():
    """Listeners that overlap in part, for clients that do not."""
    with Lab() as own:
        made = Site(own, inside=[lan(Machine("one", ["192.168.0.2/24"]),
                                     Machine("two", ["192.168.0.3/24"]),
                                     Machine("three", ["192.168.0.4/24"]))])
        made.add_client(FRIEND, FRIEND2, STRANGER)
        for name in ("one", "two", "three"):
            serve(made.hosts[name], tcp=[7000, 7004, 7005, 7006, 7010, 7015, 7020, 8005])
        made.portreeve = Portreeve(made.gw)
        made.portreeve.apply(SHARED)
        yield made


@pytest.mark.parametrize("address", ("1.1.1.1", "2.2.2.2"))
@pytest.mark.parametrize("client, reached", (
    (FRIEND, {7000: "one", 7004: "one", 7005: "one", 7006: "one", 7010: "one"}),
    (FRIEND2, {7005: "two", 7006: "two", 7010: "two", 7015: "two", 7020: "two"}),
    (STRANGER, {7005: "three"})))
def test_listeners_that_overlap_in_part(shared, address, client, reached):
    """At each port each client reaches what the file says for it, or nobody."""
    ports = (7000, 7004, 7005, 7006, 7010, 7015, 7020)
    answers = together(*(lambda port=port: ask(shared.world, address, port, source=client,
                                               timeout=5 if port in reached else DEAD_S)
                         for port in ports))
    assert {port: answer.server for port, answer in zip(ports, answers) if answer} == reached
    assert not any(misrouted(shared.gw).values())


def test_connections_of_listeners_that_overlap_in_part(shared):
    """They stay when others change; one whose list is taken away ends."""
    talks = {(client, port): Conversation(shared.world, "2.2.2.2", port, source=client)
             for client, port in ((FRIEND, 7005), (FRIEND2, 7005), (FRIEND2, 7020),
                                  (STRANGER, 7005))}
    shared.portreeve.apply(SHARED.replace("7000-7010", "7000-7004"))
    assert {which for which, talk in talks.items() if talk.alive(1)} == \
        set(talks) - {(FRIEND, 7005)}
