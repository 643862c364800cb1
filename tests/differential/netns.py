# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces of one case: the gateway, and all that is beyond its interfaces.

They have no names: they are held by descriptors of this process and go with it, however it ends.
Cables are veth pairs, eth0 to ethN in the gateway and far0 to farN beyond. Beyond, nothing answers by
itself: there is no address, and no IPv6 at all.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40

QUIET = {
    "net/ipv4/icmp_ratelimit": 0,
    "net/ipv4/icmp_ratemask": 0,
    "net/ipv6/icmp/ratelimit": 0,
    "net/ipv4/tcp_synack_retries": 1,
    "net/ipv4/tcp_syn_retries": 1,
    "net/ipv4/ping_group_range": "0 0",
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    # An ICMP redirect passes OUTPUT as related to the connection, whose mark a rule there may change.
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv6/conf/all/accept_dad": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/addr_gen_mode": 1,
    "net/ipv6/conf/default/router_solicitations": 0,
    "net/ipv6/conf/default/mldv2_unsolicited_report_interval": 3600000,
}


class LoadError(Exception):
    """A part of a case is not to the kernel's or a tool's liking."""


def _check(result):
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def _new():
    _check(LIBC.unshare(CLONE_NEWNET))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def write_sysctl(path, value):
    """Path below /proc/sys, with slashes, of the namespace that this thread is in."""
    try:
        with open("/proc/sys/" + path, "w", encoding="ascii") as f:
            f.write(f"{value}\n")
    except OSError as e:
        raise LoadError(f"sysctl {path} = {value}: {e}") from e


def tool(argv, text=None, check=True):
    """Run a program in the namespace that this thread is in; its standard output."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LoadError(f"{' '.join(argv)}: {done.stderr.strip()[:600]}")
    return done.stdout


def gateway_mac(i):
    return bytes((2, 0, 0, 0, i, 1))


def far_mac(i):
    return bytes((2, 0, 0, 0, i, 2))


def mac_text(mac):
    return ":".join(f"{b:02x}" for b in mac)


def _await_running(names):
    """Until the kernel has noted a new interface's carrier, a moment later, it sends nothing by it."""
    deadline = time.monotonic() + 5
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for name in names:
            request = struct.pack("16sh22x", name.encode(), 0)
            while not struct.unpack_from("16xH", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[0] \
                    & IFF_RUNNING:
                if time.monotonic() > deadline:
                    raise LoadError(f"{name} does not come up")
                time.sleep(0.001)


class World:
    """The two namespaces, with `count` cables. Entered: this thread is in the gateway."""

    def __init__(self, count):
        self.count = count
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._fds = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.far = _new()
        self._fds.append(self.far)
        write_sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        write_sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        self.gateway = _new()
        self._fds.append(self.gateway)
        for path, value in QUIET.items():
            write_sysctl(path, value)
        lines = ["link set lo up"]
        for i in range(self.count):
            lines.append(f"link add eth{i} address {mac_text(gateway_mac(i))} type veth "
                         f"peer name far{i} address {mac_text(far_mac(i))} "
                         f"netns /proc/{os.getpid()}/fd/{self.far}")
            lines.append(f"link set eth{i} up")
        self.ip(lines)
        self.enter(self.far)
        tool(["ip", "-batch", "-"], "".join(f"link set far{i} up\n" for i in range(self.count)))
        self.enter(self.gateway)
        _await_running(f"eth{i}" for i in range(self.count))

    def ip(self, lines, family=None, check=True):
        if lines:
            argv = ["ip"] + ([f"-{family}"] if family else []) + ["-force", "-batch", "-"]
            tool(argv, "\n".join(lines) + "\n", check)

    @staticmethod
    def enter(fd):
        _check(LIBC.setns(fd, CLONE_NEWNET))

    def close(self):
        self.enter(self._home)
        for fd in self._fds + [self._home]:
            os.close(fd)
        self._fds = []
