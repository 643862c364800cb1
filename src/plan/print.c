/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes as lines that a person reads, and memory as it is read back from the table. */
#include <stdio.h>
#include <stdlib.h>

#include "plan/internal.h"

#define GREEN "\033[32m"
#define RED   "\033[31m"
#define RESET "\033[0m"

#define ELEMENTS_SHOWN 20u /* of one set; the rest is counted */

struct printer {
	struct strbuf *out;
	bool colour;
};

static void begin(struct printer *p, bool add)
{
	if (p->colour)
		strbuf_add(p->out, add ? GREEN : RED);
	strbuf_add(p->out, add ? "+ " : "- ");
}

static void end(struct printer *p)
{
	if (p->colour)
		strbuf_add(p->out, RESET);
	strbuf_addch(p->out, '\n');
}

static void print_route(struct printer *p, bool add, const struct net_route *r)
{
	begin(p, add);
	strbuf_addf(p->out, "ip %sroute ", r->family == IP_V6 ? "-6 " : "");
	net_route_print(p->out, r);
	end(p);
}

static void print_change(struct printer *p, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_ROUTE:
		if (c->replaced)
			print_route(p, false, c->replaced);
		print_route(p, c->add, c->route);
		break;
	case CHANGE_RULE:
		begin(p, c->add);
		strbuf_addf(p->out, "ip %srule ", c->rule->family == IP_V6 ? "-6 " : "");
		net_rule_print(p->out, c->rule);
		end(p);
		break;
	case CHANGE_SYSCTL:
		if (c->previous) {
			begin(p, false);
			strbuf_addf(p->out, "sysctl %s=%s", c->sysctl.key, c->previous);
			end(p);
		}
		begin(p, true);
		strbuf_addf(p->out, "sysctl %s=%s", c->sysctl.key, c->sysctl.value);
		end(p);
		break;
	}
}

static void print_elements(struct printer *p, bool add, const struct nft_set *s)
{
	size_t shown = s->len > ELEMENTS_SHOWN ? ELEMENTS_SHOWN : s->len;

	for (size_t i = 0; i < shown; i++) {
		begin(p, add);
		strbuf_addf(p->out, "nft element %s { ", s->name);
		nft_print_element(p->out, s, i);
		strbuf_add(p->out, " }");
		end(p);
	}
	if (shown < s->len) {
		begin(p, add);
		strbuf_addf(p->out, "nft element %s: %zu more", s->name, s->len - shown);
		end(p);
	}
}

static void print_named(struct printer *p, bool add, const char *what, const char *name)
{
	begin(p, add);
	strbuf_addf(p->out, "nft %s %s", what, name);
	end(p);
}

static void print_nft(struct printer *p, const struct nft_change *c)
{
	switch (c->kind) {
	case NFT_ADD_TABLE:
	case NFT_DEL_TABLE:
		print_named(p, c->kind == NFT_ADD_TABLE, "table inet", c->table);
		break;
	case NFT_HOLD_TABLE:
		print_named(p, true, "owner of table inet", c->table);
		break;
	case NFT_ADD_COUNTER:
	case NFT_DEL_COUNTER:
		print_named(p, c->kind == NFT_ADD_COUNTER, "counter", c->counter->name);
		break;
	case NFT_ADD_SET:
	case NFT_DEL_SET:
		print_named(p, c->kind == NFT_ADD_SET, c->set->flags & SET_MAP ? "map" : "set",
			c->set->name);
		break;
	case NFT_ADD_CHAIN:
	case NFT_DEL_CHAIN:
		print_named(p, c->kind == NFT_ADD_CHAIN, "chain", c->chain->name);
		break;
	case NFT_FLUSH_CHAIN:
		VEC_EACH (&c->chain->rules, struct nft_rule, r) {
			begin(p, false);
			strbuf_addf(p->out, "nft rule %s ", c->chain->name);
			nft_print_rule(p->out, r);
			end(p);
		}
		break;
	case NFT_ADD_RULE:
		begin(p, true);
		strbuf_addf(p->out, "nft rule %s ", c->chain->name);
		nft_print_rule(p->out, c->rule);
		end(p);
		break;
	case NFT_ADD_ELEMENTS:
	case NFT_DEL_ELEMENTS:
		print_elements(p, c->kind == NFT_ADD_ELEMENTS, c->set);
		break;
	case NFT_CHANGE_COUNT_:
		break;
	}
}

void changes_print(struct strbuf *out, const struct changes *c, bool colour)
{
	struct printer p = {.out = out, .colour = colour};

	VEC_EACH (&c->before, struct change, it)
		print_change(&p, it);
	VEC_EACH (&c->nft, struct nft_change, it)
		print_nft(&p, it);
	VEC_EACH (&c->after, struct change, it)
		print_change(&p, it);
}

void plan_read_memory(struct arena *a, const struct nft_table *t, struct memory *out)
{
	const struct nft_set *s = t ? nft_set_find_named(t, PLAN_MEMORY) : NULL;

	for (size_t i = 0; s && s->comments && i < s->len; i++) {
		const char *comment = s->comments[i], *value;
		unsigned int number;
		int name;

		if (!comment || plan_read_learned(a, comment, strlen(comment), &out->learned))
			continue;
		if (sscanf(comment, "mark %x", &number) == 1)
			out->mark_mask = number;
		if (sscanf(comment, "number %u %n", &number, &name) == 1)
			*vec_add(a, &out->numbers) = (struct memory_number){
				.number = number, .uplink = arena_strdup(a, comment + name)};
		value = strchr(comment, '=');
		if (strncmp(comment, "sysctl ", 7) == 0 && value)
			*vec_add(a, &out->sysctls) = (struct memory_sysctl){
				.key = arena_strndup(a, comment + 7, (size_t)(value - comment) - 7),
				.value = arena_strdup(a, value + 1)};
	}
}
