# SPDX-License-Identifier: GPL-2.0-or-later
"""import: rules become a config, both are walked, and the config works in their place."""

import json

import pytest
import yaml

from test_article import DNAT, FROM_RULES, SNAT, STAGES, TELECOM, UNICOM
from traffic import curl, together

FINAL = "mark restored on replies only"


def import_json(portreeve, *options):
    done = portreeve.run("import", "--json", *options, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["live", "state"])
def test_the_articles_final_rules_become_its_config(site, portreeve, lab, how):
    for command in STAGES[FINAL].commands:
        site.gw.run(command)
    options = ["--live"]
    if how == "state":
        options = ["--state", lab.path("snapshot")]
        portreeve.run("snapshot", options[1])
    answer = import_json(portreeve, *options)
    assert yaml.safe_load(answer["yaml"]) == {
        "uplinks": {"eth0": {"interface": "eth0", "gateway": "1.1.1.254"},
                    "eth1": {"interface": "eth1", "gateway": "2.2.2.254"}},
        "maps": {"web": {"listen": "80/tcp", "to": "192.168.0.2",
                         "return": {"snat": ["192.168.0.1"]}}}}
    assert answer["left"] == []
    assert not any(d["worse"] for d in answer["differences"])
    assert not any("far away" in d["what"] for d in answer["differences"])


def test_broken_rules_are_cured_and_the_pitfall_is_named(site, portreeve):
    for command in DNAT + SNAT + FROM_RULES:
        site.gw.run(command)
    answer = import_json(portreeve)
    cured, = [d for d in answer["differences"]
              if d["what"] == "tcp 2.2.2.2:80, a client far away by eth1"]
    assert (cured["before"], cured["after"]) == ("broken", "works")
    assert {2, 3} & set(cured["cures"])


def test_the_config_works_in_place_of_the_rules(site, portreeve):
    for command in STAGES[FINAL].commands:
        site.gw.run(command)
    config = portreeve.run("import", check=False).stdout
    site.gw.run("iptables -t nat -F")
    site.gw.run("iptables -t mangle -F")
    for table in ("1000", "1001"):
        site.gw.run(f"ip rule del table {table}")
        site.gw.run(f"ip route flush table {table}")
    portreeve.apply(config)
    assert together(lambda: curl(site.world, TELECOM), lambda: curl(site.world, UNICOM)) \
        == ["backend saw 192.168.0.1\n"] * 2


FORWARDS = """
table ip nat {
    map ports {
        type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
        elements = { 1.1.1.1 . tcp . 8080 : 192.168.0.2 . 80,
                     2.2.2.2 . tcp . 8080 : 192.168.0.2 . 80,
                     1.1.1.1 . udp . 5060 : 192.168.0.3 . 5060 }
    }
    chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname { "eth0", "eth1" } tcp dport 27000-27010 dnat to 192.168.0.7
        ip saddr 203.0.113.0/24 tcp dport 22 dnat to 192.168.0.2
        dnat ip to ip daddr . meta l4proto . th dport map @ports
        meta l4proto icmp icmp type echo-request ip daddr 1.1.1.1 dnat to 192.168.0.9
        tcp dport 9000 limit rate 5/second dnat to 192.168.0.2
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "eth2" masquerade
    }
}
"""


def test_nft_maps_ranges_sources_and_what_is_left(site, portreeve):
    site.gw.nft(FORWARDS)
    answer = import_json(portreeve)
    maps = {(m["listen"], str(m["to"])): m for m in
            yaml.safe_load(answer["yaml"])["maps"].values()}
    assert set(maps) == {("27000-27010/tcp", "192.168.0.7"), ("22/tcp", "192.168.0.2"),
                         ("8080/tcp", "192.168.0.2:80"), ("5060/udp", "192.168.0.3")}
    assert maps["22/tcp", "192.168.0.2"]["from"] == ["203.0.113.0/24"]
    # "on" is a boolean to this reader of YAML.
    assert maps["5060/udp", "192.168.0.3"][True] == ["eth0"]
    assert True not in maps["8080/tcp", "192.168.0.2:80"]
    left = {entry["rule"].split(": ", 2)[-1][:20]: entry["why"] for entry in answer["left"]}
    assert len(left) == 2, answer["left"]
    assert any("protocol" in why for why in left.values())
    assert any("matches" in why for why in left.values())


def test_nothing_to_import_is_said(site, portreeve):
    done = portreeve.run("import", check=False)
    assert done.returncode == 1
    assert "nothing to import" in done.stderr
