# SPDX-License-Identifier: GPL-2.0-or-later
"""Return paths are measured: `portreeve probe` once, and `return: auto` while the daemon runs.

What decides is real here: whether the backend's default route is the gateway or a line of its own,
whose ISP drops what has a foreign source.
"""

import json

import pytest

from daemon import Daemon
from gateway import ARTICLE, UPLINKS, Portreeve
from lab import wait_for
from state import misrouted
from topology import CLIENT, Machine, Site, lan, telecom6, unicom6
from traffic import Capture, Conversation, ask, serve

BACKEND, GATEWAY = "192.168.0.2", "192.168.0.1"
# A round that was silent takes a second, the pause between two at most 2.2, and three must agree;
# once it is direct a backend is asked every five seconds, give or take a tenth, and in doubt at once.
FIRST_S, LATER_S = 15, 20


def site_of(lab, gateway, inside=None, **more):
    """The backend's default route is the gateway, or a line of its own."""
    machine = Machine("backend", [BACKEND + "/24"], gateway=gateway)
    site = Site(lab, inside=[inside or lan(machine)], **more)
    site.portreeve = Portreeve(site.gw)
    return site


def probe(site, config=ARTICLE, *arguments, code=0):
    done = site.portreeve.run("probe", "--json", *arguments, config=config, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)["backends"]


def verdict(site, config=ARTICLE, **options):
    (backend,) = probe(site, config, **options)
    return (backend["return"], backend["from_uplink"]["answered"],
            backend["from_inside"]["answered"])


# ---- once ----


def test_a_backend_behind_the_gateway(lab):
    site = site_of(lab, gateway=True)
    serve(site.backend, tcp=[80])
    (backend,) = probe(site)
    assert backend["return"] == "direct" and backend["remedy"] is None
    assert backend["maps"] == ["web"] and backend["port"] == 80
    assert backend["interface"] == "eth2" and backend["rounds"] == 3
    assert backend["from_uplink"]["from"] == "1.1.1.1" and backend["from_uplink"]["answered"]
    assert backend["from_inside"]["from"] == GATEWAY and backend["from_inside"]["answered"]


def test_a_refusal_tells_as_much(lab):
    assert verdict(site_of(lab, gateway=True)) == ("direct", True, True)


def test_a_backend_with_a_line_of_its_own(lab):
    site = site_of(lab, gateway=False)
    serve(site.backend, tcp=[80])
    assert verdict(site) == ("snat", False, True)
    assert site.foreign("line-backend") > 0  # that is where the answers went


def test_the_remedy_cures(lab):
    """What it prints, pasted on the backend: the replies come back, its own line stays its own."""
    site = site_of(lab, gateway=False)
    serve(site.backend, tcp=[80])
    (backend,) = probe(site)
    for command in backend["remedy"].splitlines():
        site.backend.run(command)
    assert verdict(site) == ("direct", True, True)
    assert "dev line" in site.backend.run("ip route get 8.8.8.8").stdout
    site.portreeve.apply(ARTICLE.replace(BACKEND + "}", BACKEND + ", return: direct}"))
    assert [ask(site.world, a, 80).client for a in ("1.1.1.1", "2.2.2.2")] == [CLIENT, CLIENT]


def test_a_dead_backend_tells_nothing(lab):
    site = site_of(lab, gateway=True)
    site.backend.ip("link set eth0 down")
    assert verdict(site) == ("unknown", False, False)


def test_udp_maps_are_measured_by_ping(lab):
    config = UPLINKS + f"""
    maps:
      game: {{listen: 27015/udp, to: {BACKEND}}}
    """
    site = site_of(lab, gateway=True)
    (backend,) = probe(site, config)
    assert backend["port"] is None and backend["return"] == "direct"


def test_udp_maps_with_a_line_of_its_own(lab):
    config = UPLINKS + f"""
    maps:
      game: {{listen: 27015/udp, to: {BACKEND}}}
    """
    assert verdict(site_of(lab, gateway=False), config) == ("snat", False, True)


@pytest.mark.parametrize("gateway, expected", ((True, "direct"), (False, "snat")))
def test_ipv6(lab, gateway, expected):
    inside = lan(Machine("backend", [BACKEND + "/24", "fd00::2/64"], gateway=gateway),
                 addresses=(GATEWAY + "/24", "fd00::1/64"))
    site = site_of(lab, gateway, inside, uplinks=[telecom6(), unicom6()])
    config = UPLINKS.replace("1.1.1.254", '["1.1.1.254", "2001:db8:1::fe"]').replace(
        "2.2.2.254", '["2.2.2.254", "2001:db8:2::fe"]') + """
    maps:
      web: {listen: 80/tcp, to: "fd00::2"}
    """
    assert verdict(site, config)[0] == expected


def test_a_false_promise_is_told(lab):
    site = site_of(lab, gateway=False)
    direct = ARTICLE.replace(BACKEND + "}", BACKEND + ", return: direct}")
    (backend,) = probe(site, direct, code=1)
    assert backend["broken"]
    text = site.portreeve.run("probe", site.portreeve.file, check=False).stdout
    assert "map 'web' says `return: direct`: its clients hear nothing" in text
    assert f"ip rule add from {BACKEND} lookup 100" in text


def test_only_one_map(lab):
    site = site_of(lab, gateway=True)
    config = ARTICLE.replace("    maps:\n", "    maps:\n      other: {listen: 81/tcp, "
                                            "to: 192.168.0.3}\n")
    assert len(probe(site, config)) == 2
    (backend,) = probe(site, config, "--map", "other")
    assert backend["backend"] == "192.168.0.3" and backend["return"] == "unknown"
    assert "no map 'no'" in site.portreeve.run(
        "probe", "--map", "no", site.portreeve.file, check=False).stderr


@pytest.mark.parametrize("gateway, expected", ((True, "direct"), (False, "snat")))
def test_with_everything_in_force(lab, gateway, expected):
    """Our own table, strict filters everywhere and src_valid_mark do not change what is measured."""
    site = site_of(lab, gateway=gateway)
    serve(site.backend, tcp=[80])
    for where in ("all", "eth0", "eth1", "eth2"):
        site.gw.sysctl(f"net.ipv4.conf.{where}.rp_filter", 1)
        site.gw.sysctl(f"net.ipv4.conf.{where}.src_valid_mark", 1)
    site.portreeve.apply(ARTICLE)
    assert verdict(site)[0] == expected
    assert not any(misrouted(site.gw).values())


def test_among_rules_of_others(lab):
    """Marks saved on the way out, masquerading of the lines, a VPN that takes all unmarked traffic."""
    site = site_of(lab, gateway=True)
    serve(site.backend, tcp=[80])
    site.gw.iptables("-t nat -A POSTROUTING -o eth0 -j MASQUERADE",
                     "-t mangle -A OUTPUT -j MARK --set-mark 0x10000",
                     "-t mangle -A OUTPUT -j CONNMARK --save-mark")
    site.gw.ip("route add default dev eth1 table 51820",
               "rule add pref 5 lookup main suppress_prefixlength 0",
               "rule add pref 6 not fwmark 0xca6c lookup 51820")
    assert verdict(site) == ("direct", True, True)


def test_answers_by_another_interface_do_not_count(lab):
    """The backend's own line lets foreign sources pass, so its answers reach the gateway: by an
    uplink. Clients would hear from an address that they did not ask."""
    site = site_of(lab, gateway=False)
    serve(site.backend, tcp=[80])
    site.isp["line-backend"].run("nft flush table inet isp")
    capture = Capture(site.gw, "eth0")
    assert verdict(site) == ("snat", False, True)
    assert capture.packets(lambda p: p.haslayer("TCP") and p["IP"].src == BACKEND)


def test_the_backend_does_not_hear_of_it(lab):
    """No connection is ever accepted, so no service logs one."""
    site = site_of(lab, gateway=True)
    server = serve(site.backend, tcp=[80])
    assert verdict(site)[0] == "direct"
    assert server.seen == []


def test_text(lab):
    site = site_of(lab, gateway=False)
    serve(site.backend, tcp=[80])
    text = site.portreeve.run("probe", config=ARTICLE).stdout
    assert text.startswith("backend 192.168.0.2, port 80/tcp, by eth2 (map 'web')\n")
    assert "  asked from 1.1.1.1, an uplink's address: no answer in 1 s\n" in text
    assert "  asked from 192.168.0.1, the gateway's address inside: answered in " in text
    assert "    ip route add default via 192.168.0.1 table 100\n" in text


# ---- always ----


def sees(site, client):
    """Both lines work, and the backend sees this."""
    answers = [ask(site.world, a, 80, timeout=1) for a in ("1.1.1.1", "2.2.2.2")]
    return all(answer and answer.client == client for answer in answers)


def decided(daemon, how, after=0, timeout=FIRST_S):
    return daemon.wait_event("return-changed", lambda e: e["return"] == how, after, timeout)


def test_auto_finds_out(lab):
    site = site_of(lab, gateway=True)
    serve(site.backend, tcp=[80])
    daemon = Daemon(site.portreeve, ARTICLE)
    assert decided(daemon, "direct")["backend"] == BACKEND
    wait_for(lambda: sees(site, CLIENT), "the backend to see its clients", timeout=10)


def test_the_backend_changes_its_default_route(lab):
    """Noticed within the interval; and connections that there are keep what they have."""
    site = site_of(lab, gateway=True)
    serve(site.backend, tcp=[80])
    daemon = Daemon(site.portreeve, ARTICLE)
    decided(daemon, "direct")
    wait_for(lambda: sees(site, CLIENT), "the backend to see its clients", timeout=10)
    # From now on its replies to anybody far away go nowhere.
    site.backend.ip("route del default")
    decided(daemon, "snat", timeout=LATER_S)
    wait_for(lambda: sees(site, GATEWAY), "replies to come back by snat", timeout=10)

    # The other way round, after a restart: what is remembered holds until the rounds agree on another.
    talk = Conversation(site.world, "2.2.2.2", 80)
    site.backend.ip("route add default via " + GATEWAY)
    daemon.kill()
    seen = len(daemon.events("return-changed"))
    daemon.start()
    assert talk.alive()
    decided(daemon, "direct", after=seen)
    wait_for(lambda: sees(site, CLIENT), "the backend to see its clients", timeout=10)
    assert talk.alive()
    daemon.stop()
