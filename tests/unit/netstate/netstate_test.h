/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of netstates share. */
#ifndef NETSTATE_TEST_H
#define NETSTATE_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "netstate/netstate.h"

#define TYPES(...) ((const enum nft_type[]){__VA_ARGS__, NFT_T_NONE})

static inline struct ip_addr ip(const char *s)
{
	struct ip_addr a = {0};

	assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

static inline struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p = {0};

	assert_int_equal(ip_prefix_parse(s, &p), 0);
	return p;
}

static inline void put_ip(uint8_t *at, const char *s)
{
	struct ip_addr a = ip(s);

	memcpy(at, a.bytes, ip_bytes(a.family));
}

#define assert_prints(want, call)                                                                  \
	do {                                                                                       \
		struct strbuf out_ = STRBUF_INIT, *out = &out_;                                    \
		call;                                                                              \
		assert_string_equal(strbuf_str(out), want);                                        \
		strbuf_fini(out);                                                                  \
	} while (0)

#endif
