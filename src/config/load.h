/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the loader share: from the YAML tree to the model, then the checks.
 *
 * load.c walks the tree by the table of keys, load_uplink.c and load_map.c read the values of one
 * uplink or map, value.c reads single scalars. The check_*.c files then look at the model as a
 * whole. Everything reports to the diag and goes on.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/keys.h"
#include "config/names.h"
#include "config/yaml.h"

/* What could not be read of an uplink or map, so that no check builds on it. */
enum broken {
	BROKEN_ADDRESS = 1 << 0, /* uplink: the list of addresses is not complete */
	BROKEN_ON = 1 << 1,	 /* map: `on` is not complete */
	BROKEN_TARGET = 1 << 2,	 /* map: to or from */
	BROKEN_RETURN = 1 << 3,	 /* map: clashes with that of another, and this was said */
};

/* Addresses that uplinks declare, sorted by address, then uplink. */
struct owned_addr {
	struct ip_addr addr;
	uint32_t uplink, index; /* of model.uplinks, and of its list */
};
struct addr_index {
	struct owned_addr *items;
	size_t len;
};

struct loader {
	struct arena *arena; /* the model's */
	struct arena
		*scratch; /* gone when the loading is done; the tree is gone before the checks */
	struct diag *d;
	struct model *m;
	struct {
		const char *name;
		size_t len;
	} keys[KEY_COUNT_]; /* last part of each key's path */
	struct names uplink_names;
	uint8_t *uplink_broken, *map_broken; /* enum broken, per uplink and map */
	struct addr_index addresses, publics;
	struct {
		uint16_t total, of[2]; /* declared addresses of an uplink: all, [0] v4, [1] v6 */
	} * addr_counts;
	unsigned int suggestions; /* how many more times "did you mean" may be looked for */
	bool uplinks_known;	  /* the section was readable, so an unknown name is a mistake */
	bool addresses_known;	  /* and every uplink declares its addresses */
};

/* ---- sections (load.c) ---- */

typedef void load_fn(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object);

struct field {
	enum config_key_id id;
	load_fn *load;
};

/*
 * Read mapping @n by @fields: unknown and duplicate keys, and required ones that are missing, are
 * reported; the others are read into @object (those without a load function are the caller's). In
 * messages the mapping is called @what, with the text of @name if that is not NULL.
 */
void load_section(struct loader *l, const struct yaml_node *n, const struct field *fields,
	size_t n_fields, void *object, const char *what, const struct yaml_node *name);

/* The text of @n, shortened, for messages. */
const char *load_quote(struct loader *l, const struct yaml_node *n);

/* Complain that @value is not @wanted. */
void load_wrong_type(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *wanted);

/*
 * A value that is one scalar or a list of them: *@first and the return value are what to go
 * through with yaml_next(). 0: none, the error was reported. Scalars in a list that are null or
 * lists themselves are reported too, and make it 0.
 */
size_t load_items(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *wanted, size_t limit, const struct yaml_node **first);
/* A value that is one scalar. NULL: the error was reported. */
const struct yaml_node *load_scalar(struct loader *l, const struct yaml_node *key,
	const struct yaml_node *value, const char *wanted);

/* "did you mean 'x'?" as hint of the last entry, if one of @candidates is near: then true. */
bool load_suggest(struct loader *l, const char *word, const char *const *candidates, size_t n);

/* `check` of @uplink, or of a map (NULL): one or several, in the model's arena; *@len of them. What is
 * wrong with them was reported. */
struct check *load_checks(struct loader *l, const struct yaml_node *key,
	const struct yaml_node *value, const struct uplink *uplink, size_t *len);
/* A value that is one of @words: its index. @n: none, the error was reported. */
size_t load_word_of(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *const *words, size_t n);

/* `gateway.fastpath` and `gateway.fastpath-flows`, into the model. */
load_fn load_fastpath, load_fastpath_flows;

extern const struct field load_uplink_fields[], load_map_fields[];
extern const size_t load_uplink_n_fields, load_map_n_fields;

/* ---- single values (value.c): false: the error was reported ---- */

bool value_is(const struct yaml_node *n, const char *s);
/* The part of a scalar's place that @len bytes of its text from @from stand at. */
struct span value_part(const struct yaml_node *n, size_t from, size_t len);
bool value_name(struct loader *l, const struct yaml_node *n, const char *what);
/* What keeps it from being the name of an interface; NULL: nothing does (load_uplink.c). */
const char *value_bad_interface(const char *s, size_t len);
/* A name that an interface can have. */
bool value_interface(struct loader *l, const struct yaml_node *n);
bool value_u32(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *n, uint32_t *out);
bool value_bool(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *n, bool *out);
/* Why it is the address of nobody on a network: "a multicast address"; NULL: it can be somebody's. */
const char *value_bad_address(const struct ip_addr *a);
/* An address that can be somebody's: not multicast, unspecified or loopback. */
bool value_address(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct ip_addr *out);
/* @items addresses from @n on, each once, into @out, which has room for them. Returns how many were
 * good. */
size_t value_addresses(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	size_t items, struct located_addr *out);
bool value_prefix(struct loader *l, const struct yaml_node *n, struct ip_prefix *out);
bool value_listen(struct loader *l, const struct yaml_node *n, struct listen *out);
bool value_target(
	struct loader *l, const struct yaml_node *n, struct ip_addr *addr, uint16_t *port);

bool value_is_true(const struct yaml_node *n, bool *out); /* false: neither true nor false */
bool value_is_name_char(char c);			  /* of a host's name, dots included */
/* The port in the @len bytes of the text from @from. */
bool value_port(
	struct loader *l, const struct yaml_node *n, size_t from, size_t len, uint16_t *out);
/* "204" or "200-399", each from @min to @max; nothing is reported. */
bool value_range(
	const struct yaml_node *n, uint32_t min, uint32_t max, uint16_t *first, uint16_t *last);
/* "500ms", "5s" or "1m". */
bool value_duration(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	uint32_t min_ms, uint32_t max_ms, uint32_t *out_ms);
/* An address with a port, which may be left out where @port is not 0. */
bool value_endpoint(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	uint16_t port, struct ip_addr *addr, uint16_t *out);
/* Where a listener of our own may be: "9180", "192.168.0.1", "[::]:9180", or on. */
bool value_metrics(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct ip_addr *addr, uint16_t *port);

/* ---- checks of the whole ---- */

void check_uplinks(struct loader *l);
/* Mark, preferences, tables, and the uplinks' numbers. */
void check_numbers(struct loader *l);
/* Each map by itself: families, ranges, prefixes, limits. False: too many elements to go on. */
bool check_maps(struct loader *l);
/* Maps against each other: who listens where. */
void check_listeners(struct loader *l);
/* Maps that lead to the same backend must agree on how replies return. */
void check_returns(struct loader *l);

/* "80/tcp", "27000-27099/udp" */
const char *listen_text(struct loader *l, const struct listen *listen);
bool uplink_may_have(const struct loader *l, const struct uplink *u, uint8_t family);
/* How many items of @index have @addr; *@first is the first of them, if any. */
size_t addr_index_find(const struct addr_index *index, const struct ip_addr *addr,
	const struct owned_addr **first);

static inline const char *family_name(uint8_t family)
{
	return family == IP_V6 ? "IPv6" : "IPv4";
}

#endif
