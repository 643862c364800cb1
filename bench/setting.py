# SPDX-License-Identifier: GPL-2.0-or-later
"""What every part of the benchmark is given, and what all of them do alike."""

import dataclasses
import os
import pathlib
import platform
import statistics
import sys

import contenders
import network
from contenders import Skip


@dataclasses.dataclass
class Setting:
    program: str  # the portreeve that is measured
    tmp: pathlib.Path
    runs: int
    seconds: float  # of one measurement
    flows: list
    maps: list  # how many, in ascending order
    changes: int  # of maps, in all runs together
    only: list  # names of contenders; empty: all

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def contenders(self, *names):
        """Those of @names that are wanted, in the order of contenders.everybody(); no names: all."""
        return [c for c in contenders.everybody(self.program, self.tmp)
                if (not names or c.name in names) and (not self.only or c.name in self.only)]

    def compiled(self, name):
        tool = str(self.tmp / name)
        if not os.path.exists(tool):
            network.sh("cc", "-O2", "-o", tool, str(network.HERE / f"{name}.c"))
        return tool

    def in_turn(self, part, cases, work):
        """Every case once in each run, so that what disturbs the machine disturbs all alike.

        @cases: (key, contender, maps); @work(contender, maps) gives one sample, a number or a dict of
        them. Gives {key: [samples]} and {key: reason} of those that were skipped."""
        samples, skipped = {}, {}
        for key, contender, _ in cases:
            reason = contender.skip()
            if reason:
                skipped[key] = reason
                self.say(f"{part}: SKIP {key}: {reason}")
        for run in range(self.runs):
            for key, contender, maps in cases:
                if key in skipped:
                    continue
                self.say(f"{part}: run {run + 1} of {self.runs}, {key}")
                try:
                    contender.on(maps)
                    samples.setdefault(key, []).append(work(contender, maps))
                except Skip as reason:
                    skipped[key] = str(reason)
                    samples.pop(key, None)
                    self.say(f"{part}: SKIP {key}: {reason}")
                finally:
                    contender.off()
        return samples, skipped


def spread(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples),
            "samples": list(samples)}


def machine():
    """What the figures were measured on."""
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    system = "unknown system"
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            system = line.split("=", 1)[1].strip('"')
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": model, "processors": os.cpu_count(), "memory_gib": round(memory, 1),
            "system": system, "kernel": platform.release(), "load_before": os.getloadavg()[0]}
