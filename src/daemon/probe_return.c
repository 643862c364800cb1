/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return probe: the same question from two addresses.
 *
 * From the inside one first: the question who has the backend's address (ARP) is asked in the name of
 * whoever sends to it, and a backend with a strict reverse path filter and another way out does not
 * answer that to an uplink's address. Asked together, neither would get through.
 */
#include "daemon/probe_return.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

struct return_probe {
	struct prober *prober;
	struct return_target target;
	char interface[IFNAMSIZ]; /* what target.interface points to */
	struct probe *probe;	  /* the one under way */
	struct return_round round;
	void (*done)(const struct return_round *r, void *data);
	void *data;
};

/* The TCP port of the first TCP listener, if there is any. */
static uint16_t tcp_port(const struct map *m, const struct backend *b)
{
	VEC_EACH (&m->listens, struct listen, l)
		if (l->proto == PROTO_TCP)
			return backend_port_for(b, l, l->first);
	return 0;
}

bool return_target_of(const struct plan_map *pm, struct return_target *out)
{
	*out = (struct return_target){.backend = pm->backend->addr,
		.port = tcp_port(pm->map, pm->backend),
		.interface = pm->interface,
		.from_inside = pm->hairpin};
	VEC_EACH (&pm->uplinks, struct plan_uplink *, u)
		VEC_EACH (&(*u)->addrs, struct ip_addr, addr)
			if (addr->family == out->backend.family &&
				out->from_uplink.family == IP_NONE && !ip_is_link_local(addr))
				out->from_uplink = *addr;
	return out->interface && out->from_inside.family != IP_NONE &&
	       out->from_uplink.family != IP_NONE;
}

static struct probe *ask(struct return_probe *r, const struct ip_addr *from,
	void (*answered)(const struct probe_answer *a, void *data))
{
	const struct probe_question question = {.kind = r->target.port ? CHECK_TCP : CHECK_ICMP,
		.addr = r->target.backend,
		.port = r->target.port,
		.timeout_ms = RETURN_TIMEOUT_MS,
		.refused_is_answer = true};
	const struct probe_way way = {.interface = r->interface, .source = *from};

	return r->probe = probe_start(r->prober, &question, &way, answered, r);
}

static void uplink_answered(const struct probe_answer *a, void *data)
{
	struct return_probe *r = data;

	r->round.from_uplink = *a;
	r->round.told = a->asked && r->round.from_inside.asked;
	r->done(&r->round, r->data);
	free(r);
}

static void inside_answered(const struct probe_answer *a, void *data)
{
	static const struct probe_answer ran_out = {.why = "out of descriptors or memory"};
	struct return_probe *r = data;

	r->round.from_inside = *a;
	if (!ask(r, &r->target.from_uplink, uplink_answered))
		uplink_answered(&ran_out, r);
}

void return_probe_cancel(struct return_probe *r)
{
	if (!r)
		return;
	probe_cancel(r->probe);
	free(r);
}

struct return_probe *return_probe_start(struct prober *p, const struct return_target *t,
	void (*done)(const struct return_round *r, void *data), void *data)
{
	struct return_probe *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->prober = p;
	r->target = *t;
	snprintf(r->interface, sizeof(r->interface), "%s", t->interface);
	r->target.interface = r->interface;
	r->done = done;
	r->data = data;
	if (ask(r, &t->from_inside, inside_answered))
		return r;
	free(r);
	return NULL;
}

bool return_round_count(const struct return_round *r, struct return_path *path, uint64_t now_ms)
{
	/* An answer tells, whatever became of the other question. */
	enum return_answer uplink = r->from_uplink.ok ? RETURN_ANSWERED : RETURN_SILENT;
	enum return_answer inside = r->from_inside.ok && r->told ? RETURN_ANSWERED : RETURN_SILENT;

	return return_path_round(path, uplink, inside, now_ms);
}
