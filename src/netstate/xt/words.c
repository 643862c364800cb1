/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of iptables' lines: splitting, quoting, and the arguments that many extensions have. */
#include "netstate/xt/extension.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstate/names.h"

/* ---- lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One word from @at on, up to a blank outside of quotes. Backslashes escape the next character. */
static size_t take_word(const char *line, size_t at, size_t len, char **to)
{
	char quote = '\0';

	for (; at < len && (quote || !is_blank(line[at])); at++) {
		if (line[at] == '\\' && quote != '\'' && at + 1 < len)
			*(*to)++ = line[++at];
		else if (quote && line[at] == quote)
			quote = '\0';
		else if (!quote && (line[at] == '"' || line[at] == '\''))
			quote = line[at];
		else if (line[at])
			*(*to)++ = line[at];
	}
	*(*to)++ = '\0';
	return at;
}

bool xt_split(struct xt_words *w, const char *line, size_t len)
{
	char *to = w->text;
	size_t at = 0;

	w->n = 0;
	if (len > XT_MAX_LINE)
		return false;
	for (;;) {
		while (at < len && is_blank(line[at]))
			at++;
		if (at >= len)
			return true;
		if (w->n == XT_MAX_WORDS)
			return false;
		w->word[w->n++] = to;
		at = take_word(line, at, len, &to);
	}
}

/* In quotes where it has other characters than letters, digits and @plain ones. */
static void add_quoted(struct strbuf *out, const char *word, size_t len, const char *plain)
{
	size_t n = 0;

	while (n < len && word[n] && (isalnum((unsigned char)word[n]) || strchr(plain, word[n])))
		n++;
	if (len && n == len) {
		strbuf_addn(out, word, len);
		return;
	}
	strbuf_addch(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '"' || word[i] == '\\' || word[i] == '\'')
			strbuf_addch(out, '\\');
		strbuf_addch(out, word[i]);
	}
	strbuf_addch(out, '"');
}

void xt_add_word(struct strbuf *out, const char *word, size_t len)
{
	add_quoted(out, word, len, "_-");
}

const char *xt_join(struct arena *a, const struct xt_words *w, size_t from, size_t to)
{
	struct strbuf text = STRBUF_INIT;
	const char *s;

	for (size_t i = from; i < to && i < w->n; i++) {
		if (i > from)
			strbuf_addch(&text, ' ');
		add_quoted(&text, w->word[i], strlen(w->word[i]), "_-.:/,+@=[]()<>*{}|%#&^~;?$!");
	}
	s = arena_strdup(a, strbuf_str(&text));
	strbuf_fini(&text);
	return s;
}

/* ---- numbers ---- */

bool xt_fail(struct xt_reading *r, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (r->why)
		return false;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->why = arena_strdup(r->a, text);
	return false;
}

/* As strtoul: decimal, 0x hexadecimal, 0 octal. @end: behind it. */
static bool take_uint(const char *s, uint64_t max, uint64_t *out, const char **end)
{
	char *stop;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*out = strtoull(s, &stop, 0);
	*end = stop;
	return errno == 0 && *out <= max;
}

bool xt_read_uint(struct xt_reading *r, const char *s, uint64_t max, uint64_t *out)
{
	const char *end;

	if (take_uint(s, max, out, &end) && *end == '\0')
		return true;
	return xt_fail(r, "'%s' is not a number up to %llu", s, (unsigned long long)max);
}

bool xt_read_u8(struct xt_reading *r, const char *s, uint8_t *out)
{
	uint64_t n = 0;
	bool ok = xt_read_uint(r, s, UINT8_MAX, &n);

	*out = (uint8_t)n;
	return ok;
}

bool xt_read_u16(struct xt_reading *r, const char *s, uint16_t *out)
{
	uint64_t n = 0;
	bool ok = xt_read_uint(r, s, UINT16_MAX, &n);

	*out = (uint16_t)n;
	return ok;
}

bool xt_read_u32(struct xt_reading *r, const char *s, uint32_t *out)
{
	uint64_t n = 0;
	bool ok = xt_read_uint(r, s, UINT32_MAX, &n);

	*out = (uint32_t)n;
	return ok;
}

bool xt_read_range(
	struct xt_reading *r, const char *s, uint64_t max, uint64_t *first, uint64_t *last)
{
	const char *at = s;

	*first = 0;
	*last = max;
	if (*at != ':' && !take_uint(s, max, first, &at))
		return xt_fail(r, "'%s' is not a range up to %llu", s, (unsigned long long)max);
	if (*at == '\0') {
		*last = *first;
		return true;
	}
	if (*at != ':' || (at[1] && (!take_uint(at + 1, max, last, &at) || *at)) || *last < *first)
		return xt_fail(r, "'%s' is not a range up to %llu", s, (unsigned long long)max);
	return true;
}

bool xt_read_u32_range(struct xt_reading *r, const char *s, uint32_t range[2])
{
	uint64_t first, last;

	if (!xt_read_range(r, s, UINT32_MAX, &first, &last))
		return false;
	range[0] = (uint32_t)first;
	range[1] = (uint32_t)last;
	return true;
}

bool xt_read_masked(struct xt_reading *r, const char *s, uint32_t *value, uint32_t *mask)
{
	uint64_t v, m = UINT32_MAX;
	const char *end;

	if (take_uint(s, UINT32_MAX, &v, &end) &&
		(*end == '\0' || (*end == '/' && take_uint(end + 1, UINT32_MAX, &m, &end) &&
					 *end == '\0'))) {
		*value = (uint32_t)v;
		*mask = (uint32_t)m;
		return true;
	}
	return xt_fail(r, "'%s' is not a value with or without a mask", s);
}

/* ---- names ---- */

bool xt_find_name(const struct xt_name *list, const char *s, size_t len, uint32_t *value)
{
	for (; list->name; list++) {
		if (strncasecmp(list->name, s, len) == 0 && list->name[len] == '\0') {
			*value = list->value;
			return true;
		}
	}
	return false;
}

const char *xt_name_of(const struct xt_name *list, uint32_t value)
{
	for (; list->name; list++) {
		if (list->value == value)
			return list->name;
	}
	return NULL;
}

bool xt_read_name(struct xt_reading *r, const char *s, const struct xt_name *list, uint32_t *value)
{
	return xt_find_name(list, s, strlen(s), value) || xt_fail(r, "'%s' is not known here", s);
}

bool xt_next_part(const char **s, char sep, char part[64])
{
	size_t len = 0;

	if (!**s)
		return false;
	for (; **s && **s != sep; (*s)++) {
		if (len < 63)
			part[len++] = **s;
	}
	part[len] = '\0';
	if (**s)
		(*s)++;
	return true;
}

bool xt_read_bits(struct xt_reading *r, const char *s, const struct xt_name *list, uint32_t *bits)
{
	uint32_t value = 0;
	char part[64];

	*bits = 0;
	while (xt_next_part(&s, ',', part)) {
		if (!xt_read_name(r, part, list, &value))
			return false;
		*bits |= value;
	}
	return true;
}

bool xt_read_proto(struct xt_reading *r, const char *s, uint8_t *out)
{
	const char *end;
	uint64_t n;

	if (take_uint(s, UINT8_MAX, &n, &end) && *end == '\0')
		*out = (uint8_t)n;
	else if (strcasecmp(s, "all") == 0 || strcasecmp(s, "any") == 0)
		*out = 0;
	else if (!net_protocol_named(s, strlen(s), out))
		return xt_fail(r, "'%s' is not a protocol that is known", s);
	return true;
}

static bool take_port(const char *s, size_t len, uint16_t *out)
{
	const char *end;
	uint64_t n;

	if (take_uint(s, UINT16_MAX, &n, &end) && end == s + len) {
		*out = (uint16_t)n;
		return true;
	}
	return net_service_named(s, len, out);
}

bool xt_read_ports(struct xt_reading *r, const char *s, char sep, uint16_t range[2])
{
	size_t len = strlen(s);
	const char *cut = strchr(s, sep);

	range[0] = 0;
	range[1] = UINT16_MAX;
	/* Names may have the dash in them that some ranges are written with. */
	if (take_port(s, len, &range[0])) {
		range[1] = range[0];
		return true;
	}
	if (!cut || (cut > s && !take_port(s, cut - s, &range[0])) ||
		(cut[1] && !take_port(cut + 1, strlen(cut + 1), &range[1])) || range[0] > range[1])
		return xt_fail(r, "'%s' is not a port that is known, or a range of ports", s);
	return true;
}

/* ---- extensions ---- */

static const struct xt_extension *const lists[] = {xt_port_matches, xt_state_matches,
	xt_address_matches, xt_limit_matches, xt_count_matches, xt_header_matches,
	xt_header6_matches, xt_misc_matches, xt_program_matches, xt_mark_targets, xt_nat_targets,
	xt_log_targets, xt_header_targets, xt_misc_targets};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct xt_extension *xt_extension_find(bool target, const char *name, uint8_t family)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		for (const struct xt_extension *e = lists[i]; e->name && e->target == target; e++) {
			if (!e->old && e->name[0] == name[0] && strcmp(e->name, name) == 0 &&
				(!e->family || !family || e->family == family))
				return e;
		}
	}
	return NULL;
}

const struct xt_extension *xt_extension_of(const struct nft_xt *x, uint8_t family)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		for (const struct xt_extension *e = lists[i]; e->name && e->target == x->target;
			e++) {
			/* "NOTRACK" and "state" are other names of what CT and conntrack do. */
			if (!e->kernel_name && e->rev == x->rev && strcmp(e->name, x->name) == 0 &&
				(!e->family || !family || e->family == family))
				return e;
		}
	}
	return NULL;
}

const struct xt_option *xt_option_find(
	const struct xt_option *options, const char *name, size_t len)
{
	const struct xt_option *found = NULL;

	for (const struct xt_option *o = options; o && o->name; o++) {
		if (strncmp(o->name, name, len) != 0)
			continue;
		if (o->name[len] == '\0')
			return o;
		if (!found)
			found = o;
	}
	return found;
}
