/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' targets that are none of the others: SET, TEE, IDLETIMER, LED, SYNPROXY. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LED.h>
#include <linux/netfilter/xt_SYNPROXY.h>
#include <linux/netfilter/xt_TEE.h>
#include <linux/netfilter/xt_set.h>

/* ---- SET ---- */

enum { ADD, DEL, MAP, EXIST, TIMEOUT, MAP_MARK, MAP_PRIO, MAP_QUEUE };

static const struct xt_option set_options[] = {
	{"add-set", ADD, ARGS_2, false},
	{"del-set", DEL, ARGS_2, false},
	{"map-set", MAP, ARGS_2, false},
	{"exist", EXIST, ARGS_0, false},
	{"timeout", TIMEOUT, ARGS_1, false},
	{"map-mark", MAP_MARK, ARGS_0, false},
	{"map-prio", MAP_PRIO, ARGS_0, false},
	{"map-queue", MAP_QUEUE, ARGS_0, false},
	{0},
};

static void set_init(struct xt_reading *r, void *info)
{
	struct xt_set_info_target_v3 *i = info;

	i->add_set.index = i->del_set.index = i->map_set.index = IPSET_INVALID_ID;
	i->timeout = UINT32_MAX;
}

static bool set_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint32_t flags[] = {[EXIST] = IPSET_FLAG_EXIST,
		[MAP_MARK] = IPSET_FLAG_MAP_SKBMARK,
		[MAP_PRIO] = IPSET_FLAG_MAP_SKBPRIO,
		[MAP_QUEUE] = IPSET_FLAG_MAP_SKBQUEUE};
	struct xt_set_info_target_v3 *i = info;

	switch (o->id) {
	case ADD:
		return xt_read_set(r, o, 0, &i->add_set);
	case DEL:
		return xt_read_set(r, o, 1, &i->del_set);
	case MAP:
		return xt_read_set(r, o, 2, &i->map_set);
	case TIMEOUT:
		return xt_read_u32(r, o->arg[0], &i->timeout);
	default:
		i->flags |= flags[o->id];
		return true;
	}
}

static bool set_finish(struct xt_reading *r, uint64_t given, void *info)
{
	return given & (GIVEN(ADD) | GIVEN(DEL) | GIVEN(MAP)) ||
	       xt_fail(r, "SET does not name a set");
}

static bool set_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_set_info_target_v3 *i = info;
	const struct xt_set_info_target_v2 *two = info;
	uint32_t timeout = x->rev == 3	 ? i->timeout
			   : x->rev == 2 ? two->timeout
					 : UINT32_MAX,
		 flags = x->rev == 3   ? i->flags
			 : x->rev == 2 ? two->flags
				       : 0;
	bool known = true;

	/* A set that is not used has no parts; its number, where the kernel gave it, is invalid. */
	if (i->add_set.dim) {
		strbuf_add(out, " --add-set");
		known = xt_print_set(out, x, 0, &i->add_set);
	}
	if (i->del_set.dim) {
		strbuf_add(out, " --del-set");
		known = xt_print_set(out, x, 1, &i->del_set) && known;
	}
	if (x->rev == 3 && i->map_set.dim) {
		strbuf_add(out, " --map-set");
		known = xt_print_set(out, x, 2, &i->map_set) && known;
	}
	if (flags & IPSET_FLAG_EXIST)
		strbuf_add(out, " --exist");
	if (timeout != UINT32_MAX)
		strbuf_addf(out, " --timeout %u", timeout);
	for (const struct xt_option *o = set_options; o->name; o++) {
		if (o->id >= MAP_MARK && flags & (uint32_t)IPSET_FLAG_MAP_SKBMARK
							 << (o->id - MAP_MARK))
			xt_print_option(out, o->name, false);
	}
	return known;
}

/* ---- TEE ---- */

enum { GATEWAY, OIF };

static const struct xt_option tee_options[] = {
	{"gateway", GATEWAY, ARGS_1, false},
	{"oif", OIF, ARGS_1, false},
	{0},
};

static bool tee_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tee_tginfo *i = info;

	if (o->id == GATEWAY)
		return xt_read_addr(r, o->arg[0], &i->gw);
	return xt_read_string(r, o->arg[0], i->oif, sizeof(i->oif));
}

static bool tee_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tee_tginfo *i = info;

	strbuf_add(out, " --gateway ");
	xt_add_addr(out, family, &i->gw);
	if (i->oif[0]) {
		strbuf_add(out, " --oif ");
		strbuf_addn(out, i->oif, strnlen(i->oif, sizeof(i->oif)));
	}
	return true;
}

/* ---- IDLETIMER, LED ---- */

enum { IDLE_TIMEOUT, LABEL, ALARM };

static const struct xt_option idletimer_options[] = {
	{"timeout", IDLE_TIMEOUT, ARGS_1, false},
	{"label", LABEL, ARGS_1, false},
	{"alarm", ALARM, ARGS_0, false},
	{0},
};

static bool idletimer_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct idletimer_tg_info_v1 *i = info;

	if (o->id == IDLE_TIMEOUT)
		return xt_read_u32(r, o->arg[0], &i->timeout);
	if (o->id == LABEL)
		return xt_read_string(r, o->arg[0], i->label, sizeof(i->label));
	i->timer_type |= XT_IDLETIMER_ALARM;
	return true;
}

static bool idletimer_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct idletimer_tg_info_v1 *i = info; /* revision 0 is its beginning */

	strbuf_addf(out, " --timeout %u --label ", i->timeout);
	strbuf_addn(out, i->label, strnlen(i->label, sizeof(i->label)));
	if (x->rev && i->timer_type & XT_IDLETIMER_ALARM)
		strbuf_add(out, " --alarm");
	return true;
}

enum { TRIGGER, DELAY, BLINK };

static const struct xt_option led_options[] = {
	{"led-trigger-id", TRIGGER, ARGS_1, false},
	{"led-delay", DELAY, ARGS_1, false},
	{"led-always-blink", BLINK, ARGS_0, false},
	{0},
};

#define LED_ID "netfilter-"

static bool led_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_led_info *i = info;

	if (o->id == TRIGGER) {
		memcpy(i->id, LED_ID, strlen(LED_ID));
		return xt_read_string(
			r, o->arg[0], i->id + strlen(LED_ID), sizeof(i->id) - strlen(LED_ID));
	}
	if (o->id == BLINK) {
		i->always_blink = 1;
		return true;
	}
	if (strcmp(o->arg[0], "inf") == 0) {
		i->delay = UINT32_MAX;
		return true;
	}
	return xt_read_u32(r, o->arg[0], &i->delay);
}

static bool led_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_led_info *i = info;

	if (strncmp(i->id, LED_ID, strlen(LED_ID)) != 0)
		return false;
	strbuf_add(out, " --led-trigger-id");
	xt_print_string(out, i->id + strlen(LED_ID), sizeof(i->id) - strlen(LED_ID));
	if (i->delay == UINT32_MAX)
		strbuf_add(out, " --led-delay inf");
	else if (i->delay)
		strbuf_addf(out, " --led-delay %u", i->delay);
	if (i->always_blink)
		strbuf_add(out, " --led-always-blink");
	return true;
}

/* ---- SYNPROXY ---- */

enum { SACK, TIMESTAMP, WSCALE, MSS, ECN };

static const struct xt_option synproxy_options[] = {
	{"sack-perm", SACK, ARGS_0, false},
	{"timestamp", TIMESTAMP, ARGS_0, false},
	{"wscale", WSCALE, ARGS_1, false},
	{"mss", MSS, ARGS_1, false},
	{"ecn", ECN, ARGS_0, false},
	{0},
};

static bool synproxy_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {XT_SYNPROXY_OPT_SACK_PERM, XT_SYNPROXY_OPT_TIMESTAMP,
		XT_SYNPROXY_OPT_WSCALE, XT_SYNPROXY_OPT_MSS, XT_SYNPROXY_OPT_ECN};
	struct xt_synproxy_info *i = info;

	i->options |= flags[o->id];
	if (o->id == WSCALE)
		return xt_read_u8(r, o->arg[0], &i->wscale);
	return o->id != MSS || xt_read_u16(r, o->arg[0], &i->mss);
}

static bool synproxy_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_synproxy_info *i = info;

	if (i->options & XT_SYNPROXY_OPT_SACK_PERM)
		strbuf_add(out, " --sack-perm");
	if (i->options & XT_SYNPROXY_OPT_TIMESTAMP)
		strbuf_add(out, " --timestamp");
	if (i->options & XT_SYNPROXY_OPT_WSCALE)
		strbuf_addf(out, " --wscale %u", i->wscale);
	if (i->options & XT_SYNPROXY_OPT_MSS)
		strbuf_addf(out, " --mss %u", i->mss);
	if (i->options & XT_SYNPROXY_OPT_ECN)
		strbuf_add(out, " --ecn");
	return true;
}

const struct xt_extension xt_misc_targets[] = {
	{"SET", .target = true, .rev = 3, .size = XT_SIZE(struct xt_set_info_target_v3),
		.options = set_options, .init = set_init, .parse = set_parse, .finish = set_finish,
		.print = set_print},
	{"SET", .target = true, .rev = 2, .size = XT_SIZE(struct xt_set_info_target_v2),
		.old = true, .print = set_print},
	{"SET", .target = true, .rev = 1, .size = XT_SIZE(struct xt_set_info_target_v1),
		.old = true, .print = set_print},
	{"TEE", .target = true, .rev = 1, .size = XT_SIZE(struct xt_tee_tginfo),
		.options = tee_options, .parse = tee_parse, .print = tee_print},
	{"IDLETIMER", .target = true, .rev = 1, .size = XT_SIZE(struct idletimer_tg_info_v1),
		.options = idletimer_options, .parse = idletimer_parse, .print = idletimer_print},
	{"IDLETIMER", .target = true, .size = XT_SIZE(struct idletimer_tg_info), .old = true,
		.print = idletimer_print},
	{"LED", .target = true, .size = XT_SIZE(struct xt_led_info), .options = led_options,
		.parse = led_parse, .print = led_print},
	{"SYNPROXY", .target = true, .size = XT_SIZE(struct xt_synproxy_info),
		.options = synproxy_options, .parse = synproxy_parse, .print = synproxy_print},
	{0},
};
