/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Return probe: the same question from two addresses at the same time. */
#include "daemon/probe_return.h"

#include <stdlib.h>

enum { FROM_UPLINK, FROM_INSIDE, QUESTIONS };

struct return_probe {
	struct question {
		struct return_probe *round;
		struct probe *probe; /* NULL: answered */
		struct probe_answer answer;
	} questions[QUESTIONS];
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

static void answered(const struct probe_answer *a, void *data)
{
	struct question *q = data;
	struct return_probe *r = q->round;
	struct return_round round;

	q->answer = *a;
	q->probe = NULL;
	if (r->questions[FROM_UPLINK].probe || r->questions[FROM_INSIDE].probe)
		return;
	round.from_uplink = r->questions[FROM_UPLINK].answer;
	round.from_inside = r->questions[FROM_INSIDE].answer;
	round.told = round.from_uplink.asked && round.from_inside.asked;
	data = r->data;
	r->done(&round, data);
	free(r);
}

void return_probe_cancel(struct return_probe *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < QUESTIONS; i++)
		if (r->questions[i].probe)
			probe_cancel(r->questions[i].probe);
	free(r);
}

struct return_probe *return_probe_start(struct prober *p, const struct return_target *t,
	void (*done)(const struct return_round *r, void *data), void *data)
{
	const struct ip_addr *const sources[] = {
		[FROM_UPLINK] = &t->from_uplink, [FROM_INSIDE] = &t->from_inside};
	const struct probe_question ask = {.kind = t->port ? CHECK_TCP : CHECK_ICMP,
		.addr = t->backend,
		.port = t->port,
		.timeout_ms = RETURN_TIMEOUT_MS,
		.refused_is_answer = true};
	struct return_probe *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->done = done;
	r->data = data;
	for (unsigned int i = 0; i < QUESTIONS; i++) {
		const struct probe_way way = {.interface = t->interface, .source = *sources[i]};

		r->questions[i].round = r;
		r->questions[i].probe = probe_start(p, &ask, &way, answered, &r->questions[i]);
		if (!r->questions[i].probe) {
			return_probe_cancel(r);
			return NULL;
		}
	}
	return r;
}

bool return_round_count(const struct return_round *r, struct return_path *path, uint64_t now_ms)
{
	/* An answer tells, whatever became of the other question. */
	enum return_answer uplink = r->from_uplink.ok ? RETURN_ANSWERED : RETURN_SILENT;
	enum return_answer inside = r->from_inside.ok && r->told ? RETURN_ANSWERED : RETURN_SILENT;

	return return_path_round(path, uplink, inside, now_ms);
}
