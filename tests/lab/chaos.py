# SPDX-License-Identifier: GPL-2.0-or-later
"""Chaos: the daemon on a gateway to which everything happens, at random, under real traffic.

    /usr/bin/python3 tests/lab/chaos.py --seconds 1800 --seed 7

Lines flap, addresses and gateways change, interfaces are taken away and come again, other tools flush
rules and routes, configs are reloaded, good ones and bad, the daemon is killed, backends restart.
Meanwhile clients connect, long connections talk and datagrams are echoed on every line. Held to, all
the time:

  - no reply ever leaves by another line than home (the ISPs count foreign sources);
  - no connection on a line that nothing was done to breaks.

and after the last event: the kernel is what the config calls for, every address answers, and the
daemon holds no more memory and descriptors than after its warm-up. The seed is printed; the same seed
does the same things in the same order.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import sys
import threading
import time

import lab as lab_module
from gateway import BINARY, Portreeve
from lab import Lab, wait_for
from topology import Machine, Site, lan, telecom, unicom
from traffic import Conversation, ask, serve

CONFIG = """
    uplinks:
      telecom: {interface: eth0}
      unicom:  {interface: eth1}
    maps:
      web: {listen: [80/tcp, 53/udp], to: 192.168.0.2}
      ssh: {listen: 2200/tcp, to: "192.168.0.2:22"}
      direct: {listen: 8080/tcp, to: "192.168.0.3:80", return: direct}
    """
EXTRA = "      more{0}: {{listen: {1}/tcp, to: 192.168.0.3}}\n"
WARM_UP_EVENTS = 12
MEMORY_SLACK_KIB = 6144


class Line:
    """One uplink as chaos knows it: where it is now, and a router that moves with it."""

    def __init__(self, name, interface, network, metric):
        self.name, self.interface, self.network, self.metric = name, interface, network, metric
        self.host, self.router = int(network.split(".")[0]), 254

    @property
    def address(self):
        return f"{self.network}.{self.host}"

    @property
    def gateway(self):
        return f"{self.network}.{self.router}"

    def default(self):
        return f"route replace default via {self.gateway} dev {self.interface} metric {self.metric}"


class Talk(threading.Thread):
    """A long TCP connection on one line that is never silent, made again when it is known to be
    hurt; a break that nothing explains is kept."""

    def __init__(self, chaos, line):
        super().__init__(daemon=True)
        self.chaos, self.line = chaos, line
        self.said, self.breaks = 0, []
        self.start()

    def run(self):
        talk, hurt = None, 0
        while not self.chaos.over:
            try:
                if talk is None or hurt != self.chaos.hurt[self.line.name]:
                    talk, hurt = None, self.chaos.hurt[self.line.name]
                    talk = Conversation(self.chaos.site.world, self.line.address, 2200, timeout=3.0)
                    talk.sock.settimeout(20)
                talk.say()
                self.said += 1
                time.sleep(0.01)
            except (OSError, AssertionError) as why:
                if talk and hurt % 2 == 0 and hurt == self.chaos.hurt[self.line.name]:
                    self.breaks.append(f"{self.line.name}: {why!r} during: {self.chaos.doing}")
                talk = None
                time.sleep(0.05)


class Echo(threading.Thread):
    """Datagrams from ever the same port, and short TCP connections between them."""

    def __init__(self, chaos, line):
        super().__init__(daemon=True)
        self.chaos, self.line = chaos, line
        self.answered = 0
        self.start()

    def run(self):
        while not self.chaos.over:
            for proto, port in (("udp", 53), ("tcp", 80), ("tcp", 8080)):
                if ask(self.chaos.site.world, self.line.address, port, proto, timeout=0.5):
                    self.answered += 1


class Chaos:
    def __init__(self, lab, seed, log):
        self.lab, self.random, self.log = lab, random.Random(seed), log
        self.lines = [Line("telecom", "eth0", "1.1.1", 100), Line("unicom", "eth1", "2.2.2", 200)]
        self.site = Site(lab, [telecom(), unicom()],
                         [lan(Machine("backend", ["192.168.0.2/24"]),
                              Machine("other", ["192.168.0.3/24"], gateway=True))], default=None)
        for line in self.lines:
            isp = self.site.isp[line.name]
            # The whole network is the customer's: its address moves about in it. No replies are the
            # errors that the gateway itself makes, whose source the kernel picks, and the resets it
            # answers with to what conntrack cannot place, before the daemon knows a new address.
            isp.nft(f"insert rule inet isp forward iifname customer "
                    f"ip saddr {line.network}.0/24 accept\n"
                    f"insert rule inet isp forward iifname customer meta l4proto icmp accept\n"
                    f"insert rule inet isp forward iifname customer "
                    f"tcp flags & (ack | rst) == rst accept")
            isp.ip(f"addr add {line.network}.253/24 dev customer")
            self.site.gw.ip(line.default())
        self.servers = {}
        for name in ("backend", "other"):
            self.serve(name)
        self.portreeve = Portreeve(self.site.gw)
        self.more = 0
        self.daemon = None
        self.errors = open(lab.path("daemon.log"), "w+", encoding="utf-8")
        lab.keep(self.errors)
        self.hurt = {line.name: 0 for line in self.lines}  # odd: something is being done to it
        self.over, self.doing = False, "nothing"
        self.done, self.threads = {}, []

    # ---- what is there ----

    def serve(self, name):
        self.servers[name] = serve(self.site.hosts[name], tcp=[22, 80], udp=[53])

    def config(self):
        return CONFIG.rstrip() + "\n" + "".join(EXTRA.format(i, 9000 + i) for i in range(self.more))

    def run_daemon(self):
        self.daemon = self.site.gw.popen([BINARY, "run", self.portreeve.write(self.config())],
                                         env=self.portreeve.environment(), stderr=self.errors)
        wait_for(self.well, "the daemon to answer", timeout=20)

    def status(self):
        done = self.portreeve.run("status", "--json", check=False)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def well(self):
        status = self.status()
        return status.get("daemon") is True and status.get("in_force") is True

    def resources(self):
        """Resident memory in KiB, and open descriptors."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            rss = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        return rss, len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def foreign(self):
        return {name: self.site.foreign(name) for name in self.site.isp if name in self.hurt}

    # ---- what happens ----

    @contextlib.contextmanager
    def hurting(self, *lines):
        """What breaks on these lines meanwhile is not the daemon's fault."""
        for line in lines:
            self.hurt[line.name] += 1
        yield
        wait_for(lambda: all(self.answers(line) for line in lines), "the line to work again",
                 timeout=30)
        for line in lines:
            self.hurt[line.name] += 1

    def answers(self, line):
        return ask(self.site.world, line.address, 2200, timeout=1)

    def link_flap(self):
        line = self.random.choice(self.lines)
        with self.hurting(line):
            self.site.gw.ip(f"link set {line.interface} down")
            time.sleep(self.random.uniform(0, 1))
            self.site.gw.ip(f"link set {line.interface} up")
            time.sleep(self.random.uniform(0, 0.3))
            self.site.gw.ip(line.default())

    def carrier_loss(self):
        line = self.random.choice(self.lines)
        isp = self.site.isp[line.name]
        with self.hurting(line):
            isp.ip("link set customer down")
            time.sleep(self.random.uniform(0, 1))
            isp.ip("link set customer up")
            self.site.gw.ip(line.default())

    def interface_again(self):
        line = self.random.choice(self.lines)
        isp = self.site.isp[line.name]
        with self.hurting(line):
            self.site.gw.ip(f"link del {line.interface}")
            time.sleep(self.random.uniform(0, 1))
            self.lab.wire((self.site.gw, line.interface), (isp, "customer"))
            isp.ip(f"addr add {line.network}.254/24 dev customer",
                   f"addr add {line.network}.253/24 dev customer")
            self.site.gw.ip(f"addr add {line.address}/24 dev {line.interface}", line.default())

    def address_change(self):
        line = self.random.choice(self.lines)
        with self.hurting(line):
            old = line.address
            line.host = self.random.choice([n for n in range(1, 30) if n != line.host])
            self.site.gw.ip(f"addr del {old}/24 dev {line.interface}",
                            f"addr add {line.address}/24 dev {line.interface}", line.default())

    def same_address(self):
        line = self.random.choice(self.lines)
        self.site.gw.run(f"ip addr replace {line.address}/24 dev {line.interface}")

    def second_address(self):
        line = self.random.choice(self.lines)
        other = f"{line.network}.77/24 dev {line.interface}"
        self.site.gw.ip(f"addr add {other}")
        time.sleep(self.random.uniform(0, 0.5))
        self.site.gw.ip(f"addr del {other}")

    def gateway_change(self):
        line = self.random.choice(self.lines)
        line.router = 507 - line.router  # 253 and 254 take turns
        self.site.gw.ip(line.default())

    def flush_ruleset(self):
        self.site.gw.run("nft flush ruleset")

    def rule_deleted(self):
        preference = self.random.choice([501, 502])
        self.site.gw.run(f"ip rule del pref {preference}", check=False)

    def routes_flushed(self):
        table = self.random.choice([70001, 70002])
        self.site.gw.run(f"ip route flush table {table}", check=False)

    def sysctl_changed(self):
        line = self.random.choice(self.lines)
        self.site.gw.sysctl(f"net/ipv4/conf/{line.interface}/rp_filter", 1)

    def route_storm(self):
        self.site.gw.ip(*(f"route add 10.{n}.0.0/16 via 192.168.0.3" for n in range(60, 160)))
        self.site.gw.ip(*(f"route del 10.{n}.0.0/16" for n in range(60, 160)))

    def reload(self):
        self.more = self.random.randrange(6)
        self.portreeve.write(self.config())
        self.portreeve.run("reload")

    def bad_reload(self):
        self.portreeve.write(self.config() + "      oops: {listen: 80/tcp\n")
        done = self.portreeve.run("reload", check=False)
        assert done.returncode == 2, f"a bad config was taken: {done.stdout}{done.stderr}"
        self.portreeve.write(self.config())

    def killed(self):
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait()
        time.sleep(self.random.uniform(0, 0.5))
        self.run_daemon()

    def restarted(self):
        self.daemon.terminate()
        code = self.daemon.wait(timeout=20)
        assert code == 0, f"the daemon stopped with {code}"
        self.run_daemon()

    def backend_restarted(self):
        name = self.random.choice(list(self.servers))
        with self.hurting(*self.lines):
            self.lab.drop(self.servers[name])
            time.sleep(self.random.uniform(0, 0.3))
            self.serve(name)

    EVENTS = (link_flap, carrier_loss, interface_again, address_change, same_address, second_address,
              gateway_change, flush_ruleset, rule_deleted, routes_flushed, sysctl_changed, route_storm,
              reload, bad_reload, killed, restarted, backend_restarted)

    def event(self):
        what = self.random.choice(self.EVENTS)
        self.doing = what.__name__
        self.done[self.doing] = self.done.get(self.doing, 0) + 1
        self.log(f"  {self.doing}")
        what(self)
        time.sleep(self.random.choice([0, 0.01, 0.1, 0.5]))

    # ---- the whole ----

    def run(self, seconds):
        self.run_daemon()
        self.threads = [make(self, line) for line in self.lines for make in (Talk, Echo)]
        end, begin = time.monotonic() + seconds, None
        while time.monotonic() < end:
            self.event()
            assert not any(self.foreign().values()), \
                f"replies left by another line: {self.foreign()} after {self.doing}"
            # A new process begins anew; what counts is that one does not grow.
            if self.doing in ("killed", "restarted"):
                begin = None
            elif begin is None and sum(self.done.values()) >= WARM_UP_EVENTS:
                begin = self.daemon.pid, self.resources()
        self.doing = "nothing any more"
        wait_for(self.settled, "everything to come to rest", timeout=60, interval=0.2)
        self.end()
        self.judge([t for t in self.threads if isinstance(t, Talk)], begin)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()

    def settled(self):
        return self.well() and all(
            ask(self.site.world, line.address, port, proto, timeout=1) for line in self.lines
            for proto, port in (("tcp", 80), ("udp", 53), ("tcp", 8080), ("tcp", 2200)))

    def judge(self, talks, begin):
        assert not any(self.foreign().values()), f"replies left by another line: {self.foreign()}"
        broken = [text for talk in talks for text in talk.breaks]
        assert not broken, "connections on lines that nothing was done to broke:\n" + "\n".join(broken)
        assert all(talk.said for talk in talks), "there was a line that never worked"
        diff = self.portreeve.run("diff", "--json", self.portreeve.file, check=False)
        assert diff.returncode == 0, f"the kernel is not what the config says: {diff.stdout}"
        if begin and begin[0] == self.daemon.pid:
            (rss, fds), (rss_now, fds_now) = begin[1], self.resources()
            assert fds_now <= fds, f"descriptors leak: {fds} -> {fds_now}"
            assert rss_now <= rss + MEMORY_SLACK_KIB, f"memory leaks: {rss} -> {rss_now} KiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--verbose", action="store_true", help="say each event")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab_module.sweep()
    print(f"seed {args.seed}, {args.seconds:.0f} s", flush=True)
    with Lab() as lab:
        chaos = Chaos(lab, args.seed, lambda text: args.verbose and print(text, flush=True))
        try:
            chaos.run(args.seconds)
        except AssertionError as why:
            chaos.end()
            chaos.errors.flush()
            with open(chaos.errors.name, encoding="utf-8") as log:
                print("".join(log.readlines()[-40:]))
            print(f"FAILED with seed {args.seed}: {why}")
            return 1
        print("events: " + ", ".join(f"{n} {name}" for name, n in sorted(chaos.done.items())))
        for thread in chaos.threads:
            print(f"{type(thread).__name__.lower()} on {thread.line.name}: " +
                  (f"{thread.said} times" if isinstance(thread, Talk) else f"{thread.answered} answers"))
        print("SKIP conntrack table pressure: its limit cannot be set from a namespace")
    print("no reply left by another line, no untouched connection broke")
    return 0


if __name__ == "__main__":
    sys.exit(main())
