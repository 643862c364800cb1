# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside the firewalls that people have: real ufw, real firewalld, Docker's chains, plain rules.

Each of them first defeats the maps, which portreeve says, with exit 1 and a remedy. The remedy is
then pasted verbatim, and the maps work and the finding is gone.
"""

import json
import os
import shutil
import subprocess

import pytest

from gateway import ARTICLE, BINARY, Portreeve
from lab import wait_for
from topology import Inside, Machine, Site, lan, telecom6, unicom6
from traffic import ask, serve

ARTICLE6 = """
    uplinks:
      telecom: {interface: eth0, gateway: [1.1.1.254, "2001:db8:1::fe"]}
      unicom:  {interface: eth1, gateway: [2.2.2.254, "2001:db8:2::fe"]}
    maps:
      web:  {listen: 80/tcp, to: 192.168.0.2}
      web6: {listen: 80/tcp, to: "[fd00:0:0:1::2]:80"}
      dns:  {listen: 53/udp, to: 192.168.0.2}
    """
ADDRESSES = ("1.1.1.1", "2.2.2.2")
ADDRESSES6 = ("2001:db8:1::1", "2001:db8:2::2")


class Box:
    """A host's network with files of its own: a mount namespace in which the real tools may write
    to /etc and /run. Commands are run by a shell, as a person pastes them."""

    def __init__(self, host, *private):
        self.host = host
        self.dir = host.lab.path(f"box-{host.name}")
        self.holder = host.popen(["unshare", "-m", "--propagation", "private", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/mnt")
        wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/mnt") != own, "a mount namespace")
        for path in private:
            copy = self.dir + path
            shutil.copytree(path, copy, symlinks=True)
            self.run(f"mount --bind {copy} {path}")
        self.run("mount -t tmpfs tmpfs /run")

    def command(self, *argv):
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", *argv]

    def run(self, line, check=True):
        done = subprocess.run(self.command("sh", "-c", line), capture_output=True, text=True,
                              timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"# {line}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def popen(self, *argv):
        return self.host.popen(self.command(*argv), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)


class Gateway:
    """The site's gateway, portreeve on it, and what it finds."""

    def __init__(self, site, box, config=ARTICLE):
        self.site, self.box, self.config = site, box, config
        self.portreeve = Portreeve(site.gw)

    def findings(self):
        done = self.portreeve.check(self.config, "--live", "--json", check=False)
        answer = json.loads(done.stdout)
        blocks = any(finding["blocks"] for finding in answer["findings"])
        assert done.returncode == (1 if blocks else 0), done.stdout + done.stderr
        return answer["findings"]

    def finding(self, identifier):
        """The only one of the kind."""
        found = [finding for finding in self.findings() if finding["id"] == identifier]
        assert len(found) == 1, self.findings()
        return found[0]

    def ids(self):
        return [finding["id"] for finding in self.findings()]

    def apply(self, works):
        done = self.portreeve.apply(self.config, check=False)
        assert done.returncode == (0 if works else 1), done.stdout + done.stderr
        return done.stdout

    def heal(self, *findings):
        """Paste the remedies, line by line."""
        for finding in findings:
            assert finding["remedy"]
            for line in finding["remedy"]:
                self.box.run(line)

    def answers(self, addresses=ADDRESSES, port=80, proto="tcp", timeout=0.7):
        return [bool(ask(self.site.world, address, port, proto=proto, timeout=timeout))
                for address in addresses]

    def works(self, addresses=ADDRESSES, **more):
        """Every address answers, and no reply leaves by another line than home."""
        strays = [self.site.foreign(name) for name in ("telecom", "unicom")]
        return all(self.answers(addresses, timeout=5.0, **more)) and \
            strays == [self.site.foreign(name) for name in ("telecom", "unicom")]

    def is_dead(self, addresses=ADDRESSES, **more):
        return not any(self.answers(addresses, **more))


@pytest.fixture
def site(lab):
    made = Site(lab)
    serve(made.backend, tcp=[80], udp=[53])
    return made


@pytest.fixture
def site6(lab):
    inside = lan(Machine("backend", ["192.168.0.2/24", "fd00:0:0:1::2/64"]),
                 addresses=("192.168.0.1/24", "fd00:0:0:1::1/64"))
    made = Site(lab, [telecom6(), unicom6()], [inside])
    serve(made.backend, tcp=[80], udp=[53])
    return made


def test_nothing_in_the_way(site):
    """On a gateway without other tools there is nothing to find."""
    gateway = Gateway(site, Box(site.gw))
    assert gateway.findings() == []
    gateway.apply(works=True)
    assert gateway.works()
    assert gateway.findings() == []


# ---- ufw ----

def needs(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")


def ufw_box(host):
    """ufw as freshly installed, but for its switch: incoming ssh is allowed, nothing is routed."""
    needs("ufw")
    box = Box(host, "/etc/ufw", "/etc/default")
    box.run("cp /usr/share/ufw/iptables/*.rules /etc/ufw/ && sed -i s/^ENABLED=.*/ENABLED=no/ "
            "/etc/ufw/ufw.conf && sed -i 's/^DEFAULT_FORWARD_POLICY=.*/DEFAULT_FORWARD_POLICY="
            "\"DROP\"/; s/^IPT_MODULES=.*/IPT_MODULES=\"\"/' /etc/default/ufw")
    box.run("ufw allow 22/tcp && ufw --force enable")
    assert "Status: active" in box.run("ufw status").stdout
    return box


def test_ufw(site6):
    gateway = Gateway(site6, ufw_box(site6.gw), ARTICLE6)
    out = gateway.apply(works=False)
    assert "ufw" in out and "before.rules" in out
    assert gateway.is_dead() and gateway.is_dead(ADDRESSES6)
    assert gateway.is_dead(port=53, proto="udp")
    found = [f for f in gateway.findings() if f["id"] == "foreign-drop"]
    assert [f["maps"] for f in found] == [["web", "dns"], ["web6"]]
    assert all("ufw" in f["title"] and "policy drop" in f["evidence"] for f in found)

    gateway.heal(*found)
    assert gateway.works() and gateway.works(ADDRESSES6) and gateway.works(port=53, proto="udp")
    assert gateway.ids() == []
    gateway.apply(works=True)
    # It lasts, and opens nothing else.
    gateway.box.run("ufw disable && ufw --force enable")
    assert gateway.works() and gateway.works(ADDRESSES6)
    site6.isp["telecom"].ip("route add 192.168.0.0/24 via 1.1.1.1")
    assert not ask(site6.isp["telecom"], "192.168.0.2", 80)


def test_ufw_with_a_nat_section(site):
    """People put a *nat table before *filter in before.rules: the remedy finds its place."""
    box = ufw_box(site.gw)
    box.run("sed -i '1i *nat\\n:POSTROUTING ACCEPT [0:0]\\n-A POSTROUTING -s 192.168.0.0/24 -o eth0 "
            "-j MASQUERADE\\nCOMMIT' /etc/ufw/before.rules && ufw reload")
    gateway = Gateway(site, box)
    gateway.apply(works=False)
    gateway.heal(gateway.finding("foreign-drop"))
    assert gateway.works()
    assert gateway.ids() == []


def test_ufw_route_allow(site):
    """The admin's own `ufw route allow` of the backend is seen, and is enough."""
    box = ufw_box(site.gw)
    box.run("ufw route allow in on eth0 out on eth2 to 192.168.0.2 port 80 proto tcp")
    gateway = Gateway(site, box)
    gateway.apply(works=False)
    finding = gateway.finding("foreign-drop")
    assert finding["uplink"] == "unicom"  # the other one is not allowed
    assert gateway.answers() == [True, False]
    box.run("ufw route allow in on eth1 out on eth2 to 192.168.0.2 port 80 proto tcp")
    assert gateway.ids() == []
    assert gateway.works()


# ---- firewalld ----

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/>
<allow send_type="method_call"/><allow send_type="signal"/><allow send_requested_reply="true"
 send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"""


def firewalld_box(host, settings=""):
    """firewalld on a bus of its own, as freshly installed; eth2 is in zone internal."""
    needs("firewalld")
    needs("dbus-daemon")
    box = Box(host, "/etc/firewalld")
    box.run("mkdir -p /run/dbus /run/firewalld")
    with open(f"{box.dir}/bus.conf", "w", encoding="ascii") as file:
        file.write(BUS)
    box.popen("dbus-daemon", f"--config-file={box.dir}/bus.conf", "--nofork", "--nopidfile")
    box.run("rm -rf /etc/firewalld/zones/* /etc/firewalld/policies/* && "
            "cp /etc/firewalld/firewalld.conf /run/firewalld.conf" + settings)
    wait_for(lambda: box.run("test -S /run/dbus/system_bus_socket", check=False).returncode == 0,
             "the bus")
    box.popen("firewalld", "--nofork", "--nopid")
    wait_for(lambda: box.run("firewall-cmd --state", check=False).returncode == 0,
             "firewalld", timeout=30, interval=0.2)
    box.run("firewall-cmd --zone=internal --add-interface=eth2")
    return box


def test_firewalld(site6):
    """It lets translated connections through by itself; IPv6 is another matter, see below."""
    box = firewalld_box(site6.gw, " && sed -i s/^IPv6_rpfilter=.*/IPv6_rpfilter=no/ "
                                  "/etc/firewalld/firewalld.conf")
    gateway = Gateway(site6, box, ARTICLE6)
    gateway.apply(works=True)
    assert gateway.ids() == []
    assert gateway.works() and gateway.works(ADDRESSES6) and gateway.works(port=53, proto="udp")
    gateway.box.run("firewall-cmd --reload")
    assert gateway.works()


@pytest.mark.parametrize("backend", ("nftables", "iptables"))
def test_firewalld_ipv6_rpfilter(site6, backend):
    """As installed it drops IPv6 that comes in by any line but the one of the default route."""
    box = firewalld_box(site6.gw, f" && sed -i s/^FirewallBackend=.*/FirewallBackend={backend}/ "
                                  "/etc/firewalld/firewalld.conf")
    gateway = Gateway(site6, box, ARTICLE6)
    gateway.apply(works=False)
    assert gateway.works() and gateway.answers(ADDRESSES6) == [True, False]
    finding = gateway.finding("foreign-drop")
    assert finding["maps"] == ["web6"] and finding["uplink"] == "unicom"
    assert finding["pitfall"] == 22
    gateway.heal(finding)
    assert gateway.works() and gateway.works(ADDRESSES6)
    assert gateway.ids() == []


def test_firewalld_panic(site):
    gateway = Gateway(site, firewalld_box(site.gw))
    gateway.apply(works=True)
    gateway.box.run("firewall-cmd --panic-on")
    assert gateway.is_dead()
    found = gateway.findings()
    assert found and all("firewalld" in f["title"] for f in found)
    gateway.heal(found[0])
    assert gateway.ids() == []
    assert gateway.works()


# ---- Docker ----

# What dockerd makes with one network and one published container (-p 8080:80), by version. Written
# down from `iptables-save` after it; the daemon itself is not needed for what its rules do.
DOCKER_20 = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

DOCKER_28 = """*raw
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
"""

DOCKER_28_V6 = """*filter
:FORWARD DROP [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
COMMIT
"""


def docker(site, rules, rules6=None):
    site.gw.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0",
               "link set docker0 up")
    site.gw.sysctl("net.ipv4.ip_forward", 1)  # as dockerd does
    site.gw.run(["iptables-restore", "-w", "--noflush"], input=rules)
    if rules6:
        site.gw.run(["ip6tables-restore", "-w", "--noflush"], input=rules6)
    return Box(site.gw)


@pytest.mark.parametrize("rules", (DOCKER_20, DOCKER_28), ids=("docker20", "docker28"))
def test_docker(site, rules):
    gateway = Gateway(site, docker(site, rules))
    out = gateway.apply(works=False)
    assert "Docker" in out and "iptables -I DOCKER-USER" in out
    assert gateway.is_dead()
    finding = gateway.finding("foreign-drop")
    assert finding["maps"] == ["web"] and finding["uplink"] is None
    gateway.heal(finding)
    assert gateway.works()
    assert gateway.ids() == []


def test_docker_ipv6(site6):
    gateway = Gateway(site6, docker(site6, DOCKER_28, DOCKER_28_V6), ARTICLE6)
    gateway.apply(works=False)
    assert gateway.is_dead() and gateway.is_dead(ADDRESSES6)
    found = [f for f in gateway.findings() if f["id"] == "foreign-drop"]
    assert [f["remedy"][0].split()[0] for f in found] == ["iptables", "ip6tables"]
    gateway.heal(*found)
    assert gateway.works() and gateway.works(ADDRESSES6)
    assert gateway.ids() == []


def test_backend_is_a_container(lab):
    """A map to a container of the gateway's own: Docker 28 drops what it did not publish itself."""
    container = Machine("backend", ["172.17.0.2/16"])
    site = Site(lab, inside=[Inside("docker0", ["172.17.0.1/16"], [container])])
    serve(site.backend, tcp=[80, 81])
    site.gw.run(["iptables-restore", "-w", "--noflush"], input=DOCKER_28)
    config = ARTICLE.replace("192.168.0.2", '"172.17.0.2:81"')
    gateway = Gateway(site, Box(site.gw), config)
    gateway.apply(works=False)
    assert gateway.is_dead()
    finding = gateway.finding("foreign-drop")
    assert "chain DOCKER:" in finding["evidence"]
    gateway.heal(finding)
    assert gateway.works()
    assert gateway.ids() == []


def test_docker_and_ufw(site):
    """Both in one table, as on many a server: ufw's remedy is offered, since it lasts."""
    box = ufw_box(site.gw)
    docker(site, DOCKER_28)
    gateway = Gateway(site, box)
    gateway.apply(works=False)
    finding = gateway.finding("foreign-drop")
    assert "ufw" in finding["title"]
    gateway.heal(finding)
    assert gateway.works()
    assert gateway.ids() == []


# ---- plain rules ----

def test_iptables_policy(site):
    site.gw.iptables("-P FORWARD DROP", "-A FORWARD -i eth2 -j ACCEPT",
                     "-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    assert gateway.is_dead()
    gateway.heal(gateway.finding("foreign-drop"))
    assert gateway.works()
    assert gateway.ids() == []


def test_iptables_reject_of_new_connections(site):
    """Dropped by a rule in a chain of its own; replies are not let out either."""
    site.gw.iptables("-N WAN", "-A FORWARD -i eth0 -j WAN", "-A FORWARD -i eth1 -j WAN",
                     "-A FORWARD -o eth1 -p tcp -j REJECT --reject-with tcp-reset",
                     "-A WAN -p tcp -m multiport --dports 22,80,443 -j REJECT")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    assert gateway.is_dead()
    assert "chain WAN:" in gateway.finding("foreign-drop")["evidence"]
    gateway.heal(gateway.finding("foreign-drop"))
    assert gateway.works()
    assert gateway.ids() == []


def test_nft_ruleset(site6):
    """A ruleset as of the nftables wiki: sets, verdict maps, its own table in family inet."""
    site6.gw.nft("""table inet filter {
        set lan { type ipv4_addr; flags interval; elements = { 192.168.0.0/24 } }
        chain web { tcp dport { 8080, 8443 } accept; }
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state vmap { established : accept, related : accept, invalid : drop }
            iifname eth2 ip saddr @lan accept
            meta l4proto vmap { tcp : jump web }
        }
    }""")
    gateway = Gateway(site6, Box(site6.gw), ARTICLE6)
    gateway.apply(works=False)
    assert gateway.is_dead() and gateway.is_dead(ADDRESSES6)
    found = [f for f in gateway.findings() if f["id"] == "foreign-drop"]
    assert len(found) == 2  # one per family; the remedy of one is that of the other
    gateway.heal(found[0])
    assert gateway.works() and gateway.works(ADDRESSES6) and gateway.works(port=53, proto="udp")
    assert gateway.ids() == []


def test_named_sets_are_looked_into(lab):
    """A list of those who are let in: whether the clients that `from` names are on it decides."""
    site = Site(lab)
    serve(site.backend, tcp=[80])
    site.gw.nft("""table inet filter {
        set friends { type ipv4_addr; flags interval; elements = { 100.100.0.0/16 } }
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established,related accept
            ip saddr @friends accept
        }
    }""")
    config = ARTICLE.replace("192.168.0.2", "192.168.0.2, from: [9.9.9.0/24]")
    gateway = Gateway(site, Box(site.gw), config)
    assert gateway.finding("foreign-drop")["blocks"]
    gateway.config = gateway.config.replace("9.9.9.0/24", "100.100.100.0/24")
    assert gateway.ids() == []
    gateway.apply(works=True)
    assert gateway.works()


def test_reverse_path_filter_of_nft(site6):
    """There is but one best route: the rule itself must be narrowed."""
    rules = """table inet rpf {
        chain c {
            type filter hook prerouting priority raw;
            icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
            iifname "eth*" fib saddr . mark . iif oif missing counter drop
        }
    }"""
    site6.gw.nft(rules)
    gateway = Gateway(site6, Box(site6.gw), ARTICLE6)
    gateway.apply(works=False)
    assert gateway.answers() == gateway.answers(ADDRESSES6) == [True, False]
    found = [f for f in gateway.findings() if f["id"] == "foreign-drop"]
    assert [(f["pitfall"], f["uplink"], f["remedy"]) for f in found] == [(22, "unicom", [])] * 2
    site6.gw.nft("delete table inet rpf\n" + rules.replace("eth*", "eth2"))
    assert gateway.ids() == []
    assert gateway.works() and gateway.works(ADDRESSES6)


def test_reverse_path_filter_of_iptables(site6):
    """Likewise, but IPv6 is content with any route by the uplink."""
    drop = "-t raw -A PREROUTING -m rpfilter --invert -j DROP"
    site6.gw.iptables(drop)
    site6.gw.run("ip6tables -w " + drop)
    gateway = Gateway(site6, Box(site6.gw), ARTICLE6)
    gateway.apply(works=False)
    assert gateway.answers() == gateway.answers(ADDRESSES6) == [True, False]
    found = {f["maps"][0]: f for f in gateway.findings() if f["id"] == "foreign-drop"}
    gateway.heal(found["web6"])
    assert gateway.works(ADDRESSES6)
    assert not found["web"]["remedy"]
    site6.gw.iptables("-t raw -F", "-t raw -A PREROUTING -i eth2 -m rpfilter --invert -j DROP")
    assert gateway.ids() == []
    assert gateway.works()


def test_nft_that_lets_dnat_through(site):
    """What people are told to write: no finding, and it works."""
    site.gw.nft("""table inet filter {
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established,related accept
            ct status dnat accept
        }
    }""")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=True)
    assert gateway.works()


def test_iptables_legacy(site):
    """Its rules are not seen by netlink; an empty FORWARD with policy DROP is, all the same."""
    if site.gw.run("iptables-legacy -w -P FORWARD DROP", check=False).returncode != 0:
        pytest.skip("this kernel has no iptables-legacy")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    assert gateway.is_dead()
    gateway.heal(gateway.finding("legacy-iptables"))
    assert gateway.works()
    assert gateway.ids() == []


# ---- marks, rules, routes ----

def test_connmark_overwritten(site):
    """A tool that saves whole marks into every connection makes us forget where it came in."""
    site.gw.iptables("-t mangle -A POSTROUTING -j CONNMARK --save-mark")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    finding = gateway.finding("connmark-overwritten")
    assert finding["blocks"] and "POSTROUTING" in finding["evidence"]
    assert gateway.answers()[1] is False
    site.gw.iptables("-t mangle -F POSTROUTING",
                     "-t mangle -A POSTROUTING -j CONNMARK --save-mark --mask 0xff00")
    assert gateway.works()
    assert gateway.ids() == []


def test_mark_overwritten_after_us(site):
    site.gw.nft("""table ip other {
        chain c { type filter hook prerouting priority -105; meta mark set 7; }
    }""")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    assert gateway.finding("mark-overwritten")["blocks"]
    assert gateway.answers()[1] is False


def test_our_bits_in_use(site):
    site.gw.iptables("-t mangle -A PREROUTING -s 192.168.0.77 "
                     "-j MARK --set-xmark 0x2000000/0xff000000")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=True)
    finding = gateway.finding("mark-bits-in-use")
    assert not finding["blocks"] and "PREROUTING" in finding["evidence"]
    # What it advises is a line of the file.
    bits = finding["advice"].split("mark: ")[1].rstrip("}")
    gateway.config = ARTICLE.replace("maps:", f"gateway: {{mark: {bits}}}\n    maps:")
    gateway.apply(works=True)
    assert gateway.ids() == []
    assert gateway.works()


@pytest.mark.parametrize("preference", (100, 1))
def test_rule_before_ours(site, preference):
    """'The servers use line one', as a rule of someone else's."""
    site.gw.ip("route add default via 1.1.1.254 dev eth0 table 100",
               f"rule add pref {preference} from 192.168.0.0/24 lookup 100")
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    finding = gateway.finding("rule-takes-replies")
    assert finding["uplink"] == "unicom" and f"pref {preference}" in finding["evidence"]
    assert gateway.answers() == [True, False]
    if finding["remedy"]:
        gateway.heal(finding)
    else:
        first = finding["advice"].split("rules: ")[1].rstrip("}")
        gateway.config = ARTICLE.replace("maps:", f"gateway: {{rules: {first}}}\n    maps:")
        gateway.apply(works=True)
    assert gateway.ids() == []
    assert gateway.works()


def test_no_default_route(lab):
    """Loose rp_filter drops everything where main has no default route."""
    site = Site(lab, default=None)
    serve(site.backend, tcp=[80])
    for what in ("all", "eth0", "eth1"):
        site.gw.sysctl(f"net.ipv4.conf.{what}.rp_filter", 2)
    gateway = Gateway(site, Box(site.gw))
    gateway.apply(works=False)
    assert gateway.is_dead()
    gateway.heal(gateway.finding("no-default-route"))
    assert gateway.works()
    assert gateway.ids() == []


# ---- services ----

def test_shadowed_service(site):
    server = serve(site.gw, tcp=[80])
    gateway = Gateway(site, Box(site.gw))
    finding = gateway.finding("shadowed-service")
    assert not finding["blocks"] and finding["maps"] == ["web"]
    site.lab.drop(server)
    assert gateway.ids() == []


def test_text(site):
    """For people: the remedy stands on a line of its own, to be pasted."""
    site.gw.iptables("-P FORWARD DROP")
    done = Portreeve(site.gw).check(ARTICLE, "--live", check=False)
    assert done.returncode == 1
    remedy = "iptables -I FORWARD -m connmark --mark 0x80000000/0x80000000 -j ACCEPT"
    assert f"\n    {remedy}\n" in done.stdout
    assert BINARY not in done.stdout
