# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel holds: full dumps to compare, its ruleset generation, and what changes in it."""

import contextlib
import json
import os
import re
import socket
import struct

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1

# Links, addresses, routes, rules and per-interface settings of both families (linux/rtnetlink.h);
# the whole nftables subsystem (linux/netfilter/nfnetlink.h).
ROUTE_GROUPS = [1, 5, 7, 8, 9, 11, 19, 24, 25]
NFT_GROUPS = [7]

# Sysctls that move by themselves.
VOLATILE = ("net/netfilter/nf_conntrack_count", "net/ipv4/neigh", "net/ipv6/neigh")


def dump(host):
    """Everything that portreeve might have touched, comparable with ==."""
    return {
        "rules4": _json(host, "ip -4 -j rule show"),
        "rules6": _json(host, "ip -6 -j rule show"),
        "routes4": _routes(_json(host, "ip -4 -d -j route show table all")),
        "routes6": _routes(_json(host, "ip -6 -d -j route show table all")),
        "nft": _ruleset(host.run("nft -a list ruleset").stdout),
        "sysctl": sysctls(host),
    }


def differences(before, after):
    """Readable: what is in one dump and not in the other."""
    found = []
    for part in before:
        if before[part] == after[part]:
            continue
        if isinstance(before[part], dict):
            found += [f"{part}: {key}: {before[part].get(key)} -> {after[part].get(key)}"
                      for key in sorted(before[part].keys() | after[part].keys())
                      if before[part].get(key) != after[part].get(key)]
        else:
            found += [f"{part}: gone: {item}" for item in before[part] if item not in after[part]]
            found += [f"{part}: new: {item}" for item in after[part] if item not in before[part]]
            found = found or [f"{part}: another order"]
    return found


def sysctls(host):
    """All of net.*, as sysctl -a would say."""
    values = {}
    with host.inside():
        for directory, _, names in os.walk("/proc/sys/net"):
            for name in names:
                path = os.path.join(directory, name)
                key = path.removeprefix("/proc/sys/")
                if key.startswith(VOLATILE):
                    continue
                with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
                    values[key] = file.read().strip()
    return values


def nft_generation(host):
    """The ruleset's generation number: every committed transaction adds one."""
    nft_msg_getgen, nfta_gen_id = (10 << 8) | 16, 1
    with host.inside():
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    with sock:
        sock.send(struct.pack("=IHHII", 20, nft_msg_getgen, 1, 1, 0) + bytes(4))
        data = sock.recv(8192)
    offset = 20
    while offset < len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if kind == nfta_gen_id:
            return struct.unpack_from(">I", data, offset + 4)[0]
        offset += (length + 3) & ~3
    raise AssertionError("no generation in the answer")


class Watch:
    """Netlink notifications of a host from now on: empty when nobody changed anything."""

    def __init__(self, host):
        self._sockets = []
        for protocol, groups in ((NETLINK_ROUTE, ROUTE_GROUPS), (NETLINK_NETFILTER, NFT_GROUPS)):
            sock = host.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
            sock.bind((0, 0))  # a socket without a number of its own hears nothing
            for group in groups:
                sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
            sock.setblocking(False)
            self._sockets.append(sock)

    def messages(self):
        """(protocol, message type) of all that came since the last call."""
        found = []
        for sock in self._sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    data = sock.recv(65536)
                    while len(data) >= 16:
                        length, kind = struct.unpack_from("=IH", data)
                        found.append((sock.proto, kind))
                        data = data[(length + 3) & ~3:]
        return found


def connections(host, *arguments):
    """Lines of conntrack -L, with their ids."""
    listing = host.run(["conntrack", "-L", "-o", "id", *arguments], check=False).stdout
    return listing.splitlines()


def misrouted(host):
    """Packets of replies that left by another line than home, by uplink; from portreeve's table."""
    listing = _json(host, "nft -j list counters table inet portreeve")["nftables"]
    return {entry["counter"]["name"]: entry["counter"]["packets"]
            for entry in listing if "counter" in entry and "misrouted" in entry["counter"]["name"]}


def _json(host, command):
    return json.loads(host.run(command).stdout or "[]")


def _routes(routes):
    """Without the countdown of routes that a router advertised."""
    return [{key: value for key, value in route.items() if key != "expires"} for route in routes]


def _ruleset(text):
    """Lines with handles, but without counts, which traffic moves."""
    return re.sub(r"packets \d+ bytes \d+", "packets - bytes -", text).splitlines()
