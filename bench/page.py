# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as a page with plots. What somebody wrote by hand at its end stays there."""

import contextlib
import io

import control
import daemon
import explain
import plot
import report
import targets
from report import cost_ns, si, title, us
from targets import TITLES

BY_HAND = "<!-- What stands below was written by hand, and is kept when the page is written anew. -->"
INTRO = """\
# How fast portreeve is

Written by `make bench BENCH="--doc docs/bench.md"`, which installs what it needs and takes half an
hour; with `--quick` it is a minute or two, to see that it works. Everything happens in network
namespaces of its own: a client behind two ISPs' links, the gateway, the backend, connected by veths.
**Ratios count; absolute figures depend on the machine.** Measure on one that has nothing else to do.
"""
METHOD = """\
## How it is measured

All contenders take turns, {runs} times over, so that whatever disturbs the machine disturbs all alike.
Figures are medians; the least and the most stand beside them. A ratio is one of medians, and its range
that of single runs, each against its neighbour in the same run. What is measured comes in by `unicom`,
which is not the gateway's default route: whoever does not send replies home gets nothing through.

**Packets** are made by an XDP program that writes every byte of each frame (live frames of
`BPF_PROG_TEST_RUN`, batches of 64), walk through all flows in turn, and are counted at the far end by
another, which checks one in sixteen in full: addresses, ports, TTL, both checksums. Before, each flow
was used both ways until conntrack has it as assured; fewer flows are walked after more, while the others
lie idle. Sender, gateway and the counting share one processor, since a veth is polled where it was written to: a rate is one over the time for a packet's
whole way. *Generator alone* is that time without a gateway; what is left is the gateway's own, given in
nanoseconds. Flows beyond 50,000 go to further ports, each to a port of its own at the backend: so no
contender has to search for a free source port behind its one SNAT address.

**Latency** is that of the same packets at half the rate that the contender can do, from the sender's
program to the counting one. It holds what the sender's batch takes.

**Bulk TCP** is iperf3, **connections** are either bare (connect, accept, close) or wrk asking nginx
with a connection for each request. Processes may use all processors. The map that is used stands in the
middle of the others. No end keeps closed connections (`tcp_max_tw_buckets`), or who is measured later would
pay for who was before. For XDP the ends complete their checksums themselves, as XDP cannot: frames between
veths carry unfinished ones otherwise.

**Contenders.** iptables has the rules of the article that portreeve began with, the LAN looked up
first, without which they do not work: a map has one DNAT rule for each uplink, and one SNAT rule. *nft by hand* has the maps in one
map and two more lookups; nobody writes less for two uplinks. HAProxy, nginx, rinetd and socat run on the
gateway as proxies, with their defaults. portreeve hides clients as the others do (`return: snat`); its fast
path has its usual room of 65,536 connections, or more where there are more flows.
"""

PRINTED = {"control": ("Getting maps into the kernel", control),
           "explain": ("Explaining", explain), "daemon": ("The daemon", daemon)}


def kind(name):
    if name.startswith("portreeve"):
        return "ours"
    return "limit" if name in ("generator", "redirect", "forward") else "other"


def rows_of(figures, pick=lambda v: v):
    return [(title(key), kind(key.split()[0]), pick(v)) for key, v in figures.items()]


def table(head, rows):
    """Markdown; everything but the first column is to the right."""
    return "\n".join(["| " + " | ".join(head) + " |",
                      "|---|" + "---:|" * (len(head) - 1)]
                     + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def figure(v):
    return f"{si(v['median'])} ({si(v['min'])}-{si(v['max'])})"


def ratio(v, base):
    return f"{v['median'] / base['median']:.2f}" if base and base["median"] else ""


def skipped(reasons):
    if not reasons:
        return ""
    lines = [f"- {title(k) if k.split()[0] in TITLES else k}: {why}" for k, why in reasons.items()]
    return "\nNot measured:\n\n" + "\n".join(lines) + "\n"


class Page:
    def __init__(self, result, file):
        self.result, self.file = result, file
        self.plots = file.parent / file.stem
        self.plots.mkdir(parents=True, exist_ok=True)

    def plot(self, name, what, groups, note="bars: median; lines: least to most", write=si):
        groups = [g for g in groups if g[1]]
        if not groups:
            return ""
        (self.plots / f"{name}.svg").write_text(plot.bars(what, note, groups, write))
        return f"![{what}]({self.plots.name}/{name}.svg)\n"

    def machine(self):
        m, s = self.result["machine"], self.result["settings"]
        text = (f"{m['processor']}, {m['processors']} processors, {m['memory_gib']} GiB; {m['system']}; "
                f"Linux {m['kernel']}. {s['runs']} run{'s' * (s['runs'] != 1)} of {s['seconds']} s each.\n")
        if report.doubt(self.result):
            text += f"\n{report.doubt(self.result)}\n"
        return text

    def targets(self):
        rows = []
        for t in targets.table(self.result):
            if t.part in self.result:
                measured = f"**{t.ratio:.2f}** ({t.low:.2f}-{t.high:.2f})" if t.ratio else "-"
                rows.append([t.what, f"{t.least:g}", f"{t.stretch:g}", measured, t.verdict,
                             f"`{t.command}`"])
        return "## To reach\n\n" + table(
            ["ratio", "at least", "stretch", "measured", "", "again"], rows) if rows else ""

    def packets(self):
        part = self.result["packets"]
        text = "## 64-byte UDP packets a second\n\n    bench/run --only packets\n\n"
        for way in ("requests", "replies"):
            groups = [(f"{int(n):,} flow{'s' * (n != '1')}", rows_of(f, lambda v: v[way]))
                      for n, f in part.get("flows", {}).items()]
            # The sender by itself would only press the others together.
            groups = [(n, [row for row in rows if row[0] != TITLES["generator"]])
                      for n, rows in groups]
            text += self.plot(way, f"{way.capitalize()}, 64-byte UDP packets a second", groups) + "\n"
        for n, figures in part.get("flows", {}).items():
            rows = []
            for name, v in figures.items():
                row = [TITLES[name]]
                for way in ("requests", "replies"):
                    cost = cost_ns(part, n, name, way)
                    row += [figure(v[way]), ratio(v[way], figures.get("nft", {}).get(way)),
                            "" if cost is None else f"{cost:.0f}"]
                rows.append(row)
            text += f"\n{int(n):,} flow{'s' * (n != '1')}:\n\n" + table(
                ["", "requests", "x nft", "ns", "replies", "x nft", "ns"], rows)
        text += skipped({**part.get("skipped", {}), **{
            f"{int(n):,} flows": why for n, why in part.get("skipped_flows", {}).items()}})
        return text + self.latency(part) + self.memory(part.get("memory", {}))

    def latency(self, part):
        n = str(part.get("detail"))
        figures = part.get("flows", {}).get(n)
        if not figures:
            return ""
        text = f"\n## Latency at half load\n\n    bench/run --only packets --flows {n}\n\n"
        groups = []
        for way in ("requests", "replies"):
            late = {k: v[f"{way}_latency_ns"] for k, v in figures.items()
                    if v.get(f"{way}_latency_ns", {}).get("99")}
            groups.append((way, rows_of(late, lambda v: {"median": v["50"]["median"],
                                                         "min": v["50"]["median"],
                                                         "max": v["99"]["median"]})))
        text += self.plot("latency", f"Latency at half load, {int(n):,} flows, us", groups,
                          "bars: half of the packets; lines: to 99 % of them", us) + "\n"
        rows = []
        for name, v in figures.items():
            late = [v.get(f"{way}_latency_ns", {}) for way in ("requests", "replies")]
            rows.append([TITLES[name]] + [us(one[p]["median"]) if p in one else ""
                                          for one in late for p in ("50", "90", "99", "99.9")])
        text += table(["us", "requests 50 %", "90 %", "99 %", "99.9 %", "replies 50 %", "90 %", "99 %",
                       "99.9 %"], rows)
        return text

    def memory(self, part):
        if part.get("flows", 0) < report.ENOUGH_FLOWS:
            return ""
        rows = [[TITLES[k], f"{v['bytes_per_flow']['median']:.0f}",
                 f"{v['bpf_map_bytes'] / 2**20:.1f} MiB"] for k, v in part["contenders"].items()]
        return (f"\n## Memory\n\nOf the kernel, unreclaimable, at {part['flows']:,} flows.\n\n"
                + table(["", "bytes a flow", "BPF maps in all"], rows))

    def changes(self):
        part = self.result["changes"]
        rows = [[TITLES[k], str(v["changes"]), f"{v['sent']:,}", str(v["lost"]), str(v["wrong"]),
                 f"{v['ms_per_change']['median']:.1f}"] for k, v in part["contenders"].items()]
        return ("## Packets lost while maps change\n\n    bench/run --only changes\n\n" + table(
            ["", "changes", "packets sent", "lost", "wrong", "ms a change, start to exit"], rows)
                + skipped(part["skipped"]))

    def streams(self):
        part = self.result["streams"]
        groups = [(f"{n} stream{'s' * (n != '1')}", rows_of(f)) for n, f in part["streams"].items()]
        text = "## Bulk TCP\n\n    bench/run --only streams\n\n" + self.plot(
            "streams", "Bulk TCP, bits a second", groups) + "\n"
        names = list(next(iter(part["streams"].values())))
        rows = [[TITLES[name]] + [cell for f in part["streams"].values()
                                  for cell in (figure(f[name]), ratio(f[name], f.get("nft")))]
                for name in names]
        head = [cell for n in part["streams"] for cell in (f"{n} stream{'s' * (n != '1')}", "x nft")]
        return text + table([""] + head, rows) + skipped(part["skipped"])

    def connections(self):
        text = "## Connections a second\n\n    bench/run --only connections\n"
        for part, what in (("http", "HTTP requests a second, a connection for each (wrk, nginx)"),
                           ("bare", "Bare TCP connections a second")):
            one = self.result["connections"][part]
            figures = one["contenders"]
            counts = sorted({int(key.split()[1]) for key in figures})
            groups = [(f"{n:,} map{'s' * (n != 1)}",
                       [(TITLES[k.split()[0]], kind(k.split()[0]), v) for k, v in figures.items()
                        if k.endswith(f" {n}")]) for n in counts]
            text += f"\n### {what}\n\n" + self.plot(f"connections-{part}", what, groups) + "\n" + table(
                ["", "a second", "x nft"],
                [[title(k), figure(v), ratio(v, figures.get("nft 1"))] for k, v in figures.items()])
            text += skipped(one["skipped"])
        return text

    def as_printed(self, part):
        """What a part prints for a terminal."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            PRINTED[part][1].report(self.result[part])
        return (f"## {PRINTED[part][0]}\n\n    bench/run --only {part}\n\n"
                f"```\n{out.getvalue().strip(chr(10))}\n```\n")

    def write(self):
        parts = [INTRO, self.machine(), self.targets()]
        parts += [getattr(self, name)() for name in
                  ("packets", "changes", "streams", "connections") if name in self.result]
        parts += [self.as_printed(name) for name in PRINTED if name in self.result]
        parts.append(METHOD.format(runs=self.result["settings"]["runs"]))
        kept = ""
        if self.file.exists() and BY_HAND in self.file.read_text():
            kept = self.file.read_text().split(BY_HAND, 1)[1]
        self.file.write_text("\n".join(p for p in parts if p) + f"\n{BY_HAND}" + (kept or "\n"))


def write(result, file):
    Page(result, file).write()
