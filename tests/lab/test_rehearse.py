# SPDX-License-Identifier: GPL-2.0-or-later
"""The rehearsal: what it finds, for whom it works, and that it touches nothing outside."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from gateway import ARTICLE, BINARY, UPLINKS, Portreeve
from lab import wait_for
from scapy.all import IP, TCP, rdpcap
from state import differences, dump
from topology import Site

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

# The rows of the table that the project starts from: does 1.1.1.1:80 answer, does 2.2.2.2:80?
NAIVE = {
    "dnat-only": (False, False),
    "dnat-snat": (True, False),
    "rule-from": (True, False),
    "connmark": (False, False),
    "connmark-lan-first": (True, True),
    "portreeve": (True, True),
}


@pytest.fixture
def gw(lab):
    return lab.host("gw")


def rehearse(host, config, *arguments, exit=0):
    """@host: a Host, or a Portreeve where there is one already."""
    portreeve = host if isinstance(host, Portreeve) else Portreeve(host)
    done = portreeve.run("rehearse", "--json", *arguments, config=config, check=False)
    assert done.returncode == exit, done.stdout + done.stderr
    return json.loads(done.stdout)


def results(answer, column="portreeve"):
    """{(map, uplink, address, port, client may connect): result}"""
    return {(p["map"], p["uplink"], p["address"], p["port"], p["may_connect"]): p["result"]
            for p in answer["probes"] if p["column"] == column}


def one(answer, column, uplink):
    found = [p for p in answer["probes"] if p["column"] == column and p["uplink"] == uplink]
    assert len(found) == 1
    return found[0]


def assert_all_work(answer, count):
    assert answer["verdict"] == "works"
    assert len(answer["probes"]) == count
    for p in answer["probes"]:
        assert p["result"] == "works", p
        assert p["left_by"] == (p["uplink"] if p["may_connect"] else None), p


# ---- the article ----

def test_the_articles_table(gw):
    started = time.monotonic()
    answer = rehearse(gw, ARTICLE, "--naive")
    assert time.monotonic() - started < 15
    assert [c["name"] for c in answer["columns"]] == list(NAIVE)
    for column, (telecom, unicom) in NAIVE.items():
        assert one(answer, column, "telecom")["result"] == ("works" if telecom else "dead"), column
        assert one(answer, column, "unicom")["result"] == ("works" if unicom else "dead"), column
    assert answer["columns"][-1]["misrouted"] == 0


def test_reasons_are_what_was_seen(gw):
    answer = rehearse(gw, ARTICLE, "--naive")
    assert "came from 9.9.9.9" in one(answer, "dnat-only", "telecom")["reason"]
    misrouted = one(answer, "dnat-snat", "unicom")
    assert "left by eth0 (telecom) with source 2.2.2.2" in misrouted["reason"]
    assert misrouted["left_by"] == "telecom"
    assert "192.168.0.2 left by eth1" in one(answer, "connmark", "unicom")["reason"]
    ours = one(answer, "portreeve", "unicom")
    assert (ours["reason"], ours["saw"], ours["left_by"]) == (None, "192.168.0.1", "unicom")


def test_text_report(gw):
    done = Portreeve(gw).run("rehearse", "--naive", config=ARTICLE)
    assert "1.1.1.1:80/tcp" in done.stdout and "2.2.2.2:80/tcp" in done.stdout
    assert re.search(r"CONNMARK as printed\W+dead\W+dead", done.stdout)
    assert re.search(r"portreeve\W+works\W+works", done.stdout)
    assert "\033" not in done.stdout


# ---- who may run it, and what is left ----

@pytest.fixture
def anyones_binary():
    """A copy that everybody may run, wherever the tree itself lies."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield shutil.copy(BINARY, directory)


def test_ordinary_user(gw, anyones_binary):
    done = gw.run([*NOBODY, anyones_binary, "rehearse", "--naive", "--json", "-"], input=ARTICLE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    for column, (telecom, unicom) in NAIVE.items():
        assert (one(answer, column, "telecom")["result"] == "works") == telecom
        assert (one(answer, column, "unicom")["result"] == "works") == unicom


def test_nothing_outside_is_touched(lab):
    site = Site(lab)
    before = dump(site.gw)
    portreeve = Portreeve(site.gw)
    portreeve.run("rehearse", "--naive", "--live", config=ARTICLE)
    assert differences(before, dump(site.gw)) == []
    assert not {"gateway", "internet", "backends", "isp-telecom"} & set(os.listdir("/run/netns"))
    assert os.listdir(portreeve.run_dir) == [] and os.listdir(portreeve.state_dir) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_all_goes_with_the_process(gw, how):
    portreeve = Portreeve(gw)
    process = gw.popen([BINARY, "rehearse", "--keep", portreeve.write(ARTICLE)],
                       stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    entry = _entries(process)["gateway"]
    inner = entry[entry.index("-t") + 1]
    assert os.path.exists(f"/proc/{inner}/ns/net")
    process.send_signal(how)
    process.wait(timeout=5)
    # A dead process that nobody waited for has no namespaces any more.
    wait_for(lambda: not os.path.exists(f"/proc/{inner}/ns/net"), "the sandbox is gone")


def test_keep_lets_one_look_around(gw):
    portreeve = Portreeve(gw)
    process = gw.popen([BINARY, "rehearse", "--keep", portreeve.write(ARTICLE)],
                       stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    entries = _entries(process)
    assert {"gateway", "internet", "isp-telecom", "isp-unicom", "backends"} <= set(entries)
    assert "table inet portreeve" in gw.run([*entries["gateway"], "nft", "list", "tables"]).stdout
    assert "100.100.100.100" in gw.run([*entries["internet"], "ip", "address"]).stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def _entries(process):
    """{namespace: command that enters it}, from what --keep prints."""
    found = {}
    for line in process.stderr:
        if line.startswith("nsenter "):
            words = line.split()[:-1]  # without the shell
            found[words[-1]] = words
        if line.startswith("SIGTERM"):
            return found
    raise AssertionError("--keep did not say how to enter")


# ---- configs of all kinds ----

def test_every_protocol_and_form(gw):
    answer = rehearse(gw, UPLINKS + """
    maps:
      web: {listen: [80/tcp, 53/udp, 3868/sctp], to: 192.168.0.2}
      games: {listen: 27000-27099/udp, to: "192.168.0.7:28000"}
      direct: {listen: 81/tcp, to: "192.168.0.3:8080", return: direct}
      six: {listen: [80/tcp, 53/udp, 3868/sctp], to: "2001:db8:5::2"}
    """)
    assert_all_work(answer, 20)
    for p in answer["probes"]:
        if p["map"] == "direct":
            assert p["saw"] == p["client"]
        if p["map"] == "games":
            assert p["backend_port"] == p["port"] + 1000


def test_from_lets_in_and_refuses(gw):
    answer = rehearse(gw, UPLINKS + """
    maps:
      office: {listen: [22/tcp, 53/udp], to: 192.168.0.2, from: [198.51.100.0/24]}
    """)
    assert_all_work(answer, 8)
    assert {p["client"] for p in answer["probes"] if p["may_connect"]} == {"198.51.100.1"}


def test_two_uplinks_on_one_interface(gw):
    assert_all_work(rehearse(gw, """
    uplinks:
      a: {interface: eth0, address: 1.1.1.1, gateway: 1.1.1.254}
      b: {interface: eth0, address: 2.2.2.2, gateway: 2.2.2.254}
    maps:
      web: {listen: [80/tcp, 53/udp], to: 192.168.0.2}
    """), 4)


def test_two_modems_with_the_same_address(gw):
    answer = rehearse(gw, """
    uplinks:
      a: {interface: eth0, address: 192.168.1.2, gateway: 192.168.1.1, public: 203.0.113.10}
      b: {interface: eth1, address: 192.168.1.2, gateway: 192.168.1.1}
    maps:
      web: {listen: [80/tcp, 53/udp], to: 192.168.0.2}
    """)
    assert_all_work(answer, 4)
    assert len({p["called"] for p in answer["probes"]}) == 2


def test_point_to_point(gw):
    assert_all_work(rehearse(gw, """
    uplinks:
      ppp: {interface: ppp0, gateway: onlink}
      lte: {interface: wwan0}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      six: {listen: 80/tcp, to: "2001:db8:5::2"}
    """), 4)


def test_sixty_uplinks(gw):
    uplinks = "".join(f"      u{i}: {{interface: wan{i}}}\n" for i in range(60))
    answer = rehearse(gw, f"""
    uplinks:
{uplinks}
    maps:
      web: {{listen: 80/tcp, to: 192.168.0.2}}
    """)
    assert_all_work(answer, 60)


def test_thousands_of_maps_are_sampled(gw):
    maps = "".join(f"      m{i}: {{listen: {i}/tcp, to: 10.0.{i // 200}.{i % 200 + 2}}}\n"
                   for i in range(1, 5001))
    answer = rehearse(gw, UPLINKS + "\n    maps:\n" + maps)
    assert_all_work(answer, 200)
    assert any("100 of 5000" in note for note in answer["notes"])


# ---- captures ----

def test_captures(gw, lab):
    directory = lab.path("pcap")
    rehearse(gw, ARTICLE, "--naive", "--pcap", directory)
    replies = [p for p in rdpcap(f"{directory}/dnat-snat-isp-telecom-customer.pcap")
               if TCP in p and p[TCP].sport == 80]
    assert {p[IP].src for p in replies} == {"1.1.1.1", "2.2.2.2"}  # pitfall 2, on the wire
    for line, address in (("telecom", "1.1.1.1"), ("unicom", "2.2.2.2")):
        ours = rdpcap(f"{directory}/portreeve-isp-{line}-customer.pcap")
        assert {p[IP].src for p in ours if TCP in p and p[TCP].sport == 80} == {address}


# ---- this machine ----

def test_live_takes_this_machine_along(lab):
    site = Site(lab)
    answer = rehearse(site.gw, ARTICLE, "--live")
    assert_all_work(answer, 2)
    assert any("eth2: 192.168.0.1/24" in line for line in answer["setting"])


BREAKS = {
    "iptables policy": ["iptables -P FORWARD DROP"],
    "iptables-legacy policy": ["iptables-legacy -P FORWARD DROP"],
    "nft": ["nft add table inet other", "nft add chain inet other forward "
            "{ type filter hook forward priority 5; policy drop; }"],
    "rule": ["ip rule add pref 10 from 192.168.0.0/24 prohibit"],
}


@pytest.mark.parametrize("name", BREAKS)
def test_live_breaks_what_would_break_here(lab, name):
    site = Site(lab)
    for command in BREAKS[name]:
        site.gw.run(command)
    portreeve = Portreeve(site.gw)
    answer = rehearse(portreeve, ARTICLE, "--live", exit=1)
    assert answer["verdict"] == "broken"
    assert set(results(answer).values()) == {"dead"}
    # Without --live the machine's own rules are not there, so the file alone is judged.
    assert_all_work(rehearse(portreeve, ARTICLE), 2)


def test_live_strict_rp_filter_comes_along(lab):
    site = Site(lab)
    site.gw.sysctl("net.ipv4.conf.all.rp_filter", 1)
    site.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    assert_all_work(rehearse(site.gw, ARTICLE, "--live"), 2)


def test_live_without_a_route_is_the_plans_error(lab):
    site = Site(lab)
    answer = rehearse(site.gw, UPLINKS + """
    maps:
      web: {listen: 80/tcp, to: 10.99.0.2}
    """, "--live", exit=2)
    assert any("10.99.0.2" in d["message"] for d in answer["diagnostics"])
    assert all(d["line"] for d in answer["diagnostics"] if d["severity"] == "error")


# ---- refusals ----

def test_bad_config(gw):
    done = Portreeve(gw).run("rehearse", config="uplinks: {}\n", check=False)
    assert done.returncode == 2


def test_no_namespaces_to_be_had(gw, anyones_binary):
    """In a user namespace that allows no further ones, without any right."""
    done = gw.run([*NOBODY, "unshare", "-Ur", "sh", "-c",
                   "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all "
                   f"--inh-caps -all --no-new-privs {anyones_binary} rehearse -"],
                  input=ARTICLE, check=False)
    assert done.returncode == 3
    assert "max_user_namespaces" in done.stderr
