# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that are lost while maps change under load: there must be none of portreeve's."""

import time

import maps
from generator import Generator
from packets import prime
from setting import spread

FLOWS, MAPS = 1000, 100
RATE = 50000  # packets a second: what every contender passes on with ease, so that a loss is its own


def times(setting, name):
    """How often it is changed in each run: others less, which are there to compare with."""
    wanted = setting.changes if name.startswith("portreeve") else setting.changes // 10
    return -(-wanted // setting.runs)


def measure(setting):
    with Generator(setting) as generator:
        def work(contender, there):
            each = times(setting, contender.name)
            changed = [there, maps.moved(there, MAPS // 2)]
            generator.flows(FLOWS, contender)
            prime(generator)
            generator.start("requests", RATE)
            begin = time.monotonic()
            for n in range(each):
                contender.change(changed[(n + 1) % 2], MAPS // 2)
            seconds = time.monotonic() - begin
            run = generator.stop()
            return {"changes": each, "seconds": seconds, "sent": run["sent"],
                    "lost": run["sent"] - run["received"], "wrong": run["wrong"]}

        wanted = ("iptables-legacy", "iptables-nft", "nft", "portreeve", "portreeve-tc",
                  "portreeve-xdp")
        # Those that are not under load come first, so that their places in a list are their numbers.
        there = maps.many(MAPS) + maps.udp(FLOWS)
        cases = [(c.name, c, there) for c in setting.contenders(*wanted)]
        samples, skipped = setting.in_turn("changes", cases, work)
    return {"contenders": {name: {"changes": times(setting, name) * setting.runs,
                                  "ms_per_change": spread([r["seconds"] * 1000 / r["changes"]
                                                           for r in runs]),
                                  "sent": sum(r["sent"] for r in runs),
                                  "lost": sum(r["lost"] for r in runs),
                                  "wrong": sum(r["wrong"] for r in runs)}
                           for name, runs in samples.items()},
            "skipped": skipped}
