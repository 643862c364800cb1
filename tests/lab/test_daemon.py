# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve run: the article's gateway stays right while everything around it moves.

Nothing here measures time: what must come back is waited for.
"""

import json
import os
import signal
import socket
import time

import pytest

from api import Api
from daemon import Daemon
from gateway import ARTICLE, BINARY, Portreeve
from lab import wait_for
from topology import CLIENT, Site
from traffic import Conversation, Load, ask, dead, serve

TELECOM, UNICOM = "1.1.1.1", "2.2.2.2"
RULE = "501:	from all fwmark 0x1000000/0x7f000000 lookup 70001 proto 180"


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[80, 8080])
    return made


@pytest.fixture
def daemon(site):
    return Daemon(Portreeve(site.gw), ARTICLE)


@pytest.fixture
def held(daemon):
    """Skip where this kernel cannot keep a table from others."""
    if daemon.events("started")[0]["held"] != "true":
        pytest.skip("this kernel (before 6.9) has no tables that outlive their owner")
    return daemon


def answers(site, *addresses):
    return all(ask(site.world, address, 80) for address in addresses)


def comes_back(site, *addresses):
    wait_for(lambda: all(ask(site.world, a, 80, timeout=1) for a in addresses),
             f"{addresses} to answer", timeout=20)


def rules(site):
    return site.gw.run("ip rule").stdout


def routes(site, table):
    return site.gw.run(f"ip route show table {table}").stdout


def connections(site, address):
    return [line for line in site.gw.run("conntrack -L -p tcp", check=False).stdout.splitlines()
            if f"src={CLIENT} dst={address} " in line]


def allow(site, name, *addresses):
    """The ISP's line has these addresses now."""
    site.isp[name].nft("flush chain inet isp forward")
    site.isp[name].run(["nft", "add rule inet isp forward iifname customer ip saddr != { "
                        + ", ".join(addresses) + " } counter name foreign drop"])


# ---- what others take away ----

def test_a_flush_of_the_ruleset_passes_by(site, held):
    loads = [Load(site.world, TELECOM, 80), Load(site.world, UNICOM, 80)]
    talk = Conversation(site.world, UNICOM, 80)
    for _ in range(5):
        site.gw.nft("flush ruleset")
        assert "table inet portreeve" in site.gw.run("nft list tables").stdout
    refused = site.gw.run("nft flush table inet portreeve", check=False)
    assert refused.returncode != 0
    assert answers(site, TELECOM, UNICOM) and talk.alive()
    for load in loads:
        assert not load.stop().failed and load.done
    assert not held.events("drift")


def test_a_deleted_rule_is_put_back_and_its_taker_named(site, daemon):
    assert RULE in rules(site)
    # ip would be gone before it could be named; this one stays for a moment.
    site.gw.run(["/usr/bin/python3", "-c", DELETE_RULE])
    drift = daemon.wait_event("drift")
    assert RULE in rules(site)
    assert drift["by"].startswith("python3 (pid ")
    assert drift["objects"] == "1"
    assert drift["changes"].startswith("+ ip rule pref 501 fwmark 0x1000000/0x7f000000")


def test_a_line_without_a_gateway_is_down(site):
    """Where the file leaves the gateway to the system's default route, and that goes and comes."""
    site.gw.ip("route add default via 2.2.2.254 dev eth1 metric 500")
    daemon = Daemon(Portreeve(site.gw), ARTICLE.replace(", gateway: 2.2.2.254", ""))
    assert answers(site, TELECOM, UNICOM)
    site.gw.ip("route del default via 2.2.2.254 dev eth1 metric 500")
    assert daemon.wait_event("uplink-down")["reason"] == "it has no gateway"
    assert "gateway of uplink 'unicom' is not known" in daemon.wait_event("incomplete")["message"]
    assert answers(site, TELECOM)
    site.gw.ip("route add default via 2.2.2.254 dev eth1 metric 500")
    daemon.wait_event("uplink-up", lambda e: e["was"] == "down")
    daemon.wait_event("complete")
    comes_back(site, UNICOM)


# RTM_DELRULE for preference 501, by hand.
DELETE_RULE = """
import socket, struct, time
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
s.bind((0, 0))
body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
body += struct.pack("=HHI", 8, 6, 501)
s.send(struct.pack("=IHHII", 16 + len(body), 33, 1, 1, 0) + body)
time.sleep(1)
"""


def test_rules_flushed_all_at_once(site, daemon):
    talk = Conversation(site.world, UNICOM, 80)
    site.gw.run("ip rule flush")
    site.gw.ip("rule add pref 32766 table main")
    comes_back(site, TELECOM, UNICOM)
    assert talk.alive(10)
    drift = daemon.wait_event("drift")
    assert drift["objects"] == "2"
    # The kernel's own are nobody's business.
    assert "32767" not in rules(site)


def test_a_deleted_route_is_put_back(site, daemon):
    site.gw.ip("route del default via 2.2.2.254 table 70002")
    drift = daemon.wait_event("drift")
    assert "+ ip route default via 2.2.2.254 dev eth1 table 70002" in drift["changes"]
    assert "default via 2.2.2.254" in routes(site, 70002)
    assert answers(site, UNICOM)


def test_routes_of_others_in_our_place_go(site, daemon):
    site.gw.ip("route add default via 1.1.1.254 table 70001 proto 180 dev eth0 metric 7")
    daemon.wait_event("drift")
    assert "metric 7" not in routes(site, 70001)
    site.gw.ip("route replace default via 2.2.2.254 table 70001")
    drift = daemon.wait_event("drift", after=1)
    assert "via 2.2.2.254" not in routes(site, 70001)
    assert "- ip route default via 2.2.2.254 dev eth1 table 70001" in drift["changes"]
    assert answers(site, TELECOM, UNICOM)


def behind_its_back(daemon, *commands):
    """All of them before it can put anything back."""
    daemon.process.send_signal(signal.SIGSTOP)
    daemon.portreeve.host.ip(*commands)
    daemon.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("commands", (
    ["rule del pref 501", "rule add pref 501 fwmark 0x1000000/0x7f000000 lookup 70001"],
    ["route flush table 70001", "route add default via 1.1.1.254 dev eth0 table 70001"],
    ["route flush table 70001", "rule del pref 501",
     "route add default via 1.1.1.254 dev eth0 table 70001",
     "route add unreachable default metric 4294967295 table 70001",
     "rule add pref 501 fwmark 0x1000000/0x7f000000 lookup 70001"]))
def test_ours_made_again_without_our_number(site, daemon, commands):
    """As a script does that saves and restores: ours takes its place again, at once and once."""
    behind_its_back(daemon, *commands)
    api = Api(daemon.portreeve)
    daemon.wait_event("drift")
    wait_for(lambda: RULE in rules(site) and api.status()["in_force"], "ours to be back")
    assert "default via 1.1.1.254 dev eth0 proto 180" in routes(site, 70001)
    assert "unreachable default proto 180" in routes(site, 70001)
    assert answers(site, TELECOM, UNICOM)
    assert not daemon.events("not-applied")
    passes = api.status()["passes"]["total"]
    time.sleep(1.5)
    assert api.status()["passes"]["total"] == passes
    # What is left of theirs stays when ours goes.
    daemon.stop()
    daemon.portreeve.remove()
    assert "proto 180" not in rules(site) + routes(site, 70001)


def test_in_anothers_table_it_says_so_once(site):
    """A table that another uses, by a number that would be ours: nothing is taken; there is a remedy, and
    the daemon does not go on about it."""
    site.gw.ip("route add default via 1.1.1.254 dev eth0 table 70001")
    daemon = Daemon(Portreeve(site.gw), ARTICLE, ready=False)
    assert daemon.process.wait(10) == 3
    assert "somebody else's route stands there" in daemon.text()
    site.gw.ip("route del default table 70001")
    daemon.start()
    before = len(daemon.events("not-applied"))
    behind_its_back(daemon, "rule flush", "route flush table 70001",
                    "rule add pref 32766 table main",
                    "route add default via 1.1.1.254 dev eth0 table 70001")
    first = daemon.wait_event("not-applied", after=before)
    assert first["level"] == "error" and "'tables' of 'gateway'" in first["message"]
    daemon.wait_event("not-applied", after=before + 1)
    assert {e["level"] for e in daemon.events("not-applied")[before + 1:]} == {"debug"}
    site.gw.ip("route del default table 70001")
    wait_for(lambda: Api(daemon.portreeve).status()["in_force"], "it to be put back", timeout=20)
    assert answers(site, TELECOM, UNICOM)


@pytest.mark.parametrize("key", ["net.ipv4.conf.eth1.forwarding", "net.ipv4.conf.eth2.forwarding"])
def test_a_sysctl_is_put_back(site, daemon, key):
    site.gw.sysctl(key, 0)
    drift = daemon.wait_event("drift")
    assert site.gw.sysctl(key) == "1"
    assert f"{key}=0" in drift["changes"]


def test_a_sysctl_that_nobody_tells_of_is_put_back(lab):
    six = """
        uplinks:
          telecom: {interface: eth0, gateway: 1.1.1.254}
          unicom:  {interface: eth1, gateway: 2.2.2.254}
        maps:
          web: {listen: 80/tcp, to: "fd00::2", on: unicom}
        """
    site = Site(lab)
    site.gw.ip("addr add 2001:db8::1/64 dev eth1 nodad", "addr add fd00::1/64 dev eth2 nodad")
    if not site.gw.has_sysctl("net.ipv6.conf.eth1.force_forwarding"):
        pytest.skip("this kernel has no net.ipv6.conf.*.force_forwarding")
    six = six.replace("gateway: 2.2.2.254", 'gateway: ["2.2.2.254", "2001:db8::fe"]')
    daemon = Daemon(Portreeve(site.gw), six)
    assert site.gw.sysctl("net.ipv6.conf.eth1.force_forwarding") == "1"
    site.gw.sysctl("net.ipv6.conf.eth1.force_forwarding", 0)
    daemon.wait_event("drift")
    assert site.gw.sysctl("net.ipv6.conf.eth1.force_forwarding") == "1"


def test_where_a_table_cannot_be_held_a_flush_is_repaired(site):
    daemon = Daemon(Portreeve(site.gw), ARTICLE, PORTREEVE_HOLD="no")
    assert daemon.events("started")[0]["held"] == "false"
    site.gw.nft("flush ruleset")
    drift = daemon.wait_event("drift")
    assert drift["by"].startswith("nft (pid ")
    assert "+ nft table inet portreeve" in drift["changes"]
    comes_back(site, TELECOM, UNICOM)
    before = len(daemon.events("drift"))
    site.gw.run("nft flush chain inet portreeve listeners")
    daemon.wait_event("drift", after=before)
    comes_back(site, TELECOM, UNICOM)


def test_others_rules_are_left_alone(site, daemon):
    site.gw.run("nft add table ip other")
    site.gw.run(["nft", "add chain ip other c { type filter hook forward priority 0; }"])
    site.gw.ip("rule add pref 400 fwmark 0x1 lookup 99", "route add 10.9.0.0/16 dev eth2 table 99")
    assert answers(site, TELECOM, UNICOM)
    assert "400:" in rules(site) and "table ip other" in site.gw.run("nft list tables").stdout
    assert not daemon.events("drift") and len(daemon.events("applied")) == 1


# ---- a fight ----

def test_a_fight_is_named_and_backed_off_from(site, daemon):
    fighter = site.gw.popen(["/usr/bin/python3", "-c", FIGHT])
    fight = daemon.wait_event("fight")
    assert fight["by"] == f"python3 (pid {fighter.pid})"
    assert int(fight["wait_ms"]) >= 1000
    status = json.loads(daemon.portreeve.run("status", "--json", check=False).stdout)
    assert status["drift"]["opponent"] == fight["by"] and not status["well"]
    second = daemon.wait_event("fight", after=1)
    assert int(second["wait_ms"]) == 2 * int(fight["wait_ms"])
    # What is no repair does not wait.
    site.gw.ip("addr add 1.1.1.7/24 dev eth0")
    wait_for(lambda: "1.1.1.7" in site.gw.run("nft list table inet portreeve").stdout,
             "the new address")
    fighter.kill()
    fighter.wait()
    wait_for(lambda: RULE in rules(site), "peace", timeout=30)


def test_a_fight_with_nobody_known_is_told_too(site, daemon):
    for _ in range(5):
        site.gw.ip("route replace default via 2.2.2.253 dev eth1 table 70002")
        wait_for(lambda: "via 2.2.2.254" in routes(site, 70002), "the route to be back")
    assert daemon.wait_event("fight")["by"] == "unknown"
    status = json.loads(daemon.portreeve.run("status", "--json", check=False).stdout)
    assert status["drift"]["opponent"] == "somebody" and not status["well"]


FIGHT = """
import subprocess, time
""" + DELETE_RULE.replace("time.sleep(1)", "") + """
seq = 2
while True:
    time.sleep(0.05)
    s.send(struct.pack("=IHHII", 16 + len(body), 33, 1, seq, 0) + body)
    seq += 1
"""


def test_a_flood_of_route_events(site, daemon):
    batch = site.lab.path("flood")
    with open(batch, "w", encoding="ascii") as file:
        for i in range(30000):
            file.write(f"route add 10.{i // 250}.{i % 250}.0/24 dev eth2 table 4242\n")
    for _ in range(2):
        site.gw.run(["ip", "-batch", batch])
        site.gw.run("ip route flush table 4242")
    site.gw.ip("rule del pref 501")
    wait_for(lambda: RULE in rules(site), "the rule", timeout=30)
    assert answers(site, TELECOM, UNICOM)


# ---- lines that come and go ----

def test_unplugged_and_plugged_in_again(site, daemon):
    load, talks = Load(site.world, TELECOM, 80), [
        Conversation(site.world, a, 80) for a in (TELECOM, UNICOM)]
    site.gw.ip("link set eth1 down")
    wait_for(lambda: "default via" not in routes(site, 70002), "the routes to go")
    assert dead(site.world, UNICOM, 80)
    # Replies of its connections do not take the other line.
    assert "unreachable default" in routes(site, 70002) and "502:" in rules(site)
    site.gw.ip("link set eth1 up")
    comes_back(site, UNICOM)
    assert all(talk.alive(10) for talk in talks)
    assert not load.stop().failed and load.done
    assert site.foreign("telecom") == 0
    assert not daemon.events("drift")


def test_lost_carrier(site, daemon):
    talk = Conversation(site.world, UNICOM, 80)
    site.isp["unicom"].ip("link set customer down")
    assert dead(site.world, UNICOM, 80) and answers(site, TELECOM)
    site.isp["unicom"].ip("link set customer up")
    comes_back(site, UNICOM)
    assert talk.alive(10)


def test_deleted_and_made_again(site, daemon):
    load, stays = Load(site.world, TELECOM, 80), Conversation(site.world, TELECOM, 80)
    Conversation(site.world, UNICOM, 80)
    assert connections(site, UNICOM)
    before = json.loads(site.gw.run("ip -j link show eth1").stdout)[0]["ifindex"]
    site.gw.ip("link del eth1")
    daemon.wait_event("incomplete", lambda e: "there is no interface eth1" in e["message"])
    assert not connections(site, UNICOM)
    site.gw.ip("link add other7 type veth peer name other8")
    site.lab.wire((site.gw, "eth1"), (site.isp["unicom"], "customer"))
    assert json.loads(site.gw.run("ip -j link show eth1").stdout)[0]["ifindex"] != before
    site.gw.ip("addr add 2.2.2.2/24 dev eth1")
    site.isp["unicom"].ip("addr add 2.2.2.254/24 dev customer")
    comes_back(site, UNICOM)
    daemon.wait_event("complete")
    assert stays.alive()
    assert not load.stop().failed and load.done
    assert not daemon.events("drift")


def test_an_interface_that_comes_after_the_start(lab):
    site = Site(lab)
    serve(site.backend, tcp=[80])
    site.gw.ip("link set eth1 down", "link set eth1 name later")
    daemon = Daemon(Portreeve(site.gw), ARTICLE)
    assert "there is no interface eth1" in daemon.events("incomplete")[0]["message"]
    assert answers(site, TELECOM)
    site.gw.ip("link set later name eth1", "link set eth1 up")
    comes_back(site, UNICOM)


def test_another_address(site, daemon):
    allow(site, "telecom", "1.1.1.1", "1.1.1.9")
    load, stays = Load(site.world, UNICOM, 80), Conversation(site.world, UNICOM, 80)
    Conversation(site.world, TELECOM, 80)
    site.gw.ip("addr del 1.1.1.1/24 dev eth0", "addr add 1.1.1.9/24 dev eth0",
               "route replace default via 1.1.1.254")
    comes_back(site, "1.1.1.9")
    wait_for(lambda: not connections(site, TELECOM), "flows of the old address to go")
    assert dead(site.world, TELECOM, 80)
    assert stays.alive() and not load.stop().failed
    assert not daemon.events("drift")


def test_a_second_address(site, daemon):
    allow(site, "telecom", "1.1.1.1", "1.1.1.5")
    talk = Conversation(site.world, TELECOM, 80)
    site.gw.ip("addr add 1.1.1.5/24 dev eth0")
    comes_back(site, "1.1.1.5")
    site.gw.ip("addr del 1.1.1.5/24 dev eth0")
    wait_for(lambda: dead(site.world, "1.1.1.5", 80), "the address to go")
    assert talk.alive()


def test_the_same_address_again_changes_nothing(site, daemon):
    generation = site.gw.run("nft -j list tables").stdout
    passes = len(daemon.events("kernel"))
    for life in (1000, 2000, "forever"):
        site.gw.ip(f"addr replace 1.1.1.1/24 dev eth0 valid_lft {life} preferred_lft {life}")
    daemon.wait_event("kernel", lambda e: e["message"] == "address 1.1.1.1/24", after=passes)
    site.gw.ip("rule del pref 502")  # the pass for this one comes behind those for the addresses
    daemon.wait_event("drift")
    assert len(daemon.events("applied")) == 2
    assert site.gw.run("nft -j list tables").stdout == generation


def test_another_gateway(lab):
    site = Site(lab)
    serve(site.backend, tcp=[80])
    daemon = Daemon(Portreeve(site.gw), ARTICLE.replace(", gateway: 1.1.1.254", ""))
    site.isp["telecom"].sysctl("net.ipv4.conf.customer.promote_secondaries", 1)
    site.isp["telecom"].ip("addr add 1.1.1.253/24 dev customer")
    site.gw.ip("route replace default via 1.1.1.253 dev eth0")
    wait_for(lambda: "default via 1.1.1.253" in routes(site, 70001), "the new gateway")
    site.isp["telecom"].ip("addr del 1.1.1.254/24 dev customer")
    comes_back(site, TELECOM)
    assert not daemon.events("drift")


def test_the_inside_goes_and_comes(site, daemon):
    talk = Conversation(site.world, TELECOM, 80)
    site.gw.ip("link set eth2 down")
    daemon.wait_event("incomplete", lambda e: "to backend 192.168.0.2" in e["message"])
    site.gw.ip("link set eth2 up")
    comes_back(site, TELECOM, UNICOM)
    assert talk.alive(10)


# ---- its own life ----

def test_killed_and_started_again(site, daemon):
    loads = [Load(site.world, a, 80) for a in (TELECOM, UNICOM)]
    talks = [Conversation(site.world, a, 80) for a in (TELECOM, UNICOM)]
    for _ in range(3):
        daemon.kill()
        assert answers(site, TELECOM, UNICOM)
        assert all(talk.alive() for talk in talks)
        daemon.start()
    assert all(talk.alive() for talk in talks)
    for load in loads:
        assert not load.stop().failed and load.done
    again = daemon.events("applied")[1:]
    assert all(int(event["nft"]) <= 1 and event["elements"] == "0" for event in again)


def test_taken_over_from_a_one_shot_apply(site):
    portreeve = Portreeve(site.gw)
    portreeve.apply(ARTICLE)
    talks = [Conversation(site.world, a, 80) for a in (TELECOM, UNICOM)]
    daemon = Daemon(portreeve)
    assert all(talk.alive() for talk in talks)
    applied = daemon.events("applied")[0]
    assert applied["routes"] == applied["rules"] == applied["sysctls"] == "0"
    assert applied["connections_deleted"] == "0"
    daemon.stop()
    assert all(talk.alive() for talk in talks)


def test_one_shot_commands_after_its_death(site, daemon):
    portreeve = daemon.portreeve
    daemon.kill()
    assert "nothing to do" in portreeve.apply(ARTICLE).stdout
    portreeve.apply(ARTICLE.replace("80/tcp", "8080/tcp"))
    assert ask(site.world, TELECOM, 8080) and dead(site.world, TELECOM, 80)
    daemon.start()  # from the file, which says 8080 by now
    assert ask(site.world, UNICOM, 8080)
    daemon.kill()
    portreeve.remove()
    assert "portreeve" not in site.gw.run("nft list tables").stdout
    assert "proto 180" not in rules(site)


def test_stopping_leaves_the_kernel_as_it_is(site, daemon):
    talk = Conversation(site.world, UNICOM, 80)
    daemon.stop()
    assert daemon.events("stopped")[0]["why"] == "SIGTERM"
    assert talk.alive() and answers(site, TELECOM, UNICOM)


def test_who_holds_the_gateway_is_told(site, daemon):
    second = site.gw.run([BINARY, "run", daemon.portreeve.file], check=False,
                         env=daemon.portreeve.environment())
    assert second.returncode == 3
    assert f"in the hands of portreeve run (pid {daemon.process.pid})" in second.stderr


# ---- its config ----

def test_another_config_by_signal(site, daemon):
    talk = Conversation(site.world, UNICOM, 80)
    daemon.write(ARTICLE + "  ssh: {listen: 2222/tcp, to: '192.168.0.2:80'}\n")
    daemon.reload()
    wait_for(lambda: ask(site.world, TELECOM, 2222, timeout=1), "the new map", timeout=20)
    assert talk.alive()
    applied = daemon.wait_event("applied", after=1)
    assert applied["rules"] == applied["routes"] == applied["connections_deleted"] == "0"
    assert not daemon.events("drift")


@pytest.mark.parametrize("bad, why", [
    (ARTICLE.replace("80/tcp", "80/tpc"), "tpc"),
    ("uplinks: [", "gw.yaml"),
    (ARTICLE + "  again: {listen: 80/tcp, to: 192.168.0.3}\n", "already mapped"),
])
def test_a_bad_config_changes_nothing_and_says_why(site, daemon, bad, why):
    talk = Conversation(site.world, UNICOM, 80)
    daemon.write(bad)
    daemon.reload()
    refused = daemon.wait_event("config-refused")
    assert why in refused["reasons"]
    assert len(daemon.events("applied")) == 1
    assert talk.alive() and answers(site, TELECOM, UNICOM)
    daemon.write(ARTICLE)
    daemon.reload()
    daemon.wait_event("configured", after=1)


@pytest.mark.parametrize("bad, why", [
    ("uplinks: [", "gw.yaml"),
    (ARTICLE + "  again: {listen: 80/tcp, to: 192.168.0.3}\n", "already mapped"),
])
def test_a_file_gone_bad_does_not_keep_it_from_starting(site, daemon, bad, why):
    talk = Conversation(site.world, UNICOM, 80)
    daemon.kill()
    daemon.write(bad)
    site.gw.run("ip rule del pref 501")
    daemon.start()
    assert daemon.events("config-refused")[0]["config"] == daemon.portreeve.file
    assert why in daemon.events("config-refused")[0]["reasons"]
    assert daemon.events("file-left-out")[0]["config"] == daemon.portreeve.file
    assert daemon.events("configured")[-1]["config"] == "the confirmed config"
    assert RULE in rules(site)
    assert talk.alive() and answers(site, TELECOM, UNICOM)
    status = Api(daemon.portreeve).status()
    assert status["well"] is False
    assert status["config"]["refused_ms"] >= status["now_ms"] - 60_000
    assert any("was refused" in problem for problem in status["problems"])
    daemon.write(ARTICLE + "  ssh: {listen: 2222/tcp, to: '192.168.0.2:80'}\n")
    daemon.reload()
    wait_for(lambda: ask(site.world, TELECOM, 2222, timeout=1), "the new map", timeout=20)
    status = Api(daemon.portreeve).status()
    assert status["config"]["refused_ms"] is None and status["well"] is not False
    daemon.stop()


def test_a_bad_file_at_the_first_start(site):
    daemon = Daemon(Portreeve(site.gw), "uplinks: [", ready=False)
    assert daemon.process.wait(20) == 2
    assert "gw.yaml:1:" in daemon.text() and not daemon.events("file-left-out")


def test_a_distrusted_file_ends_it_whatever_was_confirmed(site, daemon):
    daemon.kill()
    daemon.write("uplinks: [")
    os.chmod(daemon.portreeve.file, 0o666)
    daemon.start(ready=False)
    assert daemon.process.wait(20) == 2
    assert not daemon.events("file-left-out")


def test_the_file_is_followed_where_it_says_so(site):
    watched = ARTICLE + "gateway: {watch: true}\n"
    portreeve = Portreeve(site.gw)
    daemon = Daemon(portreeve, watched)
    # As editors do: another file takes the place of the old one.
    with open(portreeve.file, encoding="utf-8") as file:
        text = file.read()
    with open(portreeve.file + "~", "w", encoding="utf-8") as file:
        file.write(text.replace("80/tcp", "8080/tcp"))
    os.rename(portreeve.file + "~", portreeve.file)
    wait_for(lambda: ask(site.world, TELECOM, 8080, timeout=1), "the new port", timeout=20)
    with open(portreeve.file, "w", encoding="utf-8") as file:
        file.write("nonsense")
    daemon.wait_event("config-refused")
    assert ask(site.world, TELECOM, 8080)


@pytest.mark.parametrize("mode, directory, owner, why", [
    (0o666, 0o755, 0, "everyone may write it"),
    (0o644, 0o777, 0, "its directory is writable"),
    (0o644, 0o755, 65534, "another user"),
    (0o644, 0o1777, 0, None),
])
def test_a_config_that_others_may_change_is_refused(lab, mode, directory, owner, why):
    gw = lab.host("gw")
    path = lab.path("config")
    os.mkdir(path)
    os.chmod(path, directory)
    file = os.path.join(path, "gateway.yaml")
    with open(file, "w", encoding="ascii") as out:
        out.write("uplinks: [\n")
    os.chmod(file, mode)
    os.chown(file, owner, 0)
    done = gw.run([BINARY, "run", file], check=False, env=Portreeve(gw).environment())
    assert done.returncode == 2
    assert ("is not to be trusted" in done.stderr) == (why is not None)
    assert (why or "gateway.yaml:") in done.stderr


# ---- the service manager ----

def test_the_service_manager_is_told(site):
    path = site.lab.path("notify")
    manager = site.lab.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    manager.bind(path)
    manager.settimeout(20)
    daemon = Daemon(Portreeve(site.gw), ARTICLE, NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")

    def told(wanted):
        while True:
            lines = manager.recv(4096).decode().splitlines()
            if wanted in lines:
                return lines

    told("READY=1")
    told("WATCHDOG=1")
    told("WATCHDOG=1")
    daemon.reload()
    assert any(line.startswith("MONOTONIC_USEC=") for line in told("RELOADING=1"))
    told("READY=1")
    daemon.process.terminate()
    told("STOPPING=1")
    assert daemon.process.wait() == 0


def test_idle_it_rests(site, daemon):
    answers(site, TELECOM)
    time.sleep(0.5)
    before = daemon.cpu_ticks()
    time.sleep(3)
    assert daemon.cpu_ticks() - before <= 3  # of 100 a second


def test_levels_for_the_journal(site):
    portreeve = Portreeve(site.gw)
    log = site.lab.path("journal")
    with open(log, "wb") as out:
        stat = os.fstat(out.fileno())
        process = site.gw.popen(
            [BINARY, "run", portreeve.write(ARTICLE)], stderr=out, env=portreeve.environment(
                JOURNAL_STREAM=f"{stat.st_dev}:{stat.st_ino}"))
        wait_for(lambda: b"event=started" in open(log, "rb").read(), "the start", timeout=20)
    process.terminate()
    process.wait()
    with open(log, encoding="utf-8") as lines:
        assert all(line.startswith(("<4>level=warning ", "<5>level=notice ")) for line in lines)
