/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sweeping connections: what is seen of each, and that exactly the picked ones go. */
#include "netns.h"

#include <arpa/inet.h>

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include "kernel/conntrack.h"

#define LIMIT_SEEN 64

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct nfct_handle *ct; /* another implementation, to make entries with */
	struct kernel_error e;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->a = arena_new();
	f->k = open_kernel();
	f->ct = nfct_open(CONNTRACK, 0);
	assert_non_null(f->ct);
}

static void end(struct fixture *f)
{
	nfct_close(f->ct);
	kernel_close(f->k);
	arena_free(f->a);
}

struct shape {
	uint8_t proto;
	const char *src, *dst;	 /* original */
	const char *rsrc, *rdst; /* reply; NULL: mirrored */
	uint16_t sport, dport, rsport, rdport;
	uint32_t mark;
	uint16_t zone;
};

static void set_addr(struct nf_conntrack *ct, enum nf_conntrack_attr v4, enum nf_conntrack_attr v6,
	const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a), 0);
	nfct_set_attr(ct, a.family == IP_V6 ? v6 : v4, a.bytes);
}

static void query(struct fixture *f, enum nf_conntrack_query what, const struct shape *s)
{
	struct nf_conntrack *ct = nfct_new();
	bool v6 = strchr(s->src, ':');

	assert_non_null(ct);
	nfct_set_attr_u8(ct, ATTR_ORIG_L3PROTO, v6 ? AF_INET6 : AF_INET);
	nfct_set_attr_u8(ct, ATTR_REPL_L3PROTO, v6 ? AF_INET6 : AF_INET);
	nfct_set_attr_u8(ct, ATTR_ORIG_L4PROTO, s->proto);
	nfct_set_attr_u8(ct, ATTR_REPL_L4PROTO, s->proto);
	set_addr(ct, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, s->src);
	set_addr(ct, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, s->dst);
	set_addr(ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, s->rsrc ? s->rsrc : s->dst);
	set_addr(ct, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST, s->rdst ? s->rdst : s->src);
	if (s->proto == PROTO_ICMP) {
		nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, 8);
		nfct_set_attr_u16(ct, ATTR_ICMP_ID, htons(s->sport));
	} else {
		nfct_set_attr_u16(ct, ATTR_ORIG_PORT_SRC, htons(s->sport));
		nfct_set_attr_u16(ct, ATTR_ORIG_PORT_DST, htons(s->dport));
		nfct_set_attr_u16(ct, ATTR_REPL_PORT_SRC, htons(s->rsport ? s->rsport : s->dport));
		nfct_set_attr_u16(ct, ATTR_REPL_PORT_DST, htons(s->rdport ? s->rdport : s->sport));
	}
	if (s->proto == PROTO_TCP)
		nfct_set_attr_u8(ct, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	if (s->zone)
		nfct_set_attr_u16(ct, ATTR_ZONE, s->zone);
	nfct_set_attr_u32(ct, ATTR_MARK, s->mark);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, 600);
	nfct_set_attr_u32(ct, ATTR_STATUS, IPS_ASSURED | IPS_SEEN_REPLY | IPS_CONFIRMED);
	if (nfct_query(f->ct, what, ct) < 0)
		fail_msg("conntrack query for %s port %u: %s", s->src, s->sport, strerror(errno));
	nfct_destroy(ct);
}

static const struct shape other = {
	PROTO_UDP, "198.51.100.8", "192.0.2.8", NULL, NULL, 1008, 53, 0, 0, 0, 0};

struct seen {
	struct flow flows[LIMIT_SEEN];
	size_t n;
	uint16_t first, last; /* original source ports to delete */
	struct fixture *f;
	const struct shape *meanwhile; /* ended during the dump */
	bool replaced;		       /* and begun anew */
};

static bool pick(const struct flow *f, void *data)
{
	struct seen *s = data;
	bool doomed = f->original.sport >= s->first && f->original.sport <= s->last;

	if (s->n < LIMIT_SEEN)
		s->flows[s->n] = *f;
	s->n++;
	if (doomed && s->meanwhile) {
		query(s->f, NFCT_Q_DESTROY, s->meanwhile);
		if (s->replaced) {
			/* Takes the memory that has become free: the id is made from its address. */
			query(s->f, NFCT_Q_CREATE, &other);
			query(s->f, NFCT_Q_CREATE, s->meanwhile);
		}
	}
	return doomed;
}

static struct seen sweep(struct fixture *f, uint16_t first, uint16_t last, size_t deleted)
{
	struct seen s = {.first = first, .last = last};
	size_t n = 99;

	ok(kernel_conntrack_sweep(f->k, pick, &s, &n, &f->e), f->e);
	assert_int_equal(n, deleted);
	return s;
}

static struct seen look(struct fixture *f)
{
	return sweep(f, 1, 0, 0);
}

static const struct flow *flow_of(const struct seen *s, uint16_t sport)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->flows[i].original.sport == sport)
			return &s->flows[i];
	return NULL;
}

static void assert_tuple(const struct flow_tuple *t, const char *src, uint16_t sport,
	const char *dst, uint16_t dport)
{
	char buf[IP_STRLEN];

	assert_string_equal(ip_format(&t->src, buf), src);
	assert_string_equal(ip_format(&t->dst, buf), dst);
	assert_int_equal(t->sport, sport);
	assert_int_equal(t->dport, dport);
}

static const struct shape shapes[] = {
	/* As a map makes it: 192.0.2.1:80 leads to 10.0.0.2:8080, with SNAT to 10.0.0.1. */
	{PROTO_TCP, "198.51.100.9", "192.0.2.1", "10.0.0.2", "10.0.0.1", 1001, 80, 8080, 40000,
		0x81000000, 0},
	{PROTO_UDP, "198.51.100.9", "192.0.2.1", NULL, NULL, 1002, 53, 0, 0, 0x02000007, 0},
	{PROTO_TCP, "2001:db8:9::9", "2001:db8::1", "fd00::2", NULL, 1003, 443, 8443, 0, 0x82000000,
		0},
	{PROTO_UDP, "2001:db8:9::9", "2001:db8::1", NULL, NULL, 1004, 53, 0, 0, 0, 0},
	{PROTO_SCTP, "198.51.100.9", "192.0.2.1", NULL, NULL, 1005, 36412, 0, 0, 0x81000000, 0},
	{PROTO_ICMP, "198.51.100.9", "192.0.2.1", NULL, NULL, 1006, 0, 0, 0, 0x81000000, 0},
	/* The same tuple twice, in two zones. */
	{PROTO_UDP, "198.51.100.9", "192.0.2.2", NULL, NULL, 1007, 53, 0, 0, 0x81000000, 0},
	{PROTO_UDP, "198.51.100.9", "192.0.2.2", NULL, NULL, 1007, 53, 0, 0, 0x82000000, 7},
};

static void create_all(struct fixture *f)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		query(f, NFCT_Q_CREATE, &shapes[i]);
}

static void test_seen(void **state)
{
	const struct flow *flow;
	struct fixture f;
	struct seen s;

	NEEDS_NAMESPACE();
	begin(&f);
	create_all(&f);
	s = look(&f);
	assert_int_equal(s.n, 7); /* all but ICMP */
	flow = flow_of(&s, 1001);
	assert_non_null(flow);
	assert_int_equal(flow->proto, PROTO_TCP);
	assert_int_equal(flow->mark, 0x81000000);
	assert_true(flow->status & IPS_ASSURED);
	assert_tuple(&flow->original, "198.51.100.9", 1001, "192.0.2.1", 80);
	assert_tuple(&flow->reply, "10.0.0.2", 8080, "10.0.0.1", 40000);
	flow = flow_of(&s, 1002);
	assert_non_null(flow);
	assert_int_equal(flow->mark, 0x02000007);
	flow = flow_of(&s, 1003);
	assert_non_null(flow);
	assert_tuple(&flow->original, "2001:db8:9::9", 1003, "2001:db8::1", 443);
	assert_tuple(&flow->reply, "fd00::2", 8443, "2001:db8:9::9", 1003);
	flow = flow_of(&s, 1005);
	assert_true(flow && flow->proto == PROTO_SCTP);
	assert_null(flow_of(&s, 1006));
	end(&f);
}

static void test_delete(void **state)
{
	struct fixture f;
	struct seen s;

	NEEDS_NAMESPACE();
	begin(&f);
	create_all(&f);
	sweep(&f, 1001, 1001, 1);
	sweep(&f, 1004, 1005, 2);
	s = look(&f);
	assert_int_equal(s.n, 4);
	assert_non_null(flow_of(&s, 1002));
	assert_non_null(flow_of(&s, 1003));
	sweep(&f, 1007, 1007, 2); /* in both zones */
	s = look(&f);
	assert_int_equal(s.n, 2);
	assert_non_null(flow_of(&s, 1002));
	assert_non_null(flow_of(&s, 1003));
	sweep(&f, 0, UINT16_MAX, 2);
	assert_int_equal(look(&f).n, 0);
	end(&f);
}

static bool in_zone_seven(const struct flow *f, void *data)
{
	return f->original.sport == 1007 && f->mark == 0x82000000;
}

static void test_zone(void **state)
{
	struct fixture f;
	const struct flow *left;
	struct seen s;
	size_t n;

	NEEDS_NAMESPACE();
	begin(&f);
	create_all(&f);
	ok(kernel_conntrack_sweep(f.k, in_zone_seven, NULL, &n, &f.e), f.e);
	assert_int_equal(n, 1);
	s = look(&f);
	assert_int_equal(s.n, 6);
	left = flow_of(&s, 1007);
	assert_non_null(left);
	assert_int_equal(left->mark, 0x81000000);
	end(&f);
}

static void test_marked(void **state)
{
	struct seen s = {.first = 1002, .last = 1004};
	struct fixture f;
	size_t n;

	NEEDS_NAMESPACE();
	begin(&f);
	create_all(&f);
	ok(kernel_conntrack_sweep_marked(f.k, 0x80000000, 0x80000000, pick, &s, &n, &f.e), f.e);
	assert_int_equal(s.n, 5); /* two with mark 0x02000007 and 0 are left out */
	assert_null(flow_of(&s, 1002));
	assert_null(flow_of(&s, 1004));
	assert_int_equal(n, 1); /* 1003 */
	s = look(&f);
	assert_int_equal(s.n, 6);
	end(&f);
}

/* Between dump and deletion an entry may end, or end and begin anew as another connection. */
static void test_meanwhile(void **state)
{
	struct seen s = {.first = 1002, .last = 1002, .meanwhile = &shapes[1]};
	struct fixture f;
	cpu_set_t one;
	size_t n;

	NEEDS_NAMESPACE();
	/* Free memory is kept per processor. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	begin(&f);
	s.f = &f;
	create_all(&f);
	ok(kernel_conntrack_sweep(f.k, pick, &s, &n, &f.e), f.e);
	assert_int_equal(n, 0);
	assert_int_equal(f.e.err, 0);
	assert_int_equal(look(&f).n, 6);

	query(&f, NFCT_Q_CREATE, &shapes[1]);
	s.replaced = true;
	s.n = 0;
	ok(kernel_conntrack_sweep(f.k, pick, &s, &n, &f.e), f.e);
	assert_int_equal(n, 0);
	s = look(&f);
	assert_int_equal(s.n, 8);
	assert_non_null(flow_of(&s, 1002));
	end(&f);
}

/* A real datagram through a real translation. */
static void test_translated(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
	const struct flow *flow;
	struct fixture f;
	struct seen s;
	int fd;

	NEEDS_NAMESPACE();
	if (system("nft --version >/dev/null 2>&1") != 0) {
		print_message("# SKIP: needs nft(8)\n");
		skip();
	}
	begin(&f);
	sh("ip link set lo up && ip addr add 192.0.2.1/32 dev lo");
	sh("nft 'table ip t { chain out { type nat hook output priority -100; "
	   "ip daddr 192.0.2.1 udp dport 53 ct mark set 0x81000000 dnat to 127.0.0.1:5353; }; }'");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_addr.s_addr = inet_addr("192.0.2.1");
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	s = look(&f);
	assert_int_equal(s.n, 1);
	flow = &s.flows[0];
	assert_int_equal(flow->proto, PROTO_UDP);
	assert_int_equal(flow->mark, 0x81000000);
	assert_true(flow->status & IPS_DST_NAT);
	assert_int_equal(flow->original.dport, 53);
	assert_int_equal(flow->reply.sport, 5353);
	assert_int_equal(flow->reply.dport, flow->original.sport);
	sweep(&f, flow->original.sport, flow->original.sport, 1);
	assert_int_equal(look(&f).n, 0);
	close(fd);
	end(&f);
}

struct tally {
	size_t seen;
};

static bool every_second_port(const struct flow *f, void *data)
{
	((struct tally *)data)->seen++;
	return f->original.sport % 2 == 0;
}

/* More than fits in one message, or in the socket's queue. */
static void test_many(void **state)
{
	struct shape s = {PROTO_UDP, "198.51.100.9", "192.0.2.1", NULL, NULL, 0, 53, 0, 0, 0, 0};
	struct tally before = {0}, after = {0};
	struct fixture f;
	size_t n;

	NEEDS_NAMESPACE();
	begin(&f);
	for (uint16_t port = 1; port <= 20000; port++) {
		s.sport = port;
		query(&f, NFCT_Q_CREATE, &s);
	}
	ok(kernel_conntrack_sweep(f.k, every_second_port, &before, &n, &f.e), f.e);
	assert_int_equal(before.seen, 20000);
	assert_int_equal(n, 10000);
	ok(kernel_conntrack_sweep(f.k, every_second_port, &after, &n, &f.e), f.e);
	assert_int_equal(after.seen, 10000);
	assert_int_equal(n, 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_marked),
		cmocka_unit_test(test_meanwhile),
		cmocka_unit_test(test_translated),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
