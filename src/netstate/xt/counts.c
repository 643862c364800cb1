/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on counts and time: statistic, recent, quota, time. */
#include "netstate/xt/extension.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_time.h>

/* ---- statistic ---- */

enum { ST_MODE, PROBABILITY, EVERY, PACKET };

static const struct xt_option statistic_options[] = {
	{"mode", ST_MODE, ARGS_1, false},
	{"probability", PROBABILITY, ARGS_1, true},
	{"every", EVERY, ARGS_1, true},
	{"packet", PACKET, ARGS_1, false},
	{0},
};

#define ALL_OF_IT 0x80000000u

static const struct xt_name statistic_modes[] = {
	{"random", XT_STATISTIC_MODE_RANDOM}, {"nth", XT_STATISTIC_MODE_NTH}, {0}};

/* "0.33333333349", from 0 to 1. */
static bool read_probability(struct xt_reading *r, const char *s, double *out)
{
	double unit = 1;
	const char *at = s;

	*out = 0;
	for (; isdigit((unsigned char)*at); at++)
		*out = 10 * *out + (*at - '0');
	if (*at == '.' || *at == ',') {
		for (at++; isdigit((unsigned char)*at); at++) {
			unit /= 10;
			*out += unit * (*at - '0');
		}
	}
	return (*s && !*at && *out <= 1) || xt_fail(r, "'%s' is not a probability", s);
}

static bool statistic_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_statistic_info *i = info;
	uint32_t mode;
	double p;

	i->flags |= o->inverted ? XT_STATISTIC_INVERT : 0;
	switch (o->id) {
	case ST_MODE:
		if (!xt_read_name(r, o->arg[0], statistic_modes, &mode))
			return false;
		i->mode = (uint16_t)mode;
		return true;
	case PROBABILITY:
		if (!read_probability(r, o->arg[0], &p))
			return false;
		i->u.random.probability = (uint32_t)(p * ALL_OF_IT + 0.5);
		return true;
	case EVERY:
		if (!xt_read_u32(r, o->arg[0], &i->u.nth.every) || !i->u.nth.every)
			return xt_fail(r, "'%s' is no number from 1 on", o->arg[0]);
		i->u.nth.every--;
		return true;
	default:
		return xt_read_u32(r, o->arg[0], &i->u.nth.packet);
	}
}

static bool statistic_finish(struct xt_reading *r, uint64_t given, void *info)
{
	struct xt_statistic_info *i = info;

	/* iptables does it for both modes, whatever stands there. */
	i->u.nth.count = i->u.nth.every - i->u.nth.packet;
	return given & (GIVEN(PROBABILITY) | GIVEN(EVERY)) ||
	       xt_fail(r, "statistic has no probability and no count");
}

static bool statistic_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_statistic_info *i = info;
	bool inverted = i->flags & XT_STATISTIC_INVERT;

	if (i->mode == XT_STATISTIC_MODE_RANDOM) {
		strbuf_add(out, " --mode random");
		xt_print_option(out, "probability", inverted);
		strbuf_addf(out, " %.11f", 1.0 * i->u.random.probability / ALL_OF_IT);
	} else if (i->mode == XT_STATISTIC_MODE_NTH) {
		strbuf_add(out, " --mode nth");
		xt_print_option(out, "every", inverted);
		strbuf_addf(out, " %u", i->u.nth.every + 1);
		strbuf_addf(out, " --packet %u", i->u.nth.packet);
	}
	return i->mode <= XT_STATISTIC_MODE_NTH;
}

/* ---- recent ---- */

enum { SET, RCHECK, UPDATE, REMOVE, SECONDS, REAP, HITCOUNT, RTTL, LIST, MASK, RSOURCE, RDEST };

static const struct xt_option recent_options[] = {
	{"set", SET, ARGS_0, true},
	{"rcheck", RCHECK, ARGS_0, true},
	{"update", UPDATE, ARGS_0, true},
	{"remove", REMOVE, ARGS_0, true},
	{"seconds", SECONDS, ARGS_1, false},
	{"reap", REAP, ARGS_0, false},
	{"hitcount", HITCOUNT, ARGS_1, false},
	{"rttl", RTTL, ARGS_0, false},
	{"name", LIST, ARGS_1, false},
	{"mask", MASK, ARGS_1, false},
	{"rsource", RSOURCE, ARGS_0, false},
	{"rdest", RDEST, ARGS_0, false},
	{0},
};

static void recent_init(struct xt_reading *r, void *info)
{
	struct xt_recent_mtinfo_v1 *i = info;

	memcpy(i->name, "DEFAULT", sizeof("DEFAULT"));
	memset(&i->mask, 0xff, sizeof(i->mask));
}

static bool recent_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {[SET] = XT_RECENT_SET,
		[RCHECK] = XT_RECENT_CHECK,
		[UPDATE] = XT_RECENT_UPDATE,
		[REMOVE] = XT_RECENT_REMOVE,
		[REAP] = XT_RECENT_REAP,
		[RTTL] = XT_RECENT_TTL};
	struct xt_recent_mtinfo_v1 *i = info;

	switch (o->id) {
	case SECONDS:
		return xt_read_u32(r, o->arg[0], &i->seconds);
	case HITCOUNT:
		return xt_read_u32(r, o->arg[0], &i->hit_count);
	case LIST:
		return xt_read_string(r, o->arg[0], i->name, sizeof(i->name));
	case MASK:
		return xt_read_mask(r, o->arg[0], &i->mask);
	case RSOURCE:
	case RDEST:
		i->side = o->id == RSOURCE ? XT_RECENT_SOURCE : XT_RECENT_DEST;
		return true;
	default:
		i->check_set |= flags[o->id];
		i->invert |= o->inverted;
		return true;
	}
}

static bool recent_finish(struct xt_reading *r, uint64_t given, void *info)
{
	struct xt_recent_mtinfo_v1 *i = info;

	r->x->names[0] = arena_strndup(r->a, i->name, sizeof(i->name));
	return given & (GIVEN(SET) | GIVEN(RCHECK) | GIVEN(UPDATE) | GIVEN(REMOVE)) ||
	       xt_fail(r, "recent does not say what to do");
}

static bool recent_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const struct xt_name modes[] = {{"set", XT_RECENT_SET}, {"rcheck", XT_RECENT_CHECK},
		{"update", XT_RECENT_UPDATE}, {"remove", XT_RECENT_REMOVE}, {0}};
	const struct xt_recent_mtinfo_v1 *i = info;

	for (const struct xt_name *m = modes; m->name; m++) {
		if (i->check_set & m->value)
			xt_print_option(out, m->name, i->invert);
	}
	if (i->seconds)
		strbuf_addf(out, " --seconds %u", i->seconds);
	if (i->check_set & XT_RECENT_REAP)
		strbuf_add(out, " --reap");
	if (i->hit_count)
		strbuf_addf(out, " --hitcount %u", i->hit_count);
	if (i->check_set & XT_RECENT_TTL)
		strbuf_add(out, " --rttl");
	strbuf_add(out, " --name ");
	strbuf_addn(out, i->name, strnlen(i->name, sizeof(i->name)));
	if (x->rev == 1) {
		strbuf_add(out, " --mask ");
		xt_add_addr(out, family, &i->mask);
	}
	strbuf_add(out, i->side == XT_RECENT_DEST ? " --rdest" : " --rsource");
	return true;
}

/* ---- quota ---- */

static const struct xt_option quota_options[] = {{"quota", 0, ARGS_1, true}, {0}};

static bool quota_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_quota_info *i = info;
	uint64_t n;

	i->flags = o->inverted ? XT_QUOTA_INVERT : 0;
	if (!xt_read_uint(r, o->arg[0], UINT64_MAX, &n))
		return false;
	i->quota = n;
	return true;
}

static bool quota_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_quota_info *i = info;

	xt_print_option(out, "quota", i->flags & XT_QUOTA_INVERT);
	strbuf_addf(out, " %llu", (unsigned long long)i->quota);
	return true;
}

/* ---- time ---- */

enum { TIMESTART, TIMESTOP, DATESTART, DATESTOP, MONTHDAYS, WEEKDAYS, CONTIGUOUS, KERNELTZ, UTC };

static const struct xt_option time_options[] = {
	{"timestart", TIMESTART, ARGS_1, false},
	{"timestop", TIMESTOP, ARGS_1, false},
	{"datestart", DATESTART, ARGS_1, false},
	{"datestop", DATESTOP, ARGS_1, false},
	{"monthdays", MONTHDAYS, ARGS_1, true},
	{"weekdays", WEEKDAYS, ARGS_1, true},
	{"days", WEEKDAYS, ARGS_1, true},
	{"contiguous", CONTIGUOUS, ARGS_0, false},
	{"kerneltz", KERNELTZ, ARGS_0, false},
	{"utc", UTC, ARGS_0, false},
	{0},
};

static const char *const days[] = {NULL, "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

static void time_init(struct xt_reading *r, void *info)
{
	struct xt_time_info *i = info;

	i->monthdays_match = XT_TIME_ALL_MONTHDAYS;
	i->weekdays_match = XT_TIME_ALL_WEEKDAYS;
	i->daytime_stop = XT_TIME_MAX_DAYTIME;
	i->date_stop = INT_MAX;
}

static bool read_daytime(struct xt_reading *r, const char *s, uint32_t *out)
{
	unsigned int h, m, sec = 0;
	char rest;
	int n = sscanf(s, "%2u:%2u:%2u%c", &h, &m, &sec, &rest);

	if ((n != 2 && n != 3) || h > 23 || m > 59 || sec > 59)
		return xt_fail(r, "'%s' is not a time of day", s);
	*out = 3600 * h + 60 * m + sec;
	return true;
}

/* Days from 1970-01-01 on (proleptic Gregorian; H. Hinnant's days_from_civil). */
static int64_t days_from_date(int64_t y, unsigned int m, unsigned int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool read_date(struct xt_reading *r, const char *s, uint32_t *out)
{
	unsigned int y = 0, m = 1, d = 1, h = 0, min = 0, sec = 0;
	int n = sscanf(s, "%4u-%2u-%2uT%2u:%2u:%2u", &y, &m, &d, &h, &min, &sec);

	if (n < 1 || y < 1970 || y > 2038 || m < 1 || m > 12 || d < 1 || d > 31 || h > 23 ||
		min > 59 || sec > 59)
		return xt_fail(r, "'%s' is not a date", s);
	*out = (uint32_t)(days_from_date(y, m, d) * 86400 + 3600 * h + 60 * min + sec);
	return true;
}

static bool read_monthdays(struct xt_reading *r, const char *s, uint32_t *out)
{
	char part[64];
	uint32_t day;

	*out = 0;
	while (xt_next_part(&s, ',', part)) {
		day = (uint32_t)strtoul(part, NULL, 10);
		if (day < 1 || day > 31)
			return xt_fail(r, "'%s' is not a day of a month", part);
		*out |= 1u << day;
	}
	return true;
}

static bool read_weekdays(struct xt_reading *r, const char *s, uint8_t *out)
{
	char part[64];

	*out = 0;
	while (xt_next_part(&s, ',', part)) {
		unsigned int day = 1;

		while (day < 8 && strncasecmp(days[day], part, 2) != 0 &&
			(part[0] != (char)('0' + day) || part[1]))
			day++;
		if (day == 8)
			return xt_fail(r, "'%s' is not a day of the week", part);
		*out |= (uint8_t)(1u << day);
	}
	return true;
}

static bool time_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_time_info *i = info;

	switch (o->id) {
	case TIMESTART:
		return read_daytime(r, o->arg[0], &i->daytime_start);
	case TIMESTOP:
		return read_daytime(r, o->arg[0], &i->daytime_stop);
	case DATESTART:
		return read_date(r, o->arg[0], &i->date_start);
	case DATESTOP:
		return read_date(r, o->arg[0], &i->date_stop);
	case MONTHDAYS:
		if (!read_monthdays(r, o->arg[0], &i->monthdays_match))
			return false;
		i->monthdays_match ^= o->inverted ? XT_TIME_ALL_MONTHDAYS : 0;
		return true;
	case WEEKDAYS:
		if (!read_weekdays(r, o->arg[0], &i->weekdays_match))
			return false;
		i->weekdays_match ^= o->inverted ? XT_TIME_ALL_WEEKDAYS : 0;
		return true;
	case CONTIGUOUS:
		i->flags |= XT_TIME_CONTIGUOUS;
		return true;
	default: /* UTC is what it is without saying so */
		i->flags |= o->id == KERNELTZ ? XT_TIME_LOCAL_TZ : 0;
		return true;
	}
}

static void print_daytime(struct strbuf *out, const char *name, uint32_t t)
{
	strbuf_addf(out, " --%s %02u:%02u:%02u", name, t / 3600, t / 60 % 60, t % 60);
}

/* The reverse of days_from_date(). */
static void print_date(struct strbuf *out, const char *name, uint32_t t)
{
	uint32_t z = t / 86400 + 719468, era = z / 146097, doe = z - era * 146097,
		 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
		 doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153,
		 m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);

	strbuf_addf(out, " --%s %u-%02u-%02uT%02u:%02u:%02u", name, y, m,
		doy - (153 * mp + 2) / 5 + 1, t / 3600 % 24, t / 60 % 60, t % 60);
}

static bool time_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_time_info *i = info;
	char sep = ' ';

	if (i->daytime_start != XT_TIME_MIN_DAYTIME || i->daytime_stop != XT_TIME_MAX_DAYTIME) {
		print_daytime(out, "timestart", i->daytime_start);
		print_daytime(out, "timestop", i->daytime_stop);
	}
	if (i->monthdays_match != XT_TIME_ALL_MONTHDAYS) {
		strbuf_add(out, " --monthdays");
		for (unsigned int d = 1; d <= 31; d++) {
			if (!(i->monthdays_match & 1u << d))
				continue;
			strbuf_addf(out, "%c%u", sep, d);
			sep = ',';
		}
	}
	sep = ' ';
	if (i->weekdays_match != XT_TIME_ALL_WEEKDAYS) {
		strbuf_add(out, " --weekdays");
		for (unsigned int d = 1; d <= 7; d++) {
			if (!(i->weekdays_match & 1u << d))
				continue;
			strbuf_addf(out, "%c%s", sep, days[d]);
			sep = ',';
		}
	}
	if (i->date_start)
		print_date(out, "datestart", i->date_start);
	if (i->date_stop) /* also the default: iptables 1.8.9 does not know it again */
		print_date(out, "datestop", i->date_stop);
	if (i->flags & XT_TIME_LOCAL_TZ)
		strbuf_add(out, " --kerneltz");
	if (i->flags & XT_TIME_CONTIGUOUS)
		strbuf_add(out, " --contiguous");
	return true;
}

const struct xt_extension xt_count_matches[] = {
	{"statistic", .size = XT_SIZE(struct xt_statistic_info), .options = statistic_options,
		.parse = statistic_parse, .finish = statistic_finish, .print = statistic_print},
	{"recent", .rev = 1, .size = XT_SIZE(struct xt_recent_mtinfo_v1), .options = recent_options,
		.init = recent_init, .parse = recent_parse, .finish = recent_finish,
		.print = recent_print},
	{"recent", .size = XT_SIZE(struct xt_recent_mtinfo), .old = true, .print = recent_print},
	{"quota", .size = XT_SIZE(struct xt_quota_info), .options = quota_options,
		.parse = quota_parse, .print = quota_print},
	{"time", .size = XT_SIZE(struct xt_time_info), .options = time_options, .init = time_init,
		.parse = time_parse, .print = time_print},
	{0},
};
