/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `nft -j list ruleset` by turning it into nft's own language, for the one parser of that.
 *
 * Each object becomes one line of a script. nft 1.0.6 prints some that are no JSON (a table with an
 * owner, for one): these are noted by dump_json_each() and leave a rule in doubt where they stood.
 */
#include <string.h>

#include "netstate/dump/nft_json.h"
#include "netstate/dump/nft_reader.h"

/* ---- objects of the ruleset ---- */

static void put_words(struct nft_script *x, const json_t *o, const char *const *keys)
{
	for (; *keys; keys++) {
		strbuf_addch(&x->text, ' ');
		nft_json_put_string(x, nft_json_string(o, *keys));
	}
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void end_line(struct nft_script *x, const json_t *o)
{
	const json_t *handle = json_object_get(o, "handle");

	if (json_is_integer(handle))
		strbuf_addf(&x->text, " # handle %lld", (long long)json_integer_value(handle));
	strbuf_addch(&x->text, '\n');
}

static void put_table(struct nft_script *x, const json_t *o)
{
	strbuf_add(&x->text, "add table");
	put_words(x, o, KEYS("family", "name"));
	if (json_object_get(o, "flags")) {
		strbuf_add(&x->text, " { flags ");
		nft_json_put_joined(x, json_object_get(o, "flags"), ",");
		strbuf_add(&x->text, "; }");
	}
	end_line(x, o);
}

static void keep_chain(struct nft_script *x, const json_t *o, const char *name)
{
	size_t start = x->text.len;

	put_words(x, o, KEYS("family", "table", name));
	x->chain = arena_strdup(x->d->arena, x->text.s + start);
}

static void put_chain(struct nft_script *x, const json_t *o)
{
	const json_t *devices = json_object_get(o, "dev");

	strbuf_add(&x->text, "add chain");
	keep_chain(x, o, "name");
	if (nft_json_string(o, "hook")) {
		strbuf_add(&x->text, " { type");
		put_words(x, o, KEYS("type"));
		strbuf_add(&x->text, " hook");
		put_words(x, o, KEYS("hook"));
		if (devices) {
			strbuf_add(&x->text, " devices = { ");
			nft_json_put_joined(x, devices, ", ");
			strbuf_add(&x->text, " }");
		}
		strbuf_add(&x->text, " priority ");
		nft_json_put_member(x, o, "prio");
		strbuf_add(&x->text, ";");
		nft_json_put_option(x, o, "policy", "policy");
		strbuf_add(&x->text, "; }");
	}
	end_line(x, o);
}

static void put_rule(struct nft_script *x, const json_t *o)
{
	const char *comment = nft_json_string(o, "comment");

	strbuf_add(&x->text, "add rule");
	keep_chain(x, o, "chain");
	nft_json_put_stmts(x, json_object_get(o, "expr"));
	if (comment) {
		strbuf_add(&x->text, " comment ");
		nft_json_quote(x, comment);
	}
	end_line(x, o);
}

/* Types by name, or of expressions. nft 1.0.6 writes "ipv4_addr . inet_service" in one string. */
static void put_types(struct nft_script *x, const json_t *type)
{
	const char *s = json_string_value(type);
	const json_t *of = json_object_get(type, "typeof");

	if (s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_ .") == strlen(s))
		strbuf_add(&x->text, s);
	else
		nft_json_put_joined(x, of ? of : type, " . ");
}

/* Is there a range in it? */
static bool has_range(const json_t *value, unsigned int depth)
{
	if (json_object_get(value, "range") || json_object_get(value, "prefix"))
		return true;
	value = json_is_object(value) ? json_object_get(value, "concat") : value;
	for (size_t i = 0; depth < 3 && i < json_array_size(value); i++) {
		if (has_range(json_array_get(value, i), depth + 1))
			return true;
	}
	return false;
}

/* Does a map give ranges? nft 1.0.6 does not say so of its type. */
static bool gives_ranges(const json_t *elements)
{
	for (size_t i = 0; i < json_array_size(elements); i++) {
		if (has_range(json_array_get(json_array_get(elements, i), 1), 0))
			return true;
	}
	return false;
}

static void put_set_object(struct nft_script *x, const json_t *o, const char *kind)
{
	const json_t *map = json_object_get(o, "map"), *type = json_object_get(o, "type");

	strbuf_addf(&x->text, "add %s", kind);
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " { ");
	strbuf_add(&x->text, json_object_get(type, "typeof") ? "typeof " : "type ");
	put_types(x, type);
	if (map) {
		strbuf_add(&x->text,
			gives_ranges(json_object_get(o, "elem")) ? " : interval " : " : ");
		put_types(x, map);
	}
	strbuf_add(&x->text, ";");
	if (json_object_get(o, "flags")) {
		strbuf_add(&x->text, " flags ");
		nft_json_put_joined(x, json_object_get(o, "flags"), ",");
		strbuf_add(&x->text, ";");
	}
	nft_json_put_option(x, o, "size", "size");
	strbuf_add(&x->text, ";");
	nft_json_put_option(x, o, "timeout", "timeout");
	strbuf_add(&x->text, ";");
	if (json_object_get(o, "elem")) {
		strbuf_add(&x->text, " elements = ");
		nft_json_put_elements(x, json_object_get(o, "elem"));
	}
	strbuf_add(&x->text, "; }");
	end_line(x, o);
}

static void put_element_object(struct nft_script *x, const json_t *o)
{
	strbuf_add(&x->text, "add element");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_addch(&x->text, ' ');
	nft_json_put_elements(x, json_object_get(o, "elem"));
	strbuf_addch(&x->text, '\n');
}

static void put_counter_object(struct nft_script *x, const json_t *o)
{
	strbuf_add(&x->text, "add counter");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " {");
	nft_json_put_option(x, o, "packets", "packets");
	nft_json_put_option(x, o, "bytes", "bytes");
	strbuf_add(&x->text, " }\n");
}

static void put_limit_object(struct nft_script *x, const json_t *o)
{
	strbuf_add(&x->text, "add limit");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " {");
	nft_json_put_rate(x, o);
	strbuf_add(&x->text, " }\n");
}

static void put_quota_object(struct nft_script *x, const json_t *o)
{
	strbuf_add(&x->text, "add quota");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, json_is_true(json_object_get(o, "inv")) ? " { over " : " { ");
	nft_json_put_member(x, o, "bytes");
	strbuf_add(&x->text, " bytes }\n");
}

static void put_helper_object(struct nft_script *x, const json_t *o)
{
	strbuf_add(&x->text, "add ct helper");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " { type");
	put_words(x, o, KEYS("type"));
	nft_json_put_option(x, o, "protocol", "protocol");
	strbuf_add(&x->text, " }\n");
}

static void put_set_declaration(struct nft_script *x, const json_t *o)
{
	put_set_object(x, o, "set");
}

static void put_map_declaration(struct nft_script *x, const json_t *o)
{
	put_set_object(x, o, "map");
}

static void put_nothing(struct nft_script *x, const json_t *o)
{
}

static const struct nft_json_form objects[] = {
	{"metainfo", put_nothing},
	{"flowtable", put_nothing}, /* rules name them, and that is all */
	{"table", put_table},
	{"chain", put_chain},
	{"rule", put_rule},
	{"set", put_set_declaration},
	{"map", put_map_declaration},
	{"meter", put_set_declaration},
	{"element", put_element_object},
	{"counter", put_counter_object},
	{"limit", put_limit_object},
	{"quota", put_quota_object},
	{"ct helper", put_helper_object},
	{"ct timeout", put_nothing},
	{"ct expectation", put_nothing},
	{"secmark", put_nothing},
	{"synproxy", put_nothing},
};

/* What stood here is not known. The rule in its place says so. */
static void put_doubt(struct nft_script *x)
{
	x->broken = true;
	if (x->chain)
		strbuf_addf(&x->text, "add rule%s \"(not JSON)\"\n", x->chain);
}

static void each(struct dump_record *r, const json_t *object, void *data)
{
	struct nft_script *x = data;
	const char *key;
	const json_t *o = nft_json_only_member(object, &key);

	if (x->d->notes.len > x->notes)
		put_doubt(x);
	x->depth = 0;
	if (strcmp(key, "add") == 0 || strcmp(key, "create") == 0) { /* of a script */
		o = nft_json_only_member(o, &key);
	}
	if (key && strcmp(key, "flush") == 0 && json_object_get(o, "ruleset")) {
		strbuf_add(&x->text, "flush ruleset\n");
		key = "metainfo";
	}
	for (size_t i = 0; key && i < sizeof(objects) / sizeof(*objects); i++) {
		if (strcmp(objects[i].key, key) == 0) {
			objects[i].put(x, o);
			key = NULL;
		}
	}
	if (key)
		dump_record_note(r, "not an object of a ruleset");
	x->notes = x->d->notes.len;
}

/* The list of objects within {"nftables": [ ... ]}, so that each is read on its own. */
static struct dump_file inner_list(const struct dump_file *f)
{
	static const char key[] = "\"nftables\"";
	const char *start = memmem(f->text, f->len, key, sizeof(key) - 1), *end = f->text + f->len;
	struct dump_file out = *f;

	if (!start)
		return out;
	start += sizeof(key) - 1;
	while (start < end && strchr(" \t\r\n:", *start))
		start++;
	while (end > start && strchr(" \t\r\n", end[-1]))
		end--;
	if (end > start && end[-1] == '}') { /* of the object around the list, if the list ended */
		const char *list = end - 1;

		while (list > start && strchr(" \t\r\n", list[-1]))
			list--;
		if (list > start && list[-1] == ']')
			end = list;
	}
	out.text = start;
	out.len = (size_t)(end - start);
	return out;
}

void dump_read_nft_json(struct dump *d, const struct dump_file *f)
{
	struct nft_script x = {.d = d, .f = f, .text = STRBUF_INIT, .notes = d->notes.len};
	struct dump_file list = inner_list(f);
	struct nft_reader r = {.d = d, .f = f, .made = true};
	bool whole = list.len && list.text[list.len - 1] == ']';
	char *script;

	dump_json_each(d, &list, each, &x);
	if (d->notes.len > x.notes || !whole)
		put_doubt(&x);
	r.cut_off = x.broken;
	/* What is read points into the text. */
	script = arena_strndup(d->arena, strbuf_str(&x.text), x.text.len);
	strbuf_fini(&x.text);
	nft_read_script(&r, script, strlen(script));
}
