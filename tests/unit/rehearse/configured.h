/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config as text, loaded for a test; and what the rehearsal makes of it. */
#ifndef TEST_REHEARSE_CONFIGURED_H
#define TEST_REHEARSE_CONFIGURED_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "rehearse/probes.h"

struct configured {
	struct arena *arena;
	struct diag diag;
	struct model *model;
	struct topology *topology;
	struct rehearse_options options;
	struct rehearse_result result;
};

static inline void configure_on(
	struct configured *c, const char *text, const struct netstate *live, bool as_is)
{
	memset(c, 0, sizeof(*c));
	c->arena = arena_new();
	diag_init(&c->diag);
	diag_source(&c->diag, "test.yaml", text, strlen(text));
	c->model = config_load(c->arena, text, strlen(text), &c->diag);
	if (!c->model) {
		struct strbuf b = STRBUF_INIT;

		diag_render(&c->diag, &b, false);
		fail_msg("%s", strbuf_str(&b));
	}
	c->topology = topology_make(c->arena, c->model, live, as_is);
	c->options.source = "test.yaml";
	c->result.model = c->model;
	c->result.options = &c->options;
	probes_choose(c->arena, c->topology, c->model, &c->result);
	topology_wire(c->arena, c->topology);
	topology_describe(c->arena, c->topology, &c->result);
}

static inline void configure(struct configured *c, const char *text)
{
	configure_on(c, text, NULL, false);
}

static inline void configured_fini(struct configured *c)
{
	diag_fini(&c->diag);
	arena_free(c->arena);
}

static inline struct ip_addr addr_of(const char *text)
{
	struct ip_addr addr;

	assert_int_equal(ip_parse(text, &addr), 0);
	return addr;
}

#endif
