/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any frame and any new addresses through bpf/nat.h: it lets pass what the slow reference lets pass, its
 * result is the reference's byte for byte, and nothing is touched beyond the bytes that can be seen.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nat.h"
#include "reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Before the frame. */
struct choice {
	uint8_t flags, hidden; /* bytes at the end that a program cannot see */
	struct reference_move to;
};

#define IS_V6	  1u /* of choice.flags */
#define IS_SEALED 2u /* with right checksums */
#define OLD_ZERO  4u /* a checksum that is zero before, which chance would hardly ever hit */
#define NEW_ZERO  8u /* and after */

static void must(bool holds)
{
	if (!holds)
		abort();
}

static enum fp_reason read_frame(
	const struct fp_eth *eth, size_t linear, size_t total, bool v6, struct fp_packet *p)
{
	const void *end = (const uint8_t *)eth + linear;

	return v6 ? fp_read6(eth, end, (uint32_t)total, p) : fp_read4(eth, end, (uint32_t)total, p);
}

static void rewrite(
	struct fp_eth *eth, const struct fp_packet *p, bool v6, const struct reference_move *to)
{
	struct fp_how how;
	struct fp_flow4 f4 = {0};
	struct fp_flow6 f6 = {0};
	struct fp_deltas d = {0};

	memcpy(how.dmac, to->dmac, 6);
	memcpy(how.smac, to->smac, 6);
	if (v6) {
		fp_key6(eth, p, 7, &f6.key);
		memcpy(f6.src, to->src, 16);
		memcpy(f6.dst, to->dst, 16);
		memcpy(&f6.sport, to->sport, 2);
		memcpy(&f6.dport, to->dport, 2);
		f6.how = how;
		fp_move6(eth, &f6, &d);
	} else {
		fp_key4(eth, p, 7, &f4.key);
		memcpy(&f4.src, to->src, 4);
		memcpy(&f4.dst, to->dst, 4);
		memcpy(&f4.sport, to->sport, 2);
		memcpy(&f4.dport, to->dport, 2);
		f4.how = how;
		fp_move4(eth, &f4, &d);
	}
	fp_adjust_l4((uint8_t *)eth + AT_L4(v6), p->proto, &d);
}

/* Zero has two forms in one's complement. Where the sender used the other one, so may we. */
static bool same_check(const uint8_t *got, const uint8_t *want, const uint8_t *before)
{
	unsigned g = reference_16(got), w = reference_16(want);

	return g == w || (reference_16(before) % 0xffff == 0 && g % 0xffff == 0 && w % 0xffff == 0);
}

/* Have the sum over @word come out so that its checksum, now @check, is zero. */
static void make_zero(uint8_t *word, unsigned check)
{
	reference_put_16(word, reference_fold((uint64_t)reference_16(word) + check));
}

/* Right checksums, and zero where @flags want it, if the frame is long enough to have them. */
static void seal(uint8_t *frame, size_t total, bool v6, unsigned flags, struct reference_move *to)
{
	uint8_t *l4 = frame + AT_L4(v6), *want;
	size_t at;

	if (total < AT_L4(v6) + 20u || reference_ip_len(frame, v6) > total - AT_IP ||
		reference_ip_len(frame, v6) < (v6 ? 60u : 40u) ||
		reference_covered(frame, v6) > total - AT_L4(v6))
		return;
	at = AT_CHECK(reference_proto(frame, v6));
	reference_seal(frame, v6);
	if (flags & OLD_ZERO) {
		make_zero(l4, reference_16(l4 + at));
		if (!v6)
			make_zero(frame + AT_IP + 4, reference_16(frame + AT_IP + 10));
		reference_seal(frame, v6);
	}
	if (!(flags & NEW_ZERO))
		return;
	want = malloc(total);
	memcpy(want, frame, total);
	reference_rewrite(want, v6, to);
	if (!v6)
		make_zero(to->dst + 2, reference_16(want + AT_IP + 10));
	memcpy(want, frame, total);
	reference_rewrite(want, v6, to);
	make_zero(to->dport, reference_16(want + AT_L4(v6) + at));
	free(want);
}

/* @got is what became of @frame: but for a checksum above IP that was wrong, it is the reference's. */
static void judge(const uint8_t *frame, const uint8_t *got, size_t linear, size_t total, bool v6,
	const struct reference_move *to)
{
	uint8_t *want = malloc(total);
	size_t l4 = AT_L4(v6) + AT_CHECK(reference_proto(frame, v6));
	bool right = reference_l4_sum(frame, v6) == 0xffff;
	bool missing = reference_proto(frame, v6) == 17 && !reference_16(frame + l4);

	memcpy(want, frame, total);
	reference_rewrite(want, v6, to);
	if (!v6)
		must(same_check(got + AT_IP + 10, want + AT_IP + 10, frame + AT_IP + 10));
	if (right || missing) {
		must(same_check(got + l4, want + l4, frame + l4));
	} else { /* as wrong as it was */
		uint8_t *whole = malloc(total);

		memcpy(whole, frame, total);
		memcpy(whole, got, linear);
		must(reference_l4_sum(whole, v6) % 0xffff == reference_l4_sum(frame, v6) % 0xffff);
		free(whole);
	}
	memcpy(want + l4, got + l4, 2);
	if (!v6)
		memcpy(want + AT_IP + 10, got + AT_IP + 10, 2);
	must(!memcmp(want, got, linear));
	free(want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choice c;
	struct fp_packet p = {0};
	size_t total, linear;
	uint8_t *frame, *seen;
	enum fp_reason reason;
	bool v6;

	if (size < sizeof(c))
		return 0;
	memcpy(&c, data, sizeof(c));
	total = size - sizeof(c);
	linear = total - (c.hidden < total ? c.hidden : 0);
	v6 = c.flags & IS_V6;
	frame = frame_new(total);
	seen = frame_new(linear);
	if (total)
		memcpy(frame, data + sizeof(c), total);
	if (c.flags & IS_SEALED)
		seal(frame, total, v6, c.flags, &c.to);
	if (linear)
		memcpy(seen, frame, linear);

	reason = read_frame((void *)seen, linear, total, v6, &p);
	must(!linear || !memcmp(seen, frame, linear));
	must((reason == FP_OK) == reference_plain(frame, linear, total, v6));
	if (reason == FP_OK) {
		must(p.len == reference_ip_len(frame, v6) && p.proto == reference_proto(frame, v6));
		rewrite((void *)seen, &p, v6, &c.to);
		judge(frame, seen, linear, total, v6, &c.to);
	}
	frame_free(frame);
	frame_free(seen);
	return 0;
}
