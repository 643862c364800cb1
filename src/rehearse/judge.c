/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen of one probe, in a word and a reason. Pure. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rehearse/stage.h"

static void say(struct rehearse_cell *out, enum probe_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct rehearse_cell *out, enum probe_result result, const char *fmt, ...)
{
	va_list ap;

	out->result = result;
	va_start(ap, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, ap);
	va_end(ap);
}

/* A client that must not get in. */
static void judge_refused(const struct sighting *s, struct rehearse_cell *out)
{
	if (s->answered_by == ANSWERED_BY_GATEWAY)
		say(out, RESULT_ASTRAY,
			"a service of the gateway itself answered a client that `from` refuses");
	else if (s->answered_by == ANSWERED_BY_BACKEND || s->answered)
		say(out, RESULT_ASTRAY, "the backend answered a client that `from` refuses");
	else if (s->at_backend)
		say(out, RESULT_ASTRAY, "the backend got packets of a client that `from` refuses");
	else
		out->result = RESULT_WORKS;
}

/* Two modems may hand out the same address. */
static bool has_address(const struct rehearse_result *r, int uplink, const struct ip_addr *addr)
{
	VEC_EACH (&r->probes, struct rehearse_probe, p)
		if ((int)p->uplink == uplink && ip_equal(&p->address, addr))
			return true;
	return false;
}

/* Where a reply went astray, or where the request got stuck. */
static void explain(const struct rehearse_result *r, const struct rehearse_probe *p,
	const struct sighting *s, enum probe_result result, struct rehearse_cell *out)
{
	char addr[IP_STRLEN];

	if (s->leaked.packets)
		say(out, result, "the request for %s left by %s, towards the ISP of %s",
			ip_format(&s->leaked.addr, addr), r->interfaces[s->leaked.uplink],
			r->uplink_names[s->leaked.uplink]);
	else if (s->bypassed.packets)
		say(out, result, "the reply bypassed the gateway: it came from %s",
			ip_format(&s->bypassed.addr, addr));
	else if (s->astray.packets && s->astray.uplink == (int)p->uplink)
		say(out, result,
			"the reply left by %s with source %s, which is not the address that was "
			"called",
			r->interfaces[s->astray.uplink], ip_format(&s->astray.addr, addr));
	else if (s->astray.packets && has_address(r, s->astray.uplink, &s->astray.addr))
		say(out, result,
			"the reply left by %s (%s), where %s stands for another public address",
			r->interfaces[s->astray.uplink], r->uplink_names[s->astray.uplink],
			ip_format(&s->astray.addr, addr));
	else if (s->astray.packets)
		say(out, result, "the reply left by %s (%s) with source %s; that ISP drops it",
			r->interfaces[s->astray.uplink], r->uplink_names[s->astray.uplink],
			ip_format(&s->astray.addr, addr));
	else if (s->answered_by == ANSWERED_BY_GATEWAY)
		say(out, result, "a service of the gateway itself answered");
	else if (s->home)
		say(out, result, "replies came home, but the connection did not get through (%s)",
			strerror(s->client_error ? s->client_error : ETIMEDOUT));
	else if (s->at_backend || s->answered_by)
		say(out, result, "the backend got the request; no reply came out of the gateway");
	else if (s->client_error && s->client_error != ETIMEDOUT)
		say(out, result, "the request did not reach the backend (%s)",
			strerror(s->client_error));
	else
		say(out, result, "the request did not reach the backend");
}

const struct backend *probe_backend(
	const struct rehearse_probe *p, const struct ip_addr *addr, uint16_t port)
{
	VEC_EACH (&p->map->backends, struct backend, b)
		if (ip_equal(&b->addr, addr) &&
			(!port || backend_port_for(b, p->listen, p->port) == port))
			return b;
	return NULL;
}

void probe_judge(const struct rehearse_result *r, const struct rehearse_probe *p,
	const struct sighting *s, struct rehearse_cell *out)
{
	char addr[IP_STRLEN];

	*out = (struct rehearse_cell){
		.left_by = -1, .saw = s->saw, .at = s->saw_at, .saw_port = s->saw_port};
	if (s->home)
		out->left_by = (int)p->uplink;
	else if (s->astray.packets)
		out->left_by = s->astray.uplink;
	if (s->untested) {
		say(out, RESULT_UNTESTED, "%s", s->reason);
		return;
	}
	if (p->refused) {
		judge_refused(s, out);
		return;
	}
	if (!s->answered) {
		explain(r, p, s, RESULT_DEAD, out);
		return;
	}
	/* Answered; but as the config says? */
	if (s->answered_by == ANSWERED_BY_GATEWAY)
		say(out, RESULT_ASTRAY, "a service of the gateway itself answered");
	else if (!probe_backend(p, &s->saw_at, s->saw_port))
		say(out, RESULT_ASTRAY, "it reached %s port %u instead of port %u",
			ip_format(&s->saw_at, addr), s->saw_port, p->backend_port);
	else if (s->leaked.packets || s->bypassed.packets || s->astray.packets)
		explain(r, p, s, RESULT_ASTRAY, out);
	else
		out->result = RESULT_WORKS;
}
