# SPDX-License-Identifier: GPL-2.0-or-later
"""What is to be reached, as ratios of medians of one run, and whether it was."""

import dataclasses
import pathlib

import contenders

TITLES = {c.name: c.title for c in contenders.everybody("", pathlib.Path())}


@dataclasses.dataclass
class Target:
    what: str
    least: float
    stretch: float
    ratio: object = None  # None: not measured, and why
    low: object = None  # of single runs, each against its neighbour of the same run
    high: object = None
    why: str = ""
    part: str = ""  # of the benchmark
    command: str = ""

    @property
    def verdict(self):
        if self.ratio is None:
            return f"not measured: {self.why}"
        if self.ratio >= self.stretch:
            return "reached, stretch too"
        return "reached" if self.ratio >= self.least else "not reached"


def fill(target, over, under):
    """@over, @under: spreads, or texts that say why there is none."""
    for one in (over, under):
        if isinstance(one, str):
            target.why = one
            return target
    pairs = [a / b for a, b in zip(over["samples"], under["samples"]) if b]
    if pairs and under["median"]:
        target.ratio = over["median"] / under["median"]
        target.low, target.high = min(pairs), max(pairs)
    else:
        target.why = "nothing got through"
    return target


def lower(targets):
    """Of two directions the worse one counts."""
    known = [t for t in targets if t.ratio is not None]
    return min(known, key=lambda t: t.ratio) if len(known) == len(targets) else \
        next(t for t in targets if t.ratio is None)


def packet_figure(result, name, flows, way):
    part = result.get("packets")
    if not part:
        return "no packets were sent in this run"
    if str(flows) in part.get("skipped_flows", {}):
        return part["skipped_flows"][str(flows)]
    if name in part.get("skipped", {}):
        return f"{TITLES[name]}: {part['skipped'][name]}"
    found = part.get("flows", {}).get(str(flows), {}).get(name)
    return found[way] if found else f"{TITLES[name]} with {flows:,} flows was not part of this run"


def packets(result, what, least, stretch, over, under):
    """@over, @under: (contender, flows)"""
    both = [fill(Target(f"{what} ({way})", least, stretch), packet_figure(result, *over, way),
                 packet_figure(result, *under, way)) for way in ("requests", "replies")]
    worse = lower(both)
    counts = sorted({over[1], under[1]})
    worse.part = "packets"
    worse.command = f"bench/run --only packets --flows {','.join(str(n) for n in counts)}"
    return worse


def plain(target, figures, skipped, over, under):
    """@figures: {key: spread}; @skipped: {key: reason}"""
    def figure(key):
        return figures.get(key) or skipped.get(key) or f"{key} was not part of this run"

    return fill(target, figure(over), figure(under))


def faster(figures, *keys):
    """Of several that do alike the one that does it best."""
    return max(keys, key=lambda key: figures[key]["median"] if key in figures else 0)


def table(result):
    def streams(n):
        part = result.get("streams", {})
        what = f"tc vs nft by hand, bulk TCP, {n} stream{'s' * (n > 1)}"
        return plain(Target(what, 1.15, 1.3, part="streams", command="bench/run --only streams"),
                     part.get("streams", {}).get(str(n), {}), part.get("skipped", {}),
                     "portreeve-tc", "nft")

    def conns(what, least, stretch, kind, over, under, counts):
        part = result.get("connections", {}).get(kind, {})
        under = under if isinstance(under, str) else faster(part.get("contenders", {}), *under)
        return plain(Target(what, least, stretch, part="connections",
                            command=f"bench/run --only connections --maps {counts}"),
                     part.get("contenders", {}), part.get("skipped", {}), over, under)

    return [
        packets(result, "XDP vs nft by hand, 64 bytes, 50,000 flows", 5, 6,
                ("portreeve-xdp", 50000), ("nft", 50000)),
        packets(result, "XDP vs a bare XDP redirect, 50,000 flows", 0.70, 0.85,
                ("portreeve-xdp", 50000), ("redirect", 50000)),
        packets(result, "tc vs nft by hand, 64 bytes, 50,000 flows", 2.1, 2.5,
                ("portreeve-tc", 50000), ("nft", 50000)),
        packets(result, "tc vs plain forwarding without NAT, 50,000 flows", 0.9, 1.1,
                ("portreeve-tc", 50000), ("forward", 50000)),
        streams(1), streams(8),
        packets(result, "XDP, 500,000 flows vs 50,000", 0.8, 0.95,
                ("portreeve-xdp", 500000), ("portreeve-xdp", 50000)),
        packets(result, "fast path off vs nft by hand, packets, 50,000 flows", 1.0, 1.05,
                ("portreeve", 50000), ("nft", 50000)),
        conns("fast path off vs nft by hand, connections", 1.0, 1.05, "bare", "portreeve 1", "nft 1",
              "1"),
        conns("connections a second, 65,535 maps vs 1", 0.97, 1.0, "bare", "portreeve 65535",
              "portreeve 1", "1,65535"),
        conns("HTTP requests a second vs HAProxy", 1.0, 1.3, "http", "portreeve 1", "haproxy 1", "1"),
        conns("HTTP requests a second vs nginx stream", 1.0, 1.3, "http", "portreeve 1", "nginx 1", "1"),
    ] + [
        conns(f"{what} a second vs the better iptables, {maps:,} maps", 3.3, stretch, kind,
              f"portreeve {maps}", (f"iptables-legacy {maps}", f"iptables-nft {maps}"), str(maps))
        for kind, what in (("bare", "connections"), ("http", "HTTP requests"))
        for maps, stretch in ((10000, 3.3), (65535, 10))
    ]
