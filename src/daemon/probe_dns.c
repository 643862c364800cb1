/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS probes: one question by UDP; a server that answers, whatever it says, is one that works. */
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "daemon/probe_internal.h"

/* Offsets and bits of the header. */
enum { AT_FLAGS = 2, AT_COUNTS = 4, HEADER_BYTES = 12 };
enum { FLAG_RESPONSE = 0x8000, FLAG_TRUNCATED = 0x0200, FLAG_RECURSION = 0x0100 };
enum { OPCODE_MASK = 0x7800, RCODE_MASK = 0x000f };

#define RECORD_BYTES 10u  /* of a record behind its name: type, class, TTL, length */
#define RECORDS_MAX  512u /* more do not fit into an answer over UDP that anybody asks for */

/* ---- bytes ---- */

bool dns_question_make(struct dns_question *q, const char *name)
{
	bool root = !name || strcmp(name, ".") == 0;
	uint8_t *at = q->bytes + HEADER_BYTES, *end = q->bytes + HEADER_BYTES + 255;

	memset(q, 0, sizeof(*q));
	be16_put(q->bytes + AT_FLAGS, FLAG_RECURSION);
	be16_put(q->bytes + AT_COUNTS, 1);
	if (name && !*name)
		return false;
	for (const char *s = root ? "" : name; *s;) {
		size_t len = strcspn(s, ".");

		if (len == 0 || len > 63 || at + 1 + len >= end)
			return false;
		*at++ = (uint8_t)len;
		memcpy(at, s, len);
		at += len;
		s += len + (s[len] == '.');
	}
	*at++ = 0;
	be16_put(at, root ? ns_t_ns : ns_t_a);
	be16_put(at + 2, ns_c_in);
	q->len = (size_t)(at + 4 - q->bytes);
	return true;
}

/* Behind the name at @at, which may end in a pointer; 0: it is cut short. */
static size_t skip_name(const uint8_t *bytes, size_t len, size_t at)
{
	while (at < len) {
		uint8_t label = bytes[at];

		if (label == 0)
			return at + 1;
		if (label >= 0xc0)
			return at + 2 <= len ? at + 2 : 0;
		if (label > 63)
			return 0;
		at += 1u + label;
	}
	return 0;
}

/* Do as many records follow as the header says? */
static bool records_fit(const uint8_t *bytes, size_t len, size_t at)
{
	uint32_t n = 0;

	for (unsigned int section = 1; section < 4; section++)
		n += be16_at(bytes + AT_COUNTS + 2 * section);
	if (n > RECORDS_MAX)
		return false;
	while (n--) {
		at = skip_name(bytes, len, at);
		if (!at || at + RECORD_BYTES > len)
			return false;
		at += RECORD_BYTES + be16_at(bytes + at + RECORD_BYTES - 2);
		if (at > len)
			return false;
	}
	return true;
}

/* The question is given back as it was asked; servers may change the case of letters. (The labels'
 * lengths are no letters, nor are the type and class.) */
static bool repeats(const struct dns_question *q, const uint8_t *bytes)
{
	for (size_t i = HEADER_BYTES; i < q->len; i++) {
		uint8_t x = q->bytes[i], y = bytes[i];

		if (x >= 'A' && x <= 'Z')
			x += 'a' - 'A';
		if (y >= 'A' && y <= 'Z')
			y += 'a' - 'A';
		if (x != y)
			return false;
	}
	return true;
}

enum dns_verdict dns_read(const struct dns_question *q, const uint8_t *bytes, size_t len)
{
	uint32_t flags;

	if (len < HEADER_BYTES || be16_at(bytes) != be16_at(q->bytes))
		return DNS_STRANGE;
	flags = be16_at(bytes + AT_FLAGS);
	if (!(flags & FLAG_RESPONSE) || (flags & OPCODE_MASK) != 0)
		return DNS_STRANGE;
	if (be16_at(bytes + AT_COUNTS) != 1 || len < q->len || !repeats(q, bytes))
		return DNS_STRANGE;
	switch (flags & RCODE_MASK) {
	case ns_r_servfail:
		return DNS_FAILED;
	case ns_r_refused:
		return DNS_REFUSED;
	default:
		break;
	}
	return flags & FLAG_TRUNCATED || records_fit(bytes, len, q->len) ? DNS_ANSWERED
									 : DNS_STRANGE;
}

/* ---- the socket ---- */

static void take(struct probe *p, const uint8_t *bytes, size_t len)
{
	switch (dns_read(&p->dns, bytes, len)) {
	case DNS_STRANGE:
		break;
	case DNS_ANSWERED:
		probe_ok(p);
		break;
	case DNS_REFUSED:
		probe_failed(p, "answered REFUSED");
		break;
	case DNS_FAILED:
		probe_failed(p, "answered SERVFAIL");
		break;
	}
}

static void readable(evutil_socket_t fd, short what, void *data)
{
	probe_read(data, take);
}

int probe_dns_start(struct probe *p, const struct probe_question *q)
{
	int err;

	if (!dns_question_make(&p->dns, q->query)) {
		p->answer.asked = false;
		probe_failed(p, "no such name can be asked for");
		return 0;
	}
	if (getrandom(p->dns.bytes, 2, 0) != 2)
		return -errno;
	err = probe_connect(p, SOCK_DGRAM, IPPROTO_UDP, EV_READ | EV_PERSIST, readable);
	if (err || p->decided)
		return err;
	if (send(p->fd, p->dns.bytes, p->dns.len, 0) < 0)
		probe_error(p, errno == ECONNREFUSED, "cannot send", errno);
	return 0;
}
