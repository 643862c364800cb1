/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settle what the small Internet looks like; the parts are in uplinks.c, insides.c and wire.c. */
#include "rehearse/topology_parts.h"

bool topology_client(struct arena *a, struct topology *t, const struct ip_addr *addr)
{
	VEC_EACH (&t->clients, struct ip_addr, have)
		if (ip_equal(have, addr))
			return true;
	if (topo_gateway_is_beside(t, addr) || topo_world_has(t, addr) ||
		topo_uplinks_have(t, addr) || ip_is_multicast(addr) || ip_is_loopback(addr) ||
		ip_is_unspecified(addr))
		return false;
	vec_push(a, &t->clients, *addr);
	return true;
}

/* The first of @candidates that is nobody's. */
static struct ip_addr pick(const struct topology *t, const char *const *candidates, size_t n)
{
	struct ip_addr addr = {0};

	for (size_t i = 0; i < n; i++) {
		addr = topo_parse(candidates[i]);
		if (!topo_gateway_is_beside(t, &addr) && !topo_world_has(t, &addr) &&
			!topo_uplinks_have(t, &addr))
			break;
	}
	return addr;
}
#define PICK(t, list) pick((t), (list), sizeof(list) / sizeof((list)[0]))

static void settle_others(struct arena *a, struct topology *t, bool as_is)
{
	static const char *const client4[] = {
		"100.100.100.100", "203.0.113.200", "150.150.150.150"};
	/* Tools that know the shared space 100.64.0.0/10 drop it from uplinks. */
	static const char *const client4_live[] = {
		"198.51.100.100", "203.0.113.200", "150.150.150.150"};
	static const char *const client6[] = {
		"2001:db8:100::100", "2001:db8:fade::100", "2a00:100::1"};
	static const char *const foreign4[] = {"9.9.9.9", "8.8.4.4", "5.5.5.5"};
	static const char *const foreign6[] = {"2001:db8:9::9", "2001:db8:8::9", "2a00:9::9"};
	static const char *const transit4[] = {"169.254.0.1", "169.254.99.1", "192.0.0.1"};

	t->default_client[0] = as_is ? PICK(t, client4_live) : PICK(t, client4);
	t->default_client[1] = PICK(t, client6);
	t->foreign[0] = PICK(t, foreign4);
	t->foreign[1] = PICK(t, foreign6);
	t->transit[0] = PICK(t, transit4);
	t->transit[1] = topo_host_in(&t->transit[0], 32, 1);
	vec_push(a, &t->clients, t->default_client[0]);
	vec_push(a, &t->clients, t->default_client[1]);
}

struct topology *topology_make(
	struct arena *a, const struct model *m, const struct netstate *live, bool as_is)
{
	struct topology *t = arena_new_of(a, struct topology);

	t->live = live && (as_is || topo_live_fits(live, m)) ? live : NULL;
	topo_settle_uplinks(a, t, m);
	topo_settle_insides(a, t, m, as_is);
	settle_others(a, t, as_is);
	return t;
}
