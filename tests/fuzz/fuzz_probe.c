/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the answer to a probe: never read past their end, and never taken for an answer without
 * what nobody could have guessed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "daemon/probe_dns.h"
#include "daemon/probe_icmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With the header and the question as they were asked, so that what follows is looked at. */
static void make_it_ours(const struct dns_question *q, uint8_t *bytes, size_t size)
{
	if (size < q->len)
		return;
	memcpy(bytes, q->bytes, 2);
	bytes[2] = (uint8_t)((bytes[2] & 0x07) | 0x80); /* a response, opcode 0 */
	memcpy(bytes + 4, q->bytes + 4, 2);
	memcpy(bytes + 12, q->bytes + 12, q->len - 12);
}

static void dns(uint8_t *bytes, size_t size, bool ours)
{
	struct dns_question q;
	enum dns_verdict v;

	if (!dns_question_make(&q, "www.example.org"))
		abort();
	q.bytes[0] = 0x12;
	q.bytes[1] = 0x34;
	if (ours)
		make_it_ours(&q, bytes, size);
	v = dns_read(&q, bytes, size);
	if (v != DNS_STRANGE && (size < q.len || memcmp(bytes, q.bytes, 2) != 0))
		abort();
}

static void icmp(uint8_t family, const uint8_t *bytes, size_t size)
{
	const struct icmp_echo e = {
		.family = family, .id = 0x1234, .sequence = 1, .token = "0123456789abcde"};

	if (icmp_is_reply(&e, bytes, size) && !memmem(bytes, size, e.token, sizeof(e.token)))
		abort();
}

/* A name as it is asked for: what is made never ends before its end, nor behind the buffer's. */
static void name(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct dns_question q;

	if (text && dns_question_make(&q, text) && (q.len < 17 || q.len > sizeof(q.bytes)))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes; /* of just that size, so that ASan sees */

	if (size == 0)
		return 0;
	bytes = malloc(size - 1 ? size - 1 : 1);
	memcpy(bytes, data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		icmp(IP_V4, bytes, size - 1);
		break;
	case 1:
		icmp(IP_V6, bytes, size - 1);
		break;
	case 2:
		dns(bytes, size - 1, false);
		break;
	case 3:
		dns(bytes, size - 1, true);
		break;
	default:
		name(data + 1, size - 1);
		break;
	}
	free(bytes);
	return 0;
}
