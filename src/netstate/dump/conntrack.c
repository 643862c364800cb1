/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads connections: conntrack -L, with or without -o extended, and /proc/net/nf_conntrack. */
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include "netstate/dump/reader.h"

static bool port(const char *s, uint16_t *out)
{
	uint32_t v;

	if (!dump_u32(s, &v) || v > UINT16_MAX)
		return false;
	*out = (uint16_t)v;
	return true;
}

static const char *after(const char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

/* A word of a tuple. The reply begins with the second "src=". False: another word. */
static bool tuple_word(struct net_flow *f, struct flow_tuple **now, const char *word, bool *good)
{
	const char *value;

	if ((value = after(word, "src"))) {
		if (f->original.src.family)
			*now = &f->reply;
		*good = dump_addr(value, &(*now)->src);
	} else if ((value = after(word, "dst"))) {
		*good = dump_addr(value, &(*now)->dst);
	} else if ((value = after(word, "sport"))) {
		*good = port(value, &(*now)->sport);
	} else if ((value = after(word, "dport"))) {
		*good = port(value, &(*now)->dport);
	} else if ((value = after(word, "id")) && f->original.src.family &&
		   (f->proto == PROTO_ICMP || f->proto == PROTO_ICMPV6) && !f->reply.dport) {
		/* Of an echo; the entry's own id comes at the end of the line, and later. */
		*good = port(value, *now == &f->reply ? &f->reply.dport : &f->original.sport);
	} else {
		return false;
	}
	return true;
}

static bool bracket_word(struct net_flow *f, const char *word, bool *unreplied)
{
	if (strcmp(word, "[UNREPLIED]") == 0) {
		*unreplied = true;
	} else if (strcmp(word, "[ASSURED]") == 0) {
		f->status |= IPS_ASSURED;
	} else if (strcmp(word, "[OFFLOAD]") == 0) {
		f->status |= IPS_OFFLOAD;
		f->offloaded = true;
	} else if (strcmp(word, "[HW_OFFLOAD]") == 0) {
		f->status |= IPS_HW_OFFLOAD;
		f->offloaded = true;
	} else {
		return false;
	}
	return true;
}

static bool other_word(struct net_flow *f, const char *word, bool *good)
{
	static const char *const without_use[] = {"type", "code", "id", "use", "packets", "bytes",
		"secctx", "secmark", "helper", "labels", "timeout", "delta-time", "start", "stop",
		"srckey", "dstkey", "vtag", "role", "synproxy"};
	const char *value;
	uint32_t zone;

	if ((value = after(word, "mark"))) {
		*good = dump_u32(value, &f->mark);
		return true;
	}
	if ((value = after(word, "zone"))) {
		*good = dump_u32(value, &zone) && zone <= UINT16_MAX;
		f->zone = *good ? (uint16_t)zone : 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(without_use) / sizeof(*without_use); i++)
		if (after(word, without_use[i]))
			return true;
	return false;
}

static bool same_place(const struct ip_addr *a, uint16_t ap, const struct ip_addr *b, uint16_t bp)
{
	return ip_equal(a, b) && ap == bp;
}

/* What the kernel's status bits must be, by what is seen of them. */
static void set_status(struct net_flow *f, bool unreplied)
{
	const struct flow_tuple *o = &f->original, *r = &f->reply;

	f->status |= IPS_CONFIRMED | (unreplied ? 0u : (uint32_t)IPS_SEEN_REPLY);
	if (!same_place(&o->src, o->sport, &r->dst, r->dport))
		f->status |= IPS_SRC_NAT;
	if (!same_place(&o->dst, o->dport, &r->src, r->sport))
		f->status |= IPS_DST_NAT;
}

/* "ipv4 2 tcp 6 431999 ESTABLISHED": what stands before the tuples. */
static bool read_head(struct dump_record *r, struct net_flow *f)
{
	const char *word;
	uint32_t number;

	if (dump_record_take(r, "ipv4") || dump_record_take(r, "ipv6"))
		dump_record_word(r);
	word = dump_record_word(r);
	if (!word || strchr(word, '='))
		return false;
	word = dump_record_word(r);
	if (!word || !dump_u8(word, &f->proto))
		return false;
	/* An offloaded entry has no timeout of its own. */
	word = dump_record_peek(r);
	if (word && dump_u32(word, &number)) {
		f->timeout_s = number;
		r->next++;
	}
	word = dump_record_peek(r);
	if (word && *word >= 'A' && *word <= 'Z')
		f->state = dump_record_word(r);
	return true;
}

static void read_flow(struct dump_record *r)
{
	struct net_flow f = {.at = {.line = r->line, .col = 1, .len = 1}, .file = r->f->name};
	struct flow_tuple *now = &f.original;
	bool unreplied = false;
	const char *word;

	if (!read_head(r, &f)) {
		dump_record_note(r, "not a connection");
		return;
	}
	while ((word = dump_record_word(r))) {
		bool good = true;

		if (!tuple_word(&f, &now, word, &good) && !bracket_word(&f, word, &unreplied) &&
			!other_word(&f, word, &good))
			good = false;
		if (!good)
			dump_record_note(r, "'%s' is not understood", word);
	}
	if (!f.original.src.family || !f.original.dst.family || !f.reply.src.family ||
		!f.reply.dst.family) {
		dump_record_note(r, "an address of this connection is missing");
		return;
	}
	set_status(&f, unreplied);
	vec_push(r->d->arena, &r->d->out->flows, f);
}

void dump_read_conntrack(struct dump *d, const struct dump_file *f)
{
	struct dump_lines lines;
	struct dump_record r;

	dump_record_init(&r, d, f);
	dump_lines_begin(&lines, f);
	while (dump_record_next(&r, &lines)) {
		/* "conntrack v1.4.7 (conntrack-tools): 5 flow entries have been shown." */
		if (!dump_starts_with(r.text, r.text_len, "conntrack v"))
			read_flow(&r);
	}
	d->out->have |= HAVE_FLOWS;
}
