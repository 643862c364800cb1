# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path as its user meets it: it comes where it is wanted, says how it is and why, goes and
comes back without harm to a connection, and stays out of others' way. (That its packets are what the
kernel's own would be is tests/lab/test_fastpath_proof.py's to show.)"""

import json
import os
import re
import subprocess
import time

import pytest

from api import check, site_with_api
from daemon import Daemon
from gateway import ARTICLE
from lab import wait_for
from traffic import Capture

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
INTERFACES = ["eth0", "eth1", "eth2"]


def config(fastpath, maps="", gateway=""):
    return (ARTICLE.rstrip() + """
      udp: {listen: 53/udp, to: 192.168.0.2}
    """ + maps + f"""
    gateway:
      metrics: 9180
      fastpath: {fastpath}
    """ + gateway)


@pytest.fixture
def site(lab):
    return site_with_api(lab, tcp=[80, 81], udp=[53])


def ready_for_xdp(site):
    """What real network cards do by themselves: whole checksums, and a queue to redirect into."""
    far = [(site.isp["telecom"], "customer"), (site.isp["unicom"], "customer")]
    far += [(site.backend, "eth0")]
    for host, name in far + [(site.gw, name) for name in INTERFACES]:
        host.run(f"ethtool -K {name} tx off gro on")


def fastpath(site):
    answer = site.api.get("/v1/fastpath")
    check("GET", "/v1/fastpath", answer)
    return answer.json


def modes(site):
    return {i["name"]: i["mode"] for i in fastpath(site)["interfaces"]}


def why(site, name):
    return next(i["why"] for i in fastpath(site)["interfaces"] if i["name"] == name)


def bypassed(site):
    return fastpath(site)["bypassed"]["packets"]


class Connection:
    """One that is kept, by whatever way its packets go."""

    def __init__(self, site, address="2.2.2.2", port=80):
        self.sock = site.world.tcp_connect(address, port, timeout=10)
        self.file = self.sock.makefile("rb")
        assert self.file.readline().split()[0] == b"backend"

    def talk(self, times=20):
        for i in range(times):
            line = b"line %d of a talk\n" % i
            self.sock.sendall(line)
            assert self.file.readline() == line


def talk_until(site, connection, condition, what):
    def tried():
        connection.talk(5)
        return condition()
    return wait_for(tried, what, timeout=15)


def assert_bypasses(site, connection):
    before = bypassed(site)
    talk_until(site, connection, lambda: bypassed(site) > before + 50, "packets to bypass the kernel")


def assert_bypasses_no_more(site, connection):
    connection.talk(5)
    before = bypassed(site)
    connection.talk(50)
    assert bypassed(site) == before


def program(site, name):
    """(mode, id) of the XDP program there; (None, None): none."""
    link = json.loads(site.gw.run(f"ip -j -d link show dev {name}").stdout)[0]
    xdp = link.get("xdp")
    return (xdp["mode"], xdp["prog"]["id"]) if xdp else (None, None)


def filters(site, name):
    return site.gw.run(f"tc filter show dev {name} ingress", check=False).stdout


def has_tc(site, name):
    return "portreeve_tc" in filters(site, name)


# ---- it works ----

@pytest.mark.parametrize("mode", ["tc", "xdp"])
def test_connections_take_it(site, mode):
    if mode == "xdp":
        ready_for_xdp(site)
    daemon = Daemon(site.portreeve, config(mode))
    told = daemon.wait_event("fastpath-attached", after=2)
    assert told["mode"] == mode, daemon.text()
    assert modes(site) == dict.fromkeys(INTERFACES, mode), fastpath(site)
    assert {i["wanted"] for i in fastpath(site)["interfaces"]} == {mode}
    assert all(has_tc(site, name) == (mode == "tc") for name in INTERFACES)
    assert all(bool(program(site, name)[0]) == (mode == "xdp") for name in INTERFACES)
    for address in ("1.1.1.1", "2.2.2.2"):
        assert_bypasses(site, Connection(site, address))
    now = fastpath(site)
    passed = {p["reason"]: p["packets"] for p in now["passed"]}
    assert passed["control"] >= 2 and passed["fragment"] == 0, passed
    assert now["flows"] >= 2 and now["room"] == 65536
    assert 0 < now["room_per_cpu"] <= 65536 / os.cpu_count() and now["problem"] is None
    assert site.api.status()["problems"] == []
    daemon.stop()


def test_udp_takes_it(site):
    Daemon(site.portreeve, config("tc"))
    sock = site.world.udp_connect("1.1.1.1", 53)

    def asked():
        for _ in range(20):
            sock.send(b"x")
            sock.recv(1000)
        return bypassed(site) > 50
    wait_for(asked, "UDP to bypass the kernel", timeout=15)


def test_auto_is_tc_on_veth(site):
    Daemon(site.portreeve, config("auto"))
    assert modes(site) == dict.fromkeys(INTERFACES, "tc")
    assert re.fullmatch(r"eth\d is veth: tc everywhere", why(site, "eth0")), fastpath(site)


def test_only_where_it_is_wanted(site):
    Daemon(site.portreeve, config("{eth1: tc, eth2: tc, eth0: off}"))
    assert modes(site) == {"eth1": "tc", "eth2": "tc"}
    assert not has_tc(site, "eth0") and has_tc(site, "eth1")
    assert_bypasses(site, Connection(site, "2.2.2.2"))


# ---- what is said of it ----

def test_flows_and_metrics_include_it(site):
    """Bytes of a connection are all of them, whichever way its packets went."""
    site.gw.sysctl("net.netfilter.nf_conntrack_acct", 1)
    Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    size = 100_000
    connection.sock.sendall(b"x" * (size - 1) + b"\n")
    assert len(connection.file.readline()) == size

    def amounts():
        flow = site.api.get("/v1/flows").json["flows"][0]
        return flow["bytes"]["request"] > size and flow["bytes"]["reply"] > size and flow
    flow = wait_for(amounts, "all bytes to be told")
    assert flow["bypassed"]["request"] > 20 and flow["bypassed"]["reply"] > 20
    assert flow["packets"]["request"] > flow["bypassed"]["request"]
    metrics = site.api.get("/metrics").body.decode()
    of_map = re.search(r'portreeve_bytes_total\{map="web",uplink="unicom",direction="reply"\} (\d+)',
                       metrics)
    assert int(of_map[1]) > size
    assert 'portreeve_fastpath_interface_info{interface="eth1",wanted="tc",mode="tc"} 1' in metrics
    assert "portreeve_fastpath_on 1" in metrics
    assert int(re.search(r"^portreeve_fastpath_bypassed_bytes_total (\d+)", metrics, re.M)[1]) > size
    assert int(re.search(r'passed_packets_total\{reason="control"\} (\d+)', metrics)[1]) >= 2
    lint = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True,
                          capture_output=True, check=False)
    assert lint.returncode == 0 and not lint.stdout + lint.stderr, lint


def test_status_tells(site):
    Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    assert "  fast path     tc on eth0, tc on eth1, tc on eth2\n" in site.portreeve.run("status").stdout
    page = site.portreeve.run("status", "--fastpath").stdout
    assert page.startswith("The fast path is on.\n")
    assert re.search(r"^  eth1 +tc +tc  +as configured$", page, re.M), page
    assert re.search(r"^ +\d+  control +TCP connections that begin or end$", page, re.M), page
    assert max(map(len, page.splitlines())) <= 80, page
    assert site.portreeve.run("fastpath").stdout.splitlines()[:6] == page.splitlines()[:6]
    assert json.loads(site.portreeve.run("status", "--fastpath", "--json").stdout)["wanted"] is True


def test_not_wanted(site):
    Daemon(site.portreeve, ARTICLE)
    assert fastpath(site)["wanted"] is False and fastpath(site)["interfaces"] == []
    assert site.api.status()["fastpath"] is None
    assert "fast path" not in site.portreeve.run("status").stdout
    assert "does not want" in site.portreeve.run("fastpath").stdout
    assert site.gw.sysctl(LIBERAL) == "0"


@pytest.mark.parametrize("mode", ["tc", "xdp"])
def test_what_a_capture_sees(site, mode):
    """By tc, all of it on both interfaces; by XDP, only what is left to the kernel."""
    if mode == "xdp":
        ready_for_xdp(site)
    Daemon(site.portreeve, config(mode))
    connection = Connection(site)
    assert_bypasses(site, connection)
    captures = [Capture(site.gw, "eth1"), Capture(site.gw, "eth2")]
    before = bypassed(site)
    for i in range(100):
        line = b"needle %d\n" % i
        connection.sock.sendall(line)
        assert connection.file.readline() == line
    assert bypassed(site) - before > 150
    seen = [len(c.packets(lambda p: b"needle" in bytes(p))) for c in captures]
    if mode == "tc":
        assert seen == [200, 200]
    else:
        assert max(seen) < 20


# ---- off and on, live ----

def time_at_rest(site):
    """Seconds after which conntrack would forget the connection, as it rests now."""
    listed = site.gw.run("conntrack -L -p tcp --orig-port-dst 80 -o id").stdout
    return max(int(line.split()[2]) for line in listed.splitlines() if "ESTABLISHED" in line)


@pytest.mark.parametrize("mode", ["tc", "xdp"])
def test_off_and_on_lose_nothing(site, mode):
    if mode == "xdp":
        ready_for_xdp(site)
    daemon = Daemon(site.portreeve, config(mode))
    connection = Connection(site)
    assert_bypasses(site, connection)
    assert "is off, by hand" in site.portreeve.run("fastpath", "off").stdout
    daemon.wait_event("fastpath-off")
    assert fastpath(site)["on"] is False and fastpath(site)["switched_off"] is True
    assert_bypasses_no_more(site, connection)
    # Though it has not seen all of it.
    assert time_at_rest(site) > 300
    assert "switched off by hand" in site.portreeve.run("status").stdout
    # Another daemon keeps it so.
    daemon.stop()
    daemon.start()
    assert fastpath(site)["switched_off"] is True
    assert_bypasses_no_more(site, connection)
    assert "is on." in site.portreeve.run("fastpath", "on").stdout
    daemon.wait_event("fastpath-on")
    assert_bypasses(site, connection)
    assert len(daemon.events("fastpath-off")) == 1
    wrong = site.portreeve.run("fastpath", "maybe", check=False)
    assert wrong.returncode == 2 and "neither on nor off" in wrong.stderr
    answer = site.api.post("/v1/fastpath", switch="off")
    check("POST", "/v1/fastpath", answer)
    assert site.api.post("/v1/fastpath", switch="1").status == 400


def test_off_without_a_daemon(site):
    """The programs of a daemon that is gone go on; the one command still ends them."""
    daemon = Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    daemon.kill()
    assert has_tc(site, "eth1")
    done = site.portreeve.run("fastpath", "off")
    assert "3 programs were taken off" in done.stderr
    assert not any(has_tc(site, name) for name in INTERFACES)
    connection.talk()
    assert time_at_rest(site) > 300
    daemon.start()
    assert fastpath(site)["switched_off"] is True
    connection.talk()


# ---- with others ----

XDP_PASS = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int pass_all(struct xdp_md *ctx) { return XDP_PASS; }
SEC("tc") int look(struct __sk_buff *skb) { return -1; }
char _license[] SEC("license") = "GPL";
"""


@pytest.fixture
def foreign(lab):
    """Another tool's programs, as an object file."""
    machine = os.uname().machine
    source, made = lab.path("foreign.c"), lab.path("foreign.o")
    with open(source, "w", encoding="ascii") as file:
        file.write(XDP_PASS)
    subprocess.run(["clang", "-target", "bpf", "-O2", "-g", f"-I/usr/include/{machine}-linux-gnu",
                    "-c", source, "-o", made], check=True)
    return made


def test_another_xdp_program_stays(site, foreign):
    ready_for_xdp(site)
    site.gw.run(f"ip link set dev eth1 xdp obj {foreign} sec xdp")
    theirs = program(site, "eth1")
    daemon = Daemon(site.portreeve, config("{eth0: xdp, eth1: xdp, eth2: xdp}"))
    refused = daemon.wait_event("fastpath-refused")
    assert refused["interface"] == "eth1" and refused["wanted"] == "xdp"
    assert "another XDP program is attached" in refused["why"]
    assert modes(site) == {"eth0": "xdp", "eth1": "off", "eth2": "xdp"}
    assert program(site, "eth1") == theirs
    shown = site.portreeve.run("status", "--fastpath", check=False)
    assert shown.returncode == 1 and "another XDP program" in shown.stdout
    assert site.api.status()["problems"] == []  # the main job is done
    Connection(site, "2.2.2.2").talk()
    assert_bypasses(site, Connection(site, "1.1.1.1"))
    # It goes, and ours comes.
    site.gw.run("ip link set dev eth1 xdp off")
    daemon.wait_event("fastpath-attached", lambda e: e["interface"] == "eth1")
    assert_bypasses(site, Connection(site, "2.2.2.2"))


def test_another_filter_stays(site, foreign):
    for name in ("eth1", "eth2"):
        site.gw.run(f"tc qdisc add dev {name} clsact")
    site.gw.run(f"tc filter add dev eth1 ingress prio 7 bpf da obj {foreign} sec tc")
    site.gw.run(f"tc filter add dev eth1 egress prio 7 bpf da obj {foreign} sec tc")
    Daemon(site.portreeve, config("tc"))
    assert_bypasses(site, Connection(site))
    assert "look" in filters(site, "eth1") or "foreign.o" in filters(site, "eth1")
    site.portreeve.run("remove")
    assert not has_tc(site, "eth1") and "pref 7" in filters(site, "eth1")
    assert "clsact" in site.gw.run("tc qdisc show dev eth1").stdout
    # Its owner may be about to put something into it.
    assert "clsact" in site.gw.run("tc qdisc show dev eth2").stdout and not has_tc(site, "eth2")
    assert "clsact" not in site.gw.run("tc qdisc show dev eth0").stdout


def test_what_others_take_off_comes_back(site):
    daemon = Daemon(site.portreeve, config("{eth0: tc, eth1: xdp, eth2: tc}"))
    site.gw.run("tc qdisc del dev eth0 clsact")
    site.gw.run("ip link set dev eth1 xdp off")
    wait_for(lambda: has_tc(site, "eth0") and program(site, "eth1")[0], "the programs to come back",
             timeout=20)
    daemon.stop()


def test_interface_that_comes_again(site):
    daemon = Daemon(site.portreeve, config("tc"))
    assert_bypasses(site, Connection(site))
    site.gw.ip("link del eth1")
    daemon.wait_event("fastpath-refused", lambda e: e["interface"] == "eth1")
    assert "no such interface" in why(site, "eth1")
    connection = Connection(site, "1.1.1.1")
    assert_bypasses(site, connection)
    site.lab.wire((site.gw, "eth1"), (site.isp["unicom"], "customer"))
    site.gw.ip("addr add 2.2.2.2/24 dev eth1")
    site.isp["unicom"].ip("addr add 2.2.2.254/24 dev customer")
    daemon.wait_event("fastpath-attached", lambda e: e["interface"] == "eth1", after=3)
    wait_for(lambda: site.api.status()["well"], "the uplink to be back", timeout=20)
    assert_bypasses(site, Connection(site, "2.2.2.2"))
    connection.talk()


# ---- a daemon's life ----

@pytest.mark.parametrize("mode", ["tc", "xdp"])
def test_kill_restart_remove(site, mode):
    if mode == "xdp":
        ready_for_xdp(site)
    daemon = Daemon(site.portreeve, config(mode))
    assert site.gw.sysctl(LIBERAL) == "1"
    connection = Connection(site)
    assert_bypasses(site, connection)
    daemon.kill()
    before = [has_tc(site, n) or program(site, n)[0] is not None for n in INTERFACES]
    assert all(before)
    # They go on: nothing of this gets to where the kernel counts what it forwards.
    site.gw.nft("table inet count { chain f { type filter hook forward priority 0; counter; }; }")
    time.sleep(1.2)
    connection.talk(30)
    forwarded = int(re.search(r"packets (\d+)", site.gw.run("nft list table inet count").stdout)[1])
    assert forwarded < 60
    daemon.start()
    assert modes(site) == dict.fromkeys(INTERFACES, mode)
    assert_bypasses(site, connection)
    site.portreeve.run("remove")
    assert daemon.process.wait(10) == 0
    assert not any(has_tc(site, n) or program(site, n)[0] for n in INTERFACES)
    assert not any("clsact" in site.gw.run(f"tc qdisc show dev {n}").stdout for n in INTERFACES)
    assert site.gw.sysctl(LIBERAL) == "0"


def test_config_turns_it_off(site):
    daemon = Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    daemon.write(config("off"))
    daemon.reload()
    daemon.wait_event("fastpath-removed")
    assert fastpath(site)["wanted"] is False
    assert not any(has_tc(site, name) for name in INTERFACES)
    # Conntrack has not followed this connection's windows: it needs that for as long as it lives.
    assert site.gw.sysctl(LIBERAL) == "1"
    connection.talk()
    # It may come again: this daemon has kept the right to it.
    daemon.write(config("tc"))
    daemon.reload()
    daemon.wait_event("fastpath-attached", after=3)
    assert_bypasses(site, connection)
    # A daemon whose config has been changed meanwhile takes off what it finds.
    daemon.kill()
    daemon.write(config("off"))
    daemon.start()
    assert not any(has_tc(site, name) for name in INTERFACES)
    connection.talk()
    site.portreeve.run("remove")
    assert site.gw.sysctl(LIBERAL) == "0"


def test_another_size(site):
    daemon = Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    daemon.write(config("tc", gateway="  fastpath-flows: 4096\n    "))
    daemon.reload()
    wait_for(lambda: fastpath(site)["room"] == 4096, "the new size")
    assert_bypasses(site, connection)


def test_turned_on_later_needs_a_restart(site):
    """A daemon gives up the right to load programs where its first config does not need it."""
    daemon = Daemon(site.portreeve, config("off"))
    connection = Connection(site)
    daemon.write(config("tc"))
    daemon.reload()
    assert "restart it" in daemon.wait_event("fastpath-refused")["why"]
    assert "restart it" in fastpath(site)["problem"]
    assert not has_tc(site, "eth0")
    assert "restart it" in site.portreeve.run("status", "--fastpath", check=False).stdout
    assert site.api.status()["problems"] == []
    connection.talk()
    daemon.stop()
    daemon.start()
    assert_bypasses(site, connection)


def test_apply_alone_warns(site):
    done = site.portreeve.apply(config("tc"))
    assert "the fast path needs the daemon" in done.stderr and "fastpath: tc" in done.stderr
    assert not has_tc(site, "eth0")
    Connection(site).talk()


def left(site, reason):
    return next(p["packets"] for p in fastpath(site)["passed"] if p["reason"] == reason)


def test_it_is_told_of_changes(site):
    """Also of those that the plan does not depend on, and so no pass follows."""
    Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    for command in ("route add 10.9.0.0/16 dev eth2 table 99", "rule add from 10.9.0.1 table 99",
                    "neigh add 192.168.0.99 lladdr 02:00:00:00:00:99 dev eth2"):
        before = left(site, "changed")
        site.gw.ip(command)
        talk_until(site, connection, lambda: left(site, "changed") > before,
                   f"it to be told of: {command}")
    before = left(site, "changed")
    site.gw.nft("table inet somebody { }")
    talk_until(site, connection, lambda: left(site, "changed") > before, "it to be told of rules")


def test_backend_gets_another_address_of_its_card(site):
    Daemon(site.portreeve, config("tc"))
    connection = Connection(site)
    assert_bypasses(site, connection)
    site.backend.ip("link set eth0 address 02:00:00:00:00:77")
    site.gw.ip("neigh replace 192.168.0.2 lladdr 02:00:00:00:00:77 dev eth2")
    assert_bypasses(site, connection)


def test_conntrack_deletion_is_felt_at_once(site):
    """When a map goes, its connections do not go on by the cache."""
    daemon = Daemon(site.portreeve, config("tc", maps="  more: {listen: 81/tcp, to: 192.168.0.2}\n"))
    kept, cut = Connection(site), Connection(site, port=81)
    assert_bypasses(site, kept)
    assert_bypasses(site, cut)
    daemon.write(config("tc"))
    daemon.reload()
    daemon.wait_event("configured", after=1)
    cut.sock.settimeout(1)
    with pytest.raises(OSError):
        cut.sock.sendall(b"still there?\n")
        if not cut.sock.recv(100):
            raise ConnectionResetError
    kept.talk()
