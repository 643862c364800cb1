# SPDX-License-Identifier: GPL-2.0-or-later
"""explain, doctor and import on the example dumps: as an ordinary user, on any machine."""

import json
import pathlib

import pytest

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/broken-gateway"
QUESTION = ["tcp", "100.100.100.100"]


def answer(run, *args):
    done = run(*args)
    return done.code, done.json


def test_explain_follows_both_directions(run):
    code, told = answer(run, "explain", "--json", "--state", EXAMPLE, *QUESTION, "2.2.2.2:80")
    assert code == 1
    assert told["verdict"] == "broken" and told["home"] is False
    assert told["in"] == "eth1"
    assert (told["request"]["out"], told["reply"]["in"], told["reply"]["out"]) \
        == ("eth2", "eth2", "eth0")
    dnat, = [s for s in told["request"]["steps"] if s["stage"] == "nat" and s["hook"] == "prerouting"]
    assert (dnat["file"], dnat["line"], dnat["table"], dnat["chain"]) \
        == ("iptables-save.txt", 8, "ip nat", "PREROUTING")
    assert "--to-destination 192.168.0.2" in dnat["rule"]
    assert {p["number"] for p in told["pitfalls"]} >= {3}
    assert told["not_understood"] == []


def test_explain_works_where_it_works(run):
    code, told = answer(run, "explain", "--json", "--state", EXAMPLE, *QUESTION, "1.1.1.1:80")
    assert (code, told["verdict"], told["home"], told["pitfalls"]) == (0, "works", True, [])


def test_what_is_missing_is_unknown(run, tmp_path):
    """Without rules of the firewall nobody can say that a packet gets through."""
    for name in ("ip-addr.txt", "ip-route.txt", "ip-rule.txt", "sysctl.txt"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    code, told = answer(run, "explain", "--json", "--state", tmp_path, *QUESTION, "1.1.1.1:80")
    assert (code, told["verdict"]) == (1, "unknown")
    assert any(a["decides"] and "nft -j list ruleset" in a["where"] for a in told["assumed"])
    assert "if what is taken for granted is so" in told["why"]


def test_a_line_that_is_not_understood_is_reported(run, tmp_path):
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    rules = (EXAMPLE / "iptables-save.txt").read_text()
    (tmp_path / "iptables-save.txt").write_text(
        rules.replace("COMMIT", "-A PREROUTING -m marsians --green -j DROP\nCOMMIT", 1))
    done = run("explain", "--state", tmp_path, *QUESTION, "1.1.1.1:80")
    assert "iptables-save.txt:10" in done.err and "marsians" in done.err


def test_icmp_errors_that_are_lost_are_told(run, tmp_path):
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    with (tmp_path / "iptables-save.txt").open("a") as rules:
        rules.write("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
                    "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
                    "-A FORWARD -o eth2 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n")
    words = ["explain", "--state", tmp_path, *QUESTION, "1.1.1.1:80"]
    assert "an ICMP error about the reply" in run(*words).out
    told = run(*words, "--json").json
    assert told["verdict"] == "works"
    assert told["error_about_reply"]["end"] == told["error_about_request"]["end"] == "dropped"
    (tmp_path / "iptables-save.txt").write_text(
        (tmp_path / "iptables-save.txt").read_text().replace("ESTABLISHED", "ESTABLISHED,RELATED"))
    told = run(*words, "--json").json
    assert told["error_about_reply"]["end"] == told["error_about_request"]["end"] == "forwarded"


def test_batch_answers_line_by_line(run):
    done = run("explain", "--batch", "--state", EXAMPLE, text=(
        "tcp 100.100.100.100 1.1.1.1:80\n"
        "tcp 100.100.100.100 2.2.2.2:80 eth1\n"
        "nonsense\n"))
    assert done.code == 0
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line.get("verdict") for line in lines] == ["works", "broken", None]
    assert "error" in lines[2]


def test_explain_with_a_config_over_the_dumps(run, tmp_path):
    config = tmp_path / "gateway.yaml"
    config.write_text("uplinks:\n  a: {interface: eth0}\n  b: {interface: eth1, gateway: 2.2.2.254}\n"
                      "maps:\n  web: {listen: 81/tcp, to: 192.168.0.2}\n")
    code, told = answer(run, "explain", "--json", "--state", EXAMPLE, *QUESTION, "2.2.2.2:81", config)
    assert (code, told["verdict"], told["home"]) == (0, "works", True)
    assert 5 in {s["line"] for s in told["request"]["steps"] if s["config"]}


def test_doctor_names_pitfalls_and_cures(run):
    code, told = answer(run, "doctor", "--json", "--state", EXAMPLE)
    assert code == 1
    errors = [f for f in told["findings"] if f["severity"] == "error"]
    assert {f["number"] for f in errors} & {2, 3}
    assert all(f["evidence"] and f["consequence"] and f["remedy"] for f in errors)


def test_doctor_lists_sixty_pitfalls(run):
    _, told = answer(run, "doctor", "--list", "--json")
    assert [p["number"] for p in told["pitfalls"]] == list(range(1, 61))
    assert len({p["name"] for p in told["pitfalls"]}) == 60


def test_import_makes_the_config(run):
    done = run("import", "--state", EXAMPLE)
    assert done.code == 0
    assert "web: {listen: 80/tcp, to: 192.168.0.2, return: {snat: [192.168.0.1]}}" in done.out
    assert "# iptables-save.txt:7: -A PREROUTING" in done.out
    assert "cures pitfall" in done.err


@pytest.mark.parametrize("command", ["explain", "doctor", "import"])
def test_a_state_that_is_none_is_said(run, tmp_path, command):
    words = [*QUESTION, "1.1.1.1:80"] if command == "explain" else []
    done = run(command, "--state", tmp_path, *words)
    assert done.code == 2
    assert str(tmp_path) in done.err
