# SPDX-License-Identifier: GPL-2.0-or-later
"""What explain and trace say of the fast path, by the daemon and without it."""

import json

import pytest

from api import check, site_with_api
from daemon import Daemon
from gateway import ARTICLE
from lab import wait_for

CONFIG = ARTICLE.rstrip() + """
      udp: {listen: 53/udp, to: 192.168.0.2}
    gateway: {fastpath: tc}
    """
QUESTION = ("tcp", "100.100.100.100", "2.2.2.2:80")


@pytest.fixture
def site(lab):
    made = site_with_api(lab, tcp=[80], udp=[53])
    made.daemon = Daemon(made.portreeve, CONFIG)
    wait_for(lambda: made.portreeve.run("status", "--fastpath", check=False).returncode == 0,
             "the programs")
    return made


def explain(site, *words, live=False):
    """As JSON; the text's line says the same."""
    words = [*(["--live"] if live else []), *words]
    done = site.portreeve.run("explain", "--json", *words, check=False)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    text = site.portreeve.run("explain", *words, check=False).stdout
    lines = [line for line in text.splitlines() if line.startswith("fast path: ")]
    fast = told["fastpath"]
    if not fast:
        assert lines == []
        return None
    assert lines == [f"fast path: {({True: 'yes', False: 'no', None: 'unknown'})[fast['takes']]}: {fast['why']}"
                     + (f" ({fast['reason']})" if fast["reason"] else "")]
    return fast


@pytest.mark.parametrize("live", (False, True))
def test_of_one_connection(site, live):
    fast = explain(site, *QUESTION, live=live)
    assert fast == {"takes": True, "reason": None,
                    "why": "after the first packets, between eth1 (tc) and eth2 (tc)"}
    answers = [fast]
    for words, reason in ((("icmp", "100.100.100.100", "2.2.2.2"), "icmp"),
                          (("tcp", "100.100.100.100", "2.2.2.2:22"), "local"),
                          (("--size", "3000", *QUESTION), "mtu")):
        answers.append(explain(site, *words, live=live))
        assert (answers[-1]["takes"], answers[-1]["reason"]) == (False, reason)
    site.portreeve.run("fastpath", "off")
    answers.append(explain(site, *QUESTION, live=live))
    assert (answers[-1]["takes"], answers[-1]["reason"]) == (False, "off")
    counted = {p["reason"] for p in site.api.get("/v1/fastpath").json["passed"]}
    assert {a["reason"] for a in answers} - {None} <= counted
    check("GET", "/v1/explain", site.api.get("/v1/explain", proto="tcp", src=QUESTION[1], dst=QUESTION[2]))


def test_when_the_daemon_is_gone(site):
    """Its programs go on; where somebody took one off, that is said."""
    site.daemon.kill()
    assert explain(site, *QUESTION)["takes"] is True
    site.gw.run("tc qdisc del dev eth2 clsact")
    fast = explain(site, *QUESTION)
    assert (fast["takes"], fast["reason"]) == (False, "one-way")
    assert "eth2: no program is attached there" in fast["why"]


def test_not_wanted_not_told(site):
    site.portreeve.apply(ARTICLE)
    assert explain(site, *QUESTION) is None and explain(site, *QUESTION, live=True) is None


def test_trace_says_what_it_does_not_see(site):
    def told():
        done = site.portreeve.run("trace", "--seconds", "1", check=False)
        return "packets that take the fast path leave no trace" in done.stderr
    assert told()
    site.portreeve.run("fastpath", "off")
    assert not told()
