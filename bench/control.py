# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to get maps into the kernel: portreeve's commands, nft -f, iptables-restore."""

import re
import shutil
import statistics
import subprocess
import sys

import maps
from network import UPLINKS, inside, sh


NAMES = (("check", "portreeve check"), ("show", "portreeve show"),
         ("apply", "portreeve apply, from nothing"),
         ("apply_one_changed", "portreeve apply, one map changed"),
         ("apply_nothing", "portreeve apply, nothing changed"),
         ("remove", "portreeve remove"), ("nft_f", "nft -f, the same table"),
         ("iptables_restore", "iptables-restore, the same maps"))


def timed(measure, space, *args):
    """Seconds from start to exit, and the peak memory in MiB, of a command in a namespace."""
    seconds, kib, status = sh(*inside(space, measure, *args)).split()
    if int(status):
        sys.exit(f"{' '.join(args)}: exit status {status}")
    return float(seconds), int(kib) / 1024


def median_of(samples):
    return {"median_s": statistics.median(s for s, _ in samples), "min_s": min(s for s, _ in samples),
            "max_s": max(s for s, _ in samples), "peak_mib": max(m for _, m in samples)}


def iptables_rules(path, there):
    """The same maps as iptables rules: one DNAT rule per map and uplink, as people write them."""
    out = ["*nat"]
    for m in there:
        for _, dev, addr, _ in UPLINKS:
            out.append(f"-A PREROUTING -d {addr}/32 -i {dev} -p tcp -m tcp --dport {m.port} "
                       f"-j DNAT --to-destination {m.backend}:{m.backend_port}")
    out.append("COMMIT")
    path.write_text("\n".join(out) + "\n")


def own_table(portreeve, conf, path):
    """The table that portreeve commits, as text for nft -f."""
    sh(*inside("g", portreeve, "apply", str(conf)))
    text = sh(*inside("g", portreeve, "show", "--as", "nft", str(conf)))
    sh(*inside("g", portreeve, "remove"))
    path.write_text(text)


def commit_seconds(portreeve, conf):
    """Time of the sendmsg() that carries the transaction: the kernel commits inside it."""
    trace = subprocess.run(
        inside("g", "strace", "-f", "-T", "-e", "trace=sendmsg,sendto", "-e", "signal=none",
               portreeve, "apply", str(conf)), capture_output=True, text=True, check=True).stderr
    batches = [float(m.group(1)) for line in trace.splitlines() if "NFNL_MSG_BATCH_BEGIN" in line
               for m in [re.search(r"<([0-9.]+)>$", line)] if m]
    return max(batches) if batches else None


def measure(setting):
    portreeve, tmp, there = setting.program, setting.tmp, maps.many(setting.maps[-1])
    conf, moved, table, rules = (tmp / n for n in ("a.yaml", "b.yaml", "table.nft", "rules.v4"))
    maps.config(conf, there)
    maps.config(moved, maps.moved(there, len(there) // 3))
    iptables_rules(rules, there)
    own_table(portreeve, conf, table)
    samples = {k: [] for k in ("check", "show", "apply", "apply_one_changed", "apply_nothing",
                               "remove", "nft_f", "iptables_restore")}

    tool = setting.compiled("measure")

    def add(key, *args):
        samples[key].append(timed(tool, "g", *args))

    for run in range(setting.runs):
        setting.say(f"control: run {run + 1} of {setting.runs}, {len(there)} maps")
        add("check", portreeve, "check", str(conf))
        add("show", portreeve, "show", str(conf))
        add("apply", portreeve, "apply", str(conf))
        add("apply_nothing", portreeve, "apply", str(conf))
        add("apply_one_changed", portreeve, "apply", str(moved))
        add("remove", portreeve, "remove")
        add("nft_f", "nft", "-f", str(table))
        sh(*inside("g", "nft", "delete", "table", "inet", "portreeve"))
        add("iptables_restore", "iptables-restore", str(rules))
        sh(*inside("g", "iptables-restore"), input="*nat\nCOMMIT\n")
    result = {k: median_of(v) for k, v in samples.items()}
    result["elements"] = len(there) * len(UPLINKS)
    if shutil.which("strace"):
        sh(*inside("g", portreeve, "apply", str(conf)))
        commits = []
        for n in range(setting.runs):
            commits.append(commit_seconds(portreeve, conf if n % 2 else moved))
        sh(*inside("g", portreeve, "remove"))
        result["commit_one_changed_s"] = statistics.median(c for c in commits if c is not None)
    return result


def report(c):
    print(f"\n{c['elements'] // 2} maps on two uplinks = {c['elements']} elements\n")
    for key, name in NAMES:
        v = c[key]
        print(f"  {name:34} {v['median_s']:7.3f} s  ({v['min_s']:.3f}-{v['max_s']:.3f})  {v['peak_mib']:6.1f} MiB")
    if "commit_one_changed_s" in c:
        print(f"  {'kernel commit of one changed map':34} {c['commit_one_changed_s'] * 1000:7.2f} ms")
    print(f"\n  apply / nft -f             {c['apply']['median_s'] / c['nft_f']['median_s']:.2f}")
    print(f"  apply / iptables-restore   {c['apply']['median_s'] / c['iptables_restore']['median_s']:.2f}")
    print(f"  one changed / apply        {c['apply_one_changed']['median_s'] / c['apply']['median_s']:.2f}")
