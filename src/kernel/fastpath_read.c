/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fast path's programs count as a whole: packets left to the kernel, and what was bypassed. */
#include "kernel/fastpath_internal.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
	const char *slug, *text;
} reasons[FP_REASONS] = {
	[FP_OFF] = {"off", "the fast path is switched off"},
	[FP_NOT_IP] = {"not-ip", "neither IPv4 nor IPv6"},
	[FP_OTHER_HOST] = {"other-host", "broadcast, or for another host"},
	[FP_MALFORMED] = {"malformed", "malformed"},
	[FP_OPTIONS] = {"options", "IP options or extension headers"},
	[FP_FRAGMENT] = {"fragment", "fragments"},
	[FP_TTL] = {"ttl", "the time to live ends here"},
	[FP_PROTOCOL] = {"protocol", "neither TCP nor UDP"},
	[FP_ICMP] = {"icmp", "ICMP"},
	[FP_CONTROL] = {"control", "TCP connections that begin or end"},
	[FP_NO_CONNECTION] = {"no-connection", "no connection yet"},
	[FP_NOT_OURS] = {"not-ours", "connections that portreeve does not translate"},
	[FP_NOT_ASSURED] = {"not-assured", "connections not yet established"},
	[FP_HELPER] = {"helper", "connections whose every packet conntrack must see"},
	[FP_ZONE] = {"zone", "connections whose requests are in a zone of conntrack"},
	[FP_IPSEC] = {"ipsec", "there are IPsec policies"},
	[FP_HOME] = {"home", "not by the connection's own uplink, or replies that came by one"},
	[FP_NO_ROUTE] = {"no-route", "no route"},
	[FP_LOCAL] = {"local", "for the gateway itself"},
	[FP_NEIGHBOUR] = {"neighbour", "the next hop's address is not known yet"},
	[FP_MTU] = {"mtu", "too long for the next link"},
	[FP_FULL] = {"full", "the cache is full there"},
	[FP_TARGET] = {"target", "the next interface takes no redirected frames"},
	[FP_ONE_WAY] = {"one-way", "TCP whose other direction cannot take the fast path"},
	[FP_CHANGED] = {"changed", "the first after rules or routes changed"},
	[FP_KERNEL] = {"kernel", "shown to the kernel now and then"},
};

bool fastpath_passed(
	const struct fastpath *f, size_t i, struct fastpath_passed *out, struct kernel_error *e)
{
	uint64_t(*each)[FP_REASONS] = calloc(f->n_cpus, sizeof(*each));
	uint32_t zero = 0;
	bool good = i + 1 < FP_REASONS;

	if (!each)
		abort();
	if (good && bpf_map_lookup_elem(bpf_map__fd(f->base->maps.passed), &zero, each) < 0) {
		kernel_error_set(e, errno, "the counts cannot be read");
		good = false;
	}
	if (good) {
		*out = (struct fastpath_passed){reasons[i + 1].slug, reasons[i + 1].text, 0};
		for (unsigned int cpu = 0; cpu < f->n_cpus; cpu++)
			out->packets += each[cpu][i + 1];
	}
	free(each);
	return good;
}

/* ---- the whole ---- */

static bool is_bypassed(const struct fastpath_cell *c)
{
	return (c->v6 ? c->key->v6.in : c->key->v4.in) && c->how->out;
}

void fastpath_each_flow(const struct fastpath *f,
	void (*each)(const struct fastpath_cell *c, void *data), void *data)
{
	const struct fp_flow4 *f4 = f->flows4[0].way;
	const struct fp_flow6 *f6 = f->flows6[0].way;
	struct fastpath_cell c;

	for (size_t i = 0; i < (size_t)f->n_buckets4 * FP_WAYS; i++) {
		c = (struct fastpath_cell){(const void *)&f4[i].key, &f4[i].how, false};
		if (is_bypassed(&c))
			each(&c, data);
	}
	for (size_t i = 0; i < (size_t)f->n_buckets6 * FP_WAYS; i++) {
		c = (struct fastpath_cell){(const void *)&f6[i].key, &f6[i].how, true};
		if (is_bypassed(&c))
			each(&c, data);
	}
}

static void add_flow(const struct fastpath_cell *c, void *data)
{
	struct fastpath_totals *sum = data;

	sum->cached++;
	sum->packets += c->how->packets;
	sum->bytes += c->how->bytes;
}

/*
 * What is settled is read first, so that nothing is counted twice: what goes from a flow into the whole
 * meanwhile is missed, until the next time. Nor is it ever less than it was.
 */
int fastpath_read_totals(struct fastpath *f, struct fastpath_totals *out, struct kernel_error *e)
{
	struct fp_account *each = calloc(f->n_cpus, sizeof(*each));
	uint32_t zero = 0;
	int err = 0;

	if (!each)
		abort();
	*out = (struct fastpath_totals){0};
	if (bpf_map_lookup_elem(bpf_map__fd(f->base->maps.settled), &zero, each) < 0)
		err = kernel_error_set(e, errno, "the counts cannot be read");
	for (unsigned int cpu = 0; !err && cpu < f->n_cpus; cpu++) {
		out->packets += each[cpu].packets;
		out->bytes += each[cpu].bytes;
	}
	free(each);
	if (err)
		return err;
	fastpath_each_flow(f, add_flow, out);
	if (out->packets < f->told.packets)
		out->packets = f->told.packets;
	if (out->bytes < f->told.bytes)
		out->bytes = f->told.bytes;
	f->told = *out;
	return 0;
}
