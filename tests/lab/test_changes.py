# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing a gateway at work: what the change does not concern does not notice; what it contradicts
is ended, and nothing else."""

import re
import threading
import time

import pytest

from gateway import ARTICLE, UPLINKS, Portreeve
from lab import wait_for
from state import connections, misrouted
from topology import CLIENT, Machine, Site, lan
from traffic import Conversation, Load, ask, dead, serve

MAPS = UPLINKS + """
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      ssh: {listen: 2200/tcp, to: "192.168.0.2:22"}
      dns: {listen: 53/udp, to: 192.168.0.2}
    """
MORE = MAPS.rstrip() + """
      more: {listen: [81/tcp, 6000-6099/tcp, 54/udp], to: 192.168.0.3}
    """
GUARD_OFF = MAPS.replace("maps:", "gateway: {guard: off}\n    maps:")
WEB_MOVED = MAPS.replace("80/tcp, to: 192.168.0.2", "80/tcp, to: 192.168.0.3")


@pytest.fixture
def site(lab):
    made = Site(lab, inside=[lan(Machine("backend", ["192.168.0.2/24"]),
                                 Machine("other", ["192.168.0.3/24"]))])
    made.servers = {name: serve(made.hosts[name], tcp=[22, 80, 81], udp=[53, 54])
                    for name in ("backend", "other")}
    serve(made.gw, tcp=[2222])
    made.portreeve = Portreeve(made.gw)
    made.portreeve.apply(MAPS)
    return made


def entry_ids(site, port):
    """conntrack's ids of TCP connections to a public port: one that was deleted and picked up again
    in mid-stream has a new one, though its ends may not have noticed."""
    return {re.search(r"id=(\d+)", line)[1] for line in connections(site.gw, "-p", "tcp")
            if f"dport={port} " in line}


CHANGES = {
    "a map added": [MORE],
    "a map added and removed": [MORE, MAPS],
    "the guard": [GUARD_OFF, MAPS],
    "another map moved": [WEB_MOVED],
    "the same again": [MAPS, MAPS],
    "a map disabled": [MAPS.replace("to: 192.168.0.2}", "to: 192.168.0.2, enabled: false}")],
}


@pytest.mark.parametrize("change", CHANGES)
def test_running_connections_survive(site, change):
    """ssh through the box, and ssh to the box, on the line that is not main's default."""
    through = Conversation(site.world, "2.2.2.2", 2200)
    to_box = Conversation(site.world, "2.2.2.2", 2222)
    before = entry_ids(site, 2200), entry_ids(site, 2222)
    assert all(before)
    for config in CHANGES[change]:
        site.portreeve.apply(config)
        through.say()
        to_box.say()
    assert (entry_ids(site, 2200), entry_ids(site, 2222)) == before
    assert not any(misrouted(site.gw).values())


def test_apply_under_load_loses_nothing(site):
    """New connections all the time, on both lines; a TCP connection and a UDP flow that never
    pause; 30 changes, some of elements only, some of the whole table."""
    loads = [Load(site.world, "1.1.1.1", 80), Load(site.world, "2.2.2.2", 80)]
    stream = Conversation(site.world, "2.2.2.2", 2200)
    datagrams = site.world.udp_connect("2.2.2.2", 53, timeout=1)
    stop, said, heard, broken = threading.Event(), [], [], []

    def talk():
        try:
            while not stop.is_set():
                stream.say()
                said.append(1)
                datagrams.send(b"x")
                heard.append(datagrams.recv(100))
        except (OSError, AssertionError) as error:
            broken.append(error)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    for _ in range(10):
        for config in (MORE, GUARD_OFF, MAPS):
            assert site.portreeve.apply_json(config)["changed"] is True
    stop.set()
    thread.join()
    for load in loads:
        load.stop()
    assert not broken and len(said) > 100 and len(heard) > 100
    assert [load.failed for load in loads] == [[], []]
    assert all(load.done > 30 for load in loads)
    assert not any(misrouted(site.gw).values())


def test_moved_map_ends_its_connections_only(site):
    web, ssh = Conversation(site.world, "2.2.2.2", 80), Conversation(site.world, "2.2.2.2", 2200)
    dns = site.world.udp_connect("2.2.2.2", 53)
    dns.send(b"1")
    assert dns.recv(100)
    web_before, ssh_before = entry_ids(site, 80), entry_ids(site, 2200)
    site.portreeve.apply(WEB_MOVED)

    assert entry_ids(site, 2200) == ssh_before
    assert not entry_ids(site, 80) & web_before
    # Its client finds out at once instead of talking on to a backend that the file no longer names.
    assert not web.alive()
    assert ask(site.world, "2.2.2.2", 80).server == "other"
    assert ssh.alive()
    dns.send(b"2")
    assert dns.recv(100).startswith(b"backend ")


CONTRADICTIONS = {
    "removed": "",
    "disabled": "web: {listen: 80/tcp, to: 192.168.0.2, enabled: false}",
    "on the other line only": "web: {listen: 80/tcp, to: 192.168.0.2, on: telecom}",
    "to another port": 'web: {listen: 80/tcp, to: "192.168.0.2:81"}',
    "for other clients only": "web: {listen: 80/tcp, to: 192.168.0.2, from: [198.51.100.0/24]}",
    "shown to the backend": "web: {listen: 80/tcp, to: 192.168.0.2, return: direct}",
}


@pytest.mark.parametrize("change", CONTRADICTIONS)
def test_contradicted(site, change):
    config = MAPS.replace("web: {listen: 80/tcp, to: 192.168.0.2}", CONTRADICTIONS[change])
    web, ssh = Conversation(site.world, "2.2.2.2", 80), Conversation(site.world, "2.2.2.2", 2200)
    web_before, ssh_before = entry_ids(site, 80), entry_ids(site, 2200)
    site.portreeve.apply(config)
    assert not entry_ids(site, 80) & web_before
    assert entry_ids(site, 2200) == ssh_before
    assert ssh.alive()
    assert not web.alive(timeout=0.5)


@pytest.mark.parametrize("numbers", ("mark: 0xff00", "rules: 600", "tables: 71000"))
def test_other_numbers(site, numbers):
    """`gateway:` moves our bits, preferences or tables. New connections work at once, nothing of
    the old numbers is left, and the way back is the same."""
    before_first = site.gw.run("ip rule show").stdout
    config = MAPS.replace("maps:", f"gateway: {{{numbers}}}\n    maps:")
    for now in (config, MAPS):
        site.portreeve.apply(now)
        for address in ("1.1.1.1", "2.2.2.2"):
            assert ask(site.world, address, 80) and ask(site.world, address, 53, "udp")
            assert ask(site.world, address, 2222).server == "gw"
        assert site.portreeve.apply_json(now)["changed"] is False
        assert not any(misrouted(site.gw).values())
    assert site.gw.run("ip rule show").stdout == before_first
    assert site.gw.run("ip route show table 71001", check=False).stdout == ""


def test_from_list_keeps_its_friends(site):
    friend = Conversation(site.world, "2.2.2.2", 80)
    before = entry_ids(site, 80)
    site.portreeve.apply(MAPS.replace("tcp, to: 192.168.0.2}",
                                      f"tcp, to: 192.168.0.2, from: [{CLIENT}]}}"))
    assert entry_ids(site, 80) == before
    assert friend.alive()


def test_remove_ends_what_the_maps_led(site):
    web = Conversation(site.world, "1.1.1.1", 80)
    box = Conversation(site.world, "1.1.1.1", 2222)
    before = entry_ids(site, 2222)
    site.portreeve.remove()
    assert not entry_ids(site, 80)
    assert not web.alive(timeout=0.5)
    # main's default line: the gateway's own service is reached without portreeve.
    assert box.alive()
    assert entry_ids(site, 2222) == before


class Chatterbox(threading.Thread):
    """A UDP backend that goes on sending to whoever asked last, as games and telephones do."""

    def __init__(self, host, port):
        super().__init__(daemon=True)
        self.sock = host.udp("", port, timeout=0.01)
        self.name_ = host.name.encode()
        self.peer = None
        self.stop = False
        self.start()

    def run(self):
        while not self.stop:
            try:
                _, self.peer = self.sock.recvfrom(1000)
            except TimeoutError:
                pass
            except OSError:  # a port unreachable does not keep it from talking
                time.sleep(0.01)
            if self.peer:
                try:
                    self.sock.sendto(self.name_, self.peer)
                except OSError:
                    pass

    def close(self):
        self.stop = True
        self.join()


@pytest.mark.parametrize("mode", ("direct", "snat"))
def test_udp_backend_that_keeps_sending(lab, mode):
    """Its map moves; its next datagram would make the flow anew, reversed and through the gateway's
    own masquerade, and the client would stay with it for good."""
    site = Site(lab, inside=[lan(Machine("old", ["192.168.0.2/24"], gateway=True),
                                 Machine("new", ["192.168.0.3/24"], gateway=True))])
    site.gw.iptables("-t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                     "-t nat -A POSTROUTING -o eth1 -j MASQUERADE")
    for name in ("old", "new"):
        lab.keep(Chatterbox(site.hosts[name], 9000))
    portreeve = Portreeve(site.gw)
    config = UPLINKS + f"""
    maps:
      game: {{listen: 9000/udp, to: 192.168.0.2, return: {mode}}}
    """
    portreeve.apply(config)
    for address in ("1.1.1.1", "2.2.2.2"):
        portreeve.apply(config)
        client = site.world.udp_connect(address, 9000)

        def answered_by():
            """Who answers now: what is still in the socket's queue does not count."""
            client.setblocking(False)
            try:
                while client.recv(100):
                    pass
            except OSError:
                pass
            client.settimeout(0.3)
            try:
                client.send(b"hello")
                return client.recv(100).decode()
            except OSError:
                return None

        wait_for(lambda: answered_by() == "old", "the old backend to answer")
        portreeve.apply(config.replace("192.168.0.2", "192.168.0.3"))
        wait_for(lambda: answered_by() == "new", "the client to reach the new backend")
        # For good, and with nothing left of the old one.
        assert {answered_by() for _ in range(20)} == {"new"}
        lab.drop(client)


def test_untouched_connection_of_another_tool(site):
    """Entries that portreeve has nothing to do with: another tool's map, the gateway's own."""
    site.gw.iptables("-t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 9000"
                     " -j DNAT --to-destination 192.168.0.2:80")
    # Their map needs forwarding for itself, and the backend's replies.
    site.portreeve.remove()
    site.gw.sysctl("net.ipv4.ip_forward", 1)
    site.portreeve.apply(MAPS)
    site.backend.ip("route add 100.100.100.100 via 192.168.0.1")
    theirs = Conversation(site.world, "1.1.1.1", 9000)
    serve(site.world, tcp=[7000])
    own = Conversation(site.gw, CLIENT, 7000)
    before = entry_ids(site, 9000), entry_ids(site, 7000)
    site.portreeve.apply(WEB_MOVED)
    site.portreeve.apply(GUARD_OFF)
    site.portreeve.remove()
    assert (entry_ids(site, 9000), entry_ids(site, 7000)) == before
    assert theirs.alive() and own.alive()


def test_connections_from_before_the_first_apply(lab):
    """Whoever is connected to the gateway's own service stays, also where a map now has the port:
    the map is for new connections, and ending the admin's would lock him out."""
    site = Site(lab)
    serve(site.gw, tcp=[80, 2222])
    serve(site.backend, tcp=[80])
    old = Conversation(site.world, "1.1.1.1", 2222)
    Portreeve(site.gw).apply(ARTICLE)
    assert old.alive()
    assert not dead(site.world, "2.2.2.2", 2222)


def blocked(site):
    """The old replies that are kept out, as nft prints them."""
    text = site.gw.run("nft list set inet portreeve blocked4").stdout
    return re.findall(r"udp \. 192\.168\.0\.2 \. 53 \. [\d.]+ \. \d+", text)


def test_no_room_to_block_all(site):
    """The set of old replies is nearly full from an apply before: what fits is blocked, how many are
    not is said, and every contradicted connection ends."""
    size, room, many = 65536, 40, 60
    filling = (f"tcp . 10.{i >> 16}.{i >> 8 & 255}.{i & 255} . 1 . 192.0.2.1 . 1 timeout 180s"
               for i in range(size - room))
    site.gw.nft("add element inet portreeve blocked4 { " + ", ".join(filling) + " }")
    clients = [site.world.udp_connect("2.2.2.2", 53) for _ in range(many)]
    for client in clients:
        client.send(b"x")
        assert client.recv(100)
    done = site.portreeve.apply_json(MAPS.replace("53/udp, to: 192.168.0.2",
                                                  "53/udp, to: 192.168.0.3"))
    assert done["connections_deleted"] == many
    assert len(blocked(site)) == room
    warning, = [d for d in done["diagnostics"] if d["severity"] == "warning"]
    assert warning["message"].startswith(f"{many - room} of {many} ")
