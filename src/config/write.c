/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes scalars, comments and names of a config. See write.h. */
#include "config/write.h"

#include <string.h>
#include <strings.h>

#include "base/ip.h"
#include "config/load.h"
#include "config/yaml.h"

#define COLUMNS 100u

/* ---- scalars ---- */

bool config_is_interface(const char *s)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + strlen(s);

	if (value_bad_interface(s, strlen(s)))
		return false;
	while (p < end) {
		/* What is not printable can be written as an escape, if it is a character. */
		size_t n = *p < 0x80 ? 1 : yaml_printable(p, end);

		if (!n)
			return false;
		p += n;
	}
	return true;
}

const char *config_refuses_address(const struct ip_addr *a)
{
	return value_bad_address(a);
}

/* Words that other readers of YAML take for something else than text. */
static bool is_word(const char *s)
{
	static const char *const words[] = {
		"true", "false", "on", "off", "yes", "no", "y", "n", "null"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(s, words[i]) == 0)
			return true;
	}
	return false;
}

/* ASCII, whatever the locale. */
static bool is_name_char(char c)
{
	return (unsigned char)c < 0x80 && value_is_name_char(c);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_plain(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (!is_name_char(*p))
			return false;
	}
	return is_letter(s[0]) && !is_word(s);
}

void config_add_scalar(struct strbuf *out, const char *s)
{
	if (is_plain(s)) {
		strbuf_add(out, s);
		return;
	}
	strbuf_addch(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			strbuf_addf(out, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			strbuf_addf(out, "\\%c", c);
		else
			strbuf_addch(out, *s);
	}
	strbuf_addch(out, '"');
}

/* ---- comments ---- */

/* U+0085, U+2028 and U+2029 end a line for some readers. */
static bool breaks_line(const unsigned char *p, size_t n)
{
	return (n == 2 && memcmp(p, "\xc2\x85", 2) == 0) ||
	       (n == 3 && (memcmp(p, "\xe2\x80\xa8", 3) == 0 || memcmp(p, "\xe2\x80\xa9", 3) == 0));
}

static void add_printable(struct strbuf *out, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	while (p < end) {
		size_t n = *p < 0x20 ? 0 : yaml_printable(p, end);

		if (n == 0 || breaks_line(p, n))
			strbuf_addch(out, '?');
		else
			strbuf_addn(out, (const char *)p, n);
		p += n ? n : 1;
	}
}

void config_add_comment(struct strbuf *out, unsigned int indent, const char *s)
{
	strbuf_fill(out, ' ', indent);
	strbuf_add(out, "# ");
	add_printable(out, s, strlen(s));
	strbuf_addch(out, '\n');
}

void config_add_remark(struct strbuf *out, unsigned int indent, const char *lead, const char *s)
{
	size_t margin = indent + 2 + strlen(lead), room = COLUMNS - margin;

	for (bool first = true; *s || first; first = false) {
		size_t len = strlen(s), cut = len;

		if (len > room) {
			for (cut = room; cut > 0 && s[cut] != ' '; cut--)
				;
			/* A word that is longer than the line has the line to itself. */
			if (cut == 0)
				cut = strcspn(s, " ");
		}
		strbuf_fill(out, ' ', indent);
		strbuf_add(out, "# ");
		if (first)
			strbuf_add(out, lead);
		else
			strbuf_fill(out, ' ', strlen(lead));
		add_printable(out, s, cut);
		strbuf_addch(out, '\n');
		s += cut + strspn(s + cut, " ");
	}
}

/* ---- names ---- */

bool config_is_name(const char *s)
{
	struct ip_addr addr;
	size_t len = 0;

	for (; s[len]; len++) {
		if (!is_name_char(s[len]))
			return false;
	}
	return len && len <= LIMIT_NAME && ip_parse(s, &addr) != 0;
}

const char *config_name_like(struct arena *a, const char *wish)
{
	char *name = arena_strndup(a, wish, strnlen(wish, LIMIT_NAME));

	for (char *p = name; *p; p++) {
		if (!is_name_char(*p))
			*p = '-';
	}
	return config_is_name(name) ? name
				    : arena_printf(a, "line-%.*s", (int)LIMIT_NAME - 5, name);
}
