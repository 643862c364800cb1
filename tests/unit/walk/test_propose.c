/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proposals from dumps: which lines are found, what is asked, and that each is a config. */
#include "dumped.h"

#include "../plan/planned.h"
#include "walk/propose.h"

/* A machine, what is proposed for it, and the config that this is. */
struct proposed {
	struct machine m;
	struct proposal p;
	const struct model *model;
	struct diag d;
};

static void load(struct proposed *x, const char *text)
{
	diag_init(&x->d);
	diag_source(&x->d, "proposal", text, strlen(text));
	x->model = config_load(x->m.a, text, strlen(text), &x->d);
	if (!x->model) {
		struct strbuf b = STRBUF_INIT;

		diag_render(&x->d, &b, false);
		print_error("%s\n%s", text, strbuf_str(&b));
		strbuf_fini(&b);
	}
	assert_non_null(x->model);
}

static void propose(struct proposed *x)
{
	propose_look(x->m.a, &x->m.net, &x->p);
	assert_true(propose_maps(x->m.a, &x->p));
	propose_text(x->m.a, &x->p, "a test", NULL);
	load(x, x->p.text);
}

static void propose_dumps(struct proposed *x, const struct dumped *d)
{
	memset(x, 0, sizeof(*x));
	machine_read(&x->m, d);
	propose(x);
}

static void end(struct proposed *x)
{
	diag_fini(&x->d);
	machine_end(&x->m);
}

static bool says(const struct proposed *x, const char *part)
{
	if (strstr(x->p.text, part))
		return true;
	print_error("%s\n", x->p.text);
	return false;
}

static bool asks(const struct proposed *x, const char *part)
{
	VEC_EACH (&x->p.questions, const char *, q) {
		if (strstr(*q, part))
			return true;
	}
	print_error("%s\n", x->p.text);
	return false;
}

static void test_two_lines(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR, .route = TWO_UPLINKS_ROUTE};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_string_equal(x.model->uplinks.items[0].name, "eth0");
	assert_int_equal(x.model->uplinks.items[0].gateway4.kind, GATEWAY_ADDRESS);
	assert_int_equal(x.model->uplinks.items[0].number, 1);
	assert_int_equal(x.model->uplinks.items[1].number, 2);
	assert_int_equal(x.model->maps.len, 0);
	assert_true(says(&x, "default route via 2.2.2.254 (table 102)"));
	assert_true(says(&x, "#   eth2, 192.168.0.0/24: nobody"));
	/* nothing is open but what to map */
	assert_int_equal(x.p.questions.len, 1);
	assert_true(asks(&x, "Which ports lead where?"));
	end(&x);
}

/* The example can be uncommented as it stands. */
static void test_example(void **state)
{
	const struct dumped d = {.addr = ONE_UPLINK_ADDR, .route = ONE_UPLINK_ROUTE};
	struct proposed x;
	char *text, *hash;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 1);
	diag_fini(&x.d);
	text = arena_strdup(x.m.a, x.p.text);
	hash = strstr(text, "#web:");
	assert_non_null(hash);
	*hash = ' ';
	load(&x, text);
	assert_int_equal(x.model->maps.len, 1);
	assert_int_equal(x.model->maps.items[0].listens.len, 2);
	end(&x);
}

static void test_leases(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = "default via 1.1.1.254 dev eth0 proto dhcp metric 100\n"
			 "default via 2.2.2.254 dev eth1 proto static metric 200\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.items[0].gateway4.kind, GATEWAY_AUTO);
	assert_int_equal(x.model->uplinks.items[1].gateway4.kind, GATEWAY_ADDRESS);
	assert_true(says(&x, "(table main, metric 100, set by DHCP)"));
	end(&x);
}

#define PRIVATE_ADDR                                                                               \
	"2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n"                                     \
	"    inet 192.168.178.2/24 scope global eth0\n"                                            \
	"3: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n"                                     \
	"    inet 100.72.1.9/24 scope global eth1\n"

static void test_private_lines(void **state)
{
	const struct dumped d = {.addr = PRIVATE_ADDR,
		.route = "default via 192.168.178.1 dev eth0\n"
			 "default via 100.72.1.1 dev eth1 table 7\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_true(asks(&x, "192.168.178.2 is a private address: a box in front"));
	assert_true(asks(&x, "100.72.1.9 is of the carrier's own network"));
	assert_true(says(&x, "    #public: ADDRESS\n"));
	assert_true(asks(&x, "Where are the backends?"));
	end(&x);
}

#define PORT_80                                                                                    \
	"-A PREROUTING -d 2.2.2.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "           \
	"192.168.0.2\n"
#define NAT(rules) "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" rules "COMMIT\n"

static void neighbour(struct proposed *x, const char *interface, const char *address)
{
	struct net_neighbour *n = vec_add(x->m.a, &x->m.net.neighbours);

	n->interface = interface;
	n->state = NEIGHBOUR_STALE;
	assert_int_equal(ip_parse(address, &n->addr), 0);
}

/* eth1 has no default route; its only neighbour is taken for the router, and that is asked. */
static void test_router_seen(void **state)
{
	const struct dumped d = {
		.addr = TWO_UPLINKS_ADDR, .route = ONE_UPLINK_ROUTE, .iptables = NAT(PORT_80)};
	struct proposed x;

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	neighbour(&x, "eth1", "2.2.2.254");
	propose(&x);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_int_equal(x.model->uplinks.items[1].gateway4.kind, GATEWAY_ADDRESS);
	assert_true(asks(&x, "Is 2.2.2.254 its router?"));
	assert_int_equal(x.model->maps.len, 1);
	end(&x);
}

/* The other family has its router: then the question says how both are written. */
static void test_router_of_one_family(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route =
			"default via fe80::1 dev eth0 metric 10\ndefault via 2.2.2.254 dev eth1\n"};
	struct proposed x;

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	propose(&x);
	assert_true(asks(&x, "Which is its IPv4 router? No IPv4 default route leads out by eth0"));
	assert_true(asks(&x, "With it: gateway: [\"fe80::1\", ADDRESS]"));
	end(&x);
}

static void test_router_unknown(void **state)
{
	const struct dumped d = {
		.addr = TWO_UPLINKS_ADDR, .route = ONE_UPLINK_ROUTE, .iptables = NAT(PORT_80)};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.items[1].gateway4.kind, GATEWAY_AUTO);
	assert_true(asks(&x, "nobody was seen there"));
	assert_true(says(&x, "    #gateway: ADDRESS\n"));
	end(&x);

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	neighbour(&x, "eth1", "2.2.2.254");
	neighbour(&x, "eth1", "2.2.2.253");
	neighbour(&x, "eth1", "9.9.9.9"); /* not of its network */
	propose(&x);
	assert_int_equal(x.model->uplinks.items[1].gateway4.kind, GATEWAY_AUTO);
	assert_true(asks(&x, "these were seen on eth1: 2.2.2.254, 2.2.2.253."));
	end(&x);
}

/* A public address alone is no proof; masquerading out of there is. */
static void test_maybe(void **state)
{
	struct dumped d = {.addr = TWO_UPLINKS_ADDR, .route = ONE_UPLINK_ROUTE};
	struct proposed x;
	char *text;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_true(asks(&x, "Is eth1 a line to the Internet? It has 2.2.2.2,"));
	assert_true(says(&x, "  #eth1:\n  #  interface: eth1 # 2.2.2.2\n  #  gateway: ADDRESS\n"
			     "  #  number: 2\n"));
	/* uncommented, with an answer, it is one */
	diag_fini(&x.d);
	text = arena_strdup(x.m.a, x.p.text);
	for (char *hash = strstr(text, "  #eth1:") + 2; *hash == '#'; hash = strchr(hash, '\n') + 3)
		memmove(hash, hash + 1, strlen(hash));
	memcpy(strstr(text, "ADDRESS"), "2.2.2.9", 7);
	load(&x, text);
	assert_int_equal(x.model->uplinks.len, 2);
	end(&x);

	d.iptables = NAT("-A POSTROUTING -o eth1 -j MASQUERADE\n");
	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_true(says(&x, "gets another source address: -A POSTROUTING -o eth1 -j MASQUERADE"));
	end(&x);
}

/* SNAT towards the backends is how replies are made to come back; it makes no line of their network. */
static void test_inside_is_no_line(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = ONE_UPLINK_ROUTE,
		.iptables = NAT(PORT_80 "-A POSTROUTING -o eth2 -j MASQUERADE\n")};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_null(gateway_uplink_at(&x.p.gateway, "eth2"));
	assert_int_equal(x.model->maps.items[0].return_mode, RETURN_SNAT);
	end(&x);
}

static void test_tunnels_and_ppp(void **state)
{
	const struct dumped d = {.addr = ONE_UPLINK_ADDR
				 "7: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 state UNKNOWN\n"
				 "    inet 10.9.0.2/24 scope global wg0\n"
				 "8: ppp1: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1492 state UNKNOWN\n"
				 "    inet 5.5.5.5 peer 5.5.5.1/32 scope global ppp1\n",
		.route = ONE_UPLINK_ROUTE "default dev wg0 table 51820\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_string_equal(x.model->uplinks.items[1].name, "ppp1");
	assert_true(asks(&x, "Do clients come in by the tunnel wg0?"));
	assert_true(says(&x, "  #wg0:\n"));
	assert_true(says(&x, "it is a PPP interface"));
	/* it needs no router */
	assert_int_equal(x.p.questions.len, 2);
	end(&x);
}

#define TWO_ROUTERS_ADDR                                                                           \
	"9: eth9: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"                      \
	"    inet 3.3.3.3/24 scope global eth9\n"                                                  \
	"    inet 3.3.3.4/24 scope global secondary eth9\n"
#define TWO_ROUTERS_ROUTE                                                                          \
	"default via 3.3.3.254 dev eth9\ndefault via 3.3.3.253 dev eth9 table 104\n"

static void test_two_routers_by_source(void **state)
{
	const struct dumped d = {.addr = TWO_ROUTERS_ADDR,
		.route = TWO_ROUTERS_ROUTE,
		.more_rule = "1001:\tfrom 3.3.3.4 lookup 104\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_int_equal(x.model->uplinks.items[0].addresses.len, 1);
	assert_int_equal(x.model->uplinks.items[1].addresses.len, 1);
	assert_int_equal(x.model->uplinks.items[1].addresses.items[0].addr.bytes[3], 4);
	assert_string_equal(x.model->uplinks.items[1].name, "eth9-2");
	assert_true(says(&x, "an ip rule leads there: pref 1001 from 3.3.3.4 lookup 104"));
	end(&x);
}

static void test_two_routers_alike(void **state)
{
	const struct dumped d = {.addr = TWO_ROUTERS_ADDR, .route = TWO_ROUTERS_ROUTE};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_int_equal(x.model->uplinks.items[0].gateway4.kind, GATEWAY_ADDRESS);
	assert_true(asks(&x, "Is 3.3.3.253 on eth9 a line of its own?"));
	end(&x);
}

/* Where nothing hides clients, the map says what conntrack has seen, and else asks. */
static void test_returns(void **state)
{
	struct dumped d = {
		.addr = TWO_UPLINKS_ADDR, .route = TWO_UPLINKS_ROUTE, .iptables = NAT(PORT_80)};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->maps.items[0].return_mode, RETURN_AUTO);
	assert_int_equal(x.p.import.asked, 1);
	assert_true(asks(&x, "do the backend's replies come back"));
	end(&x);

	d.conntrack = "tcp      6 300 ESTABLISHED src=9.9.9.9 dst=2.2.2.2 sport=4000 dport=80 "
		      "src=192.168.0.2 dst=9.9.9.9 sport=80 dport=4000 [ASSURED] mark=0 use=1\n";
	propose_dumps(&x, &d);
	assert_int_equal(x.model->maps.items[0].return_mode, RETURN_DIRECT);
	assert_int_equal(x.p.import.asked, 0);
	end(&x);
}

/* A forward that has outlived its backend must not keep the rest from going in force. */
static void test_lost_backend(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = TWO_UPLINKS_ROUTE,
		.iptables = NAT(PORT_80
			"-A PREROUTING -i eth0 -p tcp -m tcp --dport 25 -j DNAT --to-destination "
			"192.168.9.9\n")};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->maps.len, 2);
	assert_true(x.model->maps.items[0].enabled);
	assert_false(x.model->maps.items[1].enabled);
	assert_int_equal(x.p.import.lost, 1);
	assert_true(says(&x, "# ? Is this backend still there?"));
	assert_true(asks(&x, "Of 1 map: is the backend still there?"));
	end(&x);
}

static void test_hosts(void **state)
{
	const struct dumped d = {.addr = ONE_UPLINK_ADDR,
		.route = ONE_UPLINK_ROUTE,
		.conntrack =
			"tcp      6 300 ESTABLISHED src=192.168.0.1 dst=192.168.0.9 sport=4000 "
			"dport=443 src=192.168.0.9 dst=192.168.0.1 sport=443 dport=4000 [ASSURED] "
			"mark=0 use=1\n"};
	struct proposed x;

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	neighbour(&x, "eth2", "192.168.0.9");
	neighbour(&x, "eth2", "192.168.0.7");
	x.m.net.neighbours.items[1].state = NEIGHBOUR_FAILED;
	neighbour(&x, "eth2", "192.168.0.8");
	propose(&x);
	assert_true(says(&x, "192.168.0.0/24: 192.168.0.8, 192.168.0.9 (answers on 443/tcp)\n"));
	assert_true(says(&x, "  #https: {listen: 443/tcp, to: 192.168.0.9}\n"));
	end(&x);
}

/* What two rules give away twice goes by the first; a comment of theirs stays one. */
static void test_contradictions(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = TWO_UPLINKS_ROUTE,
		.iptables = NAT(PORT_80 PORT_80 "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT "
						"--to-destination 192.168.0.3\n"
						"-A PREROUTING -p udp -m udp --dport 53 -j DNAT "
						"--to-destination 127.0.0.1\n")};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->maps.len, 1);
	assert_int_equal(x.p.import.left.len, 2);
	assert_true(says(&x, "an earlier forward has these ports"));
	assert_true(says(&x, "it leads to the gateway itself"));
	/* and where they could not be told apart, they all are comments */
	diag_fini(&x.d);
	propose_text(x.m.a, &x.p, "a test", "80/tcp is already mapped");
	load(&x, x.p.text);
	assert_int_equal(x.model->maps.len, 0);
	assert_true(says(&x, "  #web: {listen: 80/tcp"));
	assert_true(asks(&x, "Which of these are right?"));
	end(&x);
}

static void test_nothing(void **state)
{
	const struct dumped d = {.addr = "4: eth2: <BROADCAST,UP> mtu 1500 state UP\n"
					 "    inet 192.168.0.1/24 scope global eth2\n",
		.route = "192.168.0.0/24 dev eth2 proto kernel scope link src 192.168.0.1\n"};
	struct proposed x;

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	propose_look(x.m.a, &x.m.net, &x.p);
	assert_false(propose_maps(x.m.a, &x.p));
	machine_end(&x.m);
}

/* What portreeve has put there is not the machine's; its lines keep their names and numbers. */
static void test_second_run(void **state)
{
	struct planned own;
	struct proposed x;

	memset(&x, 0, sizeof(x));
	planned_init(&own, "uplinks:\n"
			   "  telecom: {interface: eth0, gateway: 1.1.1.254, number: 5}\n"
			   "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			   "maps:\n  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	planned_make(&own);
	assert_non_null(own.plan);
	x.m.a = arena_new();
	plan_overlay(own.a, &own.seen, &own.plan->want, &x.m.net);
	propose(&x);
	assert_true(x.p.in_force);
	assert_int_equal(x.model->maps.len, 0);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_string_equal(x.model->uplinks.items[0].name, "telecom");
	assert_int_equal(x.model->uplinks.items[0].number, 5);
	assert_string_equal(x.model->uplinks.items[1].name, "unicom");
	assert_int_equal(x.model->uplinks.items[1].number, 1);
	VEC_EACH (&x.model->uplinks, const struct uplink, u)
		assert_int_equal(u->gateway4.kind, GATEWAY_ADDRESS);
	assert_true(says(&x, "portreeve has a config in force there"));
	end(&x);
	planned_fini(&own);
}

static void test_odd_names(void **state)
{
	struct dumped d = {.addr = TWO_UPLINKS_ADDR, .route = TWO_UPLINKS_ROUTE};
	struct proposed x;

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	VEC_EACH (&x.m.net.routes, struct net_route, r) {
		VEC_EACH (&r->nexthops, struct net_nexthop, h)
			h->interface = strcmp(h->interface, "eth0") == 0   ? "\"#\x1b'"
				       : strcmp(h->interface, "eth1") == 0 ? "a\xff"
									   : h->interface;
	}
	propose_look(x.m.a, &x.m.net, &x.p);
	assert_true(propose_maps(x.m.a, &x.p));
	propose_text(x.m.a, &x.p, "a test", NULL);
	assert_null(strchr(x.p.text, '\x1b'));
	assert_null(strchr(x.p.text, '\xff'));
	assert_true(asks(&x, "have another name? This one cannot stand in a file"));
	machine_end(&x.m);
}

static void test_router_that_no_config_takes(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = "default via 0.3.3.254 dev eth0 onlink\n"
			 "default via 2.2.2.254 dev eth1 table 102\n"};
	const struct dumped other_family = {.addr = TWO_UPLINKS_ADDR,
		.route = "default via inet6 fe80::1 dev eth0\n"
			 "default via inet6 fe80::1 dev eth1 table 102\n"};
	const struct dumped shared = {.addr = TWO_ROUTERS_ADDR,
		.route = "default via inet6 fe80::1 dev eth9 src 3.3.3.3\n"
			 "default via 3.3.3.253 dev eth9 table 104 src 3.3.3.4\n"};
	const struct dumped leased = {.addr = TWO_UPLINKS_ADDR,
		.route = "default via 240.0.0.1 dev eth0 proto dhcp onlink\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_string_equal(x.model->uplinks.items[0].interface, "eth1");
	assert_true(
		asks(&x, "What is right for eth0? No file takes it as it is: its router 0.3.3.254 "
			 "is in 0.0.0.0/8"));
	end(&x);

	propose_dumps(&x, &other_family);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_int_equal(x.model->uplinks.items[0].gateway4.kind, GATEWAY_AUTO);
	end(&x);

	propose_dumps(&x, &shared);
	assert_true(asks(&x, "as it is: its router fe80::1 is of another family than its route"));
	end(&x);

	/* What the file leaves to the lease need not stand there. */
	propose_dumps(&x, &leased);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_string_equal(x.model->uplinks.items[0].interface, "eth0");
	assert_int_equal(x.model->uplinks.items[0].gateway4.kind, GATEWAY_AUTO);
	end(&x);
}

static void test_address_that_no_config_takes(void **state)
{
	const struct dumped d = {
		.addr = "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n"
			"    inet 240.0.0.1/24 scope global eth0\n"
			"    inet 1.1.1.1/24 scope global eth0\n",
		.route = "default via 1.1.1.254 dev eth0 src 1.1.1.1\n"
			 "default via 1.1.1.253 dev eth0 table 102 src 240.0.0.1\n",
		.more_rule = "102:\tfrom 240.0.0.1 lookup 102\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_true(asks(&x, "as it is: its address 240.0.0.1 is in 240.0.0.0/4"));
	end(&x);
}

/* It is only in the way: the other one on the interface stays the line that it is without it. */
static void test_router_that_is_no_other(void **state)
{
	const struct dumped own = {.addr = TWO_UPLINKS_ADDR,
		.route = "default via 1.1.1.1 dev eth0 onlink\n"
			 "default via 2.2.2.254 dev eth1 table 102\n"};
	const struct dumped beside = {.addr = TWO_ROUTERS_ADDR,
		.route = "default via 3.3.3.4 dev eth9\n"
			 "default via 3.3.3.253 dev eth9 table 104\n"};
	struct proposed x;

	propose_dumps(&x, &own);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_true(asks(&x, "as it is: its router 1.1.1.1 is an address of its own"));
	end(&x);

	propose_dumps(&x, &beside);
	assert_int_equal(x.model->uplinks.len, 1);
	assert_int_equal(x.model->uplinks.items[0].gateway4.addr.bytes[3], 253);
	end(&x);
}

static void test_neighbour_that_no_config_takes(void **state)
{
	const struct dumped d = {
		.addr = "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n"
			"    inet 1.1.1.1/24 scope global eth0\n"
			"3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n"
			"    inet 2.2.2.2/24 scope global eth1\n"
			"    inet 240.0.0.2/24 scope global eth1\n",
		.route = ONE_UPLINK_ROUTE,
		.iptables = NAT(PORT_80)};
	struct proposed x;

	memset(&x, 0, sizeof(x));
	machine_read(&x.m, &d);
	neighbour(&x, "eth1", "240.0.0.254");
	propose(&x);
	assert_true(asks(&x, "Which is its router? No default route leads out by eth1"));
	end(&x);
}

/* Where lines share an interface each names its way, for both families at once. */
static void test_on_link_for_both_families(void **state)
{
	const struct dumped d = {
		.addr = "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n"
			"    inet 1.1.1.1/24 scope global eth0\n"
			"    inet 2.2.2.2/24 scope global eth0\n",
		.route = "default dev eth0 table 101 src 1.1.1.1\n"
			 "default via 2.2.2.254 dev eth0 table 102 src 2.2.2.2\n"
			 "::/0 dev eth0 table 101 metric 1024\n",
		.more_rule = "101:\tfrom 1.1.1.1 lookup 101\n102:\tfrom 2.2.2.2 lookup 102\n"};
	struct proposed x;

	propose_dumps(&x, &d);
	assert_int_equal(x.model->uplinks.len, 2);
	assert_int_equal(x.model->uplinks.items[0].gateway4.kind, GATEWAY_ONLINK);
	assert_int_equal(x.model->uplinks.items[0].gateway6.kind, GATEWAY_ONLINK);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_lines),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_leases),
		cmocka_unit_test(test_private_lines),
		cmocka_unit_test(test_router_seen),
		cmocka_unit_test(test_router_of_one_family),
		cmocka_unit_test(test_router_unknown),
		cmocka_unit_test(test_maybe),
		cmocka_unit_test(test_inside_is_no_line),
		cmocka_unit_test(test_tunnels_and_ppp),
		cmocka_unit_test(test_two_routers_by_source),
		cmocka_unit_test(test_two_routers_alike),
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_lost_backend),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_second_run),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_router_that_no_config_takes),
		cmocka_unit_test(test_address_that_no_config_takes),
		cmocka_unit_test(test_router_that_is_no_other),
		cmocka_unit_test(test_neighbour_that_no_config_takes),
		cmocka_unit_test(test_on_link_for_both_families),
	};

	return cmocka_run_group_tests_name("walk/propose", tests, NULL, NULL);
}
