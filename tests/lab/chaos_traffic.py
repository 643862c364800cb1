# SPDX-License-Identifier: GPL-2.0-or-later
"""The traffic of chaos.py: each kind a thread of its own on a line, which knows when it may break.

A line that something is done to is "hurt" (an odd number in Chaos.hurt); what began before or while
that was may break, and is begun again. Everything else that breaks is kept in `breaks`.
"""

import re
import subprocess
import threading
import time

from traffic import Conversation, ask

# A repair of what others take away again and again waits for up to 30 s, and TCP for its next try
# about as long again. Nothing that works is silent for longer, on however busy a machine.
PATIENCE_S = 90


class Traffic(threading.Thread):
    unit = "times"

    def __init__(self, chaos, line):
        super().__init__(daemon=True)
        self.chaos, self.line = chaos, line
        self.world, self.hurt = chaos.site.world, None
        self.count, self.breaks = 0, []
        self.heard, self.silence = None, (0.0, "")
        self.start()

    def begin(self):
        self.hurt = self.chaos.hurt[self.line.name]
        self.heard, self.since = time.monotonic(), self.chaos.doing

    def hear(self):
        """Something came through; the longest silence before that is kept."""
        now = time.monotonic()
        self.count += 1
        if not self.excused():
            self.silence = max(self.silence, (now - self.heard, self.since))
        self.heard, self.since = now, self.chaos.doing

    def silent_too_long(self):
        return time.monotonic() - self.heard > PATIENCE_S

    def excused(self):
        """Something was done to the line since begin()."""
        return self.hurt % 2 == 1 or self.hurt != self.chaos.hurt[self.line.name]

    def broke(self, why):
        if not self.chaos.over and not self.excused():
            self.breaks.append(f"{self} during {self.chaos.doing}: {why}")

    def __str__(self):
        return f"{type(self).__name__.lower()} on {self.line.name}"


class Talk(Traffic):
    """A long TCP connection that is never silent."""

    def run(self):
        talk = None
        while not self.chaos.over:
            try:
                if talk is None or self.excused():
                    talk = self.end(talk)
                    talk = self.anew()
                self.say(talk)
                time.sleep(0.01)
            except (OSError, AssertionError) as why:
                if talk:
                    self.broke(repr(why))
                talk = self.end(talk)
                time.sleep(0.05)
        self.end(talk)

    def anew(self):
        self.begin()
        talk = Conversation(self.world, self.line.address, 2200, timeout=3.0)
        talk.sock.settimeout(0.2)
        return talk

    def say(self, talk):
        """Wait for the echo, but not for one that need not come any more."""
        talk.sock.sendall(b"x")
        while not self.chaos.over and not self.excused():
            try:
                assert talk.sock.recv(1) == b"x", "the connection was closed"
                self.hear()
                return
            except TimeoutError:
                if self.silent_too_long():
                    raise

    def end(self, talk):
        if talk:
            self.world.lab.drop(talk.sock)


class Echo(Traffic):
    """Datagrams from ever the same port."""

    unit = "answers"

    def run(self):
        sock = None
        while not self.chaos.over:
            if sock is None or self.excused():
                sock = self.anew(sock)
            try:
                if sock:
                    sock.send(b"x")
                    sock.recv(2048)
                    self.hear()
            except OSError:
                if self.silent_too_long():
                    self.broke(f"no answer for {PATIENCE_S} s")
                    self.begin()
            time.sleep(0.02)
        self.end(sock)

    def anew(self, old):
        self.end(old)
        self.begin()
        try:
            return self.world.udp_connect(self.line.address, 53, timeout=0.5)
        except OSError:
            return None

    def end(self, sock):
        if sock:
            self.world.lab.drop(sock)


class Ask(Traffic):
    """Short connections to all that is mapped. An answer that comes late is none, and no break:
    while a rule is away, or a backend's way back is being measured, there is none."""

    unit = "answers"

    def run(self):
        while not self.chaos.over:
            for proto, port in (("udp", 53), ("tcp", 2200), ("tcp", 8080), ("tcp", 8081),
                                ("tcp", 8082)):
                if ask(self.world, self.line.address, port, proto, timeout=0.5):
                    self.count += 1
                time.sleep(0.01)


class Curl(Traffic):
    """curl, one after another. Each has all the time in the world, and must succeed."""

    unit = "pages"

    def run(self):
        while not self.chaos.over:
            self.begin()
            done = self.world.popen(["curl", "-sS", "--noproxy", "*", "--max-time", str(PATIENCE_S),
                                     f"http://{self.line.address}/"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while done.poll() is None and not self.chaos.over and not self.excused():
                time.sleep(0.02)
            if done.poll() is None:
                pass
            elif done.returncode == 0 and "saw" in done.stdout.read():
                self.count += 1
            else:
                self.broke(f"exit {done.returncode}: {done.stderr.read()}")
            self.world.lab.drop(done)
            time.sleep(0.05)


class Bulk(Traffic):
    """iperf3, both ways at once, for as long as the line lasts."""

    unit = "seconds"
    reported = re.compile(r"\[RX-C\].* sec +([\d.]+) \w*Bytes")

    def run(self):
        port = str(self.line.bulk_port)
        while not self.chaos.over:
            self.begin()
            server = self.chaos.site.hosts["backend"].popen(
                ["iperf3", "-s", "-1", "-p", port],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            client = self.world.popen(
                ["iperf3", "-c", self.line.address, "-p", port, "-t", "86400", "-i", "1",
                 "--bidir", "-b", "4M", "--forceflush", "--connect-timeout", "3000"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.follow(client)
            self.world.lab.drop(client)
            self.world.lab.drop(server)
            time.sleep(0.2)

    def follow(self, client):
        """What it reports each second, until it ends or may."""
        last, begun = "", False
        for text in client.stdout:
            match = self.reported.search(text)
            last = text.strip() or last
            begun = begun or bool(match)
            if match and float(match[1]) > 0:
                self.hear()
            if self.chaos.over or self.excused():
                return
            if self.silent_too_long():
                self.broke(f"nothing came for {PATIENCE_S} s")
                return
        if begun:  # the first connection may find no server, so soon after its start
            self.broke(f"iperf3 ended: {last}")


KINDS = (Talk, Echo, Ask, Curl, Bulk)
