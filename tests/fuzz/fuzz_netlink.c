/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as what nftables says of a rule, a set and a packet on its way, decoded and printed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/nft_trace.h"
#include "kernel/nft_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_rule(struct arena *a, enum nft_family family, const struct nlattr *expressions)
{
	struct nft_table *t = nft_table_new(a, family, "t");
	struct nft_rule *r = nft_rule_new(a, nft_chain_new(a, t, "c"), (struct span){0});
	struct strbuf out = STRBUF_INIT;

	nft_read_rule(a, t, expressions, r);
	nft_print_table(&out, t);
	strbuf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum nft_family families[] = {FAMILY_IP, FAMILY_IP6, FAMILY_INET, FAMILY_ARP};
	const size_t len = MNL_NLMSG_HDRLEN + size;
	struct arena *a = arena_new();
	struct nft_trace_message traced;
	struct netstate net = {0};
	struct nlmsghdr *message;
	struct nlattr *nest;

	if (size < sizeof(struct nfgenmsg) || size > UINT16_MAX) {
		arena_free(a);
		return 0;
	}
	/* Both of just their size, so that ASan sees; the lengths without are right, as the kernel's. */
	message = malloc(len);
	memcpy((uint8_t *)message + MNL_NLMSG_HDRLEN, data, size);
	*message = (struct nlmsghdr){.nlmsg_len = (uint32_t)len,
		.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE};
	nft_trace_decode(a, &net, message, &traced);
	nft_read_set(a, message);

	size -= sizeof(struct nfgenmsg);
	nest = malloc(MNL_ATTR_HDRLEN + size);
	*nest = (struct nlattr){.nla_len = (uint16_t)(MNL_ATTR_HDRLEN + size)};
	memcpy((uint8_t *)nest + MNL_ATTR_HDRLEN, data + sizeof(struct nfgenmsg), size);
	decode_rule(a, families[data[0] % (sizeof(families) / sizeof(*families))], nest);
	free(nest);
	free(message);
	arena_free(a);
	return 0;
}
