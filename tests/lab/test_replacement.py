# SPDX-License-Identifier: GPL-2.0-or-later
"""One table takes the place of another. For a moment the kernel runs the chains of both, the old one's
last and with maps that find nothing any more; and a packet that meets the switch between them is
handled by neither. Both are held still here."""

import re

import pytest

from gateway import ARTICLE, Portreeve
from topology import Site
from traffic import Conversation, ask, dead, serve

PRIORITIES = {"dstnat": -100, "filter": 0, "srcnat": 100}
SERVICES = ARTICLE.replace("80/tcp", "[80/tcp, 53/udp]")


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[80], udp=[53])
    made.portreeve = Portreeve(made.gw)
    made.portreeve.apply(SERVICES)
    return made


def one_later(match):
    name, offset = match[1] or "", (match[2] or "").replace(" ", "")
    return f"priority {PRIORITIES.get(name, 0) + int(offset or 0) + 1};"


def outlive(site):
    """The table as it is now goes on under another name: its chains run after ours, and its maps have
    no elements."""
    text = site.gw.run("nft list table inet portreeve").stdout
    text = text.replace("table inet portreeve", "table inet old", 1)
    text, hooks = re.subn(r"priority ([a-z]*) ?([+-]? ?\d*);", one_later, text)
    assert hooks == 7, text
    text, maps = re.subn(r"(\tmap \w+ \{[^}]*?)elements = \{[^}]*\}", r"\1", text)
    assert maps >= 5, text
    site.gw.nft(text)


def foreign(site):
    return {name: site.foreign(name) for name in site.isp}


def test_old_chains_do_no_harm(site):
    before = [Conversation(site.world, address, 80) for address in ("1.1.1.1", "2.2.2.2")]
    outlive(site)
    for address in ("1.1.1.1", "2.2.2.2"):
        for proto, port in (("tcp", 80), ("udp", 53)):
            assert ask(site.world, address, port, proto), f"{address}:{port}/{proto}"
    assert all(talk.alive() for talk in before)
    assert not any(foreign(site).values())


def test_new_connection_without_a_home_is_lost(site):
    """Lost, and sent again: it must not begin, since its replies would leave by any line."""
    site.gw.run("nft flush map inet portreeve home")
    for address in ("1.1.1.1", "2.2.2.2"):
        assert dead(site.world, address, 80)
        assert dead(site.world, address, 53, "udp")
    assert not any(foreign(site).values())
    site.portreeve.apply(SERVICES)
    assert ask(site.world, "2.2.2.2", 80)


def test_what_is_blocked_stays_blocked(site):
    """Of a connection that was ended, the backend's old replies are kept out by the next table too."""
    client = site.world.udp_connect("2.2.2.2", 53)
    client.send(b"x")
    assert client.recv(100)
    elsewhere = SERVICES.replace("192.168.0.2}", "192.168.0.3}")
    assert site.portreeve.apply_json(elsewhere)["connections_deleted"] == 1
    blocked = f"udp . 192.168.0.2 . 53 . 192.168.0.1 . {client.getsockname()[1]} "
    assert blocked in site.gw.run("nft list set inet portreeve blocked4").stdout
    more = "".join(f"      more{n}: {{listen: {5000 + n}/tcp, to: 192.168.0.3}}\n"
                   for n in range(600))  # on two lines: more than the kernel's map was made for
    before = handle(site)
    site.portreeve.apply(elsewhere.rstrip() + "\n" + more)
    assert handle(site) != before, "the table was to be replaced"
    assert blocked in site.gw.run("nft list set inet portreeve blocked4").stdout


def handle(site):
    text = site.gw.run("nft -a list table inet portreeve").stdout
    return re.search(r"table inet portreeve \{ # handle (\d+)", text)[1]
