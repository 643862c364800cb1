/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that ip(8) prints for numbers, as iproute2's own files in /etc/iproute2 have them. */
#include <string.h>

#include "netstate/dump/reader.h"

/* The kernel knows tables by number alone. A table of which only the name is known gets one of these,
 * at the far end, where no one counts to. */
#define FIRST_NAMED_TABLE 0xffff0000u
#define LIMIT_NAMED	  4096u

struct name {
	uint8_t number;
	const char *name;
};

static const struct name protocols[] = {
	{0, "unspec"},
	{0, "none"}, /* of busybox */
	{1, "redirect"},
	{2, "kernel"},
	{3, "boot"},
	{4, "static"},
	{8, "gated"},
	{9, "ra"},
	{10, "mrt"},
	{11, "zebra"},
	{12, "bird"},
	{13, "dnrouted"},
	{14, "xorp"},
	{15, "ntk"},
	{16, "dhcp"},
	{17, "mrouted"},
	{18, "keepalived"},
	{42, "babel"},
	{99, "openr"},
	{186, "bgp"},
	{187, "isis"},
	{188, "ospf"},
	{189, "rip"},
	{192, "eigrp"},
};

static const struct name scopes[] = {
	{0, "global"},
	{0, "universe"},
	{200, "site"},
	{253, "link"},
	{254, "host"},
	{255, "nowhere"},
};

static const struct name types[] = {
	{ROUTE_UNICAST, "unicast"},
	{ROUTE_LOCAL, "local"},
	{ROUTE_BROADCAST, "broadcast"},
	{ROUTE_ANYCAST, "anycast"},
	{ROUTE_MULTICAST, "multicast"},
	{ROUTE_BLACKHOLE, "blackhole"},
	{ROUTE_UNREACHABLE, "unreachable"},
	{ROUTE_PROHIBIT, "prohibit"},
	{ROUTE_THROW, "throw"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool by_name(const struct name *names, size_t n, const char *word, uint8_t *out)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i].name, word) == 0) {
			*out = names[i].number;
			return true;
		}
	return false;
}

bool dump_protocol(const char *word, uint8_t *out)
{
	return by_name(protocols, COUNT(protocols), word, out) || dump_u8(word, out);
}

bool dump_scope(const char *word, uint8_t *out)
{
	return by_name(scopes, COUNT(scopes), word, out) || dump_u8(word, out);
}

bool dump_route_type(const char *word, uint8_t *out)
{
	uint8_t number;

	if (by_name(types, COUNT(types), word, out))
		return true;
	if (!dump_u8(word, &number) || number < ROUTE_UNICAST || number > ROUTE_THROW)
		return false;
	*out = number;
	return true;
}

/* A whole byte, or the name of a DSCP, which is the upper six bits (RFC 2474, 2597, 3246). */
bool dump_tos(const char *word, uint8_t *out)
{
	size_t len = strlen(word);

	if (dump_u8(word, out))
		return true;
	if (len == 3 && strncmp(word, "CS", 2) == 0 && word[2] >= '0' && word[2] <= '7') {
		*out = (uint8_t)((word[2] - '0') << 5);
	} else if (len == 4 && strncmp(word, "AF", 2) == 0 && word[2] >= '1' && word[2] <= '4' &&
		   word[3] >= '1' && word[3] <= '3') {
		*out = (uint8_t)(((word[2] - '0') << 3 | (word[3] - '0') << 1) << 2);
	} else if (strcmp(word, "EF") == 0) {
		*out = 46 << 2;
	} else {
		return false;
	}
	return true;
}

uint32_t dump_table(struct dump *d, const char *word, const char **name)
{
	uint32_t number;

	*name = NULL;
	if (strcmp(word, "main") == 0)
		return TABLE_MAIN;
	if (strcmp(word, "local") == 0)
		return TABLE_LOCAL;
	if (strcmp(word, "default") == 0)
		return TABLE_DEFAULT;
	if (dump_u32(word, &number))
		return number;
	for (size_t i = 0; i < d->tables.len; i++)
		if (strcmp(d->tables.items[i], word) == 0) {
			*name = d->tables.items[i];
			return FIRST_NAMED_TABLE + (uint32_t)i;
		}
	*name = arena_strdup(d->arena, word);
	/* No machine has so many; beyond the limit all share one number. */
	if (d->tables.len == LIMIT_NAMED)
		return FIRST_NAMED_TABLE + LIMIT_NAMED;
	vec_push(d->arena, &d->tables, *name);
	return FIRST_NAMED_TABLE + (uint32_t)d->tables.len - 1;
}
