# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve show and diff: the plan in every form, on paper and in a network of its own."""

import shutil
import subprocess

import pytest

from conftest import GATEWAY, PROGRAM

PAPER = "# planned on paper: none of these interfaces exist on this machine\n"

def test_on_paper(run, article, unprivileged):
    r = run("show", article, through=unprivileged)
    assert r.code == 0, r
    assert r.out.startswith(PAPER)
    for text in ("#   telecom  pr-none0: 1.1.1.1, via 1.1.1.254\n",
                 "number 1: mark 0x01000000/0x7f000000, rule 501, table 70001\n",
                 "#   web      80/tcp on telecom, unicom -> 192.168.0.2:80\n",
                 "return snat ", "table inet portreeve {", "ip route add ", "ip rule add "):
        assert text in r.out


def test_paper_on_request(own_network, live):
    """A machine that has the interfaces is not looked at."""
    r = own_network(GATEWAY + '"$0" show --paper "$1"', live)
    assert r.code == 0, r
    assert r.out.startswith("# planned on paper, for a machine made up from the file\n")
    assert "eth2" not in r.out


def test_other_machines_file(own_network, live):
    """Some of its interfaces are here: a mistake, unless it is for another machine."""
    r = own_network(GATEWAY + 'ip link del eth1; "$0" show "$1"', live)
    assert r.code == 1 and "no interface eth1" in r.err and "show --paper" in r.err


def test_same_every_time(run, article):
    assert run("show", article).out == run("show", article).out


def test_forms_make_up_the_whole(run, article):
    whole, nft, ip = (run("show", article, *words).out
                      for words in ([], ["--as", "nft"], ["--as", "ip"]))
    assert nft.startswith(PAPER + "table inet portreeve {") and "ip route" not in nft
    assert ip.startswith(PAPER) and "table inet" not in ip
    assert nft.removeprefix(PAPER) in whole and ip.removeprefix(PAPER) in whole
    assert all(line.split()[0] in ("ip", "sysctl") for line in ip.splitlines()[1:])


def test_unknown_form(run, article):
    r = run("show", "--as", "iptables", article)
    assert r.code == 2 and "--as is nft, ip or json, not 'iptables'" in r.err


def test_json(run, article):
    r = run("show", "--as", "json", article)
    assert r.code == 0 and r.json == run("show", "--json", article).json
    plan = r.json
    assert plan["on_paper"] is True
    assert [u["name"] for u in plan["uplinks"]] == ["telecom", "unicom"]
    assert plan["uplinks"][1] == {
        "name": "unicom", "interface": "pr-none1", "addresses": ["2.2.2.2"],
        "gateways": {"ipv4": "2.2.2.254", "ipv6": None}, "number": 2, "mark": "0x02000000",
        "mask": "0x7f000000", "preference": 502, "table": 70002}
    web = plan["maps"][0]
    assert web["listen"] == [{"protocol": "tcp", "first": 80, "last": 80, "to_first": 80,
                              "to_last": 80}]
    assert web["uplinks"] == ["telecom", "unicom"] and web["to"] == "192.168.0.2"
    assert web["return"] == "snat" and web["snat"] and web["reason"]
    assert plan["nft"].startswith("table inet portreeve {")
    assert {r["table"] for r in plan["routes"]} == {70001, 70002}
    assert {r["preference"] for r in plan["rules"]} >= {501, 502}
    assert plan["elements"] >= 2 and isinstance(plan["sysctls"], dict)


def test_listeners_in_words(run, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("""\
uplinks:
  telecom: {interface: pr-none0, gateway: [1.1.1.254, "fe80::1"], address: [1.1.1.1, "2001:db8::1"]}
maps:
  games: {listen: 27000-27099/udp, to: "192.168.0.7:28000"}
  both: {listen: [80/tcp, 443/tcp], to: 192.168.0.2}
  six: {listen: 25/tcp, to: "[2001:db8:1::25]:26"}
  off: {listen: 22/tcp, to: 192.168.0.2, enabled: false}
""")
    out = run("show", file).out
    assert "27000-27099/udp on telecom -> 192.168.0.7:28000-28099\n" in out
    assert "80/tcp, 443/tcp on telecom -> 192.168.0.2\n" in out
    assert "25/tcp on telecom -> [2001:db8:1::25]:26\n" in out
    assert "(and 1 disabled)" in out


SEVERAL = """\
uplinks:
  telecom: {interface: pr-none0, gateway: 1.1.1.254, check: icmp}
maps:
  web: {listen: [80/tcp, 443/tcp], to: [192.168.0.2, {address: "192.168.0.3:8080", weight: 2}], check: tcp}
  mail: {listen: 25/tcp, to: [192.168.0.5, 192.168.0.6], balance: first, return: direct, check: tcp, when-down: cut}
  one: {listen: 22/tcp, to: 192.168.0.9, check: tcp, all-down: refuse}
  off: {listen: 23/tcp, to: [192.168.0.2, 192.168.0.3], enabled: false}
"""


def test_several_backends_in_words(run, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(SEVERAL)
    r = run("show", file)
    assert r.code == 0, r
    assert "80/tcp, 443/tcp on telecom -> 2 backends, hash\n" in r.out
    assert "192.168.0.2, weight 1; return snat 192.168.0.1 (auto: " in r.out
    assert "192.168.0.3:8080, weight 2; return snat 192.168.0.1 (auto: " in r.out
    assert "25/tcp on telecom -> 2 backends, first\n" in r.out
    assert "192.168.0.6:25; return direct (the file says so)\n" in r.out
    assert "22/tcp on telecom -> 192.168.0.9:22\n" in r.out
    assert "(and 1 disabled)" in r.out


def test_several_backends_json(run, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text(SEVERAL)
    web, mail, one = run("show", "--json", file).json["maps"]
    assert (web["balance"], web["when_down"], web["all_down"]) == ("hash", "keep", "try")
    assert [(b["address"], b["port"], b["weight"], b["down"], b["return"]) for b in web["backends"]] == [
        ("192.168.0.2", None, 1, False, "snat"), ("192.168.0.3", 8080, 2, False, "snat")]
    assert web["to"] == "192.168.0.2" and web["snat"] == ["192.168.0.1"]  # the first's, as ever
    assert (mail["balance"], mail["when_down"]) == ("first", "cut")
    assert [b["return"] for b in mail["backends"]] == ["direct", "direct"]
    assert one["all_down"] == "refuse" and len(one["backends"]) == 1


def test_fastpath(run, tmp_path):
    file = tmp_path / "fast.yaml"
    file.write_text("""\
uplinks:
  telecom: {interface: pr-none0}
  unicom: {interface: pr-none1}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2}
gateway:
  fastpath: {pr-none0: xdp, lan0: tc, pr-none1: off, pr-none2: tc}
""")
    r = run("show", "--paper", file)
    assert r.code == 0
    assert "# fast path, by `portreeve run`\n#   pr-none0  xdp\n#   lan0     tc\n" in r.out, r.out
    for key in ("be_liberal", "ignore_invalid_rst"):
        assert f"sysctl -w net.netfilter.nf_conntrack_tcp_{key}=1\n" in r.out
    assert f"{file}:7:54: warning: fastpath: packets of maps do not use pr-none2" in r.err, r.err
    assert run("show", "--paper", "--as", "json", file).json["fastpaths"] == [
        {"interface": "pr-none0", "mode": "xdp", "not_ipv6": None},
        {"interface": "lan0", "mode": "tc", "not_ipv6": None}]


def test_mistakes_are_bad_input(run, tmp_path):
    file = tmp_path / "gateway.yaml"
    file.write_text("maps: {}\nuplink: {}\n")
    for command in ("show", "diff"):
        r = run(command, file)
        assert r.code == 2 and r.out == "" and f"{file}:2:1: error: " in r.err


def test_what_it_prints_loads(own_network, live):
    """nft and ip take the text as it is, and then there is nothing left to do for apply."""
    if not shutil.which("nft"):
        pytest.skip("no nft(8)")
    r = own_network(GATEWAY + '''
"$0" show --as nft "$1" >"$2/nft"
"$0" show --as ip "$1" >"$2/ip"
nft -f "$2/nft"
sh -e "$2/ip" >/dev/null
''', live, live.parent)
    assert r.code == 0, r


def test_diff(own_network, live):
    r = own_network(GATEWAY + '"$0" diff "$1"', live)
    assert r.code == 1, r
    assert any(line.startswith("+") for line in r.out.splitlines())
    r = own_network(GATEWAY + '"$0" diff --json "$1"', live)
    assert r.code == 1 and r.json["changed"] is True
    assert any(c.startswith("+ ip rule pref 501 ") for c in r.json["changes"]), r.json


def test_live_network_is_no_paper(own_network, live):
    r = own_network(GATEWAY + '"$0" show --json "$1"', live)
    assert r.code == 0, r
    assert r.json["on_paper"] is False
    assert r.json["maps"][0]["snat"] == ["192.168.0.1"]


def test_diff_needs_root(run, article, unprivileged):
    r = run("diff", article, through=unprivileged)
    assert r.code == 3 and "needs root" in r.err and "sudo" in r.err


def test_reader_that_goes_away(article):
    """show | head is no reason to complain."""
    done = subprocess.run(f"{PROGRAM} show {article} | head -1", shell=True, capture_output=True,
                          text=True, timeout=60)
    assert done.stderr == "" and done.stdout == PAPER
