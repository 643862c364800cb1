/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of one uplink. */
#include <ctype.h>
#include <string.h>

#include "config/load.h"

#define INTERFACE_MAX 15 /* IFNAMSIZ without the NUL */

/* As the kernel's dev_valid_name(). */
const char *value_bad_interface(const char *s, size_t len)
{
	if (len == 0)
		return "is empty";
	if (len > INTERFACE_MAX)
		return "is longer than 15 characters";
	if (strncmp(s, "..", len) == 0)
		return "is no name";
	for (size_t i = 0; i < len; i++)
		if (isspace((unsigned char)s[i]) || !s[i] || strchr("/:", s[i]))
			return "may not hold '/', ':' or spaces";
	return NULL;
}

bool value_interface(struct loader *l, const struct yaml_node *n)
{
	const char *why = value_bad_interface(n->text, n->len);

	if (why)
		diag_error(l->d, n->at, "interface name '%s' %s", load_quote(l, n), why);
	return !why;
}

static void load_interface(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct uplink *u = object;

	value = load_scalar(l, key, value, "the name of an interface");
	if (!value || !value_interface(l, value))
		return;
	u->interface = arena_strndup(l->arena, value->text, value->len);
	u->interface_at = value->at;
}

static void load_address(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct uplink *u = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "an address", LIMIT_ADDRESSES, &n);

	u->addresses.items = arena_alloc(l->arena, items * sizeof(*u->addresses.items));
	u->addresses.cap = items;
	u->addresses.len = value_addresses(l, key, n, items, u->addresses.items);
	if (!items || u->addresses.len < items)
		l->uplink_broken[u - l->m->uplinks.items] |= BROKEN_ADDRESS;
}

static void load_public(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct uplink *u = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "an address", LIMIT_ADDRESSES, &n);

	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct located_addr a = {.at = n->at};
		const struct located_addr *same = NULL;

		if (!value_address(l, key, n, &a.addr))
			continue;
		VEC_EACH (&u->publics, struct located_addr, other)
			if (other->addr.family == a.addr.family)
				same = other;
		if (same) {
			diag_error(l->d, n->at, "a second public %s address",
				family_name(a.addr.family));
			diag_note(l->d, same->at, "the first is here");
			diag_hint(
				l->d, "one per family; an uplink with several is several uplinks");
			continue;
		}
		vec_push(l->arena, &u->publics, a);
	}
}

static void second_gateway(
	struct loader *l, const struct yaml_node *n, const struct uplink_gateway *first)
{
	diag_error(l->d, n->at, "a second %s gateway", family_name(first->addr.family));
	diag_note(l->d, first->at, "the first is here");
}

static void load_gateway(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct uplink *u = object;
	const struct yaml_node *n = NULL, *onlink = NULL;
	size_t items = load_items(l, key, value, "an address or onlink", 3, &n);

	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct uplink_gateway g = {.kind = GATEWAY_ADDRESS, .at = n->at}, *slot;

		if (value_is(n, "onlink")) {
			if (onlink)
				diag_error(l->d, n->at, "'onlink' stands twice");
			onlink = n;
			continue;
		}
		if (ip_parse_n(n->text, n->len, &g.addr)) {
			static const char *const words[] = {"onlink"};

			diag_error(l->d, n->at, "'%s' is neither an address nor 'onlink'",
				load_quote(l, n));
			load_suggest(l, load_quote(l, n), words, 1);
			continue;
		}
		if (ip_is_unspecified(&g.addr)) {
			diag_error(l->d, n->at, "%s is no router", load_quote(l, n));
			diag_hint(l->d, "a line without a next hop: gateway: onlink");
			continue;
		}
		if (!value_address(l, key, n, &g.addr))
			continue;
		slot = g.addr.family == IP_V6 ? &u->gateway6 : &u->gateway4;
		if (slot->kind == GATEWAY_AUTO)
			*slot = g;
		else
			second_gateway(l, n, slot);
	}
	if (!onlink)
		return;
	/* onlink is for the families that no address was given for */
	if (u->gateway4.kind == GATEWAY_ADDRESS && u->gateway6.kind == GATEWAY_ADDRESS)
		diag_error(l->d, onlink->at, "'onlink' has no family left: both have a router");
	if (u->gateway4.kind == GATEWAY_AUTO)
		u->gateway4 = (struct uplink_gateway){.kind = GATEWAY_ONLINK, .at = onlink->at};
	if (u->gateway6.kind == GATEWAY_AUTO)
		u->gateway6 = (struct uplink_gateway){.kind = GATEWAY_ONLINK, .at = onlink->at};
}

static void load_number(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct uplink *u = object;

	if (!value_u32(l, key, value, &u->number))
		return;
	if (u->number == 0) {
		diag_error(l->d, value->at, "'number' begins at 1");
		return;
	}
	u->number_at = value->at;
}

static void load_check(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct uplink *u = object;

	u->checks.items = load_checks(l, key, value, u, &u->checks.len);
	u->checks.cap = u->checks.len;
}

const struct field load_uplink_fields[] = {
	{KEY_UPLINK_INTERFACE, load_interface},
	{KEY_UPLINK_ADDRESS, load_address},
	{KEY_UPLINK_PUBLIC, load_public},
	{KEY_UPLINK_GATEWAY, load_gateway},
	{KEY_UPLINK_NUMBER, load_number},
	{KEY_UPLINK_CHECK, load_check},
};
const size_t load_uplink_n_fields = sizeof(load_uplink_fields) / sizeof(load_uplink_fields[0]);
