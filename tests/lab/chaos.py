# SPDX-License-Identifier: GPL-2.0-or-later
"""Chaos: the daemon on a gateway to which everything happens, at random, under real traffic.

    /usr/bin/python3 tests/lab/chaos.py --seconds 1800 --seed 7

Lines flap, addresses and gateways change, interfaces are taken away and come again, other tools
flush rules and routes, configs are reloaded, good ones and bad, large and small, the daemon is
killed, backends restart and change their way out. Meanwhile, on every line, there are curl in a
loop, iperf3, long connections, an echo of datagrams, and short connections to all that is mapped
(chaos_traffic.py). Held to, all the time:

  - no reply ever leaves by another line than home (the ISPs count foreign sources);
  - no connection on a line that nothing was done to breaks.

and after the last event: the kernel is what the config calls for, every address answers, and the
daemon holds no more memory and descriptors than it did before. The seed is printed; the same seed
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
import time

import lab as lab_module
from chaos_traffic import KINDS, PATIENCE_S
from gateway import BINARY, Portreeve
from lab import Lab, wait_for
from topology import CLIENT, Machine, Site, lan, telecom, unicom
from traffic import ask, curl, nginx, serve

CONFIG = """
    uplinks:
      telecom: {interface: eth0}
      unicom:  {interface: eth1, check: {icmp: gateway, every: 1s}}
    maps:
      web: {listen: 80/tcp, to: 192.168.0.2}
      echo: {listen: 53/udp, to: 192.168.0.2, return: snat}
      ssh: {listen: 2200/tcp, to: "192.168.0.2:22"}
      direct: {listen: 8080/tcp, to: "192.168.0.3:22", return: direct}
      roams: {listen: 8081/tcp, to: "192.168.0.4:22"}
      pool:
        listen: 8082/tcp
        to: ["192.168.0.2:23", "192.168.0.3:23"]
        check: {tcp: true, every: 1s}
      bulk: {listen: 5201-5202/tcp, to: 192.168.0.2}
    """
EXTRA = '      more{0}: {{listen: {1}/tcp, to: "192.168.0.{2}:23"}}\n'
EXTRA_PORT = 10000
MANY = 3000  # more than the kernel's maps are first made for: the table is replaced
DAEMON_MAY_END = 0.5  # of the time: the last life of the daemon is a long one, in which leaks show
WARM_UP_SAMPLES, SAMPLES = 12, 10
MEMORY_SLACK_KIB = 6144
# What the ISPs drop, so that it can be said.
STRAYS = """
    add set inet isp tcp_strays {
        typeof ip saddr . tcp sport . ip daddr . tcp dport; size 64; flags dynamic;
    }
    add set inet isp udp_strays {
        typeof ip saddr . udp sport . ip daddr . udp dport; size 64; flags dynamic;
    }
    insert rule inet isp forward iifname customer \\
        add @tcp_strays { ip saddr . tcp sport . ip daddr . tcp dport }
    insert rule inet isp forward iifname customer \\
        add @udp_strays { ip saddr . udp sport . ip daddr . udp dport }
    """
CONNTRACK_MAX = "net.netfilter.nf_conntrack_max"


class Line:
    """One uplink as chaos knows it: where it is now, and a router that moves with it."""

    def __init__(self, name, interface, network, metric, bulk_port):
        self.name, self.interface, self.network, self.metric = name, interface, network, metric
        self.bulk_port = bulk_port
        self.host, self.router = int(network.split(".")[0]), 254

    @property
    def address(self):
        return f"{self.network}.{self.host}"

    @property
    def gateway(self):
        return f"{self.network}.{self.router}"

    def default(self):
        return f"route replace default via {self.gateway} dev {self.interface} metric {self.metric}"


class Chaos:
    def __init__(self, lab, seed, log):
        self.lab, self.random, self.log = lab, random.Random(seed), log
        self.lines = [Line("telecom", "eth0", "1.1.1", 100, 5201),
                      Line("unicom", "eth1", "2.2.2", 200, 5202)]
        self.site = Site(lab, [telecom(), unicom()],
                         [lan(Machine("backend", ["192.168.0.2/24"]),
                              Machine("other", ["192.168.0.3/24"], gateway=True),
                              Machine("roamer", ["192.168.0.4/24"]))], default=None)
        for line in self.lines:
            isp = self.site.isp[line.name]
            # The whole network is the customer's: its address moves about in it. No replies are
            # what is not for the client (a backend's late answer to a return probe, from an address
            # that has gone meanwhile), the errors that the gateway itself makes, whose source the
            # kernel picks, and the resets it answers with to what conntrack cannot place, before
            # the daemon knows a new address.
            isp.nft(STRAYS + f"insert rule inet isp forward iifname customer "
                    f"ip saddr {line.network}.0/24 accept\n"
                    f"insert rule inet isp forward iifname customer "
                    f"ip daddr != {CLIENT} accept\n"
                    f"insert rule inet isp forward iifname customer meta l4proto icmp accept\n"
                    f"insert rule inet isp forward iifname customer "
                    f"tcp flags & (ack | rst) == rst accept")
            isp.ip(f"addr add {line.network}.253/24 dev customer")
            self.site.gw.ip(line.default())
        roamer = self.site.hosts["roamer"]
        own = json.loads(roamer.run("ip -j route show default").stdout)[0]["gateway"]
        self.ways_out = [own, "192.168.0.1"]
        self.servers = {name: self.serve(name) for name in ("backend", "other", "roamer")}
        self.nginx = nginx(self.site.hosts["backend"])
        self.portreeve = Portreeve(self.site.gw)
        self.more, self.turn = 0, 0
        self.daemon = None
        self.errors = open(lab.path("daemon.log"), "w+", encoding="utf-8")
        lab.keep(self.errors)
        self.hurt = {line.name: 0 for line in self.lines}  # odd: something is being done to it
        self.over, self.doing = False, "nothing"
        self.done, self.threads = {}, []
        self.samples = []  # (pid, resident memory in KiB, open descriptors) after each event
        self.events = list(self.EVENTS)
        if self.may_limit_connections():
            self.events.append(Chaos.connections_limited)

    # ---- what is there ----

    def serve(self, name):
        return serve(self.site.hosts[name], tcp=[22, 23], udp=[53])

    def config(self):
        return CONFIG.rstrip() + "\n" + "".join(
            EXTRA.format(i, EXTRA_PORT + i, 2 + (i + self.turn) % 2) for i in range(self.more))

    def may_limit_connections(self):
        """Whether the gateway has a conntrack limit of its own, which is not the machine's."""
        def machines():
            with open("/proc/sys/" + CONNTRACK_MAX.replace(".", "/"), encoding="ascii") as file:
                return file.read()
        gw, before = self.site.gw, machines()
        limit = int(gw.sysctl(CONNTRACK_MAX))
        try:
            gw.sysctl(CONNTRACK_MAX, limit - 1)
        except OSError:
            return False
        own = machines() == before
        gw.sysctl(CONNTRACK_MAX, limit)
        return own

    def run_daemon(self):
        self.daemon = self.site.gw.popen([BINARY, "run", self.portreeve.write(self.config())],
                                         env=self.portreeve.environment(), stderr=self.errors)
        wait_for(self.well, "the daemon to answer", timeout=PATIENCE_S)

    def status(self):
        done = self.portreeve.run("status", "--json", check=False)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def well(self):
        assert self.daemon.poll() is None, f"the daemon has ended with {self.daemon.returncode}"
        status = self.status()
        return status.get("daemon") is True and status.get("in_force") is True

    def sample(self):
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            rss = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        fds = len(os.listdir(f"/proc/{self.daemon.pid}/fd"))
        self.samples.append((self.daemon.pid, rss, fds))

    def foreign(self):
        return {name: self.site.foreign(name) for name in self.site.isp if name in self.hurt}

    def strays(self):
        return "".join(self.site.isp[name].run(f"nft list set inet isp {proto}_strays").stdout
                       for name, count in self.foreign().items() if count
                       for proto in ("tcp", "udp"))

    # ---- what happens ----

    @contextlib.contextmanager
    def hurting(self, *lines):
        """What breaks on these lines meanwhile is not the daemon's fault."""
        for line in lines:
            self.hurt[line.name] += 1
        yield
        wait_for(lambda: all(self.answers(line) for line in lines), "the line to work again",
                 timeout=PATIENCE_S)
        for line in lines:
            self.hurt[line.name] += 1

    def answers(self, line, port=2200, proto="tcp"):
        return ask(self.site.world, line.address, port, proto, timeout=2)

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

    def reload_with(self, more):
        self.more = more
        self.portreeve.write(self.config())
        self.portreeve.run("reload")
        if more:
            port = EXTRA_PORT + self.random.randrange(more)
            wait_for(lambda: all(self.answers(line, port) for line in self.lines),
                     "a map that is new, or leads elsewhere now", timeout=PATIENCE_S)

    def reload(self):
        self.reload_with(self.random.randrange(6))

    def reload_elsewhere(self):
        self.turn += 1
        self.reload_with(self.random.randrange(1, 6))

    def reload_many(self):
        self.reload_with(MANY)

    def bad_reload(self):
        wrong = self.random.choice(["{listen: 80/tcp", "{listen: 80/tcp, to: 192.168.0.3}",
                                    "{listen: 81/tcp, on: [unicorn], to: 192.168.0.3}"])
        self.portreeve.write(self.config() + f"      oops: {wrong}\n")
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
        name = self.random.choice([*self.servers, "nginx"])
        pause = self.random.uniform(0, 0.3)
        with self.hurting(*self.lines):
            if name == "nginx":
                self.restart_nginx(pause)
                return
            self.lab.drop(self.servers[name])
            time.sleep(pause)
            self.servers[name] = self.serve(name)

    def restart_nginx(self, pause):
        with open(f"{self.nginx}/pid", encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not os.path.exists(f"{self.nginx}/pid"), "nginx to end",
                 timeout=PATIENCE_S)
        time.sleep(pause)
        self.site.hosts["backend"].popen(
            ["nginx", "-p", self.nginx, "-e", f"{self.nginx}/error.log",
             "-c", f"{self.nginx}/nginx.conf"])
        wait_for(lambda: all(map(self.answers_http, self.lines)), "nginx to answer again",
                 timeout=PATIENCE_S)

    def answers_http(self, line):
        return curl(self.site.world, f"http://{line.address}/", timeout=2)

    def backend_takes_another_way_out(self):
        self.ways_out.reverse()
        self.site.hosts["roamer"].run(f"ip route replace default via {self.ways_out[0]}")
        wait_for(lambda: all(self.answers(line, 8081) for line in self.lines),
                 "the daemon to notice how a backend's replies return", timeout=PATIENCE_S)

    def connections_limited(self):
        gw = self.site.gw
        limit, used = gw.sysctl(CONNTRACK_MAX), gw.sysctl("net.netfilter.nf_conntrack_count")
        with self.hurting(*self.lines):
            gw.sysctl(CONNTRACK_MAX, int(used) + 16)
            for line in self.lines * 32:
                ask(self.site.world, line.address, 53, "udp", timeout=0.02)
            gw.sysctl(CONNTRACK_MAX, limit)

    EVENTS = (link_flap, carrier_loss, interface_again, address_change, same_address,
              second_address, gateway_change, flush_ruleset, rule_deleted, routes_flushed,
              sysctl_changed, route_storm, reload, reload_elsewhere, reload_many, bad_reload,
              killed, restarted, backend_restarted, backend_takes_another_way_out)

    def event(self, daemon_may_end):
        what = self.random.choice(self.events)
        if what in (Chaos.killed, Chaos.restarted) and not daemon_may_end:
            return
        self.doing = what.__name__
        self.done[self.doing] = self.done.get(self.doing, 0) + 1
        self.log(f"  {self.doing}")
        what(self)
        time.sleep(self.random.choice([0, 0.01, 0.1, 0.5]))
        self.sample()

    # ---- the whole ----

    def run(self, seconds):
        self.run_daemon()
        self.threads = [kind(self, line) for line in self.lines for kind in KINDS]
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < seconds:
            self.event(passed < seconds * DAEMON_MAY_END)
            self.judge()
        self.doing = "nothing any more"
        wait_for(self.settled, "everything to come to rest", timeout=2 * PATIENCE_S, interval=0.2)
        self.end()
        self.judge()
        self.judge_end()

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()

    def settled(self):
        """All answers, and no repair waits for others to leave off: then half a minute may pass."""
        return self.well() and self.status()["drift"]["backing_off_ms"] is None and all(
            self.answers(line, port, proto) for line in self.lines
            for proto, port in (("udp", 53), ("tcp", 2200), ("tcp", 8080), ("tcp", 8081),
                                ("tcp", 8082))) and all(map(self.answers_http, self.lines))

    def judge(self):
        ended = [str(thread) for thread in self.threads if not (self.over or thread.is_alive())]
        assert not ended, f"broken here: {', '.join(ended)}"
        assert not any(self.foreign().values()), \
            f"replies left by another line: {self.foreign()} after {self.doing}: {self.strays()}"
        broken = [text for thread in self.threads for text in thread.breaks]
        assert not broken, \
            "connections on lines that nothing was done to broke:\n" + "\n".join(broken)

    def judge_end(self):
        idle = [str(thread) for thread in self.threads if not thread.count]
        assert not idle, f"nothing ever came through: {', '.join(idle)}"
        diff = self.portreeve.run("diff", "--json", self.portreeve.file, check=False)
        assert diff.returncode == 0, f"the kernel is not what the config says: {diff.stdout}"
        for _ in range(SAMPLES):
            time.sleep(0.2)
            self.sample()
        self.judge_leaks()

    def report(self):
        print(f"{sum(self.done.values())} events: " +
              ", ".join(f"{n} {name}" for name, n in sorted(self.done.items())))
        for thread in self.threads:
            longest, since = thread.silence
            print(f"{thread}: {thread.count} {thread.unit}" +
                  (f", longest silence {longest:.1f} s, since {since}" if longest else ""))
        if Chaos.connections_limited not in self.events:
            print("SKIP conntrack table pressure: its limit cannot be set from a namespace")

    def judge_leaks(self):
        """Of the daemon's last life, what it holds at rest now and what it held when it was warm.
        The least of several samples: a request or a probe that is under way is no leak."""
        life = [sample for sample in self.samples if sample[0] == self.daemon.pid][WARM_UP_SAMPLES:]
        if len(life) < 3 * SAMPLES:
            print(f"SKIP leaks: the daemon's last life was too short, {len(life)} samples")
            return
        rss, fds = (max(sample[i] for sample in life[:SAMPLES]) for i in (1, 2))
        rss_now, fds_now = (min(sample[i] for sample in life[-SAMPLES:]) for i in (1, 2))
        print(f"{len(life)} samples of one daemon: resident {rss} -> {rss_now} KiB, "
              f"descriptors {fds} -> {fds_now}")
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
            print(f"FAILED with seed {args.seed}, after {sum(chaos.done.values())} events: {why}")
            return 1
        chaos.report()
    print("no reply left by another line, no untouched connection broke")
    return 0


if __name__ == "__main__":
    sys.exit(main())
