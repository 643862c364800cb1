/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on rates: limit and hashlimit. */
#include "netstate/xt/extension.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_limit.h>

/* ---- rates ---- */

static const struct rate {
	const char *name, *whole;
	uint32_t seconds;
} rates[] = {
	{"day", "day", 86400}, {"hour", "hour", 3600}, {"min", "minute", 60}, {"sec", "second", 1}};

#define RATES (sizeof(rates) / sizeof(*rates))

/* Of the unit behind the slash of "5/min", which is told by how it begins; 0: of none. */
static uint32_t rate_seconds(const char *s)
{
	const char *unit = strchr(s, '/');
	uint32_t seconds = 0;

	if (!unit)
		return 1;
	for (size_t i = 0; i < RATES && unit[1]; i++) {
		if (strncasecmp(rates[i].whole, unit + 1, strlen(unit + 1)) == 0)
			seconds = rates[i].seconds;
	}
	return seconds;
}

/* "5/min": the time between two, in parts of a second of which there are @scale. */
static bool read_rate(struct xt_reading *r, const char *s, uint64_t scale, uint64_t *out)
{
	uint64_t n = 0, seconds = rate_seconds(s);
	char *end = (char *)s;

	if (isdigit((unsigned char)*s))
		n = strtoull(s, &end, 10);
	if ((*end && *end != '/') || !seconds || !n || n > scale * seconds)
		return xt_fail(r, "'%s' is not a rate", s);
	*out = scale * seconds / n;
	return true;
}

/* The seconds of the unit that was taken. */
static uint32_t print_rate(struct strbuf *out, uint64_t period, uint64_t scale)
{
	unsigned int i = 1;

	while (i < RATES && period <= scale * rates[i].seconds &&
		scale * rates[i].seconds / period >= scale * rates[i].seconds % period)
		i++;
	strbuf_addf(out, " %llu/%s", (unsigned long long)(scale * rates[i - 1].seconds / period),
		rates[i - 1].name);
	return rates[i - 1].seconds;
}

/* ---- limit ---- */

enum { LIMIT, BURST };

static const struct xt_option limit_options[] = {
	{"limit", LIMIT, ARGS_1, false},
	{"limit-burst", BURST, ARGS_1, false},
	{0},
};

#define DEFAULT_BURST 5

static void limit_init(struct xt_reading *r, void *info)
{
	struct xt_rateinfo *i = info;

	i->avg = XT_LIMIT_SCALE * 3600 / 3; /* 3/hour */
	i->burst = DEFAULT_BURST;
}

static bool limit_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_rateinfo *i = info;
	uint64_t period = 0;

	if (o->id == BURST)
		return xt_read_u32(r, o->arg[0], &i->burst);
	if (!read_rate(r, o->arg[0], XT_LIMIT_SCALE, &period))
		return false;
	i->avg = (uint32_t)period;
	return true;
}

static bool limit_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_rateinfo *i = info;

	if (!i->avg)
		return false;
	strbuf_add(out, " --limit");
	print_rate(out, i->avg, XT_LIMIT_SCALE);
	if (i->burst != DEFAULT_BURST)
		strbuf_addf(out, " --limit-burst %u", i->burst);
	return true;
}

/* ---- hashlimit ---- */

enum {
	UPTO,
	ABOVE,
	HL_BURST,
	NAME,
	MODE,
	SRCMASK,
	DSTMASK,
	HT_SIZE,
	HT_MAX,
	HT_GC,
	HT_EXPIRE,
	RATE_MATCH,
	RATE_INTERVAL
};

static const struct xt_option hashlimit_options[] = {
	{"hashlimit-upto", UPTO, ARGS_1, true},
	{"hashlimit-above", ABOVE, ARGS_1, true},
	{"hashlimit", UPTO, ARGS_1, true},
	{"hashlimit-burst", HL_BURST, ARGS_1, false},
	{"hashlimit-name", NAME, ARGS_1, false},
	{"hashlimit-mode", MODE, ARGS_1, false},
	{"hashlimit-srcmask", SRCMASK, ARGS_1, false},
	{"hashlimit-dstmask", DSTMASK, ARGS_1, false},
	{"hashlimit-htable-size", HT_SIZE, ARGS_1, false},
	{"hashlimit-htable-max", HT_MAX, ARGS_1, false},
	{"hashlimit-htable-gcinterval", HT_GC, ARGS_1, false},
	{"hashlimit-htable-expire", HT_EXPIRE, ARGS_1, false},
	{"hashlimit-rate-match", RATE_MATCH, ARGS_0, false},
	{"hashlimit-rate-interval", RATE_INTERVAL, ARGS_1, false},
	{0},
};

static const struct xt_name hashlimit_modes[] = {{"srcip", XT_HASHLIMIT_HASH_SIP},
	{"srcport", XT_HASHLIMIT_HASH_SPT}, {"dstip", XT_HASHLIMIT_HASH_DIP},
	{"dstport", XT_HASHLIMIT_HASH_DPT}, {0}};

#define GC_MS 1000u

static void hashlimit_init(struct xt_reading *r, void *info)
{
	struct xt_hashlimit_mtinfo3 *i = info;

	i->cfg.burst = DEFAULT_BURST;
	i->cfg.gc_interval = GC_MS;
	i->cfg.srcmask = i->cfg.dstmask = (uint8_t)ip_bits(r->family);
}

/* Rates of bytes are kept as a cost of 16 bytes, as iptables computes it. */
static uint64_t cost_of_bytes(uint64_t bytes)
{
	return UINT32_MAX / ((bytes >> XT_HASHLIMIT_BYTE_SHIFT) + 1);
}

static uint64_t bytes_of_cost(uint64_t cost)
{
	return ((cost ? UINT32_MAX / cost : UINT32_MAX) - 1) << XT_HASHLIMIT_BYTE_SHIFT;
}

/* "512kb", up to @end. */
static bool take_bytes(const char *s, const char *end, uint64_t *out)
{
	static const char units[] = "bkmg";
	const char *unit;
	char *at;

	if (!isdigit((unsigned char)*s))
		return false;
	*out = strtoull(s, &at, 10);
	unit = *at ? strchr(units, tolower((unsigned char)*at)) : NULL;
	if (!unit || *out > UINT32_MAX)
		return false;
	*out <<= 10 * (unit - units);
	at += unit > units && tolower((unsigned char)at[1]) == 'b' ? 2 : 1;
	return at == end && *out <= UINT32_MAX;
}

/* "512kb/s": false where it is no such rate. */
static bool read_byte_rate(const char *s, uint64_t *cost)
{
	const char *slash = strchr(s, '/');
	uint64_t bytes;

	if (!slash || slash[1] != 's' || !take_bytes(s, slash, &bytes))
		return false;
	*cost = cost_of_bytes(bytes);
	return true;
}

static bool hashlimit_rate(
	struct xt_reading *r, const struct xt_given *o, struct xt_hashlimit_mtinfo3 *i)
{
	uint64_t period = 0;

	if ((o->id == ABOVE) != o->inverted)
		i->cfg.mode |= XT_HASHLIMIT_INVERT;
	if (read_byte_rate(o->arg[0], &period)) {
		i->cfg.mode |= XT_HASHLIMIT_BYTES;
		i->cfg.avg = period;
		return true;
	}
	if (!read_rate(r, o->arg[0], XT_HASHLIMIT_SCALE_v2, &period))
		return false;
	i->cfg.avg = period;
	i->cfg.expire = rate_seconds(o->arg[0]) * 1000;
	return true;
}

static bool hashlimit_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_hashlimit_mtinfo3 *i = info;
	uint64_t n = 0;
	uint32_t bits;

	switch (o->id) {
	case UPTO:
	case ABOVE:
		return hashlimit_rate(r, o, i);
	case HL_BURST:
		if (!take_bytes(o->arg[0], o->arg[0] + strlen(o->arg[0]), &n) &&
			!xt_read_uint(r, o->arg[0], UINT64_MAX, &n))
			return false;
		i->cfg.burst = n;
		return true;
	case NAME:
		return xt_read_string(r, o->arg[0], i->name, sizeof(i->name));
	case MODE:
		if (!xt_read_bits(r, o->arg[0], hashlimit_modes, &bits))
			return false;
		i->cfg.mode |= bits;
		return true;
	case SRCMASK:
		return xt_read_u8(r, o->arg[0], &i->cfg.srcmask);
	case DSTMASK:
		return xt_read_u8(r, o->arg[0], &i->cfg.dstmask);
	case HT_SIZE:
		return xt_read_u32(r, o->arg[0], &i->cfg.size);
	case HT_MAX:
		return xt_read_u32(r, o->arg[0], &i->cfg.max);
	case HT_GC:
		return xt_read_u32(r, o->arg[0], &i->cfg.gc_interval);
	case HT_EXPIRE:
		return xt_read_u32(r, o->arg[0], &i->cfg.expire);
	case RATE_MATCH:
		i->cfg.mode |= XT_HASHLIMIT_RATE_MATCH;
		if (!i->cfg.interval)
			i->cfg.interval = 1;
		return true;
	default:
		return xt_read_u32(r, o->arg[0], &i->cfg.interval);
	}
}

/* Seconds after which entries are forgotten, of rates of bytes. */
#define BYTE_EXPIRE	  15
#define BYTE_EXPIRE_BURST 60

/* What is not said is computed from the rate, as iptables does. */
static bool hashlimit_finish(struct xt_reading *r, uint64_t given, void *info)
{
	struct xt_hashlimit_mtinfo3 *i = info;
	uint64_t step, burst = 0;

	if (!(given & (GIVEN(UPTO) | GIVEN(ABOVE))) || !(given & GIVEN(NAME)))
		return xt_fail(r, "hashlimit has no rate or no name");
	if (i->cfg.mode & XT_HASHLIMIT_BYTES) {
		step = bytes_of_cost(i->cfg.avg);
		if (given & GIVEN(HL_BURST) && step)
			burst = i->cfg.burst / step + (i->cfg.burst % step != 0);
		i->cfg.burst = burst;
		if (!(given & GIVEN(HT_EXPIRE)))
			i->cfg.expire = 1000 * (burst ? BYTE_EXPIRE_BURST : BYTE_EXPIRE);
	}
	return true;
}

/* The three revisions as the last one. */
static struct hashlimit_cfg3 hashlimit_of(
	const struct nft_xt *x, const void *info, const char **name, size_t *size)
{
	const struct xt_hashlimit_mtinfo1 *one = info;
	const struct xt_hashlimit_mtinfo2 *two = info;
	const struct xt_hashlimit_mtinfo3 *three = info;
	struct hashlimit_cfg3 c = {0};

	*name = one->name;
	*size = x->rev == 1 ? sizeof(one->name) : sizeof(three->name);
	if (x->rev == 3)
		return three->cfg;
	if (x->rev == 2)
		return (struct hashlimit_cfg3){.avg = two->cfg.avg,
			.burst = two->cfg.burst,
			.mode = two->cfg.mode,
			.size = two->cfg.size,
			.max = two->cfg.max,
			.gc_interval = two->cfg.gc_interval,
			.expire = two->cfg.expire,
			.srcmask = two->cfg.srcmask,
			.dstmask = two->cfg.dstmask};
	c.avg = (uint64_t)one->cfg.avg * (XT_HASHLIMIT_SCALE_v2 / XT_HASHLIMIT_SCALE);
	c.burst = one->cfg.burst;
	c.mode = one->cfg.mode;
	c.size = one->cfg.size;
	c.max = one->cfg.max;
	c.gc_interval = one->cfg.gc_interval;
	c.expire = one->cfg.expire;
	c.srcmask = one->cfg.srcmask;
	c.dstmask = one->cfg.dstmask;
	return c;
}

static void print_bytes(struct strbuf *out, uint64_t bytes)
{
	unsigned int shift = bytes >= 1u << 20 ? 20 : bytes >= 1u << 10 ? 10 : 0;

	strbuf_addf(out, " %llu%sb", (unsigned long long)(bytes >> shift),
		shift == 20 ? "m"
		: shift	    ? "k"
			    : "");
}

static bool hashlimit_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const char *name;
	size_t size;
	struct hashlimit_cfg3 c = hashlimit_of(x, info, &name, &size);
	bool bytes = c.mode & XT_HASHLIMIT_BYTES;
	uint32_t expire;

	if (!c.avg || (bytes && x->rev < 3))
		return false;
	strbuf_add(out, c.mode & XT_HASHLIMIT_INVERT ? " --hashlimit-above" : " --hashlimit-upto");
	if (bytes) {
		print_bytes(out, bytes_of_cost(c.avg));
		strbuf_add(out, c.burst ? "/s --hashlimit-burst" : "/s");
		if (c.burst)
			print_bytes(out, bytes_of_cost(c.avg) * c.burst);
		expire = c.burst ? BYTE_EXPIRE_BURST : BYTE_EXPIRE;
	} else {
		expire = print_rate(out, c.avg, XT_HASHLIMIT_SCALE_v2);
		strbuf_addf(out, " --hashlimit-burst %llu", (unsigned long long)c.burst);
	}
	if (c.mode & (XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_SPT | XT_HASHLIMIT_HASH_DIP |
			     XT_HASHLIMIT_HASH_DPT)) {
		strbuf_add(out, " --hashlimit-mode");
		xt_print_bits(out, hashlimit_modes, c.mode);
	}
	strbuf_add(out, " --hashlimit-name ");
	strbuf_addn(out, name, strnlen(name, size));
	if (c.size)
		strbuf_addf(out, " --hashlimit-htable-size %u", c.size);
	if (c.max)
		strbuf_addf(out, " --hashlimit-htable-max %u", c.max);
	if (c.gc_interval != GC_MS)
		strbuf_addf(out, " --hashlimit-htable-gcinterval %u", c.gc_interval);
	if (c.expire != 1000 * expire)
		strbuf_addf(out, " --hashlimit-htable-expire %u", c.expire);
	if (c.srcmask != ip_bits(family))
		strbuf_addf(out, " --hashlimit-srcmask %u", c.srcmask);
	if (c.dstmask != ip_bits(family))
		strbuf_addf(out, " --hashlimit-dstmask %u", c.dstmask);
	if (c.mode & XT_HASHLIMIT_RATE_MATCH)
		strbuf_add(out, " --hashlimit-rate-match");
	if (c.mode & XT_HASHLIMIT_RATE_MATCH && c.interval != 1)
		strbuf_addf(out, " --hashlimit-rate-interval %u", c.interval);
	return true;
}

const struct xt_extension xt_limit_matches[] = {
	{"limit", .size = XT_SIZE(struct xt_rateinfo), .options = limit_options, .init = limit_init,
		.parse = limit_parse, .print = limit_print},
	{"hashlimit", .rev = 3, .size = XT_SIZE(struct xt_hashlimit_mtinfo3),
		.options = hashlimit_options, .init = hashlimit_init, .parse = hashlimit_parse,
		.finish = hashlimit_finish, .print = hashlimit_print},
	{"hashlimit", .rev = 2, .size = XT_SIZE(struct xt_hashlimit_mtinfo2), .old = true,
		.print = hashlimit_print},
	{"hashlimit", .rev = 1, .size = XT_SIZE(struct xt_hashlimit_mtinfo1), .old = true,
		.print = hashlimit_print},
	{0},
};
