/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads sysctls: "key = value" and "key=value" of sysctl(8), "/proc/sys/...:value" of grep. */
#include <string.h>

#include "netstate/dump/reader.h"

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("._-/@:+~", c);
}

/* Dots between the parts; sysctl(8) takes both, and whichever comes first is what parts are told
 * apart by. */
static const char *key_of(struct arena *a, const char *s, size_t len)
{
	char *key = arena_strndup(a, s, len);
	size_t first = strcspn(key, "./");

	if (key[first] == '/')
		for (char *c = key; *c; c++)
			*c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
	return key;
}

/* Where the key ends: at "=", or of grep's output at the ":" behind a path. */
static const char *separator(const char *s, size_t len, bool path)
{
	const char *equals = memchr(s, '=', len);

	/* Names of interfaces may hold colons: the last one before the value counts. */
	return !equals && path ? memrchr(s, ':', len) : equals;
}

/* False: no setting at all. */
static bool read_line(struct dump *d, const struct dump_file *f, const struct dump_line *l)
{
	static const char root[] = "/proc/sys/";
	const char *s = l->s, *end = l->s + l->len, *sep, *value;
	bool path = dump_starts_with(s, l->len, root);
	size_t len;

	if (path)
		s += sizeof(root) - 1;
	else if (*s == '-') /* of sysctl.conf(5): it may fail */
		s++;
	sep = separator(s, (size_t)(end - s), path);
	if (!sep)
		return false;
	len = (size_t)(sep - s);
	while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	for (size_t i = 0; i < len; i++)
		if (!s[i] || !is_key_char(s[i]))
			return false;
	if (!len)
		return false;
	/* Settings of other parts of the kernel have no say here. */
	if (!dump_starts_with(s, len, "net.") && !dump_starts_with(s, len, "net/"))
		return true;
	for (value = sep + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	vec_push(d->arena, &d->out->sysctls,
		((struct net_sysctl){key_of(d->arena, s, len),
			arena_strndup(d->arena, value, (size_t)(end - value)),
			{.line = l->number, .col = 1, .len = 1}}));
	return true;
}

void dump_read_sysctl(struct dump *d, const struct dump_file *f)
{
	struct dump_lines lines;
	struct dump_line l;

	dump_lines_begin(&lines, f);
	while (dump_lines_next(&lines, &l)) {
		if (*l.s == '#' || *l.s == ';') /* of sysctl.conf(5) */
			continue;
		/* What sysctl says of those it may not read is mixed in, if the errors were saved. */
		if (!read_line(d, f, &l))
			dump_note(d, f, l.number, l.s, l.len, "not a setting");
	}
	d->out->have |= HAVE_SYSCTLS;
}
