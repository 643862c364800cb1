/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small Internet in a few lines, for the report. */
#include "rehearse/topology.h"

#define MAX_LISTED 8u /* of uplinks, networks or addresses; the rest is counted */

static void add_line(struct arena *a, struct rehearse_result *out, struct strbuf *b)
{
	vec_push(a, &out->setting, arena_strdup(a, strbuf_str(b)));
	strbuf_fini(b);
}

static void describe_uplink(
	struct arena *a, const struct topo_uplink *u, struct rehearse_result *out)
{
	struct strbuf b = STRBUF_INIT;
	char text[IP_STRLEN];
	unsigned int n = 0;

	strbuf_addf(&b, "uplink %s, %s:", u->uplink->name, u->uplink->interface);
	VEC_EACH (&u->addrs, struct topo_address, x) {
		if (n++ == MAX_LISTED) {
			strbuf_addf(&b, " and %zu more", u->addrs.len - MAX_LISTED);
			break;
		}
		strbuf_addf(&b, " %s/%u", ip_format(&x->addr, text), x->prefix_len);
		if (!ip_equal(&x->addr, &x->world))
			strbuf_addf(&b, " (the world knows it as %s)", ip_format(&x->world, text));
	}
	for (unsigned int f = 0; f < 2; f++)
		if (u->gateway[f].family != IP_NONE)
			strbuf_addf(&b, " via %s", ip_format(&u->gateway[f], text));
	if (u->onlink[0] || u->onlink[1])
		strbuf_add(&b, " on-link");
	add_line(a, out, &b);
}

static void describe_inside(struct arena *a, const struct topology *t, const struct topo_inside *in,
	struct rehearse_result *out)
{
	unsigned int index = (unsigned int)(in - t->insides.items), n = 0, direct = 0;
	struct strbuf b = STRBUF_INIT;
	char text[IP_STRLEN];

	strbuf_addf(&b, "inside %s:", in->interface);
	for (size_t i = 0; i < in->prefixes.len && i < MAX_LISTED; i++)
		strbuf_addf(&b, " %s/%u", ip_format(&in->prefixes.items[i].gateway, text),
			in->prefixes.items[i].len);
	VEC_EACH (&t->backends, struct topo_backend, x) {
		if (x->inside != index)
			continue;
		direct += x->direct;
		if (n < MAX_LISTED)
			strbuf_addf(&b, "%s %s%s", n ? "," : "; backend", ip_format(&x->addr, text),
				x->direct ? " (return: direct)" : "");
		n++;
	}
	if (n > MAX_LISTED)
		strbuf_addf(&b, " and %zu more", (size_t)n - MAX_LISTED);
	if (n > direct)
		strbuf_addf(&b, ", whose own line to the Internet (as %s) bypasses the gateway",
			ip_format(&t->foreign[topo_family(in->prefixes.items[0].gateway.family)],
				text));
	add_line(a, out, &b);
}

void topology_describe(struct arena *a, const struct topology *t, struct rehearse_result *out)
{
	struct strbuf b = STRBUF_INIT;
	char text[IP_STRLEN];
	size_t n = 0;

	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		if (n++ < MAX_LISTED)
			describe_uplink(a, u, out);
	if (n > MAX_LISTED) {
		strbuf_addf(&b, "and %zu more uplinks", n - MAX_LISTED);
		add_line(a, out, &b);
	}
	n = 0;
	VEC_EACH (&t->insides, struct topo_inside, in)
		if (in->used && n++ < MAX_LISTED)
			describe_inside(a, t, in, out);
	if (n > MAX_LISTED) {
		strbuf_addf(&b, "and %zu more inside networks", n - MAX_LISTED);
		add_line(a, out, &b);
	}
	n = 0;
	VEC_EACH (&t->clients, struct ip_addr, c) {
		bool used = false;

		VEC_EACH (&out->probes, struct rehearse_probe, p)
			used = used || ip_equal(&p->client, c);
		if (used && n++ < MAX_LISTED)
			strbuf_addf(&b, "%s %s", n > 1 ? "," : "client", ip_format(c, text));
	}
	if (b.len) {
		strbuf_addf(&b, "; %s",
			t->live ? "addresses and routes are this machine's"
				: "what the file leaves open is invented");
		add_line(a, out, &b);
	}
}
