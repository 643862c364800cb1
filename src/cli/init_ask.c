/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks about each line and for maps. See init_ask.h. */
#include "cli/init_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "config/write.h"

#define MAPS_MAX  100u
#define TRIES_MAX 10u /* bad answers to one question, before what is in brackets is taken */

struct asking {
	struct cli_context *c;
	struct proposal *p;
};

/* The answer without the blanks around it; @otherwise where there is none. */
static const char *answer(struct asking *q, const char *question, const char *otherwise)
{
	char *line = NULL;
	const char *s = otherwise;
	size_t cap = 0;
	ssize_t len;

	fprintf(stderr, "%s [%s]: ", question, otherwise);
	len = getline(&line, &cap, stdin);
	if (len < 0)
		fputc('\n', stderr);
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	if (len > 0) {
		size_t from = strspn(line, " \t");

		s = arena_strndup(q->c->arena, line + from, (size_t)len - from);
	}
	free(line);
	return s;
}

static bool yes(struct asking *q, const char *question, bool otherwise)
{
	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		const char *s = answer(q, question, otherwise ? "yes" : "no");

		if (strcasecmp(s, "y") == 0 || strcasecmp(s, "yes") == 0)
			return true;
		if (strcasecmp(s, "n") == 0 || strcasecmp(s, "no") == 0)
			return false;
		fprintf(stderr, "  yes or no?\n");
	}
	return otherwise;
}

static void ask_name(struct asking *q, struct proposal_uplink *u)
{
	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		const char *s = answer(q, "  its name", u->line.name);

		if (config_is_name(s) && proposal_name_is_free(q->p, u, s)) {
			u->line.name = s;
			return;
		}
		fprintf(stderr,
			"  letters, digits, '_', '.' and '-', and no other line's name, please\n");
	}
}

/* An address of the family, or the word in brackets, which is none. False: that. */
static bool ask_address(struct asking *q, const char *question, uint8_t family,
	const struct ip_addr *found, struct ip_addr *out)
{
	const char *otherwise = "not known";
	char buf[IP_STRLEN];

	if (found->family)
		otherwise = ip_format(found, buf);
	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		const char *s = answer(q, question, otherwise);

		if (!found->family && s == otherwise)
			return false;
		if (ip_parse(s, out) == 0 && out->family == family && !ip_is_unspecified(out) &&
			!ip_is_multicast(out) && !ip_is_loopback(out))
			return true;
		fprintf(stderr, "  an address%s, please\n", family == IP_V6 ? " of IPv6" : "");
	}
	*out = *found;
	return found->family;
}

static void ask_line(struct asking *q, struct proposal_uplink *u)
{
	const char *addresses = proposal_addresses(q->c->arena, &u->line);
	uint8_t lacks = u->router_sure ? IP_NONE : proposal_lacks_router(q->p, u);
	struct ip_addr given;

	VEC_EACH (&u->why, const char *, why)
		fprintf(stderr, "  %s\n", *why);
	if (!yes(q,
		    arena_printf(q->c->arena, "Is %s (%s) a line to the Internet?",
			    u->line.interface, *addresses ? addresses : "no address"),
		    u->standing == LINE_FOUND)) {
		if (u->standing == LINE_FOUND)
			u->standing = LINE_DENIED;
		return;
	}
	u->standing = LINE_FOUND;
	ask_name(q, u);
	if (lacks && ask_address(q, "  its router", lacks, &u->router, &given)) {
		u->router = given;
		u->router_sure = true;
	}
	given = (struct ip_addr){0};
	if (proposal_is_behind(u) &&
		ask_address(q, "  the address that the world calls", IP_V4, &given, &given))
		u->public = given;
}

void init_ask_lines(struct cli_context *c, struct proposal *p)
{
	struct asking q = {c, p};

	VEC_EACH (&p->uplinks, struct proposal_uplink, u) {
		if (u->standing == LINE_FOUND || u->standing == LINE_MAYBE)
			ask_line(&q, u);
	}
}

const char *init_objection(struct cli_context *c, const struct proposal *p)
{
	const char *why = NULL;
	struct diag said;

	diag_init(&said);
	diag_source(&said, "the proposal", p->text, strlen(p->text));
	if (!config_load(c->arena, p->text, strlen(p->text), &said)) {
		VEC_EACH (&said.entries, const struct diag_entry, e)
			why = !why && e->severity == DIAG_ERROR ? arena_strdup(c->arena, e->text)
								: why;
	}
	diag_fini(&said);
	return why;
}

/* Whether the config takes it, and why not, is for the reader of configs to say. */
static void add_map(struct asking *q, const struct proposal_map *m, const char *before)
{
	const char *why;

	vec_push(q->c->arena, &q->p->maps, *m);
	propose_text(q->c->arena, q->p, "", before);
	why = init_objection(q->c, q->p);
	if (why) {
		fprintf(stderr, "  %s\n", why);
		q->p->maps.len--;
	}
}

static bool map_name_is_free(const struct proposal *p, const char *name)
{
	VEC_EACH (&p->import.names, const char *, it) {
		if (strcmp(*it, name) == 0)
			return false;
	}
	VEC_EACH (&p->maps, const struct proposal_map, m) {
		if (strcmp(m->name, name) == 0)
			return false;
	}
	return true;
}

/* "80/tcp" is called after its service, else after itself. */
static const char *usual_name(struct asking *q, const char *listen)
{
	const char *slash = strchr(listen, '/'), *known = NULL, *name;
	uint8_t proto = slash ? ip_proto_parse(slash + 1, strlen(slash + 1)) : 0;
	unsigned long port = strtoul(listen, NULL, 10);

	if (proto && port <= UINT16_MAX && strspn(listen, "0123456789") == (size_t)(slash - listen))
		known = import_service_name(proto, (uint16_t)port);
	name = known ? known : config_name_like(q->c->arena, listen);
	for (unsigned int n = 2; !map_name_is_free(q->p, name); n++)
		name = arena_printf(q->c->arena, "map-%u", n);
	return name;
}

void init_ask_maps(struct cli_context *c, struct proposal *p)
{
	struct asking q = {c, p};
	const char *before;

	propose_text(c->arena, p, "", NULL);
	before = init_objection(c, p);
	for (unsigned int i = 0; i < MAPS_MAX; i++) {
		struct proposal_map m = {
			.listen = answer(&q, "A public port to map, like 80/tcp", "no more")};

		if (strcmp(m.listen, "no more") == 0)
			return;
		m.to = answer(&q,
			"  the backend that it leads to, like 192.168.0.2 or 192.168.0.2:8080",
			"none");
		if (strcmp(m.to, "none") == 0)
			continue;
		m.name = usual_name(&q, m.listen);
		add_map(&q, &m, before);
	}
}
