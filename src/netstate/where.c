/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Says where a rule stands and what it says, in the words of the tool that it came from. */
#include "netstate/netstate.h"
#include "netstate/xt/xt.h"

const char *nft_table_words(struct arena *a, const struct nft_table *t)
{
	static const struct {
		enum nft_family family;
		const char *name;
	} families[] = {{FAMILY_INET, "inet"}, {FAMILY_IP, "ip"}, {FAMILY_IP6, "ip6"},
		{FAMILY_NETDEV, "netdev"}, {FAMILY_BRIDGE, "bridge"}, {FAMILY_ARP, "arp"}};
	const char *family = "";

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (families[i].family == t->family)
			family = families[i].name;
	}
	return arena_printf(
		a, "%s %s%s", family, t->name, t->origin == ORIGIN_XT_LEGACY ? " (legacy)" : "");
}

const char *nft_rule_words(struct arena *a, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r)
{
	struct strbuf b = STRBUF_INIT;
	const char *text;

	if (!r)
		return c->policy_drop ? "policy drop" : "policy accept";
	if (r->text)
		return r->text;
	if (t->origin == ORIGIN_NFT)
		nft_print_rule(&b, r);
	else
		xt_print_rule(&b, t, c, r);
	text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

const char *nft_rule_place(struct arena *a, const struct nft_rule *r)
{
	if (r->file)
		return arena_printf(a, "%s:%u", r->file, r->at.line);
	return r->handle ? arena_printf(a, "handle %llu", (unsigned long long)r->handle) : "";
}
