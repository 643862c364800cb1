# SPDX-License-Identifier: GPL-2.0-or-later
"""A small Internet around a gateway with several uplinks.

                 +--- isp telecom ---+ eth0            eth2 +--- backend ---+
    world -------|   (drops foreign  |------ gateway -------|   (its own     |--- line --- world
    (the client) +--- isp unicom ----+ eth1   sources)      +--- lan host    +

Every ISP drops what its customer sends with a source address that is not that line's, and counts
it: Site.foreign("telecom"). A backend has a default route of its own by another line (the worst
case) unless it says gateway=True.
"""

import ipaddress
import json
from dataclasses import dataclass, field

from lab import wait_for

CLIENT = "100.100.100.100"
CLIENT6 = "2001:db8:100::100"


@dataclass
class Modem:
    """A box in front that has the public address and translates it 1:1 to the private one."""
    public: str  # with its length: "203.0.113.10/24"
    router: str  # the ISP's address beyond it


@dataclass
class Uplink:
    name: str
    interface: str
    addresses: list  # the gateway's, with their lengths, v4 and v6 mixed
    routers: list  # the ISP's addresses there, or the modem's: at most one per family
    neighbours: dict = field(default_factory=dict)  # others on the segment: {name: [address]}
    modem: Modem = None


@dataclass
class Machine:
    """A host inside."""
    name: str
    addresses: list
    gateway: bool = False  # its default route is the gateway; else a line of its own


@dataclass
class Inside:
    interface: str
    addresses: list  # the gateway's
    machines: list = field(default_factory=list)


def telecom(**more):
    return Uplink("telecom", "eth0", ["1.1.1.1/24"], ["1.1.1.254"], **more)


def unicom(**more):
    return Uplink("unicom", "eth1", ["2.2.2.2/24"], ["2.2.2.254"], **more)


def telecom6(**more):
    return Uplink("telecom", "eth0", ["1.1.1.1/24", "2001:db8:1::1/64"],
                  ["1.1.1.254", "2001:db8:1::fe"], **more)


def unicom6(**more):
    return Uplink("unicom", "eth1", ["2.2.2.2/24", "2001:db8:2::2/64"],
                  ["2.2.2.254", "2001:db8:2::fe"], **more)


def lan(*machines, addresses=("192.168.0.1/24",)):
    default = [Machine("backend", ["192.168.0.2/24"])]
    return Inside("eth2", list(addresses), list(machines) or default)


class Site:
    """The gateway under test and everything around it, up and routed."""

    def __init__(self, lab, uplinks=None, inside=None, default="telecom"):
        """`default` names the uplink of the gateway's own default routes; None: it has none."""
        self.lab = lab
        self.uplinks = uplinks or [telecom(), unicom()]
        self.inside = inside or [lan()]
        self.world = lab.host("world")
        self.gw = lab.host("gw")
        self.isp = {}
        self.hosts = {"world": self.world, "gw": self.gw}
        self._lines = 0

        self.world.sysctl("net.ipv4.ip_forward", 1)
        self.world.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.world.ip(f"addr add {CLIENT}/32 dev lo", f"addr add {CLIENT6}/128 dev lo")
        segments = {}  # gateway's interface -> ends on its segment
        for uplink in self.uplinks:
            ends = segments.setdefault(uplink.interface, [])
            ends += self._isp(uplink)
            ends += self._neighbours(uplink)
        for interface, ends in segments.items():
            lab.wire((self.gw, interface), *ends)
        for uplink in self.uplinks:
            self._address_segment(uplink)
            if uplink.name == default:
                self.gw.ip(*(f"route add default via {router}" + (f" dev {uplink.interface}")
                             for router in uplink.routers))
        for network in self.inside:
            self._inside(network)
        # Link-local addresses come by themselves, a moment after their interface.
        wait_for(lambda: self._settled(self.gw), "link-local addresses")

    def __getattr__(self, name):
        """site.backend: a host by its name."""
        try:
            return self.__dict__["hosts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def add_client(self, *addresses):
        """More addresses that the world's client may come from (`source=`)."""
        self.world.ip(*(f"addr add {_full(a)} dev lo" for a in addresses))

    def foreign(self, name):
        """How many packets an ISP has dropped for their source."""
        listing = self.isp[name].run("nft -j list counters table inet isp").stdout
        return next(entry["counter"]["packets"] for entry in json.loads(listing)["nftables"]
                    if "counter" in entry)

    # ---- building ----

    @staticmethod
    def _settled(host):
        links = json.loads(host.run("ip -j -6 addr show").stdout)
        return all(any(a.get("scope") == "link" and not a.get("tentative")
                       for a in link["addr_info"])
                   for link in links if link["ifname"] != "lo")

    def _host(self, name):
        host = self.hosts[name] = self.lab.host(name)
        return host

    def _isp(self, uplink):
        """The ISP's router, and the modem if there is one; gives the end towards the gateway."""
        if uplink.modem:
            own = [uplink.modem.public]
            networks = own
        else:
            own = uplink.addresses + [a for more in uplink.neighbours.values() for a in more]
            networks = uplink.addresses
        isp = self._line(uplink.name, own, networks)
        if not uplink.modem:
            return [(isp, "customer")]

        modem = self._host(f"modem-{uplink.name}")
        self.lab.wire((isp, "customer"), (modem, "wan"))
        length = uplink.modem.public.split("/")[1]
        isp.ip(f"addr add {uplink.modem.router}/{length} dev customer")
        modem.sysctl("net.ipv4.ip_forward", 1)
        modem.ip(f"addr add {uplink.modem.public} dev wan",
                 f"route add default via {uplink.modem.router}")
        private, public = _bare(uplink.addresses[0]), _bare(uplink.modem.public)
        modem.nft(f"""table ip modem {{
            chain in {{ type nat hook prerouting priority dstnat; iifname wan dnat to {private}; }}
            chain out {{ type nat hook postrouting priority srcnat; oifname wan snat to {public}; }}
        }}""")
        return [(modem, "lan")]

    def _line(self, name, own, networks):
        """An ISP named `name` between the world and a customer with the addresses `own`."""
        isp = self.isp[name] = self._host(f"isp-{name}")
        n = self._lines
        self._lines += 1
        self.lab.wire((self.world, name), (isp, "world"))
        self.world.ip(f"addr add 10.254.{n}.1/30 dev {name}",
                      f"addr add fd00:254:{n}::1/64 dev {name}")
        isp.ip(f"addr add 10.254.{n}.2/30 dev world", f"addr add fd00:254:{n}::2/64 dev world",
               f"route add default via 10.254.{n}.1", f"route add default via fd00:254:{n}::1")
        isp.sysctl("net.ipv4.ip_forward", 1)
        isp.sysctl("net.ipv6.conf.all.forwarding", 1)
        for network in dict.fromkeys(_network(a) for a in networks):
            via, client = ((f"fd00:254:{n}::2", CLIENT6) if ":" in network
                           else (f"10.254.{n}.2", CLIENT))
            self.world.ip(f"route add {network} via {via} src {client}")
        own4 = ", ".join(_bare(a) for a in own if ":" not in a) or "0.0.0.0"
        own6 = ", ".join(_bare(a) for a in own if ":" in a) or "::"
        isp.nft(f"""table inet isp {{
            counter foreign {{ }}
            chain forward {{
                type filter hook forward priority filter;
                iifname customer ip saddr != {{ {own4} }} counter name foreign drop
                iifname customer ip6 saddr != {{ {own6} }} counter name foreign drop
            }}
        }}""")
        return isp

    def _neighbours(self, uplink):
        return [(self._host(name), "eth0") for name in uplink.neighbours]

    def _address_segment(self, uplink):
        """Addresses on the segment: the gateway's, the router's (or modem's), the neighbours'."""
        lengths = {":" in a: a.split("/")[1] for a in uplink.addresses}
        self.gw.ip(*(f"addr add {a} dev {uplink.interface} nodad" if ":" in a else
                     f"addr add {a} dev {uplink.interface}" for a in uplink.addresses))
        end, interface = ((self.hosts[f"modem-{uplink.name}"], "lan") if uplink.modem
                          else (self.isp[uplink.name], "customer"))
        end.ip(*(f"addr add {r}/{lengths[':' in r]} dev {interface}" for r in uplink.routers))
        for name, addresses in uplink.neighbours.items():
            self.hosts[name].ip(*(f"addr add {a} dev eth0" for a in addresses))
            families = {":" in a for a in addresses}
            self.hosts[name].ip(*(f"route add default via {r}" for r in uplink.routers
                                  if (":" in r) in families))

    def _inside(self, network):
        machines = [self._host(machine.name) for machine in network.machines]
        if machines:
            self.lab.wire((self.gw, network.interface), *((host, "eth0") for host in machines))
        else:
            self.gw.ip(f"link add {network.interface} type veth peer name {network.interface}-end",
                       f"link set {network.interface} up", f"link set {network.interface}-end up")
        self.gw.ip(*(f"addr add {a} dev {network.interface}" for a in network.addresses))
        for machine, host in zip(network.machines, machines):
            host.ip(*(f"addr add {a} dev eth0" for a in machine.addresses))
            if machine.gateway:
                routers = {":" in a: _bare(a) for a in reversed(network.addresses)}
                host.ip(*(f"route add default via {routers[family]}"
                          for family in {":" in a for a in machine.addresses}))
            else:
                self._own_line(host)

    def _own_line(self, host):
        """A line to the Internet that does not pass the gateway, with the default routes."""
        n = self._lines
        own = [f"3.3.{n}.3/24", f"2001:db8:3:{n}::3/64"]
        line = self._line(f"line-{host.name}", own, own)
        self.lab.wire((line, "customer"), (host, "line"))
        line.ip(f"addr add 3.3.{n}.254/24 dev customer",
                f"addr add 2001:db8:3:{n}::fe/64 dev customer")
        host.ip(*(f"addr add {a} dev line" for a in own),
                f"route add default via 3.3.{n}.254", f"route add default via 2001:db8:3:{n}::fe")


def _bare(address):
    return address.split("/")[0]


def _full(address):
    return address + ("/128" if ":" in address else "/32")


def _network(address):
    return str(ipaddress.ip_interface(address).network)
