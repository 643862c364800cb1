/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fast path's programs in the kernel, over real conntrack entries and routes: whole frames, byte for
 * byte, and every reason why one is left alone. Each case runs for XDP and for tc. It is long because each
 * reason has its case and all share one gateway, which takes seconds to make.
 */
#include "setting.h"

#define CLIENT	 "100.1.2.3"
#define CLIENT6	 "2001:db8:100::3"
#define UDP_PAST 31 /* what is left of a timeout that was refreshed is more */

/* A mapped connection of one family: as its packets come in and go out, both ways. */
struct journey {
	const char *family;
	struct spec request, request_out, reply, reply_out;
};

#define REQUEST(p, c, l, b, g)                                                                     \
	.request = {c, l, 40000, 80, p, .payload = 100, .dmac = "02:00:00:00:01:01",               \
		.smac = ROUTER0_MAC},                                                              \
	.request_out = {g, b, 41000, 8080, p, .payload = 100, .dmac = BACKEND_MAC,                 \
		.smac = "02:00:00:00:01:03"},                                                      \
	.reply = {b, g, 8080, 41000, p, .payload = 100, .dmac = "02:00:00:00:01:03",               \
		.smac = BACKEND_MAC},                                                              \
	.reply_out = {l, c, 80, 40000, p, .payload = 100, .dmac = ROUTER0_MAC,                     \
		.smac = "02:00:00:00:01:01"}

static const struct journey journeys[] = {
	{"ipv4", REQUEST(FP_TCP, CLIENT, "1.1.1.1", "192.168.0.2", "192.168.0.1")},
	{"ipv4", REQUEST(FP_UDP, CLIENT, "1.1.1.1", "192.168.0.2", "192.168.0.1")},
	{"ipv6", REQUEST(FP_TCP, CLIENT6, "2001:db8:1::1", "2001:db8:ff::2", "2001:db8:ff::1")},
	{"ipv6", REQUEST(FP_UDP, CLIENT6, "2001:db8:1::1", "2001:db8:ff::2", "2001:db8:ff::1")},
};
#define TCP4	     (&journeys[0])
#define UDP4	     (&journeys[1])
#define TCP6	     (&journeys[2])
#define UDP6	     (&journeys[3])
#define journeys_end (journeys + sizeof(journeys) / sizeof(*journeys))

/* ---- conntrack ---- */

/*
 * Have the kernel see the packets of a connection: capital letters are replies. s SYN, S its answer, a an
 * acknowledgement, f FIN, r RST, d data.
 */
static void play(struct setting *s, const struct journey *j, const char *packets)
{
	uint32_t request_seq = 1000, reply_seq = 5000;

	for (; *packets; packets++) {
		bool reply = *packets >= 'A' && *packets <= 'Z';
		struct spec spec = reply ? j->reply : j->request;
		uint32_t *seq = reply ? &reply_seq : &request_seq;
		struct frame f;

		spec.seq = *seq;
		spec.ack = reply ? request_seq : reply_seq;
		spec.flags = FP_ACK;
		if (j->request.proto == FP_TCP && (*packets | 32) != 'd')
			spec.payload = 0;
		if (*packets == 's' || *packets == 'S') {
			spec.flags = reply ? FP_SYN | FP_ACK : FP_SYN;
			spec.ack = reply ? spec.ack : 0;
			*seq += 1;
		} else if ((*packets | 32) == 'f') {
			spec.flags |= FP_FIN;
			*seq += 1;
		} else if ((*packets | 32) == 'r') {
			spec.flags = FP_RST;
		}
		*seq += spec.payload;
		frame_make(&f, &spec);
		wire_send(s, reply ? LAN0 : UP0, &f);
	}
	usleep(2000);
}

static void conntrack_add(struct setting *s, const struct journey *j)
{
	if (j->request.proto == FP_TCP) {
		play(s, j, "sSa");
		return;
	}
	play(s, j, "dD");
	/* By itself it would take two seconds. */
	sh("conntrack -U -p udp -s %s --sport %u -u SEEN_REPLY,ASSURED >/dev/null 2>&1",
		j->request.src, j->request.sport);
}

static void conntrack_flush(void)
{
	sh("conntrack -F >/dev/null 2>&1");
}

static void conntrack_change(const char *to)
{
	sh("conntrack -U -s " CLIENT " %s >/dev/null 2>&1", to);
}

static void conntrack_remark(uint32_t mark)
{
	char to[32];

	snprintf(to, sizeof(to), "-m %u", mark);
	conntrack_change(to);
}

/* Seconds that the only entry of @j's protocol has left. */
static int conntrack_left(const struct journey *j)
{
	char command[128], line[512] = "";
	FILE *list;
	int left = -1;

	snprintf(command, sizeof(command), "conntrack -L -f %s -p %s 2>/dev/null", j->family,
		j->request.proto == FP_TCP ? "tcp" : "udp");
	list = popen(command, "r");
	assert_non_null(list);
	if (fgets(line, sizeof(line), list))
		sscanf(line, "%*s %*d %d", &left);
	pclose(list);
	return left;
}

/* ---- what is expected ---- */

static struct setting *needed(void **state)
{
	if (!*state) {
		print_message(
			"# SKIP: needs root, and a kernel that takes the fast path's programs\n");
		skip();
	}
	restore_network();
	return *state;
}

/* No connection, and nothing cached. */
static void fresh(struct setting *s)
{
	conntrack_flush();
	restore_programs(s);
}

static void same_frame(const struct frame *got, const struct frame *want)
{
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->bytes, want->bytes, want->len);
}

/* @in comes out as @want says, a hop further. */
static void bypassed_frame(struct setting *s, enum mode m, enum where at, const struct frame *in,
	const struct spec *want)
{
	struct frame expected;
	struct outcome o;

	run(s, m, at, in, &o);
	if (o.reason != FP_OK)
		fail_msg("%s: not bypassed: reason %d", m == XDP ? "xdp" : "tc", o.reason);
	assert_int_equal(o.verdict, m == XDP ? XDP_REDIRECT : TC_REDIRECT);
	frame_make(&expected, want);
	expected.bytes[AT_IP + (expected.v6 ? 7 : 8)]--;
	reference_seal(expected.bytes, expected.v6);
	same_frame(&o.frame, &expected);
}

static void bypassed(struct setting *s, enum mode m, enum where at, const struct spec *in,
	const struct spec *want)
{
	struct frame f;

	frame_make(&f, in);
	bypassed_frame(s, m, at, &f, want);
}

/* @in is left to the kernel, untouched and for just that reason. */
static void passed_frame(struct setting *s, enum mode m, enum where at, const struct frame *in,
	enum fp_reason reason)
{
	struct outcome o;

	run(s, m, at, in, &o);
	if (o.reason != reason)
		fail_msg("%s: reason %d, not %d", m == XDP ? "xdp" : "tc", o.reason, reason);
	assert_int_equal(o.verdict, m == XDP ? XDP_PASS : TC_PASS);
	same_frame(&o.frame, in);
}

static void passed(
	struct setting *s, enum mode m, enum where at, const struct spec *in, enum fp_reason reason)
{
	struct frame f;

	frame_make(&f, in);
	passed_frame(s, m, at, &f, reason);
}

static struct spec with_flags(const struct spec *of, uint8_t flags)
{
	struct spec s = *of;

	s.flags = flags;
	return s;
}

static struct spec with_payload(const struct spec *of, uint16_t payload)
{
	struct spec s = *of;

	s.payload = payload;
	return s;
}

/* ---- bypass ---- */

static void both_ways(struct setting *s)
{
	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++) {
			fresh(s);
			conntrack_add(s, j);
			for (int i = 0; i < 3; i++) {
				bypassed(s, m, UP0, &j->request, &j->request_out);
				bypassed(s, m, LAN0, &j->reply, &j->reply_out);
			}
		}
}

static void test_bypass(void **state)
{
	struct setting *s = needed(state);

	both_ways(s);
}

/* What the kernel itself makes of the same frame, on its wire. */
static void test_as_the_kernel(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++)
			for (int reply = 0; reply < 2; reply++) {
				enum where in = reply ? LAN0 : UP0, out = reply ? UP0 : LAN0;
				const struct spec *spec = reply ? &j->reply : &j->request;
				struct frame f, kernel;
				struct outcome o;

				fresh(s);
				conntrack_add(s, j);
				wire_drain(s);
				frame_make(&f, spec);
				/* Whatever else a header can carry. */
				f.bytes[AT_IP + 1] = 0xb9 & (f.v6 ? 0xff : 0xfc);
				if (!f.v6)
					reference_put_16(f.bytes + AT_IP + 4, 0x1234);
				reference_seal(f.bytes, f.v6);
				run(s, m, in, &f, &o);
				assert_int_equal(o.reason, FP_OK);
				wire_send(s, in, &f);
				assert_true(wire_receive(s, out,
					(reply ? j->reply_out : j->request_out).dmac, &kernel));
				same_frame(&o.frame, &kernel);
			}
}

/* On kernels that cannot look up by mark: by the table of home. */
static void test_bypass_by_table(void **state)
{
	struct setting *s = needed(state), by_table = *s;

	memset(by_table.programs, 0, sizeof(by_table.programs));
	programs_open(&by_table, 64, false);
	both_ways(&by_table);
	programs_close(&by_table);
}

/* Where IPv6 forwards only by an interface's switch of 6.17, the kernel's look-up for programs still asks
 * the older one, and refuses: its own path must do. */
static void test_force_forwarding(void **state)
{
	struct setting *s = needed(state);

	if (access("/proc/sys/net/ipv6/conf/up0/force_forwarding", F_OK) < 0) {
		print_message("# SKIP: this kernel has no force_forwarding\n");
		skip();
	}
	sh("sysctl -qw net.ipv6.conf.all.forwarding=0 && for i in up0 up1 lan0; do "
	   "sysctl -qw net.ipv6.conf.$i.force_forwarding=1; done");
	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, UDP6);
		passed(s, m, UP0, &UDP6->request, FP_NO_ROUTE);
		sh("for i in up0 up1 lan0; do sysctl -qw net.ipv6.conf.$i.forwarding=1; done");
		bypassed(s, m, UP0, &UDP6->request, &UDP6->request_out);
		bypassed(s, m, LAN0, &UDP6->reply, &UDP6->reply_out);
		sh("for i in up0 up1 lan0; do sysctl -qw net.ipv6.conf.$i.forwarding=0; done");
	}
}

/* A port that leads elsewhere: routes are asked by the port that the packet goes to, not came for. */
static void test_route_by_port(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, UDP4);
		sh("ip rule add pref 400 ipproto udp dport 80 to 192.168.0.2 blackhole");
		bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
		sh("ip rule del pref 400");
		fresh(s);
		conntrack_add(s, UDP4);
		sh("ip rule add pref 400 ipproto udp dport 8080 to 192.168.0.2 blackhole");
		passed(s, m, UP0, &UDP4->request, FP_NO_ROUTE);
		sh("ip rule del pref 400");
	}
}

/* What a device summed up over the whole packet stays right: the kernel compares. */
static void test_checksum_complete(void **state)
{
	struct setting *s = needed(state);

	for (const struct journey *j = journeys; j < journeys_end; j++) {
		struct outcome o;
		struct frame f;
		int err;

		fresh(s);
		conntrack_add(s, j);
		bypassed(s, TC, UP0, &j->request, &j->request_out);
		frame_make(&f, &j->request);
		err = run_with(s, TC, UP0, &f, 0, TEST_CHECKSUM_COMPLETE, &o);
		if (err == -EINVAL) {
			print_message(
				"# SKIP: this kernel cannot be asked for a sum (Linux 6.16)\n");
			skip();
		}
		if (err)
			fail_msg(
				"%s, protocol %u: %s", j->family, j->request.proto, strerror(-err));
		assert_int_equal(o.verdict, TC_REDIRECT);
	}
}

/* ---- what a frame's own bytes say ---- */

static void test_frames(void **state)
{
	struct setting *s = needed(state);
	struct frame f;

	fresh(s);
	for (const struct journey *j = journeys; j < journeys_end; j++)
		conntrack_add(s, j);
	for (enum mode m = XDP; m < MODES; m++) {
		frame_make(&f, &UDP4->request);
		reference_put_16(f.bytes + 12, 0x0806);
		passed_frame(s, m, UP0, &f, FP_NOT_IP);
		frame_make(&f, &UDP4->request);
		reference_put_16(f.bytes + 12, 0x8100); /* VLAN */
		if (m == XDP)
			passed_frame(s, m, UP0, &f, FP_NOT_IP);
		frame_make(&f, &UDP4->request);
		f.bytes[5] ^= 1;
		passed_frame(s, m, UP0, &f, FP_OTHER_HOST);
		memset(f.bytes, 0xff, 6);
		passed_frame(s, m, UP0, &f, FP_OTHER_HOST);
		frame_make(&f, &UDP4->request);
		f.bytes[AT_IP + 10] ^= 1;
		passed_frame(s, m, UP0, &f, FP_MALFORMED);
		frame_make(&f, &UDP4->request);
		f.bytes[AT_IP] = 0x46;
		passed_frame(s, m, UP0, &f, FP_OPTIONS);
		frame_make(&f, &UDP6->request);
		f.bytes[AT_IP + 6] = 60;
		passed_frame(s, m, UP0, &f, FP_OPTIONS);
		frame_make(&f, &UDP4->request);
		f.bytes[AT_IP + 6] = 0x20;
		passed_frame(s, m, UP0, &f, FP_FRAGMENT);
		frame_make(&f, &UDP6->request);
		f.bytes[AT_IP + 6] = 44;
		passed_frame(s, m, UP0, &f, FP_FRAGMENT);
		frame_make(&f, &TCP4->request);
		f.bytes[AT_IP + 8] = 1;
		reference_seal(f.bytes, false);
		passed_frame(s, m, UP0, &f, FP_TTL);
		frame_make(&f, &TCP6->reply);
		f.bytes[AT_IP + 7] = 1;
		passed_frame(s, m, LAN0, &f, FP_TTL);
		frame_make(&f, &UDP4->request);
		f.bytes[AT_IP + 9] = 1;
		passed_frame(s, m, UP0, &f, FP_ICMP);
		f.bytes[AT_IP + 9] = 47;
		passed_frame(s, m, UP0, &f, FP_PROTOCOL);
	}
}

/* SYN, FIN and RST go to the kernel, whether the flow is known or not. */
static void test_control(void **state)
{
	static const uint8_t flags[] = {
		FP_SYN, FP_SYN | FP_ACK, FP_FIN | FP_ACK, FP_RST, FP_RST | FP_ACK};
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, TCP4);
		for (int known = 0; known < 2; known++) {
			for (size_t i = 0; i < sizeof(flags); i++) {
				struct spec request = with_flags(&TCP4->request, flags[i]);
				struct spec reply = with_flags(&TCP4->reply, flags[i]);

				passed(s, m, UP0, &request, FP_CONTROL);
				passed(s, m, LAN0, &reply, FP_CONTROL);
			}
			bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
			bypassed(s, m, LAN0, &TCP4->reply, &TCP4->reply_out);
		}
	}
}

/* ---- what conntrack says ---- */

static void test_connections(void **state)
{
	static const struct {
		const char *packets, *change;
		enum fp_reason reason;
	} cases[] = {
		{"s", "", FP_NOT_ASSURED},
		{"sS", "", FP_NOT_ASSURED},
		{"sSaf", "", FP_NOT_ASSURED},
		{"sSaF", "", FP_NOT_ASSURED},
		{"sSafA", "", FP_NOT_ASSURED},
		{"sSafAFa", "", FP_NOT_ASSURED},
		{"sSaR", "", FP_NOT_ASSURED},
		{"sSa", "-m 0", FP_NOT_OURS},
		{"sSa", "-m 0x01000000", FP_NOT_OURS}, /* steered, but not translated by us */
		{"sSa", "-u SEEN_REPLY,ASSURED,FIXED_TIMEOUT", FP_HELPER},
		{"sSa", "-m 0x82000000", FP_HOME}, /* it came by another line */
		{"sSa", "-m 0x83000000", FP_HOME}, /* that is no more */
		{"sSa", "-m 0x80000000", FP_HOME}, /* hairpin */
		{"sSadD", "", FP_OK},
	};
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		struct spec reply = UDP4->reply;

		fresh(s);
		passed(s, m, UP0, &TCP4->request, FP_NO_CONNECTION);
		passed(s, m, LAN0, &UDP6->reply, FP_NO_CONNECTION);
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			fresh(s);
			play(s, TCP4, cases[i].packets);
			if (*cases[i].change)
				conntrack_change(cases[i].change);
			if (cases[i].reason)
				passed(s, m, UP0, &TCP4->request, cases[i].reason);
			else
				bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
		}
		fresh(s);
		play(s, UDP4, "dD");
		passed(s, m, UP0, &UDP4->request, FP_NOT_ASSURED);
		/* A reply that comes in by an uplink may be forged, and at home it is none. */
		fresh(s);
		conntrack_add(s, UDP4);
		for (enum where at = UP0; at <= UP1; at++) {
			reply.dmac = interface_macs[at];
			passed(s, m, at, &reply, FP_HOME);
		}
		bypassed(s, m, LAN0, &UDP4->reply, &UDP4->reply_out);
	}
}

/* TCP4's connection alone, begun under @rule, which gives zones; until end_zones(). */
static void fresh_zoned(struct setting *s, const char *rule)
{
	fresh(s);
	sh("nft 'table ip zones { chain c { type filter hook prerouting priority raw; %s; }; }'",
		rule);
	conntrack_add(s, TCP4);
}

static void end_zones(void)
{
	sh("nft delete table ip zones");
}

/* What a zone has is no other's: packets find connections of zone 0 alone, which their line must be home of. */
static void test_zones(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		struct spec request = TCP4->request, reply = TCP4->reply;
		struct frame f;

		/* All of it in another zone. */
		fresh_zoned(s, "ct zone set 1");
		passed(s, m, UP0, &TCP4->request, FP_NO_CONNECTION);
		passed(s, m, LAN0, &TCP4->reply, FP_NO_CONNECTION);
		end_zones();
		/* Only what clients call a connection: its replies are still found. */
		fresh_zoned(s, "ct original zone set 1");
		passed(s, m, UP0, &TCP4->request, FP_NO_CONNECTION);
		passed(s, m, LAN0, &TCP4->reply, FP_ZONE);
		end_zones();
		/* The same addresses and ports twice: in zone 0, and of another network in zone 1. */
		fresh_zoned(s, "iifname up1 ct zone set 1");
		request.dmac = reply.dmac = interface_macs[UP1];
		request.flags = FP_SYN;
		frame_make(&f, &request);
		wire_send(s, UP1, &f);
		usleep(2000);
		sh("conntrack -L -w 1 -s " CLIENT " 2>/dev/null | grep -q zone=1");
		request.flags = 0;
		bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
		bypassed(s, m, LAN0, &TCP4->reply, &TCP4->reply_out);
		passed(s, m, UP1, &request, FP_HOME);
		passed(s, m, UP1, &reply, FP_HOME);
		end_zones();
	}
}

/* What holds is asked once a second; what it was is still counted as what it is. */
static void test_refusal_is_kept(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, TCP4);
		s->programs[0]->bss->shared.homes[1].ifindex = s->index[UP1];
		passed(s, m, UP0, &TCP4->request, FP_HOME);
		passed(s, m, UP0, &TCP4->request, FP_HOME);
		s->programs[0]->bss->shared.homes[1].ifindex = s->index[UP0];
		passed(s, m, UP0, &TCP4->request, FP_HOME);
		sleep_jiffies(s->second + 2);
		bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
	}
}

/* ---- what routes say ---- */

static void test_routes(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, TCP4);
		conntrack_add(s, UDP6);
		sh("ip route add unreachable 192.168.0.2");
		passed(s, m, UP0, &TCP4->request, FP_NO_ROUTE);
		sh("ip route del unreachable 192.168.0.2 && ip addr add 192.168.0.2/32 dev lo");
		passed(s, m, UP0, &TCP4->request, FP_LOCAL);
		sh("ip addr del 192.168.0.2/32 dev lo && ip neigh del 192.168.0.2 dev lan0");
		passed(s, m, UP0, &TCP4->request, FP_NEIGHBOUR);
		sh("ip neigh add 192.168.0.2 lladdr " BACKEND_MAC " dev lan0");
		/* The reply's line is down and the table's route with it: never by the other one. */
		sh("ip route del default table 70001 && ip -6 route del default table 70001");
		passed(s, m, LAN0, &TCP4->reply, FP_HOME);
		passed(s, m, LAN0, &UDP6->reply, FP_HOME);
		sh("ip route add default via 1.1.1.254 table 70001 && "
		   "ip -6 route add default via 2001:db8:1::fe table 70001");
		/* The backend is behind the line that the request came by. */
		sh("ip route add 192.168.0.2 via 1.1.1.254");
		passed(s, m, UP0, &TCP4->request, FP_HOME);
		sh("ip route del 192.168.0.2 via 1.1.1.254");
	}
}

/* A backend behind another line: its replies are the kernel's, and of TCP conntrack sees both ways or none. */
static void test_backend_behind_line(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		struct spec out = UDP4->request_out;

		fresh(s);
		conntrack_add(s, TCP4);
		conntrack_add(s, UDP4);
		sh("ip route add 192.168.0.2 via 2.2.2.254");
		passed(s, m, UP0, &TCP4->request, FP_ONE_WAY);
		out.dmac = ROUTER1_MAC;
		out.smac = interface_macs[UP1];
		bypassed(s, m, UP0, &UDP4->request, &out);
		sh("ip route del 192.168.0.2 via 2.2.2.254");
	}
}

/* Of several next hops the kernel takes one by the flow label, too. */
static void test_flow_label(void **state)
{
	static const char *const routers[] = {ROUTER0_MAC, "02:00:00:00:02:11"};
	struct setting *s = needed(state);
	unsigned taken[2] = {0};

	sh("ip -6 neigh replace 2001:db8:1::fd lladdr %s dev up0 && "
	   "ip -6 route replace default table 70001 nexthop via 2001:db8:1::fe nexthop via "
	   "2001:db8:1::fd",
		routers[1]);
	fresh(s);
	conntrack_add(s, UDP6);
	for (unsigned label = 0; label < 16; label++) {
		enum mode m = label % MODES;
		struct frame f, kernel;
		struct outcome o;
		bool second;

		restore_programs(s);
		frame_make(&f, &UDP6->reply);
		reference_put_16(f.bytes + AT_IP + 2, label * 0x1111);
		wire_drain(s);
		run(s, m, LAN0, &f, &o);
		assert_int_equal(o.reason, FP_OK);
		second = o.frame.bytes[4] == 2 && o.frame.bytes[5] == 0x11;
		wire_send(s, LAN0, &f);
		assert_true(wire_receive(s, UP0, routers[second], &kernel));
		same_frame(&o.frame, &kernel);
		taken[second]++;
	}
	assert_true(taken[0] && taken[1]);
	sh("ip -6 route del default table 70001; ip -6 neigh del 2001:db8:1::fd dev up0");
}

/* Routes do not tell what a policy would have done to the packet. */
static void test_ipsec(void **state)
{
	static const char *const directions[] = {"out", "fwd"};
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (size_t i = 0; i < sizeof(directions) / sizeof(*directions); i++) {
			fresh(s);
			conntrack_add(s, TCP4);
			conntrack_add(s, UDP6);
			sh("ip xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir %s",
				directions[i]);
			passed(s, m, UP0, &TCP4->request, FP_IPSEC);
			passed(s, m, LAN0, &UDP6->reply, FP_IPSEC);
			sh("ip xfrm policy flush");
			restore_programs(s);
			bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
			bypassed(s, m, LAN0, &UDP6->reply, &UDP6->reply_out);
		}
}

/* Only XDP needs to know where frames can be redirected to. */
static void test_target(void **state)
{
	struct setting *s = needed(state);

	fresh(s);
	conntrack_add(s, TCP4);
	assert_int_equal(
		bpf_map_delete_elem(bpf_map__fd(s->programs[0]->maps.targets), &s->index[LAN0]), 0);
	passed(s, XDP, UP0, &TCP4->request, FP_TARGET);
	bypassed(s, XDP, LAN0, &TCP4->reply, &TCP4->reply_out);
	fresh(s);
	conntrack_add(s, TCP4);
	bypassed(s, TC, UP0, &TCP4->request, &TCP4->request_out);
}

static void test_mtu(void **state)
{
	struct setting *s = needed(state);

	sh("ip link set lan0 mtu 1400");
	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++) {
			uint16_t headers = (uint16_t)((strchr(j->request.src, ':') ? 40 : 20) +
						      (j->request.proto == FP_TCP ? 20 : 8));
			struct spec fits = with_payload(&j->request, (uint16_t)(1400 - headers));
			struct spec fits_out = with_payload(&j->request_out, fits.payload);
			struct spec large = with_payload(&j->request, (uint16_t)(1401 - headers));
			struct spec back = with_payload(&j->reply, (uint16_t)(1500 - headers));
			struct spec back_out = with_payload(&j->reply_out, back.payload);
			struct outcome o;
			struct frame f;

			fresh(s);
			conntrack_add(s, j);
			passed(s, m, UP0, &large, FP_MTU); /* not known yet */
			bypassed(s, m, UP0, &fits, &fits_out);
			passed(s, m, UP0, &large, FP_MTU);
			bypassed(s, m, LAN0, &back, &back_out);
			if (m == XDP)
				continue;
			/* Segments that the device will cut up: each must fit. */
			frame_make(&f, &large);
			assert_int_equal(run_with(s, m, UP0, &f, 1400u - headers, 0, &o), 0);
			assert_int_equal(o.reason, FP_OK);
			assert_int_equal(run_with(s, m, UP0, &f, 1401u - headers, 0, &o), 0);
			assert_int_equal(o.reason, FP_MTU);
		}
}

/* ---- how long it lasts ---- */

static void test_off(void **state)
{
	struct setting *s = needed(state);

	fresh(s);
	conntrack_add(s, TCP4);
	for (enum mode m = XDP; m < MODES; m++) {
		bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
		s->programs[0]->bss->shared.enabled = 0;
		passed(s, m, UP0, &TCP4->request, FP_OFF);
		s->programs[0]->bss->shared.enabled = 1;
		bypassed(s, m, UP0, &TCP4->request, &TCP4->request_out);
	}
}

/* A connection that is gone is gone after a second. */
static void test_expires(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++) {
			fresh(s);
			conntrack_add(s, j);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			bypassed(s, m, LAN0, &j->reply, &j->reply_out);
			conntrack_flush();
			sleep_jiffies(s->second + 2);
			passed(s, m, UP0, &j->request, FP_NO_CONNECTION);
			passed(s, m, LAN0, &j->reply, FP_NO_CONNECTION);
		}
}

/* How often connections began or ended, as far as flows are concerned. */
static uint32_t outdated(const struct setting *s)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < FP_SLOTS; i++)
		sum += s->programs[0]->bss->shared.stamps[i] & 0xffff;
	return sum;
}

/* False: this machine rested for so long that nothing can be said. */
static bool request_comes_first(struct setting *s, enum mode m, const struct journey *j)
{
	uint32_t before, last;
	struct outcome o;
	struct frame f;

	fresh(s);
	conntrack_add(s, j);
	bypassed(s, m, LAN0, &j->reply, &j->reply_out);
	sleep_jiffies(s->second * 3 / 10);
	bypassed(s, m, UP0, &j->request, &j->request_out);
	conntrack_flush();
	frame_make(&f, &j->reply);
	before = outdated(s);
	do {
		last = jiffies_now();
		sleep_jiffies(s->second / 50);
		run(s, m, LAN0, &f, &o);
		if (jiffies_now() - last > s->second / 10)
			return false;
		assert_int_equal(o.reason, FP_OK);
	} while (outdated(s) == before);
	passed(s, m, UP0, &j->request, FP_NO_CONNECTION);
	sleep_jiffies(s->second / 8 + 2);
	passed(s, m, LAN0, &j->reply, FP_NO_CONNECTION);
	return true;
}

/* Of a connection that is gone the kernel sees a request first, however fresh its proof was. */
static void test_request_before_reply(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++)
			while (!request_comes_first(s, m, j))
				;
}

/* A mark that another tool changed, a line that is no more, a line that is another's. */
static void test_home_changes(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, UDP4);
		bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
		bypassed(s, m, LAN0, &UDP4->reply, &UDP4->reply_out);
		conntrack_remark(MARK(2));
		sleep_jiffies(s->second + 2);
		passed(s, m, UP0, &UDP4->request, FP_HOME);
		{
			struct spec out = UDP4->reply_out;

			out.dmac = ROUTER1_MAC;
			out.smac = "02:00:00:00:01:02";
			bypassed(s, m, LAN0, &UDP4->reply, &out);
		}
		s->programs[0]->bss->shared.homes[2].ifindex = 0;
		sleep_jiffies(s->second + 2);
		passed(s, m, LAN0, &UDP4->reply, FP_HOME);
		s->programs[0]->bss->shared.homes[2].ifindex = s->index[UP1];
		conntrack_remark(0);
		sleep_jiffies(s->second + 2);
		passed(s, m, LAN0, &UDP4->reply, FP_NOT_OURS);
	}
}

/* Rules, routes or neighbours changed: the kernel sees the next packet of each flow, once. */
static void test_epoch(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++) {
			fresh(s);
			conntrack_add(s, j);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			bypassed(s, m, LAN0, &j->reply, &j->reply_out);
			s->programs[0]->bss->shared.epoch++;
			passed(s, m, UP0, &j->request, FP_CHANGED);
			passed(s, m, LAN0, &j->reply, FP_CHANGED);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			bypassed(s, m, LAN0, &j->reply, &j->reply_out);
			/* And it is asked anew then. */
			s->programs[0]->bss->shared.epoch++;
			conntrack_flush();
			passed(s, m, UP0, &j->request, FP_CHANGED);
			passed(s, m, UP0, &j->request, FP_NO_CONNECTION);
		}
}

/* Conntrack would make the timeout of a connection that rests the short one: see decide(). */
static void test_rest_is_kept(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct journey *j = v6 ? TCP6 : TCP4;
			struct spec ack = with_payload(&j->reply, 0);
			struct spec ack_out = with_payload(&j->reply_out, 0);

			fresh(s);
			conntrack_add(s, j);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			bypassed(s, m, LAN0, &ack, &ack_out);
			s->programs[0]->bss->shared.epoch++;
			bypassed(s, m, LAN0, &ack, &ack_out);
			passed(s, m, UP0, &j->request, FP_CHANGED);
			/* Nor does a neighbour matter more; but of many in a second one does not. */
			s->neighbours_age = true;
			neighbours_are_fine(s);
			sleep_jiffies(FP_KICK_S * s->second + 2);
			bypassed(s, m, LAN0, &ack, &ack_out);
			passed(s, m, LAN0, &ack, FP_KERNEL);
			bypassed(s, m, LAN0, &ack, &ack_out);
			s->neighbours_age = false;
		}
}

/* What begins or ends a connection makes both its directions be asked anew at once. */
static void test_outdated(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (int i = 0; i < 4; i++) {
			const struct journey *j = i & 1 ? TCP6 : TCP4;
			struct spec ends = i & 2 ? with_flags(&j->reply, FP_FIN | FP_ACK)
						 : with_flags(&j->request, FP_SYN);

			fresh(s);
			conntrack_add(s, j);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			bypassed(s, m, LAN0, &j->reply, &j->reply_out);
			conntrack_flush();
			passed(s, m, i & 2 ? LAN0 : UP0, &ends, FP_CONTROL);
			passed(s, m, UP0, &j->request, FP_NO_CONNECTION);
			passed(s, m, LAN0, &j->reply, FP_NO_CONNECTION);
		}
}

/* TCP, of which conntrack would see only one direction, stays with it. */
static void test_one_way(void **state)
{
	static const __u32 xdp = FP_SIDE_XDP, tc = 0;
	struct setting *s = needed(state);
	int sides = bpf_map__fd(s->programs[0]->maps.sides);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, TCP4);
		conntrack_add(s, UDP6);
		bpf_map_delete_elem(sides, &s->index[UP0]);
		passed(s, m, LAN0, &TCP4->reply, FP_ONE_WAY);
		bypassed(s, m, LAN0, &UDP6->reply, &UDP6->reply_out);
		/* It has XDP, which cannot send to the other one. */
		restore_programs(s);
		bpf_map_update_elem(sides, &s->index[UP0], &xdp, BPF_ANY);
		bpf_map_update_elem(sides, &s->index[LAN0], &tc, BPF_ANY);
		passed(s, m, LAN0, &TCP4->reply, FP_ONE_WAY);
		restore_programs(s);
		bypassed(s, m, LAN0, &TCP4->reply, &TCP4->reply_out);
	}
}

/* ---- what conntrack gets to see ---- */

/* UDP's timeout is kept up from here. */
static void test_udp_timeout(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, UDP4);
		assert_in_range(conntrack_left(UDP4), 0, 30);
		bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
		assert_in_range(conntrack_left(UDP4), 100, 120);
		s->programs[0]->bss->shared.udp_ms = 60000;
		sleep_jiffies(s->second + 2);
		bypassed(s, m, LAN0, &UDP4->reply, &UDP4->reply_out);
		assert_in_range(conntrack_left(UDP4), 50, 60);
		s->programs[0]->bss->shared.udp_ms = 120000;
	}
}

/* Data makes TCP's timeout short, and an acknowledgement without any makes it long, at once; those of the
 * same second do not ask again. */
static void test_tcp_timeout(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct journey *j = v6 ? TCP6 : TCP4;
			struct spec ack = with_payload(&j->reply, 0);
			struct spec ack_out = with_payload(&j->reply_out, 0);

			fresh(s);
			conntrack_add(s, j);
			for (int i = 0; i < 3; i++) {
				bypassed(s, m, UP0, &j->request, &j->request_out);
				assert_in_range(conntrack_left(j), 290, 300);
				bypassed(s, m, LAN0, &j->reply, &j->reply_out);
				bypassed(s, m, LAN0, &ack, &ack_out);
				assert_in_range(conntrack_left(j), 431990, 432000);
				sleep_jiffies(s->second * (i == 1 ? 4 : 1) + s->second / 2);
			}
			/* Only a sender, whose peer is dead. */
			bypassed(s, m, UP0, &j->request, &j->request_out);
			assert_in_range(conntrack_left(j), 290, 300);
		}
}

/* A neighbour is used by the kernel itself now and then, else nobody would ask whether it is there. */
static void test_neighbour_is_used(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		fresh(s);
		conntrack_add(s, UDP4);
		s->neighbours_age = true;
		neighbours_are_fine(s);
		for (int i = 0; i < 2; i++) {
			sleep_jiffies(FP_KICK_S * s->second + 2);
			passed(s, m, UP0, &UDP4->request, FP_KERNEL);
			passed(s, m, LAN0, &UDP4->reply, FP_KERNEL);
			bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
			bypassed(s, m, LAN0, &UDP4->reply, &UDP4->reply_out);
		}
		s->neighbours_age = false;
	}
}

/* What a sender without a peer says last must not be the kernel's, which would keep the connection for days. */
static void test_neighbour_of_the_dead(void **state)
{
	struct setting *s = needed(state);
	uint32_t due = FP_KICK_S * s->second + 2;

	for (enum mode m = XDP; m < MODES; m++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct journey *j = v6 ? TCP6 : TCP4;
			struct spec ack = with_payload(&j->reply, 0);
			struct spec ack_out = with_payload(&j->reply_out, 0);

			fresh(s);
			conntrack_add(s, j);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			bypassed(s, m, LAN0, &ack, &ack_out);
			s->neighbours_age = true;
			for (int turn = 0; turn < 3; turn++) {
				if (turn > 0) {
					neighbours_were_used(s, (due << turn) / 2);
					bypassed(s, m, UP0, &j->request, &j->request_out);
				}
				neighbours_were_used(s, due << turn);
				passed(s, m, UP0, &j->request, FP_KERNEL);
			}
			neighbours_were_used(s, due << 5);
			sleep_jiffies(s->second + 2);
			bypassed(s, m, UP0, &j->request, &j->request_out);
			assert_in_range(conntrack_left(j), 290, 300);
			/* But it lives. */
			neighbours_are_fine(s);
			bypassed(s, m, LAN0, &ack, &ack_out);
			neighbours_were_used(s, due);
			passed(s, m, UP0, &j->request, FP_KERNEL);
			bypassed(s, m, LAN0, &ack, &ack_out);
			s->neighbours_age = false;
		}
}

/* Each neighbour has its own turn, also where addresses are alike: in their last bytes with the interface's. */
static void test_neighbours_alike(void **state)
{
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		struct spec reply_out = UDP4->reply_out;
		unsigned alike = (0x02 ^ 0x03 ^ s->index[LAN0] ^ s->index[UP0] ^ 0x55) & 0xff;
		char mac[18];

		snprintf(mac, sizeof(mac), "02:00:00:00:55:%02x", alike);
		sh("ip neigh replace 1.1.1.254 lladdr %s dev up0", mac);
		reply_out.dmac = mac;
		fresh(s);
		conntrack_add(s, UDP4);
		bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
		bypassed(s, m, LAN0, &UDP4->reply, &reply_out);
		s->neighbours_age = true;
		neighbours_are_fine(s);
		sleep_jiffies(FP_KICK_S * s->second + 2);
		passed(s, m, UP0, &UDP4->request, FP_KERNEL);
		passed(s, m, LAN0, &UDP4->reply, FP_KERNEL);
		s->neighbours_age = false;
	}
}

/* ---- the cache ---- */

/* @j with client ports of its own, the @i-th. */
static void take_port(struct journey *to, const struct journey *j, unsigned i)
{
	*to = *j;
	to->request.sport = to->reply_out.dport = (uint16_t)(40001 + i);
	to->request_out.sport = to->reply.dport = (uint16_t)(41001 + i);
}

/* With one bucket for all there is room for so many and no more; and again for others when they rest. */
static void test_full(void **state)
{
	struct setting *all = needed(state), small = *all, *s = &small;
	struct journey many[FP_WAYS + 1];

	memset(small.programs, 0, sizeof(small.programs));
	programs_open(s, 1, true);
	fresh(s);
	for (unsigned i = 0; i <= FP_WAYS; i++) {
		take_port(&many[i], UDP4, i);
		conntrack_add(s, &many[i]);
	}
	for (enum mode m = XDP; m < MODES; m++) {
		restore_programs(s);
		for (unsigned i = 0; i < FP_WAYS; i++)
			bypassed(s, m, UP0, &many[i].request, &many[i].request_out);
		passed(s, m, UP0, &many[FP_WAYS].request, FP_FULL);
		sleep_jiffies(2 * s->second + 4);
		bypassed(s, m, UP0, &many[FP_WAYS].request, &many[FP_WAYS].request_out);
	}
	programs_close(s);
}

static void count_account(struct setting *s, const struct spec *of, struct fp_account *sum)
{
	bool v6 = strchr(of->src, ':');
	struct fp_account_key key = {.family = v6 ? 6 : 4, .proto = of->proto};

	inet_pton(v6 ? AF_INET6 : AF_INET, of->src, key.src);
	inet_pton(v6 ? AF_INET6 : AF_INET, of->dst, key.dst);
	key.sport = htons(of->sport);
	key.dport = htons(of->dport);
	memset(sum, 0, sizeof(*sum));
	bpf_map_lookup_elem(bpf_map__fd(s->programs[0]->maps.accounts), &key, sum);
}

/* All that was settled. */
static void count_all(struct setting *s, struct fp_account *sum)
{
	struct fp_account *each = calloc(s->cpus, sizeof(*each));
	uint32_t zero = 0;

	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(s->programs[0]->maps.settled), &zero, each), 0);
	memset(sum, 0, sizeof(*sum));
	for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
		sum->packets += each[cpu].packets;
		sum->bytes += each[cpu].bytes;
	}
	free(each);
}

/* What was bypassed is settled in its account when it is proved anew; bytes are those of IP. */
static void test_accounts(void **state)
{
	struct fp_account sum;
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++) {
		uint64_t before;

		fresh(s);
		conntrack_add(s, UDP4);
		count_account(s, &UDP4->request, &sum);
		before = sum.packets;
		for (int i = 0; i < 5; i++)
			bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
		sleep_jiffies(s->second + 2);
		bypassed(s, m, UP0, &UDP4->request, &UDP4->request_out);
		count_account(s, &UDP4->request, &sum);
		assert_int_equal(sum.packets - before, 5);
		assert_int_equal(sum.bytes, sum.packets * 128);
	}
}

/* @n of each direction, all of them settled. */
static void carry(struct setting *s, enum mode m, const struct journey *j, int n)
{
	for (int i = 0; i < n; i++) {
		if (i == n - 1)
			sleep_jiffies(s->second + 2);
		bypassed(s, m, UP0, &j->request, &j->request_out);
		bypassed(s, m, LAN0, &j->reply, &j->reply_out);
	}
}

/* But for the last packet, which is still the flow's own. */
static void has_carried(struct setting *s, const struct journey *j, uint64_t packets)
{
	struct fp_account sum;

	count_account(s, &j->request, &sum);
	assert_int_equal(sum.packets, packets);
	count_account(s, &j->reply, &sum);
	assert_int_equal(sum.packets, packets);
}

/* What begins from the same port has an account of its own; the sum of all stays what it was. */
static void test_account_of_another(void **state)
{
	struct fp_account before, after;
	struct setting *s = needed(state);

	for (enum mode m = XDP; m < MODES; m++)
		for (const struct journey *j = journeys; j < journeys_end; j++) {
			struct spec syn = with_flags(&j->request, FP_SYN);
			struct spec syn_ack = with_flags(&j->reply, FP_SYN | FP_ACK);
			struct spec ack = with_payload(&j->request, 0);

			fresh(s);
			play(s, j, j->request.proto == FP_TCP ? "sS" : "dD");
			passed(s, m, UP0, &j->request, FP_NOT_ASSURED);
			conntrack_flush();
			conntrack_add(s, j);
			count_all(s, &before);
			carry(s, m, j, 5);
			has_carried(s, j, 4);
			if (j->request.proto == FP_TCP) {
				/* One that is there already goes on. */
				passed(s, m, UP0, &syn, FP_CONTROL);
				bypassed(s, m, UP0, &j->request, &j->request_out);
				passed(s, m, LAN0, &syn_ack, FP_CONTROL);
				has_carried(s, j, 5);
				conntrack_flush();
				passed(s, m, UP0, &syn, FP_CONTROL);
				play(s, j, "sS");
				passed(s, m, LAN0, &syn_ack, FP_CONTROL);
				passed(s, m, UP0, &ack, FP_NOT_ASSURED);
			} else {
				conntrack_flush();
				sleep_jiffies(s->second + 2);
				passed(s, m, UP0, &j->request, FP_NO_CONNECTION);
				play(s, j, "dD");
				passed(s, m, LAN0, &j->reply, FP_NOT_ASSURED);
			}
			has_carried(s, j, 0);
			conntrack_flush();
			conntrack_add(s, j);
			carry(s, m, j, 3);
			has_carried(s, j, 2);
			count_all(s, &after);
			assert_int_equal(after.packets - before.packets,
				2 * (5 + 2) + (j->request.proto == FP_TCP));
			assert_true(after.bytes - before.bytes >
				    120 * (after.packets - before.packets));
		}
}

/* One gateway for all; none where that is not allowed, and then each test says so. */
static int begin(void **state)
{
	struct fastpath_programs *probe;
	struct setting *s;

	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	libbpf_set_print(NULL);
	probe = fastpath_programs__open_and_load();
	if (!probe)
		return 0;
	fastpath_programs__destroy(probe);
	s = calloc(1, sizeof(*s));
	setting_open(s);
	*state = s;
	return 0;
}

static int end(void **state)
{
	if (*state)
		setting_close(*state);
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_as_the_kernel),
		cmocka_unit_test(test_bypass_by_table),
		cmocka_unit_test(test_force_forwarding),
		cmocka_unit_test(test_route_by_port),
		cmocka_unit_test(test_checksum_complete),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_refusal_is_kept),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_backend_behind_line),
		cmocka_unit_test(test_flow_label),
		cmocka_unit_test(test_ipsec),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_request_before_reply),
		cmocka_unit_test(test_home_changes),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_rest_is_kept),
		cmocka_unit_test(test_outdated),
		cmocka_unit_test(test_udp_timeout),
		cmocka_unit_test(test_tcp_timeout),
		cmocka_unit_test(test_neighbour_is_used),
		cmocka_unit_test(test_neighbour_of_the_dead),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_neighbours_alike),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_account_of_another),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
