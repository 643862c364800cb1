# SPDX-License-Identifier: GPL-2.0-or-later
"""Port mappings to measure with, and the config that has portreeve make them."""

import collections

from network import BACKEND, UPLINKS

FLOWS_PER_PORT = 50000  # as in generator.h
PUBLIC_PORT, BACKEND_PORT = 7000, 9000  # of UDP flows

Map = collections.namedtuple("Map", "protocol port backend backend_port")


def middle(n):
    """The port of many(n) that leads to the backend that is there."""
    return n // 2 + 1


def many(n):
    """TCP maps of ports 1 to n. The one in the middle leads to the backend's port 80, the others to
    backends that do not exist."""
    found = []
    for i in range(n):
        if i + 1 == middle(n):
            found.append(Map("tcp", i + 1, BACKEND, 80))
        else:
            found.append(Map("tcp", i + 1, f"192.168.{1 + i % 200}.{2 + i // 200 % 250}",
                             i * 7 % 65535 + 1))
    return found


def udp(flows):
    """What so many flows of the generator go through."""
    return [Map("udp", PUBLIC_PORT + i, BACKEND, BACKEND_PORT + i)
            for i in range((flows - 1) // FLOWS_PER_PORT + 1)]


def moved(maps, which, backend_port=9999):
    """The same, and one of them leads elsewhere."""
    return maps[:which] + [maps[which]._replace(backend_port=backend_port)] + maps[which + 1:]


def config(path, maps, gateway="", more=""):
    lines = ["uplinks:"]
    lines += [f"  {name}: {{interface: {dev}, gateway: {isp}}}" for name, dev, _, isp in UPLINKS]
    lines.append("maps:")
    for m in maps:
        lines.append(f'  {m.protocol}{m.port}: {{listen: {m.port}/{m.protocol}, '
                     f'to: "{m.backend}:{m.backend_port}"{more}}}')
    if gateway:
        lines.append(f"gateway: {{{gateway}}}")
    path.write_text("\n".join(lines) + "\n")
    return path
