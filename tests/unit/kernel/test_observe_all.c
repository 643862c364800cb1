/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Observing what a walk needs besides: neighbours, flows, iptables-legacy, ipsets; and what was. */
#include "netns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "kernel/observe.h"
#include "netstate/ipset.h"

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct netstate seen;
	struct kernel_error e;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->a = arena_new();
	f->k = open_kernel();
}

static void look(struct fixture *f, unsigned int what)
{
	memset(&f->seen, 0, sizeof(f->seen));
	ok(kernel_observe(f->k, f->a, what, &f->seen, &f->e), f->e);
}

static void end(struct fixture *f)
{
	kernel_close(f->k);
	arena_free(f->a);
}

static bool have_tool(const char *tool)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	if (system(command) == 0)
		return true;
	print_message("# SKIP: %s is not installed\n", tool);
	return false;
}

static void test_have(void **state)
{
	static const struct {
		unsigned int what;
		uint32_t have;
	} bits[] = {
		{OBSERVE_NETWORK, HAVE_LINKS | HAVE_ADDRS | HAVE_ROUTES4 | HAVE_ROUTES6 |
					  HAVE_RULES4 | HAVE_RULES6},
		{OBSERVE_NETWORK | OBSERVE_NEIGHBOURS, HAVE_LINKS | HAVE_ADDRS | HAVE_ROUTES4 |
							       HAVE_ROUTES6 | HAVE_RULES4 |
							       HAVE_RULES6 | HAVE_NEIGHBOURS},
		{OBSERVE_SYSCTLS, HAVE_SYSCTLS},
		{OBSERVE_LISTENERS, HAVE_LISTENERS},
		{OBSERVE_RULESET, HAVE_NFT},
		{OBSERVE_FLOWS, HAVE_FLOWS},
		{OBSERVE_IPSETS, HAVE_IPSETS},
		{OBSERVE_LEGACY, HAVE_LEGACY4 | HAVE_LEGACY6},
	};
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		look(&f, bits[i].what);
		assert_int_equal(f.seen.have, bits[i].have);
	}
	end(&f);
}

static void test_links_and_routes(void **state)
{
	const struct net_link *l;
	const struct net_route *found = NULL;
	struct fixture f;

	NEEDS_NAMESPACE();
	sh("ip link add wan0 address 02:00:00:00:00:05 type veth peer name wan1");
	sh("ip link set wan0 group 7 up && ip link set wan1 up");
	sh("ip route add 10.0.0.0/8 dev wan0 mtu 1300");
	begin(&f);
	look(&f, OBSERVE_NETWORK);
	l = netstate_link(&f.seen, "wan0");
	assert_non_null(l);
	assert_true(l->has_mac);
	assert_memory_equal(l->mac, "\2\0\0\0\0\5", 6);
	assert_int_equal(l->group, 7);
	VEC_EACH (&f.seen.routes, const struct net_route, r) {
		if (r->table == TABLE_MAIN && r->dst.len == 8)
			found = r;
	}
	assert_non_null(found);
	assert_int_equal(found->mtu, 1300);
	end(&f);
}

static void test_vrf(void **state)
{
	const struct net_link *l;
	struct fixture f;

	NEEDS_NAMESPACE();
	if (system("ip link add blue type vrf table 77 2>/dev/null") != 0) {
		print_message("# SKIP: this kernel has no VRFs\n");
		skip();
	}
	sh("ip link add wan0 type veth peer name wan1 && ip link set wan0 master blue");
	begin(&f);
	look(&f, OBSERVE_NETWORK);
	l = netstate_link(&f.seen, "blue");
	assert_int_equal(l->vrf_table, 77);
	assert_int_equal(netstate_link(&f.seen, "wan0")->master, l->index);
	assert_int_equal(netstate_link(&f.seen, "wan0")->vrf_table, 0);
	end(&f);
}

static const struct net_rule *rule_at(const struct fixture *f, uint32_t preference)
{
	VEC_EACH (&f->seen.rules, const struct net_rule, r) {
		if (r->preference == preference)
			return r;
	}
	fail_msg("no rule %u", preference);
	return NULL;
}

static void test_rules(void **state)
{
	const struct net_rule *r;
	struct fixture f;

	NEEDS_NAMESPACE();
	sh("ip rule add pref 10 from all lookup 5 suppress_ifgroup 3");
	sh("ip rule add pref 11 tun_id 5 lookup 5");
	sh("ip rule add pref 12 from 10.0.0.0/8 lookup 5 realms 7");
	sh("ip rule add pref 13 ipproto tcp sport 5 dport 80-90 lookup 5");
	sh("ip rule add pref 14 from 10.0.0.0/8 fwmark 5/0xff lookup 5");
	begin(&f);
	look(&f, OBSERVE_NETWORK);
	r = rule_at(&f, 10);
	assert_true(r->has_suppress_ifgroup);
	assert_int_equal(r->suppress_ifgroup, 3);
	assert_false(r->more_selectors);
	r = rule_at(&f, 11);
	assert_int_equal(r->tun_id, 5);
	assert_false(r->more_selectors || r->has_suppress_ifgroup);
	assert_true(rule_at(&f, 12)->more_selectors);
	assert_false(rule_at(&f, 13)->more_selectors);
	assert_false(rule_at(&f, 14)->more_selectors);
	assert_int_equal(rule_at(&f, 14)->tun_id, 0);
	assert_false(rule_at(&f, 32766)->more_selectors);
	end(&f);
}

static void test_neighbours(void **state)
{
	unsigned int n = 0;
	struct fixture f;

	NEEDS_NAMESPACE();
	sh("ip link add wan0 type veth peer name wan1 && ip link set wan0 up && ip link set wan1 "
	   "up");
	sh("ip addr add 10.0.0.1/24 dev wan0");
	sh("ip neigh add 10.0.0.2 dev wan0 lladdr 02:00:00:00:00:09 nud permanent");
	sh("ip neigh add 10.0.0.3 dev wan0 lladdr 02:00:00:00:00:0a nud stale");
	sh("ip neigh add 10.0.0.4 dev wan0 nud failed");
	sh("ip neigh add fd00::9 dev wan0 lladdr 02:00:00:00:00:0b nud reachable");
	begin(&f);
	look(&f, OBSERVE_NEIGHBOURS);
	VEC_EACH (&f.seen.neighbours, const struct net_neighbour, it) {
		char buf[IP_STRLEN];
		const char *addr = ip_format(&it->addr, buf);

		assert_string_equal(it->interface, "wan0");
		if (strcmp(addr, "10.0.0.2") == 0) {
			assert_int_equal(it->state, NEIGHBOUR_REACHABLE);
			assert_true(it->has_mac);
			assert_memory_equal(it->mac, "\2\0\0\0\0\x9", 6);
		} else if (strcmp(addr, "10.0.0.3") == 0) {
			assert_int_equal(it->state, NEIGHBOUR_STALE);
		} else if (strcmp(addr, "10.0.0.4") == 0) {
			assert_int_equal(it->state, NEIGHBOUR_FAILED);
			assert_false(it->has_mac);
		} else if (strcmp(addr, "fd00::9") == 0) {
			assert_int_equal(it->state, NEIGHBOUR_REACHABLE);
		} else {
			continue;
		}
		n++;
	}
	assert_int_equal(n, 4);
	look(&f, OBSERVE_NETWORK);
	assert_int_equal(f.seen.neighbours.len, 0);
	end(&f);
}

static const struct net_flow *flow_of(const struct fixture *f, uint8_t proto)
{
	VEC_EACH (&f->seen.flows, const struct net_flow, it) {
		if (it->proto == proto)
			return it;
	}
	fail_msg("no flow of protocol %u among %zu", proto, f->seen.flows.len);
	return NULL;
}

static void test_flows(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7007)};
	const struct net_flow *flow;
	struct fixture f;
	int fd, client;

	if (!have_tool("nft"))
		skip();
	NEEDS_NAMESPACE();
	sh("ip link set lo up");
	sh("nft -f - <<'X'\n"
	   "table ip t { chain c { type filter hook output priority 0; ct state new ct mark set 5; "
	   "}; }\nX");
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (void *)&to, sizeof(to)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(connect(client, (void *)&to, sizeof(to)), 0);
	sh("ping -q -c 1 127.0.0.1 >/dev/null");
	begin(&f);
	look(&f, OBSERVE_FLOWS);
	flow = flow_of(&f, IPPROTO_TCP);
	assert_int_equal(flow->original.dport, 7007);
	assert_int_equal(flow->reply.sport, 7007);
	assert_string_equal(flow->state, "ESTABLISHED");
	assert_int_equal(flow->mark, 5);
	assert_true(flow->timeout_s > 3600);
	assert_true(flow->status & 2); /* IPS_SEEN_REPLY */
	assert_false(flow->offloaded);
	flow = flow_of(&f, IPPROTO_ICMP);
	assert_null(flow->state);
	assert_true(flow->original.sport != 0);
	assert_int_equal(flow->original.sport, flow->reply.dport);
	assert_int_equal(flow->original.dport, 0);
	close(fd);
	close(client);
	end(&f);
}

static const struct nft_set *ipset_of(const struct fixture *f, const char *name)
{
	VEC_EACH (&f->seen.ruleset.ipsets, struct nft_set *, s) {
		if (strcmp((*s)->name, name) == 0)
			return *s;
	}
	fail_msg("no ipset %s", name);
	return NULL;
}

/* The element as nft would write it. */
static void assert_element(const struct nft_set *s, size_t i, const char *want)
{
	struct strbuf text = STRBUF_INIT;

	assert_true(i < s->len);
	nft_print_element(&text, s, i);
	assert_string_equal(strbuf_str(&text), want);
	strbuf_fini(&text);
}

static void test_ipsets(void **state)
{
	static const struct {
		const char *create, *add, *read;
	} sets[] = {
		{"hash:ip", "1.1.1.1", "1.1.1.1"},
		{"hash:ip family inet6", "fd00::1", "fd00::1"},
		{"hash:ip netmask 24", "1.1.1.77", "1.1.1.0/24"},
		{"hash:net", "10.0.0.0/8", "10.0.0.0/8"},
		{"hash:net family inet6", "fd00::/8", "fd00::/8"},
		{"hash:mac", "02:00:00:00:00:01", "02:00:00:00:00:01"},
		{"hash:ip,port", "1.1.1.1,tcp:80", "1.1.1.1 . tcp . 80"},
		{"hash:ip,port", "1.1.1.1,icmp:8/0", "1.1.1.1 . icmp . 2048"},
		{"hash:net,port", "10.0.0.0/8,udp:53", "10.0.0.0/8 . udp . 53"},
		{"hash:ip,port,ip", "1.1.1.1,tcp:80,2.2.2.2", "1.1.1.1 . tcp . 80 . 2.2.2.2"},
		{"hash:ip,port,net", "1.1.1.1,tcp:80,2.0.0.0/8", "1.1.1.1 . tcp . 80 . 2.0.0.0/8"},
		{"hash:net,port,net", "1.0.0.0/8,tcp:80,2.0.0.0/8",
			"1.0.0.0/8 . tcp . 80 . 2.0.0.0/8"},
		{"hash:net,net", "1.0.0.0/8,2.0.0.0/8", "1.0.0.0/8 . 2.0.0.0/8"},
		{"hash:ip,mark", "1.1.1.1,0x10", "1.1.1.1 . 0x00000010"},
		{"hash:ip,mac", "1.1.1.1,02:00:00:00:00:01", "1.1.1.1 . 02:00:00:00:00:01"},
		{"hash:net,iface", "10.0.0.0/8,eth0", "10.0.0.0/8 . \"eth0\""},
		{"bitmap:port range 0-65535", "80", "80"},
		{"bitmap:ip range 10.0.0.0/16", "10.0.0.7", "10.0.0.7"},
		{"bitmap:ip,mac range 10.0.0.0/16", "10.0.0.7,02:00:00:00:00:01",
			"10.0.0.7 . 02:00:00:00:00:01"},
	};
	const size_t n = sizeof(sets) / sizeof(*sets);
	const struct nft_set *s;
	bool made[sizeof(sets) / sizeof(*sets)];
	size_t n_made = 0;
	struct fixture f;
	char name[16];

	if (!have_tool("ipset"))
		skip();
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < n; i++) {
		char command[128];

		snprintf(command, sizeof(command), "ipset create s%zu %s 2>/dev/null", i,
			sets[i].create);
		made[i] = system(command) == 0;
		if (made[i])
			sh("ipset add s%zu %s", i, sets[i].add);
		else
			print_message("# this kernel has no %s\n", sets[i].create);
		n_made += made[i];
	}
	sh("ipset create out hash:net && ipset add out 10.0.0.0/8 && ipset add out 10.1.0.0/16 "
	   "nomatch");
	sh("ipset create slow hash:ip timeout 600 comment && ipset add slow 1.1.1.1 comment why");
	sh("ipset create both list:set && ipset add both s0 && ipset add both s3");
	begin(&f);
	look(&f, OBSERVE_IPSETS);
	assert_true(made[0] && made[3]);
	assert_int_equal(f.seen.ruleset.ipsets.len, n_made + 3);
	for (size_t i = 0; i < n; i++) {
		if (!made[i])
			continue;
		snprintf(name, sizeof(name), "s%zu", i);
		s = ipset_of(&f, name);
		assert_false(s->flags & SET_INCOMPLETE);
		assert_int_equal(s->len, 1);
		assert_element(s, 0, sets[i].read);
	}
	s = ipset_of(&f, "out");
	assert_false(s->flags & SET_INCOMPLETE);
	assert_int_equal(s->len, 2);
	assert_element(s, 0, "10.0.0.0/16");
	assert_element(s, 1, "10.2.0.0-10.255.255.255");
	s = ipset_of(&f, "slow");
	assert_true(s->flags & SET_TIMEOUT);
	assert_int_equal(s->timeout_ms, 600000);
	assert_string_equal(s->comments[0], "why");
	s = ipset_of(&f, "both");
	assert_false(s->flags & SET_INCOMPLETE);
	assert_int_equal(s->len, 2);
	end(&f);
}

static void test_many_elements(void **state)
{
	const struct nft_set *s;
	struct fixture f;

	if (!have_tool("ipset"))
		skip();
	NEEDS_NAMESPACE();
	sh("(echo create big hash:ip maxelem 100000; for i in $(seq 0 199); do for j in $(seq 1 "
	   "200); do echo add big 10.0.$i.$j; done; done) | ipset restore");
	begin(&f);
	look(&f, OBSERVE_IPSETS);
	s = ipset_of(&f, "big");
	assert_int_equal(s->len, 40000);
	assert_element(s, 39999, "10.0.199.200");
	end(&f);
}

static const struct nft_table *table_of(
	const struct fixture *f, const char *name, enum nft_origin origin)
{
	VEC_EACH (&f->seen.ruleset.tables, struct nft_table *, t) {
		if ((*t)->family == FAMILY_IP && strcmp((*t)->name, name) == 0 &&
			(*t)->origin == origin)
			return *t;
	}
	return NULL;
}

static void test_iptables(void **state)
{
	const struct nft_table *t;
	const struct nft_stmt *s;
	struct fixture f;

	if (!have_tool("ipset") || !have_tool("iptables-nft") || !have_tool("iptables-legacy"))
		skip();
	NEEDS_NAMESPACE();
	sh("ipset create first hash:ip && ipset create second hash:ip,port");
	sh("iptables-nft -A FORWARD -m set --match-set second dst,dst -j ACCEPT");
	sh("iptables-nft -A FORWARD -j SET --add-set first src --exist");
	sh("iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 192.168.0.2");
	sh("nft 'table ip mangle { chain mine { type filter hook forward priority 0; }; }'");
	sh("iptables-legacy -P FORWARD DROP");
	sh("iptables-legacy -A FORWARD -m set --match-set first src -j ACCEPT");
	begin(&f);
	look(&f, OBSERVE_RULESET | OBSERVE_IPSETS | OBSERVE_LEGACY);
	assert_int_equal(f.seen.have, HAVE_NFT | HAVE_IPSETS | HAVE_LEGACY4 | HAVE_LEGACY6);
	t = table_of(&f, "filter", ORIGIN_XT_NFT);
	assert_non_null(t);
	s = &nft_chain_find(t, "FORWARD")->rules.items[0].stmts.items[0];
	assert_int_equal(s->kind, STMT_XT);
	assert_string_equal(s->xt.names[0], "second");
	s = &nft_chain_find(t, "FORWARD")->rules.items[1].stmts.items[1];
	assert_true(s->xt.target);
	assert_string_equal(s->xt.names[0], "first");
	assert_null(s->xt.names[1]);
	assert_non_null(table_of(&f, "nat", ORIGIN_XT_NFT));
	assert_non_null(table_of(&f, "mangle", ORIGIN_NFT));
	t = table_of(&f, "filter", ORIGIN_XT_LEGACY);
	assert_non_null(t);
	assert_true(nft_chain_find(t, "FORWARD")->policy_drop);
	assert_int_equal(nft_chain_find(t, "FORWARD")->rules.len, 1);
	s = &nft_chain_find(t, "FORWARD")->rules.items[0].stmts.items[0];
	assert_string_equal(s->xt.names[0], "first");
	assert_null(table_of(&f, "nat", ORIGIN_XT_LEGACY));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_have),
		cmocka_unit_test(test_links_and_routes),
		cmocka_unit_test(test_vrf),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_ipsets),
		cmocka_unit_test(test_many_elements),
		cmocka_unit_test(test_iptables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
