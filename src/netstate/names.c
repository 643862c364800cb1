/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tools write in words: protocols and services by name, and MAC addresses. */
#include "netstate/names.h"

#include <string.h>

struct name {
	const char *name;
	uint16_t number;
};

/* As /etc/protocols and iptables have them; the first of a number is the one that iptables prints. */
static const struct name protocols[] = {{"ip", 0}, {"tcp", 6}, {"sctp", 132}, {"udp", 17},
	{"udplite", 136}, {"icmp", 1}, {"ipv6-icmp", 58}, {"icmpv6", 58}, {"icmp6", 58},
	{"esp", 50}, {"ah", 51}, {"mobility-header", 135}, {"ipv6-mh", 135}, {"mh", 135},
	{"igmp", 2}, {"ggp", 3}, {"ipencap", 4}, {"ip-encap", 4}, {"ipip", 94}, {"egp", 8},
	{"igp", 9}, {"pup", 12}, {"hmp", 20}, {"xns-idp", 22}, {"rdp", 27}, {"iso-tp4", 29},
	{"dccp", 33}, {"xtp", 36}, {"ddp", 37}, {"idpr-cmtp", 38}, {"ipv6", 41}, {"ipv6-route", 43},
	{"ipv6-frag", 44}, {"idrp", 45}, {"rsvp", 46}, {"gre", 47}, {"ipv6-crypt", 50},
	{"ipv6-auth", 51}, {"skip", 57}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"rspf", 73},
	{"vmtp", 81}, {"eigrp", 88}, {"ospf", 89}, {"ospfigp", 89}, {"ax.25", 93}, {"etherip", 97},
	{"encap", 98}, {"pim", 103}, {"ipcomp", 108}, {"vrrp", 112}, {"l2tp", 115}, {"isis", 124},
	{"fc", 133}, {"mpls-in-ip", 137}, {"manet", 138}, {"hip", 139}, {"shim6", 140},
	{"wesp", 141}, {"rohc", 142}, {"hopopt", 0}, {"ipv4", 4}, {"comp", 108}};

/* Services that people name: of /etc/services. */
static const struct name services[] = {{"tcpmux", 1}, {"echo", 7}, {"discard", 9}, {"daytime", 13},
	{"chargen", 19}, {"ftp-data", 20}, {"ftp", 21}, {"ssh", 22}, {"telnet", 23}, {"smtp", 25},
	{"time", 37}, {"whois", 43}, {"tacacs", 49}, {"dns", 53}, {"domain", 53}, {"bootps", 67},
	{"bootpc", 68}, {"tftp", 69}, {"gopher", 70}, {"finger", 79}, {"http", 80}, {"www", 80},
	{"kerberos", 88}, {"pop-3", 110}, {"pop3", 110}, {"portmapper", 111}, {"sunrpc", 111},
	{"auth", 113}, {"ident", 113}, {"nntp", 119}, {"ntp", 123}, {"epmap", 135},
	{"loc-srv", 135}, {"netbios-ns", 137}, {"netbios-dgm", 138}, {"netbios-ssn", 139},
	{"imap", 143}, {"imap2", 143}, {"snmp", 161}, {"snmp-trap", 162}, {"snmptrap", 162},
	{"xdmcp", 177}, {"bgp", 179}, {"irc", 194}, {"ldap", 389}, {"https", 443},
	{"microsoft-ds", 445}, {"kpasswd", 464}, {"smtps", 465}, {"ssmtp", 465},
	{"submissions", 465}, {"urd", 465}, {"isakmp", 500}, {"exec", 512}, {"login", 513},
	{"shell", 514}, {"syslog", 514}, {"printer", 515}, {"route", 520}, {"router", 520},
	{"ripng", 521}, {"dhcpv6-client", 546}, {"dhcpv6-server", 547}, {"rtsp", 554},
	{"nntps", 563}, {"submission", 587}, {"ipp", 631}, {"ldaps", 636}, {"ldp", 646},
	{"domain-s", 853}, {"rsync", 873}, {"ftps-data", 989}, {"ftps", 990}, {"telnets", 992},
	{"imaps", 993}, {"pop3s", 995}, {"socks", 1080}, {"openvpn", 1194}, {"ms-sql-s", 1433},
	{"ms-sql-m", 1434}, {"l2f", 1701}, {"l2tp", 1701}, {"pptp", 1723}, {"radius", 1812},
	{"radius-acct", 1813}, {"nfs", 2049}, {"iscsi-target", 3260}, {"mysql", 3306},
	{"ms-wbt-server", 3389}, {"nut", 3493}, {"distcc", 3632}, {"svn", 3690}, {"epmd", 4369},
	{"ipsec-nat-t", 4500}, {"iax", 4569}, {"sip", 5060}, {"sip-tls", 5061},
	{"xmpp-client", 5222}, {"xmpp-server", 5269}, {"mdns", 5353}, {"llmnr", 5355},
	{"postgresql", 5432}, {"amqps", 5671}, {"amqp", 5672}, {"x11", 6000}, {"redis", 6379},
	{"ircs-u", 6697}, {"http-alt", 8080}, {"webcache", 8080}, {"bacula-dir", 9101},
	{"git", 9418}, {"zabbix-agent", 10050}, {"zabbix-trapper", 10051}, {"memcached", 11211},
	{"mongodb", 27017}};

static bool find(const struct name *names, size_t n, const char *s, size_t len, uint16_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i].name) == len && strncasecmp(names[i].name, s, len) == 0) {
			*out = names[i].number;
			return true;
		}
	}
	return false;
}

bool net_protocol_named(const char *s, size_t len, uint8_t *out)
{
	uint16_t number;

	if (!find(protocols, sizeof(protocols) / sizeof(*protocols), s, len, &number))
		return false;
	*out = (uint8_t)number;
	return true;
}

const char *net_protocol_name(uint8_t proto)
{
	for (size_t i = 0; proto && i < sizeof(protocols) / sizeof(*protocols); i++) {
		if (protocols[i].number == proto)
			return protocols[i].name;
	}
	return NULL;
}

bool net_service_named(const char *s, size_t len, uint16_t *out)
{
	return find(services, sizeof(services) / sizeof(*services), s, len, out);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool net_mac_parse(const char *s, size_t len, uint8_t mac[6])
{
	uint8_t out[6];

	if (len != 17)
		return false;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(s[3 * i]), low = hex_digit(s[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && s[3 * i + 2] != ':'))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(mac, out, 6);
	return true;
}
