# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package through its life: installed, upgraded, removed, purged, under live connections."""

import re
import subprocess

import pytest

from state import differences, dump
from traffic import Conversation, ask

CONFIG = """\
uplinks:
  telecom: {interface: eth0, gateway: 1.1.1.254}
  unicom:  {interface: eth1, gateway: 2.2.2.254}
maps:
  web: {listen: 80/tcp, to: 192.168.0.2}
"""
FAST = CONFIG + "gateway: {fastpath: %s}\n"


def configure(machine, config=CONFIG):
    machine.write("/etc/portreeve/gateway.yaml", config)


def fastpath(machine):
    """By what the fast path is on eth1; and what else there may be of it."""
    filters = machine.run("tc", "filter", "show", "dev", "eth1", "ingress").stdout
    link = machine.run("ip", "-d", "link", "show", "dev", "eth1").stdout
    assert "portreeve_tc" in filters or "clsact" not in machine.run("tc", "qdisc").stdout
    return "tc" if "portreeve_tc" in filters else "xdp" if "prog/xdp" in link else None


def test_files(package):
    listing = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True,
                             text=True).stdout
    names = {line.split()[5].removeprefix(".") for line in listing.splitlines()}
    files = {name for name in names if not name.endswith("/")}
    assert "/etc/portreeve/" in names
    assert {"/usr/bin/portreeve", "/usr/lib/systemd/networkd.conf.d/portreeve.conf",
            "/usr/lib/sysusers.d/portreeve.conf", "/usr/share/man/man8/portreeve.8.gz",
            "/usr/share/man/man5/portreeve.yaml.5.gz",
            "/usr/share/bash-completion/completions/portreeve",
            "/usr/share/zsh/vendor-completions/_portreeve",
            "/usr/share/fish/vendor_completions.d/portreeve.fish",
            "/usr/share/portreeve/portreeve.schema.json",
            "/usr/share/doc/portreeve/README.Debian", "/usr/share/doc/portreeve/copyright",
            "/usr/share/doc/portreeve/examples/two-uplinks.yaml"} <= files
    units = {file for file in files if file.endswith(".service")}
    assert {unit.rsplit("/", 1)[1] for unit in units} == {"portreeve.service",
                                                          "portreeve-apply.service"}
    # Nothing that would be a conffile, a log, or the administrator's.
    assert not [file for file in files if file.startswith(("/etc", "/var", "/run", "/usr/local"))]


def test_installed_it_does_nothing_by_itself(machine, package):
    before = dump(machine.site.gw)
    machine.install(package)
    assert differences(before, dump(machine.site.gw)) == []
    assert not [call for call in machine.calls() if "start" in call]
    assert re.match(r"portreeve \d", machine.run("portreeve", "--version").stdout)
    assert re.search(r"^portreeve:", machine.read("/etc/group"), re.M)
    assert machine.run("ls", "/etc/portreeve").stdout == ""
    links = machine.sh("find /etc/systemd/system -name 'portreeve*'").stdout
    assert links == ""


def test_upgrade_keeps_connections(machine, package, newer):
    machine.install(package)
    configure(machine)
    machine.run("systemctl", "start", "portreeve.service")
    before = machine.read("/run/pid")
    talk = Conversation(machine.site.world, "2.2.2.2", 80)
    assert talk.alive()
    machine.calls()
    machine.install(newer)
    # Started again, and not stopped before.
    assert [call.split()[-2:] for call in machine.calls() if " is-" not in call] == [
        ["restart", "portreeve.service"]]
    assert machine.read("/run/pid") != before
    assert machine.run("portreeve", "status", check=False).returncode == 0
    assert talk.alive() and ask(machine.site.world, "2.2.2.2", 80)


def test_upgrade_starts_nothing_that_was_not_running(machine, package, newer):
    machine.install(package)
    configure(machine)
    machine.install(newer)
    assert not machine.has("/run/pid")


@pytest.mark.parametrize("fast", [None, "tc", "xdp"])
def test_removal_leaves_the_network_and_purge_takes_all(machine, package, fast):
    site = machine.site
    before = dump(site.gw)
    machine.install(package)
    configure(machine, FAST % fast if fast else CONFIG)
    machine.run("systemctl", "start", "portreeve.service")
    talk = Conversation(site.world, "2.2.2.2", 80)
    assert talk.alive() and fastpath(machine) == fast

    machine.run("dpkg", "--remove", "portreeve")
    assert ["stop", "portreeve.service"] in [call.split()[-2:] for call in machine.calls()]
    assert not machine.has("/usr/bin/portreeve") and machine.has("/etc/portreeve/gateway.yaml")
    assert machine.has("/run/systemd/networkd.conf.d/portreeve.conf")
    assert talk.alive() and ask(site.world, "1.1.1.1", 80) and ask(site.world, "2.2.2.2", 80)

    machine.run("dpkg", "--purge", "portreeve")
    assert differences(before, dump(site.gw)) == []
    assert fastpath(machine) is None
    for path in ("/etc/portreeve", "/var/lib/portreeve", "/run/portreeve",
                 "/run/systemd/networkd.conf.d/portreeve.conf"):
        assert not machine.has(path), path
    status = machine.run("dpkg-query", "-W", "-f", "${db:Status-Status}", "portreeve", check=False)
    assert status.stdout in ("", "not-installed")


def test_purge_at_once_and_without_a_daemon(machine, package):
    before = dump(machine.site.gw)
    machine.install(package)
    configure(machine)
    machine.run("portreeve", "apply")
    assert ask(machine.site.world, "2.2.2.2", 80)
    machine.run("dpkg", "--purge", "portreeve")
    assert differences(before, dump(machine.site.gw)) == []


def test_purge_leaves_others_alone(machine, package):
    gw = machine.site.gw
    gw.nft("add table inet mine; add chain inet mine c")
    gw.ip("rule add pref 600 from 10.9.0.0/16 lookup 77", "route add 10.8.0.0/16 dev eth2 table 77")
    before = dump(gw)
    machine.install(package)
    machine.run("dpkg", "--purge", "portreeve")
    assert differences(before, dump(gw)) == []
    machine.install(package)
    configure(machine)
    machine.run("portreeve", "apply")
    machine.run("dpkg", "--purge", "portreeve")
    assert differences(before, dump(gw)) == []


def test_purge_does_not_cut_the_session_that_it_runs_over(machine, package):
    gw = machine.site.gw
    before = dump(gw)
    machine.install(package)
    configure(machine)
    machine.run("portreeve", "apply")
    applied = dump(gw)
    # In by the uplink that main does not use for that client: its replies go home by our rules.
    session = "100.100.100.100 40000 2.2.2.2 22"
    refused = machine.run("dpkg", "--purge", "portreeve", check=False, SSH_CONNECTION=session)
    assert refused.returncode != 0 and "SSH session from 100.100.100.100" in refused.stderr
    assert differences(applied, dump(gw)) == [] and machine.has("/etc/portreeve/gateway.yaml")
    # Behind sudo, which drops the variable.
    refused = machine.run("sh", "-c", "env -u SSH_CONNECTION dpkg --purge portreeve; exit $?",
                          check=False, SSH_CONNECTION=session)
    assert refused.returncode != 0 and differences(applied, dump(gw)) == []
    # By the uplink of main's default route, nothing depends on them.
    machine.run("dpkg", "--purge", "portreeve",
                SSH_CONNECTION="100.100.100.100 40000 1.1.1.1 22")
    assert differences(before, dump(gw)) == []


def test_purge_waits_for_a_daemon_that_still_runs(machine, package):
    machine.install(package)
    configure(machine)
    machine.sh("setsid portreeve run >/run/log 2>&1 </dev/null & echo $! >/run/byhand\n"
               "until grep -q event=started /run/log; do sleep 0.02; done")
    applied = dump(machine.site.gw)
    refused = machine.run("dpkg", "--purge", "portreeve", check=False)
    assert refused.returncode != 0 and "portreeve run" in refused.stderr
    assert differences(applied, dump(machine.site.gw)) == []
    machine.sh("kill $(cat /run/byhand); while kill -0 $(cat /run/byhand) 2>&-; do sleep 0.02; done")
    machine.run("dpkg", "--purge", "portreeve")
    assert "portreeve" not in machine.run("nft", "list", "tables").stdout
