# SPDX-License-Identifier: GPL-2.0-or-later
"""The recipes of docs/cookbook.md: each file is rehearsed, every map on every line with real traffic,
and what a rehearsal cannot show and no other test here does is tried with the page's own commands.

ppp0 and wg0 are veth pairs of these names: not every kernel has PPP and WireGuard.
"""

import json
import re
import textwrap

import pytest

from gateway import BINARY, REPO, Portreeve
from lab import wait_for
from state import differences, dump, misrouted
from test_doctor_quiet import mwan3
from test_foreign import Box, needs
from test_rehearse import assert_all_work, rehearse
from topology import CLIENT, Inside, Machine, Site, Uplink, lan
from traffic import ask, serve, together

PAGE = (REPO / "docs/cookbook.md").read_text()
RECIPES = REPO / "examples/cookbook"

# How many connections the rehearsal tries: listeners x addresses, three ports of a range, and two
# clients where a list says who may connect.
PROBES = {
    "docker": 4,
    "dual-stack": 10,
    "failover": 8,
    "games-voip": 26,
    "hairpin": 8,
    "mail": 8,
    "migrated": 2,
    "modem": 5,
    "own-uplink": 6,
    "pppoe-and-cable": 6,
    "two-isps-dhcp": 4,
    "wireguard": 5,
}


def test_every_recipe_is_rehearsed():
    assert sorted(PROBES) == sorted(file.stem for file in RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("name", PROBES)
def test_rehearsed(lab, name):
    text = (RECIPES / f"{name}.yaml").read_text()
    answer = rehearse(lab.host("gw"), text)
    assert_all_work(answer, PROBES[name])
    assert answer["columns"][-1]["misrouted"] == 0
    assert set(answer["notes"]) <= {"of each range: the first port, the last and one between"}
    for probe in answer["probes"]:
        direct = re.search(rf"^  {probe['map']}:(?:(?!^  \S).)*return: direct", text, re.M | re.S)
        if probe["may_connect"]:
            assert (probe["saw"] == probe["client"]) == bool(direct), probe


def commands(heading):
    """The indented shell block under a heading of the page, line by line."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^  ```sh\n(.*?)^  ```$", section, re.M | re.S)
    return textwrap.dedent(block).splitlines()


def test_mail_leaves_by_its_own_line(lab):
    """Recipe 5: outgoing mail goes by fibre from its address, and what came in by cable still answers
    by cable."""
    site = Site(lab, [
        Uplink("fibre", "eth0", ["203.0.113.10/24", "203.0.113.25/24"], ["203.0.113.1"]),
        Uplink("cable", "eth1", ["192.0.2.10/24"], ["192.0.2.1"])],
        [lan(Machine("mail", ["192.168.1.25/24"], gateway=True), addresses=["192.168.1.1/24"])],
        default="cable")
    serve(site.mail, tcp=[25])
    serve(site.world, tcp=[25])
    config = (RECIPES / "mail.yaml").read_text().replace(
        "cable: {interface: eth1}", "cable: {interface: eth1, gateway: 192.0.2.1}")
    Portreeve(site.gw).apply(config)
    assert ask(site.mail, CLIENT, 25, timeout=0.7) is None  # by cable, from a private address
    for command in commands("5. A mail server"):
        site.gw.run(["sh", "-c", command])
    assert ask(site.mail, CLIENT, 25).client == "203.0.113.25"
    strays = [site.foreign(name) for name in site.isp]
    for address in ("203.0.113.25", "192.0.2.10"):
        assert ask(site.world, address, 25).client == CLIENT
    assert [site.foreign(name) for name in site.isp] == strays
    assert not any(misrouted(site.gw).values())


def test_way_back_from_an_address(lab):
    """Recipe 7: what WireGuard asks for before any rule of nft sees its packet. Without the command the
    way back from the second line's address leaves by the first."""
    site = Site(lab, [
        Uplink("telecom", "eth0", ["1.1.1.1/24"], ["1.1.1.254"]),
        Uplink("fibre", "eth1", ["203.0.113.10/24"], ["203.0.113.1"])])
    Portreeve(site.gw).apply("""
        uplinks:
          fibre:   {interface: eth1, gateway: 203.0.113.1}
          telecom: {interface: eth0, gateway: 1.1.1.254}
        maps:
          web: {listen: 80/tcp, to: 192.168.0.2}
        """)

    def way_back():
        (route,) = json.loads(site.gw.run(f"ip -j route get {CLIENT} from 203.0.113.10").stdout)
        return route["dev"]

    assert way_back() == "eth0"
    for command in commands("7. WireGuard on the gateway"):
        site.gw.run(command)
    assert way_back() == "eth1"


ADDRESSES = ("1.1.1.1", "2.2.2.2")


def answers(site, timeout=5.0):
    """By which addresses the web server answers, several times over, by their own lines."""
    strays = [site.foreign(name) for name in site.isp]
    got = [together(*(lambda a=a: bool(ask(site.world, a, 80, timeout=timeout)) for a in ADDRESSES))
           for _ in range(2)]
    assert [site.foreign(name) for name in site.isp] == strays
    return [all(each) for each in zip(*got)]


def test_from_mwan3(lab):
    """Recipe 12: the forwards become maps, and these work beside all the rest of mwan3's rules."""
    site = mwan3(lab)
    portreeve = Portreeve(site.gw)
    done = portreeve.run("import")
    forwards = [line for line in site.gw.run("iptables -t nat -S").stdout.splitlines() if "DNAT" in line]
    assert len(forwards) == 2
    for line in forwards:
        site.gw.run("iptables -t nat " + line.replace("-A", "-D", 1))
    assert together(*(lambda a=a: ask(site.world, a, 80, timeout=0.7) for a in ADDRESSES)) == [None, None]
    portreeve.apply(done.stdout)
    assert answers(site) == [True, True]
    assert not any(misrouted(site.gw).values())


SHOREWALL = {
    "zones": "fw firewall\nnet ipv4\nloc ipv4\n",
    "interfaces": "?FORMAT 2\nnet eth0\nnet eth1\nloc eth2\n",
    "policy": "loc net ACCEPT\n$FW all ACCEPT\nnet all DROP\nall all REJECT\n",
    "providers": "telecom 1 1 - eth0 1.1.1.254 track,balance\nunicom 2 2 - eth1 2.2.2.254 track,balance\n",
    "rules": "?SECTION NEW\nDNAT net loc:192.168.0.2 tcp 80\n",
    "snat": "MASQUERADE 192.168.0.0/24 eth0\nMASQUERADE 192.168.0.0/24 eth1\n",
}


def test_from_shorewall(lab):
    """Recipe 12, with the real Shorewall: two providers that are tracked, and a forward."""
    needs("shorewall")
    site = Site(lab, None, [lan(Machine("backend", ["192.168.0.2/24"], gateway=True))])
    serve(site.backend, tcp=[80])
    box = Box(site.gw, "/etc/shorewall")
    box.run("mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/shorewall /run/lock/subsys && sed -i "
            "'s/^STARTUP_ENABLED=.*/STARTUP_ENABLED=Yes/; s/^ROUTE_FILTER=.*/ROUTE_FILTER=No/; "
            "s/^IP_FORWARDING=.*/IP_FORWARDING=On/' /etc/shorewall/shorewall.conf")

    def configure(**files):
        for name, text in files.items():
            with open(f"{box.dir}/etc/shorewall/{name}", "w", encoding="ascii") as file:
                file.write(text)

    configure(**SHOREWALL)
    box.run("shorewall start")
    assert answers(site) == [True, True]  # `track` does what it says
    portreeve = Portreeve(site.gw)
    config = portreeve.run("import").stdout
    portreeve.apply(config)
    assert answers(site) == [True, True]
    # Without its forward nothing lets the map through; the page's line does.
    configure(rules="?SECTION NEW\n")
    box.run("shorewall reload")
    assert answers(site, timeout=0.7) == [False, False]
    found = portreeve.check(config, "--live", check=False)
    assert found.returncode == 1 and "28: another-table-drops" in found.stdout
    line = "ACCEPT net loc:192.168.0.2 tcp 80"
    assert f"`{line}`" in PAGE
    configure(rules=f"?SECTION NEW\n{line}\n")
    box.run("shorewall reload")
    assert portreeve.check(config, "--live").returncode == 0
    assert answers(site) == [True, True]
    assert not any(misrouted(site.gw).values())


# ---- the quick start ----

QUICKSTART = (REPO / "docs/quickstart.md").read_text()
NOT_HERE = ("make ", "apt ", "systemctl ")  # of its commands; what they come to is done in their place


def shown(after):
    """The first block without a language behind these words, as pieces between lines of dots."""
    text = re.split(r"\s+".join(re.escape(word) for word in after.split()), QUICKSTART)[1]
    block = re.search(r"^```\n(.*?)^```$", text, re.M | re.S).group(1)
    return re.split(r"^ *\.\.\.\n", block, flags=re.M)


def test_the_quick_start(lab):
    """Its commands, one after another and as they stand, on a gateway as it describes."""
    site = Site(lab, [Uplink("fibre", "eth0", ["203.0.113.10/24"], ["203.0.113.1"]),
                      Uplink("cable", "eth1", ["192.0.2.10/24"], ["192.0.2.1"])],
                [Inside("lan0", ["192.168.1.1/24"], [Machine("web", ["192.168.1.10/24"])])], default=None)
    for i, (router, address) in enumerate((("203.0.113.1", "203.0.113.10"), ("192.0.2.1", "192.0.2.10"))):
        site.gw.ip(f"route add default via {router} dev eth{i} proto dhcp src {address} metric {i + 1}00")
    serve(site.web, tcp=[80, 443])
    before = dump(site.gw)
    assert site.web.run("ping -c1 -W3 192.168.1.1").returncode == 0  # so that the gateway has seen it

    box = Box(site.gw, "/etc")
    box.run("mount -t tmpfs tmpfs /var/lib && mkdir -p /etc/portreeve && rm -f /etc/portreeve/gateway.yaml")
    (config,) = re.findall(r"^```yaml\n(.*?)^```$", QUICKSTART, re.M | re.S)

    def edit(text):
        with open(f"{box.dir}/etc/portreeve/gateway.yaml", "w", encoding="utf-8") as file:
            file.write(text)

    daemon, printed = None, {}
    for block in re.findall(r"^```sh\n(.*?)^```$", QUICKSTART, re.M | re.S):
        for line in block.splitlines():
            line = line.split("#")[0].strip().removeprefix("sudo ")
            if line == "systemctl enable --now portreeve":
                daemon = box.popen(BINARY, "run")
                wait_for(lambda: box.run("test -S /run/portreeve/api.sock", check=False).returncode == 0,
                         "the daemon")
                box.run("ip link set lo up")
                assert "portreeve_uplink_up" in box.run("curl -sf http://127.0.0.1:9180/metrics").stdout
                if re.search(r"^  page +yes$", box.run(f"{BINARY} --version").stdout, re.M):
                    assert "<!doctype html>" in box.run("curl -sf http://127.0.0.1:9180/").stdout
            if line.startswith(NOT_HERE):
                continue
            verb = line.split()[1]
            if verb == "diff":  # the page says that the file was edited
                edit(config.replace("maps:\n", "maps:\n  other: {listen: 81/tcp, to: \"192.168.1.10:80\"}\n"))
            done = box.run(line.replace("portreeve", BINARY, 1), check=False)
            printed[verb] = done.stdout + done.stderr
            assert done.returncode == (1 if verb == "diff" else 0), f"# {line}\n{printed[verb]}"
            if verb == "init":
                file = box.run("cat /etc/portreeve/gateway.yaml").stdout
                assert all(piece in file for piece in shown("`# ?`:")), file
                edit(config)
            if verb == "apply":
                assert all(together(*(lambda a=a: ask(site.world, a, 80) for a in ("203.0.113.10", "192.0.2.10"))))
    assert shown("every map on every line:")[0] in printed["rehearse"]
    seconds = re.compile(r"\d+ m?s")
    assert seconds.sub("", shown("198.51.100.7 192.0.2.10:80")[0]) in seconds.sub("", printed["status"])
    assert printed["explain"].splitlines()[-1].startswith("works: ")
    assert daemon.wait(timeout=10) == 0  # `remove` ends it
    assert differences(before, dump(site.gw)) == []
