/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes: frames as the sniffers read them, SCTP packets, messages through shared memory. */
#include "configured.h"

#include "rehearse/traffic.h"

/* Ethernet, then IPv4 UDP 1.1.1.1:53 -> 100.100.100.100:20001 */
static const uint8_t frame4[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 1, 0,
	0, 64, 17, 0, 0, 1, 1, 1, 1, 100, 100, 100, 100, 0, 53, 0x4e, 0x21, 0, 8, 0, 0};

static void v4_frames(void **state)
{
	uint8_t bytes[sizeof(frame4)];
	struct sniffed p;

	(void)state;
	assert_true(sniff_parse(frame4, sizeof(frame4), &p));
	assert_int_equal(p.proto, PROTO_UDP);
	assert_int_equal(p.sport, 53);
	assert_int_equal(p.dport, 20001);
	assert_true(ip_equal(
		&p.dst, &(struct ip_addr){.family = IP_V4, .bytes = {100, 100, 100, 100}}));
	/* Every shorter frame is cut off somewhere; the ports take four bytes of UDP's eight. */
	for (size_t len = 0; len < 14 + 20 + 4; len++)
		assert_false(sniff_parse(frame4, len, &p));
	memcpy(bytes, frame4, sizeof(bytes));
	bytes[14 + 7] = 1; /* a later fragment has no ports */
	assert_false(sniff_parse(bytes, sizeof(bytes), &p));
	memcpy(bytes, frame4, sizeof(bytes));
	bytes[14 + 9] = PROTO_ICMP;
	assert_false(sniff_parse(bytes, sizeof(bytes), &p));
	memcpy(bytes, frame4, sizeof(bytes));
	bytes[14] = 0x4f; /* a header longer than the frame */
	assert_false(sniff_parse(bytes, sizeof(bytes), &p));
}

static void v6_frames(void **state)
{
	uint8_t bytes[14 + 40 + 20] = {[12] = 0x86, [13] = 0xdd};
	struct ip_addr src = addr_of("2001:db8::1"), dst = addr_of("2001:db8::2");
	struct sniffed p;

	(void)state;
	bytes[14 + 6] = PROTO_TCP;
	memcpy(bytes + 14 + 8, src.bytes, 16);
	memcpy(bytes + 14 + 24, dst.bytes, 16);
	bytes[14 + 40 + 3] = 80;
	assert_true(sniff_parse(bytes, sizeof(bytes), &p));
	assert_true(ip_equal(&p.src, &src) && ip_equal(&p.dst, &dst));
	assert_int_equal(p.dport, 80);
	assert_false(sniff_parse(bytes, 14 + 40 + 3, &p));
}

static void crc32c(void **state)
{
	(void)state;
	/* The check value of CRC-32C (RFC 3720, appendix B.4, has more). */
	assert_int_equal(sctp_crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
	assert_int_equal(sctp_crc32c((const uint8_t[32]){0}, 32), 0x8a9136aa);
}

static void assert_same(const struct sctp_init *a, const struct sctp_init *b)
{
	assert_int_equal(a->sport, b->sport);
	assert_int_equal(a->dport, b->dport);
	assert_int_equal(a->ack, b->ack);
	assert_int_equal(a->tag, b->tag);
	assert_int_equal(a->initiate_tag, b->initiate_tag);
}

static void sctp_there_and_back(void **state)
{
	const struct sctp_init init = {.sport = 20001, .dport = 3868, .initiate_tag = 0x12345678};
	const struct sctp_init ack = {.sport = 3868,
		.dport = 20001,
		.ack = true,
		.tag = 0x12345678,
		.initiate_tag = 0x9abcdef0};
	uint8_t bytes[SCTP_MAX_BYTES];
	struct sctp_init out;
	size_t len;

	(void)state;
	len = sctp_write(&init, bytes);
	assert_int_equal(len, 32);
	assert_true(sctp_read(bytes, len, &out));
	assert_same(&out, &init);
	for (size_t i = 0; i < len; i++) { /* the checksum covers all */
		bytes[i] ^= 1;
		assert_false(sctp_read(bytes, len, &out));
		bytes[i] ^= 1;
	}
	assert_false(sctp_read(bytes, len - 1, &out));
	len = sctp_write(&ack, bytes);
	assert_int_equal(len, 40);
	assert_true(sctp_read(bytes, len, &out));
	assert_same(&out, &ack);
}

static void messages_there_and_back(void **state)
{
	static const char text[] = "uplinks:\n  a: 1\n";
	struct strbuf before = STRBUF_INIT, after = STRBUF_INIT;
	struct diag d, e;
	char packed[4096];

	(void)state;
	diag_init(&d);
	diag_init(&e);
	diag_source(&d, "a.yaml", text, strlen(text));
	diag_source(&e, "a.yaml", text, strlen(text));
	diag_error(&d, (struct span){2, 3, 1}, "an error of 100%%");
	diag_note(&d, (struct span){1, 1, 7}, "a note");
	diag_hint(&d, "one\ntwo");
	diag_warning(&d, NOWHERE, "a warning");
	diag_info(&d, NOWHERE, "an info");
	diag_pack(&d, packed, sizeof(packed));
	diag_unpack(packed, &e);
	diag_render(&d, &before, false);
	diag_render(&e, &after, false);
	assert_string_equal(strbuf_str(&after), strbuf_str(&before));
	assert_int_equal(e.errors, 1);
	/* Too little room: whole messages or none. */
	diag_pack(&d, packed, 8);
	assert_string_equal(packed, "");
	strbuf_fini(&before);
	strbuf_fini(&after);
	diag_fini(&d);
	diag_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v4_frames),
		cmocka_unit_test(v6_frames),
		cmocka_unit_test(crc32c),
		cmocka_unit_test(sctp_there_and_back),
		cmocka_unit_test(messages_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
