/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads sets of ipset(8), as `ipset save` and `ipset list` print them. */
#include "netstate/ipset.h"

#include <string.h>

#include "netstate/dump/reader.h"
#include "netstate/names.h"

/* A set while its elements are read. */
struct open_set {
	struct nft_set *set;
	struct ipset_type type;
	uint8_t family;
	uint8_t netmask; /* of "ip"; 0: none */
	bool list;	 /* of other sets */
	/* Per element: it takes a network out of a wider one. */
	VEC(uint8_t) nomatch;
	bool any_nomatch;
};

struct reading {
	struct dump *d;
	VEC(struct open_set) sets; /* of this file */
	const char *listed;	   /* `ipset list`: the name before its type */
	bool members;		   /* and its elements follow */
};

static struct open_set *find(struct reading *g, const char *name)
{
	/* Elements mostly follow their set. */
	for (size_t i = g->sets.len; i-- > 0;)
		if (strcmp(g->sets.items[i].set->name, name) == 0)
			return &g->sets.items[i];
	return NULL;
}

static void create(struct reading *g, struct dump_record *r, const char *name, const char *type)
{
	struct open_set *o = vec_add(g->d->arena, &g->sets);

	o->set = arena_new_of(g->d->arena, struct nft_set);
	o->set->name = name;
	o->set->at = (struct span){.line = r->line, .col = 1, .len = 1};
	o->family = IP_V4;
	vec_push(g->d->arena, &g->d->out->ruleset.ipsets, o->set);
	o->list = strcmp(type, "list:set") == 0;
	if (!o->list && !ipset_type_parse(type, &o->type)) {
		o->set->flags |= SET_INCOMPLETE;
		dump_record_note(r, "sets of type %s are not understood", type);
	}
}

/* "family inet6 hashsize 1024 maxelem 65536 timeout 60 netmask 24 comment" */
static void take_header(struct dump_record *r, struct open_set *o)
{
	const char *word, *value;
	uint32_t seconds;

	while ((word = dump_record_word(r))) {
		value = dump_record_peek(r);
		if (strcmp(word, "family") == 0 && value) {
			o->family = strcmp(value, "inet6") == 0 ? IP_V6 : IP_V4;
		} else if (strcmp(word, "timeout") == 0 && value && dump_u32(value, &seconds)) {
			o->set->flags |= SET_TIMEOUT;
			o->set->timeout_ms =
				seconds < UINT32_MAX / 1000 ? seconds * 1000 : UINT32_MAX;
		} else if (strcmp(word, "maxelem") == 0 && value) {
			dump_u32(value, &o->set->size);
		} else if (strcmp(word, "netmask") == 0 && value) {
			if (!dump_u8(value, &o->netmask) || o->netmask > ip_bits(o->family))
				o->netmask = 0;
		} else if (strcmp(word, "bitmask") == 0) {
			o->set->flags |= SET_INCOMPLETE;
			dump_record_note(r, "sets with a bitmask are not understood");
		}
	}
	if (o->type.n && !o->set->len)
		ipset_layout(o->set, &o->type, o->family, o->netmask);
}

/* ---- elements ---- */

static bool put_address(const struct open_set *o, const char *part, uint8_t *first, uint8_t *last)
{
	uint8_t family = IP_NONE;
	struct ip_prefix p;
	struct ip_addr end;

	if (!dump_prefix(part, &family, &p) || family != o->family)
		return false;
	if (o->netmask && o->netmask < p.len)
		p = ip_prefix_of(&p.addr, o->netmask);
	end = ip_prefix_last(&p);
	if (!(o->set->flags & SET_INTERVAL) && p.len != ip_bits(family))
		return false;
	memcpy(first, p.addr.bytes, ip_bytes(family));
	memcpy(last, end.bytes, ip_bytes(family));
	return true;
}

static bool put_port(const char *number, uint8_t *to)
{
	uint32_t port;

	if (!dump_u32(number, &port) || port > UINT16_MAX)
		return false;
	to[0] = (uint8_t)(port >> 8);
	to[1] = (uint8_t)port;
	return true;
}

/* "tcp:80", "icmp:echo-request", "icmp:8/0": type and code are the port's two bytes. */
static bool put_protocol_port(char *part, uint8_t *proto, uint8_t *port)
{
	char *number = strchr(part, ':'), *code;

	if (!number)
		return false;
	*number++ = '\0';
	if (!net_protocol_named(part, strlen(part), proto) && !dump_u8(part, proto))
		return false;
	if (*proto != PROTO_ICMP && *proto != PROTO_ICMPV6)
		return put_port(number, port);
	if (strcmp(number, "echo-request") == 0)
		port[0] = *proto == PROTO_ICMP ? 8 : 128;
	else if (strcmp(number, "echo-reply") == 0)
		port[0] = *proto == PROTO_ICMP ? 0 : 129;
	else if ((code = strchr(number, '/'))) {
		*code = '\0';
		return dump_u8(number, &port[0]) && dump_u8(code + 1, &port[1]);
	} else {
		return false;
	}
	return true;
}

static bool put_mark(const char *part, uint8_t *to)
{
	uint32_t mark;

	if (!dump_u32(part, &mark))
		return false;
	memcpy(to, &mark, sizeof(mark));
	return true;
}

/* One dimension's text into the fields at @first and @last; *@len: bytes they take. */
static bool put_part(const struct open_set *o, enum ipset_dimension dimension, char *part,
	uint8_t *first, uint8_t *last, size_t *len)
{
	bool good = false;

	switch (dimension) {
	case IPSET_IP:
	case IPSET_NET:
		*len = ip_bytes(o->family);
		return put_address(o, part, first, last);
	case IPSET_PORT:
		*len = o->type.any_protocol ? 4 : 8;
		good = o->type.any_protocol ? put_port(part, first)
					    : put_protocol_port(part, first, first + 4);
		break;
	case IPSET_MAC:
		*len = nft_padded(6);
		good = net_mac_parse(part, strlen(part), first);
		break;
	case IPSET_IFACE:
		*len = 16;
		good = !strchr(part, ':') && strlen(part) < 16; /* physdev: is of bridges */
		if (good)
			memcpy(first, part, strlen(part) + 1);
		break;
	case IPSET_MARK:
		*len = 4;
		good = put_mark(part, first);
		break;
	}
	if (good)
		memcpy(last, first, *len);
	return good;
}

static bool put_element(struct dump *d, struct open_set *o, const char *text, uint32_t line)
{
	uint8_t first[NFT_MAX_FIELDS * 16] = {0}, last[NFT_MAX_FIELDS * 16] = {0}, *e;
	char *part = arena_strdup(d->arena, text);
	size_t at = 0;

	for (unsigned int i = 0; i < o->type.n; i++) {
		char *comma = strchr(part, ',');
		size_t len;

		if (comma)
			*comma = '\0';
		if (!comma != (i + 1 == o->type.n))
			return false;
		if (!put_part(o, o->type.dimensions[i], part, first + at, last + at, &len))
			return false;
		at += len;
		if (comma)
			part = comma + 1;
	}
	e = nft_set_add(d->arena, o->set, (struct span){.line = line, .col = 1, .len = 1});
	memcpy(e, first, o->set->key_len);
	if (o->set->flags & SET_INTERVAL)
		memcpy(nft_set_elem_last(o->set, o->set->len - 1), last, o->set->key_len);
	return true;
}

/* What stands behind an element: its timeout, counters, a comment. */
static bool is_nomatch(struct dump_record *r)
{
	const char *word;

	/* In a comment the word is nobody's. */
	while ((word = dump_record_word(r)) && *word != '"')
		if (strcmp(word, "nomatch") == 0)
			return true;
	return false;
}

static void add(struct reading *g, struct dump_record *r, struct open_set *o)
{
	const char *element = dump_record_word(r);
	bool nomatch = is_nomatch(r);

	if (o->list && element) {
		nft_set_chain(g->d->arena, o->set, element);
		return;
	}
	if (element && o->set->key_len && (!nomatch || o->set->n_key == 1) &&
		put_element(g->d, o, element, r->line)) {
		vec_push(g->d->arena, &o->nomatch, nomatch);
		o->any_nomatch = o->any_nomatch || nomatch;
		return;
	}
	o->set->flags |= SET_INCOMPLETE;
	if (o->type.n || !element) /* else it was said of the set */
		dump_record_note(r, "an element that is not understood");
}

/* ---- lines ---- */

static bool take_after(struct dump_record *r, const char *word, const char **value)
{
	if (!dump_record_take(r, word))
		return false;
	*value = dump_record_word(r);
	return *value;
}

/* A line of `ipset save`. False: none. */
static bool saved_line(struct reading *g, struct dump_record *r)
{
	const char *name, *type;
	struct open_set *o;

	if (take_after(r, "create", &name) || take_after(r, "-N", &name)) {
		type = dump_record_word(r);
		create(g, r, name, type ? type : "?");
		take_header(r, &g->sets.items[g->sets.len - 1]);
		return true;
	}
	if (!take_after(r, "add", &name) && !take_after(r, "-A", &name))
		return dump_record_take(r, "COMMIT");
	o = find(g, name);
	if (o)
		add(g, r, o);
	else
		dump_record_note(r, "an element of a set that is not there");
	return true;
}

/* A line of `ipset list`. False: none. */
static bool listed_line(struct reading *g, struct dump_record *r)
{
	static const char *const facts[] = {"Revision:", "Size", "References:", "Number"};
	const char *type;

	if (take_after(r, "Name:", &g->listed)) {
		g->members = false;
		return true;
	}
	if (g->members) {
		add(g, r, &g->sets.items[g->sets.len - 1]);
		return true;
	}
	if (!g->listed)
		return false;
	if (take_after(r, "Type:", &type)) {
		create(g, r, g->listed, type);
		return true;
	}
	if (!g->sets.len)
		return false;
	if (dump_record_take(r, "Header:")) {
		take_header(r, &g->sets.items[g->sets.len - 1]);
		return true;
	}
	if (dump_record_take(r, "Members:"))
		return (g->members = true);
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
		if (dump_record_take(r, facts[i]))
			return true;
	return false;
}

void dump_read_ipset(struct dump *d, const struct dump_file *f)
{
	struct reading g = {.d = d};
	struct dump_lines lines;
	struct dump_record r;

	dump_record_init(&r, d, f);
	dump_lines_begin(&lines, f);
	while (dump_record_next(&r, &lines)) {
		if (r.words.len && !saved_line(&g, &r) && !listed_line(&g, &r))
			dump_record_note(&r, "not a line of `ipset save` or `ipset list`");
	}
	VEC_EACH (&g.sets, struct open_set, o) {
		if (o->any_nomatch)
			ipset_merge_except(d->arena, o->set, o->nomatch.items);
		else if (o->set->len)
			ipset_merge(d->arena, o->set);
	}
	VEC_EACH (&g.sets, struct open_set, o)
		if (o->list)
			ipset_unite(d->arena, o->set, &d->out->ruleset);
	d->out->have |= HAVE_IPSETS;
}
