# SPDX-License-Identifier: GPL-2.0-or-later
"""explain: in each stage of the article the verdict is curl's, live, from a snapshot and proved."""

import json

import pytest

from gateway import ARTICLE
from test_article import STAGES, TELECOM, UNICOM
from topology import CLIENT
from traffic import DEAD_S, curl, together

TARGETS = {"1.1.1.1:80": "telecom", "2.2.2.2:80": "unicom"}
# The pitfalls by their numbers, of each address that does not answer.
PITFALLS = {
    "dnat": {"telecom": {1}, "unicom": {1, 2}},
    "dnat, snat": {"unicom": {3}},
    "dnat, snat, from rules": {"unicom": {2, 3}},
    "connmark as printed": {"telecom": {7}, "unicom": {7}},
    "connmark, inside first, then the rules without pref": {"telecom": {55}, "unicom": {55}},
}


def explain(portreeve, target, *options, config=None):
    args = [*options, "--json", "tcp", CLIENT, target]
    files = [portreeve.write(config)] if config else []
    done = portreeve.run("explain", *args, *files, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", STAGES)
def test_stage_as_curl_has_it(site, portreeve, lab, name):
    stage = STAGES[name]
    for command in stage.commands:
        site.gw.run(command)
    answers = {"telecom": stage.telecom, "unicom": stage.unicom}
    got = together(lambda: curl(site.world, TELECOM, 5 if stage.telecom else DEAD_S),
                   lambda: curl(site.world, UNICOM, 5 if stage.unicom else DEAD_S))
    assert [page is not None for page in got] == list(answers.values())

    # What curl tried is in conntrack, and tells which way the backend answers.
    where = lab.path("snapshot")
    portreeve.run("snapshot", where)
    for options in (["--live"], ["--state", where]):
        for target, uplink in TARGETS.items():
            answer = explain(portreeve, target, "--prove", *options)
            assert answer["verdict"] == ("works" if answers[uplink] else "broken"), answer["why"]
            assert answer["proof"]["agrees"], answer["proof"]
            assert answer["proof"]["complete"], answer["proof"]["notes"]
            numbers = {p["number"] for p in answer["pitfalls"] if p["severity"] == "error"}
            if answers[uplink]:
                assert numbers == set()
                assert answer["home"] is True
            else:
                assert numbers & PITFALLS[name][uplink], (target, numbers)


def test_without_a_trace_of_the_backend_it_is_unknown(site, portreeve):
    """Whether a backend without SNAT answers through the gateway does not show in rules."""
    for command in STAGES["dnat"].commands:
        site.gw.run(command)
    answer = explain(portreeve, "1.1.1.1:80")
    assert answer["verdict"] == "unknown"
    assert any("192.168.0.2" in a["what"] for a in answer["assumed"])
    assert explain(portreeve, "1.1.1.1:80", "--return", "through")["verdict"] == "works"
    assert explain(portreeve, "1.1.1.1:80", "--return", "bypass")["verdict"] == "broken"
    # The other uplink is broken whatever the backend does.
    assert explain(portreeve, "2.2.2.2:80", "--return", "through")["verdict"] == "broken"


def test_own_plan_before_it_is_in_force(site, portreeve):
    for target in TARGETS:
        answer = explain(portreeve, target, config=ARTICLE)
        assert answer["verdict"] == "works", answer["why"]
        assert answer["home"] is True
        assert answer["pitfalls"] == []
        config_lines = {s["line"] for s in answer["request"]["steps"] if s["config"]}
        assert 6 in config_lines  # the map's own line


def test_own_rules_in_force_are_led_back_to_the_config(site, portreeve):
    portreeve.apply(ARTICLE)
    answer = explain(portreeve, "2.2.2.2:80", "--live")
    assert answer["verdict"] == "works", answer["why"]
    steps = answer["request"]["steps"] + answer["reply"]["steps"]
    assert {(s["stage"], s["line"]) for s in steps if s["config"]} == {
        ("rule", 3), ("nat", 6), ("route", 3)}


def test_where_the_kernel_disagrees_it_says_so(site, portreeve, lab):
    """A connection that the state's conntrack has sent to another backend, as before the rules were
    changed: the walk follows it, a new namespace does not know it."""
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    where = lab.path("snapshot")
    portreeve.run("snapshot", where)
    with open(f"{where}/conntrack.txt", "a", encoding="ascii") as file:
        file.write(f"tcp 6 431999 ESTABLISHED src={CLIENT} dst=1.1.1.1 sport=5000 dport=80 "
                   f"src=192.168.0.3 dst={CLIENT} sport=80 dport=5000 [ASSURED] mark=0 use=1\n")
    done = portreeve.run("explain", "--json", "--prove", "--state", where, "tcp",
                         f"{CLIENT}:5000", "1.1.1.1:80", check=False)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["verdict"]) == (1, "works")
    proof = answer["proof"]
    assert not proof["agrees"] and not proof["complete"]
    assert "conntrack" in proof["notes"] and "walked otherwise" in proof["notes"]
    assert "192.168.0.2:80" in proof["request"]["left_as"]
    text = portreeve.run("explain", "--prove", "--state", where, "tcp", f"{CLIENT}:5000",
                         "1.1.1.1:80", check=False).stdout
    assert "note: the state's conntrack entry" in text


def test_text_names_the_rule_and_where_it_stands(site, portreeve, lab):
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    where = lab.path("snapshot")
    portreeve.run("snapshot", where)
    done = portreeve.run("explain", "--state", where, "tcp", CLIENT, "2.2.2.2:80", check=False)
    assert done.returncode == 1
    assert "iptables-save.txt:" in done.stdout
    assert "--to-destination 192.168.0.2" in done.stdout
    assert "broken: " in done.stdout


@pytest.mark.parametrize("words, complaint", [
    (["tcp", CLIENT], "which packet?"),
    (["tcpp", CLIENT, "1.1.1.1:80"], "the protocol is tcp"),
    (["tcp", CLIENT, "1.1.1.1"], "needs a port"),
    (["tcp", "100.100.100", "1.1.1.1:80"], "is no source"),
    (["icmp", CLIENT, "1.1.1.1:80"], "has no ports"),
    (["tcp", "::1", "1.1.1.1:80"], "different families"),
    (["--in", "eth9", "tcp", CLIENT, "1.1.1.1:80"], "there is no interface 'eth9'"),
    (["--state", "/nowhere", "tcp", CLIENT, "1.1.1.1:80"], "/nowhere"),
    (["--state", "/nowhere", "--live", "tcp", CLIENT, "1.1.1.1:80"], "exclude each other"),
])
def test_wrong_questions_are_said(site, portreeve, words, complaint):
    done = portreeve.run("explain", *words, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
