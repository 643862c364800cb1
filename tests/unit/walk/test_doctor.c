/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doctor: a machine with each pitfall, where it must be found, and machines that work, where nothing
 * must be. (It is long because there is a machine for every pitfall.)
 */
#include "dumped.h"

#include "../plan/planned.h"

#define NAT                                                                                        \
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING " \
	"ACCEPT [0:0]\n"
#define MANGLE                                                                                     \
	"*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT "  \
	"ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
#define FILTER "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define CLOSED "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define RAW    "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define END    "COMMIT\n"

#define DNAT_ONE                                                                                   \
	"-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "           \
	"192.168.0.2:8080\n"
#define DNAT_TWO                                                                                   \
	"-A PREROUTING -d 2.2.2.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "           \
	"192.168.0.2:8080\n"
#define DNAT_BOTH  DNAT_ONE DNAT_TWO
#define SNAT_IN	   "-A POSTROUTING -d 192.168.0.2/32 -o eth2 -p tcp -j SNAT --to-source 192.168.0.1\n"
#define MASQUERADE "-A POSTROUTING -o eth0 -j MASQUERADE\n-A POSTROUTING -o eth1 -j MASQUERADE\n"

#define SET_NEW(eth, mark)                                                                         \
	"-A PREROUTING -i " eth " -m conntrack --ctstate NEW -j CONNMARK --set-xmark " mark        \
	"/0xff\n"
#define RESTORE_REPLIES                                                                            \
	"-A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark --nfmask 0xff "       \
	"--ctmask 0xff\n"
#define RESTORE_ALL "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff\n"
#define MARKED	    SET_NEW("eth0", "0x1") SET_NEW("eth1", "0x2")
#define BY_MARK                                                                                    \
	"1001:\tfrom all fwmark 0x1/0xff lookup 101\n1002:\tfrom all fwmark 0x2/0xff lookup 102\n"
#define LOCAL_FIRST "1000:\tfrom all lookup main suppress_prefixlength 0\n"
#define BY_SOURCE   "1001:\tfrom 1.1.1.1 lookup 101\n1002:\tfrom 2.2.2.2 lookup 102\n"

#define REFUSED "-A INPUT -p tcp -m tcp --dport 113 -j REJECT --reject-with tcp-reset\n"

/* With what every uplink of a gateway wants: pinned both ways. */
#define PINNED MANGLE MARKED RESTORE_REPLIES END

struct example {
	const char *name;
	uint8_t pitfall; /* to be found */
	enum diag_severity severity;
	bool one;	    /* the gateway has one uplink only */
	const char *remedy; /* a part of one of the commands; NULL: advice is enough */
	struct dumped d;
};

static void look(struct machine *m, const struct dumped *d, bool one)
{
	struct dumped full = *d;

	if (!full.addr)
		full.addr = one ? ONE_UPLINK_ADDR : TWO_UPLINKS_ADDR;
	if (!full.route)
		full.route = one ? ONE_UPLINK_ROUTE : TWO_UPLINKS_ROUTE;
	machine_read(m, &full);
	walk_doctor(m->a, &m->net, &m->facts, &m->found);
}

static const struct example broken[] = {
	{"2: by the source's address", 2, DIAG_ERROR, false, "fwmark",
		{.iptables = NAT DNAT_BOTH END, .more_rule = BY_SOURCE}},
	{"2: nothing at all", 2, DIAG_ERROR, false, "--set-xmark", {.iptables = NAT DNAT_BOTH END}},
	{"3: source translated", 3, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH SNAT_IN END}},
	{"2: source translated, and rules by source", 2, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH SNAT_IN END, .more_rule = BY_SOURCE}},
	{"3: beside the other", 3, DIAG_INFO, false, NULL,
		{.iptables = NAT DNAT_BOTH SNAT_IN END, .more_rule = BY_SOURCE}},
	{"4: not restored", 4, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"4: restored in FORWARD", 4, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED
			"-A FORWARD -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff\n" END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"5: behind the translation", 5, DIAG_ERROR, false, NULL,
		{.iptables = NAT DNAT_BOTH
			"-A PREROUTING -i eth1 -j CONNMARK --set-xmark 0x2/0xff\n" END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"6: asks whether it is translated", 6, DIAG_ERROR, false, NULL,
		{.iptables = NAT DNAT_BOTH END MANGLE
			"-A PREROUTING -i eth1 -m conntrack --ctstate DNAT -j CONNMARK --set-xmark "
			"0x2/0xff\n" RESTORE_REPLIES END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"7: requests are marked", 7, DIAG_ERROR, false, "suppress_prefixlength",
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED RESTORE_ALL END,
			.more_rule = BY_MARK}},
	{"7: requests alone are marked", 7, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH END MANGLE "-A PREROUTING -i eth1 -j MARK --set-xmark "
						      "0x2/0xff\n" END,
			.more_rule = BY_MARK}},
	{"8: by the interface", 8, DIAG_ERROR, false, "suppress_prefixlength",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = "500:\tfrom all iif eth1 lookup 102\n" BY_MARK}},
	{"8: from one inside network to another", 8, DIAG_WARNING, false, "suppress_prefixlength",
		{.iptables = MANGLE "-A PREROUTING -i eth2 -j MARK --set-xmark 0x2/0xff\n" END,
			.more_rule = BY_MARK,
			.addr = TWO_UPLINKS_ADDR "5: eth3: <UP,LOWER_UP> mtu 1500\n"
						 "    inet 10.0.0.1/24 scope global eth3\n",
			.route = TWO_UPLINKS_ROUTE
			"10.0.0.0/24 dev eth3 proto kernel scope link src 10.0.0.1\n"}},
	{"9: behind a rule that takes all", 9, DIAG_ERROR, false, "rule add",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = "999:\tfrom all lookup main\n" BY_MARK}},
	{"9: goes nowhere", 9, DIAG_WARNING, true, NULL,
		{.more_rule = "500:\tfrom all goto 600 [unresolved]\n"}},
	{"9: goes nowhere with replies", 9, DIAG_ERROR, false,
		"pref 600 fwmark 0x2/0xff lookup 102",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = "500:\tfrom all fwmark 0x2/0xff goto 600 [unresolved]\n"}},
	{"9: without a mask", 9, DIAG_ERROR, false, "fwmark 0x2/0xff",
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED RESTORE_REPLIES
			"-A PREROUTING -i eth2 -j MARK --set-xmark 0x100/0xf00\n" END,
			.more_rule = "1001:\tfrom all fwmark 0x1 lookup 101\n"
				     "1002:\tfrom all fwmark 0x2 lookup 102\n"}},
	{"10: an empty table", 10, DIAG_ERROR, false, "route add",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = LOCAL_FIRST "1001:\tfrom all fwmark 0x1/0xff lookup 101\n"
						 "1002:\tfrom all fwmark 0x2/0xff lookup 109\n"}},
	{"11: multipath", 11, DIAG_ERROR, false, "--set-xmark",
		{.iptables = NAT DNAT_BOTH END,
			.route = "default \n\tnexthop via 1.1.1.254 dev eth0 weight 1 \n"
				 "\tnexthop via 2.2.2.254 dev eth1 weight 1 \n"
				 "1.1.1.0/24 dev eth0 proto kernel scope link src 1.1.1.1\n"
				 "2.2.2.0/24 dev eth1 proto kernel scope link src 2.2.2.2\n"
				 "192.168.0.0/24 dev eth2 proto kernel scope link src "
				 "192.168.0.1\n"}},
	{"12: spread at random", 12, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH END MANGLE "-A PREROUTING -i eth2 -m statistic --mode "
						      "random --probability 0.5 -j MARK "
						      "--set-xmark 0x2/0xff\n" END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"13: the backend's own uplink", 13, DIAG_ERROR, false, "--restore-mark",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = "900:\tfrom 192.168.0.2 lookup 102\n"}},
	{"15: of TCP only", 15, DIAG_ERROR, false, NULL,
		{.iptables = NAT DNAT_BOTH
			"-A PREROUTING -i eth1 -p udp -j DNAT --to-destination 192.168.0.2\n" END
				MANGLE SET_NEW(
					"eth0", "0x1") "-A PREROUTING -i eth1 -p tcp -m conntrack "
						       "--ctstate NEW "
						       "-j CONNMARK "
						       "--set-xmark 0x2/0xff\n" RESTORE_REPLIES END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"15: of TCP only, and only that is forwarded", 15, DIAG_INFO, false, NULL,
		{.iptables = NAT DNAT_BOTH END MANGLE SET_NEW(
			 "eth0", "0x1") "-A PREROUTING -i eth1 -p tcp -m conntrack --ctstate NEW "
					"-j CONNMARK "
					"--set-xmark 0x2/0xff\n" RESTORE_REPLIES END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"17: strict", 17, DIAG_ERROR, false, "rp_filter=2",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = LOCAL_FIRST BY_MARK,
			.more_sysctl = "net.ipv4.conf.eth1.rp_filter = 1\n"}},
	{"18: no default", 18, DIAG_ERROR, false, "route add default",
		{.iptables = NAT DNAT_BOTH END PINNED,
			.more_rule = LOCAL_FIRST BY_MARK,
			.more_sysctl = "net.ipv4.conf.all.rp_filter = 2\n",
			.route = "1.1.1.0/24 dev eth0 proto kernel scope link src 1.1.1.1\n"
				 "2.2.2.0/24 dev eth1 proto kernel scope link src 2.2.2.2\n"
				 "192.168.0.0/24 dev eth2 proto kernel scope link src 192.168.0.1\n"
				 "default via 1.1.1.254 dev eth0 table 101\n"
				 "default via 2.2.2.254 dev eth1 table 102\n"}},
	{"19: a mark that leads here", 19, DIAG_WARNING, true, "src_valid_mark=0",
		{.more_rule = "700:\tfrom all fwmark 0x1 lookup 100\n",
			.route = ONE_UPLINK_ROUTE "local default dev lo table 100 scope host\n",
			.more_sysctl = "net.ipv4.conf.all.src_valid_mark = 1\n"}},
	{"20: not forwarding", 20, DIAG_ERROR, true, "net.ipv4.ip_forward=1",
		{.iptables = NAT DNAT_ONE END,
			.sysctl = "net.ipv4.ip_forward = 0\nnet.ipv4.conf.all.forwarding = 0\n"
				  "net.ipv4.conf.eth0.forwarding = "
				  "0\nnet.ipv4.conf.eth2.forwarding = 0\n"
				  "net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.rp_filter = "
				  "0\n"
				  "net.ipv4.conf.eth2.rp_filter = 0\n"}},
	{"21: to 127.0.0.1", 21, DIAG_ERROR, true, "route_localnet=1",
		{.iptables = NAT "-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j DNAT "
				 "--to-destination 127.0.0.1:8080\n" END}},
	{"22: too early", 22, DIAG_ERROR, false, NULL,
		{.iptables = NAT DNAT_BOTH END RAW
			"-A PREROUTING -m rpfilter --invert -j DROP\n" END PINNED,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"24: nobody's address", 24, DIAG_WARNING, true, "ip address add 1.1.1.9/24 dev eth0",
		{.iptables = NAT "-A PREROUTING -d 1.1.1.9/32 -p tcp -m tcp --dport 80 -j DNAT "
				 "--to-destination 192.168.0.2\n" END}},
	{"25: not accepted", 25, DIAG_ERROR, true, "-I FORWARD",
		{.iptables = NAT DNAT_ONE END CLOSED
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" END}},
	{"26: the public port", 26, DIAG_ERROR, true, "--ctstate DNAT",
		{.iptables = NAT DNAT_ONE END CLOSED
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
			"-A FORWARD -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT\n" END}},
	{"27: behind a drop", 27, DIAG_ERROR, true, "-I FORWARD",
		{.iptables = NAT DNAT_ONE END FILTER
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
			"-A FORWARD -i eth0 -j DROP\n"
			"-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT\n" END}},
	{"28: another table", 28, DIAG_ERROR, true, "nft insert rule inet fw forward",
		{.iptables = NAT DNAT_ONE END CLOSED
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
			"-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT\n" END,
			.nft = "table inet fw {\n	chain forward {\n		type "
			       "filter hook "
			       "forward priority filter; policy drop;\n		ct state "
			       "established,related accept\n	}\n}\n"}},
	{"29: two rule sets", 29, DIAG_WARNING, true, NULL,
		{.iptables = NAT DNAT_ONE END,
			.legacy = FILTER "-A FORWARD -s 10.66.0.1/32 -j DROP\n" END}},
	{"30: no way for replies", 30, DIAG_ERROR, true, "ESTABLISHED,RELATED",
		{.iptables = NAT DNAT_ONE END CLOSED
			"-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT\n" END}},
	{"30: no way for errors", 30, DIAG_WARNING, true, "ESTABLISHED,RELATED",
		{.iptables = NAT DNAT_ONE END CLOSED
			"-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
			"-A FORWARD -d 192.168.0.2/32 -p tcp -m tcp --dport 8080 -j ACCEPT\n" END}},
	{"31: in another zone", 31, DIAG_ERROR, true, "-D PREROUTING",
		{.iptables = NAT DNAT_ONE END RAW
			"-A PREROUTING -i eth0 -j CT --zone 7\n" END FILTER
			"-A FORWARD -m conntrack --ctstate INVALID -j DROP\n" END}},
	{"31: untranslated", 31, DIAG_ERROR, true, "-D PREROUTING",
		{.iptables = NAT DNAT_ONE END RAW "-A PREROUTING -i eth0 -j CT --zone 7\n" END}},
	{"32: in INPUT", 32, DIAG_ERROR, true, "-I FORWARD",
		{.iptables = NAT DNAT_ONE END CLOSED
			"-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n"
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" END}},
	{"33: not jumped to", 33, DIAG_WARNING, true, NULL,
		{.iptables = "*nat\n:PREROUTING ACCEPT [0:0]\n:WAN - [0:0]\n"
			     "-A WAN -p tcp -m tcp --dport 80 -j DNAT --to-destination "
			     "192.168.0.2:80\n" END}},
	{"34: by interface", 34, DIAG_WARNING, true, "MASQUERADE",
		{.iptables = NAT "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT "
				 "--to-destination 192.168.0.2:8080\n" END}},
	{"35: beside the backend", 35, DIAG_WARNING, true, "-s 192.168.0.0/24",
		{.iptables = NAT DNAT_ONE END}},
	{"36: taken before", 36, DIAG_WARNING, true, NULL,
		{.iptables = NAT DNAT_ONE "-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j "
					  "DNAT --to-destination 192.168.0.3:80\n" END}},
	{"37: the address is gone", 37, DIAG_WARNING, true, NULL,
		{.iptables = NAT "-A PREROUTING -d 9.9.9.9/32 -p tcp -m tcp --dport 80 -j DNAT "
				 "--to-destination 192.168.0.2:80\n" END}},
	{"37: the network is gone", 37, DIAG_WARNING, true, NULL,
		{.iptables = NAT "-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j DNAT "
				 "--to-destination 192.168.7.2:80\n" END}},
	{"38: everything", 38, DIAG_WARNING, true, NULL,
		{.iptables = NAT "-A POSTROUTING -j MASQUERADE\n" END}},
	{"39: the modem's address first", 39, DIAG_WARNING, true, "-j SNAT --to-source 1.1.1.1",
		{.iptables = NAT "-A POSTROUTING -o eth0 -j MASQUERADE\n" END,
			.addr = "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state "
				"UP\n    inet 10.9.9.2/24 scope global eth0\n"
				"    inet 1.1.1.1/32 scope global eth0\n"
				"4: eth2: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state "
				"UP\n    inet 192.168.0.1/24 scope global eth2\n"}},
	{"43: few ports", 43, DIAG_WARNING, true, NULL,
		{.iptables = NAT "-A POSTROUTING -o eth0 -p tcp -j SNAT --to-source "
				 "1.1.1.1:50000-50099\n" END}},
	{"44: a range", 44, DIAG_WARNING, true, NULL,
		{.iptables = NAT
			"-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 8000:8010 -j DNAT "
			"--to-destination 192.168.0.2:9000-9010\n" END}},
	{"45: not tracked", 45, DIAG_ERROR, true, NULL,
		{.iptables = NAT DNAT_ONE END RAW "-A PREROUTING -p tcp -m tcp --dport 80 -j CT "
						  "--notrack\n" END}},
	{"47: refused without a mark", 47, DIAG_WARNING, false, "-A OUTPUT",
		{.iptables = NAT DNAT_BOTH END PINNED FILTER REFUSED END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"47: the mark is not taken over", 47, DIAG_WARNING, false, "fwmark_reflect=1",
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED RESTORE_ALL END FILTER REFUSED END,
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"48: all bits", 48, DIAG_WARNING, false, NULL,
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED RESTORE_REPLIES
			"-A PREROUTING -i tun0 -j MARK --set-xmark 0x100/0xffffffff\n" END,
			.more_rule = LOCAL_FIRST BY_MARK
			"1003:\tfrom all fwmark 0x100/0xff00 lookup 110\n",
			.more_route = "default via 1.1.1.254 dev eth0 table 110\n"}},
	{"49: offloaded", 49, DIAG_WARNING, false, NULL,
		{.nft = "table ip nat {\n	chain prerouting {\n		type nat hook "
			"prerouting priority dstnat;\n		ip daddr { 1.1.1.1, 2.2.2.2 } tcp "
			"dport 80 dnat to 192.168.0.2\n	}\n}\n"
			"table inet fast {\n	flowtable f {\n		hook ingress "
			"priority filter\n		devices = { eth0, eth1, eth2 }\n	}\n"
			"	chain mark {\n		type filter hook prerouting priority "
			"mangle;\n		iifname \"eth1\" ct state new ct mark set 2\n"
			"		ct direction reply meta mark set ct mark\n	}\n"
			"	chain forward {\n		type filter hook forward priority "
			"filter;\n		meta l4proto { tcp, udp } flow add @f\n	}\n"
			"}\n",
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"50: one side only", 50, DIAG_WARNING, true, "-I FORWARD -i eth0",
		{.iptables = NAT DNAT_ONE END MANGLE
			"-A FORWARD -o eth0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS "
			"--clamp-mss-to-pmtu\n" END,
			.addr = "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1492 qdisc fq_codel state "
				"UP\n    inet 1.1.1.1/24 scope global eth0\n"
				"4: eth2: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state "
				"UP\n    inet 192.168.0.1/24 scope global eth2\n"}},
	{"53: nothing marks", 53, DIAG_ERROR, false, "--set-xmark",
		{.iptables = NAT DNAT_BOTH END, .more_rule = LOCAL_FIRST BY_MARK}},
	{"50: a small MTU", 50, DIAG_WARNING, true, "--set-mss 1452",
		{.iptables = NAT DNAT_ONE END,
			.addr = "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1492 qdisc fq_codel state "
				"UP\n"
				"    inet 1.1.1.1/24 scope global eth0\n"
				"4: eth2: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state "
				"UP\n"
				"    inet 192.168.0.1/24 scope global eth2\n"}},
	{"52: full", 52, DIAG_WARNING, true, "nf_conntrack_max=",
		{.more_sysctl = "net.netfilter.nf_conntrack_count = 65530\n"
				"net.netfilter.nf_conntrack_max = 65536\n"}},
	{"54: one network twice", 54, DIAG_WARNING, true, NULL,
		{.addr = ONE_UPLINK_ADDR "5: eth5: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel "
					 "state UP\n    inet 192.168.0.9/25 scope global eth5\n"}},
	{"55: before the local networks", 55, DIAG_ERROR, false, "rule add",
		{.iptables = NAT DNAT_BOTH END MANGLE MARKED RESTORE_ALL END,
			.more_rule = "998:\tfrom all fwmark 0x2/0xff lookup 102\n"
				     "999:\tfrom all fwmark 0x1/0xff lookup 101\n" LOCAL_FIRST}},
	{"56: one address for all", 56, DIAG_INFO, true, NULL,
		{.iptables = NAT DNAT_ONE SNAT_IN END}},
	{"57: the neighbours", 57, DIAG_WARNING, true, "-I FORWARD -i eth0",
		{.iptables = NAT DNAT_ONE END}},
	{"1: never answered", 1, DIAG_ERROR, true, "MASQUERADE",
		{.iptables = NAT DNAT_ONE END,
			.conntrack =
				"tcp      6 100 SYN_SENT src=81.2.69.142 dst=1.1.1.1 sport=40000 "
				"dport=80 [UNREPLIED] src=192.168.0.2 dst=81.2.69.142 sport=8080 "
				"dport=40000 mark=0 use=1\n"
				"tcp      6 110 SYN_SENT src=81.2.69.143 dst=1.1.1.1 sport=40001 "
				"dport=80 [UNREPLIED] src=192.168.0.2 dst=81.2.69.143 sport=8080 "
				"dport=40001 mark=0 use=1\n"}},
	{"40: to where it was led before", 40, DIAG_INFO, true,
		"conntrack -D -p tcp -s 81.2.69.142",
		{.iptables = NAT DNAT_ONE END,
			.conntrack =
				"tcp      6 431999 ESTABLISHED src=81.2.69.142 dst=1.1.1.1 "
				"sport=40000 dport=80 src=192.168.0.99 dst=81.2.69.142 sport=80 "
				"dport=40000 [ASSURED] mark=0 use=1\n"}},
	{"40: datagrams go where they went", 40, DIAG_WARNING, true, "conntrack -D -p udp",
		{.iptables = NAT "-A PREROUTING -i eth0 -p udp -m udp --dport 53 -j DNAT "
				 "--to-destination 192.168.0.2\n" END,
			.conntrack = "udp      17 119 src=81.2.69.142 dst=1.1.1.1 sport=40000 "
				     "dport=53 src=192.168.0.99 dst=81.2.69.142 sport=53 "
				     "dport=40000 [ASSURED] mark=0 use=1\n"}},
	{"41: a peer that keeps on", 41, DIAG_WARNING, true, "conntrack -D -p udp",
		{.iptables = NAT "-A PREROUTING -d 1.1.1.1/32 -p udp -m udp --dport 51820 -j DNAT "
				 "--to-destination 192.168.0.2\n" END,
			.conntrack = "udp      17 25 src=81.2.69.142 dst=1.1.1.1 sport=51820 "
				     "dport=51820 [UNREPLIED] src=1.1.1.1 dst=81.2.69.142 "
				     "sport=51820 dport=51820 mark=0 use=1\n"}},
	{"42: the route has moved", 42, DIAG_WARNING, false, "conntrack -D -q 2.2.2.2",
		{.conntrack = "tcp      6 431999 ESTABLISHED src=192.168.0.5 dst=81.2.69.142 "
			      "sport=40000 dport=443 src=81.2.69.142 dst=2.2.2.2 sport=443 "
			      "dport=40000 [ASSURED] mark=0 use=1\n"}},
};

static void test_broken(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		const struct example *e = &broken[i];
		const struct finding *f;
		struct machine m;

		look(&m, &e->d, e->one);
		f = machine_found(&m, e->pitfall);
		if (!f || f->severity != e->severity || !f->title || !f->evidence ||
			!f->consequence || !(f->remedy.len || f->advice) ||
			(e->remedy && !has_remedy(f, e->remedy))) {
			print_error("---- %s:\n", e->name);
			machine_print(&m);
			wrong++;
		}
		machine_end(&m);
	}
	assert_int_equal(wrong, 0);
}

/* ---- machines that work ---- */

static const struct {
	const char *name;
	bool one;
	struct dumped d;
} sane[] = {
	{"a home router", true,
		{.iptables = NAT
			"-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT "
			"--to-destination 192.168.0.2:8080\n"
			"-A PREROUTING -i eth0 -p udp -m multiport --dports 3074,3478:3480 -j "
			"DNAT --to-destination 192.168.0.9\n"
			"-A POSTROUTING -o eth0 -j MASQUERADE\n" END CLOSED
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
			"-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
			"-A FORWARD -i eth2 -o eth0 -j ACCEPT\n"
			"-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n" END}},
	{"a home router of today, strict", true,
		{.nft = "table inet fw {\n"
			"	chain prerouting {\n		type nat hook prerouting priority "
			"dstnat;\n"
			"		iifname \"eth0\" tcp dport { 80, 443 } dnat ip to "
			"192.168.0.2\n	}\n"
			"	chain postrouting {\n		type nat hook postrouting priority "
			"srcnat;\n		oifname \"eth0\" masquerade\n	}\n"
			"	chain forward {\n		type filter hook forward priority "
			"filter; "
			"policy drop;\n		ct state vmap { established : accept, related : "
			"accept, "
			"invalid : drop }\n		iifname \"eth2\" accept\n		ct "
			"status "
			"dnat accept\n	}\n"
			"	chain input {\n		type filter hook input priority filter; "
			"policy "
			"drop;\n		ct state established,related accept\n		"
			"iifname { "
			"\"lo\", \"eth2\" } accept\n	}\n}\n",
			.more_sysctl =
				"net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.eth0.rp_filter "
				"= 1\nnet.ipv4.conf.eth2.rp_filter = 1\n"}},
	{"two uplinks, pinned", false,
		{.iptables = NAT DNAT_BOTH MASQUERADE END PINNED,
			.more_rule = LOCAL_FIRST BY_MARK,
			.more_sysctl = "net.ipv4.conf.all.rp_filter = 2\n"}},
	{"two uplinks, pinned, main's routes copied", false,
		{.iptables = NAT DNAT_BOTH MASQUERADE END MANGLE MARKED RESTORE_ALL END,
			.more_rule = BY_MARK,
			.more_route = "192.168.0.0/24 dev eth2 scope link table 101\n"
				      "192.168.0.0/24 dev eth2 scope link table 102\n"}},
	{"two uplinks, restored on the inside only", false,
		{.iptables = NAT DNAT_BOTH MASQUERADE END MANGLE MARKED
			"-A PREROUTING -i eth2 -j CONNMARK --restore-mark --nfmask 0xff --ctmask "
			"0xff\n" END,
			.more_rule = BY_MARK}},
	{"two uplinks in nft", false,
		{.nft = "table ip mangle {\n	chain prerouting {\n		type filter hook "
			"prerouting priority mangle;\n"
			"		iifname \"eth0\" ct state new ct mark set 0x00000001\n"
			"		iifname \"eth1\" ct state new ct mark set 0x00000002\n"
			"		ct direction reply meta mark set ct mark\n	}\n}\n"
			"table ip nat {\n	map web {\n		type ipv4_addr . "
			"inet_service : "
			"ipv4_addr . inet_service\n		elements = { 1.1.1.1 . 80 : "
			"192.168.0.2 "
			". 80, 2.2.2.2 . 80 : 192.168.0.2 . 80 }\n	}\n"
			"	chain prerouting {\n		type nat hook prerouting priority "
			"dstnat;\n"
			"		dnat to ip daddr . tcp dport map @web\n	}\n}\n",
			.more_rule = LOCAL_FIRST BY_MARK}},
	{"a Docker host", true,
		{.iptables = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT "
			     "[0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n"
			     "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
			     "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n"
			     "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
			     "-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp "
			     "--dport "
			     "80 -j MASQUERADE\n"
			     "-A DOCKER -i docker0 -j RETURN\n"
			     "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT "
			     "--to-destination 172.17.0.2:80\n" END
			     "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT "
			     "[0:0]\n:DOCKER - [0:0]\n:DOCKER-ISOLATION-STAGE-1 - "
			     "[0:0]\n:DOCKER-ISOLATION-STAGE-2 - [0:0]\n:DOCKER-USER - [0:0]\n"
			     "-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n"
			     "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j "
			     "ACCEPT\n-A FORWARD -o docker0 -j DOCKER\n"
			     "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n"
			     "-A FORWARD -i docker0 -o docker0 -j ACCEPT\n"
			     "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp "
			     "--dport "
			     "80 -j ACCEPT\n"
			     "-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j "
			     "DOCKER-ISOLATION-STAGE-2\n-A DOCKER-ISOLATION-STAGE-1 -j RETURN\n"
			     "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP\n"
			     "-A DOCKER-ISOLATION-STAGE-2 -j RETURN\n-A DOCKER-USER -j "
			     "RETURN\n" END,
			.addr = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state "
				"UNKNOWN\n"
				"    inet 127.0.0.1/8 scope host lo\n"
				"2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state "
				"UP\n"
				"    inet 1.1.1.1/24 scope global eth0\n"
				"3: docker0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state "
				"UP\n"
				"    inet 172.17.0.1/16 scope global docker0\n",
			.route = "default via 1.1.1.254 dev eth0\n1.1.1.0/24 dev eth0 proto kernel "
				 "scope "
				 "link src 1.1.1.1\n172.17.0.0/16 dev docker0 proto kernel scope "
				 "link src "
				 "172.17.0.1\n",
			.more_sysctl = "net.ipv4.conf.docker0.forwarding = 1\n"
				       "net.ipv4.conf.docker0.rp_filter = 0\n"
				       "net.ipv4.conf.docker0.src_valid_mark = 0\n"
				       "net.ipv4.conf.docker0.route_localnet = 0\n"}},
	{"OpenWrt", true,
		{.nft = "table inet fw4 {\n"
			"	chain input {\n		type filter hook input priority filter; "
			"policy "
			"drop;\n		iif \"lo\" accept\n		ct state vmap { "
			"established : "
			"accept, related : accept }\n		iifname \"eth2\" accept\n	}\n"
			"	chain forward {\n		type filter hook forward priority "
			"filter; "
			"policy drop;\n		ct state vmap { established : accept, related : "
			"accept "
			"}\n		iifname \"eth2\" jump forward_lan comment \"!fw4: Handle "
			"lan "
			"IPv4/IPv6 forward traffic\"\n		iifname \"eth0\" jump forward_wan "
			"comment \"!fw4: Handle wan IPv4/IPv6 forward traffic\"\n		"
			"jump "
			"handle_reject\n	}\n"
			"	chain forward_lan {\n		oifname \"eth0\" accept\n	"
			"	ct "
			"status dnat accept comment \"!fw4: Accept port forwards\"\n	}\n"
			"	chain forward_wan {\n		ct status dnat accept comment "
			"\"!fw4: "
			"Accept port forwards\"\n		jump handle_reject\n	}\n"
			"	chain handle_reject {\n		meta l4proto tcp reject with tcp "
			"reset "
			"comment \"!fw4: Reject TCP traffic\"\n		reject comment \"!fw4: "
			"Reject "
			"any other traffic\"\n	}\n"
			"	chain dstnat {\n		type nat hook prerouting priority "
			"dstnat; "
			"policy accept;\n		iifname \"eth2\" jump dstnat_lan\n	"
			"	iifname "
			"\"eth0\" jump dstnat_wan\n	}\n"
			"	chain srcnat {\n		type nat hook postrouting priority "
			"srcnat; "
			"policy accept;\n		oifname \"eth2\" jump srcnat_lan\n	"
			"	oifname "
			"\"eth0\" jump srcnat_wan\n	}\n"
			"	chain dstnat_lan {\n		ip saddr 192.168.0.0/24 ip daddr "
			"1.1.1.1 "
			"tcp dport 80 dnat ip to 192.168.0.2:80 comment \"!fw4: web "
			"(reflection)\"\n	"
			"}\n"
			"	chain srcnat_lan {\n		ip saddr 192.168.0.0/24 ip daddr "
			"192.168.0.2 tcp dport 80 snat ip to 192.168.0.1 comment \"!fw4: web "
			"(reflection)\"\n	}\n"
			"	chain dstnat_wan {\n		meta nfproto ipv4 tcp dport 80 "
			"counter "
			"packets 0 bytes 0 dnat ip to 192.168.0.2:80 comment \"!fw4: web\"\n	}\n"
			"	chain srcnat_wan {\n		meta nfproto ipv4 masquerade "
			"comment "
			"\"!fw4: Masquerade IPv4 wan traffic\"\n	}\n}\n"}},
	{"ufw", true,
		{.iptables = NAT
			"-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT "
			"--to-destination 192.168.0.2\n-A POSTROUTING -s 192.168.0.0/24 -o "
			"eth0 -j MASQUERADE\n" END
			"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT "
			"[0:0]\n:ufw-before-forward - [0:0]\n:ufw-user-forward - [0:0]\n"
			"-A FORWARD -j ufw-before-forward\n"
			"-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j "
			"ACCEPT\n-A ufw-before-forward -p icmp -m icmp --icmp-type 3 -j ACCEPT\n"
			"-A ufw-before-forward -j ufw-user-forward\n"
			"-A ufw-user-forward -i eth0 -o eth2 -d 192.168.0.2/32 -p tcp -m tcp "
			"--dport 80 -j ACCEPT\n-A ufw-user-forward -i eth2 -o eth0 -j "
			"ACCEPT\n" END}},
};

static void test_sane(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(sane) / sizeof(*sane); i++) {
		struct machine m;

		look(&m, &sane[i].d, sane[i].one);
		if (machine_count(&m, DIAG_ERROR)) {
			print_error("---- %s:\n", sane[i].name);
			machine_print(&m);
			wrong++;
		}
		machine_end(&m);
	}
	assert_int_equal(wrong, 0);
}

static void add_rule(struct planned *p, uint32_t preference, uint32_t table)
{
	struct net_rule *r = vec_add(p->a, &p->seen.rules);

	*r = (struct net_rule){.family = IP_V4,
		.preference = preference,
		.action = RULE_LOOKUP,
		.table = table,
		.suppress_prefixlen = -1};
}

/* Portreeve's own plans, whatever is in them. */
static void test_own_plans(void **state)
{
	static const char *const files[] = {
		"uplinks:\n  a: {interface: eth0, gateway: 1.1.1.254}\n"
		"  b: {interface: eth1, gateway: 2.2.2.254}\n"
		"maps:\n  web: {listen: 80/tcp, to: 192.168.0.2}\n",
		"uplinks:\n  a: {interface: eth0, gateway: 1.1.1.254}\n"
		"  b: {interface: eth1, gateway: 2.2.2.254}\n"
		"maps:\n  web: {listen: [80/tcp, 443/tcp], to: 192.168.0.2, return: direct}\n"
		"  games: {listen: 27000-27099/udp, on: b, to: 192.168.0.7}\n"
		"  ssh: {listen: 2222/tcp, to: \"192.168.0.3:22\", return: snat, from: "
		"198.51.100.0/24}\n",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct machine m = {0};
		struct planned p;
		struct netstate then = {0};

		planned_init(&p, files[i]);
		p.seen.have = HAVE_LINKS | HAVE_ADDRS | HAVE_ROUTES4 | HAVE_RULES4 | HAVE_SYSCTLS |
			      HAVE_NFT | HAVE_LEGACY4;
		add_rule(&p, 0, TABLE_LOCAL);
		add_rule(&p, 32766, TABLE_MAIN);
		add_rule(&p, 32767, TABLE_DEFAULT);
		planned_make(&p);
		assert_non_null(p.plan);
		plan_overlay(p.a, &p.seen, &p.plan->want, &then);
		walk_doctor(p.a, &then, NULL, &m.found);
		if (machine_count(&m, DIAG_WARNING))
			machine_print(&m);
		assert_int_equal(machine_count(&m, DIAG_WARNING), 0);
		planned_fini(&p);
	}
}

static void test_missing_parts_are_told(void **state)
{
	const struct dumped d = {.iptables = NAT DNAT_ONE END};
	struct machine m;
	bool sysctls = false, backend = false;

	look(&m, &d, true);
	VEC_EACH (&m.found.untold, struct finding_untold, u) {
		sysctls = sysctls || u->pitfall == 17;
		backend = backend || (u->pitfall == 1 && strstr(u->what, "192.168.0.2"));
		assert_non_null(u->needs);
	}
	assert_false(sysctls);
	assert_true(backend);
	machine_end(&m);
}

static const char *needed_for(const struct machine *m, const char *what)
{
	VEC_EACH (&m->found.untold, struct finding_untold, u) {
		if (strstr(u->what, what))
			return u->needs;
	}
	return NULL;
}

/* A second line without a default route, and forwards that do not name it: it may be a network of public
 * addresses inside as well. */
static void test_doubtful_uplink(void **state)
{
#define FOR_ALL                                                                                    \
	NAT ":PORTS - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j PORTS\n"                \
	    "-A PORTS ! -i eth2 -p tcp -m tcp --dport 80 -j DNAT --to-destination "
	static const struct {
		const char *name;
		bool told;
		struct dumped d;
	} rows[] = {
		{"for whatever comes in", true, {.iptables = FOR_ALL "192.168.0.2\n" END}},
		{"it leads to a backend", false, {.iptables = FOR_ALL "2.2.2.9\n" END}},
		{"it has a private address, too", false,
			{.iptables = FOR_ALL "192.168.0.2\n" END,
				.more_addr = "9: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
					     "    inet 10.2.0.1/24 scope global eth1\n"}},
		{"no forward is for it", false,
			{.iptables = NAT "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT "
					 "--to-destination 192.168.0.2\n" END}},
		{"nor for its address", false, {.iptables = NAT DNAT_ONE END}},
		{"there is no forward", false, {.iptables = NAT END}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct dumped d = rows[i].d;
		const char *needs;
		struct machine m;

		d.addr = TWO_UPLINKS_ADDR;
		d.route = ONE_UPLINK_ROUTE "2.2.2.0/24 dev eth1 scope link src 2.2.2.2\n";
		look(&m, &d, true);
		needs = needed_for(&m, "whether eth1, with 2.2.2.2, is an uplink");
		if ((needs != NULL) != rows[i].told || machine_count(&m, DIAG_ERROR))
			fail_msg("%s: %s", rows[i].name, needs ? needs : "not told");
		assert_true(!needs || strstr(needs, "dev eth1 table TABLE"));
		machine_end(&m);
	}
}

/* A thousand forwards with one fault are one finding. */
static void test_folded(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct dumped d = {0};
	struct machine m;
	const struct finding *f;
	size_t errors = 0;

	strbuf_add(&b, NAT);
	for (unsigned int i = 0; i < 1000; i++)
		strbuf_addf(&b,
			"-A PREROUTING -d 2.2.2.2/32 -p tcp -m tcp --dport %u -j DNAT "
			"--to-destination 192.168.0.%u\n",
			1000 + i, i % 200 + 2);
	strbuf_add(&b, END);
	d.iptables = strbuf_str(&b);
	look(&m, &d, false);
	f = machine_found(&m, 2);
	assert_non_null(f);
	assert_int_equal(f->forwards.len, 1000);
	errors = machine_count(&m, DIAG_ERROR);
	assert_int_equal(errors, 1);
	machine_end(&m);
	strbuf_fini(&b);
}

/* systemd-networkd is a danger where there are rules for it to remove. */
/* The connection's mark leads its packets to the uplink of its address: nothing has moved. */
static void test_marked_connection(void **state)
{
	const struct dumped d = {.iptables = NAT MASQUERADE END PINNED,
		.more_rule = LOCAL_FIRST BY_MARK,
		.conntrack = "tcp      6 431999 ESTABLISHED src=192.168.0.5 dst=81.2.69.142 "
			     "sport=40000 dport=443 src=81.2.69.142 dst=2.2.2.2 sport=443 "
			     "dport=40000 [ASSURED] mark=2 use=1\n"};
	struct machine m;

	look(&m, &d, false);
	assert_null(machine_found(&m, 42));
	machine_end(&m);
}

static void test_networkd(void **state)
{
	for (int policy = 0; policy < 2; policy++) {
		const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
			.route = TWO_UPLINKS_ROUTE,
			.more_rule = policy ? LOCAL_FIRST BY_MARK : LOCAL_FIRST};
		struct machine m;

		machine_read(&m, &d);
		m.facts.networkd_running = true;
		walk_doctor(m.a, &m.net, &m.facts, &m.found);
		assert_int_equal(machine_found(&m, 59) != NULL, policy);
		machine_end(&m);
	}
}

static void test_catalogue(void **state)
{
	for (size_t i = 0; i < PITFALLS; i++) {
		assert_int_equal(pitfalls[i].number, i + 1);
		assert_true(strlen(pitfalls[i].name) <= 30);
		assert_true(pitfalls[i].found || pitfalls[i].limit);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(pitfalls[i].name, pitfalls[k].name);
	}
}

static size_t times(const struct machine *m, uint8_t pitfall, const char *evidence)
{
	size_t n = 0;

	VEC_EACH (&m->found.items, struct finding, f)
		n += f->pitfall == pitfall && strstr(f->evidence, evidence);
	return n;
}

static size_t times_untold(const struct machine *m, uint8_t pitfall, const char *what)
{
	size_t n = 0;

	VEC_EACH (&m->found.untold, struct finding_untold, u)
		n += u->pitfall == pitfall && strstr(u->what, what);
	return n;
}

#define TWO_PORTS                                                                                  \
	"-A PREROUTING -i eth1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2\n"    \
	"-A PREROUTING -i eth1 -p tcp -m tcp --dport 81 -j DNAT --to-destination 192.168.0.3\n"

/* That a setting is not in the dumps is no fault of it. */
static void test_settings_that_are_not_known(void **state)
{
	struct dumped d = {
		.iptables = NAT DNAT_ONE TWO_PORTS END, .sysctl = "net.ipv4.ip_default_ttl = 64\n"};
	struct machine m;

	look(&m, &d, false);
	assert_null(machine_found(&m, 17));
	assert_null(machine_found(&m, 20));
	assert_int_equal(times_untold(&m, 20, "net.ipv4.conf.eth0.forwarding"), 1);
	assert_int_equal(times_untold(&m, 20, "net.ipv4.conf.eth1.forwarding"), 1);
	assert_int_equal(times_untold(&m, 17, "net.ipv4.conf.eth1.rp_filter"), 1);
	machine_end(&m);

	/* Strict on all may still be loose on one. */
	d.sysctl = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 1\n";
	look(&m, &d, false);
	assert_null(machine_found(&m, 17));
	assert_int_equal(times_untold(&m, 17, "net.ipv4.conf.eth1.rp_filter"), 1);
	machine_end(&m);

	/* But without a route back any mode drops. */
	d.route = "1.1.1.0/24 dev eth0 scope link\n2.2.2.0/24 dev eth1 scope link\n"
		  "192.168.0.0/24 dev eth2 scope link\n";
	look(&m, &d, false);
	assert_non_null(machine_found(&m, 18));
	machine_end(&m);
}

/* Whatever asks for it, a setting is one finding. */
static void test_settings_that_are_known(void **state)
{
	struct dumped d = {.iptables = NAT DNAT_ONE TWO_PORTS END,
		.more_sysctl = "net.ipv4.conf.eth1.forwarding = 0\n"};
	struct machine m;

	look(&m, &d, false);
	assert_int_equal(times(&m, 20, "net.ipv4.conf.eth1.forwarding = 0"), 1);
	assert_int_equal(times(&m, 20, ""), 1);
	assert_int_equal(machine_found(&m, 20)->forwards.len, 2);
	machine_end(&m);
	d.sysctl = "net.ipv4.conf.all.forwarding = 0\nnet.ipv4.ip_forward = 0\n";
	d.more_sysctl = NULL;
	look(&m, &d, false);
	assert_int_equal(times(&m, 20, "net.ipv4.ip_forward = 0"), 1);
	assert_int_equal(times(&m, 20, ""), 1);
	machine_end(&m);
}

/* The commands are for each of the forwards that a finding names. */
static void test_remedy_for_each_forward(void **state)
{
	const struct dumped d = {.iptables = NAT TWO_PORTS END};
	const struct finding *f;
	struct machine m;

	look(&m, &d, false);
	f = machine_found(&m, 34);
	assert_non_null(f);
	assert_int_equal(f->forwards.len, 2);
	assert_true(has_remedy(f, "--dport 80 -j DNAT --to-destination 192.168.0.2:80"));
	assert_true(has_remedy(f, "--dport 81 -j DNAT --to-destination 192.168.0.3:81"));
	machine_end(&m);
}

/* What two findings need alike stands under each: it may be the only one that somebody pastes. */
static void test_remedies_are_whole(void **state)
{
	static const char once[] = "needs to be pasted once only",
			  forward[] = "-A PREROUTING -d 1.1.1.1 -p tcp --dport 80 -j DNAT "
				      "--to-destination 192.168.0.2:80";
	const struct dumped d = {.iptables =
					 NAT "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j "
					     "DNAT --to-destination 192.168.0.2:80\n" END,
		.more_addr = "9: eth3: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
			     "    inet 10.3.0.1/24 scope global eth3\n"};
	struct strbuf b = STRBUF_INIT;
	const char *note;
	struct machine m;
	size_t n = 0;

	look(&m, &d, true);
	VEC_EACH (&m.found.items, struct finding, f) {
		if (f->pitfall != 34 || f->severity != DIAG_WARNING)
			continue;
		n++;
		assert_true(has_remedy(f, forward));
		assert_true(has_remedy(f, "-j MASQUERADE"));
	}
	assert_int_equal(n, 2);
	findings_print(&b, &m.found, DIAG_WARNING, false);
	note = strstr(strbuf_str(&b), once);
	assert_non_null(note);
	assert_true(note > strstr(strbuf_str(&b), "MASQUERADE"));
	assert_null(strstr(note + 1, once));
	strbuf_fini(&b);
	machine_end(&m);
}

/* Ports of IPv6 are told from addresses. */
static void test_ipv6(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR
				 "12: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
				 "    inet6 2001:db8:1::1/64 scope global\n"
				 "13: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
				 "    inet6 2001:db8:2::2/64 scope global\n"
				 "14: eth2: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
				 "    inet6 fd00::1/64 scope global\n",
		.route = TWO_UPLINKS_ROUTE
		"default via 2001:db8:1::fe dev eth0\ndefault via 2001:db8:2::fe dev eth1 table "
		"102\n"
		"2001:db8:1::/64 dev eth0\n2001:db8:2::/64 dev eth1\nfd00::/64 dev eth2\n",
		.more_sysctl = "net.ipv6.conf.all.forwarding = 1\n",
		.nft = "table ip6 nat {\n	chain pre {\n		type nat hook prerouting "
		       "priority dstnat;\n		ip6 daddr 2001:db8:2::2 tcp dport 80 dnat "
		       "to "
		       "[fd00::2]:80\n	}\n}\n"};
	const struct finding *f;
	struct machine m;

	look(&m, &d, false);
	f = machine_found(&m, 2);
	assert_non_null(f);
	assert_non_null(strstr(f->consequence, "replies of [2001:db8:2::2]:80 leave by eth0;"));
	machine_end(&m);
}

/* Names from a dump stand in commands that somebody pastes. */
static void test_names_for_a_shell(void **state)
{
	static const char *const names[] = {
		"a;reboot", "$(reboot)", "`reboot`", "a|reboot", "a&reboot", "a>/etc/x"};
	const struct finding *f;
	struct machine m;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char text[300];
		struct dumped d = {.iptables = text};

		snprintf(text, sizeof(text),
			"*nat\n:PREROUTING ACCEPT [0:0]\n:%s - [0:0]\n-A %s -p tcp -m tcp --dport "
			"80 -j DNAT --to-destination 192.168.0.2:80\nCOMMIT\n",
			names[i], names[i]);
		look(&m, &d, false);
		f = machine_found(&m, 33);
		if (!f || f->remedy.len || !f->withheld)
			fail_msg("%s: %s", names[i], f && f->remedy.len ? f->remedy.items[0] : "?");
		machine_end(&m);
	}
}

/* What looks like a fault, and is none; and what must not be told to be another one. */
static void test_near_misses(void **state)
{
	static const struct {
		const char *name;
		uint8_t found, not_found; /* 0: whatever is */
		struct dumped d;
	} rows[] = {
		{"to an address of the machine's own, INPUT is the chain", 32, 25,
			{.iptables = NAT
				"-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j DNAT "
				"--to-destination 192.168.0.1:8080\n" END
				"*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n"
				":OUTPUT ACCEPT [0:0]\n" END}},
		{"replies that were translated may be asked for early", 0, 6,
			{.iptables = NAT DNAT_BOTH END MANGLE
				"-A PREROUTING -m conntrack --ctstate DNAT --ctdir REPLY -j MARK "
				"--set-xmark 0x1/0xff\n" END,
				.more_rule = BY_MARK}},
		{"requests may not", 6, 0,
			{.iptables = NAT DNAT_BOTH END MANGLE
				"-A PREROUTING -i eth1 -m conntrack --ctstate DNAT -j CONNMARK "
				"--set-xmark 0x1/0xff\n" END,
				.more_rule = BY_MARK}},
		{"a table that says to go on takes nothing", 0, 9,
			{.iptables = PINNED NAT DNAT_BOTH END,
				.more_rule = "100:\tfrom all lookup 50\n" BY_MARK,
				.more_route = "throw default table 50\n"}},
		{"one that leads on takes all", 9, 0,
			{.iptables = PINNED NAT DNAT_BOTH END,
				.more_rule = "100:\tfrom all lookup 50\n" BY_MARK,
				.more_route = "default via 1.1.1.254 dev eth0 table 50\n"}},
		{"public addresses inside are for the public", 0, 57,
			{.iptables = NAT END,
				.addr = "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
					"    inet 1.1.1.1/24 scope global eth0\n"
					"6: eth5: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
					"    inet 203.0.113.1/24 scope global eth5\n",
				.route = "default via 1.1.1.254 dev eth0\n"
					 "1.1.1.0/24 dev eth0 scope link\n"
					 "203.0.113.0/24 dev eth5 scope link\n"}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct machine m;

		look(&m, &rows[i].d, false);
		if ((rows[i].found && !machine_found(&m, rows[i].found)) ||
			(rows[i].not_found && machine_found(&m, rows[i].not_found))) {
			machine_print(&m);
			fail_msg("%s", rows[i].name);
		}
		machine_end(&m);
	}
}

/* Nothing comes before preference 1 but the kernel's own rule: no command to paste for that. */
static void test_no_room_for_a_rule(void **state)
{
	const struct dumped d = {.iptables = PINNED NAT DNAT_BOTH END,
		.more_rule = "1:\tfrom all lookup main\n" BY_MARK};
	struct machine m;
	size_t n = 0;

	look(&m, &d, false);
	VEC_EACH (&m.found.items, struct finding, f) {
		if (strcmp(f->id, "ip-rule-not-reached") != 0)
			continue;
		assert_int_equal(f->remedy.len, 0);
		n++;
	}
	assert_true(n > 0);
	machine_end(&m);
}

/* Whether an address is the machine's is only known where its addresses are. */
static void test_without_addresses(void **state)
{
	const struct dumped d = {
		.iptables = NAT "-A POSTROUTING -o eth0 -j SNAT --to-source 9.9.9.9\n" END,
		.route = TWO_UPLINKS_ROUTE};
	struct machine m;

	machine_read(&m, &d);
	walk_doctor(m.a, &m.net, &m.facts, &m.found);
	assert_null(machine_found(&m, 37));
	machine_end(&m);
	look(&m, &d, false);
	assert_non_null(machine_found(&m, 37));
	machine_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_sane),
		cmocka_unit_test(test_own_plans),
		cmocka_unit_test(test_missing_parts_are_told),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_marked_connection),
		cmocka_unit_test(test_networkd),
		cmocka_unit_test(test_catalogue),
		cmocka_unit_test(test_settings_that_are_not_known),
		cmocka_unit_test(test_settings_that_are_known),
		cmocka_unit_test(test_remedy_for_each_forward),
		cmocka_unit_test(test_doubtful_uplink),
		cmocka_unit_test(test_remedies_are_whole),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_no_room_for_a_rule),
		cmocka_unit_test(test_without_addresses),
		cmocka_unit_test(test_names_for_a_shell),
	};

	return cmocka_run_group_tests_name("walk/doctor", tests, NULL, NULL);
}
