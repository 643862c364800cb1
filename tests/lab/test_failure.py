# SPDX-License-Identifier: GPL-2.0-or-later
"""When the system refuses: everything is as it was, the config line is named, exit 3. First with
each step made to fail (PORTREEVE_FAIL_AT), then with kernels that really refuse."""

import re
import subprocess

import pytest

from gateway import ARTICLE, BINARY, Portreeve
from lab import wait_for
from state import differences, dump
from topology import Site, telecom6, unicom6, lan, Machine
from traffic import Conversation, ask, dead, serve

SECOND = """
    uplinks:
      telecom: {interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}
      unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      web6: {listen: 80/tcp, to: "2001:db8:ff::2"}
      more: {listen: 81/tcp, to: 192.168.0.2}
    gateway: {guard: off}
    """

STEPS = ["memory", *(f"{kind}:{n}" for kind in ("route", "rule", "sysctl") for n in (1, 2, 3)),
         "nft", "conntrack"]


@pytest.fixture
def site(lab):
    made = Site(lab, [telecom6(), unicom6()],
                [lan(Machine("backend", ["192.168.0.2/24", "2001:db8:ff::2/64"]),
                     addresses=["192.168.0.1/24", "2001:db8:ff::1/64"])])
    serve(made.backend, tcp=[80, 81])
    for interface in ("eth0", "eth1"):
        made.gw.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 1)
    made.portreeve = Portreeve(made.gw)
    return made


def refused(site, config, **options):
    done = site.portreeve.apply(config, check=False, **options)
    assert done.returncode == 3, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("step", STEPS)
def test_first_apply(site, step):
    before = dump(site.gw)
    said = refused(site, SECOND, env={"PORTREEVE_FAIL_AT": step})
    assert differences(before, dump(site.gw)) == []
    if step.split(":")[0] in ("route", "rule", "sysctl"):
        assert re.search(r"gw\.yaml:\d+:\d+: error:", said), f"names no line: {said}"
    # Nothing is remembered that did not happen, and the next attempt works.
    site.portreeve.apply(SECOND)
    assert ask(site.world, "2.2.2.2", 81) and ask(site.world, "2001:db8:2::2", 80)
    site.portreeve.remove()
    assert differences(before, dump(site.gw)) == []


@pytest.mark.parametrize("step", ["memory", "route:1", "rule:1", "sysctl:1", "nft", "conntrack"])
def test_change(site, step):
    """From one config to another: the first is in force afterwards, and was all the time."""
    before = dump(site.gw)
    site.portreeve.apply(ARTICLE)
    first = dump(site.gw)
    stream = Conversation(site.world, "2.2.2.2", 80)
    refused(site, SECOND, env={"PORTREEVE_FAIL_AT": step})
    assert differences(*map(unordered, (first, dump(site.gw)))) == []
    assert site.portreeve.diff(ARTICLE).returncode == 0
    assert stream.alive()
    assert ask(site.world, "2.2.2.2", 80) and dead(site.world, "2.2.2.2", 81)
    site.portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def unordered(dumped):
    """What was put back has new handles, and objects of a table may stand in another order. (The
    order of rules does matter: that is what `diff` is asked about.)"""
    return {**dumped, "nft": sorted(line.split(" # handle")[0] for line in dumped["nft"])}


@pytest.mark.parametrize("step", ["rule:1", "route:2", "sysctl:1", "nft", "conntrack"])
def test_remove(site, step):
    """A removal that fails leaves everything in force; repeated, it leaves no trace."""
    before = dump(site.gw)
    site.portreeve.apply(ARTICLE)
    done = site.portreeve.remove(check=False, env={"PORTREEVE_FAIL_AT": step})
    assert done.returncode == 3
    assert site.portreeve.diff(ARTICLE).returncode == 0
    assert ask(site.world, "1.1.1.1", 80) and ask(site.world, "2.2.2.2", 80)
    site.portreeve.remove()
    assert differences(before, dump(site.gw)) == []


def test_unwritable_sysctl(site):
    """As in a container: /proc/sys is read-only in part."""
    before = dump(site.gw)
    conf = "/proc/sys/net/ipv4/conf/eth1"
    script = f"mount --bind {conf} {conf} && mount -o remount,ro,bind {conf} && exec \"$@\""
    done = site.gw.run(["unshare", "-m", "sh", "-c", script, "sh", BINARY, "apply",
                        site.portreeve.write(SECOND)],
                       check=False, env=site.portreeve.environment())
    assert done.returncode == 3, done.stderr
    assert re.search(r"gw\.yaml:3:\d+: error:.*eth1", done.stderr), done.stderr
    assert differences(before, dump(site.gw)) == []


def test_kernel_refuses_the_table(site):
    """A table of our name that belongs to a living process: the kernel says EPERM to all others."""
    owner = site.gw.popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    owner.stdin.write("add table inet portreeve { flags owner; }\n")
    owner.stdin.flush()
    wait_for(lambda: "portreeve" in site.gw.run("nft list tables").stdout, "the owned table")
    before = dump(site.gw)
    refused(site, SECOND)
    assert differences(before, dump(site.gw)) == []


TAKEN = {
    "70001": "route add default via 1.1.1.254 dev eth0 table 70001",
    "501": "rule add pref 501 from 10.9.9.9 lookup main",
}


@pytest.mark.parametrize("what", TAKEN)
def test_taken_by_another(site, what):
    """Another's routes in our table, another's rule at our preference: named, and what is another's
    stays. The kernel takes two rules at one preference, so that may go on."""
    site.gw.ip(TAKEN[what])
    before = dump(site.gw)
    done = site.portreeve.apply(ARTICLE, check=False)
    assert done.returncode in ((0, 1, 3) if what == "501" else (1, 3))
    assert what in done.stderr + done.stdout
    if done.returncode == 3:
        assert differences(before, dump(site.gw)) == []
    assert not [line for line in differences(before, dump(site.gw)) if "gone" in line]
    site.portreeve.remove()
    assert differences(before, dump(site.gw)) == []
    # `gateway:` has other numbers for it.
    moved = ARTICLE.replace("maps:", "gateway: {rules: 600, tables: 71000}\n    maps:")
    site.portreeve.apply(moved)
    assert ask(site.world, "1.1.1.1", 80) and ask(site.world, "2.2.2.2", 80)
    site.portreeve.remove()
    assert differences(before, dump(site.gw)) == []


UNFIT = {
    "no such interface": (ARTICLE.replace("eth1", "eth7"), 3),
    "no inside route": (ARTICLE.replace("192.168.0.2", "172.31.0.2"), 6),
}


@pytest.mark.parametrize("why", UNFIT)
def test_does_not_fit_this_machine(site, why):
    """The line of the file is named, and nothing is done."""
    config, line = UNFIT[why]
    before = dump(site.gw)
    done = site.portreeve.apply(config, check=False)
    assert done.returncode in (1, 2)
    assert f"gw.yaml:{line}:" in done.stderr, done.stderr
    assert differences(before, dump(site.gw)) == []


def test_bad_file(site):
    before = dump(site.gw)
    for config in (ARTICLE + "  nonsense: {}\n", "uplinks: [", ""):
        assert site.portreeve.apply(config, check=False).returncode == 2
    assert differences(before, dump(site.gw)) == []


def test_two_at_once(site):
    """Two applies at the same moment: one after the other, or one gives way; never half of each."""
    path = site.portreeve.write(SECOND)
    both = [site.gw.popen([BINARY, "apply", path], env=site.portreeve.environment(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    codes = [process.wait(10) for process in both]
    assert 0 in codes
    assert site.portreeve.diff(SECOND).returncode == 0
    assert ask(site.world, "2.2.2.2", 81)
