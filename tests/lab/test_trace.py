# SPDX-License-Identifier: GPL-2.0-or-later
"""trace: real packets rule by rule, both directions, beside the walk; and nothing left behind."""

import json
import signal
import subprocess

import pytest

from gateway import ARTICLE, BINARY
from lab import wait_for
from test_article import STAGES
from topology import CLIENT, Site
from traffic import DEAD_S, ask, serve


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[80], udp=[53])
    made.gw.sysctl("net.ipv4.ip_forward", 1)
    return made


def tables(host):
    return host.run("nft list tables").stdout


class Trace:
    """`portreeve trace` in the background; the table is there when this returns."""

    def __init__(self, portreeve, *words, packets=3, seconds=10):
        self.host = portreeve.host
        self.process = self.host.popen(
            [BINARY, "trace", "--json", "--packets", str(packets), "--seconds", str(seconds),
             *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=portreeve.environment())
        wait_for(lambda: "portreeve_trace" in tables(self.host), "the trace to begin")

    def result(self):
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode in (0, 1), err
        return json.loads(out)["packets"]


def kinds(packets):
    return [(p["kind"], p["in"], p["out"], p["end"]) for p in packets]


def test_a_mapped_connection_in_both_directions(site, portreeve):
    portreeve.apply(ARTICLE)
    trace = Trace(portreeve, "tcp", "port", "80", "from", CLIENT)
    assert ask(site.world, "2.2.2.2", 80, source=CLIENT)
    packets = trace.result()
    assert kinds(packets) == [("request", "eth1", "eth2", "forwarded"),
                              ("reply", "eth2", "eth1", "forwarded"),
                              ("a later request", "eth1", "eth2", "forwarded")]
    assert [p["home"] for p in packets] == [None, True, None]
    assert packets[0]["last"]["dst"] == "192.168.0.2"
    assert packets[1]["last"]["src"] == "2.2.2.2"
    rules = [s["rule"] for p in packets for s in p["steps"]]
    assert any("dnat" in rule for rule in rules)
    assert all(p["compared"] for p in packets)
    assert [p["differences"] for p in packets] == [[], [], []]
    assert "portreeve_trace" not in tables(site.gw)


def test_a_reply_that_goes_astray(site, portreeve):
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    trace = Trace(portreeve, "tcp", "to", "2.2.2.2", packets=2)
    assert ask(site.world, "2.2.2.2", 80, source=CLIENT, timeout=DEAD_S) is None
    packets = trace.result()
    assert kinds(packets) == [("request", "eth1", "eth2", "forwarded"),
                              ("reply", "eth2", "eth0", "forwarded")]
    assert [p["home"] for p in packets] == [None, False]
    assert [p["differences"] for p in packets] == [[], []]
    assert any("--to-destination 192.168.0.2" in s["rule"] for s in packets[0]["steps"])


def test_text_for_people(site, portreeve):
    """What goes wrong stands out; iptables' words are not repeated."""
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    process = site.gw.popen([BINARY, "trace", "--packets", "2", "--seconds", "10", "tcp"],
                            stdout=subprocess.PIPE, env=portreeve.environment())
    wait_for(lambda: "portreeve_trace" in tables(site.gw), "the trace to begin")
    assert ask(site.world, "2.2.2.2", 80, source=CLIENT, timeout=DEAD_S) is None
    text = process.communicate(timeout=20)[0]
    assert "ip nat: -A PREROUTING -d 2.2.2.2/32" in text
    assert "                not home: the request came in by eth1\n" in text


def test_packets_of_a_flow_are_told_apart(site, portreeve):
    """The kernel's number for a packet comes again with the next one of its flow."""
    portreeve.apply(ARTICLE.replace("80/tcp", "53/udp"))
    trace = Trace(portreeve, "udp", "port", "53", packets=200, seconds=15)
    client = site.world.udp_connect("2.2.2.2", 53, source=CLIENT)
    for number in range(100):
        client.send(b"%d" % number)
        assert client.recv(1000).endswith(b"%d" % number)
    packets = trace.result()
    assert [p["kind"] for p in packets] == ["request", "reply"] + ["a later request", "reply"] * 99
    for packet in packets:
        handles = [(s["table"], s["handle"]) for s in packet["steps"] if s.get("handle")]
        assert len(handles) == len(set(handles))
    assert not any(p["differences"] for p in packets)


def test_a_drop_is_shown_where_it_happens(site, portreeve):
    portreeve.apply(ARTICLE)
    site.gw.nft("""table inet other {
        chain forward {
            type filter hook forward priority filter;
            tcp dport 80 counter drop
        }
    }""")
    trace = Trace(portreeve, "tcp", "port", "80", packets=1)
    assert ask(site.world, "1.1.1.1", 80, source=CLIENT, timeout=DEAD_S) is None
    packet, = trace.result()
    assert packet["end"] == "dropped" and packet["out"] is None
    assert packet["steps"][-1]["table"] == "inet other"
    last = packet["steps"][-1]
    assert (last["stage"], last["text"], last["verdict"], last["stops"]) == ("rule", "drop", "drop", True)
    assert not any(s["stops"] for s in packet["steps"][:-1])
    assert packet["differences"] == []


def test_where_reality_differs_it_says_so(site, portreeve):
    portreeve.apply(ARTICLE)
    trace = Trace(portreeve, "tcp", "port", "80", packets=1)
    site.gw.nft("""table inet late {
        chain forward {
            type filter hook forward priority filter;
            tcp dport 80 drop
        }
    }""")
    assert ask(site.world, "1.1.1.1", 80, source=CLIENT, timeout=DEAD_S) is None
    packet, = trace.result()
    assert trace.process.returncode == 1
    assert any("the walk: forwarded; the kernel: dropped" in d for d in packet["differences"])


def test_udp_and_the_gateways_own_service(site, portreeve):
    serve(site.gw, udp=[5353], address="1.1.1.1")
    trace = Trace(portreeve, "udp", "port", "5353", packets=2)
    assert ask(site.world, "1.1.1.1", 5353, "udp", source=CLIENT)
    packets = trace.result()
    assert kinds(packets)[0] == ("request", "eth0", None, "local")
    assert kinds(packets)[1] == ("reply", None, "eth0", "forwarded")
    assert [p["differences"] for p in packets] == [[], []]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(site, portreeve, number):
    trace = Trace(portreeve, "tcp", seconds=60)
    trace.process.send_signal(number)
    trace.process.wait(timeout=10)
    wait_for(lambda: "portreeve_trace" not in tables(site.gw), "the table to go")


def test_only_what_the_filter_asks_for(site, portreeve):
    portreeve.apply(ARTICLE)
    trace = Trace(portreeve, "tcp", "from", "203.0.113.9", seconds=2)
    assert ask(site.world, "1.1.1.1", 80, source=CLIENT)
    assert trace.result() == []


@pytest.mark.parametrize("words, complaint", [
    (["tpc"], "is no word of a filter"),
    (["port", "80"], "needs its protocol"),
    (["tcp", "port", "0"], "a port from 1 to 65535"),
    (["tcp", "udp"], "one protocol"),
    (["tcp", "port", "80", "port", "443"], "'port' stands there twice"),
    (["from"], "needs something after it"),
    (["from", "1.2.3"], "an address or a network"),
    (["from", "1.2.3.4", "to", "::1"], "different families"),
    (["tcp", "in", "eth9"], "there is no interface 'eth9'"),
])
def test_wrong_filters_are_said(site, portreeve, words, complaint):
    done = portreeve.run("trace", *words, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
