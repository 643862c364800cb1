/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a daemon has found out, as a plan looks it up and as lines of text:
 *
 *	return 192.168.0.2 direct answers come back by eth2
 *	down 192.168.0.3 8080 web
 */
#include <stdio.h>

#include "plan/internal.h"

size_t plan_down_key(
	char out[DOWN_KEY_BYTES], const char *map, const struct ip_addr *backend, uint16_t port)
{
	size_t len = strnlen(map, LIMIT_MEMORY_LINE);

	memcpy(out, backend, sizeof(*backend));
	memcpy(out + sizeof(*backend), &port, sizeof(port));
	memcpy(out + sizeof(*backend) + sizeof(port), map, len);
	return sizeof(*backend) + sizeof(port) + len;
}

void plan_learned_index(struct arena *a, const struct learned *l, struct plan_learned *out)
{
	out->learned = l;
	out->used = arena_alloc(a, l->returns.len * sizeof(*out->used));
	names_init(&out->returns, a, l->returns.len);
	names_init(&out->downs, a, l->downs.len);
	for (size_t i = 0; i < l->returns.len; i++)
		names_enter(&out->returns, (const char *)&l->returns.items[i].backend,
			sizeof(struct ip_addr), (uint32_t)i);
	for (size_t i = 0; i < l->downs.len; i++) {
		const struct memory_down *d = &l->downs.items[i];
		char key[DOWN_KEY_BYTES];
		size_t len = plan_down_key(key, d->map, &d->backend, d->port);

		names_enter(&out->downs, arena_strndup(a, key, len), len, (uint32_t)i);
	}
}

const struct memory_return *plan_learned_return(
	const struct plan_learned *l, const struct ip_addr *backend)
{
	uint32_t i = names_find(&l->returns, (const char *)backend, sizeof(*backend));

	return i == NAME_UNKNOWN ? NULL : &l->learned->returns.items[i];
}

const struct memory_down *plan_learned_down(
	const struct plan_learned *l, const struct map *m, const struct backend *b)
{
	char key[DOWN_KEY_BYTES];
	uint32_t i = names_find(&l->downs, key, plan_down_key(key, m->name, &b->addr, b->port));

	return i == NAME_UNKNOWN ? NULL : &l->learned->downs.items[i];
}

void learned_copy(struct arena *a, const struct learned *from, struct learned *to)
{
	*to = (struct learned){0};
	VEC_EACH (&from->returns, const struct memory_return, r) {
		struct memory_return one = *r;

		one.reason = r->reason ? arena_strdup(a, r->reason) : NULL;
		vec_push(a, &to->returns, one);
	}
	VEC_EACH (&from->downs, const struct memory_down, down) {
		struct memory_down one = *down;

		one.map = arena_strdup(a, down->map);
		vec_push(a, &to->downs, one);
	}
}

/* ---- lines ---- */

const char *plan_return_line(struct arena *a, const struct memory_return *r)
{
	char addr[IP_STRLEN], line[LIMIT_MEMORY_LINE + 1];

	snprintf(line, sizeof(line), "return %s %s %s", ip_format(&r->backend, addr),
		r->mode == RETURN_DIRECT ? "direct" : "snat", r->reason ? r->reason : "");
	return arena_strdup(a, line);
}

const char *plan_down_line(struct arena *a, const struct memory_down *d)
{
	char addr[IP_STRLEN];

	return arena_printf(a, "down %s %u %s", ip_format(&d->backend, addr), d->port, d->map);
}

/* The next word of a line, which it begins with; the rest in *@s. */
static const char *word(const char **s)
{
	const char *start = *s;

	while (**s && **s != ' ')
		(*s)++;
	return start;
}

static bool read_addr(const char **s, struct ip_addr *out)
{
	const char *start = word(s);

	if (ip_parse_n(start, (size_t)(*s - start), out) || **s != ' ')
		return false;
	(*s)++;
	return true;
}

static bool read_return(struct arena *a, const char *s, struct learned *out)
{
	struct memory_return r = {.mode = RETURN_SNAT};

	if (!read_addr(&s, &r.backend))
		return false;
	if (strncmp(s, "direct ", 7) == 0)
		r.mode = RETURN_DIRECT;
	else if (strncmp(s, "snat ", 5) != 0)
		return false;
	r.reason = s + (r.mode == RETURN_DIRECT ? 7 : 5);
	vec_push(a, &out->returns, r);
	return true;
}

static bool read_down(struct arena *a, const char *s, struct learned *out)
{
	struct memory_down d = {0};
	const char *port;
	uint32_t n = 0;

	if (!read_addr(&s, &d.backend))
		return false;
	port = word(&s);
	if (s == port || s - port > 5 || *s != ' ' || !s[1])
		return false;
	for (; port < s; port++) {
		if (*port < '0' || *port > '9')
			return false;
		n = n * 10 + (uint32_t)(*port - '0');
	}
	if (n > UINT16_MAX || strlen(s + 1) > LIMIT_NAME)
		return false;
	d.port = (uint16_t)n;
	d.map = s + 1;
	vec_push(a, &out->downs, d);
	return true;
}

bool plan_read_learned(struct arena *a, const char *s, size_t len, struct learned *out)
{
	const char *line;

	if (len > LIMIT_MEMORY_LINE || memchr(s, '\0', len))
		return false;
	line = arena_strndup(a, s, len);
	if (strncmp(line, "return ", 7) == 0)
		return read_return(a, line + 7, out);
	if (strncmp(line, "down ", 5) == 0)
		return read_down(a, line + 5, out);
	return false;
}
