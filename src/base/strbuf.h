/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growable string. Always NUL-terminated once something was added; strbuf_str() never gives NULL.
 * Owns its memory: strbuf_fini() frees it, strbuf_take() hands it over.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *s;
	size_t len, cap;
};

#define STRBUF_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void strbuf_fini(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* empty, keeps the memory */
const char *strbuf_str(const struct strbuf *b);
char *strbuf_take(struct strbuf *b); /* caller frees; the buffer is empty again */

void strbuf_add(struct strbuf *b, const char *s);
void strbuf_addn(struct strbuf *b, const char *s, size_t len);
void strbuf_addch(struct strbuf *b, char c);
void strbuf_fill(struct strbuf *b, char c, size_t times);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap);

#endif
