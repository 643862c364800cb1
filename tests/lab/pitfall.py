# SPDX-License-Identifier: GPL-2.0-or-later
"""Pitfalls in the lab: the symptom with real traffic, its name from the doctor, the printed cure.

    @pitfall(2)
    def reply_takes_the_default(lab):
        '''the one sentence that a failure shows'''
        site = article(lab)
        site.gw.iptables(...)
        return Broken(site, works=lambda: reaches(site, "2.2.2.2"))

A case builds a broken site. The harness then holds it to all of this, in order: `works()` is false;
doctor names exactly this pitfall (and `also`, where others are really there too) as an error or a
warning, with evidence; each command of the remedy runs as printed; `works()` is true; and doctor has
nothing to say any more. What most gateways lack, and no case is about unless it says so (ADVICE), may
be warned of all the time.
"""

import json
from dataclasses import dataclass, field

from gateway import Portreeve
from lab import wait_for
from topology import CLIENT, CLIENT6, Machine, Site, lan
from traffic import DEAD_S, Server, ask

CASES = []
ADVICE = {34, 35, 57}  # maps from the inside; the LAN open to an uplink's neighbours


@dataclass
class Broken:
    site: Site
    works: object  # (): does the traffic that is meant to work, work?
    also: set = field(default_factory=set)  # numbers of other pitfalls that are really there
    remains: set = field(default_factory=set)  # of those, what the remedy does not take away
    cure: object = None  # (remedy commands): where the commands are not for the gateway's shell
    after: object = None  # (): what has to happen before it works: a new connection, a retry
    arguments: tuple = ()  # of doctor, besides --json: a config file


def pitfall(number):
    def add(build):
        CASES.append((number, build))
        return build
    return add


def article(lab, backend_uses_gateway=False, forwarding=True, **options):
    """The article's network; backends answer on 80/tcp, 53/udp (see traffic.Server)."""
    inside = [lan(Machine("backend", ["192.168.0.2/24"], gateway=backend_uses_gateway))]
    site = Site(lab, inside=options.pop("inside", inside), **options)
    if forwarding:
        site.gw.sysctl("net.ipv4.ip_forward", 1)
    if "backend" in site.hosts:
        Server(site.backend, tcp=[80, 443], udp=[53, 5060])
    return site


def configure(site, *pieces):
    """Commands and nftables scripts, or lists of them, on the gateway."""
    for piece in pieces:
        for command in [piece] if isinstance(piece, str) else piece:
            if "{" in command:
                site.gw.nft(command)
            else:
                site.gw.run(command)


def gateway(lab, *pieces, **options):
    """The article's network, where the backend answers through the gateway, configured so."""
    options.setdefault("backend_uses_gateway", True)
    site = article(lab, **options)
    configure(site, *pieces)
    return site


def reaches(site, address, port=80, proto="tcp", host=None, timeout=DEAD_S):
    """Does a new connection from the world's client (or @host) get an answer?"""
    source = {} if host else {"source": CLIENT6 if ":" in address else CLIENT}
    return ask(host or site.world, address, port, proto, timeout=timeout, **source) is not None


def doctor(portreeve, *arguments):
    done = portreeve.run("doctor", "--json", *arguments, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return json.loads(done.stdout)["findings"]


def serious(findings):
    return {f["number"] for f in findings if f["severity"] in ("error", "warning")}


def hold(lab, number, build):
    """Everything that a case is held to."""
    broken = build(lab)
    portreeve = Portreeve(broken.site.gw)
    assert not broken.works(), "it is not broken"

    findings = doctor(portreeve, *broken.arguments)
    others = ADVICE - {number} - broken.also
    assert serious(findings) - others == {number} | broken.also, \
        [(f["number"], f["severity"], f["title"]) for f in findings]
    mine = [f for f in findings if f["number"] == number]
    assert all(f["evidence"] and f["name"] for f in mine)
    # What findings need alike is pasted once.
    remedy = list(dict.fromkeys(command for f in mine for command in f["remedy"]))
    assert remedy, f"nothing to paste: {mine}"

    if broken.cure:
        broken.cure(remedy)
    else:
        for command in remedy:
            broken.site.gw.run(["sh", "-c", command])
    if broken.after:
        broken.after()
    wait_for(broken.works, "cured: " + "; ".join(remedy), timeout=8)
    findings = doctor(portreeve, *broken.arguments)
    assert serious(findings) - others == broken.remains, \
        [(f["number"], f["severity"], f["title"], f["evidence"]) for f in findings]
