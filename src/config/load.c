/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the YAML tree to the model: sections by the table of keys, and the order of the work. */
#include "config/load.h"

#include <stdlib.h>
#include <string.h>

#define QUOTE_MAX	 60
#define SUGGESTIONS_MAX	 500 /* each costs time; a file that is wrong all over needs no more */
#define FIELDS_MAX	 16
#define HOOK_TIMEOUT_MIN 100u /* ms */
#define HOOK_TIMEOUT_MAX 300000u
#define HOOK_WORD_BYTES	 4096u

/* ---- words ---- */

const char *load_quote(struct loader *l, const struct yaml_node *n)
{
	if (n->len <= QUOTE_MAX)
		return arena_strndup(l->scratch, n->text, n->len);
	return arena_printf(l->scratch, "%.*s...", QUOTE_MAX, n->text);
}

static const char *kind_name(const struct yaml_node *n)
{
	if (n->kind == YAML_MAPPING)
		return "a mapping";
	return n->kind == YAML_SEQUENCE ? "a list" : "a single value";
}

bool load_suggest(struct loader *l, const char *word, const char *const *candidates, size_t n)
{
	const char *nearest = NULL;

	if (l->suggestions) {
		l->suggestions--;
		nearest = diag_nearest(word, candidates, n);
	}
	if (nearest)
		diag_hint(l->d, "did you mean '%s'?", nearest);
	return nearest;
}

/* ---- shapes of values ---- */

void load_wrong_type(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *wanted)
{
	const char *name = load_quote(l, key);

	if (yaml_is_null(value))
		diag_error(l->d, key->at, "'%s' has no value; it must be %s", name, wanted);
	else
		diag_error(
			l->d, value->at, "'%s' must be %s, not %s", name, wanted, kind_name(value));
}

/* `to: [2001:db8::25]` is a list with one address to YAML. */
static bool hint_brackets(struct loader *l, const struct yaml_node *value)
{
	const struct yaml_node *item = yaml_first(value);
	struct ip_addr addr;

	if (value->kind != YAML_SEQUENCE || value->len != 1 || item->kind != YAML_SCALAR ||
		ip_parse_n(item->text, item->len, &addr) || addr.family != IP_V6)
		return false;
	diag_hint(l->d, "brackets make a list; write %s, or \"[%s]\" with quotes",
		load_quote(l, item), load_quote(l, item));
	return true;
}

const struct yaml_node *load_scalar(struct loader *l, const struct yaml_node *key,
	const struct yaml_node *value, const char *wanted)
{
	if (value->kind == YAML_SCALAR && !yaml_is_null(value))
		return value;
	load_wrong_type(l, key, value, wanted);
	if (!hint_brackets(l, value) && value->kind == YAML_SEQUENCE && value->len == 1)
		diag_hint(l->d, "write it without the brackets or the '-'");
	return NULL;
}

size_t load_items(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *wanted, size_t limit, const struct yaml_node **first)
{
	bool good = true;
	uint32_t i = 0;

	if (value->kind != YAML_SEQUENCE) {
		*first = value;
		if (value->kind == YAML_SCALAR && !yaml_is_null(value))
			return 1;
		load_wrong_type(
			l, key, value, arena_printf(l->scratch, "%s or a list of such", wanted));
		return 0;
	}
	if (!value->len) {
		diag_error(l->d, value->at, "'%s' is an empty list", load_quote(l, key));
		diag_hint(l->d, "leave the key out if there is nothing to say");
		return 0;
	}
	if (value->len > limit) {
		diag_error(l->d, value->at, "'%s' has %u entries; the limit is %zu",
			load_quote(l, key), value->len, limit);
		return 0;
	}
	*first = yaml_first(value);
	for (const struct yaml_node *n = *first; i < value->len; n = yaml_next(n), i++) {
		if (n->kind == YAML_SCALAR && !yaml_is_null(n))
			continue;
		diag_error(l->d, n->at, "each entry of '%s' must be %s, not %s", load_quote(l, key),
			wanted, n->kind == YAML_SCALAR ? "empty" : kind_name(n));
		good = false;
	}
	return good ? value->len : 0;
}

size_t load_word_of(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *const *words, size_t n)
{
	struct strbuf known = STRBUF_INIT;
	const char *wanted;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&known, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
	wanted = arena_strdup(l->scratch, strbuf_str(&known));
	strbuf_fini(&known);
	value = load_scalar(l, key, value, wanted);
	for (size_t i = 0; value && i < n; i++)
		if (value_is(value, words[i]))
			return i;
	if (value) {
		diag_error(l->d, value->at, "'%s' must be %s, not '%s'", load_quote(l, key), wanted,
			load_quote(l, value));
		load_suggest(l, load_quote(l, value), words, n);
	}
	return n;
}

/* ---- sections ---- */

/* "map 'web'", or "'gateway'" where there is no name */
static const char *subject(struct loader *l, const char *what, const struct yaml_node *name)
{
	return name ? arena_printf(l->scratch, "%s '%s'", what, load_quote(l, name)) : what;
}

static void unknown_key(struct loader *l, const struct yaml_node *key, const struct field *fields,
	size_t n_fields, const char *where)
{
	const char *names[FIELDS_MAX], *word = load_quote(l, key);
	struct strbuf known = STRBUF_INIT;

	diag_error(l->d, key->at, "unknown key '%s' in %s", word, where);
	for (size_t i = 0; i < n_fields; i++) {
		names[i] = l->keys[fields[i].id].name;
		strbuf_addf(&known, "%s%s", i ? ", " : "", names[i]);
	}
	if (!load_suggest(l, word, names, n_fields))
		diag_hint(l->d, "known here: %s", strbuf_str(&known));
	strbuf_fini(&known);
}

void load_section(struct loader *l, const struct yaml_node *n, const struct field *fields,
	size_t n_fields, void *object, const char *what, const struct yaml_node *name)
{
	const struct yaml_node *seen[FIELDS_MAX] = {NULL};
	const struct yaml_node *key = yaml_first(n), *value;

	for (uint32_t i = 0; i < n->len; i++, key = yaml_next(value)) {
		size_t f = 0;

		value = yaml_next(key);
		while (f < n_fields &&
			(l->keys[fields[f].id].len != key->len ||
				memcmp(l->keys[fields[f].id].name, key->text, key->len) != 0))
			f++;
		if (f == n_fields) {
			unknown_key(l, key, fields, n_fields, subject(l, what, name));
		} else if (seen[f]) {
			diag_error(l->d, key->at, "'%s' stands twice in %s",
				l->keys[fields[f].id].name, subject(l, what, name));
			diag_note(l->d, seen[f]->at, "first here");
		} else {
			seen[f] = key;
			if (fields[f].load)
				fields[f].load(l, key, value, object);
		}
	}
	for (size_t f = 0; f < n_fields; f++) {
		if (seen[f] || !config_key(fields[f].id)->required)
			continue;
		diag_error(l->d, name ? name->at : n->at, "%s has no '%s'", subject(l, what, name),
			l->keys[fields[f].id].name);
		diag_hint(
			l->d, "%s: %s", l->keys[fields[f].id].name, config_key(fields[f].id)->help);
	}
}

/* A section that may be left empty (all its lines commented out). True: there is something. */
static bool is_mapping(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	const char *wanted)
{
	if (value->kind == YAML_MAPPING)
		return true;
	if (!yaml_is_null(value))
		load_wrong_type(l, key, value, wanted);
	return false;
}

/* ---- uplinks ---- */

static int by_owned_addr(const void *pa, const void *pb)
{
	const struct owned_addr *a = pa, *b = pb;
	int c = ip_cmp(&a->addr, &b->addr);

	return c ? c : (a->uplink > b->uplink) - (a->uplink < b->uplink);
}

static void addr_index_add(
	struct addr_index *index, const struct ip_addr *addr, size_t uplink, size_t nth)
{
	index->items[index->len++] = (struct owned_addr){*addr, (uint32_t)uplink, (uint32_t)nth};
}

static void index_addresses(struct loader *l)
{
	const struct model *m = l->m;
	size_t addresses = 0, publics = 0;

	VEC_EACH (&m->uplinks, struct uplink, u) {
		addresses += u->addresses.len;
		publics += u->publics.len;
	}
	l->addresses.items = arena_alloc(l->scratch, addresses * sizeof(*l->addresses.items));
	l->publics.items = arena_alloc(l->scratch, publics * sizeof(*l->publics.items));
	l->addr_counts = arena_alloc(l->scratch, m->uplinks.len * sizeof(*l->addr_counts));
	l->addresses_known = true;
	for (size_t i = 0; i < m->uplinks.len; i++) {
		const struct uplink *u = &m->uplinks.items[i];

		if (!u->addresses.len || l->uplink_broken[i] & BROKEN_ADDRESS)
			l->addresses_known = false;
		for (size_t k = 0; k < u->addresses.len; k++) {
			const struct ip_addr *addr = &u->addresses.items[k].addr;

			addr_index_add(&l->addresses, addr, i, k);
			l->addr_counts[i].total++;
			l->addr_counts[i].of[addr->family == IP_V6]++;
		}
		for (size_t k = 0; k < u->publics.len; k++)
			addr_index_add(&l->publics, &u->publics.items[k].addr, i, k);
	}
	qsort(l->addresses.items, l->addresses.len, sizeof(*l->addresses.items), by_owned_addr);
	qsort(l->publics.items, l->publics.len, sizeof(*l->publics.items), by_owned_addr);
}

size_t addr_index_find(
	const struct addr_index *index, const struct ip_addr *addr, const struct owned_addr **first)
{
	size_t low = 0, high = index->len, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(&index->items[mid].addr, addr) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == index->len)
		return 0;
	*first = &index->items[low];
	while (low + n < index->len && ip_equal(&index->items[low + n].addr, addr))
		n++;
	return n;
}

static void load_uplinks(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;
	const struct yaml_node *name, *body;

	if (value->kind != YAML_MAPPING || !value->len) {
		if (value->kind == YAML_MAPPING || yaml_is_null(value))
			diag_error(l->d, key->at, "'uplinks' is empty; a gateway has at least one");
		else
			load_wrong_type(l, key, value, "a mapping of names to uplinks");
		return;
	}
	names_init(&l->uplink_names, l->scratch, value->len);
	l->uplink_broken = arena_alloc(l->scratch, value->len);
	m->uplinks.items = arena_alloc(l->arena, value->len * sizeof(*m->uplinks.items));
	m->uplinks.cap = value->len;
	name = yaml_first(value);
	for (uint32_t i = 0; i < value->len; i++, name = yaml_next(body)) {
		uint32_t index = (uint32_t)m->uplinks.len, first;
		struct uplink *u;

		body = yaml_next(name);
		first = names_enter(&l->uplink_names, name->text, name->len, index);
		if (first != index) {
			diag_error(l->d, name->at, "uplink '%s' stands twice", load_quote(l, name));
			diag_note(l->d, m->uplinks.items[first].at, "first here");
			continue;
		}
		value_name(l, name, "uplink");
		u = vec_add(l->arena, &m->uplinks);
		u->name = arena_strndup(l->arena, name->text, name->len);
		u->at = name->at;
		if (body->kind == YAML_MAPPING) {
			load_section(l, body, load_uplink_fields, load_uplink_n_fields, u, "uplink",
				name);
		} else {
			l->uplink_broken[index] |= BROKEN_ADDRESS;
			load_wrong_type(l, name, body, "a mapping, such as {interface: eth0}");
		}
	}
	l->uplinks_known = true;
	index_addresses(l);
}

/* ---- maps ---- */

static void load_maps(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;
	const struct yaml_node *name, *body;
	struct names names;

	if (!is_mapping(l, key, value, "a mapping of names to maps"))
		return;
	names_init(&names, l->scratch, value->len);
	l->map_broken = arena_alloc(l->scratch, value->len);
	m->maps.items = arena_alloc(l->arena, value->len * sizeof(*m->maps.items));
	m->maps.cap = value->len;
	name = yaml_first(value);
	for (uint32_t i = 0; i < value->len; i++, name = yaml_next(body)) {
		uint32_t index = (uint32_t)m->maps.len, first;
		struct map *map;

		body = yaml_next(name);
		if (index == LIMIT_MAPS) {
			diag_error(l->d, name->at, "more than %u maps; this is the first too many",
				LIMIT_MAPS);
			return;
		}
		first = names_enter(&names, name->text, name->len, index);
		if (first != index) {
			diag_error(l->d, name->at, "map '%s' stands twice", load_quote(l, name));
			diag_note(l->d, m->maps.items[first].at, "first here");
			continue;
		}
		value_name(l, name, "map");
		map = vec_add(l->arena, &m->maps);
		map->name = arena_strndup(l->arena, name->text, name->len);
		map->at = name->at;
		map->enabled = true;
		if (body->kind == YAML_MAPPING) {
			load_section(l, body, load_map_fields, load_map_n_fields, map, "map", name);
		} else {
			load_wrong_type(l, name, body,
				"a mapping, such as {listen: 80/tcp, to: 192.168.0.2}");
		}
	}
}

/* ---- gateway ---- */

static void load_u32(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	uint32_t *out, struct span *at)
{
	if (value_u32(l, key, value, out))
		*at = value->at;
}

static void load_mark(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	load_u32(l, key, value, &m->mark_mask, &m->mark_at);
}

static void load_rules(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	load_u32(l, key, value, &m->rules_first, &m->rules_at);
}

static void load_tables(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	load_u32(l, key, value, &m->tables_first, &m->tables_at);
}

static void load_guard(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	value_bool(l, key, value, &m->guard);
}

/* A program and its arguments, for no shell to read. */
static void load_hook(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "a word of the command", LIMIT_HOOK, &n);
	const struct yaml_node *command = n;

	m->hook_at = value->at;
	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		if (n->len && n->len <= HOOK_WORD_BYTES && !memchr(n->text, 0, n->len)) {
			vec_push(l->arena, &m->hook, arena_strndup(l->arena, n->text, n->len));
			continue;
		}
		diag_error(l->d, n->at,
			n->len ? "a word of 'hook' that no program can be given"
			       : "an empty word in 'hook'");
		return;
	}
	if (!items)
		return;
	if (command->text[0] != '/') {
		diag_error(l->d, command->at, "'hook' must begin with the full path of a program");
		diag_hint(l->d, "no PATH is searched: hook: /usr/local/sbin/%s",
			load_quote(l, command));
	} else if (items == 1 && memchr(command->text, ' ', command->len)) {
		diag_error(l->d, command->at, "'hook' is run without a shell");
		diag_hint(
			l->d, "write a program with arguments as a list: [/path/to/it, argument]");
	}
}

static void load_hook_timeout(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	value_duration(l, key, value, HOOK_TIMEOUT_MIN, HOOK_TIMEOUT_MAX, &m->hook_timeout_ms);
}

static void load_metrics(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	m->metrics_at = value->at;
	value_metrics(l, key, value, &m->metrics, &m->metrics_port);
}

static void load_watch(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	value_bool(l, key, value, &m->watch);
}

static void load_gateway(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	static const struct field fields[] = {
		{KEY_GATEWAY_MARK, load_mark},
		{KEY_GATEWAY_RULES, load_rules},
		{KEY_GATEWAY_TABLES, load_tables},
		{KEY_GATEWAY_GUARD, load_guard},
		{KEY_GATEWAY_HOOK, load_hook},
		{KEY_GATEWAY_HOOK_TIMEOUT, load_hook_timeout},
		{KEY_GATEWAY_METRICS, load_metrics},
		{KEY_GATEWAY_WATCH, load_watch},
		{KEY_GATEWAY_FASTPATH, load_fastpath},
		{KEY_GATEWAY_FASTPATH_FLOWS, load_fastpath_flows},
	};

	if (is_mapping(l, key, value, "a mapping"))
		load_section(l, value, fields, sizeof(fields) / sizeof(fields[0]), object,
			"'gateway'", NULL);
}

/* ---- the whole ---- */

static const struct yaml_node *find_key(
	const struct loader *l, const struct yaml_node *root, enum config_key_id id)
{
	const struct yaml_node *key = yaml_first(root);

	for (uint32_t i = 0; i < root->len; i++, key = yaml_next(yaml_next(key)))
		if (key->len == l->keys[id].len &&
			memcmp(key->text, l->keys[id].name, key->len) == 0)
			return key;
	return NULL;
}

/* Maps refer to uplinks, wherever both stand in the file, so the order is ours. */
static void load_root(struct loader *l, const struct yaml_node *root)
{
	static const struct field fields[] = {
		{KEY_UPLINKS, NULL}, {KEY_MAPS, NULL}, {KEY_GATEWAY, NULL}};
	static const struct field order[] = {
		{KEY_GATEWAY, load_gateway}, {KEY_UPLINKS, load_uplinks}, {KEY_MAPS, load_maps}};

	if (root->kind != YAML_MAPPING) {
		diag_error(l->d, root->at,
			"a config is a mapping with 'uplinks' and 'maps', not %s", kind_name(root));
		return;
	}
	load_section(l, root, fields, 3, NULL, "the file", NULL);
	for (size_t i = 0; i < 3; i++) {
		const struct yaml_node *key = find_key(l, root, order[i].id);

		if (key)
			order[i].load(l, key, yaml_next(key), l->m);
	}
}

static bool load_tree(struct loader *l, const char *text, size_t len)
{
	struct arena *arena = arena_new();
	size_t errors = l->d->errors;
	const struct yaml_node *root = yaml_parse(arena, text, len, l->d);

	if (root) {
		load_root(l, root);
	} else if (l->d->errors == errors) {
		diag_error(l->d, (struct span){1, 1, 1}, "the file is empty");
		diag_hint(l->d, "the least it can say:\n"
				"uplinks:\n"
				"  telecom: {interface: eth0}\n"
				"maps:\n"
				"  web: {listen: 80/tcp, to: 192.168.0.2}");
	}
	arena_free(arena);
	return root;
}

struct model *config_load(struct arena *arena, const char *text, size_t len, struct diag *d)
{
	struct loader l = {.arena = arena, .d = d, .suggestions = SUGGESTIONS_MAX};
	size_t errors = d->errors;

	if (len > LIMIT_CONFIG_BYTES) {
		diag_error(d, NOWHERE, "the file has %zu bytes; the limit is %u", len,
			LIMIT_CONFIG_BYTES);
		return NULL;
	}
	l.scratch = arena_new();
	l.m = arena_new_of(arena, struct model);
	l.m->mark_mask = DEFAULT_MARK_MASK;
	l.m->rules_first = DEFAULT_RULES_FIRST;
	l.m->tables_first = DEFAULT_TABLES_FIRST;
	l.m->guard = true;
	l.m->hook_timeout_ms = DEFAULT_HOOK_TIMEOUT;
	l.m->fastpath_flows = DEFAULT_FASTPATH_FLOWS;
	for (size_t i = 0; i < KEY_COUNT_; i++) {
		const char *path = config_key((enum config_key_id)i)->path,
			   *dot = strrchr(path, '.');

		l.keys[i].name = dot ? dot + 1 : path;
		l.keys[i].len = strlen(l.keys[i].name);
	}
	names_init(&l.uplink_names, l.scratch, 0);
	if (load_tree(&l, text, len)) {
		check_uplinks(&l);
		check_numbers(&l);
		if (check_maps(&l)) {
			check_listeners(&l);
			check_returns(&l);
		}
	}
	arena_free(l.scratch);
	return d->errors == errors ? l.m : NULL;
}
