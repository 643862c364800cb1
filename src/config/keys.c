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

	[KEY_MAP] = {"maps.*", "mapping", false, "one port mapping"},
	[KEY_MAP_LISTEN] = {"maps.*.listen", "listener or list", true,
		"public ports and protocol: 80/tcp or 27000-27099/udp"},
	[KEY_MAP_ON] = {"maps.*.on", "uplink or list", false,
		"uplinks, or addresses of uplinks, to listen on; default: all"},
	[KEY_MAP_TO] = {"maps.*.to", "target", true,
		"the backend: an address, with a port unless it is the listening one"},
	[KEY_MAP_RETURN] = {"maps.*.return", "return", false,
		"how replies get back: auto, direct, snat, or {snat: addresses}; default: auto"},
	[KEY_MAP_FROM] = {"maps.*.from", "prefix or list", false,
		"who may connect; default: everyone"},
	[KEY_MAP_ENABLED] = {"maps.*.enabled", "boolean", false,
		"false: check the map but do not put it in force; default: true"},

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
