# SPDX-License-Identifier: GPL-2.0-or-later
"""explain, doctor and import on the example dumps: as an ordinary user, on any machine."""

import json
import os
import pathlib
import re

import pytest

from conftest import NOBODY

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
    text = run("explain", "--state", EXAMPLE, *QUESTION, "2.2.2.2:80").out
    assert "\n                not home: the request came in by eth1\n" in text


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
    # Both may work, but it is not the same machine that answers.
    assert ("before: unknown: it works if a service of this machine listens on 1.1.1.1:80: "
            "request and reply get through; it comes to 1.1.1.1:80") in done.err
    assert "after:  works: request and reply get through; it comes to 192.168.0.2:80" in done.err


def copy(to, *without, **changed):
    """The example's files, some left out and some changed: {stem: how}."""
    for file in EXAMPLE.iterdir():
        if file.stem not in without:
            text = file.read_text()
            how = changed.get(file.stem.replace("-", "_"))
            (to / file.name).write_text(how(text) if how else text)
    return to


@pytest.mark.parametrize("routes, gateway", [
    ("default dev eth0 scope link\n::/0 dev eth0 metric 1024\n", ", gateway: onlink"),
    ("default via 1.1.1.254 dev eth0\n::/0 dev eth0 metric 1024\n", ", gateway: [1.1.1.254, onlink]"),
    ("default via 1.1.1.254 dev eth0\ndefault via fe80::1 dev eth0\n",
     ', gateway: [1.1.1.254, "fe80::1"]'),
    ("default via inet6 fe80::1 dev eth0\n", ""),
])
def test_import_names_the_routers_of_both_families(run, tmp_path, routes, gateway):
    """A router of the other family is left to the system's route."""
    done = run("import", "--state", copy(tmp_path, ip_route=lambda text: routes + "".join(
        line for line in text.splitlines(True) if not line.startswith("default via 1.1.1.254 "))))
    assert f"eth0: {{interface: eth0{gateway}}}\n" in done.out
    assert "not walked" not in done.err


def test_import_tells_no_supposition_as_a_fact(run, tmp_path):
    """Whether the interface forwards is not known: that is no reason for anything."""
    done = run("import", "--state", copy(tmp_path, "sysctl"))
    assert "return: {snat: [192.168.0.1]}" in done.out
    note, = {line for line in done.out.splitlines() if "# note:" in line}
    assert "not known: it depends on sysctl net.ipv4.conf." in note
    assert "is dropped" not in note

    closed = run("import", "--state", copy(tmp_path, "sysctl", iptables_save=lambda text:
                                           text + "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"))
    note, = {line for line in closed.out.splitlines() if "# note:" in line}
    assert "# note: the request is dropped: table ip filter, chain FORWARD: policy drop" in note


def test_import_compares_by_what_it_promises(run, tmp_path):
    """Without SNAT the map says `return: direct`, so the backend is taken to answer through here."""
    state = copy(tmp_path, iptables_save=lambda text: "".join(
        line + "\n" for line in text.splitlines() if "SNAT" not in line))
    done = run("import", "--state", state)
    assert ", return: direct}" in done.out
    told = run("import", "--json", "--state", state).json
    assert not [d for d in told["differences"] if "sends its reply" in d["why_after"]]
    far = {d["what"]: d for d in told["differences"] if "far away" in d["what"]}
    assert [(d["before"], d["after"]) for d in far.values()] == [("broken", "works")]


def test_a_command_that_is_withheld_is_told(run, tmp_path):
    """A name that a shell would act on: for programs, too."""
    (tmp_path / "iptables-save.txt").write_text(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:a;reboot - [0:0]\n-A a;reboot -p tcp -m tcp --dport 80"
        " -j DNAT --to-destination 192.168.0.2:80\nCOMMIT\n")
    found = run("doctor", "--json", "--state", tmp_path).json["findings"]
    unreached, = [f for f in found if f["number"] == 33]
    assert unreached["withheld"] is True and unreached["remedy"] == []
    assert {f["withheld"] for f in found if f["number"] != 33} <= {False}


@pytest.mark.parametrize("command", ["explain", "doctor", "import"])
def test_a_state_that_is_none_is_said(run, tmp_path, command):
    words = [*QUESTION, "1.1.1.1:80"] if command == "explain" else []
    done = run(command, "--state", tmp_path, *words)
    assert done.code == 2
    assert str(tmp_path) in done.err


def keys(value):
    """All names of members, at any depth; not those of open lists of names."""
    if isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_json_is_what_the_manual_says(run):
    page = (EXAMPLE.parents[1] / "man/portreeve.8").read_text()
    told = set(re.findall(r"[a-z_]+", page.split("\n.Sh JSON\n")[1].split("\n.Sh ")[0]))
    explained = run("explain", "--json", "--state", EXAMPLE, *QUESTION, "2.2.2.2:80").json
    answers = [explained,
               run("doctor", "--json", "--state", EXAMPLE).json,
               run("doctor", "--json", "--list").json,
               run("import", "--json", "--state", EXAMPLE).json]
    ours = {"severity", "file", "line", "col", "message", "hint", "notes", "diagnostics"}
    assert set(keys(answers)) - told - ours == set()
    assert explained["pitfalls"][0].keys() >= {"number", "name", "evidence", "fix"}
    assert explained["pitfalls"][0]["fix"] == explained["pitfalls"][0]["remedy"] != []
    assert explained["assumed"][0].keys() == {"what", "where", "decides"}
    assert explained["request"].keys() >= {"steps", "in", "out", "end"}


def test_where_it_comes_in_may_be_unknown(run):
    """A rule set alone does not tell; the question still stands there, and what to do."""
    words = ["explain", "--state", EXAMPLE / "iptables-save.txt", *QUESTION, "2.2.2.2:80"]
    done = run(*words)
    assert done.code == 1
    assert done.out.startswith("tcp 100.100.100.100:40000 -> 2.2.2.2:80, on the dumps in ")
    assert "say it with --in" in done.out
    told = run(*words, "--json").json
    assert (told["verdict"], told["in"], told["home"], told["request"]) == ("unknown", None, None, None)
    assert run(*words, "--in", "eth1", "--json").json["in"] == "eth1"


def test_what_decides_comes_before_what_may_be(run, tmp_path):
    """Without sysctls it may be that nothing is forwarded: that is no fact."""
    for name in ("ip-addr.txt", "ip-route.txt", "ip-rule.txt", "iptables-save.txt"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    done = run("explain", "--state", tmp_path, *QUESTION, "1.1.1.1:80")
    assert done.code == 1
    verdict, = [line for line in done.out.splitlines() if line.startswith("unknown: ")]
    assert verdict.startswith("unknown: it depends on sysctl net.ipv4.conf.eth")
    assert "; it may be that the " in verdict
    assert "\n  it depends on sysctl net.ipv4.conf.eth0.forwarding: here, it is 1\n" in done.out


@pytest.mark.parametrize("words, complaint", [
    (["tcp", "1.2.3", "2.2.2.2:80"], "'1.2.3' is no source"),
    (["tcp", "1.2.3.4", "2.2.2.2:http"], "'2.2.2.2:http' is no destination"),
    (["tcp", "1.2.3.4", "2.2.2.2:65536"], "'2.2.2.2:65536' is no destination"),
    (["tcp", "1.2.3.4:0", "2.2.2.2:80"], "'1.2.3.4:0' is no source"),
    (["tcp", "1.2.3.4", "2.2.2.2"], "needs a port: 2.2.2.2:80"),
    (["tcp", "2001:db8::1", "2001:db8::2:80"], "needs a port: [2001:db8::2:80]:80"),
    (["tcp", "::1", "2.2.2.2:80"], "of different families"),
    (["icmp", "1.2.3.4", "2.2.2.2:80"], "icmp has no ports"),
    (["gre", "1.2.3.4", "2.2.2.2"], "tcp, udp, sctp or icmp, not 'gre'"),
    (["tcp", "1.2.3.4", "2.2.2.2:80", "--in", "eth9"], "no interface 'eth9'"),
    (["tcp", "1.2.3.4", "2.2.2.2:80", "--mark", "0x100000000"], "number of 32 bits"),
    (["tcp", "1.2.3.4", "2.2.2.2:80", "--mark", "-1"], "number of 32 bits"),
    (["tcp", "1.2.3.4", "2.2.2.2:80", "--mark", "12x"], "number of 32 bits"),
    (["tcp", "1.2.3.4", "2.2.2.2:80", "--return", "home"], "through or bypass, not 'home'"),
    (["tcp", "1.2.3.4"], "which packet?"),
    (["--batch", "--prove"], "--batch and --prove exclude each other"),
])
def test_wrong_questions_name_what_is_wrong(run, words, complaint):
    done = run("explain", "--state", EXAMPLE, *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err


@pytest.mark.parametrize("number", ["256", "0x100"])
def test_mark_of_the_request(run, number):
    told = run("explain", "--json", "--state", EXAMPLE, "--mark", number, *QUESTION, "1.1.1.1:80").json
    assert told["request"]["first"]["mark"] == 256


def test_largest_port(run):
    told = run("explain", "--json", "--state", EXAMPLE, *QUESTION, "1.1.1.1:65535").json
    assert told["request"]["first"]["dport"] == 65535


def test_batch_knows_the_interfaces(run):
    done = run("explain", "--batch", "--state", EXAMPLE, text="tcp 100.100.100.100 1.1.1.1:80 eth9\n")
    assert json.loads(done.out) == {"error": "there is no interface 'eth9'"}


@pytest.mark.parametrize("words", [["explain", *QUESTION, "1.1.1.1:80"], ["doctor"], ["import"]])
def test_without_root_dumps_are_offered(run, words):
    done = run(*words, through=NOBODY if os.geteuid() == 0 else ())
    assert done.code == 3
    assert "needs root" in done.err and "--state DIR" in done.err


def test_an_import_that_cannot_be_walked_does_not_say_that_it_was(run, tmp_path):
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    routes = (EXAMPLE / "ip-route.txt").read_text()
    (tmp_path / "ip-route.txt").write_text(
        "".join(line for line in routes.splitlines(True) if "2.2.2.254" not in line))
    done = run("import", "--state", tmp_path)
    assert done.code == 1
    assert "the gateway of uplink 'eth1' is not known" in done.err
    assert "not walked" in done.err and "end alike" not in done.err


@pytest.mark.parametrize("promise, verdict", [("", "unknown"), (", return: direct", "works")])
def test_what_a_config_promises_of_its_backends(run, tmp_path, promise, verdict):
    """Without SNAT it hangs on the backend, unless the config says that it answers this way."""
    (tmp_path / "state").mkdir()
    for name in ("ip-addr.txt", "ip-route.txt", "ip-rule.txt", "sysctl.txt"):
        (tmp_path / "state" / name).write_text((EXAMPLE / name).read_text())
    (tmp_path / "state/nft.txt").write_text("table ip t {\n\tchain p {\n\t\ttype nat hook prerouting "
                                            "priority dstnat; policy accept;\n\t\ttcp dport 81 dnat "
                                            "to 192.168.0.2:80\n\t}\n}\n")
    config = tmp_path / "gateway.yaml"
    config.write_text("uplinks:\n  a: {interface: eth0}\n  b: {interface: eth1, gateway: 2.2.2.254}\n"
                      "maps:\n  web: {listen: 80/tcp, to: 192.168.0.2" + promise + "}\n")
    words = [*QUESTION, "2.2.2.2:80" if promise else "1.1.1.1:81"]
    files = [config] if promise else []
    code, told = answer(run, "explain", "--json", "--state", tmp_path / "state", *words, *files)
    assert (code, told["verdict"]) == (0 if verdict == "works" else 1, verdict), told["why"]


MANGLE = """*mangle
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -j CONNMARK --restore-mark
-A PREROUTING -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-mark 2
COMMIT
"""


def test_a_later_request_that_goes_elsewhere_is_shown(run, tmp_path):
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    with (tmp_path / "iptables-save.txt").open("a") as rules:
        rules.write(MANGLE)
    (tmp_path / "ip-rule.txt").write_text("0:\tfrom all lookup local\n100:\tfrom all fwmark 0x2 lookup 102\n"
                                          "32766:\tfrom all lookup main\n")
    done = run("explain", "--state", tmp_path, *QUESTION, "2.2.2.2:80")
    assert done.code == 1
    assert "\na later request  tcp 100.100.100.100:40000 -> 2.2.2.2:80\n" in done.out
    assert "a further request for 192.168.0.2 leaves by eth1" in done.out
    assert "a later request" not in run("explain", "--state", EXAMPLE, *QUESTION, "1.1.1.1:80").out


def test_the_readme_shows_what_is_printed(run):
    readme = (EXAMPLE.parents[1] / "README.md").read_text()
    command = "$ build/portreeve explain --state examples/broken-gateway tcp 100.100.100.100 2.2.2.2:80\n"
    shown = readme.split(command)[1].split("```")[0]
    done = run("explain", "--state", "examples/broken-gateway", *QUESTION, "2.2.2.2:80",
               cwd=EXAMPLE.parents[1])
    assert done.out == shown


def test_fast_path_on_paper(run, tmp_path):
    """What is attached is not known there; what is sure is said all the same."""
    file = tmp_path / "gateway.yaml"
    file.write_text("""\
uplinks:
  telecom: {interface: pr-none0, address: 1.1.1.1, gateway: 1.1.1.254}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2, return: snat}
gateway: {fastpath: auto}
""")
    asked = ("explain", "--paper", "--json", "tcp", "100.100.100.100")
    told = run(*asked, "1.1.1.1:80", file).json["fastpath"]
    assert told["takes"] is None and "portreeve status --fastpath" in told["why"]
    told = run(*asked, "1.1.1.1:22", file).json["fastpath"]
    assert (told["takes"], told["reason"]) == (False, "local")
    file.write_text(file.read_text().replace("auto", "off"))
    assert run(*asked, "1.1.1.1:80", file).json["fastpath"] is None
