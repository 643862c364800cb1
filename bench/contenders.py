# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is compared: each puts the same maps into force on the gateway, and takes them away again.

skip() says why a contender cannot run here, or None. Everybody has to send replies home by the uplink
of their request; the recipes do it as they commonly are written, with connection marks.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import daemon
from maps import FLOWS_PER_PORT, config, udp
from network import BACKEND, CLIENTS, GATEWAY, INSIDE, PUBLIC, UPLINK, UPLINKS, inside, ip, sh

PATIENCE_S = 10


class Skip(Exception):
    """This contender cannot do this here, and why."""


class Contender:
    """@limit: what the generator attaches itself; @target: what clients address; @packets: whether it
    can pass single packets on, or is a proxy of connections; @checksums: whether the ends may leave
    checksums to their devices."""

    limit, target, packets, checksums = "none", PUBLIC, True, True

    def __init__(self, name, title):
        self.name, self.title = name, title

    def skip(self):
        return None

    def on(self, maps):
        pass

    def off(self):
        pass


class Limit(Contender):
    def __init__(self, name, title, limit):
        super().__init__(name, title)
        self.limit = limit


class Forward(Contender):
    """The gateway routes and does nothing else: no rules, so no connection tracking."""

    target = BACKEND

    def on(self, maps):
        ip("g", f"route add {CLIENTS} via {UPLINKS[1][3]}")

    def off(self):
        ip("g", f"route del {CLIENTS} via {UPLINKS[1][3]}")


def steer(on):
    """Replies by mark, the inside networks first."""
    verb = "add" if on else "del"
    ip("g", f"rule {verb} pref 500 lookup main suppress_prefixlength 0")
    for n, (_, dev, _, gateway) in enumerate(UPLINKS, 1):
        ip("g", f"route {verb} default via {gateway} dev {dev} table {n}",
           f"rule {verb} pref {500 + n} fwmark {n} lookup {n}")


def flush():
    """Connections of the one before are not there for the next. There may be no conntrack to flush."""
    subprocess.run(inside("g", "conntrack", "-F"), capture_output=True)


class Iptables(Contender):
    """The article's rules with the LAN looked up first, without which they do not work: a map has one DNAT
    rule for each uplink, and one SNAT rule."""

    def __init__(self, name, title, variant):
        super().__init__(name, title)
        self.restore = f"iptables-{variant}-restore"

    def skip(self):
        return None if shutil.which(self.restore) else f"there is no {self.restore}"

    @staticmethod
    def dnat(m, uplink):
        _, dev, address, _ = uplink
        return (f"PREROUTING {{}}-d {address}/32 -i {dev} -p {m.protocol} -m {m.protocol} "
                f"--dport {m.port} -j DNAT --to-destination {m.backend}:{m.backend_port}")

    @staticmethod
    def snat(m):
        return (f"POSTROUTING {{}}-d {m.backend}/32 -o {INSIDE} -p {m.protocol} -m {m.protocol} "
                f"--dport {m.backend_port} -j SNAT --to-source {GATEWAY}")

    def on(self, maps):
        lines = ["*mangle", "-A PREROUTING -j CONNMARK --restore-mark",
                 "-A PREROUTING -m mark ! --mark 0 -j ACCEPT"]
        for n, (_, dev, address, _) in enumerate(UPLINKS, 1):
            lines += [f"-A PREROUTING -d {address}/32 -i {dev} -p {p} -m {p} -j MARK --set-mark {n}"
                      for p in sorted({m.protocol for m in maps})]
        lines += ["-A PREROUTING -j CONNMARK --save-mark", "COMMIT", "*nat"]
        lines += ["-A " + self.dnat(m, u).format("") for m in maps for u in UPLINKS]
        lines += ["-A " + self.snat(m).format("") for m in maps]
        sh(*inside("g", self.restore), input="\n".join(lines + ["COMMIT", ""]))
        steer(True)

    def change(self, maps, which):
        """The rules of one map lead elsewhere, each replaced in its place."""
        lines = ["*nat"]
        for n, uplink in enumerate(UPLINKS):
            place = which * len(UPLINKS) + n + 1
            lines.append("-R " + self.dnat(maps[which], uplink).format(f"{place} "))
        lines.append("-R " + self.snat(maps[which]).format(f"{which + 1} "))
        sh(*inside("g", self.restore, "--noflush"), input="\n".join(lines + ["COMMIT", ""]))

    def off(self):
        sh(*inside("g", self.restore), input="*nat\nCOMMIT\n*mangle\nCOMMIT\n")
        steer(False)
        flush()


RULES = """
table inet hand {{
	map ports {{ type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; size 262144;
		elements = {{ {elements} }} }}
	chain home {{ type filter hook prerouting priority -135;
		ct direction reply meta mark set ct mark
		ct state new ct mark set iifname map {{ "eth0" : 1, "eth1" : 2 }}; }}
	chain pre {{ type nat hook prerouting priority -110;
		meta l4proto {{ tcp, udp }} dnat ip to meta l4proto . ip daddr . th dport map @ports; }}
	chain post {{ type nat hook postrouting priority 90;
		ct status dnat snat ip to ip daddr map {{ {BACKEND} : {GATEWAY} }}; }}
	{more}
}}
"""
FLOWTABLE = """flowtable fast { hook ingress priority 0; devices = { eth1, eth2 }; }
	chain passing { type filter hook forward priority 0;
		meta l4proto { tcp, udp } ct direction reply flow add @fast; }
"""


class Nft(Contender):
    """The best rules one would write by hand for two uplinks: the maps are elements of one map."""

    more = ""

    @staticmethod
    def element(m, address, data=True):
        key = f"{m.protocol} . {address} . {m.port}"
        return f"{key} : {m.backend} . {m.backend_port}" if data else key

    def rules(self, maps):
        elements = [self.element(m, u[2]) for m in maps for u in UPLINKS]
        return RULES.format(elements=", ".join(elements), BACKEND=BACKEND, GATEWAY=GATEWAY,
                            more=self.more)

    def on(self, maps):
        sh(*inside("g", "nft", "-f", "-"), input=self.rules(maps))
        steer(True)

    def change(self, maps, which):
        text = []
        for verb in ("delete", "add"):
            for u in UPLINKS:
                element = self.element(maps[which], u[2], verb == "add")
                text.append(f"{verb} element inet hand ports {{ {element} }}")
        sh(*inside("g", "nft", "-f", "-"), input="\n".join(text) + "\n")

    def off(self):
        sh(*inside("g", "nft", "delete", "table", "inet", "hand"))
        steer(False)
        flush()


class Flowtable(Nft):
    """The kernel's own fast path. Only replies offer a flow: by then it has its mark, and the way of
    its requests is found in the main table."""

    more = FLOWTABLE

    def skip(self):
        done = subprocess.run(inside("g", "nft", "-c", "-f", "-"), capture_output=True, text=True,
                              input=self.rules(udp(1)))
        if not done.returncode:
            return None
        return (f"this kernel takes no flowtable (CONFIG_NF_FLOW_TABLE_INET): "
                f"{done.stderr.splitlines()[0].split(': ')[-1]}")


def attached(kind, dev):
    """Whether a program handles what comes in there, as the kernel says it."""
    if kind == "xdp":
        return "xdp" in json.loads(sh(*inside("g", "ip", "-j", "link", "show", "dev", dev)))[0]
    return bool(sh(*inside("g", "tc", "filter", "show", "dev", dev, "ingress")).strip())


def room_for(maps):
    """Connections that the fast path is to remember: the default, or more for more flows."""
    flows = FLOWS_PER_PORT * sum(m.protocol == "udp" for m in maps)
    return max(65536, 1 << (flows - 1).bit_length() if flows else 0)


class Portreeve(Contender):
    """Without a fast path one `apply`; with one the daemon, whose programs they are."""

    def __init__(self, name, title, program, tmp, fastpath=None):
        super().__init__(name, title)
        self.program, self.fastpath, self.running = program, fastpath, None
        self.conf = tmp / f"{name}.yaml"
        self.checksums = fastpath != "xdp"

    def write(self, maps):
        gateway = ""
        if self.fastpath:
            gateway = f"fastpath: {self.fastpath}, fastpath-flows: {room_for(maps)}"
        return config(self.conf, maps, gateway, ", return: snat")

    def skip(self):
        self.write([])
        done = subprocess.run([self.program, "check", str(self.conf)], capture_output=True, text=True)
        if done.returncode and self.fastpath and "fastpath" in done.stderr + done.stdout:
            return f"this portreeve does not know fastpath: {self.fastpath}"
        return None

    def on(self, maps):
        self.write(maps)
        if self.fastpath:
            self.running = daemon.Daemon(self.program, inside, self.conf)
            for dev in (UPLINK, INSIDE):
                if not attached(self.fastpath, dev):
                    raise Skip(f"the daemon attached no such program to {dev}")
        else:
            sh(*inside("g", self.program, "apply", str(self.conf)))

    def change(self, maps, which):
        self.write(maps)
        words = ("reload",) if self.running else ("apply", str(self.conf))
        sh(*inside("g", self.program, *words))

    def off(self):
        if self.running:
            self.running.stop()
            self.running = None
        else:
            sh(*inside("g", self.program, "remove"))
        flush()


class Proxy(Contender):
    """A program on the gateway that takes connections and makes its own to the backend."""

    packets, needs, process = False, "", None

    def __init__(self, name, title, tmp):
        super().__init__(name, title)
        self.file = tmp / f"{name}.conf"

    def skip(self):
        return None if shutil.which(self.needs) else f"{self.needs} is not installed"

    def command(self, maps):
        """Its command line, after its file was written."""
        raise NotImplementedError

    def on(self, maps):
        for n, (_, dev, address, gateway) in enumerate(UPLINKS, 1):
            ip("g", f"route add default via {gateway} dev {dev} table {n}",
               f"rule add pref {500 + n} from {address} lookup {n}")
        self.process = subprocess.Popen(inside("g", *self.command(maps)), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        wait_for_port("g", maps[0].port)

    def off(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for n in range(1, len(UPLINKS) + 1):
            ip("g", f"rule del pref {500 + n}", f"route flush table {n}")


class Haproxy(Proxy):
    needs = "haproxy"

    def command(self, maps):
        text = ["global", "  maxconn 4000", "defaults", "  mode tcp", "  timeout connect 5s",
                "  timeout client 60s", "  timeout server 60s"]
        for m in maps:
            text += [f"listen m{m.port}", f"  bind {PUBLIC}:{m.port}",
                     f"  server b {m.backend}:{m.backend_port}"]
        self.file.write_text("\n".join(text) + "\n")
        return "haproxy", "-db", "-f", str(self.file)


class NginxStream(Proxy):
    needs = "nginx"
    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")

    def skip(self):
        return super().skip() or (None if self.module.exists() else
                                  "libnginx-mod-stream is not installed")

    def command(self, maps):
        servers = "".join(f"  server {{ listen {PUBLIC}:{m.port} backlog=4096; "
                          f"proxy_pass {m.backend}:{m.backend_port}; }}\n" for m in maps)
        self.file.write_text(
            f"load_module {self.module};\nworker_processes auto;\ndaemon off;\n"
            f"pid {self.file}.pid;\nerror_log /dev/null;\n"
            f"events {{ worker_connections 4096; }}\nstream {{\n{servers}}}\n")
        return "nginx", "-c", str(self.file), "-p", str(self.file.parent)


class Socat(Proxy):
    """A process for each connection."""

    needs = "socat"

    def command(self, maps):
        return ("socat", f"TCP-LISTEN:{maps[0].port},fork,reuseaddr,backlog=4096",
                f"TCP:{maps[0].backend}:{maps[0].backend_port}")


class Rinetd(Proxy):
    needs = "rinetd"

    def command(self, maps):
        self.file.write_text(f"pidlogfile {self.file}.pid\n" + "".join(
            f"{PUBLIC} {m.port} {m.backend} {m.backend_port}\n" for m in maps))
        return "rinetd", "-f", "-c", str(self.file)


def wait_for_port(name, port):
    """Until somebody listens there: without a connection, which would be one too many for iperf3."""
    end = time.monotonic() + PATIENCE_S
    while not sh(*inside(name, "ss", "-Hltn", f"sport = :{port}")).strip():
        if time.monotonic() > end:
            raise SystemExit(f"nobody listens on port {port} in time")
        time.sleep(0.05)


def everybody(program, tmp):
    """In the order in which they are printed."""
    return [
        Limit("generator", "generator alone", "drop"),
        Limit("redirect", "bare XDP redirect", "redirect"),
        Forward("forward", "plain forwarding, no NAT"),
        Iptables("iptables-legacy", "iptables-legacy", "legacy"),
        Iptables("iptables-nft", "iptables-nft", "nft"),
        Nft("nft", "nft by hand"),
        Flowtable("flowtable", "nft with a flowtable"),
        Portreeve("portreeve", "portreeve, fast path off", program, tmp),
        Portreeve("portreeve-tc", "portreeve, tc", program, tmp, "tc"),
        Portreeve("portreeve-xdp", "portreeve, XDP", program, tmp, "xdp"),
        Haproxy("haproxy", "HAProxy, tcp mode", tmp),
        NginxStream("nginx", "nginx stream", tmp),
        Rinetd("rinetd", "rinetd", tmp),
        Socat("socat", "socat", tmp),
    ]
