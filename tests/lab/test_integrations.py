# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts for other tools, called as those tools call them, and the playbook's own commands."""

import glob
import json
import os
import subprocess

import pytest
import yaml

from api import site_with_api
from daemon import Daemon
from gateway import ARTICLE, BINARY, REPO
from traffic import ask

SHARE = REPO / "share"
PLAYBOOK = REPO / "examples" / "ansible" / "portreeve.yml"

# Of each script: the call when an uplink has come up, and calls by which it has nothing to do. Arguments
# and environment are those of interfaces(5), NetworkManager-dispatcher(8), networkd-dispatcher(8) and
# keepalived.conf(5).
IFUPDOWN = {"MODE": "start", "PHASE": "post-up", "IFACE": "eth1", "LOGICAL": "eth1",
            "ADDRFAM": "inet", "METHOD": "static", "VERBOSITY": "0"}
MANAGER = {"CONNECTION_ID": "unicom", "DEVICE_IFACE": "eth1", "DEVICE_IP_IFACE": "eth1",
           "NM_DISPATCHER_ACTION": "up", "IP4_NUM_ADDRESSES": "1",
           "IP4_ADDRESS_0": "2.2.2.2/24 2.2.2.254"}
NETWORKD = {"IFACE": "eth1", "STATE": "routable", "OperationalState": "routable",
            "AdministrativeState": "configured", "ADDR": "2.2.2.2", "IP_ADDRS": "2.2.2.2",
            "json": "{}"}
CALLS = {
    "ifupdown/if-up": (
        ([], IFUPDOWN),
        [([], {**IFUPDOWN, "IFACE": "lo", "LOGICAL": "lo", "METHOD": "loopback"}),
         ([], {**IFUPDOWN, "MODE": "stop", "PHASE": "post-down"})]),
    "networkmanager/90-portreeve": (
        (["eth1", "up"], MANAGER),
        [(["eth1", "pre-up"], MANAGER), (["eth1", "down"], MANAGER), (["lo", "up"], {}),
         (["none", "hostname"], {}), (["", "connectivity-change"], {})]),
    "networkd-dispatcher/50-portreeve": (
        ([], NETWORKD),
        [([], {**NETWORKD, "IFACE": "lo"})]),
    "keepalived/notify-portreeve": (
        (["INSTANCE", "unicom", "MASTER", "100"], {}),
        [(["INSTANCE", "unicom", state, "100"], {}) for state in ("BACKUP", "FAULT", "STOP", "DELETED")]),
}
SCRIPTS = sorted(CALLS)


class Caller:
    """Starts scripts in the gateway's namespace, with a PATH on which portreeve is."""

    def __init__(self, portreeve):
        self.portreeve = portreeve
        tools = portreeve.host.lab.path("bin")
        os.makedirs(tools)
        os.symlink(BINARY, os.path.join(tools, "portreeve"))
        ours = portreeve.environment()
        self.environment = {
            "PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin", "PORTREEVE_SHARE_DIR": str(SHARE),
            **{name: ours[name] for name in ("PORTREEVE_RUN_DIR", "PORTREEVE_STATE_DIR")}}

    @property
    def confirmed(self):
        # A network namespace that is not the machine's first has a directory of its own there.
        state = self.portreeve.state_dir
        return next(glob.iglob(f"{state}/netns-*/confirmed.yaml"), f"{state}/confirmed.yaml")

    def call(self, script, call, check=True):
        arguments, environment = call
        ours = {**self.environment, "PORTREEVE_CONFIRMED": self.confirmed}
        return self.portreeve.host.run([str(SHARE / script), *arguments], check=check,
                                       env={**ours, **environment})


@pytest.fixture
def site(lab):
    return site_with_api(lab, tcp=[80])


@pytest.fixture
def portreeve(site):
    return site.portreeve


@pytest.fixture
def caller(portreeve):
    return Caller(portreeve)


def works(site, address):
    return ask(site.world, address, 80) is not None


def way_out(site):
    """The default routes of the second uplink's own table."""
    return [route for route in json.loads(site.gw.run("ip -j route show table 70002").stdout)
            if route["dst"] == "default" and "gateway" in route]


def ruleset(site):
    return site.gw.run("nft list ruleset").stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_came_up_works_again(site, portreeve, caller, script):
    """An interface that went and came has lost its routes, and has them again; twice is once."""
    came_up, others = CALLS[script]
    portreeve.apply(ARTICLE)
    assert works(site, "2.2.2.2")
    site.gw.ip("link set eth1 down", "link set eth1 up")
    assert not way_out(site)
    for other in others:
        caller.call(script, other)
    assert not way_out(site)
    caller.call(script, came_up)
    assert way_out(site)
    assert works(site, "2.2.2.2")
    before = ruleset(site), portreeve.run("diff", portreeve.file).stdout
    assert "nothing" in caller.call(script, came_up).stdout
    assert (ruleset(site), portreeve.run("diff", portreeve.file).stdout) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_only_what_was_confirmed(site, portreeve, caller, script):
    """A file that somebody is editing is not put in force; nor is anything where nothing was."""
    came_up, _ = CALLS[script]
    portreeve.write(ARTICLE)
    assert caller.call(script, came_up).stdout == ""
    assert "portreeve" not in ruleset(site)
    portreeve.apply(ARTICLE)
    portreeve.write(ARTICLE.replace("80/tcp", "81/tcp"))
    caller.call(script, came_up)
    assert " 80 " in ruleset(site) and " 81 " not in ruleset(site)
    portreeve.remove()
    caller.call(script, came_up)
    assert "portreeve" not in ruleset(site)


def test_a_daemon_is_left_alone(site, portreeve, caller):
    portreeve.apply(ARTICLE)
    daemon = Daemon(portreeve, ARTICLE)
    before = site.api.status()["config"]
    for script in SCRIPTS:
        assert caller.call(script, CALLS[script][0]).stdout == ""
    assert site.api.status()["config"] == before
    # Of a daemon that was killed the socket is left.
    daemon.kill()
    site.gw.ip("link set eth1 down", "link set eth1 up")
    done = caller.call("ifupdown/if-up", CALLS["ifupdown/if-up"][0])
    assert way_out(site), done


def test_failures_are_told(portreeve, caller):
    """By exit status, but to ifupdown, which would say that the interface did not come up."""
    portreeve.apply(ARTICLE)
    with open(caller.confirmed, "w", encoding="ascii") as file:
        file.write("uplinks: [\n")
    for script in SCRIPTS:
        done = caller.call(script, CALLS[script][0], check=False)
        assert "error" in done.stderr, script
        assert (done.returncode == 0) == (script == "ifupdown/if-up"), (script, done)
        assert ("after ifup eth1" in done.stderr) == (script == "ifupdown/if-up")
    assert caller.call("keepalived/notify-portreeve", (["MASTER"], {}), check=False).returncode == 2
    # Arguments of one's own stand before keepalived's.
    done = caller.call("keepalived/notify-portreeve",
                       (["mine", "GROUP", "MASTER", "BACKUP", "0"], {}))
    assert done.stderr == ""


def test_scripts_can_be_executed():
    """NetworkManager takes none that others may write to."""
    for script in [*SCRIPTS, "follow"]:
        mode = os.stat(SHARE / script).st_mode
        assert mode & 0o111 == 0o111 and not mode & 0o022, script


# ---- the playbook ----

def play():
    with open(PLAYBOOK, encoding="utf-8") as file:
        made = yaml.safe_load(file)[0]
    return made, {task["name"]: task for task in made["tasks"] + made["handlers"]}


def in_lab(words, made, portreeve):
    """A command of the playbook as it is run here."""
    values = {"{{ portreeve_trial }}": str(made["vars"]["portreeve_trial"]),
              "/etc/portreeve/gateway.yaml": portreeve.file, "%s": portreeve.file,
              "portreeve": BINARY}
    return [values.get(word, word) for word in words]


def test_playbook_changes_once(site, portreeve):
    made, tasks = play()
    place, put = made["tasks"][:2]
    check = place["ansible.builtin.copy"]["validate"].split()
    assert place["ansible.builtin.copy"]["dest"] == put["ansible.builtin.command"]["argv"][-1]
    assert put["changed_when"] == "(applied.stdout | from_json).changed"
    confirm = tasks["Confirm"]["ansible.builtin.command"]["argv"]

    def run(words):
        return site.gw.run(in_lab(words, made, portreeve), check=False,
                           env=portreeve.environment())

    portreeve.write(ARTICLE.replace("192.168.0.2", "nowhere"))
    assert run(check).returncode == 1
    portreeve.write(ARTICLE)
    assert run(check).returncode == 0
    first = run(put["ansible.builtin.command"]["argv"])
    assert first.returncode == 0, first
    answer = json.loads(first.stdout)
    assert answer["changed"] is True
    assert answer["confirm_within"] == made["vars"]["portreeve_trial"]
    assert run(confirm).returncode == 0
    again = run(put["ansible.builtin.command"]["argv"])
    assert again.returncode == 0 and json.loads(again.stdout)["changed"] is False
    assert run(confirm).returncode == 1  # there is nothing to confirm


def test_playbook_confirms_only_what_can_be_reached():
    """The connection is let go of, a new one is waited for, and then comes the confirmation."""
    made, tasks = play()
    assert made["tasks"][-1]["ansible.builtin.meta"] == "reset_connection"
    asked_for = made["tasks"][1]["notify"]
    assert [handler["listen"] for handler in made["handlers"]] == [asked_for] * 2
    assert "ansible.builtin.wait_for_connection" in made["handlers"][0]
    assert made["handlers"][1] is tasks["Confirm"]
    # Two minutes must be enough to find out that it cannot be reached.
    waits = made["handlers"][0]["ansible.builtin.wait_for_connection"]["timeout"]
    assert waits < made["vars"]["portreeve_trial"]


# ---- OpenWrt ----

def test_openwrt_script_is_shell():
    """It could not be tried on a router: that it parses is all that is known here."""
    done = subprocess.run(["sh", "-n", str(SHARE / "openwrt" / "portreeve.init")])
    assert done.returncode == 0


FW4 = """table inet fw4
    flush table inet fw4
    table inet fw4 {
        chain forward {
            type filter hook forward priority filter; policy drop;
            %s
            ct state established,related accept
            iifname "eth2" jump forward_lan
            iifname { "eth0", "eth1" } jump forward_wan
            jump handle_reject
        }
        chain handle_reject {
            meta l4proto tcp reject with tcp reset
            reject
        }
        chain forward_lan { jump accept_to_wan; }
        chain accept_to_wan { oifname { "eth0", "eth1" } counter accept; }
        chain forward_wan { jump reject_to_wan; }
        chain reject_to_wan { oifname { "eth0", "eth1" } counter jump handle_reject; }
        chain srcnat {
            type nat hook postrouting priority srcnat; policy accept;
            oifname { "eth0", "eth1" } meta nfproto ipv4 masquerade
        }
    }
    """
# mwan3's part in this: a connection's line is kept in its own bits, and restored in both directions.
MWAN3 = ("-t mangle -A PREROUTING -m mark --mark 0x0/0x3f00 -j CONNMARK --restore-mark"
         " --nfmask 0x3f00 --ctmask 0x3f00",
         "-t mangle -A PREROUTING -i eth0 -m mark --mark 0x0/0x3f00 -j MARK --set-xmark 0x100/0x3f00",
         "-t mangle -A PREROUTING -i eth1 -m mark --mark 0x0/0x3f00 -j MARK --set-xmark 0x200/0x3f00",
         "-t mangle -A PREROUTING -j CONNMARK --save-mark --nfmask 0x3f00 --ctmask 0x3f00")


def test_beside_openwrt(site, portreeve):
    """What docs/openwrt.md says of fw4 and mwan3, with rules like those that they make."""
    site.gw.iptables(*MWAN3)
    for number, (interface, router) in enumerate((("eth0", "1.1.1.254"), ("eth1", "2.2.2.254")), 1):
        site.gw.ip(f"route add default via {router} dev {interface} table {number}",
                   f"route add 192.168.0.0/24 dev eth2 table {number}",
                   f"rule add pref {1000 + number} iif {interface} lookup {number}",
                   f"rule add pref {2000 + number} fwmark {number << 8:#x}/0x3f00 lookup {number}",
                   f"rule add pref {3000 + number} fwmark {number << 8:#x}/0x3f00 unreachable")
    site.gw.nft(FW4 % "")
    told = portreeve.check(ARTICLE, "--live", check=False)
    assert told.returncode == 1 and "fw4" in told.stderr + told.stdout, told
    portreeve.apply(ARTICLE, check=False)
    assert not works(site, "1.1.1.1") and not works(site, "2.2.2.2")
    site.gw.nft(FW4 % 'ct status dnat accept comment "portreeve"')
    assert works(site, "1.1.1.1") and works(site, "2.2.2.2")
    assert portreeve.check(ARTICLE, "--live", check=False).returncode == 0
    assert site.foreign("telecom") == 0 and site.foreign("unicom") == 0
