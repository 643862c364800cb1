/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growable string. */
#include "base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for @more bytes and the NUL. */
static void reserve(struct strbuf *b, size_t more)
{
	size_t want;

	if (more >= SIZE_MAX / 4 - b->len)
		abort();
	if (b->len + more + 1 <= b->cap)
		return;
	want = b->cap ? b->cap * 2 : 64;
	while (want < b->len + more + 1)
		want *= 2;
	b->s = realloc(b->s, want);
	if (!b->s)
		abort();
	b->cap = want;
}

void strbuf_fini(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

const char *strbuf_str(const struct strbuf *b)
{
	return b->s ? b->s : "";
}

char *strbuf_take(struct strbuf *b)
{
	char *s;

	reserve(b, 0);
	s = b->s;
	s[b->len] = '\0';
	*b = (struct strbuf)STRBUF_INIT;
	return s;
}

void strbuf_add(struct strbuf *b, const char *s)
{
	strbuf_addn(b, s, strlen(s));
}

void strbuf_addn(struct strbuf *b, const char *s, size_t len)
{
	reserve(b, len);
	if (len)
		memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void strbuf_addch(struct strbuf *b, char c)
{
	reserve(b, 1);
	b->s[b->len++] = c;
	b->s[b->len] = '\0';
}

void strbuf_fill(struct strbuf *b, char c, size_t times)
{
	reserve(b, times);
	memset(b->s + b->len, c, times);
	b->len += times;
	b->s[b->len] = '\0';
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(b, fmt, ap);
	va_end(ap);
}

void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	reserve(b, 0);
	n = vsnprintf(b->s + b->len, b->cap - b->len, fmt, ap);
	if (n < 0)
		abort();
	if ((size_t)n >= b->cap - b->len) {
		reserve(b, (size_t)n);
		vsnprintf(b->s + b->len, b->cap - b->len, fmt, again);
	}
	b->len += (size_t)n;
	va_end(again);
}
