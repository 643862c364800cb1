# SPDX-License-Identifier: GPL-2.0-or-later
"""init: what it proposes for a gateway is a config, goes in force there, and works."""

import json

import pytest
import yaml

from gateway import ARTICLE, Portreeve
from test_article import STAGES, TELECOM, UNICOM
from topology import Site, Uplink, lan, telecom, telecom6, unicom, unicom6
from traffic import ask, curl, serve, together


def proposal(portreeve, *options):
    """What is written, as YAML has it; "on" is a boolean to this reader."""
    done = portreeve.run("init", "-", *options)
    return yaml.safe_load(done.stdout), done.stdout


def in_force(portreeve):
    """Write the proposal, and put it in force as it stands."""
    file = portreeve.host.lab.path("proposal.yaml")
    portreeve.run("init", "--force", file)
    portreeve.run("check", file)
    portreeve.run("apply", file)
    assert portreeve.run("diff", file).stdout == ""
    return yaml.safe_load(open(file, encoding="utf-8"))


def both_answer(site):
    return together(lambda: curl(site.world, TELECOM), lambda: curl(site.world, UNICOM))


@pytest.mark.parametrize("stage", ["dnat", "dnat, snat", "dnat, snat, from rules",
                                   "mark restored on replies only"])
def test_the_articles_gateway(site, portreeve, stage):
    """Its naive rules are there, and somebody has tried both addresses: the proposal cures both."""
    for command in STAGES[stage].commands:
        site.gw.run(command)
    works = STAGES[stage].telecom, STAGES[stage].unicom
    assert tuple(answer is not None for answer in together(
        lambda: curl(site.world, TELECOM, 1), lambda: curl(site.world, UNICOM, 1))) == works
    config = in_force(portreeve)
    assert {name: (u["interface"], u["gateway"], u["number"])
            for name, u in config["uplinks"].items()} == {
        "eth0": ("eth0", "1.1.1.254", 1), "eth1": ("eth1", "2.2.2.254", 2)}
    web = config["maps"].pop("web")
    assert config["maps"] == {}
    assert (web.pop("listen"), web.pop("to")) == ("80/tcp", "192.168.0.2")
    # Where no rule hid the clients it is asked, and until then the safe way is taken.
    assert web == ({} if stage == "dnat" else {"return": {"snat": ["192.168.0.1"]}})
    assert both_answer(site) == ["backend saw 192.168.0.1\n"] * 2


def test_it_can_be_rehearsed(site, portreeve):
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    curl(site.world, UNICOM, 0.2)
    file = portreeve.host.lab.path("proposal.yaml")
    told = portreeve.run("init", file).stdout
    assert f"portreeve rehearse --live {file}\n" in told
    assert "Everything works under portreeve: 2 of 2" in \
        portreeve.run("rehearse", "--live", file).stdout


def test_backends_that_were_seen_to_answer_stay_direct(lab):
    site = Site(lab, [telecom()], [lan()])
    site.backend.ip("route replace default via 192.168.0.1")
    serve(site.backend, tcp=[80])
    site.gw.sysctl("net.ipv4.ip_forward", 1)
    site.gw.iptables("-t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 192.168.0.2")
    assert ask(site.world, "1.1.1.1", 80)
    config = in_force(Portreeve(site.gw))
    assert config["maps"]["web"]["return"] == "direct"
    assert ask(site.world, "1.1.1.1", 80).client == "100.100.100.100"


def test_a_router_that_nobody_saw_is_asked_for(site, portreeve):
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    config, text = proposal(portreeve)
    assert "gateway" not in config["uplinks"]["eth1"]
    assert "    # ? Which is its router?" in text
    refused = portreeve.apply(text, check=False)
    assert refused.returncode != 0 and "gateway of uplink 'eth1' is not known" in refused.stderr
    # The answer, where the file has room for it, is all that it takes.
    portreeve.apply(text.replace("#gateway: ADDRESS", "gateway: 2.2.2.254"))
    assert both_answer(site) == ["backend saw 192.168.0.1\n"] * 2


def test_second_run(site, portreeve):
    """What portreeve put there is not taken for the machine's; its lines keep name and number."""
    portreeve.apply(ARTICLE.replace("gateway: 2.2.2.254", "gateway: 2.2.2.254, number: 7"))
    config, text = proposal(portreeve)
    assert config == {
        "uplinks": {"telecom": {"interface": "eth0", "gateway": "1.1.1.254", "number": 1},
                    "unicom": {"interface": "eth1", "gateway": "2.2.2.254", "number": 7}},
        "maps": None}
    assert "portreeve has a config in force" in text
    # The machine's own rules still are, and the proposal in force again changes no line.
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    assert in_force(portreeve)["uplinks"] == config["uplinks"]
    assert both_answer(site) == ["backend saw 192.168.0.1\n"] * 2


def test_one_line(lab):
    site = Site(lab, [telecom()])
    portreeve = Portreeve(site.gw)
    serve(site.backend, tcp=[80])
    answer = json.loads(portreeve.run("init", "-", "--json").stdout)
    assert [u["name"] for u in answer["uplinks"]] == ["eth0"]
    assert answer["insides"][0]["network"] == "192.168.0.0/24"
    assert answer["maps"] == 0 and answer["file"] is None and not answer["written"]
    assert in_force(portreeve)["maps"] is None
    # Its example, uncommented, maps ports on it.
    portreeve.apply(answer["yaml"].replace("  #web:", "  web:").replace("192.168.0.77",
                                                                      "192.168.0.2"))
    assert ask(site.world, "1.1.1.1", 80).server == "backend"


def test_no_line(lab):
    gw = lab.host("gw")
    gw.ip("link add eth2 type veth peer name end", "link set eth2 up",
          "addr add 192.168.0.1/24 dev eth2")
    file = lab.path("none.yaml")
    done = Portreeve(gw).run("init", file, check=False)
    assert done.returncode == 1
    assert "no line to the Internet was found" in done.stderr
    assert "a default route in any routing table" in done.stderr
    assert gw.run(["ls", file], check=False).returncode != 0


def test_routes_by_dhcp_are_left_to_it(lab):
    site = Site(lab, [telecom(), unicom()], default=None)
    site.gw.ip("route add default via 1.1.1.254 dev eth0 proto dhcp metric 100",
               "route add default via 2.2.2.254 dev eth1 proto dhcp metric 200")
    config = in_force(Portreeve(site.gw))
    assert config["uplinks"] == {"eth0": {"interface": "eth0", "number": 1},
                                 "eth1": {"interface": "eth1", "number": 2}}


def test_ipv6(lab):
    site = Site(lab, [telecom6(), unicom6()], [lan(addresses=["192.168.0.1/24", "fd00:1::1/64"])])
    site.gw.ip("route add default via 2001:db8:2::fe dev eth1 table 102",
               "addr add 2001:db8:2::77/64 dev eth1 nodad")
    site.gw.run("ip6tables -t nat -A PREROUTING -i eth1 -p tcp --dport 443"
                " -j DNAT --to [fd00:1::2]:8443")
    config = in_force(Portreeve(site.gw))
    assert config["uplinks"]["eth0"]["gateway"] == ["1.1.1.254", "2001:db8:1::fe"]
    assert config["uplinks"]["eth1"]["gateway"] == "2001:db8:2::fe"
    https = config["maps"]["https"]
    assert (https["listen"], https["to"], https[True]) == ("443/tcp", "[fd00:1::2]:8443", ["eth1"])


def test_two_routers_on_one_interface(lab):
    first = Uplink("telecom", "eth0", ["1.1.1.1/24"], ["1.1.1.254"])
    second = Uplink("unicom", "eth0", ["2.2.2.2/24"], ["2.2.2.254"])
    site = Site(lab, [first, second])
    site.gw.sysctl("net.ipv4.ip_forward", 1)
    serve(site.backend, tcp=[80])
    site.gw.ip("route add default via 2.2.2.254 dev eth0 table 102",
               "rule add from 2.2.2.2 lookup 102")
    site.gw.iptables("-t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 192.168.0.2")
    portreeve = Portreeve(site.gw)
    config = in_force(portreeve)
    assert config["uplinks"] == {
        "eth0": {"interface": "eth0", "address": "1.1.1.1", "gateway": "1.1.1.254", "number": 1},
        "eth0-2": {"interface": "eth0", "address": "2.2.2.2", "gateway": "2.2.2.254", "number": 2}}
    assert together(lambda: ask(site.world, "1.1.1.1", 80), lambda: ask(site.world, "2.2.2.2", 80))\
        .count(None) == 0
    # portreeve's own routes tell of both routers when the machine's no longer do.
    site.gw.ip("route del default table 102", "rule del from 2.2.2.2 lookup 102")
    assert proposal(portreeve)[0]["uplinks"] == config["uplinks"]


@pytest.mark.parametrize("name", ["on", "wan@1", "\"'#,[", "1.2.3.4", "größe", "-x", "null"])
def test_odd_names(lab, name):
    site = Site(lab, [telecom()])
    site.gw.run(["ip", "link", "set", "dev", "eth0", "down"])
    site.gw.run(["ip", "link", "set", "dev", "eth0", "name", name])
    site.gw.run(["ip", "link", "set", "dev", name, "up"])
    site.gw.run(["ip", "route", "add", "default", "via", "1.1.1.254", "dev", name])
    uplink, = in_force(Portreeve(site.gw))["uplinks"].values()
    assert uplink["interface"] == name


def test_comments_of_rules_stay_comments(site, portreeve):
    site.gw.nft('add table ip nat; add chain ip nat prerouting '
                '{ type nat hook prerouting priority dstnat; }; add rule ip nat prerouting '
                'iifname eth0 tcp dport 80 dnat to 192.168.0.2 comment "a\nmaps: {}\n"')
    assert list(in_force(portreeve)["maps"]) == ["web"]


def test_a_snapshot_will_do(site, portreeve, lab):
    for command in STAGES["dnat, snat"].commands:
        site.gw.run(command)
    curl(site.world, UNICOM, 0.2)
    live, _ = proposal(portreeve)
    portreeve.run("snapshot", lab.path("snapshot"))
    dumped, _ = proposal(portreeve, "--state", lab.path("snapshot"))
    assert dumped == live and set(live["maps"]) == {"web"}
