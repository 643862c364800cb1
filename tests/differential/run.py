#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel is the oracle: random states and packets, walked and really sent.

usage: run.py [--packets N] [--seed S] [--jobs N] [--portreeve BIN] [--case FILE...]

Kept cases (cases/*.json) come first. Then cases are made from the seed, which is printed: a random
state in namespaces, and connections through it. Each connection's first packet is sent, its reply, and
a further packet; where they come out, with which addresses, ports and mark, has to be what `portreeve
explain` says. What it does not know counts as a difference. A case that differs is made as small as
it gets and is written to the directory given with --keep.

Needs root. Leaves nothing behind: namespaces have no names and go with the processes.
"""

import argparse
import collections
import glob
import json
import multiprocessing
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import census
import generate
import kernel
import netns
import predict
import shrink
import state

HERE = pathlib.Path(__file__).resolve().parent
QUESTIONS = 12  # per state
MAX_SHOWN = 10  # differences that are made small; more are only counted


def tag(number):
    return (0x10000000 + number * 64).to_bytes(4, "big")


class Outcome:
    """What came of one case."""

    def __init__(self):
        self.known = 0  # asked about a connection that was there already
        self.asked = self.sent = self.translated = 0
        self.ends = collections.Counter()
        self.differences = []  # of (number of the question, Difference)
        self.error = None
        self.tolerated = collections.Counter()
        self.census = collections.Counter()


def run_case(case, portreeve):
    out = Outcome()
    world = netns.World(case["links"])
    try:
        state.load(world, case)
        out.census = census.count(case)
        sockets = kernel.Kernel(world)  # first: whether somebody listens matters to the walk
        try:
            sockets.forget()
            asked = connect(world, case, sockets) if case.get("then") else case["questions"]
            with tempfile.TemporaryDirectory(prefix="portreeve-differential-") as directory:
                answers = predict.predict(portreeve, dict(case, questions=asked), directory)
            for question, answer in zip(asked, answers):
                i = case["questions"].index(question)
                if not case.get("then"):
                    sockets.forget()  # questions have nothing to do with each other
                fates = sockets.ask(question, tag(i))
                _count(out, case, question, fates)
                found = predict.compare(case, question, answer, fates, out.tolerated)
                if found:
                    out.differences.append((i, found))
        finally:
            sockets.close()
    finally:
        world.close()
    return out


def connect(world, case, sockets):
    """Make connections, then change the rules. The questions that are about one of them."""
    out = []
    for i, question in enumerate(case["questions"]):
        fates = sockets.ask(question, tag(len(case["questions"]) + i))
        if fates[0].end in ("forwarded", "local"):
            out.append(question)
    state.change(world, case)
    return out


def _count(out, case, question, fates):
    request = fates[0]
    out.asked += 1
    out.known += case.get("then", False)
    out.sent += sum(f is not None for f in fates)
    out.ends["/".join(f.end if f else "-" for f in fates)] += 1
    if request.end in ("forwarded", "local") and question["src"] != "self":
        seen = request.seen
        if (seen.src, seen.dst) != (question["src"], question["dst"]) or \
                question["proto"] != "icmp" and seen.dport != question["dport"]:
            out.translated += 1


def make_small(case, number, where, portreeve):
    """The case with that one question, as small as it gets."""
    case = dict(case, questions=[case["questions"][number]])
    case.pop("refused", None)

    def still(candidate):
        try:
            differences = run_case(candidate, portreeve).differences
        except (netns.LoadError, RuntimeError, kernel.Lost, ValueError, subprocess.SubprocessError):
            return False
        return any(d.where == where for _, d in differences)

    if not still(case):
        return case  # it takes the other questions too, or it comes and goes
    return shrink.shrink(case, still)


# ---- workers ----

def work(job, jobs, choice, states, queue):
    """Run the cases that are this job's; results go into the queue."""
    os.sched_setaffinity(0, {choice.cpus[job % len(choice.cpus)]})
    shown = collections.Counter()
    for number in range(choice.first + job, choice.first + states, jobs):
        case = generate.case(choice.seed, number, QUESTIONS)
        try:
            out = run_case(case, choice.portreeve)
            small = []
            for i, found in out.differences:
                shown[found.where] += 1
                if shown[found.where] == 1 and len(shown) <= choice.shrink:
                    small.append((found, make_small(case, i, found.where, choice.portreeve)))
            queue.put((number, out, small))
        except Exception:  # whatever it is: the parent tells, and the run goes on
            out = Outcome()
            out.error = traceback.format_exc(limit=4)
            queue.put((number, out, []))
    queue.put(None)


def differential(choice):
    """Random cases. The number of differences and errors."""
    states = -(-choice.packets // QUESTIONS)
    start = time.monotonic()
    print(f"seed {choice.seed}: {states} states, {QUESTIONS} connections each", flush=True)
    queue = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(j, choice.jobs, choice, states, queue))
               for j in range(choice.jobs)]
    for worker in workers:
        worker.start()
    total, where = Outcome(), collections.Counter()
    errors, left = 0, len(workers)
    try:
        while left:
            got = queue.get()
            if got is None:
                left -= 1
                continue
            number, out, small = got
            total.asked += out.asked
            total.sent += out.sent
            total.known += out.known
            total.translated += out.translated
            total.ends += out.ends
            total.tolerated += out.tolerated
            total.census += out.census
            for i, found in out.differences:
                where[found.where] += 1
                if choice.verbose or where[found.where] <= 2:
                    print(f"DIFFERENT {choice.seed}:{number}:{i} {found.where}: {found.text}",
                          flush=True)
            for found, case in small:
                keep(choice, number, found, case)
            if out.error:
                errors += 1
                print(f"ERROR {choice.seed}:{number}: {out.error}", flush=True)
    finally:
        for worker in workers:
            if left:
                worker.terminate()
            worker.join()
    report(total, where, errors, time.monotonic() - start)
    if choice.census:
        for name, n in sorted(total.census.items()):
            print(f"  {n:7} rules with {name}")
    return sum(where.values()) + errors


def keep(choice, number, found, case):
    words = "".join(c if c.isalnum() else "-" for c in found.where)
    path = os.path.join(choice.keep, f"{words}-{choice.seed}-{number}.json")
    case = {"difference": found.text, **case}
    os.makedirs(choice.keep, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(case, f, indent=1)
        f.write("\n")
    print(f"  made small: {path}", flush=True)


def report(total, where, errors, seconds):
    through = sum(n for ends, n in total.ends.items() if ends.startswith(("forwarded", "local")))
    print(f"{total.asked} connections, {total.sent} packets sent, {through} got through, "
          f"{total.translated} translated, {total.known} known to conntrack before, {seconds:.0f} s")
    for ends, n in total.ends.most_common():
        print(f"  {n:7} {ends}")
    for name, n in total.tolerated.most_common():
        print(f"  {n:7} tolerated: both ways, since it is not told: {name}")
    for name, n in where.most_common():
        print(f"  {n:7} differences: {name}")
    print(f"{sum(where.values())} differences, {errors} errors")


# ---- kept cases ----

def replay(choice, files):
    bad = 0
    os.sched_setaffinity(0, {choice.cpus[0]})
    for file in files:
        with open(file, encoding="utf-8") as f:
            case = json.load(f)
        try:
            out = run_case(case, choice.portreeve)
        except Exception:  # as above
            print(f"ERROR {file}: {traceback.format_exc(limit=4)}")
            bad += 1
            continue
        for _, found in out.differences:
            print(f"DIFFERENT {file}: {found.text}")
        bad += bool(out.differences)
    print(f"{len(files)} kept cases, {bad} bad", flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description="walk and kernel compared on random states")
    parser.add_argument("--packets", type=int, default=2400, help="connections to try")
    parser.add_argument("--seed", help="of the random cases; a fresh one unless given")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--portreeve", default=str(HERE.parent.parent / "build" / "portreeve"))
    parser.add_argument("--keep", default=str(HERE / "cases"), help="where small cases are written")
    parser.add_argument("--shrink", type=int, default=MAX_SHOWN,
                        help="kinds of differences that are made small")
    parser.add_argument("--census", action="store_true", help="count what the rules were made of")
    parser.add_argument("--verbose", action="store_true", help="print every difference")
    parser.add_argument("--no-kept", action="store_true", help="do not replay the kept cases")
    parser.add_argument("--case", nargs="+", help="replay only these")
    choice = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("it makes network namespaces: run it as root")
    choice.portreeve = os.path.abspath(choice.portreeve)
    if not os.access(choice.portreeve, os.X_OK):
        sys.exit(f"{choice.portreeve} cannot be run")
    choice.cpus = sorted(os.sched_getaffinity(0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and clean up; workers inherit it
    if choice.seed is None:
        choice.seed = f"{random.SystemRandom().randrange(1 << 32):08x}"
    if choice.case:
        sys.exit(1 if replay(choice, choice.case) else 0)
    bad = 0 if choice.no_kept else replay(choice, sorted(glob.glob(str(HERE / "cases" / "*.json"))))
    if choice.packets:
        bad += differential(choice)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
