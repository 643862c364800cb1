# SPDX-License-Identifier: GPL-2.0-or-later
"""Putting a case into a World, and taking the dumps that people take."""

import glob
import json
import os
import re
import time

import netns

# Of chains with one priority the one registered last comes first, which no dump tells of legacy and nft:
# the walk takes legacy's to be the older ones.
_RESTORE = ("iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft")
_SYSCTLS = (
    "net/ipv4/ip_forward", "net/ipv4/fwmark_reflect", "net/ipv4/tcp_fwmark_accept",
    "net/ipv4/fib_multipath_hash_policy", "net/ipv6/fwmark_reflect",
    "net/netfilter/nf_conntrack_tcp_loose", "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/ipv4/ip_forward_use_pmtu", "net/ipv4/ip_nonlocal_bind",
)
_CONF = {"ipv4": ("accept_local", "forwarding", "rp_filter", "route_localnet", "send_redirects",
                  "shared_media", "src_valid_mark", "ignore_routes_with_linkdown", "arp_filter",
                  "arp_ignore", "arp_announce", "log_martians", "proxy_arp"),
         "ipv6": ("forwarding", "disable_ipv6", "accept_ra", "ignore_routes_with_linkdown")}
_REFUSED = re.compile(r"(?:/dev/stdin:|line:? )(\d+)")
_TRIES = 6


def load(world, case):
    """Make the gateway what the case says. LoadError: it cannot be."""
    world.ip(case["ip"])
    _await_ipv6()
    for path, value in case["sysctl"]:
        netns.write_sysctl(path, value)
    # What contradicts itself (a next hop without a route to it) is left out by ip: the state is
    # what the kernel has in the end, and that is what is dumped.
    world.ip(case["ip4"], 4, check=False)
    world.ip(case["ip6"], 6, check=False)
    if case["ipset"]:
        netns.tool(["ipset", "restore"], _text(case["ipset"]))
    for name in _RESTORE:
        _load_rules(case, name, [name + "-restore"])
    _load_rules(case, "nft", ["nft", "-f", "-"])


def change(world, case):
    """What became of the rules after the first connections: others for those of nft, and tables of
    iptables in place of those of that name; ip rules in addition."""
    tables = [line.split(maxsplit=1)[1] for line in case["nft"]
              if line.startswith("add table") and "nat_stays" not in line]
    if tables:
        netns.tool(["nft", "-f", "-"], _text(["delete " + t for t in tables]))
    world.ip(case["then-ip4"], 4, check=False)
    world.ip(case["then-ip6"], 6, check=False)
    for name in _RESTORE:
        _load_rules(case, "then-" + name, [name + "-restore"])
    _load_rules(case, "then-nft", ["nft", "-f", "-"])


def _await_ipv6():
    """A new IPv6 address gets its local route from a work queue, a moment later."""
    deadline = time.monotonic() + 2
    while True:
        with open("/proc/thread-self/net/if_inet6", encoding="ascii") as f:
            wanted = {line.split()[0] for line in f}
        with open("/proc/thread-self/net/ipv6_route", encoding="ascii") as f:
            there = {fields[0] for fields in map(str.split, f) if fields[1] == "80"}
        if wanted <= there:
            return
        if time.monotonic() > deadline:
            raise netns.LoadError("IPv6 addresses do not get their routes")


def _load_rules(case, name, argv):
    """Load a rule set. Lines that the tool refuses (random rules may contradict themselves) are taken
    out of the case: what is left is the case."""
    for _ in range(_TRIES):
        if not case[name]:
            return
        try:
            netns.tool(argv, _text(case[name]))
            return
        except netns.LoadError as e:
            bad = {int(n) for n in _REFUSED.findall(str(e))}
            keep = [line for n, line in enumerate(case[name], 1)
                    if n not in bad or " rule " not in line and not line.startswith("-A")]
            if len(keep) == len(case[name]):
                raise
            case.setdefault("refused", []).extend(
                line for n, line in enumerate(case[name], 1) if n in bad)
            case[name] = keep
    raise netns.LoadError(f"{name}: too much is refused")


def _text(lines):
    return "\n".join(lines) + "\n"


def _write(directory, name, text):
    with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
        f.write(text)


def sysctl_text():
    """The lines of `sysctl -a` that say something about packets' ways."""
    paths = ["/proc/sys/" + p for p in _SYSCTLS]
    for family, keys in _CONF.items():
        for directory in sorted(glob.glob(f"/proc/sys/net/{family}/conf/*")):
            paths += [f"{directory}/{key}" for key in keys]
    lines = []
    for path in paths:
        try:
            with open(path, encoding="ascii") as f:
                value = f.read().strip()
        except OSError:
            continue
        lines.append(f"{path[len('/proc/sys/'):].replace('/', '.')} = {value}")
    return _text(lines)


def dump(case, directory):
    """The dumps of the namespace that this thread is in."""
    text = case["dumps"] == "text"
    ending, option = ("txt", []) if text else ("json", ["-j"])

    def ip(name, *words):
        _write(directory, f"{name}.{ending}", netns.tool(["ip", *option, *words]))

    ip("ip-link", "-d", "link", "show")
    ip("ip-addr", "addr", "show")
    ip("ip-rule", "-4", "rule", "show")
    ip("ip6-rule", "-6", "rule", "show")
    ip("ip-route", "-4", "route", "show", "table", "all")
    ip("ip6-route", "-6", "route", "show", "table", "all")
    ip("ip-neigh", "neigh", "show")
    _write(directory, "sysctl.txt", sysctl_text())
    nft = netns.tool(["nft", "list", "ruleset"] if text else ["nft", "-j", "list", "ruleset"])
    _write(directory, "nft.txt" if text else "nft.json", nft)
    for family in ("ip", "ip6"):
        for kind in ("nft", "legacy"):
            name = f"{family}tables-save.txt" if kind == "nft" else f"{family}tables-legacy-save.txt"
            _write(directory, name, netns.tool([f"{family}tables-{kind}-save", "-c"]))
    _write(directory, "ipset.txt", netns.tool(["ipset", "save"]))
    _write(directory, "conntrack.txt", "".join(
        netns.tool(["conntrack", "-L", "-f", family]) for family in ("ipv4", "ipv6")))
    _write(directory, "meta.json", json.dumps({"kernel": " ".join(os.uname()[::2])}))
