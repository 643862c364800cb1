/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fast path's programs count: packets left to the kernel, and what was bypassed of each connection. */
#include "kernel/fastpath_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 1024u

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
	[FP_IPSEC] = {"ipsec", "there are IPsec policies"},
	[FP_HOME] = {"home", "not by the connection's own uplink"},
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

/* ---- accounts ---- */

static struct fastpath_account account_of(unsigned int family, unsigned int proto, const void *src,
	const void *dst, uint16_t sport, uint16_t dport)
{
	size_t n = family == 6 ? 16 : 4;
	struct fastpath_account a = {.proto = (uint8_t)proto,
		.tuple = {.src = {.family = family == 6 ? IP_V6 : IP_V4},
			.dst = {.family = family == 6 ? IP_V6 : IP_V4},
			.sport = ntohs(sport),
			.dport = ntohs(dport)}};

	memcpy(a.tuple.src.bytes, src, n);
	memcpy(a.tuple.dst.bytes, dst, n);
	return a;
}

static int read_settled(const struct fastpath *f, struct arena *a, struct fastpath_accounts *out)
{
	int fd = bpf_map__fd(f->base->maps.accounts), err = 0;
	struct fp_account_key *keys = calloc(BATCH, sizeof(*keys));
	struct fp_account *values = calloc(BATCH, sizeof(*values));
	uint32_t place, rounds = bpf_map__max_entries(f->base->maps.accounts) / BATCH + 64, n;
	void *from = NULL;

	if (!keys || !values)
		abort();
	/* The map is a hash that goes on changing: it might never end. */
	for (uint32_t round = 0; !err && round < rounds; round++) {
		n = BATCH;
		err = bpf_map_lookup_batch(fd, from, &place, keys, values, &n, NULL);
		if (err && err != -ENOENT)
			break;
		for (uint32_t i = 0; i < n; i++) {
			struct fastpath_account *one = vec_add(a, &out->items);

			*one = account_of(keys[i].family, keys[i].proto, keys[i].src, keys[i].dst,
				keys[i].sport, keys[i].dport);
			one->packets = values[i].packets;
			one->bytes = values[i].bytes;
		}
		from = &place;
	}
	free(keys);
	free(values);
	return err == -ENOENT ? 0 : err;
}

static void take(struct fastpath_accounts *out, struct arena *a, const struct fp_how *how,
	const struct fastpath_account *one)
{
	if (!how->out)
		return;
	out->cached++;
	if (!how->packets)
		return;
	vec_push(a, &out->items, *one);
	out->items.items[out->items.len - 1].packets = how->packets;
	out->items.items[out->items.len - 1].bytes = how->bytes;
}

/* What is in the cache and not yet settled; it changes as it is read, but only by what goes on. */
static void read_unsettled(const struct fastpath *f, struct arena *a, struct fastpath_accounts *out)
{
	const struct fp_flow4 *f4 = f->flows4[0].way;
	const struct fp_flow6 *f6 = f->flows6[0].way;
	struct fastpath_account one;

	for (size_t i = 0; i < (size_t)f->n_buckets4 * FP_WAYS; i++) {
		const struct fp_key4 *k = &f4[i].key;

		if (!k->in)
			continue;
		one = account_of(4, k->in & 0xff, &k->src, &k->dst, k->sport, k->dport);
		take(out, a, &f4[i].how, &one);
	}
	for (size_t i = 0; i < (size_t)f->n_buckets6 * FP_WAYS; i++) {
		const struct fp_key6 *k = &f6[i].key;

		if (!k->in)
			continue;
		one = account_of(6, k->in & 0xff, k->src, k->dst, k->sport, k->dport);
		take(out, a, &f6[i].how, &one);
	}
}

static int compare(const void *va, const void *vb)
{
	const struct fastpath_account *x = va, *y = vb;
	int c = x->proto - y->proto;

	if (!c)
		c = ip_cmp(&x->tuple.src, &y->tuple.src);
	if (!c)
		c = ip_cmp(&x->tuple.dst, &y->tuple.dst);
	if (!c)
		c = x->tuple.sport - y->tuple.sport;
	return c ? c : x->tuple.dport - y->tuple.dport;
}

const struct fastpath_account *fastpath_account_find(
	const struct fastpath_accounts *all, uint8_t proto, const struct flow_tuple *tuple)
{
	const struct fastpath_account key = {.proto = proto, .tuple = *tuple};

	if (!all->items.len)
		return NULL;
	return bsearch(&key, all->items.items, all->items.len, sizeof(key), compare);
}

int fastpath_read_accounts(const struct fastpath *f, struct arena *a, struct fastpath_accounts *out,
	struct kernel_error *e)
{
	struct fastpath_account *items;
	size_t n = 0;
	int err;

	*out = (struct fastpath_accounts){0};
	read_unsettled(f, a, out);
	err = read_settled(f, a, out);
	if (err)
		return kernel_error_set(e, -err, "the accounts cannot be read");
	items = out->items.items;
	if (out->items.len)
		qsort(items, out->items.len, sizeof(*items), compare);
	for (size_t i = 0; i < out->items.len; i++) {
		if (n && compare(&items[n - 1], &items[i]) == 0) {
			items[n - 1].packets += items[i].packets;
			items[n - 1].bytes += items[i].bytes;
		} else {
			items[n++] = items[i];
		}
	}
	out->items.len = n;
	return 0;
}
