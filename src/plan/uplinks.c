/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settle uplinks: their numbers, their addresses and their ways out. */
#include "plan/internal.h"

/* ---- numbers ---- */

static bool number_taken(const struct plan *p, uint32_t number)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		if (u->number == number)
			return true;
	return false;
}

static bool number_remembered(const struct memory *m, uint32_t number)
{
	VEC_EACH (&m->numbers, struct memory_number, n)
		if (n->number == number)
			return true;
	return false;
}

/*
 * An uplink's number is its own for life, since live connections carry it: the file's, else the one
 * this gateway already uses for that name, else the lowest that neither the file nor memory has
 * given to another.
 */
static void settle_numbers(struct plan *p, const struct memory *memory, struct diag *d)
{
	uint32_t max = mark_max_number(p->model->mark_mask);

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		u->number = u->uplink->number;
	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		if (u->number)
			continue;
		VEC_EACH (&memory->numbers, struct memory_number, n)
			if (strcmp(n->uplink, u->uplink->name) == 0 && n->number <= max &&
				!number_taken(p, n->number)) {
				u->number = n->number;
				break;
			}
	}
	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		if (u->number)
			continue;
		/* A number that memory has for an uplink no longer in the file may still be on live
		 * connections; it is taken again only when no other is left. */
		for (uint32_t n = 1; n <= max && !u->number; n++)
			if (!number_taken(p, n) && !number_remembered(memory, n))
				u->number = n;
		for (uint32_t n = 1; n <= max && !u->number; n++)
			if (!number_taken(p, n))
				u->number = n;
		if (!u->number) {
			diag_error(d, u->uplink->at,
				"no number is left for uplink '%s': mark 0x%08x holds %u",
				u->uplink->name, p->model->mark_mask, max);
			diag_hint(d, "give gateway.mark more bits");
		}
	}
	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		u->mark = mark_of_number(p->model->mark_mask, u->number);
		u->table = p->model->tables_first + u->number;
		u->preference = p->model->rules_first + u->number;
	}
}

/* ---- addresses ---- */

/* RFC 8981 addresses change by themselves; nobody publishes them. */
bool plan_takes_address(const struct net_addr *have, const char *interface)
{
	return strcmp(have->interface, interface) == 0 && have->scope == 0 && !have->unusable &&
	       !ip_is_link_local(&have->addr) && !(have->addr.family == IP_V6 && have->secondary);
}

static void settle_addresses(
	struct arena *a, struct plan_uplink *u, const struct netstate *seen, struct diag *d)
{
	const struct uplink *file = u->uplink;

	VEC_EACH (&file->addresses, struct located_addr, want) {
		bool found = false;

		VEC_EACH (&seen->addrs, struct net_addr, have)
			if (strcmp(have->interface, file->interface) == 0 &&
				ip_equal(&have->addr, &want->addr))
				found = true;
		if (!found) {
			char text[IP_STRLEN];

			/* Proxied and routed addresses work without being on the interface. */
			diag_warning(d, want->at, "%s is not an address of %s",
				ip_format(&want->addr, text), file->interface);
			diag_hint(d,
				"it works only if the ISP routes it here; else: ip address add %s "
				"dev %s",
				text, file->interface);
		}
		vec_push(a, &u->addrs, want->addr);
	}
	if (file->addresses.len)
		return;
	VEC_EACH (&seen->addrs, struct net_addr, have)
		if (plan_takes_address(have, file->interface))
			vec_push(a, &u->addrs, have->addr);
}

/* ---- ways out ---- */

bool plan_is_beside(const struct netstate *seen, const char *interface, const struct ip_addr *addr)
{
	VEC_EACH (&seen->addrs, struct net_addr, have) {
		struct ip_prefix net = ip_prefix_of(&have->addr, have->prefix_len);

		if (strcmp(have->interface, interface) == 0 && ip_in_prefix(addr, &net))
			return true;
		if (strcmp(have->interface, interface) == 0 && ip_equal(&have->peer, addr))
			return true;
	}
	return false;
}

const struct net_nexthop *plan_default_by(
	const struct netstate *seen, const char *interface, uint8_t family)
{
	const struct net_nexthop *best = NULL;
	uint64_t best_rank = UINT64_MAX;

	VEC_EACH (&seen->routes, struct net_route, r) {
		uint64_t rank = ((uint64_t)(r->table != TABLE_MAIN) << 32) | r->metric;

		if (r->family != family || r->dst.len != 0 || r->type != ROUTE_UNICAST)
			continue;
		if (r->protocol == PORTREEVE_PROTOCOL || r->tos)
			continue;
		VEC_EACH (&r->nexthops, struct net_nexthop, n)
			if (n->interface && strcmp(n->interface, interface) == 0 &&
				rank < best_rank) {
				best = n;
				best_rank = rank;
			}
	}
	return best;
}

static bool has_family(const struct plan_uplink *u, uint8_t family)
{
	VEC_EACH (&u->addrs, struct ip_addr, addr)
		if (addr->family == family)
			return true;
	return false;
}

/* Is our rule for it in the kernel? */
static bool has_rule(const struct netstate *seen, const struct plan_uplink *u, uint8_t family)
{
	VEC_EACH (&seen->rules, struct net_rule, r)
		if (r->protocol == PORTREEVE_PROTOCOL && r->family == family &&
			r->preference == u->preference && r->table == u->table)
			return true;
	return false;
}

/*
 * A line that comes and goes keeps its listeners as long as it has its addresses, so that connections
 * outlast the gap, and its rule for good, so that their packets do not take another line meanwhile.
 */
static void settle_up(const struct plan *p, struct plan_uplink *u)
{
	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f ? IP_V6 : IP_V4;
		bool known = p->running && has_rule(p->seen, u, family);

		u->up[f] = (u->nexthop[f].interface || known) && has_family(u, family);
		u->barred[f] = known && !u->up[f];
	}
}

static void settle_way_out(
	struct arena *a, struct plan_uplink *u, const struct netstate *seen, uint8_t family)
{
	const struct uplink *file = u->uplink;
	const struct uplink_gateway *g = family == IP_V6 ? &file->gateway6 : &file->gateway4;
	struct net_nexthop *n = &u->nexthop[family_index(family)];
	const struct net_nexthop *found;
	const struct net_link *link;

	switch (g->kind) {
	case GATEWAY_ADDRESS:
		*n = (struct net_nexthop){
			.gateway = g->addr, .interface = file->interface, .weight = 1};
		break;
	case GATEWAY_ONLINK:
		*n = (struct net_nexthop){.interface = file->interface, .weight = 1};
		break;
	case GATEWAY_NONE:
	case GATEWAY_AUTO:
		found = plan_default_by(seen, file->interface, family);
		link = netstate_link(seen, file->interface);
		if (found)
			*n = (struct net_nexthop){.gateway = found->gateway,
				.interface = arena_strdup(a, file->interface),
				.weight = 1};
		else if (link && link->point_to_point)
			*n = (struct net_nexthop){.interface = file->interface, .weight = 1};
		break;
	}
	/* A next hop off every connected network is refused by the kernel unless it is told that it
	 * is on the link (fib_check_nh). A link-local one always is. */
	if (n->gateway.family != IP_NONE && !ip_is_link_local(&n->gateway) &&
		!plan_is_beside(seen, file->interface, &n->gateway))
		n->onlink = true;
}

static void check_way_out(const struct plan_uplink *u, enum diag_severity severity, struct diag *d)
{
	const struct uplink *file = u->uplink;

	if (u->addrs.len == 0) {
		diag_add(d, severity, file->at, "uplink '%s' has no address: %s has none",
			file->name, file->interface);
		diag_hint(d,
			"wait for DHCP or PPPoE to finish, or: ip address add ADDRESS/LEN dev %s",
			file->interface);
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t family = i ? IP_V6 : IP_V4;

		if (plan_uplink_reaches(u, i) || !has_family(u, family))
			continue;
		/* A second family without a way out is common (a lone IPv6 address); say it only when
		 * nothing works, or when a map asks for it (plan_settle_maps). */
		if (plan_uplink_reaches(u, !i))
			continue;
		diag_add(d, severity, file->at,
			"the gateway of uplink '%s' is not known: no default route by %s",
			file->name, file->interface);
		diag_hint(d, "name the ISP's router: gateway: ADDRESS  (or: gateway: onlink, on a "
			     "point-to-point line)");
		return;
	}
}

static void note_sharing(struct plan *p, struct diag *d)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		VEC_EACH (&p->uplinks, struct plan_uplink, other) {
			bool same_interface =
				strcmp(u->uplink->interface, other->uplink->interface) == 0;

			if (u == other)
				continue;
			if (same_interface)
				u->shares_interface = true;
			VEC_EACH (&u->addrs, struct ip_addr, x)
				VEC_EACH (&other->addrs, struct ip_addr, y)
					if (ip_equal(x, y) && !same_interface)
						u->shares_address = true;
		}
}

void plan_settle_uplinks(
	struct arena *a, struct plan *p, const struct memory *memory, struct diag *d)
{
	VEC_EACH (&p->model->uplinks, struct uplink, file)
		vec_add(a, &p->uplinks)->uplink = file;
	settle_numbers(p, memory, d);
	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		if (!netstate_link(p->seen, u->uplink->interface)) {
			diag_add(d, plan_missing(p), u->uplink->interface_at,
				"there is no interface %s on this machine", u->uplink->interface);
			settle_up(p, u);
			continue;
		}
		settle_addresses(a, u, p->seen, d);
		settle_way_out(a, u, p->seen, IP_V4);
		settle_way_out(a, u, p->seen, IP_V6);
		settle_up(p, u);
		check_way_out(u, plan_missing(p), d);
	}
	note_sharing(p, d);
}

bool plan_is_uplink_interface(const struct plan *p, const char *interface)
{
	VEC_EACH (&p->model->uplinks, struct uplink, u)
		if (strcmp(u->interface, interface) == 0)
			return true;
	return false;
}
