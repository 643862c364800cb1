/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bpf/nat.h does to a frame: every way to read one, and the result against the slow reference. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "frames.h"

static uint8_t *exact(const struct frame *f)
{
	uint8_t *copy = frame_new(f->len);

	memcpy(copy, f->bytes, f->len);
	return copy;
}

static enum fp_reason read_frame(const struct frame *f, size_t total, struct fp_packet *p)
{
	uint8_t *eth = exact(f);
	enum fp_reason reason;

	memset(p, 0, sizeof(*p));
	reason = f->v6 ? fp_read6((void *)eth, eth + f->len, (uint32_t)total, p)
		       : fp_read4((void *)eth, eth + f->len, (uint32_t)total, p);
	assert_memory_equal(eth, f->bytes, f->len);
	frame_free(eth);
	return reason;
}

static const struct spec tcp4 = {"100.1.2.3", "1.1.1.1", 40000, 80, FP_TCP, .payload = 11},
			 udp4 = {"100.1.2.3", "1.1.1.1", 40000, 53, FP_UDP, .payload = 11},
			 tcp6 = {"2001:db8::1", "2001:db8::2", 40000, 80, FP_TCP, .payload = 11},
			 udp6 = {"2001:db8::1", "2001:db8::2", 40000, 53, FP_UDP, .payload = 11};

/* ---- sizes ---- */

static void test_sizes(void **state)
{
	assert_int_equal(sizeof(struct fp_eth), 14);
	assert_int_equal(sizeof(struct fp_ip4), 20);
	assert_int_equal(sizeof(struct fp_ip6), 40);
	assert_int_equal(sizeof(struct fp_ports), 4);
	assert_int_equal(sizeof(struct fp_udp), 8);
	assert_int_equal(sizeof(struct fp_tcp), 20);
	assert_int_equal(offsetof(struct fp_tcp, check), 16);
	assert_int_equal(offsetof(struct fp_udp, check), 6);
	assert_int_equal(sizeof(struct fp_key4), 16);
	assert_int_equal(sizeof(struct fp_key6), 40);
	assert_int_equal(sizeof(union fp_key), 40);
	assert_int_equal(sizeof(struct fp_flow4), 64);
	assert_int_equal(sizeof(struct fp_flow6), 128);
	assert_int_equal(sizeof(struct fp_bucket4), 64 * FP_WAYS);
	/* A key is compared and hashed as a whole, so nothing in it may be padding. */
	assert_int_equal(offsetof(struct fp_flow4, src), sizeof(struct fp_key4));
	assert_int_equal(offsetof(struct fp_key4, in), 12);
	assert_int_equal(offsetof(struct fp_key6, in), 36);
	assert_int_equal(sizeof(struct fp_account_key), 40);
}

/* ---- reading ---- */

struct read_case {
	const char *name;
	const struct spec *spec;
	struct {
		uint8_t at, value;
	} set[4];	 /* bytes of the frame; at 0: no more */
	int longer;	 /* bytes put at the end, or taken off */
	uint16_t hidden; /* bytes beyond what can be seen */
	enum fp_reason reason;
	bool unsealed; /* leave the IP header's checksum as it was */
};

#define IP(n)  (AT_IP + (n))
#define L4(n)  (AT_L4(0) + (n))
#define L46(n) (AT_L4(1) + (n))

static const struct read_case reads[] = {
	{"tcp", &tcp4, .reason = FP_OK},
	{"udp", &udp4, .reason = FP_OK},
	{"tcp over IPv6", &tcp6, .reason = FP_OK},
	{"udp over IPv6", &udp6, .reason = FP_OK},
	{"padding behind the packet", &tcp4, .longer = 15, .reason = FP_OK},
	{"padding behind IPv6", &udp6, .longer = 3, .reason = FP_OK},
	{"a part that cannot be seen", &tcp4, .longer = -11, .hidden = 11, .reason = FP_OK},
	{"a part that cannot be seen, IPv6", &udp6, .longer = -11, .hidden = 11, .reason = FP_OK},

	{"not IPv4", &tcp4, {{IP(0), 0x65}}, .reason = FP_MALFORMED},
	{"not IPv6", &tcp6, {{IP(0), 0x40}}, .reason = FP_MALFORMED},
	{"a header too short", &tcp4, {{IP(0), 0x44}}, .reason = FP_OPTIONS},
	{"options", &tcp4, {{IP(0), 0x46}}, .reason = FP_OPTIONS},
	{"hop by hop options", &tcp6, {{IP(6), 0}}, .reason = FP_OPTIONS},
	{"routing header", &tcp6, {{IP(6), 43}}, .reason = FP_OPTIONS},
	{"destination options", &tcp6, {{IP(6), 60}}, .reason = FP_OPTIONS},
	{"first fragment", &udp4, {{IP(6), 0x20}}, .reason = FP_FRAGMENT},
	{"later fragment", &udp4, {{IP(7), 1}}, .reason = FP_FRAGMENT},
	{"fragment far behind", &udp4, {{IP(6), 0x10}}, .reason = FP_FRAGMENT},
	{"the reserved bit alone", &udp4, {{IP(6), 0x80}}, .reason = FP_OK},
	{"fragment of IPv6", &udp6, {{IP(6), 44}}, .reason = FP_FRAGMENT},
	{"ttl 1", &tcp4, {{IP(8), 1}}, .reason = FP_TTL},
	{"ttl 0", &udp4, {{IP(8), 0}}, .reason = FP_TTL},
	{"ttl 2", &tcp4, {{IP(8), 2}}, .reason = FP_OK},
	{"ttl 255", &tcp4, {{IP(8), 255}}, .reason = FP_OK},
	{"hop limit 1", &tcp6, {{IP(7), 1}}, .reason = FP_TTL},
	{"hop limit 0", &udp6, {{IP(7), 0}}, .reason = FP_TTL},
	{"hop limit 2", &udp6, {{IP(7), 2}}, .reason = FP_OK},
	{"icmp", &udp4, {{IP(9), 1}}, .reason = FP_ICMP},
	{"sctp", &udp4, {{IP(9), 132}}, .reason = FP_PROTOCOL},
	{"udplite", &udp4, {{IP(9), 136}}, .reason = FP_PROTOCOL},
	{"icmp of IPv6", &udp6, {{IP(6), 58}}, .reason = FP_ICMP},
	{"esp over IPv6", &udp6, {{IP(6), 50}}, .reason = FP_PROTOCOL},
	{"IP checksum wrong", &tcp4, {{IP(4), 9}}, .reason = FP_MALFORMED, .unsealed = true},
	{"IP length beyond the frame", &tcp4, .longer = -1, .reason = FP_MALFORMED},
	{"IPv6 length beyond the frame", &tcp6, .longer = -1, .reason = FP_MALFORMED},
	{"IP length less than its header", &tcp4, {{IP(3), 19}}, .reason = FP_MALFORMED},
	{"IP length 0, as of huge segments", &tcp4, {{IP(3), 0}}, .reason = FP_MALFORMED},
	{"IPv6 length 0", &tcp6, {{IP(5), 0}}, .reason = FP_MALFORMED},
	{"no room for ports", &udp4, .longer = -12, .reason = FP_MALFORMED},
	{"no room for ports, IPv6", &udp6, .longer = -12, .reason = FP_MALFORMED},
	{"no room for TCP", &tcp4, .longer = -12, .hidden = 12, .reason = FP_MALFORMED},
	{"no room for TCP, IPv6", &tcp6, .longer = -12, .hidden = 12, .reason = FP_MALFORMED},
	{"IP ends in TCP's header", &tcp4, {{IP(3), 39}}, .reason = FP_MALFORMED},
	{"IPv6 ends in TCP's header", &tcp6, {{IP(5), 19}}, .reason = FP_MALFORMED},
	{"TCP's header too short", &tcp4, {{L4(12), 4 << 4}}, .reason = FP_MALFORMED},
	{"TCP's header beyond IP", &tcp4, {{L4(12), 8 << 4}}, .reason = FP_MALFORMED},
	{"TCP options", &tcp4, {{L4(12), 7 << 4}}, .reason = FP_OK},
	{"UDP's length less than its header", &udp4, {{L4(5), 7}}, .reason = FP_MALFORMED},
	{"UDP's length beyond IP", &udp4, {{L4(5), 20}}, .reason = FP_MALFORMED},
	{"UDP's length beyond IPv6", &udp6, {{L46(5), 20}}, .reason = FP_MALFORMED},
	{"UDP shorter than IP", &udp4, {{L4(5), 12}}, .reason = FP_OK},
	{"UDP without a checksum", &udp4, {{L4(6), 0}, {L4(7), 0}}, .reason = FP_OK},
	{"UDP without a checksum, IPv6", &udp6, {{L46(6), 0}, {L46(7), 0}}, .reason = FP_MALFORMED},
	{"SYN", &tcp4, {{L4(13), FP_SYN}}, .reason = FP_CONTROL},
	{"SYN and ACK", &tcp6, {{L46(13), FP_SYN | FP_ACK}}, .reason = FP_CONTROL},
	{"FIN", &tcp4, {{L4(13), FP_FIN | FP_ACK}}, .reason = FP_CONTROL},
	{"RST", &tcp4, {{L4(13), FP_RST}}, .reason = FP_CONTROL},
	{"no flag at all", &tcp4, {{L4(13), 0x20}}, .reason = FP_CONTROL},
	{"ACK, PSH, URG, ECE, CWR", &tcp4, {{L4(13), 0xf8}}, .reason = FP_OK},
};

static void test_reads(void **state)
{
	for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
		const struct read_case *c = &reads[i];
		struct fp_packet p;
		struct frame f;
		enum fp_reason reason;

		frame_make(&f, c->spec);
		for (size_t n = 0; n < 4 && c->set[n].at; n++)
			f.bytes[c->set[n].at] = c->set[n].value;
		if (!f.v6 && !c->unsealed) {
			reference_put_16(f.bytes + IP(10), 0);
			reference_put_16(f.bytes + IP(10), ~reference_ip_sum(f.bytes) & 0xffff);
		}
		f.len = (size_t)((int)f.len + c->longer);
		reason = read_frame(&f, f.len + c->hidden, &p);
		if (reason != c->reason)
			fail_msg("%s: reason %d, not %d", c->name, reason, c->reason);
		/* A control packet is one that is whole in all else. */
		if (reason == FP_OK || reason == FP_CONTROL) {
			assert_int_equal(p.len, reference_ip_len(f.bytes, f.v6));
			assert_int_equal(p.proto, c->spec->proto);
		}
		if (reason != FP_CONTROL)
			assert_int_equal(reason == FP_OK,
				reference_plain(f.bytes, f.len, f.len + c->hidden, f.v6));
	}
}

/* Each length there is, from nothing to the whole frame: nothing is read that is not there. */
static void test_truncated(void **state)
{
	const struct spec *specs[] = {&tcp4, &udp4, &tcp6, &udp6};

	for (size_t i = 0; i < 4; i++) {
		struct fp_packet p;
		struct frame f;
		size_t whole;

		frame_make(&f, specs[i]);
		whole = f.len;
		for (f.len = 0; f.len < whole; f.len++) {
			assert_int_equal(read_frame(&f, f.len, &p), FP_MALFORMED);
			assert_int_equal(read_frame(&f, whole, &p),
				reference_plain(f.bytes, f.len, whole, f.v6) ? FP_OK
									     : FP_MALFORMED);
		}
	}
}

/* What is told of a packet besides. */
static void test_packet(void **state)
{
	struct spec empty = tcp4;
	struct fp_packet p;
	struct frame f;

	frame_make(&f, &tcp4);
	f.bytes[IP(1)] = 0xb9;
	f.bytes[L4(12)] = 6 << 4;
	reference_seal(f.bytes, false);
	assert_int_equal(read_frame(&f, f.len, &p), FP_OK);
	assert_int_equal(p.tos, 0xb9);
	assert_int_equal(p.flags, FP_ACK);
	assert_int_equal(p.silent, 0);
	assert_int_equal(p.headers, 20 + 24);

	empty.payload = 0;
	frame_make(&f, &empty);
	f.len += 6; /* Ethernet's least length */
	assert_int_equal(read_frame(&f, f.len, &p), FP_OK);
	assert_int_equal(p.silent, 1);

	frame_make(&f, &udp6);
	f.bytes[IP(0)] = 0x6b;
	f.bytes[IP(1)] = 0x91;
	assert_int_equal(read_frame(&f, f.len, &p), FP_OK);
	assert_int_equal(p.tos, 0xb9);
	assert_int_equal(p.silent, 0);
	assert_int_equal(p.headers, 40 + 8);
}

static void test_keys(void **state)
{
	struct fp_packet p;
	struct frame f;
	struct fp_key4 k4;
	struct fp_key6 k6;
	uint8_t *eth;

	frame_make(&f, &udp4);
	assert_int_equal(read_frame(&f, f.len, &p), FP_OK);
	eth = exact(&f);
	fp_key4((void *)eth, &p, FP_MAX_INDEX, &k4);
	frame_free(eth);
	assert_memory_equal(&k4, f.bytes + IP(12), 8);
	assert_memory_equal(&k4.sport, f.bytes + L4(0), 4);
	assert_int_equal(k4.in, 0xffffff11);

	frame_make(&f, &tcp6);
	assert_int_equal(read_frame(&f, f.len, &p), FP_OK);
	eth = exact(&f);
	fp_key6((void *)eth, &p, 3, &k6);
	frame_free(eth);
	assert_memory_equal(&k6, f.bytes + IP(8), 32);
	assert_memory_equal(&k6.sport, f.bytes + L46(0), 4);
	assert_int_equal(k6.in, 0x306);
}

/* ---- rewriting ---- */

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void rewrite(struct frame *f, const struct fp_packet *p, const struct reference_move *to)
{
	uint8_t *eth = exact(f);
	struct fp_flow4 f4 = {0};
	struct fp_flow6 f6 = {0};
	struct fp_deltas d = {0};

	if (f->v6) {
		fp_key6((void *)eth, p, 7, &f6.key);
		memcpy(f6.src, to->src, 16);
		memcpy(f6.dst, to->dst, 16);
		memcpy(&f6.sport, to->sport, 2);
		memcpy(&f6.dport, to->dport, 2);
		memcpy(f6.how.dmac, to->dmac, 6);
		memcpy(f6.how.smac, to->smac, 6);
		fp_move6((void *)eth, &f6, &d);
	} else {
		fp_key4((void *)eth, p, 7, &f4.key);
		memcpy(&f4.src, to->src, 4);
		memcpy(&f4.dst, to->dst, 4);
		memcpy(&f4.sport, to->sport, 2);
		memcpy(&f4.dport, to->dport, 2);
		memcpy(f4.how.dmac, to->dmac, 6);
		memcpy(f4.how.smac, to->smac, 6);
		fp_move4((void *)eth, &f4, &d);
	}
	fp_adjust_l4(eth + AT_L4(f->v6), p->proto, &d);
	memcpy(f->bytes, eth, f->len);
	frame_free(eth);
}

/* The frame after the code under test is the reference's, byte for byte. */
static void same_as_reference(const struct frame *before, const struct reference_move *to)
{
	struct frame got = *before, want = *before;
	struct fp_packet p;

	assert_int_equal(read_frame(before, before->len, &p), FP_OK);
	rewrite(&got, &p, to);
	reference_rewrite(want.bytes, want.v6, to);
	assert_memory_equal(got.bytes, want.bytes, want.len);
	assert_int_equal(got.bytes[IP(got.v6 ? 7 : 8)], before->bytes[IP(got.v6 ? 7 : 8)] - 1);
}

static void random_move(uint64_t *x, struct reference_move *to)
{
	uint8_t *bytes = (void *)to;

	for (size_t i = 0; i < sizeof(*to); i++)
		bytes[i] = (uint8_t)next_random(x);
}

static void test_rewrites(void **state)
{
	const struct spec *specs[] = {&tcp4, &udp4, &tcp6, &udp6};
	struct reference_move to;
	uint64_t x = 88172645463325252u;
	struct frame f;

	for (int round = 0; round < 20000; round++) {
		struct spec s = *specs[round % 4];

		s.payload = (uint16_t)(next_random(&x) % 70);
		frame_make(&f, &s);
		f.bytes[IP(f.v6 ? 7 : 8)] = (uint8_t)(2 + next_random(&x) % 254);
		f.bytes[IP(1)] = (uint8_t)next_random(&x);
		for (size_t i = IP(f.v6 ? 8 : 12); i < (size_t)AT_L4(f.v6) + 4; i++)
			f.bytes[i] = (uint8_t)next_random(&x);
		reference_seal(f.bytes, f.v6);
		random_move(&x, &to);
		same_as_reference(&f, &to);
	}
}

static void make_zero(uint8_t *word, unsigned check)
{
	reference_put_16(word, reference_fold((uint64_t)reference_16(word) + check));
}

/* Checksums that are zero before, after, or both, which chance would seldom bring. */
static void test_zero(void **state)
{
	const struct spec *specs[] = {&tcp4, &udp4, &tcp6, &udp6};
	struct reference_move to;
	uint64_t x = 362436069;

	for (int round = 0; round < 4000; round++) {
		struct frame f, want;
		size_t check;

		frame_make(&f, specs[round % 4]);
		check = AT_L4(f.v6) + AT_CHECK(specs[round % 4]->proto);
		random_move(&x, &to);
		if (round & 4) {
			make_zero(f.bytes + AT_L4(f.v6), reference_16(f.bytes + check));
			reference_seal(f.bytes, f.v6);
			assert_int_equal(reference_16(f.bytes + check) % 0xffff, 0);
		}
		if (round & 8) {
			want = f;
			reference_rewrite(want.bytes, want.v6, &to);
			make_zero(to.dport, reference_16(want.bytes + check));
			want = f;
			reference_rewrite(want.bytes, want.v6, &to);
			assert_int_equal(reference_16(want.bytes + check) % 0xffff, 0);
		}
		if (round & 16) /* nothing changes but the TTL */
			memcpy(to.dport, f.bytes + AT_L4(f.v6) + 2, 2);
		same_as_reference(&f, &to);
	}
}

/* UDP without a checksum goes on without one; a wrong one stays wrong by as much. */
static void test_not_right(void **state)
{
	struct reference_move to;
	uint64_t x = 521288629;
	struct fp_packet p;
	struct frame f;
	unsigned sum;

	random_move(&x, &to);
	frame_make(&f, &udp4);
	reference_put_16(f.bytes + L4(6), 0);
	same_as_reference(&f, &to);

	for (int round = 0; round < 1000; round++) {
		frame_make(&f, round & 1 ? &udp4 : &tcp6);
		f.bytes[f.len - 1] ^= (uint8_t)(1 + round % 255);
		sum = reference_l4_sum(f.bytes, f.v6);
		random_move(&x, &to);
		assert_int_equal(read_frame(&f, f.len, &p), FP_OK);
		rewrite(&f, &p, &to);
		assert_int_equal(reference_l4_sum(f.bytes, f.v6), sum);
	}
}

/* Every carry there can be. */
static void test_fold(void **state)
{
	static const uint64_t halves[] = {0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff};
	uint64_t x = 123456789;

	for (unsigned i = 0; i < 7 * 7 * 7 * 7; i++) {
		uint64_t sum = halves[i % 7] | halves[i / 7 % 7] << 16 | halves[i / 49 % 7] << 32 |
			       halves[i / 343] << 48;

		assert_int_equal(fp_fold(sum), reference_fold(sum));
	}
	for (int i = 0; i < 100000; i++) {
		uint64_t sum = next_random(&x);

		assert_int_equal(fp_fold(sum), reference_fold(sum));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_rewrites),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_not_right),
		cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
