# SPDX-License-Identifier: GPL-2.0-or-later
"""Going back: unless confirmed in time, also when the terminal dies; on request; and the refusal to
cut the admin's own session."""

import os
import re
import signal
import subprocess
import time

import pytest

from gateway import ARTICLE, BINARY, UPLINKS, Portreeve
from lab import wait_for
from state import differences, dump
from topology import CLIENT, Site
from traffic import ask, dead, serve

SECOND = ARTICLE.rstrip() + """
      more: {listen: 81/tcp, to: 192.168.0.2}
    """
SSH = UPLINKS + """
    maps:
      ssh: {listen: 22/tcp, to: 192.168.0.2}
    """


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[22, 80, 81])
    made.portreeve = Portreeve(made.gw)
    made.gw.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    return made


def applied(site):
    return "inet portreeve" in site.gw.run("nft list tables").stdout


def answers(site, port):
    return ask(site.world, "2.2.2.2", port, timeout=1) is not None


class Armed:
    """`apply --confirm`, started as from a terminal, whether it waits there or comes back."""

    def __init__(self, site, config, seconds):
        portreeve = site.portreeve
        self.process = site.gw.popen(
            [BINARY, "apply", "--confirm", str(seconds), portreeve.write(config)],
            env=portreeve.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_goes_back_to_nothing(site):
    before = dump(site.gw)
    Armed(site, ARTICLE, 1)
    wait_for(lambda: applied(site), "the config in force")
    assert answers(site, 80)
    wait_for(lambda: not applied(site), "the time to be up")
    wait_for(lambda: differences(before, dump(site.gw)) == [], "everything as before")
    assert dead(site.world, "2.2.2.2", 80)


def test_goes_back_to_the_config_before(site):
    site.portreeve.apply(ARTICLE)
    Armed(site, SECOND, 1)
    wait_for(lambda: answers(site, 81), "the new map", interval=0.05)
    wait_for(lambda: dead(site.world, "2.2.2.2", 81), "the new map to go")
    assert answers(site, 80)
    wait_for(lambda: site.portreeve.diff(ARTICLE, check=False).returncode == 0,
             "the config before in force")


def test_confirmed_stays(site):
    Armed(site, ARTICLE, 2)
    wait_for(lambda: applied(site), "the config in force")
    site.portreeve.confirm()
    # Past the deadline, by a margin that a late guard would need.
    time.sleep(2.5)
    assert applied(site) and answers(site, 80)
    assert site.portreeve.diff(ARTICLE).returncode == 0


@pytest.mark.parametrize("death", (signal.SIGHUP, signal.SIGKILL))
def test_the_terminal_dies(site, death):
    """The session's whole process group goes, as when ssh is cut by the very change."""
    before = dump(site.gw)
    armed = Armed(site, ARTICLE, 1)
    wait_for(lambda: applied(site), "the config in force")
    try:
        os.killpg(armed.process.pid, death)
    except ProcessLookupError:
        pass  # it has come back already: then nothing of it is in the group any more
    wait_for(lambda: not applied(site), "the time to be up")
    wait_for(lambda: differences(before, dump(site.gw)) == [], "everything as before")


def test_remove_while_armed(site):
    """Nothing rises from the dead when the time is up."""
    site.portreeve.apply(ARTICLE)
    Armed(site, SECOND, 1)
    wait_for(lambda: answers(site, 81), "the new map", interval=0.05)
    site.portreeve.remove()
    time.sleep(1.5)
    assert not applied(site)


def test_confirm_without_anything_to_confirm(site):
    assert site.portreeve.confirm(check=False).returncode == 1
    site.portreeve.apply(ARTICLE)
    assert site.portreeve.confirm(check=False).returncode == 1
    assert applied(site)


def test_confirm_refuses_what_is_no_time(site):
    before = dump(site.gw)
    for value in ("0", "-1", "soon", ""):
        assert site.portreeve.apply(ARTICLE, "--confirm", value, check=False).returncode == 2
    assert differences(before, dump(site.gw)) == []


def test_rollback(site):
    before = dump(site.gw)
    site.portreeve.apply(ARTICLE)
    site.portreeve.apply(SECOND)
    assert answers(site, 81)
    site.portreeve.rollback()
    assert dead(site.world, "2.2.2.2", 81) and answers(site, 80)
    assert site.portreeve.diff(ARTICLE).returncode == 0
    site.portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_rollback_of_the_first_apply(site):
    before = dump(site.gw)
    site.portreeve.apply(ARTICLE)
    site.portreeve.rollback()
    assert differences(before, dump(site.gw)) == []


def test_rollback_of_a_removal(site):
    site.portreeve.apply(ARTICLE)
    site.portreeve.remove()
    assert not applied(site)
    site.portreeve.rollback()
    assert answers(site, 80)
    assert site.portreeve.diff(ARTICLE).returncode == 0


def test_rollback_while_armed(site):
    """At once, and the guard that was armed does nothing more."""
    site.portreeve.apply(ARTICLE)
    Armed(site, SECOND, 1)
    wait_for(lambda: answers(site, 81), "the new map", interval=0.05)
    site.portreeve.rollback()
    assert site.portreeve.diff(ARTICLE).returncode == 0
    site.portreeve.apply(SECOND)
    time.sleep(1.5)
    assert site.portreeve.diff(SECOND).returncode == 0


def test_rollback_of_nothing(site):
    before = dump(site.gw)
    assert site.portreeve.rollback(check=False).returncode == 1
    assert differences(before, dump(site.gw)) == []


def session(address="2.2.2.2", port=22):
    return {"SSH_CONNECTION": f"{CLIENT} 51234 {address} {port}"}


class TestAdminsOwnSession:
    def test_refused(self, site):
        before = dump(site.gw)
        done = site.portreeve.apply(SSH, check=False, env=session())
        assert done.returncode == 1
        assert "ssh" in done.stderr.lower() and "--force" in done.stderr
        assert "2.2.2.2 port 22" in done.stderr
        assert "listen: 22/tcp" in done.stderr  # the line of the file that does it
        assert differences(before, dump(site.gw)) == []

    def test_refused_on_another_port_in_a_range(self, site):
        config = SSH.replace("22/tcp", "2000-2300/tcp")
        assert site.portreeve.apply(config, check=False, env=session(port=2222)).returncode == 1
        assert not applied(site)

    @pytest.mark.parametrize("option", (["--force"], ["--confirm", "30"]))
    def test_unless_told_otherwise(self, site, option):
        process = site.gw.popen([BINARY, "apply", *option, site.portreeve.write(SSH)],
                                env=site.portreeve.environment(**session()))
        wait_for(lambda: applied(site), "the config in force")
        wait_for(lambda: answers(site, 22), "the map to lead to the backend")
        if option[0] == "--confirm":
            site.portreeve.confirm()
        assert process.wait(5) == 0

    @pytest.mark.parametrize("env", (session(address="192.168.0.1"), session(port=2222)))
    def test_other_sessions_are_not_in_the_way(self, site, env):
        """One from the inside, and one to a port that is not mapped."""
        site.portreeve.apply(SSH, env=env)
        assert answers(site, 22)

    def test_a_session_that_is_not_on_a_listening_line(self, site):
        site.portreeve.apply(SSH.replace("192.168.0.2", "192.168.0.2, on: unicom"),
                             env=session(address="1.1.1.1"))
        assert answers(site, 22)

    def test_once_applied_the_same_config_is_no_danger(self, site):
        """The session that is open now goes through the map already, or would be cut already."""
        site.portreeve.apply(SSH, "--force", env=session())
        assert site.portreeve.apply_json(SSH, env=session())["changed"] is False


def test_check_live_names_shadowed_services(site):
    """A listening socket of the gateway that a map would take connections from."""
    serve(site.gw, tcp=[22])
    done = site.portreeve.check(SSH, "--live", check=False)
    assert re.search(r"\b22\b.*listen|listen.*\b22\b", done.stdout + done.stderr), done
    # And only those.
    done = site.portreeve.check(SSH.replace("22/tcp", "23/tcp"), "--live")
    assert done.returncode == 0 and not re.search(r"\blisten(s|ing)?\b", done.stdout)
