/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the blob of an iptables match or target: never read past, never crash. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "walk/xt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"tcp", "udp", "sctp", "icmp", "icmp6", "multiport",
		"mark", "connmark", "state", "conntrack", "addrtype", "iprange", "hashlimit",
		"connlimit", "recent", "physdev", "pkttype", "policy", "rpfilter", "MARK",
		"CONNMARK", "CT", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "TPROXY",
		"TCPMSS", "TTL", "HL", "TOS", "DSCP", "set", "length", "tcpmss", "tos", "dscp",
		"ttl", "hl", "mac", "owner", "statistic", "devgroup", "helper"};
	struct packet p = {.family = IP_V4, .known = UINT32_MAX, .proto = PROTO_TCP, .iif = "eth0"};
	const struct netstate net = {0};
	struct nft_xt x = {0};
	uint32_t bits, sets;
	struct walk_xt_effect did;
	struct walk_doubt doubt;
	uint8_t *info;

	if (size < 2)
		return 0;
	info = malloc(size - 2); /* of just that size, so that ASan sees */
	memcpy(info, data + 2, size - 2);
	p.family = data[1] & 0x80 ? IP_V6 : IP_V4;
	x.name = names[data[0] % (sizeof(names) / sizeof(*names))];
	x.rev = data[1] & 7;
	x.names[0] = data[1] & 0x40 ? "blocked" : NULL;
	x.hollow = data[1] & 0x20;
	x.info = info;
	x.info_len = size - 2;
	walk_xt_match(&net, &p, &x, &doubt);
	walk_xt_target(&net, data[1] & 0x10 ? HOOK_PREROUTING : HOOK_POSTROUTING, &p, &x, &did);
	x.target = true;
	walk_xt_writes_mark(&x, false, &bits, &sets);
	walk_xt_writes_mark(&x, true, &bits, &sets);
	free(info);
	return 0;
}
