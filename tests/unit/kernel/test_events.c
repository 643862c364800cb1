/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: what others do is told, with its maker; what we do is not; a flood is told as such. */
#include "netns.h"

#include <poll.h>
#include <sys/socket.h>

#include "kernel/events.h"
#include "kernel/nft.h"
#include "kernel/observe.h"
#include "kernel/route.h"

#define SEEN_MAX    4096
#define PATIENCE_MS 10000

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct kernel_events *ev;
	struct kernel_error e;
	struct kernel_event seen[SEEN_MAX];
	size_t n;
	unsigned int all; /* EVENT_* of all that came */
};

static void begin_with(struct fixture *f, bool neighbours)
{
	memset(f, 0, sizeof(*f));
	/* No link-local addresses, which come by themselves some time later. */
	sh("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1");
	sh("ip link set lo up && ip link add wan0 type veth peer name wan1");
	sh("ip link set wan0 up && ip link set wan1 up && ip addr add 192.0.2.1/24 dev wan0");
	settle_links("multicast ff00::/8", 2);
	f->a = arena_new();
	f->k = open_kernel();
	ok(kernel_events_open(f->k, neighbours, &f->ev, &f->e), f->e);
}

static void begin(struct fixture *f)
{
	begin_with(f, false);
}

static void end(struct fixture *f)
{
	kernel_events_close(f->ev);
	kernel_close(f->k);
	arena_free(f->a);
}

static void see(const struct kernel_event *event, void *data)
{
	struct fixture *f = data;

	f->all |= event->what;
	if (f->n < SEEN_MAX)
		f->seen[f->n++] = *event;
}

/* All that has come by now, alone. */
static void read_events(struct fixture *f)
{
	f->n = 0;
	f->all = 0;
	assert_true(kernel_events_read(f->ev, see, f) >= 0);
}

static bool wait_for_more(struct fixture *f)
{
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
	int numbers[2];

	kernel_events_fds(f->ev, numbers);
	fds[0].fd = numbers[0];
	fds[1].fd = numbers[1];
	return poll(fds, 2, PATIENCE_MS) > 0 && kernel_events_read(f->ev, see, f) >= 0;
}

/* Some come a moment after what caused them, from a worker of the kernel's. */
static const struct kernel_event *find(struct fixture *f, const char *text)
{
	size_t i;

	do {
		for (i = 0; i < f->n; i++)
			if (strcmp(f->seen[i].text, text) == 0)
				return &f->seen[i];
	} while (f->n < SEEN_MAX && wait_for_more(f));
	print_message("no event \"%s\", but:\n", text);
	for (i = 0; i < f->n; i++)
		print_message("\t%s\n", f->seen[i].text);
	fail();
	return NULL;
}

static void test_links_and_addresses(void **state)
{
	const struct kernel_event *e;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	read_events(&f);
	sh("ip addr add 192.0.2.9/24 dev wan0 && ip addr add 2001:db8::9/64 dev wan0 nodad");
	read_events(&f);
	e = find(&f, "address 192.0.2.9/24");
	assert_int_equal(e->what, EVENT_ADDRESS);
	assert_int_equal(e->family, IP_V4);
	assert_true(e->pid > 1 && e->port == e->pid); /* the shell's ip */
	assert_int_equal(find(&f, "address 2001:db8::9/64")->family, IP_V6);
	sh("ip link set wan1 down");
	read_events(&f);
	find(&f, "link wan0 without carrier");
	assert_int_equal(find(&f, "link wan1 down")->what, EVENT_LINK);
	sh("ip link del wan0");
	read_events(&f);
	e = find(&f, "link wan0 gone");
	assert_true(e->gone && e->interface > 1);
	assert_true(find(&f, "address 192.0.2.9/24 gone")->gone);
	end(&f);
}

static void test_routes_and_rules(void **state)
{
	const struct kernel_event *e;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip route add 10.0.0.0/8 via 192.0.2.254 table 70001 proto 180");
	sh("ip route add default via 192.0.2.254 table 9");
	sh("ip rule add pref 501 fwmark 1 lookup 70001 proto 180 && ip -6 rule add pref 7 lookup "
	   "9");
	read_events(&f);
	e = find(&f, "route 10.0.0.0/8 table 70001");
	assert_int_equal(e->what, EVENT_ROUTE);
	assert_int_equal(e->protocol, 180);
	assert_int_equal(e->table, 70001);
	assert_int_equal(e->prefix_len, 8);
	assert_true(e->interface > 1);
	assert_int_equal(find(&f, "route default table 9")->prefix_len, 0);
	e = find(&f, "rule pref 501");
	assert_int_equal(e->what, EVENT_RULE);
	assert_int_equal(e->protocol, 180);
	assert_int_equal(find(&f, "rule pref 7")->family, IP_V6);
	sh("ip rule del pref 501 && ip route del 10.0.0.0/8 table 70001");
	read_events(&f);
	assert_true(find(&f, "rule pref 501 gone")->gone);
	assert_int_equal(find(&f, "route 10.0.0.0/8 table 70001 gone")->protocol, 180);
	end(&f);
}

static void test_sysctls(void **state)
{
	const struct kernel_event *e;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	read_events(&f);
	sh("sysctl -qw net.ipv4.conf.wan0.rp_filter=1 net.ipv4.conf.all.rp_filter=2");
	read_events(&f);
	assert_int_equal(f.n, 2);
	e = &f.seen[0];
	assert_int_equal(e->what, EVENT_SYSCTL);
	assert_int_equal(e->rp_filter, 1);
	assert_int_equal(e->forwarding, -1);
	assert_true((int32_t)e->interface > 1);
	assert_int_equal((int32_t)f.seen[1].interface, -1);
	sh("sysctl -qw net.ipv6.conf.wan0.forwarding=1");
	read_events(&f);
	assert_true(f.n >= 1);
	assert_int_equal(f.seen[0].family, IP_V6);
	assert_int_equal(f.seen[0].forwarding, 1);
	end(&f);
}

static void test_neighbours_only_if_asked(void **state)
{
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	read_events(&f);
	sh("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev wan0");
	read_events(&f);
	assert_int_equal(f.n, 0);
	end(&f);
	sh("ip link del wan0");
	begin_with(&f, true);
	read_events(&f);
	sh("ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev wan0");
	read_events(&f);
	assert_int_equal(find(&f, "neighbour 192.0.2.7")->what, EVENT_NEIGHBOUR);
	assert_int_equal(find(&f, "neighbour 192.0.2.7")->addr.bytes[3], 7);
	assert_int_equal(find(&f, "neighbour 192.0.2.7")->mac[0], 2);
	assert_int_equal(find(&f, "neighbour 192.0.2.7")->mac[5], 7);
	sh("ip neigh del 192.0.2.7 dev wan0");
	read_events(&f);
	find(&f, "neighbour 192.0.2.7 gone");
	end(&f);
}

/* However large a transaction is, it is one event; and its process is named though it has gone. */
static void test_one_event_per_transaction(void **state)
{
	int fds[2], size = 4096;
	uint32_t generation;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	read_events(&f);
	/* The elements take no room in the queue. */
	kernel_events_fds(f.ev, fds);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	sh("(echo 'table ip t { set s { type inet_service; }; }'; "
	   "echo 'add element ip t s {'; seq -s, 1 60000; echo '}') | nft -f -");
	read_events(&f);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.seen[0].what, EVENT_RULESET);
	assert_string_equal(f.seen[0].process, "nft");
	assert_true(f.seen[0].pid > 1);
	ok(kernel_nft_generation(f.k, &generation, &f.e), f.e);
	assert_int_equal(f.seen[0].generation, generation);
	sh("nft flush ruleset && nft add table ip a");
	read_events(&f);
	assert_int_equal(f.n, 2);
	end(&f);
}

static void change_everything(struct fixture *f)
{
	struct net_nexthop hop = {.interface = "wan0", .weight = 1};
	struct net_route route = {.family = IP_V4,
		.table = 70001,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.scope = 253,
		.dst = {.addr = {.family = IP_V4, .bytes = {10}}, .len = 8}};
	struct net_rule rule = {.family = IP_V4,
		.preference = 501,
		.mark = 1,
		.mask = 1,
		.protocol = 180,
		.action = RULE_LOOKUP,
		.table = 70001,
		.suppress_prefixlen = -1};
	struct nft_change table = {
		.kind = NFT_ADD_TABLE, .family = FAMILY_INET, .table = "portreeve"};
	struct nft_failure failure;
	uint32_t after;

	vec_push(f->a, &route.nexthops, hop);
	ok(kernel_route_add(f->k, &route, &f->e), f->e);
	ok(kernel_rule_add(f->k, &rule, &f->e), f->e);
	ok(kernel_nft_commit(f->k, &table, 1, 0, &after, &failure), failure.error);
	ok(kernel_rule_delete(f->k, &rule, &f->e), f->e);
	ok(kernel_route_delete(f->k, &route, &f->e), f->e);
}

static void test_own_changes_are_left_out(void **state)
{
	struct kernel *other;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	read_events(&f);
	change_everything(&f);
	read_events(&f);
	assert_int_equal(f.n, 0);
	/* Only by these very sockets: others of this process count. */
	other = f.k;
	f.k = open_kernel();
	sh("nft flush ruleset");
	read_events(&f);
	change_everything(&f);
	read_events(&f);
	assert_int_equal(f.all, EVENT_ROUTE | EVENT_RULE | EVENT_RULESET);
	assert_int_equal(f.n, 5);
	kernel_close(f.k);
	f.k = other;
	end(&f);
}

static void test_too_many_to_follow(void **state)
{
	int fds[2], size = 4096;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	read_events(&f);
	kernel_events_fds(f.ev, fds);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	sh("seq 1 2000 | sed 's,.*,route add 10.0.0.0/24 dev wan0 table &,' | ip -batch -");
	read_events(&f);
	assert_true(f.all & EVENT_LOST);
	/* And it goes on from there. */
	read_events(&f);
	assert_int_equal(f.n, 0);
	sh("ip rule add pref 9 lookup 9");
	read_events(&f);
	assert_int_equal(f.n, 1);
	end(&f);
}

static void test_another_namespace(void **state)
{
	struct kernel_events *ev = NULL;
	struct kernel_error e = {0};
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(kernel_events_open(k, false, &ev, &e), -EXDEV);
	assert_null(ev);
	kernel_events_close(NULL);
	kernel_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links_and_addresses),
		cmocka_unit_test(test_routes_and_rules),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_neighbours_only_if_asked),
		cmocka_unit_test(test_one_event_per_transaction),
		cmocka_unit_test(test_own_changes_are_left_out),
		cmocka_unit_test(test_too_many_to_follow),
		cmocka_unit_test(test_another_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
