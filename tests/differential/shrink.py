# SPDX-License-Identifier: GPL-2.0-or-later
"""The smallest case that still shows a difference: lines are taken out while it stays."""

import copy

import generate


def shrink(case, still, budget=250):
    """`still(case)`: does it show the same? At most `budget` tries."""
    best, tries = case, 0
    size = 8
    while tries < budget:
        before = _size(best)
        for name in generate.ALL:
            best, tries = _thin(best, name, size, still, budget, tries)
        if size > 1:
            size //= 2
        elif _size(best) == before:
            break
    for name in (n for n in generate.ALL if "tables" in n):
        best = _without_empty_tables(best, name, still)
    return best


def _size(case):
    return sum(len(case[name]) for name in generate.ALL)


def _removable(name, line):
    """Lines that give a rule set its shape stay while rules are in it; so does what finds neighbours."""
    if "tables" in name:
        return line.startswith("-A")
    return not line.startswith(("neigh ", "addr add fe80:")) and "nat_stays" not in line


def _thin(case, name, size, still, budget, tries):
    at = 0
    while at < len(case[name]) and tries < budget:
        rest = [line for i, line in enumerate(case[name])
                if not at <= i < at + size or not _removable(name, str(line))]
        if len(rest) == len(case[name]):
            at += size
            continue
        candidate = copy.deepcopy(case)
        candidate[name] = rest
        tries += 1
        if still(candidate):
            case = candidate
        else:
            at += size
    return case, tries


def _without_empty_tables(case, name, still):
    """Drop tables of iptables-restore's text that no rule is in."""
    kept, table = [], []
    for line in case[name]:
        table.append(line)
        if line == "COMMIT":
            if any(t.startswith("-A") for t in table) or any("DROP" in t for t in table[:-1]):
                kept += table
            table = []
    candidate = copy.deepcopy(case)
    candidate[name] = kept
    return candidate if kept != case[name] and still(candidate) else case
