# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic: servers that say who they are and whom they see, clients that ask, captures.

    serve(site.backend, tcp=[80], udp=[53])
    answer = ask(site.world, "2.2.2.2", 80)
    assert answer.server == "backend" and answer.client == "192.168.0.1"
"""

import contextlib
import os
import selectors
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import scapy.layers.inet
import scapy.layers.inet6  # noqa: F401 (registers IPv6 with Ether)
import scapy.layers.sctp  # noqa: F401
from scapy.layers.l2 import Ether

from lab import wait_for

# How long a client waits before it calls an address dead. Answers take well under a millisecond
# here; what must answer waits longer (`timeout=` of ask), so that load does not fail a test.
DEAD_S = 0.7


@dataclass(frozen=True)
class Answer:
    server: str  # name of the host that answered
    address: str  # of the server's own, where the request arrived (tcp)
    port: int  # likewise
    client: str  # the client, as the server saw it
    client_port: int


class Server:
    """TCP and UDP ports of one host. A TCP client is greeted with an Answer as a line and then has
    everything echoed; a UDP datagram is answered by an Answer and the datagram itself."""

    def __init__(self, host, tcp=(), udp=(), address="", name=None):
        self.name = name or host.name
        self.selector = selectors.DefaultSelector()
        self.seen = []  # Answers of all requests, in order
        self._stop, self._wake = socket.socketpair()
        self._sockets = []
        self.selector.register(self._stop, selectors.EVENT_READ, self._stopped)
        for port in tcp:
            self._add(self._bound(host, socket.SOCK_STREAM, address, port), self._accept)
        for port in udp:
            for family in _families(address):
                self._add(self._bound(host, socket.SOCK_DGRAM, address, port, family),
                          self._datagram)
        self._running = True
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()
        host.lab.keep(self)

    @staticmethod
    def _bound(host, kind, address, port, family=None):
        with host.inside():
            sock = socket.socket(family or (socket.AF_INET if "." in address else socket.AF_INET6),
                                 kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_DGRAM and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(512)
        return sock

    def _add(self, sock, handler):
        sock.setblocking(False)
        self._sockets.append(sock)
        self.selector.register(sock, selectors.EVENT_READ, handler)

    def _loop(self):
        while self._running:
            for key, _ in self.selector.select():
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)

    def _stopped(self, sock):
        self._running = False

    def _answer(self, sock, peer):
        here = sock.getsockname()
        answer = Answer(self.name, _plain(here[0]), here[1], _plain(peer[0]), peer[1])
        self.seen.append(answer)
        return " ".join(str(field) for field in vars(answer).values()).encode() + b"\n"

    def _accept(self, listener):
        sock, peer = listener.accept()
        self._add(sock, self._echo)
        sock.settimeout(5)  # what a client does not read, this thread waits for
        sock.sendall(self._answer(sock, peer))

    def _echo(self, sock):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if data:
            sock.sendall(data)
        else:
            self.selector.unregister(sock)
            self._sockets.remove(sock)
            sock.close()

    def _datagram(self, sock):
        data, peer = sock.recvfrom(65536)
        sock.sendto(self._answer(sock, peer) + data, peer)

    def close(self):
        self._wake.send(b"x")
        self._thread.join()
        for sock in self._sockets + [self._stop, self._wake]:
            sock.close()
        self.selector.close()


def serve(host, tcp=(), udp=(), address="", name=None):
    return Server(host, tcp, udp, address, name)


def ask(host, address, port, proto="tcp", *, timeout=5.0, data=b"hello\n", **source):
    """Ask a server for its Answer; None when none comes, or when the address refuses.

    UDP clients are connected sockets: an answer from another address or port is none. TCP also has
    `data` echoed, so that a connection that opens and then stalls does not count.
    """
    try:
        if proto == "udp":
            sock = host.udp_connect(address, port, timeout=timeout, **source)
        else:
            sock = host.tcp_connect(address, port, timeout=timeout, **source)
    except OSError:
        return None
    try:
        if proto == "udp":
            sock.send(data)
            got = sock.recv(65536)
        else:
            greeting = _read_line(sock)
            sock.send(data)
            got = greeting + _read(sock, len(data))
        line, rest = got.split(b"\n", 1)
        assert rest == data, "what came back is not what was sent"
        server, here, here_port, client, client_port = line.decode().split()
        return Answer(server, here, int(here_port), client, int(client_port))
    except OSError:
        return None
    finally:
        host.lab.drop(sock)


def dead(host, address, port, proto="tcp", **source):
    """True when nobody answers there in time."""
    return ask(host, address, port, proto, timeout=DEAD_S, **source) is None


def together(*calls):
    """Results of calls that wait for the network, made at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


class Conversation:
    """One long TCP connection to a Server, like an ssh session."""

    def __init__(self, host, address, port, **source):
        self.sock = host.tcp_connect(address, port, **source)
        self.greeting = _read_line(self.sock)

    def say(self, data=b"are you there?"):
        """Send, and have it echoed: raises when the connection is dead or reset."""
        self.sock.sendall(data)
        assert _read(self.sock, len(data)) == data

    def alive(self, timeout=2.0):
        self.sock.settimeout(timeout)
        try:
            self.say()
            return True
        except OSError:
            return False


class Load(threading.Thread):
    """New TCP connections to (address, port), one after another, until stopped."""

    def __init__(self, host, address, port):
        super().__init__(daemon=True)
        self.host, self.address, self.port = host, address, port
        self.done, self.failed = 0, []
        self._stopping = threading.Event()
        self.start()

    def run(self):
        while not self._stopping.is_set():
            # A lost SYN shows as a second of waiting, a lost reply as a reset or a stall.
            if ask(self.host, self.address, self.port, timeout=0.9):
                self.done += 1
            else:
                self.failed.append(self.done)

    def stop(self):
        self._stopping.set()
        self.join()
        return self


def nginx(host, port=80):
    """A real web server; GET / answers "<host> saw <client>"."""
    directory = host.lab.path(f"nginx-{host.name}")
    os.makedirs(directory)
    config = f"""
        daemon off;
        pid {directory}/pid;
        error_log {directory}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            default_type text/plain;
            root {directory};
            server {{
                listen {port};
                listen [::]:{port};
                location = / {{ return 200 "{host.name} saw $remote_addr\\n"; }}
            }}
        }}"""
    with open(f"{directory}/nginx.conf", "w", encoding="ascii") as file:
        file.write(config)
    os.chmod(host.lab.dir, 0o755)  # the workers are another user
    host.popen(["nginx", "-p", directory, "-e", f"{directory}/error.log",
                "-c", f"{directory}/nginx.conf"])
    wait_for(lambda: curl(host, f"http://127.0.0.1:{port}/"), "nginx to answer")
    return directory


def curl(host, url, timeout=5.0):
    """The body, or None."""
    done = host.run(["curl", "-s", "-g", "--noproxy", "*", "--max-time", str(timeout), url],
                    check=False)
    return done.stdout if done.returncode == 0 else None


class Capture:
    """Frames on an interface from now on, as scapy packets."""

    def __init__(self, host, interface):
        every = 0x0003  # ETH_P_ALL
        self.sock = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.bind((interface, every))
        self.sock.setblocking(False)
        self._packets = []

    def packets(self, wanted=lambda packet: True):
        """All so far that the predicate likes."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._packets.append(Ether(self.sock.recv(65536)))
        return [packet for packet in self._packets if wanted(packet)]

    def wait(self, wanted, what, timeout=3.0):
        """The first packet that the predicate likes."""
        return wait_for(lambda: self.packets(wanted), f"packet: {what}", timeout)[0]


def _families(address):
    if not address:
        return [socket.AF_INET, socket.AF_INET6]
    return [socket.AF_INET6 if ":" in address else socket.AF_INET]


def _plain(address):
    return address.removeprefix("::ffff:")


def _read_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        more = sock.recv(1)
        if not more:
            raise ConnectionResetError("closed before the greeting")
        got += more
    return got


def _read(sock, n):
    got = b""
    while len(got) < n:
        more = sock.recv(n - len(got))
        if not more:
            raise ConnectionResetError("closed half-way")
        got += more
    return got
