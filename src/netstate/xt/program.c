/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on the bytes of a packet: string, u32, bpf. */
#include "netstate/xt/extension.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <linux/filter.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_u32.h>

/* ---- string ---- */

enum { STRING, HEX, ALGO, FROM, TO, ICASE };

static const struct xt_option string_options[] = {
	{"string", STRING, ARGS_1, true},
	{"hex-string", HEX, ARGS_1, true},
	{"algo", ALGO, ARGS_1, false},
	{"from", FROM, ARGS_1, false},
	{"to", TO, ARGS_1, false},
	{"icase", ICASE, ARGS_0, false},
	{0},
};

static void string_init(struct xt_reading *r, void *info)
{
	struct xt_string_info *i = info;

	i->to_offset = UINT16_MAX;
}

static bool push_byte(struct xt_reading *r, struct xt_string_info *i, char c)
{
	if (i->patlen == XT_STRING_MAX_PATTERN_SIZE)
		return xt_fail(r, "a pattern of more than %d bytes", XT_STRING_MAX_PATTERN_SIZE);
	i->pattern[i->patlen++] = c;
	return true;
}

/* "abc|0d 0a|def" */
static bool read_hex(struct xt_reading *r, const char *s, struct xt_string_info *i)
{
	bool hex = false;
	char digits[3] = "";

	for (; *s; s++) {
		if (*s == '|') {
			hex = !hex;
		} else if (hex && isspace((unsigned char)*s)) {
			continue;
		} else if (!hex) {
			if (*s == '\\' && s[1])
				s++;
			if (!push_byte(r, i, *s))
				return false;
		} else {
			if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]))
				return xt_fail(r, "'%.8s' are not hexadecimal digits", s);
			memcpy(digits, s++, 2);
			if (!push_byte(r, i, (char)strtoul(digits, NULL, 16)))
				return false;
		}
	}
	return !hex || xt_fail(r, "the | that ends the digits is missing");
}

static bool string_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_string_info *i = info;

	switch (o->id) {
	case ALGO:
		return xt_read_string(r, o->arg[0], i->algo, sizeof(i->algo));
	case FROM:
		return xt_read_u16(r, o->arg[0], &i->from_offset);
	case TO:
		return xt_read_u16(r, o->arg[0], &i->to_offset);
	case ICASE:
		i->u.v1.flags |= XT_STRING_FLAG_IGNORECASE;
		return true;
	default:
		i->u.v1.flags |= o->inverted ? XT_STRING_FLAG_INVERT : 0;
		i->patlen = 0;
		if (o->id == HEX)
			return read_hex(r, o->arg[0], i);
		for (const char *s = o->arg[0]; *s; s++) {
			if (!push_byte(r, i, *s))
				return false;
		}
		return true;
	}
}

static bool string_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_string_info *i = info;
	uint8_t flags = i->u.v1.flags;
	bool hex = false;

	if (i->patlen > XT_STRING_MAX_PATTERN_SIZE)
		return false;
	for (unsigned int n = 0; n < i->patlen; n++)
		hex |= !isprint((unsigned char)i->pattern[n]) || i->pattern[n] == '\\' ||
		       i->pattern[n] == '|';
	xt_print_option(out, hex ? "hex-string" : "string", flags & XT_STRING_FLAG_INVERT);
	if (hex) {
		strbuf_add(out, " \"|");
		for (unsigned int n = 0; n < i->patlen; n++)
			strbuf_addf(out, "%02x", (unsigned char)i->pattern[n]);
		strbuf_add(out, "|\"");
	} else {
		strbuf_add(out, " \"");
		for (unsigned int n = 0; n < i->patlen; n++) {
			if (i->pattern[n] == '"')
				strbuf_addch(out, '\\');
			strbuf_addch(out, i->pattern[n]);
		}
		strbuf_add(out, "\"");
	}
	strbuf_add(out, " --algo ");
	strbuf_addn(out, i->algo, strnlen(i->algo, sizeof(i->algo)));
	if (i->from_offset)
		strbuf_addf(out, " --from %u", i->from_offset);
	if (i->to_offset && i->to_offset != UINT16_MAX)
		strbuf_addf(out, " --to %u", i->to_offset);
	if (x->rev && flags & XT_STRING_FLAG_IGNORECASE)
		strbuf_add(out, " --icase");
	return true;
}

/* ---- u32 ---- */

static const struct xt_option u32_options[] = {{"u32", 0, ARGS_1, true}, {0}};

static void skip_blanks(const char **s)
{
	while (isspace((unsigned char)**s))
		(*s)++;
}

static bool take_u32(struct xt_reading *r, const char **s, uint32_t *out)
{
	char *end;

	skip_blanks(s);
	if (!isdigit((unsigned char)**s))
		return xt_fail(r, "a number is missing at '%.20s'", *s);
	*out = (uint32_t)strtoul(*s, &end, 0);
	*s = end;
	skip_blanks(s);
	return true;
}

/* "0>>22&0x3C@4": numbers with what is done with each and the next */
static bool read_location(struct xt_reading *r, const char **s, struct xt_u32_test *t)
{
	if (!take_u32(r, s, &t->location[t->nnums++].number))
		return false;
	while (**s != '=') {
		uint8_t op;

		if (t->nnums > XT_U32_MAXSIZE)
			return xt_fail(r, "more than %d operations", XT_U32_MAXSIZE);
		if (**s == '&')
			op = XT_U32_AND;
		else if (**s == '@')
			op = XT_U32_AT;
		else if (**s == '<' && (*s)[1] == '<')
			op = XT_U32_LEFTSH;
		else if (**s == '>' && (*s)[1] == '>')
			op = XT_U32_RIGHTSH;
		else
			return xt_fail(r, "'%.20s' is no operation of u32", *s);
		*s += op == XT_U32_AND || op == XT_U32_AT ? 1 : 2;
		t->location[t->nnums].nextop = op;
		if (!take_u32(r, s, &t->location[t->nnums++].number))
			return false;
	}
	(*s)++;
	return true;
}

static bool read_values(struct xt_reading *r, const char **s, struct xt_u32_test *t)
{
	for (;;) {
		struct xt_u32_value_element *v;

		if (t->nvalues > XT_U32_MAXSIZE)
			return xt_fail(r, "more than %d values", XT_U32_MAXSIZE);
		v = &t->value[t->nvalues++];
		if (!take_u32(r, s, &v->min))
			return false;
		v->max = v->min;
		if (**s == ':') {
			(*s)++;
			if (!take_u32(r, s, &v->max))
				return false;
		}
		if (**s != ',')
			return true;
		(*s)++;
	}
}

static bool u32_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	const char *s = o->arg[0];
	struct xt_u32 *i = info;

	i->invert = o->inverted;
	for (;;) {
		struct xt_u32_test *t;

		if (i->ntests > XT_U32_MAXSIZE)
			return xt_fail(r, "more than %d tests", XT_U32_MAXSIZE);
		t = &i->tests[i->ntests++];
		if (!read_location(r, &s, t) || !read_values(r, &s, t))
			return false;
		if (!*s)
			return true;
		if (s[0] != '&' || s[1] != '&')
			return xt_fail(r, "'%.20s' is no operation of u32", s);
		s += 2;
	}
}

static bool u32_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const char *const ops[] = {"&", "<<", ">>", "@"};
	const struct xt_u32 *i = info;

	if (i->ntests > XT_U32_MAXSIZE + 1)
		return false;
	xt_print_option(out, "u32", i->invert);
	strbuf_add(out, " \"");
	for (unsigned int n = 0; n < i->ntests; n++) {
		const struct xt_u32_test *t = &i->tests[n];

		if (t->nnums > XT_U32_MAXSIZE + 1 || t->nvalues > XT_U32_MAXSIZE + 1)
			return false;
		strbuf_add(out, n ? "&&" : "");
		for (unsigned int k = 0; k < t->nnums; k++) {
			if (t->location[k].nextop > XT_U32_AT)
				return false;
			strbuf_addf(out, "%s0x%x", k ? ops[t->location[k].nextop] : "",
				t->location[k].number);
		}
		for (unsigned int k = 0; k < t->nvalues; k++) {
			strbuf_addf(out, "%c0x%x", k ? ',' : '=', t->value[k].min);
			if (t->value[k].max != t->value[k].min)
				strbuf_addf(out, ":0x%x", t->value[k].max);
		}
	}
	strbuf_addch(out, '"');
	return true;
}

/* ---- bpf ---- */

enum { BYTECODE, PINNED };

static const struct xt_option bpf_options[] = {
	{"bytecode", BYTECODE, ARGS_1, false},
	{"object-pinned", PINNED, ARGS_1, false},
	{0},
};

static bool take_field(const char **s, unsigned long max, unsigned long *out)
{
	char *end;

	skip_blanks(s);
	if (!isdigit((unsigned char)**s))
		return false;
	*out = strtoul(*s, &end, 10);
	*s = end;
	return *out <= max;
}

/* "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0" */
static bool read_bytecode(struct xt_reading *r, const char *s, struct xt_bpf_info_v1 *i)
{
	unsigned long n, code, jt, jf, k;

	if (!take_field(&s, XT_BPF_MAX_NUM_INSTR, &n))
		return xt_fail(r, "a program of more than %d instructions", XT_BPF_MAX_NUM_INSTR);
	for (; *s == ',' && i->bpf_program_num_elem < n; i->bpf_program_num_elem++) {
		s++;
		if (!take_field(&s, UINT16_MAX, &code) || !take_field(&s, UINT8_MAX, &jt) ||
			!take_field(&s, UINT8_MAX, &jf) || !take_field(&s, UINT32_MAX, &k))
			return xt_fail(r, "'%.20s' is no instruction of bpf", s);
		i->bpf_program[i->bpf_program_num_elem] =
			(struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, (uint32_t)k};
	}
	return i->bpf_program_num_elem == n || xt_fail(r, "the program of bpf is cut off");
}

static bool bpf_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_bpf_info_v1 *i = info;

	if (o->id == PINNED) {
		i->mode = XT_BPF_MODE_PATH_PINNED;
		return xt_read_string(r, o->arg[0], i->path, sizeof(i->path));
	}
	i->mode = XT_BPF_MODE_BYTECODE;
	return read_bytecode(r, o->arg[0], i);
}

static bool bpf_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_bpf_info_v1 *i = info;
	const struct xt_bpf_info *old = info; /* of revision 0 */
	const struct sock_filter *program = x->rev ? i->bpf_program : old->bpf_program;
	unsigned int n = x->rev ? i->bpf_program_num_elem : old->bpf_program_num_elem;

	if (x->rev && i->mode == XT_BPF_MODE_PATH_PINNED) {
		strbuf_add(out, " --object-pinned");
		xt_print_string(out, i->path, sizeof(i->path));
		return true;
	}
	if ((x->rev && i->mode != XT_BPF_MODE_BYTECODE) || n > XT_BPF_MAX_NUM_INSTR)
		return false;
	strbuf_addf(out, " --bytecode \"%u", n);
	for (unsigned int at = 0; at < n; at++)
		strbuf_addf(out, ",%u %u %u %u", program[at].code, program[at].jt, program[at].jf,
			program[at].k);
	strbuf_addch(out, '"');
	return true;
}

const struct xt_extension xt_program_matches[] = {
	{"string", .rev = 1, .size = XT_SIZE(struct xt_string_info), .options = string_options,
		.init = string_init, .parse = string_parse, .print = string_print},
	{"string", .size = XT_SIZE(struct xt_string_info), .old = true, .print = string_print},
	{"u32", .size = XT_SIZE(struct xt_u32), .options = u32_options, .parse = u32_parse,
		.print = u32_print},
	{"bpf", .rev = 1, .size = XT_SIZE(struct xt_bpf_info_v1), .options = bpf_options,
		.parse = bpf_parse, .print = bpf_print},
	{"bpf", .size = XT_SIZE(struct xt_bpf_info), .old = true, .print = bpf_print},
	{0},
};
