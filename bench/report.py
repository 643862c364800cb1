# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as text for a terminal."""

import control
import daemon
import explain
import targets
from targets import TITLES

NAME = 26
ENOUGH_FLOWS = 10000  # with fewer, a few megabytes of memory drown in what else goes on


def si(value):
    """Four figures at most: 2.31 M, 345 k, 87"""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def us(ns):
    return f"{ns / 1000:.3g}"


def title(key):
    """portreeve-tc 1000 -> portreeve, tc; 1,000 maps"""
    name, _, maps = key.partition(" ")
    return TITLES[name] + (f"; {int(maps):,} map{'s' * (maps != '1')}" if maps else "")


def cell(v, base=None):
    text = f"{si(v['median']):>7} ({si(v['min'])}-{si(v['max'])})"
    if base and base["median"]:
        text += f" {v['median'] / base['median']:5.2f} x"
    return f"{text:32}"


def cost_ns(part, count, name, way):
    """What the gateway takes for a packet: the time of one, less that of making and counting it."""
    figures = part["flows"][count]
    if "generator" not in figures or not figures[name][way]["median"]:
        return None
    return 1e9 / figures[name][way]["median"] - 1e9 / figures["generator"][way]["median"]


def skipped(reasons):
    for name, reason in reasons.items():
        print(f"  {'SKIP':{NAME}} {title(name) if name.split()[0] in TITLES else name}: {reason}")


def packets(part):
    rates(part)
    latency(part)
    if "memory" in part:
        memory(part["memory"])
    skipped(part.get("skipped", {}))
    for count, reason in part.get("skipped_flows", {}).items():
        print(f"  {'SKIP':{NAME}} {int(count):,} flows: {reason}")


def rates(part):
    for count, figures in part.get("flows", {}).items():
        n = int(count)
        print(f"\n64-byte UDP packets a second, {n:,} flow{'s' * (n != 1)}; x: against nft by hand;"
              "\nns: of the gateway's processor for a packet\n")
        print(f"  {'':{NAME}} {'requests':32} {'ns':>6}  {'replies':32} {'ns':>6}")
        for name, v in figures.items():
            line = f"  {TITLES[name]:{NAME}}"
            for way in ("requests", "replies"):
                cost = cost_ns(part, count, name, way)
                line += f" {cell(v[way], figures.get('nft', {}).get(way))}"
                line += f" {cost:6.0f} " if cost is not None else f" {'':6} "
            print(line.rstrip())


def latency(part):
    detail = str(part.get("detail"))
    if detail in part.get("flows", {}):
        print(f"\nlatency at half of that rate, {int(detail):,} flows, us: half of the packets, 90 %, "
              "99 %, 99.9 %\n")
        for name, v in part["flows"][detail].items():
            line = f"  {TITLES[name]:{NAME}}"
            for way in ("requests", "replies"):
                late = v.get(f"{way}_latency_ns", {})
                line += f" {way}" + "".join(f" {us(late[p]['median']):>6}" for p in late) + "   "
            print(line.rstrip())


def memory(part):
    if part["flows"] < ENOUGH_FLOWS:
        return
    print(f"\nmemory of the kernel a flow, at {part['flows']:,} flows, and BPF maps in all\n")
    for name, v in part["contenders"].items():
        print(f"  {TITLES[name]:{NAME}} {v['bytes_per_flow']['median']:6.0f} bytes"
              f"  {v['bpf_map_bytes'] / 2**20:8.1f} MiB")


def changes(part):
    print("\npackets lost while maps change under load\n")
    for name, v in part["contenders"].items():
        print(f"  {TITLES[name]:{NAME}} {v['lost']} of {v['sent']} lost; {v['changes']} changes "
              f"of {v['ms_per_change']['median']:.2f} ms, start to exit")
    skipped(part["skipped"])


def streams(part):
    for count, figures in part["streams"].items():
        print(f"\nbulk TCP, {count} stream{'s' * (count != '1')}, bits a second; x: against nft by hand\n")
        for name, v in figures.items():
            print(f"  {TITLES[name]:{NAME}} {cell(v, figures.get('nft'))}".rstrip())
    skipped(part["skipped"])


def connections(part):
    for kind, what in (("bare", "TCP connections a second"),
                       ("http", "HTTP requests a second, each its own connection")):
        figures = part[kind]["contenders"]
        print(f"\n{what}; x: against nft by hand\n")
        for key, v in figures.items():
            print(f"  {title(key):{NAME + 14}} {cell(v, figures.get('nft 1'))}".rstrip())
        skipped(part[kind]["skipped"])


def reached(result):
    print("\nto reach\n")
    for t in targets.table(result):
        if t.part not in result:
            continue
        ratio = f"{t.ratio:5.2f} ({t.low:.2f}-{t.high:.2f})" if t.ratio is not None else "    -"
        print(f"  {t.what:68} {t.least:5.2f} {t.stretch:5.2f} {ratio:18} {t.verdict}")


def doubt(result):
    """A sentence if the machine was not quiet, or "". Nothing but the processor limits the generator alone;
    without it there is only the load before, to which a build adds, too."""
    alone = [found["generator"][way] for found in result.get("packets", {}).get("flows", {}).values()
             if "generator" in found for way in ("requests", "replies")]
    if not alone:
        load = result["machine"]["load_before"]
        return f"The machine was busy before it began (load {load:.1f}): figures are doubtful." \
            if load > 0.5 else ""
    varied = 1 - min(v["min"] for v in alone) / max(v["max"] for v in alone)
    return f"The generator alone varied by {varied:.0%}: the machine was busy, and figures are doubtful." \
        if varied > 0.1 else ""


def text(result):
    m, s = result["machine"], result["settings"]
    print(f"{m['processor']}, {m['processors']} processors, {m['memory_gib']} GiB; {m['system']}, "
          f"Linux {m['kernel']}\nmedians of {s['runs']} run{'s' * (s['runs'] != 1)} of {s['seconds']} s, "
          "in turn; in brackets the least and the most")
    if doubt(result):
        print(doubt(result))
    for part, show in (("packets", packets), ("changes", changes), ("streams", streams),
                       ("connections", connections), ("control", control.report),
                       ("explain", explain.report), ("daemon", daemon.report)):
        if part in result:
            show(result[part])
    if {"packets", "streams", "connections"} & set(result):
        reached(result)
