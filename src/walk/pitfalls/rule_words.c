/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remedies that take a rule away or write it otherwise, as commands of the tool that it belongs to. */
#include <string.h>

#include "netstate/xt/xt.h"
#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/tool.h"

const char *table_command(struct inquiry *q, const struct nft_table *t)
{
	if (t->origin == ORIGIN_NFT)
		return NULL;
	return arena_printf(q->arena, "%s%s -t %s",
		t->family == FAMILY_IP6 ? "ip6tables" : "iptables",
		t->origin == ORIGIN_XT_LEGACY ? "-legacy" : "", t->name);
}

const char *rule_words(struct inquiry *q, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r)
{
	struct strbuf b = STRBUF_INIT;
	const char *text, *spec;
	bool whole;

	if (t->origin == ORIGIN_NFT)
		return NULL;
	whole = xt_print_rule(&b, t, c, r);
	text = inquiry_text(q, &b);
	spec = strncmp(text, "-A ", 3) == 0 ? strchr(text + 3, ' ') : NULL;
	return whole && spec ? spec + 1 : NULL;
}

bool remedy_delete(struct inquiry *q, struct finding *f, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r)
{
	const char *command = table_command(q, t), *words = rule_words(q, t, c, r);

	if (command && words)
		finding_remedy(q, f, "%s -D %s %s", command, c->name, words);
	else if (!command && r->handle)
		finding_remedy(q, f, "nft delete rule %s %s %s handle %llu", tool_family(t->family),
			t->name, c->name, (unsigned long long)r->handle);
	else
		return false;
	return true;
}

/* Words go between single quotes. */
static bool can_be_quoted(const char *words)
{
	return !strchr(words, '\'');
}

bool remedy_before(struct inquiry *q, struct finding *f, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r, const char *words)
{
	const char *command = table_command(q, t);

	if (!words || !can_be_quoted(words) || (!command && !r->handle))
		return false;
	if (command)
		finding_remedy(q, f, "%s -I %s %zu %s", command, c->name,
			(size_t)(r - c->rules.items) + 1, words);
	else
		finding_remedy(q, f, "nft 'insert rule %s %s %s handle %llu %s'",
			tool_family(t->family), t->name, c->name, (unsigned long long)r->handle,
			words);
	return true;
}

bool remedy_replace(struct inquiry *q, struct finding *f, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r, const char *words)
{
	/* By its number alone another rule might be hit, where commands before this one moved it. */
	return remedy_before(q, f, t, c, r, words) && remedy_delete(q, f, t, c, r);
}

const char *words_up_to(struct inquiry *q, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r, const char *what)
{
	const char *words = t->origin == ORIGIN_NFT ? nft_rule_words(q->arena, t, c, r)
						    : rule_words(q, t, c, r);
	const char *at = words && what ? strstr(words, what) : NULL;

	if (!what)
		return words;
	return at ? arena_printf(q->arena, "%.*s", (int)(at - words), words) : NULL;
}

static const char *target(struct inquiry *q, const struct gateway_forward *w, bool v6)
{
	const char *ports = "";
	char buf[IP_STRLEN];

	if (w->to_first && w->to_first == w->to_last_port)
		ports = arena_printf(q->arena, ":%u", w->to_first);
	else if (w->to_first)
		ports = arena_printf(q->arena, ":%u-%u", w->to_first, w->to_last_port);
	return arena_printf(
		q->arena, v6 && *ports ? "[%s]%s" : "%s%s", ip_format(&w->to, buf), ports);
}

void remedy_by_interface(struct inquiry *q, struct finding *f, const struct gateway_forward *w,
	const char *interface)
{
	const char *proto = w->proto ? ip_proto_name(w->proto) : NULL;
	const char *command = table_command(q, w->table), *ports = "";

	if (!proto || !w->to.family || w->more_matches)
		return;
	if (w->first == w->last)
		ports = arena_printf(q->arena, "%u", w->first);
	else
		ports = arena_printf(q->arena, command ? "%u:%u" : "%u-%u", w->first, w->last);
	if (!remedy_delete(q, f, w->table, w->chain, w->rule))
		return;
	if (command)
		finding_remedy(q, f, "%s -A %s -i %s -p %s --dport %s -j DNAT --to-destination %s",
			command, w->chain->name, interface, proto, ports,
			target(q, w, w->family == IP_V6));
	else
		finding_remedy(q, f,
			"nft 'add rule %s %s %s iifname \"%s\" %s dport %s dnat %sto %s'",
			tool_family(w->table->family), w->table->name, w->chain->name, interface,
			proto, ports,
			w->table->family != FAMILY_INET ? ""
			: w->family == IP_V6		? "ip6 "
							: "ip ",
			target(q, w, w->family == IP_V6));
}
