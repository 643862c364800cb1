# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark's network: a client behind two ISPs' links, the gateway, the backend.

    c  isp0 1.1.1.254 --- 1.1.1.1 eth0  g  eth2 192.168.0.1 --- 192.168.0.2 eth0  b
       isp1 2.2.2.254 --- 2.2.2.2 eth1

Addresses are those of examples/two-uplinks.yaml. What is measured comes in by eth1, which is not the
gateway's default route: whoever does not steer replies home has nothing to measure there.
"""

import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TAG = f"prb{os.getpid()}"
UPLINKS = (("telecom", "eth0", "1.1.1.1", "1.1.1.254"), ("unicom", "eth1", "2.2.2.2", "2.2.2.254"))
UPLINK, INSIDE = "eth1", "eth2"
PUBLIC, BACKEND, GATEWAY = "2.2.2.2", "192.168.0.2", "192.168.0.1"
CLIENT, CLIENTS = "100.64.0.1", "100.64.0.0/10"
UDP_TIMEOUT_S = 900  # longer than a measurement: flows that were made first are there at its end


def sh(*args, **kw):
    done = subprocess.run(args, capture_output=True, text=True, **kw)
    if done.returncode:
        raise SystemExit(f"{' '.join(args)} failed: {done.stderr}{done.stdout}")
    return done.stdout


def inside(name, *args):
    return ("ip", "netns", "exec", TAG + name) + args


def ip(name, *commands):
    sh("ip", "-n", TAG + name, "-batch", "-", input="\n".join(commands) + "\n")


def sysctl(name, **values):
    for key, value in values.items():
        sh(*inside(name, "sysctl", "-qw", f"net.{key.replace('__', '.')}={value}"))


def build():
    for name in "cgb":
        sh("ip", "netns", "add", TAG + name)
        sysctl(name, ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)
        # What is measured later would pay for the closed connections of what was measured before.
        sysctl(name, ipv4__tcp_max_tw_buckets=0)
        ip(name, "link set lo up")
    for a, a_dev, a_ip, b, b_dev, b_ip in (
        ("g", "eth0", "1.1.1.1/24", "c", "isp0", "1.1.1.254/24"),
        ("g", "eth1", "2.2.2.2/24", "c", "isp1", "2.2.2.254/24"),
        ("g", "eth2", "192.168.0.1/16", "b", "eth0", "192.168.0.2/16"),
    ):
        sh("ip", "link", "add", a_dev, "netns", TAG + a, "type", "veth", "peer", "name", b_dev,
           "netns", TAG + b)
        for name, dev, addr in ((a, a_dev, a_ip), (b, b_dev, b_ip)):
            ip(name, f"addr add {addr} dev {dev}", f"link set {dev} up")
        # A veth that frames are redirected into polls only if it has an XDP program or GRO.
        sh(*inside(a, "ethtool", "-K", a_dev, "gro", "on"))
    ip("g", "route add default via 1.1.1.254")
    ip("b", "route add default via 192.168.0.1")
    ip("c", f"addr add {CLIENT}/32 dev lo", f"route add {PUBLIC} dev isp1 src {CLIENT}",
       f"route add {BACKEND} via {PUBLIC} dev isp1 src {CLIENT}")
    sysctl("g", ipv4__ip_forward=1, netfilter__nf_conntrack_udp_timeout=UDP_TIMEOUT_S,
           netfilter__nf_conntrack_udp_timeout_stream=UDP_TIMEOUT_S)
    sysctl("c", ipv4__ip_local_port_range="1024 65535")
    # Neighbours are known before anything is measured.
    for address in ("1.1.1.254", "2.2.2.254", BACKEND):
        sh(*inside("g", "ping", "-qc1", "-W2", address))


def remove():
    for name in "cgb":
        subprocess.run(("ip", "netns", "del", TAG + name), capture_output=True)
