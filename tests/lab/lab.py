# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: network namespaces, the wires between them, and nothing left behind.

    with Lab() as lab:
        gw, isp = lab.host("gw"), lab.host("isp")
        lab.wire((gw, "eth0"), (isp, "customer"))
        gw.ip("addr add 1.1.1.1/24 dev eth0", "link set eth0 up")
        gw.run("iptables -t nat -L")

A Host is a namespace. Commands run in it as children of this process; sockets are opened in it by
this very process (a thread may enter a namespace, open a socket and leave: the socket stays), so
servers and clients of a test are plain Python objects.

Namespaces are called pr-<pid>-<serial>-<name>. Whatever a lab made goes with Lab.close(), which
conftest.py and atexit see to; what a killed run left behind is swept by the next one.
"""

import atexit
import contextlib
import ctypes
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_NETNS_DIR = "/run/netns"
_serial = itertools.count(1)
_open_labs = []

# Sysctls of every new host, before its first interface: nothing waits for duplicate address
# detection, and no host but the one under test filters by reverse path, whatever this kernel's
# defaults are.
_HOST_SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    "net.ipv4.ip_forward": 0,
    "net.ipv6.conf.all.accept_dad": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
}


class CommandFailed(AssertionError):
    """A command that had to succeed did not."""


def wait_for(condition, what, timeout=5.0, interval=0.01):
    """Poll until condition() is true, and give its value; fail with `what` after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what}")
        time.sleep(interval)


class Host:
    """One network namespace and what runs in it. Made by Lab.host()."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.netns = f"pr-{os.getpid()}-{lab.serial}-{name}"
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        for key, value in _HOST_SYSCTLS.items():
            self.sysctl(key, value)
        self.ip("link set lo up")

    def __repr__(self):
        return f"<{self.name}>"

    @contextlib.contextmanager
    def inside(self):
        """This thread is in the namespace: for sockets, child processes and /proc/sys/net."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"{_NETNS_DIR}/{self.netns}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(there)
            os.close(before)

    # ---- commands ----

    def run(self, command, *, check=True, input=None, env=None, timeout=60):
        """Run a command (a string is split like a shell would) and give the CompletedProcess."""
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        with self.inside():
            done = subprocess.run(argv, input=input, capture_output=True, text=True,
                                  timeout=timeout, env=env)
        if check and done.returncode != 0:
            raise CommandFailed(f"{self.name}# {shlex.join(argv)}\nexit {done.returncode}\n"
                                f"{done.stdout}{done.stderr}")
        return done

    def popen(self, command, **kwargs):
        """Start a command in a process group of its own; it ends with the lab at the latest."""
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("start_new_session", True)
        with self.inside():
            process = subprocess.Popen(argv, text=True, **kwargs)
        self.lab.keep(process)
        return process

    def ip(self, *commands):
        """ip(8) commands, as one batch: gw.ip("route add ...", "link set eth0 up")"""
        self.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n")

    def nft(self, text):
        self.run(["nft", "-f", "-"], input=text)

    def iptables(self, *commands):
        """iptables commands, one by one, as someone would paste them."""
        for command in commands:
            self.run("iptables -w " + command)

    def sysctl(self, key, value=None):
        """Read a sysctl, or set it."""
        path = _sysctl_path(key)
        with self.inside():
            if value is None:
                with open(path, encoding="ascii") as file:
                    return file.read().strip()
            with open(path, "w", encoding="ascii") as file:
                return file.write(str(value))

    def has_sysctl(self, key):
        with self.inside():
            return os.path.exists(_sysctl_path(key))

    def mac(self, interface):
        return json.loads(self.run(f"ip -j link show dev {interface}").stdout)[0]["address"]

    # ---- sockets ----

    def socket(self, family, kind, proto=0):
        with self.inside():
            sock = socket.socket(family, kind, proto)
        return self.lab.keep(sock)

    def tcp_listen(self, port, address=""):
        sock = self.socket(_family(address or "::"), socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(128)
        return sock

    def tcp_connect(self, address, port, *, source=None, source_port=0, timeout=3.0):
        sock = self.socket(_family(address), socket.SOCK_STREAM)
        sock.settimeout(timeout)
        if source or source_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((source or "", source_port))
        try:
            sock.connect((address, port))
        except OSError:
            self.lab.drop(sock)
            raise
        return sock

    def udp(self, address="", port=0, *, family=None, timeout=3.0):
        sock = self.socket(family or _family(address or "0.0.0.0"), socket.SOCK_DGRAM)
        sock.settimeout(timeout)
        sock.bind((address, port))
        return sock

    def udp_connect(self, address, port, *, source="", source_port=0, timeout=3.0):
        """A UDP socket that takes answers from just that address and port."""
        sock = self.udp(source, source_port, family=_family(address), timeout=timeout)
        sock.connect((address, port))
        return sock


class Lab:
    """A set of hosts and wires that lives and goes together."""

    def __init__(self):
        self.serial = next(_serial)
        self.hosts = {}
        self._kept = []
        self.dir = tempfile.mkdtemp(prefix=f"pr-{os.getpid()}-{self.serial}-")
        _open_labs.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def host(self, name):
        assert name not in self.hosts
        self.hosts[name] = None  # so that close() deletes a namespace that failed half-way
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def wire(self, *ends):
        """Connect (host, interface) ends: two by a cable, more by a switch. All ends are up."""
        if len(ends) == 2:
            (a, if_a), (b, if_b) = ends
            a.ip(f"link add name {if_a} type veth peer name {if_b} netns {b.netns}",
                 f"link set {if_a} up")
            b.ip(f"link set {if_b} up")
            return
        switch = self.host(f"switch{len(self.hosts)}")
        try:
            switch.ip("link add bridge type bridge forward_delay 0 mcast_snooping 0")
        except CommandFailed:
            pytest.skip("this kernel has no bridges, which stand in for switches")
        switch.ip("link set bridge up")
        for i, (host, interface) in enumerate(ends):
            self.wire((switch, f"port{i}"), (host, interface))
            switch.ip(f"link set port{i} master bridge")
        # A switch forwards frames and knows nothing of IP.
        switch.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        for table in ("iptables", "ip6tables"):
            with contextlib.suppress(FileNotFoundError):
                switch.sysctl(f"net.bridge.bridge-nf-call-{table}", 0)

    def path(self, name):
        """A file of the lab; the directory goes with it."""
        return os.path.join(self.dir, name)

    def keep(self, thing):
        """Have a socket, process, server or other thing with a close() end with the lab."""
        self._kept.append(thing)
        return thing

    def drop(self, thing):
        self._kept.remove(thing)
        _end(thing)

    def close(self):
        """Take everything down. May be called again, and from a signal's exception."""
        while self._kept:
            _end(self._kept[-1])
            self._kept.pop()
        while self.hosts:
            name = next(reversed(self.hosts))
            _delete_netns(f"pr-{os.getpid()}-{self.serial}-{name}")
            del self.hosts[name]
        shutil.rmtree(self.dir, ignore_errors=True)
        if self in _open_labs:
            _open_labs.remove(self)


def close_all():
    for lab in list(_open_labs):
        lab.close()


def sweep():
    """Delete namespaces and directories of runs that are no more."""
    pattern = re.compile(r"pr-(\d+)-\d+-")
    for directory in (_NETNS_DIR, tempfile.gettempdir()):
        if not os.path.isdir(directory):
            continue
        for name in os.listdir(directory):
            match = pattern.match(name)
            if not match or _is_python(match[1]):
                continue
            if directory == _NETNS_DIR:
                _delete_netns(name)
            else:
                shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


atexit.register(close_all)


def _is_python(pid):
    """Whether a process of that number lives and may be the run that made something."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().startswith(("py", "meson"))
    except OSError:
        return False


def _sysctl_path(key):
    """As sysctl(8) has it: with dots between, or, where a name holds dots, with slashes."""
    return "/proc/sys/" + (key if "/" in key else key.replace(".", "/"))


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _end(thing):
    if isinstance(thing, subprocess.Popen):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(thing.pid, signal.SIGKILL)
        thing.wait()
        for pipe in (thing.stdin, thing.stdout, thing.stderr):
            if pipe:
                pipe.close()
    else:
        thing.close()


def _delete_netns(netns):
    """Kill what still runs in the namespace (a process of ours may have gone to the background)
    and delete it."""
    if not os.path.exists(f"{_NETNS_DIR}/{netns}"):
        return
    pids = subprocess.run(["ip", "netns", "pids", netns], capture_output=True, text=True).stdout
    for pid in pids.split():
        if int(pid) != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", netns], check=False)
