/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of a config that is written for somebody: text that the reader takes back as what it was. */
#ifndef CONFIG_WRITE_H
#define CONFIG_WRITE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/ip.h"
#include "base/strbuf.h"

/* Can a config name the interface? A kernel takes bytes that are no text in UTF-8. */
bool config_is_interface(const char *s);

/* Why a config takes the address neither for a line's nor for a router's: "a multicast address"; NULL: it
 * does. */
const char *config_refuses_address(const struct ip_addr *a);

/* @s as a scalar, in quotes where it needs them. */
void config_add_scalar(struct strbuf *out, const char *s);

/* One comment line, "# " before it. Whatever @s holds, it stays one line: others' rules are quoted in
 * comments, and what is no printable text becomes '?'. */
void config_add_comment(struct strbuf *out, unsigned int indent, const char *s);
/* The same laid out at words. @lead ("", "? ") begins the first line; the others stand below it. */
void config_add_remark(struct strbuf *out, unsigned int indent, const char *lead, const char *s);

/* Can it be the name of an uplink or a map? */
bool config_is_name(const char *s);
/* The name that is nearest to @wish. */
const char *config_name_like(struct arena *a, const char *wish);

#endif
