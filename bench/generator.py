# SPDX-License-Identifier: GPL-2.0-or-later
"""The packet generator: built from generator.bpf.c and generator.c, and told what to send."""

import json
import os
import platform
import subprocess

from maps import BACKEND_PORT, PUBLIC_PORT
from network import BACKEND, HERE, INSIDE, PUBLIC, TAG, UPLINK, sh


def build(tmp):
    program, skeleton = tmp / "generator", tmp / "generator.skel.h"
    if not program.exists():
        sh("clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{platform.machine()}-linux-gnu",
           "-c", str(HERE / "generator.bpf.c"), "-o", str(tmp / "generator.bpf.o"))
        skeleton.write_text(sh("bpftool", "gen", "skeleton", str(tmp / "generator.bpf.o"),
                               "name", "generator_bpf"))
        sh("cc", "-O2", "-D_GNU_SOURCE", f"-I{tmp}", "-o", str(program), str(HERE / "generator.c"),
           "-lbpf", "-lpthread")
    return str(program)


class Generator:
    """A child process; see generator.c for its commands.

    Sender, gateway and the counting at the far end share the first processor: a packet's whole way is
    run through before the next batch is sent, so that the rate is one over the time that all of it
    takes, and nothing is lost in between. Meanwhile the rest of the benchmark keeps to the last
    processor, which is another one wherever there are two."""

    def __init__(self, setting):
        self.allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(self.allowed)})
        self.process = subprocess.Popen(
            (build(setting.tmp), str(min(self.allowed)), TAG + "c", "isp1", TAG + "g", UPLINK, INSIDE,
             TAG + "b", "eth0"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        os.sched_setaffinity(0, self.allowed)

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"the generator gave up at: {' '.join(str(w) for w in words)}")
        return json.loads(answer)

    def flows(self, count, contender):
        """From now on so many flows, as they are sent through @contender."""
        forwarded = contender.target == BACKEND
        self.tell("flows", count, contender.target, BACKEND_PORT if forwarded else PUBLIC_PORT, BACKEND,
                  BACKEND_PORT)
        self.tell("limit", contender.limit)

    def prime(self):
        return self.tell("prime")

    def run(self, way, warm_up, seconds, rate=0):
        return self.tell("run", way, warm_up, seconds, rate)

    def start(self, way, rate):
        self.tell("start", way, rate)

    def stop(self):
        return self.tell("stop")
