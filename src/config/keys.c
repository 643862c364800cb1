/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of keys. The JSON Schema and portreeve.yaml(5) are held equal to it by tests. */
#include "config/keys.h"

#include <assert.h>

static const struct config_key keys[] = {
	[KEY_UPLINKS] = {"uplinks", "mapping", true, "the lines to the Internet, by name"},
	[KEY_MAPS] = {"maps", "mapping", false, "the port mappings, by name"},
	[KEY_GATEWAY] = {"gateway", "mapping", false,
		"what portreeve takes for itself on this machine"},

	[KEY_UPLINK] = {"uplinks.*", "mapping", false, "one line to the Internet"},
	[KEY_UPLINK_INTERFACE] = {"uplinks.*.interface", "string", true,
		"the network interface of the line"},
	[KEY_UPLINK_ADDRESS] = {"uplinks.*.address", "address or list", false,
		"which of the interface's addresses belong to the line; default: all"},
	[KEY_UPLINK_PUBLIC] = {"uplinks.*.public", "address or list", false,
		"the address the world sees where a modem in front translates 1:1; one per family"},
	[KEY_UPLINK_GATEWAY] = {"uplinks.*.gateway", "gateway or list", false,
		"the provider's router, one per family, or onlink; default: what the system's "
		"default "
		"route says"},
	[KEY_UPLINK_NUMBER] = {"uplinks.*.number", "integer", false,
		"the line's own number for mark, table and preference; default: chosen once and "
		"kept"},
	[KEY_UPLINK_CHECK] = {"uplinks.*.check", "uplink check or list", false,
		"how to find out that the line works; default: it has a carrier, an address and a "
		"gateway"},

	[KEY_UPLINK_CHECK_ICMP] = {"uplinks.*.check.icmp", "ping or list", false,
		"addresses that answer a ping, or gateway: the line's router"},
	[KEY_UPLINK_CHECK_TCP] = {"uplinks.*.check.tcp", "endpoint or list", false,
		"addresses with port that take a TCP connection"},
	[KEY_UPLINK_CHECK_HTTP] = {"uplinks.*.check.http", "url or list", false, "URLs to ask for"},
	[KEY_UPLINK_CHECK_DNS] = {"uplinks.*.check.dns", "server or list", false,
		"DNS servers to ask, with a port unless it is 53"},
	[KEY_UPLINK_CHECK_EXPECT] = {"uplinks.*.check.expect", "status", false,
		"http: the answer that is good, 204 or 200-399; default: 200-399"},
	[KEY_UPLINK_CHECK_HOST] = {"uplinks.*.check.host", "string", false,
		"http: the Host header; default: the host of the URL"},
	[KEY_UPLINK_CHECK_NAME] = {"uplinks.*.check.name", "string", false,
		"dns: the name to ask for; default: the root's name servers"},
	[KEY_UPLINK_CHECK_NEED] = {"uplinks.*.check.need", "integer", false,
		"how many of the targets must answer; default: 1"},
	[KEY_UPLINK_CHECK_EVERY] = {"uplinks.*.check.every", "duration", false,
		"time between two rounds; default: 5s"},
	[KEY_UPLINK_CHECK_TIMEOUT] = {"uplinks.*.check.timeout", "duration", false,
		"how long an answer may take; default: 2s, or `every` where that is shorter"},
	[KEY_UPLINK_CHECK_RISE] = {"uplinks.*.check.rise", "integer", false,
		"good rounds in a row that make it up; default: 2"},
	[KEY_UPLINK_CHECK_FALL] = {"uplinks.*.check.fall", "integer", false,
		"bad rounds in a row that make it down; default: 3"},

	[KEY_MAP] = {"maps.*", "mapping", false, "one port mapping"},
	[KEY_MAP_LISTEN] = {"maps.*.listen", "listener or list", true,
		"public ports and protocol: 80/tcp or 27000-27099/udp"},
	[KEY_MAP_ON] = {"maps.*.on", "uplink or list", false,
		"uplinks, or addresses of uplinks, to listen on; default: all"},
	[KEY_MAP_TO] = {"maps.*.to", "backend or list", true,
		"the backend: an address, with a port unless it is the listening one; or several"},
	[KEY_MAP_BALANCE] = {"maps.*.balance", "balance", false,
		"which of several backends gets a new connection: hash, random or first; default: "
		"hash"},
	[KEY_MAP_CHECK] = {"maps.*.check", "map check or list", false,
		"how to find out that a backend works; default: it is taken to"},
	[KEY_MAP_WHEN_DOWN] = {"maps.*.when-down", "when-down", false,
		"the connections of a backend that went down: keep or cut; default: keep"},
	[KEY_MAP_ALL_DOWN] = {"maps.*.all-down", "all-down", false,
		"new connections when no backend is up: try or refuse; default: try"},
	[KEY_MAP_RETURN] = {"maps.*.return", "return", false,
		"how replies get back: auto, direct, snat, or {snat: addresses}; default: auto"},
	[KEY_MAP_FROM] = {"maps.*.from", "prefix or list", false,
		"who may connect; default: everyone"},
	[KEY_MAP_ENABLED] = {"maps.*.enabled", "boolean", false,
		"false: check the map but do not put it in force; default: true"},

	[KEY_TO_ADDRESS] = {"maps.*.to.address", "target", true,
		"the backend's address, with a port unless it is the listening one"},
	[KEY_TO_WEIGHT] = {"maps.*.to.weight", "integer", false,
		"its share of the new connections, beside the others'; default: 1"},

	[KEY_MAP_CHECK_ICMP] = {"maps.*.check.icmp", "boolean", false,
		"true: the backend answers a ping"},
	[KEY_MAP_CHECK_TCP] = {"maps.*.check.tcp", "port", false,
		"true: the backend's port takes a TCP connection; or another port that does"},
	[KEY_MAP_CHECK_HTTP] = {"maps.*.check.http", "path", false,
		"the path to ask for, with another port than the backend's before it: "
		":8080/health"},
	[KEY_MAP_CHECK_DNS] = {"maps.*.check.dns", "port", false,
		"true: the backend's port answers DNS; or another port that does"},
	[KEY_MAP_CHECK_EXPECT] = {"maps.*.check.expect", "status", false,
		"http: the answer that is good, 204 or 200-399; default: 200-399"},
	[KEY_MAP_CHECK_HOST] = {"maps.*.check.host", "string", false,
		"http: the Host header; default: the backend's address"},
	[KEY_MAP_CHECK_NAME] = {"maps.*.check.name", "string", false,
		"dns: the name to ask for; default: the root's name servers"},
	[KEY_MAP_CHECK_EVERY] = {"maps.*.check.every", "duration", false,
		"time between two rounds; default: 5s"},
	[KEY_MAP_CHECK_TIMEOUT] = {"maps.*.check.timeout", "duration", false,
		"how long an answer may take; default: 2s, or `every` where that is shorter"},
	[KEY_MAP_CHECK_RISE] = {"maps.*.check.rise", "integer", false,
		"good rounds in a row that make it up; default: 2"},
	[KEY_MAP_CHECK_FALL] = {"maps.*.check.fall", "integer", false,
		"bad rounds in a row that make it down; default: 3"},

	[KEY_RETURN_SNAT] = {"maps.*.return.snat", "address or list", true,
		"the gateway's inside addresses that clients are hidden behind"},

	[KEY_GATEWAY_MARK] = {"gateway.mark", "integer", false,
		"the bits of the packet mark that are portreeve's; default: 0xff000000"},
	[KEY_GATEWAY_RULES] = {"gateway.rules", "integer", false,
		"ip rule preferences begin after this one; default: 500"},
	[KEY_GATEWAY_TABLES] = {"gateway.tables", "integer", false,
		"routing table numbers begin after this one; default: 70000"},
	[KEY_GATEWAY_GUARD] = {"gateway.guard", "boolean", false,
		"drop what comes in by an uplink for an inside network without a map; default: on"},
	[KEY_GATEWAY_HOOK] = {"gateway.hook", "command", false,
		"a program that is run when an uplink or backend changes its state"},
	[KEY_GATEWAY_HOOK_TIMEOUT] = {"gateway.hook-timeout", "duration", false,
		"after this time the hook is killed; default: 10s"},
	[KEY_GATEWAY_METRICS] = {"gateway.metrics", "metrics", false,
		"port, or address and port, for metrics over HTTP; default: off"},
	[KEY_GATEWAY_WATCH] = {"gateway.watch", "boolean", false,
		"`portreeve run` reads the file anew when it changes; default: off"},
	[KEY_GATEWAY_FASTPATH] = {"gateway.fastpath", "fastpath", false,
		"packets of known connections bypass most of the kernel: off, auto, xdp or tc, or "
		"a mapping of interfaces to these; default: off"},
	[KEY_GATEWAY_FASTPATH_FLOWS] = {"gateway.fastpath-flows", "integer", false,
		"how many connections the fast path has room for; default: 65536"},
};
static_assert(sizeof(keys) / sizeof(keys[0]) == KEY_COUNT_, "a key without a row");

const struct config_key *config_key(enum config_key_id id)
{
	return &keys[id];
}

const struct config_key *config_keys(size_t *n)
{
	*n = KEY_COUNT_;
	return keys;
}
