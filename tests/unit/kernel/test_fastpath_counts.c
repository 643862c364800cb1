/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fast path's programs count, read as one: what is settled and what is still a flow's own. */
#include "netns.h"

#include <arpa/inet.h>
#include <time.h>

#include "kernel/fastpath_internal.h"

#define FLOWS 65536u

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct fastpath *path;
	struct kernel_error e;
};

static void begin(struct fixture *f, uint32_t flows)
{
	int err;

	memset(f, 0, sizeof(*f));
	f->a = arena_new();
	f->k = open_kernel();
	err = fastpath_new(f->k, flows, &f->path, &f->e);
	if (err == -EOPNOTSUPP || err == -EPERM) {
		print_message("# SKIP: no fast path here: %s\n", f->e.text);
		skip();
	}
	ok(err, f->e);
}

static void end(struct fixture *f)
{
	fastpath_free(f->path);
	kernel_close(f->k);
	arena_free(f->a);
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

/* Connection @i has carried that much, as far as it is settled; from 10.0.0.1 or 2001:db8::1. */
static void settled(struct fixture *f, bool v6, uint32_t i, uint64_t packets)
{
	struct fp_account_key key = {.family = v6 ? 6 : 4,
		.proto = PROTO_UDP,
		.sport = htons((uint16_t)i),
		.dport = htons((uint16_t)(i >> 16))};
	struct fp_account value = {packets, packets * 100};

	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "2001:db8::1" : "10.0.0.1", key.src);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "2001:db8::2" : "10.0.0.2", key.dst);
	put(f->path->base->maps.accounts, &key, &value);
}

static struct fp_how how(uint32_t out, uint16_t packets)
{
	return (struct fp_how){.out = out, .packets = packets, .bytes = packets * 100u};
}

/* And what its flow in bucket @bucket, way @way, has of its own; @out 0: it is the kernel's. */
static void cached4(
	struct fixture *f, uint32_t bucket, int way, uint32_t i, uint32_t out, uint16_t packets)
{
	int fd = bpf_map__fd(f->path->base->maps.flows4);
	struct fp_bucket4 b;
	struct fp_flow4 *flow = &b.way[way];

	assert_int_equal(bpf_map_lookup_elem(fd, &bucket, &b), 0);
	*flow = (struct fp_flow4){.how = how(out, packets)};
	inet_pton(AF_INET, "10.0.0.1", &flow->key.src);
	inet_pton(AF_INET, "10.0.0.2", &flow->key.dst);
	flow->key.sport = htons((uint16_t)i);
	flow->key.dport = htons((uint16_t)(i >> 16));
	flow->key.in = 3u << 8 | PROTO_UDP;
	put(f->path->base->maps.flows4, &bucket, &b);
}

static void cached6(struct fixture *f, uint32_t bucket, uint32_t i, uint16_t packets)
{
	struct fp_bucket6 b = {0};
	struct fp_flow6 *flow = &b.way[0];

	flow->how = how(2, packets);
	inet_pton(AF_INET6, "2001:db8::1", flow->key.src);
	inet_pton(AF_INET6, "2001:db8::2", flow->key.dst);
	flow->key.sport = htons((uint16_t)i);
	flow->key.dport = htons((uint16_t)(i >> 16));
	flow->key.in = 3u << 8 | PROTO_UDP;
	put(f->path->base->maps.flows6, &bucket, &b);
}

/* The whole, as it is settled on the last CPU. */
static void settled_all(struct fixture *f, uint64_t packets)
{
	struct fp_account *each = calloc(f->path->n_cpus, sizeof(*each));
	uint32_t zero = 0;

	each[f->path->n_cpus - 1] = (struct fp_account){packets, packets * 100};
	put(f->path->base->maps.settled, &zero, each);
	free(each);
}

static uint64_t packets_of(struct fixture *f, bool v6, uint32_t i)
{
	struct fastpath_account one, other;
	struct fastpath_accounts all;
	bool found;
	struct flow_tuple t = {.sport = (uint16_t)i, .dport = (uint16_t)(i >> 16)};

	assert_int_equal(ip_parse(v6 ? "2001:db8::1" : "10.0.0.1", &t.src), 0);
	assert_int_equal(ip_parse(v6 ? "2001:db8::2" : "10.0.0.2", &t.dst), 0);
	fastpath_read_accounts(f->path, f->a, &all);
	assert_false(fastpath_account_find(&all, PROTO_TCP, &t, &other));
	found = fastpath_account_find(&all, PROTO_UDP, &t, &one);
	assert_int_equal(found, one.packets != 0);
	assert_int_equal(one.bytes, one.packets * 100);
	return one.packets;
}

static void test_accounts(void **state)
{
	struct fixture f;

	(void)state;
	NEEDS_NAMESPACE();
	begin(&f, 1024);
	settled(&f, false, 1, 1000);
	settled(&f, true, 1, 500);
	assert_int_equal(packets_of(&f, false, 1), 1000);
	assert_int_equal(packets_of(&f, true, 1), 500);
	assert_int_equal(packets_of(&f, false, 2), 0);
	/* On two CPUs, beside others; what is the kernel's does not count. */
	cached4(&f, 0, 0, 1, 2, 7);
	cached4(&f, 5, 3, 1, 2, 30);
	cached4(&f, 5, 4, 2, 2, 11);
	cached4(&f, 6, 0, 3, 0, 5);
	cached6(&f, 9, 1, 3);
	assert_int_equal(packets_of(&f, false, 1), 1037);
	assert_int_equal(packets_of(&f, false, 2), 11);
	assert_int_equal(packets_of(&f, false, 3), 0);
	assert_int_equal(packets_of(&f, true, 1), 503);
	end(&f);
}

static void test_totals(void **state)
{
	struct fastpath_totals t;
	struct fixture f;

	(void)state;
	NEEDS_NAMESPACE();
	begin(&f, 1024);
	ok(fastpath_read_totals(f.path, &t, &f.e), f.e);
	assert_int_equal(t.packets + t.bytes + t.cached, 0);
	settled_all(&f, 1000);
	settled(&f, false, 1, 400); /* accounts come and go: it does not matter */
	cached4(&f, 0, 0, 1, 2, 7);
	cached4(&f, 6, 0, 3, 0, 5);
	cached6(&f, 9, 1, 3);
	ok(fastpath_read_totals(f.path, &t, &f.e), f.e);
	assert_int_equal(t.packets, 1010);
	assert_int_equal(t.bytes, 101000);
	assert_int_equal(t.cached, 2);
	/* Seen while it was settled: in neither place. */
	cached4(&f, 0, 0, 1, 2, 0);
	ok(fastpath_read_totals(f.path, &t, &f.e), f.e);
	assert_int_equal(t.packets, 1010);
	assert_int_equal(t.bytes, 101000);
	settled_all(&f, 1008);
	ok(fastpath_read_totals(f.path, &t, &f.e), f.e);
	assert_int_equal(t.packets, 1011);
	assert_in_range(fastpath_room_per_cpu(f.path), 1, 1024);
	end(&f);
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* As many as there is room for, all of them with something: the daemon does nothing else meanwhile. */
static void test_many(void **state)
{
	struct fastpath_accounts all;
	struct fastpath_account one;
	struct flow_tuple t = {0};
	struct fixture f;
	double begun, read;
	uint64_t sum = 0;

	(void)state;
	NEEDS_NAMESPACE();
	begin(&f, FLOWS);
	assert_int_equal(ip_parse("10.0.0.1", &t.src), 0);
	assert_int_equal(ip_parse("10.0.0.2", &t.dst), 0);
	for (uint32_t i = 0; i < 2 * FLOWS; i++) {
		settled(&f, false, i, 3);
		cached4(&f, i / FP_WAYS, i % FP_WAYS, i, 2, 4);
	}
	begun = cpu_ms();
	fastpath_read_accounts(f.path, f.a, &all);
	read = cpu_ms();
	for (uint32_t i = 0; i < 2 * FLOWS; i++) {
		t.sport = (uint16_t)i;
		t.dport = (uint16_t)(i >> 16);
		assert_true(fastpath_account_find(&all, PROTO_UDP, &t, &one));
		sum += one.packets;
	}
	print_message("# %zu flows of a full cache in %.1f ms, all accounts in %.1f ms\n",
		all.cells.len, read - begun, cpu_ms() - read);
	/* The kernel's hash forgets some before it is full. */
	assert_in_range(sum, 5 * FLOWS, 2 * FLOWS * 7);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
