/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS questions and answers as bytes (RFC 1035). */
#ifndef DAEMON_PROBE_DNS_H
#define DAEMON_PROBE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_QUESTION_BYTES (12u + 255u + 4u)

struct dns_question {
	uint8_t bytes[DNS_QUESTION_BYTES]; /* the whole message */
	size_t len;
};

/* Ask for the name's address, or for the name servers of "." (NULL: that). False: no such name can
 * be. The identifier, in the first two bytes, is the caller's to fill in. */
bool dns_question_make(struct dns_question *q, const char *name);

enum dns_verdict {
	DNS_STRANGE,  /* not the answer to it, or malformed: as if it had not come */
	DNS_ANSWERED, /* also that there is no such name */
	DNS_REFUSED,  /* REFUSED */
	DNS_FAILED,   /* SERVFAIL */
};
enum dns_verdict dns_read(const struct dns_question *q, const uint8_t *bytes, size_t len);

#endif
