# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard: a neighbour on an ISP's segment cannot route itself into the inside."""

import socket

import pytest
import scapy.layers.inet as inet

from gateway import ARTICLE, Portreeve
from lab import wait_for
from topology import CLIENT, Machine, Site, lan, telecom, unicom
from traffic import Conversation, ask, dead, serve, together

OFF = ARTICLE.replace("maps:", "gateway: {guard: off}\n    maps:")


@pytest.fixture
def site(lab):
    made = Site(lab, [telecom(), unicom(neighbours={"intruder": ["2.2.2.9/24"]})],
                [lan(Machine("backend", ["192.168.0.2/24"], gateway=True))])
    made.intruder.ip("route add 192.168.0.0/24 via 2.2.2.2")
    serve(made.backend, tcp=[80, 3389], udp=[161])
    return made


def test_neighbour_stays_outside(site):
    Portreeve(site.gw).apply(ARTICLE)
    assert together(lambda: dead(site.intruder, "192.168.0.2", 3389),
                    lambda: dead(site.intruder, "192.168.0.2", 80),
                    lambda: dead(site.intruder, "192.168.0.2", 161, "udp")) == [True] * 3
    # By the map it may come, like everyone.
    assert ask(site.intruder, "2.2.2.2", 80).server == "backend"


def test_guard_off_lets_it_in(site):
    """So the test above is not dead for another reason."""
    Portreeve(site.gw).apply(OFF)
    assert ask(site.intruder, "192.168.0.2", 3389).server == "backend"
    assert ask(site.intruder, "192.168.0.2", 161, "udp").server == "backend"


def test_guard_comes_and_goes(site):
    portreeve = Portreeve(site.gw)
    portreeve.apply(OFF)
    assert ask(site.intruder, "192.168.0.2", 3389)
    portreeve.apply(ARTICLE)
    assert dead(site.intruder, "192.168.0.2", 3389)
    portreeve.apply(OFF)
    assert ask(site.intruder, "192.168.0.2", 3389)


@pytest.mark.parametrize("first", ("other", "portreeve"))
def test_foreign_map_still_works(site, first):
    """What another tool's DNAT brought in is not the guard's business."""
    rules = ["-t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 9000"
             " -j DNAT --to-destination 192.168.0.2:3389",
             "-t nat -A PREROUTING -d 2.2.2.2 -p tcp --dport 9000"
             " -j DNAT --to-destination 192.168.0.2:3389"]
    if first == "other":
        site.gw.iptables(*rules)
    Portreeve(site.gw).apply(ARTICLE)
    if first == "portreeve":
        site.gw.iptables(*rules)
    assert ask(site.world, "1.1.1.1", 9000).port == 3389
    # Its replies go home as well, which they did not before.
    assert ask(site.world, "2.2.2.2", 9000).port == 3389


def test_the_inside_may_go_out(site):
    """The guard looks at connections that come from an uplink; the other way is as it was."""
    Portreeve(site.gw).apply(ARTICLE)
    site.gw.nft("""table ip other {
        chain out { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }
    }""")
    serve(site.world, tcp=[7000], udp=[7000])
    assert ask(site.backend, "100.100.100.100", 7000).client == "1.1.1.1"
    assert ask(site.backend, "100.100.100.100", 7000, "udp").client == "1.1.1.1"


def test_what_conntrack_cannot_place_stays_inside(site):
    """A packet of the backend's that does not fit its connection is not translated, and has no home:
    it would leave by the default route, from 192.168.0.2."""
    portreeve = Portreeve(site.gw)
    direct = "to: 192.168.0.2, return: direct"
    for config, leaves in ((OFF, True), (ARTICLE, False)):
        portreeve.apply(config.replace("to: 192.168.0.2", direct))
        before = site.foreign("telecom")
        talk = Conversation(site.world, "2.2.2.2", 80)
        port = talk.sock.getsockname()[1]
        stray = (inet.IP(src="192.168.0.2", dst=CLIENT) /
                 inet.TCP(sport=80, dport=port, flags="SF") / b"x")  # invalid whatever the window
        raw = site.backend.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.sendto(bytes(stray), (CLIENT, 0))
        assert talk.alive()
        if leaves:  # once the gateway has asked for its next hop's address
            wait_for(lambda: site.foreign("telecom") > before, "the packet at the ISP")
        else:
            assert site.foreign("telecom") == before
