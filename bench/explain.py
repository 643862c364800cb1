# SPDX-License-Identifier: GPL-2.0-or-later
"""How long explain and doctor take: on dumps of 10,000 and 100,000 rules, and on a large config.

Time per question is that of a batch of many less that of a batch of one, so that reading the dump
does not count; reading is told apart.
"""

import statistics
import subprocess
import time

import maps
from control import timed

QUESTIONS = 200
ADDRESSES = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP
    inet 1.1.1.1/24 brd 1.1.1.255 scope global eth0
3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP
    inet 2.2.2.2/24 brd 2.2.2.255 scope global eth1
4: eth2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP
    inet 192.168.0.1/16 brd 192.168.255.255 scope global eth2
"""
ROUTES = """\
default via 1.1.1.254 dev eth0
1.1.1.0/24 dev eth0 proto kernel scope link src 1.1.1.1
2.2.2.0/24 dev eth1 proto kernel scope link src 2.2.2.2
192.168.0.0/16 dev eth2 proto kernel scope link src 192.168.0.1
default via 1.1.1.254 dev eth0 table 101
default via 2.2.2.254 dev eth1 table 102
"""
RULES = """\
0:	from all lookup local
101:	from all fwmark 0x1 lookup 101
102:	from all fwmark 0x2 lookup 102
32766:	from all lookup main
32767:	from all lookup default
"""
SYSCTLS = "\n".join(
    [f"net.ipv4.conf.{i}.{k} = {v}" for i in ("all", "default", "lo", "eth0", "eth1", "eth2")
     for k, v in (("rp_filter", 0), ("forwarding", 1), ("src_valid_mark", 0), ("accept_local", 0),
                  ("route_localnet", 0), ("send_redirects", 1))] + ["net.ipv4.ip_forward = 1", ""])


def rules(n):
    """A gateway of one's own making: n rules, half of them port forwards and half filters."""
    out = ["*mangle", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]",
           ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]",
           "-A PREROUTING -i eth0 -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x1/0xffffffff",
           "-A PREROUTING -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x2/0xffffffff",
           "-A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark",
           "COMMIT", "*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]",
           ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]"]
    for i in range(n // 2):
        address = ("1.1.1.1", "2.2.2.2")[i % 2]
        out.append(f"-A PREROUTING -d {address}/32 -p tcp -m tcp --dport {1 + i // 2 % 65535}"
                   f" -j DNAT --to-destination 192.168.{i // 200 % 250}.{2 + i % 200}:80")
    out += ["-A POSTROUTING -o eth2 -j SNAT --to-source 192.168.0.1", "COMMIT", "*filter",
            ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    for i in range(n // 2):
        out.append(f"-A FORWARD -s 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}/32 -i eth0 -p tcp"
                   f" -m conntrack --ctstate NEW -m multiport --dports 22,25 -j DROP")
    out += ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A FORWARD -o eth2 -j ACCEPT", "COMMIT", ""]
    return "\n".join(out)


def state(where, n):
    where.mkdir()
    for name, text in (("iptables-save.txt", rules(n)), ("ip-addr.txt", ADDRESSES),
                       ("ip-route.txt", ROUTES), ("ip-rule.txt", RULES), ("sysctl.txt", SYSCTLS)):
        (where / name).write_text(text)
    return where


def batch(portreeve, where, questions):
    """Seconds for a batch; every one of its answers must be that the packet gets through."""
    text = "".join(f"tcp 100.100.{i % 250}.100:{40000 + i} {('1.1.1.1', '2.2.2.2')[i % 2]}:"
                   f"{1 + i * 11 % 2400}\n" for i in range(questions))
    start = time.monotonic()
    done = subprocess.run([portreeve, "explain", "--batch", "--state", str(where)], input=text,
                          capture_output=True, text=True, check=True)
    seconds = time.monotonic() - start
    answers = done.stdout.splitlines()
    if len(answers) != questions or not all('"verdict":"works"' in a for a in answers):
        raise SystemExit(f"explain --batch: not what was expected:\n{done.stdout[:2000]}")
    return seconds


def measure(setting):
    portreeve, tmp = setting.program, setting.tmp
    conf = maps.config(tmp / "thousand.yaml", maps.many(1000))
    tool = setting.compiled("measure")
    small, large = state(tmp / "rules-10k", 10000), state(tmp / "rules-100k", 100000)
    question, read, audit = [], [], []
    for run in range(setting.runs):
        setting.say(f"explain: run {run + 1} of {setting.runs}")
        many = batch(portreeve, small, QUESTIONS + 1)
        question.append((many - batch(portreeve, small, 1)) / QUESTIONS)
        read.append(batch(portreeve, large, 1))
        audit.append(timed(tool, "g", portreeve, "doctor", str(conf))[0])
    return {name: {"median_s": statistics.median(v), "min_s": min(v), "max_s": max(v)}
            for name, v in (("question_10k", question), ("read_100k", read), ("doctor_1000", audit))}


def report(r):
    print("\nexplain and doctor\n")
    for key, name in (("question_10k", "a packet and its reply, 10,000 rules"),
                      ("read_100k", "a dump of 100,000 rules, one question"),
                      ("doctor_1000", "doctor, 1,000 maps, every position")):
        v = r[key]
        print(f"  {name:42} {v['median_s'] * 1000:9.2f} ms"
              f"  ({v['min_s'] * 1000:.2f}-{v['max_s'] * 1000:.2f})")
