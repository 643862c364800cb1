# SPDX-License-Identifier: GPL-2.0-or-later
"""portreeve run, as a test starts, watches and ends it.

    daemon = Daemon(Portreeve(site.gw), ARTICLE)
    daemon.wait_event("drift")["by"]
    daemon.kill()
"""

import os
import re
import signal

from gateway import BINARY
from lab import wait_for

_PAIR = re.compile(r'([\w-]+)=("(?:[^"\\]|\\.)*"|\S*)')
_ESCAPED = {"n": "\n", "t": "\t"}


def parse(line):
    """A line of logfmt as a dict of strings."""
    return {key: _unquoted(value) for key, value in _PAIR.findall(line)}


def _unquoted(value):
    if not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", lambda m: _ESCAPED.get(m[1], m[1]), value[1:-1])


class Daemon:
    """A running daemon. Its events are parsed from what it logs."""

    def __init__(self, portreeve, config=None, *, ready=True, **environment):
        self.portreeve = portreeve
        self.environment = environment
        self.log = portreeve.host.lab.path(f"{portreeve.host.name}-daemon.log")
        if config is not None:
            portreeve.write(config)
        self.process = None
        self.start(ready)

    def start(self, ready=True):
        """(Again.) Events of earlier lives stay in the log."""
        lives = len(self.events("started"))
        with open(self.log, "ab") as log:
            self.process = self.portreeve.host.popen(
                [BINARY, "run", "--debug", self.portreeve.file], stderr=log,
                env=self.portreeve.environment(**self.environment))
        if ready:
            wait_for(lambda: len(self.events("started")) > lives or self._ended(),
                     "the daemon to start", timeout=20)
            assert not self._ended(), self.text()

    def _ended(self):
        return self.process.poll() is not None

    def text(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def events(self, kind=None):
        if not os.path.exists(self.log):
            return []
        every = [parse(line) for line in self.text().splitlines() if "event=" in line]
        return [event for event in every if kind in (None, event["event"])]

    def wait_event(self, kind, wanted=lambda event: True, after=0, timeout=20):
        """The first such event that the predicate likes, of those after the first `after`."""
        def found():
            assert not self._ended(), self.text()
            return [event for event in self.events(kind)[after:] if wanted(event)]
        return wait_for(found, f"event {kind}", timeout)[0]

    def write(self, config):
        self.portreeve.write(config)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0, self.text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def cpu_ticks(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            return sum(int(field) for field in stat.read().rsplit(")", 1)[1].split()[11:13])
