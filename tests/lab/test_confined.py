# SPDX-License-Identifier: GPL-2.0-or-later
"""What the running daemon may still do, what runs beside it, and that none of it outlives it.

Every daemon of the lab dies of a system call that is not on its list (gateway.py), so all other
tests are about that list too.
"""

import os
import re
import signal

import pytest

from api import site_with_api
from daemon import Daemon
from gateway import ARTICLE, UPLINKS
from lab import wait_for
from topology import CLIENT
from traffic import ask

NET_ADMIN_AND_RAW = f"{1 << 12 | 1 << 13:016x}"
NOTHING = f"{0:016x}"

HOOK = UPLINKS + """
    gateway: {hook: [%s], hook-timeout: %s}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
    """


@pytest.fixture
def site(lab):
    return site_with_api(lab, tcp=[80, 81])


def rights(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(re.findall(r"^(\w+):\s+(.*)$", status.read(), re.M))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return {int(child) for child in file.read().split()}


def name(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
        return comm.read().strip()


def gone(pid):
    try:
        return rights(pid)["State"].startswith("Z")
    except FileNotFoundError:
        return True


def script(site, text):
    path = site.lab.path("hook")
    with open(path, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def lines(site, what):
    try:
        with open(site.lab.path(what), encoding="ascii") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


# ---- rights ----

def test_what_it_keeps(site):
    daemon = Daemon(site.portreeve, ARTICLE)
    has = rights(daemon.process.pid)
    assert has["CapEff"] == has["CapPrm"] == has["CapBnd"] == NET_ADMIN_AND_RAW
    assert has["CapInh"] == has["CapAmb"] == NOTHING
    assert has["NoNewPrivs"] == "1"
    told = daemon.events("started")[0]["confined"]
    if b"__asan_init" in open(f"/proc/{daemon.process.pid}/exe", "rb").read():
        assert told == "false" and daemon.events("not-confined")
    else:
        assert has["Seccomp"] == "2" and told == "true"
        assert site.api.status()["confined"] is True
    daemon.stop()


def test_without_the_filter_it_says_so(site):
    daemon = Daemon(site.portreeve, ARTICLE, PORTREEVE_SECCOMP="off")
    assert rights(daemon.process.pid)["CapEff"] == NET_ADMIN_AND_RAW
    assert rights(daemon.process.pid)["Seccomp"] == "0"
    assert daemon.events("not-confined")[0]["kept"] == "system calls"
    assert site.api.status()["confined"] is False
    daemon.stop()


def test_the_processes_beside_it(site):
    """They hold none of its descriptors, and have what it was started with."""
    daemon = Daemon(site.portreeve, ARTICLE)
    beside = children(daemon.process.pid)
    assert {name(pid) for pid in beside} == {"portreeve-hooks", "portreeve-tools"}
    for pid in beside:
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2", "3"]
        assert rights(pid)["CapEff"] == rights("self")["CapEff"]
    daemon.stop()
    assert all(gone(pid) for pid in beside)


def test_a_hook_has_what_the_daemon_was_started_with(site):
    hook = script(site, f"grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status "
                        f">>{site.lab.path('log')}\n")
    daemon = Daemon(site.portreeve, HOOK % (hook, "5s"))
    daemon.wait_event("hook-done")
    got = dict(line.split(":\t") for line in lines(site, "log"))
    own = rights("self")
    assert got == {key: own[key] for key in ("CapEff", "NoNewPrivs", "Seccomp")}
    daemon.stop()


# ---- ends ----

@pytest.fixture
def busy(site):
    """A daemon whose hook runs, and all processes that there are."""
    hook = script(site, f"trap '' TERM HUP INT\nsleep 300 &\n"
                        f"echo $$ $! >{site.lab.path('log')}\nwait\n")
    site.daemon = Daemon(site.portreeve, HOOK % (hook, "5m"))
    started = wait_for(lambda: lines(site, "log"), "the hook")[0]
    site.beside = children(site.daemon.process.pid) | {int(pid) for pid in started.split()}
    assert len(site.beside) == 4 and not any(gone(pid) for pid in site.beside)
    return site


def test_killed_it_leaves_nobody_behind(busy):
    busy.daemon.kill()
    wait_for(lambda: all(gone(pid) for pid in busy.beside), "all to be gone")


def test_stopped_it_leaves_nobody_behind(busy):
    busy.daemon.stop()
    wait_for(lambda: all(gone(pid) for pid in busy.beside), "all to be gone")


def test_interrupted_at_the_terminal(busy):
    """^C reaches the whole group: the daemon ends in order, and takes the others with it."""
    os.killpg(busy.daemon.process.pid, signal.SIGINT)
    assert busy.daemon.process.wait(20) == 0, busy.daemon.text()
    wait_for(lambda: all(gone(pid) for pid in busy.beside), "all to be gone")


def test_without_the_process_that_runs_hooks(busy):
    """Somebody kills it: that is said, and the gateway goes on."""
    beside = children(busy.daemon.process.pid)
    spawner = next(pid for pid in beside if name(pid) == "portreeve-hooks")
    os.kill(spawner, signal.SIGKILL)
    assert "is gone" in busy.daemon.wait_event("hook-failed")["error"]
    assert ask(busy.world, "1.1.1.1", 80)
    busy.daemon.stop()
    for pid in busy.beside:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


# ---- what it takes others for, or cannot do ----

def test_rules_of_iptables_legacy(site):
    if site.gw.run("iptables-legacy -w -P FORWARD DROP", check=False).returncode != 0:
        pytest.skip("this kernel has no iptables-legacy")
    daemon = Daemon(site.portreeve, ARTICLE)
    told = site.api.get("/v1/explain", proto="tcp", src=f"{CLIENT}:4000", dst="2.2.2.2:80").json
    assert told["verdict"] == "broken", told
    found = site.api.get("/v1/findings").json["findings"]
    assert "legacy-iptables" in {finding["id"] for finding in found}
    daemon.stop()


def test_a_port_that_takes_more_rights(site):
    daemon = Daemon(site.portreeve, ARTICLE.rstrip() + """
    gateway: {metrics: 980}
    """)
    assert "ports below 1024" in daemon.wait_event("metrics-off")["error"]
    assert ask(site.world, "1.1.1.1", 80)
    daemon.stop()


def test_a_config_that_root_does_not_own(site):
    """Without the right to read everything, root reads like everyone."""
    path = site.portreeve.write(ARTICLE)
    os.chown(path, 65534, 65534)
    os.chmod(path, 0o600)
    daemon = Daemon(site.portreeve, ready=False)
    assert daemon.process.wait(20) == 2
    assert "Permission denied" in daemon.text() and "given up the right" in daemon.text()


def test_whose_session_it_is(site):
    """The daemon may not look into the process that asks, so who asks says it."""
    daemon = Daemon(site.portreeve, ARTICLE)
    config = "\n".join(line[4:] for line in ARTICLE.replace("80/tcp", "22/tcp").splitlines()) + "\n"
    cut = f"{CLIENT} 51234 2.2.2.2 22"
    assert site.api.post("/v1/apply", config, session=cut).status == 409
    silent = site.api.post("/v1/apply", config)
    assert silent.status == 200
    assert "is not known" in silent.json["diagnostics"][0]["message"]
    back = site.api.post("/v1/apply", config.replace("22/tcp", "80/tcp"), session="")
    assert back.status == 200 and not back.json["diagnostics"]
    daemon.stop()


# ---- checks ----

CHECK = """
    uplinks:
      telecom:
        interface: eth0
        gateway: 1.1.1.254
        check: {http: "http://nobody.invalid/", fall: 1}
      unicom:  {interface: eth1, gateway: 2.2.2.254}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
    """


def test_a_name_is_looked_up_in_a_thread(site):
    daemon = Daemon(site.portreeve, CHECK)
    reason = daemon.wait_event("uplink-down")["reason"]
    assert reason.endswith("Couldn't resolve host name"), reason
    daemon.stop()
