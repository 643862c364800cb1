# SPDX-License-Identifier: GPL-2.0-or-later
"""Several backends for one map: who gets which client, what happens when one is down, and when all
are. Nobody probes here: that a backend is down is written into the memory, as a daemon would."""

import json
import math
import re
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import Portreeve
from state import misrouted
from topology import Machine, Site, lan, telecom6, unicom6
from traffic import Conversation, ask, dead, serve

CLIENTS = [f"198.51.{i // 200}.{i % 200 + 1}" for i in range(400)]
CLIENTS6 = [f"2001:db8:aaaa::{i + 1:x}" for i in range(40)]
STRANGER = "203.0.113.200"
BACKENDS = {"one": "192.168.0.2", "two": "192.168.0.3", "three": "192.168.0.4"}
ADDRESSES = ("1.1.1.1", "2.2.2.2")

UPLINKS = """
    uplinks:
      telecom: {interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}
      unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
    maps:
    """
THREE = "[192.168.0.2, {address: 192.168.0.3, weight: 2}, 192.168.0.4]"
EQUAL = "[192.168.0.2, 192.168.0.3, 192.168.0.4]"


@pytest.fixture(scope="module")
def site(module_lab):
    """One machine plays all backends: each has an address of its own, and says its name."""
    made = Site(module_lab, [telecom6(), unicom6()],
                [lan(Machine("backend", [f"{a}/24" for a in BACKENDS.values()]
                             + [f"2001:db8:ff::{i}/64" for i in (2, 3)]),
                     addresses=["192.168.0.1/24", "2001:db8:ff::1/64"])])
    made.add_client(STRANGER, *CLIENTS, *CLIENTS6)
    for name, address in BACKENDS.items():
        serve(made.backend, tcp=[80, 8080, 5000, 5009], udp=[53], address=address, name=name)
    for i, name in ((2, "one"), (3, "two")):
        serve(made.backend, tcp=[80], address=f"2001:db8:ff::{i}", name=name)
    made.own = serve(made.gw, tcp=[80], udp=[53])
    made.portreeve = Portreeve(made.gw)
    return made


@pytest.fixture(autouse=True)
def nothing_astray(site):
    yield
    assert not any(misrouted(site.gw).values())
    assert site.foreign("telecom") == site.foreign("unicom") == 0


def remembered(site):
    """{key: comment} of the memory in the kernel."""
    listing = site.gw.run("nft list set inet portreeve memory").stdout
    return {key: text for key, text in re.findall(r'(0x[0-9a-f]+) comment "([^"]*)"', listing)}


def apply(site, maps, down=()):
    """Put these maps in force, with these (map, backend) down."""
    config = UPLINKS + f"  {maps}\n"
    site.portreeve.apply(config)
    for key, text in remembered(site).items():
        if text.startswith("down "):
            site.gw.run(f"nft delete element inet portreeve memory {{ {key} }}")
    for i, (name, backend) in enumerate(down):
        site.gw.nft(f'add element inet portreeve memory {{ {0x30000 + i} comment '
                    f'"down {backend} 0 {name}" }}')
    site.portreeve.apply(config)
    return config


def served(site, clients=CLIENTS, address="1.1.1.1", port=80, proto="tcp"):
    """{client: name of the backend that answered}"""
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda c: ask(site.world, address, port, proto, source=c), clients)
    return {c: answer and answer.server for c, answer in zip(clients, answers)}


def assert_shares(counts, shares):
    """As many each as chance allows: five standard deviations of a binomial distribution."""
    n, whole = sum(counts.values()), sum(shares.values())
    assert set(counts) == set(shares)
    for name, share in shares.items():
        p = share / whole
        assert abs(counts[name] - n * p) < 5 * math.sqrt(n * p * (1 - p)), counts


def test_hash(site):
    apply(site, f"web: {{listen: [80/tcp, 53/udp], to: {THREE}, check: tcp}}")
    first = served(site)
    assert_shares(Counter(first.values()), {"one": 1, "two": 2, "three": 1})
    # Again, by the other line, and by UDP: a client stays with its backend.
    assert served(site, CLIENTS[:100]) == dict(list(first.items())[:100])
    assert served(site, CLIENTS[:100], "2.2.2.2") == dict(list(first.items())[:100])
    assert served(site, CLIENTS[:100], port=53, proto="udp") == dict(list(first.items())[:100])


def test_one_goes_down_and_comes_back(site):
    web = f"web: {{listen: 80/tcp, to: {THREE}, check: tcp}}"
    apply(site, web)
    before = served(site)
    apply(site, web, down=[("web", BACKENDS["two"])])
    without = served(site)
    assert_shares(Counter(without.values()), {"one": 1, "three": 1})
    moved = [c for c in CLIENTS if without[c] != before[c]]
    assert moved == [c for c in CLIENTS if before[c] == "two"]
    # A second one: those who had moved to it move on, the others stay.
    apply(site, web, down=[("web", BACKENDS["two"]), ("web", BACKENDS["one"])])
    assert set(served(site, CLIENTS[:40]).values()) == {"three"}
    apply(site, web)
    assert served(site) == before


@pytest.mark.parametrize("when_down", ("keep", "cut"))
def test_connections_of_one_that_goes_down(site, when_down):
    web = f"web: {{listen: 80/tcp, to: {EQUAL}, check: tcp, when-down: {when_down}}}"
    apply(site, web)
    names = served(site, CLIENTS[:40])
    mine = {name: next(c for c in names if names[c] == name) for name in BACKENDS}
    talks = {name: Conversation(site.world, "2.2.2.2", 80, source=c) for name, c in mine.items()}
    apply(site, web, down=[("web", BACKENDS["one"])])
    assert talks["two"].alive() and talks["three"].alive()
    assert talks["one"].alive(timeout=1.0) == (when_down == "keep")
    assert ask(site.world, "2.2.2.2", 80, source=mine["one"]).server in ("two", "three")


def test_one_that_leaves_the_file(site):
    """Its connections go, as those of a map that is taken out do; nobody else's."""
    apply(site, f"web: {{listen: 80/tcp, to: {EQUAL}, check: tcp}}")
    names = served(site, CLIENTS[:40])
    mine = {name: next(c for c in names if names[c] == name) for name in BACKENDS}
    talks = {name: Conversation(site.world, "1.1.1.1", 80, source=c) for name, c in mine.items()}
    apply(site, "web: {listen: 80/tcp, to: [192.168.0.2, 192.168.0.3], check: tcp}")
    assert talks["one"].alive() and talks["two"].alive()
    assert not talks["three"].alive(timeout=1.0)


def test_all_down_and_tried(site):
    web = f"web: {{listen: 80/tcp, to: {EQUAL}, check: tcp}}"
    apply(site, web)
    before = served(site, CLIENTS[:60])
    apply(site, web, down=[("web", b) for b in BACKENDS.values()])
    assert served(site, CLIENTS[:60]) == before


def refusal(site, address, port, proto, **source):
    """How long it takes until the client is told; None: it is not."""
    begin = time.monotonic()
    try:
        if proto == "udp":
            sock = site.world.udp_connect(address, port, timeout=1.0, **source)
            sock.send(b"hello")
            sock.recv(100)
        else:
            site.world.tcp_connect(address, port, timeout=1.0, **source)
    except ConnectionRefusedError:
        return time.monotonic() - begin
    except socket.timeout:
        return None
    raise AssertionError("answered")


@pytest.mark.parametrize("more", ("", ", from: [198.51.0.0/16]"))
def test_all_down_and_refused(site, more):
    """On either line, by home, and the gateway's own service on that port stays out of it."""
    web = f"web: {{listen: [80/tcp, 53/udp], to: {EQUAL}, check: tcp, all-down: refuse{more}}}"
    apply(site, web, down=[("web", b) for b in BACKENDS.values()])
    before = len(site.own.seen)
    for address in ADDRESSES:
        for proto, port in (("tcp", 80), ("udp", 53)):
            assert refusal(site, address, port, proto, source=CLIENTS[0]) is not None, (address, proto)
    if more:
        assert dead(site.world, "2.2.2.2", 80, source=STRANGER)
    assert len(site.own.seen) == before
    apply(site, web)
    assert ask(site.world, "2.2.2.2", 53, "udp", source=CLIENTS[0])


def test_all_down_and_refused_to_the_gateway_itself(site):
    """What runs on the gateway and uses its public address is told so, too."""
    apply(site, "web: {listen: [80/tcp, 53/udp], to: 192.168.0.2, check: tcp, all-down: refuse}",
          down=[("web", "192.168.0.2")])
    with pytest.raises(ConnectionRefusedError):
        site.gw.tcp_connect("2.2.2.2", 80, timeout=1.0)
    sock = site.gw.udp_connect("2.2.2.2", 53, timeout=1.0)
    sock.send(b"hello")
    with pytest.raises(ConnectionRefusedError):
        sock.recv(100)


def test_random(site):
    apply(site, f"web: {{listen: [80/tcp, 53/udp], to: {THREE}, balance: random, check: tcp}}")
    many = [CLIENTS[0]] * 400
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda c: ask(site.world, "2.2.2.2", 80, source=c), many))
    assert_shares(Counter(a.server for a in answers), {"one": 1, "two": 2, "three": 1})
    apply(site, f"web: {{listen: [80/tcp, 53/udp], to: {THREE}, balance: random, check: tcp}}",
          down=[("web", BACKENDS["one"])])
    names = Counter(ask(site.world, "1.1.1.1", 53, "udp").server for _ in range(60))
    assert set(names) == {"two", "three"}


def test_first(site):
    web = f"web: {{listen: 80/tcp, to: {EQUAL}, balance: first, check: tcp}}"
    gone = []
    for name, backend in BACKENDS.items():
        apply(site, web, down=gone)
        assert set(served(site, CLIENTS[:20]).values()) == {name}
        gone.append(("web", backend))


def test_other_ports(site):
    apply(site, 'web: {listen: 80/tcp, to: ["192.168.0.2:8080", 192.168.0.3]}')
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda c: ask(site.world, "2.2.2.2", 80, source=c), CLIENTS[:60]))
    assert {(a.server, a.port) for a in answers} == {("one", 8080), ("two", 80)}


def test_range(site):
    apply(site, f"games: {{listen: 5000-5009/tcp, to: {EQUAL}}}")
    first = served(site, CLIENTS[:60], port=5000)
    assert set(first.values()) == set(BACKENDS)
    assert served(site, CLIENTS[:60], port=5009) == first
    assert ask(site.world, "1.1.1.1", 5009, source=CLIENTS[0]).port == 5009


def test_ipv6(site):
    web = ('web: {listen: 80/tcp, to: ["2001:db8:ff::2", "2001:db8:ff::3"], check: tcp, '
           "all-down: refuse}")
    apply(site, web)
    first = served(site, CLIENTS6, "2001:db8:1::1")
    assert set(first.values()) == {"one", "two"}
    assert served(site, CLIENTS6, "2001:db8:2::2") == first
    apply(site, web, down=[("web", "2001:db8:ff::2")])
    assert set(served(site, CLIENTS6, "2001:db8:2::2").values()) == {"two"}
    apply(site, web, down=[("web", "2001:db8:ff::2"), ("web", "2001:db8:ff::3")])
    for address in ("2001:db8:1::1", "2001:db8:2::2"):
        assert refusal(site, address, 80, "tcp", source=CLIENTS6[0]) is not None


def test_from(site):
    """Lists of clients and lists of backends together: each list has its own backends."""
    apply(site, "\n      ".join([
        "near: {listen: 80/tcp, to: [192.168.0.2, 192.168.0.3], from: [198.51.0.0/24]}",
        "far: {listen: 80/tcp, to: [192.168.0.4, 192.168.0.3], from: [198.51.1.0/24]}"]))
    near = served(site, CLIENTS[:60])
    far = served(site, CLIENTS[200:260], "2.2.2.2")
    assert set(near.values()) == {"one", "two"}
    assert set(far.values()) == {"two", "three"}
    assert dead(site.world, "1.1.1.1", 80, source=STRANGER)


def test_the_kernel_has_what_show_says(site, lab):
    """All shapes at once: nft reads our text as the kernel reads our messages; and once more changes
    nothing."""
    down = [("none", BACKENDS["one"]), ("web", BACKENDS["two"])]
    config = apply(site, "\n      ".join([
        f"web: {{listen: [80/tcp, 5000-5009/udp], to: {THREE}, check: icmp}}",
        'moved: {listen: [81/tcp, 81/udp], to: ["192.168.0.2:8080", 192.168.0.3]}',
        f"chance: {{listen: 82/tcp, to: {EQUAL}, balance: random, from: [198.51.0.0/24]}}",
        'six: {listen: 80/tcp, to: ["2001:db8:ff::2", "[2001:db8:ff::3]:81"]}',
        "none: {listen: 83/tcp, to: 192.168.0.2, check: tcp, all-down: refuse}",
        "plain: {listen: 84/tcp, to: 192.168.0.2}"]), down)
    assert sorted(t for t in remembered(site).values() if t.startswith("down")) == [
        "down 192.168.0.2 0 none", "down 192.168.0.3 0 web"]
    assert site.portreeve.apply_json(config)["changed"] is False
    shown = json.loads(site.portreeve.show(config, "--json").stdout)
    assert [m["down"] for m in shown["maps"][0]["backends"]] == [False, True, False]
    other = lab.host("other")
    other.nft(shown["nft"])

    assert blocks(other) == blocks(site.gw)


def blocks(host):
    """The table's sets and chains. In which order they and their elements stand is history."""
    host.nft("flush set inet portreeve blocked4; flush set inet portreeve blocked6")
    text = host.run("nft list table inet portreeve").stdout
    text = re.sub(r"packets \d+ bytes \d+", "", text).split("{\n", 1)[1]
    return sorted(sorted(re.findall(r'[^\s,"{}]+|"[^"]*"', block)) if " elements" in block
                  else block.strip(" \t\n}").split() for block in text.split("\n\n"))
