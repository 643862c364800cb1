# SPDX-License-Identifier: GPL-2.0-or-later
"""explain --prove: the kernel agrees with the walk, whatever the rules are made with.

The gateway has addresses and rules, and nobody is beyond its interfaces: the proof has its own.
"""

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass

import pytest

from gateway import BINARY, Portreeve
from state import differences, dump
from topology import CLIENT, CLIENT6, Site, lan, telecom6, unicom6

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
BACKEND, BACKEND6 = "192.168.0.2", "fd00:1::2"


@dataclass
class Case:
    commands: list
    question: str
    request: str  # the request's end; the reply's, if there is one
    reply: str = None
    left_as: str = ""  # by the gateway, of the request
    rule: str = ""  # part of a rule that both have matched
    seconds: float = 2


NFT = [f"""table inet gateway {{
    map forwards {{ type ipv4_addr . inet_service : ipv4_addr . inet_service
        elements = {{ 1.1.1.1 . 80 : {BACKEND} . 8080 }} }}
    chain pre {{ type nat hook prerouting priority dstnat
        dnat ip addr . port to ip daddr . tcp dport map @forwards
        ip6 daddr 2001:db8:1::1 tcp dport 80 dnat ip6 to [{BACKEND6}]:8080; }}
    chain post {{ type nat hook postrouting priority srcnat
        oifname eth2 masquerade; }}
    chain forward {{ type filter hook forward priority filter; policy drop
        ct state vmap {{ established : accept, related : accept, invalid : drop }}
        ct status dnat accept; }}
    chain input {{ type filter hook input priority filter
        tcp dport 23 drop
        tcp dport 25 reject with tcp reset
        udp dport 53 reject; }}
}}"""]


def iptables(tool):
    return [f"{tool} -t mangle -A PREROUTING -i eth0 -j CONNMARK --set-mark 1",
            f"{tool} -t nat -A PREROUTING -d 1.1.1.1 -p tcp --dport 80 -j DNAT --to {BACKEND}:8080",
            f"{tool} -t nat -A POSTROUTING -o eth2 -j SNAT --to-source 192.168.0.1",
            f"{tool} -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            f"{tool} -A FORWARD -i eth0 -m conntrack --ctstate DNAT -j ACCEPT",
            f"{tool} -P FORWARD DROP",
            f"{tool} -A INPUT -p tcp --dport 23 -j DROP",
            f"{tool} -A INPUT -p tcp --dport 25 -j REJECT --reject-with tcp-reset"]


WEB = f"tcp {CLIENT} 1.1.1.1:80"
LOCAL = ["ip route add default via 2.2.2.254 dev eth1 table 102", "ip rule add from 2.2.2.2 lookup 102"]
CASES = {
    "nft": Case(NFT, WEB, "forwarded", "forwarded", f"> {BACKEND}:8080", "dnat ip to"),
    "nft, IPv6": Case(NFT, f"tcp {CLIENT6} [2001:db8:1::1]:80", "forwarded", "forwarded",
                      f"> [{BACKEND6}]:8080", "dnat ip6 to"),
    "nft, dropped by the policy": Case(NFT, f"tcp {CLIENT} {BACKEND}:80", "dropped"),
    "nft, dropped": Case(NFT, f"tcp {CLIENT} 1.1.1.1:23", "dropped", rule="dport 23 drop"),
    "nft, reset": Case(NFT, f"tcp {CLIENT} 1.1.1.1:25", "rejected", rule="reject with tcp reset"),
    "nft, rejected": Case(NFT, f"udp {CLIENT} 1.1.1.1:53", "rejected", rule="reject"),
    "iptables-nft": Case(iptables("iptables-nft"), WEB, "forwarded", "forwarded",
                         f"> {BACKEND}:8080", f"--to-destination {BACKEND}:8080"),
    "iptables-nft, rejected": Case(iptables("iptables-nft"), f"tcp {CLIENT} 1.1.1.1:25", "rejected",
                                   rule="--reject-with tcp-reset"),
    "iptables-legacy": Case(iptables("iptables-legacy"), WEB, "forwarded", "forwarded",
                            f"> {BACKEND}:8080"),
    "iptables-legacy, dropped": Case(iptables("iptables-legacy"), f"tcp {CLIENT} 1.1.1.1:23",
                                     "dropped"),
    "legacy and nft": Case(iptables("iptables-legacy")[:1] + NFT, WEB, "forwarded", "forwarded",
                           f"> {BACKEND}:8080", "dnat ip to"),
    "local service": Case(LOCAL, f"tcp {CLIENT} 2.2.2.2:22", "local", "forwarded"),
    "local service, UDP": Case(LOCAL, f"udp {CLIENT} 2.2.2.2:5000", "local", "forwarded"),
    "echo": Case(LOCAL, f"icmp {CLIENT} 2.2.2.2", "local", "forwarded"),
    "the gateway's own": Case(LOCAL, f"tcp self {CLIENT}:443", "forwarded", "local"),
    "no route": Case(["ip route add unreachable 9.9.9.9"], "tcp 192.168.0.2 9.9.9.9:80", "rejected"),
}


@pytest.fixture
def site(lab):
    made = Site(lab, [telecom6(), unicom6()],
                [lan(addresses=("192.168.0.1/24", "fd00:1::1/64"))])
    made.gw.sysctl("net.ipv4.ip_forward", 1)
    made.gw.sysctl("net.ipv6.conf.all.forwarding", 1)
    made.gw.sysctl("net.ipv4.icmp_ratelimit", 0)
    return made


def load(host, commands):
    for command in commands:
        (host.nft if command.startswith("table") else host.run)(command)


def prove(host, words, *options, binary=BINARY, user=(), exit=(0, 1)):
    done = host.run([*user, binary, "explain", "--prove", "--json", "--return", "through", *options,
                     *words.split()], check=False)
    assert done.returncode in exit, done.stdout + done.stderr
    return json.loads(done.stdout) if done.returncode < 2 else done.stderr


def assert_proved(answer, case):
    proof = answer["proof"]
    assert proof["complete"], proof["notes"]
    assert proof["agrees"], proof
    assert proof["request"]["end"] == case.request
    assert (proof["reply"] or {"end": None})["end"] == case.reply
    assert case.left_as in (proof["request"]["left_as"] or "")
    assert any(case.rule in step["text"] and step["who"] == "both"
               for step in proof["request"]["steps"]), proof["request"]["steps"]


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_agrees(site, lab, name):
    case = CASES[name]
    load(site.gw, case.commands)
    where = lab.path("snapshot")
    Portreeve(site.gw).run("snapshot", where)
    for options in (["--live"], ["--state", where]):
        started = time.monotonic()
        answer = prove(site.gw, case.question, *options)
        assert time.monotonic() - started < case.seconds
        assert_proved(answer, case)


@pytest.fixture
def anyones(lab):
    """A program and a directory that everybody may use, wherever the tree itself lies."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shutil.copy(BINARY, directory)
        yield directory


@pytest.mark.parametrize("name", ["nft", "iptables-nft", "local service"])
def test_ordinary_user(site, anyones, name):
    case = CASES[name]
    load(site.gw, case.commands)
    where = f"{anyones}/snapshot"
    Portreeve(site.gw).run("snapshot", where)
    site.gw.run(["chmod", "-R", "a+rX", where])
    assert_proved(prove(site.gw, case.question, "--state", where, binary=f"{anyones}/portreeve",
                        user=NOBODY), case)


def test_no_namespaces_to_be_had(site, anyones):
    where = f"{anyones}/snapshot"
    Portreeve(site.gw).run("snapshot", where)
    site.gw.run(["chmod", "-R", "a+rX", where])
    done = site.gw.run([*NOBODY, "unshare", "-Ur", "sh", "-c",
                        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set "
                        f"-all --inh-caps -all --no-new-privs {anyones}/portreeve explain --prove "
                        f"--state {where} {WEB}"], check=False)
    assert done.returncode not in (0, 1)
    assert "max_user_namespaces" in done.stderr


def test_what_cannot_be_brought_in_is_said(site, lab):
    """A rule that this machine's tool does not take: the proof goes on without it, and says so."""
    where = lab.path("snapshot")
    load(site.gw, NFT)
    Portreeve(site.gw).run("snapshot", where)
    with open(f"{where}/iptables-save.txt", "w", encoding="ascii") as file:
        file.write("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m nosuchmatch -j ACCEPT\nCOMMIT\n")
    proof = prove(site.gw, WEB, "--state", where)["proof"]
    assert not proof["complete"]
    assert "iptables-save.txt" in proof["notes"]


def test_nothing_outside_is_touched(site):
    load(site.gw, NFT)
    before = dump(site.gw)
    prove(site.gw, WEB, "--live")
    assert differences(before, dump(site.gw)) == []
    assert not {"gateway", "beyond"} & set(os.listdir("/run/netns"))
