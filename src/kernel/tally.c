/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tally: what the kernel counts. */
#include "kernel/tally.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "kernel/route.h"
#include "plan/plan.h"

#define REQUEST_BYTES 512

struct reading {
	struct arena *a;
	struct tally_counters *out;
};

static uint64_t be64(const struct nlattr *attr)
{
	uint64_t n;

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(n))
		return 0;
	memcpy(&n, mnl_attr_get_payload(attr), sizeof(n));
	return be64toh(n);
}

static int on_object(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_OBJ_MAX + 1], *values[NFTA_COUNTER_MAX + 1];
	struct reading *r = data;

	kernel_attrs_of(attrs, NFTA_OBJ_MAX, nlh, sizeof(struct nfgenmsg));
	/* A kernel that does not know how to leave out others gives them too. */
	if (!attrs[NFTA_OBJ_TABLE] || !attrs[NFTA_OBJ_NAME] || !attrs[NFTA_OBJ_DATA] ||
		!attrs[NFTA_OBJ_TYPE] ||
		mnl_attr_validate(attrs[NFTA_OBJ_TABLE], MNL_TYPE_NUL_STRING) < 0 ||
		mnl_attr_validate(attrs[NFTA_OBJ_NAME], MNL_TYPE_NUL_STRING) < 0 ||
		mnl_attr_validate(attrs[NFTA_OBJ_TYPE], MNL_TYPE_U32) < 0 ||
		strcmp(mnl_attr_get_str(attrs[NFTA_OBJ_TABLE]), PORTREEVE_TABLE) != 0 ||
		ntohl(mnl_attr_get_u32(attrs[NFTA_OBJ_TYPE])) != NFT_OBJECT_COUNTER)
		return MNL_CB_OK;
	kernel_attrs_in(values, NFTA_COUNTER_MAX, attrs[NFTA_OBJ_DATA]);
	vec_push(r->a, &r->out->items,
		((struct nft_counter){arena_strdup(r->a, mnl_attr_get_str(attrs[NFTA_OBJ_NAME])),
			be64(values[NFTA_COUNTER_PACKETS]), be64(values[NFTA_COUNTER_BYTES])}));
	return MNL_CB_OK;
}

int kernel_tally_counters(
	struct kernel *k, struct arena *a, struct tally_counters *out, struct kernel_error *e)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct reading r = {a, out};
	struct nfgenmsg *m;
	int err;

	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ;
	nlh->nlmsg_flags = NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->nfgen_family = NFPROTO_INET;
	m->version = NFNETLINK_V0;
	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, PORTREEVE_TABLE);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	err = kernel_talk(k, k->netfilter, nlh, on_object, &r, e);
	return err == -ENOENT ? 0 : err;
}

bool tally_misrouted(const struct tally_counters *c, const char *uplink, uint64_t *packets)
{
	static const char prefix[] = PLAN_MISROUTED;

	VEC_EACH (&c->items, const struct nft_counter, it) {
		if (strncmp(it->name, prefix, sizeof(prefix) - 1) == 0 &&
			strcmp(it->name + sizeof(prefix) - 1, uplink) == 0) {
			*packets = it->packets;
			return true;
		}
	}
	return false;
}

static bool number_of(struct kernel *k, const char *key, uint64_t *out)
{
	char text[32];

	if (kernel_sysctl_get(k, key, text, sizeof(text)) != 0)
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

static enum tally_switch switch_of(struct kernel *k, const char *key)
{
	uint64_t n;

	if (!number_of(k, key, &n))
		return TALLY_UNKNOWN;
	return n ? TALLY_ON : TALLY_OFF;
}

void kernel_tally_conntrack(struct kernel *k, struct tally_conntrack *out)
{
	*out = (struct tally_conntrack){0};
	out->known = number_of(k, "net.netfilter.nf_conntrack_count", &out->entries) &&
		     number_of(k, "net.netfilter.nf_conntrack_max", &out->limit);
	out->accounting = switch_of(k, "net.netfilter.nf_conntrack_acct");
	out->timestamps = switch_of(k, "net.netfilter.nf_conntrack_timestamp");
}
