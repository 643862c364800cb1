# SPDX-License-Identifier: GPL-2.0-or-later
"""64-byte UDP packets: how many a second, how late at half of that, what a packet and a flow cost."""

import json
import pathlib
import subprocess

import maps
from contenders import Skip
from generator import Generator
from setting import spread

WARM_UP_S = 0.2
WAYS = ("requests", "replies")
DETAIL = 50000  # latency is measured with so many flows, or the most below


def too_many(flows):
    limit = int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())
    if flows > limit * 0.95:
        return (f"nf_conntrack_max is {limit} on this machine, and no network namespace may change it; "
                f"'sysctl net.netfilter.nf_conntrack_max={flows * 5 // 4}' gives room")
    return None


def kernel_bytes():
    """Memory of the kernel's own that it does not give back."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("SUnreclaim:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("there is no SUnreclaim in /proc/meminfo")


def bpf_maps():
    done = subprocess.run(("bpftool", "-j", "map", "show"), capture_output=True, text=True)
    return {m["id"]: m for m in json.loads(done.stdout or "[]") if "bytes_memlock" in m}


def prime(generator):
    done = generator.prime()
    if done["requests_missing"] or done["replies_missing"]:
        raise Skip(f"{done['requests_missing']} flows did not reach the backend, "
                   f"{done['replies_missing']} not their client")


def rate_of(run):
    if run["wrong"]:
        raise Skip(f"{run['wrong']} of {run['checked']} packets that were looked at were not right")
    return run["packets"] / run["seconds"]


def measure_flows(setting, generator, contender, count, detail):
    """The first @count of the flows that are there, both directions."""
    generator.tell("walk", count)
    one = {}
    for way in WAYS:
        rate = rate_of(generator.run(way, WARM_UP_S, setting.seconds))
        one[way] = rate
        if detail and rate:
            late = generator.run(way, WARM_UP_S, setting.seconds, rate / 2)
            one[f"{way}_latency_ns"] = late["latency_ns"]
    return one


def measure_contender(setting, generator, contender, counts, detail):
    """All flows are made once. Fewer of them are walked after more, the others lie idle."""
    generator.flows(counts[-1], contender)
    one, before = {}, kernel_bytes()
    if contender.limit == "none":
        prime(generator)
        one["kernel_bytes_per_flow"] = (kernel_bytes() - before) / counts[-1]
    for count in reversed(counts):
        one[str(count)] = measure_flows(setting, generator, contender, count, count == detail)
    return one


def measure(setting):
    counts = sorted(setting.flows)
    possible = [c for c in counts if not too_many(c)]
    skipped_flows = {str(c): too_many(c) for c in counts if too_many(c)}
    detail = max((c for c in possible if c <= DETAIL), default=None)
    for count, reason in skipped_flows.items():
        setting.say(f"packets: SKIP {count} flows: {reason}")
    if not possible:
        return {"skipped_flows": skipped_flows}
    # A fast path with room for the most flows would have the fewer ones strewn over all of it.
    groups = [[c for c in possible if c <= maps.FLOWS_PER_PORT],
              [c for c in possible if c > maps.FLOWS_PER_PORT]]
    flows, skipped, memory = {}, {}, {}
    for counts in filter(None, groups):
        samples, why = measure_group(setting, counts, detail)
        flows.update({str(count): of_flows(samples, str(count)) for count in counts})
        skipped.update(why)
        memory = {"flows": counts[-1], "contenders": {
            name: {"bytes_per_flow": spread([r["kernel_bytes_per_flow"] for r in runs]),
                   "bpf_map_bytes": runs[-1]["bpf_map_bytes"]}
            for name, runs in samples.items() if "kernel_bytes_per_flow" in runs[0]}}
    return {"flows": flows, "memory": memory, "detail": detail, "skipped": skipped,
            "skipped_flows": skipped_flows}


def measure_group(setting, counts, detail):
    """{contender: [samples]} and the reasons of those that were skipped."""
    with Generator(setting) as generator:
        generator.tell("flows", 1, "0.0.0.0", 1, "0.0.0.0", 1)  # its own maps are there before others
        known = set(bpf_maps())

        def work(contender, _):
            found = {i: m["bytes_memlock"] for i, m in bpf_maps().items() if i not in known}
            one = measure_contender(setting, generator, contender, counts, detail)
            generator.tell("limit", "none")
            known.clear()
            known.update(i for i in bpf_maps() if i not in found)
            one["bpf_map_bytes"] = sum(found.values())
            return one

        cases = [(c.name, c, maps.udp(counts[-1])) for c in setting.contenders() if c.packets]
        return setting.in_turn("packets", cases, work)


def of_flows(samples, count):
    """{contender: figure: spread} from the runs' samples for one number of flows."""
    result = {}
    for name, runs in samples.items():
        result[name] = {}
        for figure in runs[0][count]:
            values = [run[count][figure] for run in runs]
            if isinstance(values[0], dict):
                result[name][figure] = {p: spread([v[p] for v in values]) for p in values[0]
                                        if all(p in v for v in values)}
            else:
                result[name][figure] = spread(values)
    return result
