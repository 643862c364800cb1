/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements that a ruleset keeps as text: limits, logs, rejects and queues.
 *
 * The text is the one that nft lists for them, whatever the order and the units in which they were
 * said: what is the default is left out (see kernel/nft_text.c, which makes the same of a rule of the
 * kernel).
 */
#include <stdio.h>
#include <string.h>

#include "netstate/dump/nft_reader.h"

/* ---- amounts ---- */

static bool unit_factor(const char *s, size_t len, uint64_t *out)
{
	static const struct {
		const char *word;
		uint64_t factor;
	} units[] = {{"bytes", 1}, {"kbytes", 1024}, {"mbytes", 1024 * 1024}};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i].word) == len && memcmp(units[i].word, s, len) == 0) {
			*out = units[i].factor;
			return true;
		}
	}
	return false;
}

/* An amount of bytes in the largest unit that it is a multiple of. */
static const char *amount(struct arena *a, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "kbytes", "mbytes"};
	unsigned int unit = 0;

	while (unit < 2 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	return arena_printf(a, "%llu %s", (unsigned long long)bytes, units[unit]);
}

/* "10 mbytes" */
static bool take_amount(struct nft_reader *r, uint64_t *bytes)
{
	const struct nft_token *unit = nft_peek_after(r, 1);
	uint64_t factor;

	if (!unit_factor(unit->s, unit->len, &factor) || !nft_take_number(r, bytes))
		return false;
	*bytes *= factor;
	r->at++;
	return true;
}

/* ---- limits ---- */

/* The time behind the slash in "15/minute" or "mbytes/second". */
static const char *time_of(const char *slash, const char *end)
{
	static const char *const units[] = {"second", "minute", "hour", "day", "week"};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i]) == (size_t)(end - slash - 1) &&
			memcmp(units[i], slash + 1, (size_t)(end - slash - 1)) == 0)
			return units[i];
	}
	return NULL;
}

/* "15/minute", or "10 mbytes/second". */
static bool take_rate(struct nft_reader *r, uint64_t *rate, bool *bytes, const char **unit)
{
	const struct nft_token *t = nft_peek(r);
	const char *slash = memchr(t->s, '/', t->len);
	uint64_t factor = 1;

	*bytes = !slash;
	if (*bytes) {
		if (!nft_take_number(r, rate))
			return false;
		t = nft_peek(r);
		slash = memchr(t->s, '/', t->len);
		if (!slash || !unit_factor(t->s, (size_t)(slash - t->s), &factor))
			return false;
		*rate *= factor;
	} else if (!nft_parse_number(t->s, (size_t)(slash - t->s), rate)) {
		return false;
	}
	r->at++;
	*unit = time_of(slash, t->s + t->len);
	return *unit != NULL;
}

const char *nft_rate_text(struct nft_reader *r)
{
	uint64_t rate, burst;
	const char *unit, *over, *text;
	bool bytes;

	if (!nft_take(r, "rate"))
		return NULL;
	over = nft_take(r, "over") ? "over " : "";
	if (!take_rate(r, &rate, &bytes, &unit))
		return NULL;
	text = bytes ? arena_printf(r->a, "rate %s%s/%s", over, amount(r->a, rate), unit)
		     : arena_printf(r->a, "rate %s%llu/%s", over, (unsigned long long)rate, unit);
	if (!nft_take(r, "burst"))
		return text;
	if (bytes)
		return take_amount(r, &burst)
			       ? arena_printf(r->a, "%s burst %s", text, amount(r->a, burst))
			       : NULL;
	if (!nft_take_number(r, &burst))
		return NULL;
	nft_take(r, "packets");
	return burst == 5 ? text
			  : arena_printf(
				    r->a, "%s burst %llu packets", text, (unsigned long long)burst);
}

const char *nft_quota_text(struct nft_reader *r)
{
	bool over = nft_take(r, "over");
	uint64_t bytes, used = 0;
	const char *text;

	if (!over)
		nft_take(r, "until");
	if (!take_amount(r, &bytes) || (nft_take(r, "used") && !take_amount(r, &used)))
		return NULL;
	text = arena_printf(r->a, "%s%s", over ? "over " : "", amount(r->a, bytes));
	return used ? arena_printf(r->a, "%s used %s", text, amount(r->a, used)) : text;
}

/* @what: "limit" or "quota"; @text: what follows it, or NULL where that was not understood. */
static bool add_limit(struct nft_reader *r, const char *what, const char *text)
{
	if (text)
		nft_reader_add(r, STMT_LIMIT)->text = arena_printf(r->a, "%s %s", what, text);
	return text != NULL;
}

/* One that is declared in the table: what it says is looked up when all was read. */
static bool add_named(struct nft_reader *r, const char *what)
{
	const char *name = nft_take_text(r);
	struct nft_stmt *s;

	if (!name || nft_token_is(nft_peek(r), "map") || nft_token_is(nft_peek_after(r, 1), "map"))
		return false;
	s = nft_reader_add(r, STMT_LIMIT);
	s->chain = name;
	s->text = what;
	return true;
}

bool nft_parse_limit(struct nft_reader *r)
{
	return nft_take(r, "name") ? add_named(r, "limit")
				   : add_limit(r, "limit", nft_rate_text(r));
}

bool nft_parse_quota(struct nft_reader *r)
{
	return nft_take(r, "name") ? add_named(r, "quota")
				   : add_limit(r, "quota", nft_quota_text(r));
}

bool nft_parse_ct_count(struct nft_reader *r)
{
	const char *over = nft_take(r, "over") ? "over " : "";
	uint32_t n;

	return nft_take_u32(r, &n) && add_limit(r, "ct", arena_printf(r->a, "count %s%u", over, n));
}

const char *nft_inner_text(struct nft_reader *r)
{
	size_t start = r->at;
	const char *text = NULL, *what = "limit";

	if (nft_take(r, "limit")) {
		text = nft_rate_text(r);
	} else if (nft_take(r, "quota")) {
		what = "quota";
		text = nft_quota_text(r);
	} else if (nft_take(r, "counter")) { /* its numbers mean nothing here */
		while (nft_take(r, "packets") || nft_take(r, "bytes"))
			nft_take_text(r);
		return "counter";
	}
	if (text)
		return arena_printf(r->a, "%s %s", what, text);
	r->at = start + 1;
	return nft_words_from(r, start);
}

/* ---- logs ---- */

enum {
	LOG_TCP_SEQUENCE = 1 << 0,
	LOG_TCP_OPTIONS = 1 << 1,
	LOG_IP_OPTIONS = 1 << 2,
	LOG_USER = 1 << 3,
	LOG_ETHER = 1 << 4,
	LOG_ALL = (1 << 5) - 1
};

static bool take_log_flag(struct nft_reader *r, unsigned int *flags)
{
	if (nft_take(r, "all")) {
		*flags |= LOG_ALL;
	} else if (nft_take(r, "skuid")) {
		*flags |= LOG_USER;
	} else if (nft_take(r, "ether")) {
		*flags |= LOG_ETHER;
	} else if (nft_take(r, "ip")) {
		*flags |= LOG_IP_OPTIONS;
		return nft_take(r, "options");
	} else if (nft_take(r, "tcp")) {
		do {
			if (nft_take(r, "sequence"))
				*flags |= LOG_TCP_SEQUENCE;
			else if (nft_take(r, "options"))
				*flags |= LOG_TCP_OPTIONS;
			else
				return false;
		} while (nft_take_sign(r, ','));
	} else {
		return false;
	}
	return true;
}

static void print_log_flags(struct strbuf *out, unsigned int flags)
{
	if (flags == LOG_ALL) {
		strbuf_add(out, " flags all");
		return;
	}
	if (flags & (LOG_TCP_SEQUENCE | LOG_TCP_OPTIONS))
		strbuf_addf(out, " flags tcp %s%s%s", flags & LOG_TCP_SEQUENCE ? "sequence" : "",
			flags & LOG_TCP_SEQUENCE && flags & LOG_TCP_OPTIONS ? "," : "",
			flags & LOG_TCP_OPTIONS ? "options" : "");
	if (flags & LOG_IP_OPTIONS)
		strbuf_add(out, " flags ip options");
	if (flags & LOG_USER)
		strbuf_add(out, " flags skuid");
	if (flags & LOG_ETHER)
		strbuf_add(out, " flags ether");
}

bool nft_parse_log(struct nft_reader *r)
{
	static const char *const options[] = {"group", "snaplen", "queue-threshold", "level"};
	const char *values[4] = {NULL}, *prefix = NULL;
	struct strbuf text = STRBUF_INIT;
	unsigned int flags = 0;
	bool more = true;

	while (more) {
		more = false;
		if (nft_take(r, "prefix")) {
			prefix = nft_take_text(r);
			more = prefix != NULL;
		} else if (nft_take(r, "flags")) {
			if (!take_log_flag(r, &flags))
				return false;
			more = true;
		}
		for (size_t i = 0; i < 4; i++) {
			if (nft_take(r, options[i])) {
				values[i] = nft_take_text(r);
				more = values[i] != NULL;
			}
		}
	}
	if (prefix)
		strbuf_addf(&text, " prefix \"%s\"", prefix);
	for (size_t i = 0; i < 4; i++) {
		if (values[i] && strcmp(values[i], "warn") != 0)
			strbuf_addf(&text, " %s %s", options[i], values[i]);
	}
	print_log_flags(&text, flags);
	nft_reader_add(r, STMT_LOG)->text =
		text.len ? arena_printf(r->a, "log%s", strbuf_str(&text)) : NULL;
	strbuf_fini(&text);
	return true;
}

/* ---- rejects ---- */

/* What the bare word means in a table of this family. */
static bool is_default_reject(enum nft_family family, const char *with, const char *code)
{
	if (strcmp(code, "port-unreachable") != 0)
		return false;
	return strcmp(with, "icmpx") == 0 || (family == FAMILY_IP && strcmp(with, "icmp") == 0) ||
	       (family == FAMILY_IP6 && strcmp(with, "icmpv6") == 0);
}

bool nft_parse_reject(struct nft_reader *r)
{
	const char *with, *code;

	if (!nft_take(r, "with")) {
		nft_reader_add(r, STMT_REJECT);
		return true;
	}
	with = nft_take_text(r);
	if (!with)
		return false;
	nft_take(r, "type"); /* what older ones say */
	code = nft_take_text(r);
	if (!code)
		return false;
	if (strcmp(with, "tcp") == 0 && strcmp(code, "reset") == 0)
		nft_need_protocol(r, PROTO_TCP);
	else if (strcmp(with, "icmp") == 0)
		nft_need_ip(r, IP_V4);
	else if (strcmp(with, "icmpv6") == 0)
		nft_need_ip(r, IP_V6);
	else if (strcmp(with, "icmpx") != 0)
		return false;
	nft_reader_add(r, STMT_REJECT)->text =
		is_default_reject(r->table->family, with, code)
			? NULL
			: arena_printf(r->a, "reject with %s %s", with, code);
	return true;
}

/* ---- queues ---- */

static void take_queue_flags(struct nft_reader *r, bool *bypass, bool *fanout)
{
	for (;;) {
		if (nft_take(r, "bypass"))
			*bypass = true;
		else if (nft_take(r, "fanout"))
			*fanout = true;
		else if (!nft_take_sign(r, ','))
			return;
	}
}

bool nft_parse_queue(struct nft_reader *r)
{
	bool bypass = false, fanout = false;
	const char *to = "0";
	struct nft_stmt *s;

	if (nft_take(r, "flags"))
		take_queue_flags(r, &bypass, &fanout);
	if (nft_take(r, "num") || nft_take(r, "to"))
		to = nft_take_text(r);
	if (!to)
		return false;
	take_queue_flags(r, &bypass, &fanout);
	s = nft_reader_add(r, STMT_VERDICT);
	s->verdict = VERDICT_QUEUE;
	s->text = arena_printf(r->a, "queue%s%s%s%s to %s", bypass || fanout ? " flags " : "",
		bypass ? "bypass" : "", bypass && fanout ? "," : "", fanout ? "fanout" : "", to);
	return true;
}
