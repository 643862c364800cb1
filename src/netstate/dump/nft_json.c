/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `nft -j list ruleset` by turning it into nft's own language, for the one parser of that.
 *
 * Each object becomes one line of a script. nft 1.0.6 prints some that are no JSON (a table with an
 * owner, for one): these are noted by dump_json_each() and leave a rule in doubt where they stood.
 */
#include <stdio.h>
#include <string.h>

#include "netstate/dump/nft_reader.h"
#include "netstate/dump/reader.h"

struct script {
	struct dump *d;
	const struct dump_file *f;
	struct strbuf text;
	size_t notes;  /* that there were when the last object was read */
	char *chain;   /* "inet t c" of the last chain or rule; NULL: none yet */
	unsigned int depth;
	bool broken; /* something was no JSON */
};

/* ---- values ---- */

static const char *string_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			    (*s >= '0' && *s <= '9') || strchr("_.:/*@-+%[]", *s)))
			return false;
	}
	return true;
}

/* The language knows no escapes: what cannot be said in quotes is not what it was. */
static void put_quoted(struct script *x, const char *s)
{
	strbuf_addch(&x->text, '"');
	for (; *s; s++)
		strbuf_addch(&x->text, *s == '"' || (unsigned char)*s < ' ' ? '?' : *s);
	strbuf_addch(&x->text, '"');
}

static void put_string(struct script *x, const char *s)
{
	if (!s)
		strbuf_add(&x->text, "\"\"");
	else if (is_plain(s))
		strbuf_add(&x->text, s);
	else
		put_quoted(x, s);
}

static void put(struct script *x, const json_t *e);

static void put_member(struct script *x, const json_t *o, const char *key)
{
	put(x, json_object_get(o, key));
}

/* " word member", where there is one. */
static void put_option(struct script *x, const json_t *o, const char *key, const char *word)
{
	if (!json_object_get(o, key))
		return;
	strbuf_addf(&x->text, " %s ", word);
	put_member(x, o, key);
}

static void put_joined(struct script *x, const json_t *list, const char *sep)
{
	if (!json_is_array(list)) {
		put(x, list);
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (i)
			strbuf_add(&x->text, sep);
		put(x, json_array_get(list, i));
	}
}

/* The one member of an object that names what it is. */
static const json_t *only_member(const json_t *o, const char **key)
{
	void *it = json_object_iter((json_t *)o);

	*key = it ? json_object_iter_key(it) : NULL;
	return it ? json_object_iter_value(it) : NULL;
}

/* ---- expressions ---- */

static bool is_operator(const char *key)
{
	return strlen(key) <= 2 && strspn(key, "|&^<>") == strlen(key);
}

/* An operand of &, | or ^: several bits are a list. */
static void put_operand(struct script *x, const json_t *e)
{
	const char *key = NULL;
	bool group = json_is_array(e);

	if (json_is_object(e)) {
		only_member(e, &key);
		group = key && is_operator(key);
	}
	strbuf_add(&x->text, group ? "(" : "");
	if (json_is_array(e))
		put_joined(x, e, " | ");
	else
		put(x, e);
	strbuf_add(&x->text, group ? ")" : "");
}

static void put_operation(struct script *x, const char *op, const json_t *operands)
{
	put(x, json_array_get(operands, 0));
	for (size_t i = 1; i < json_array_size(operands); i++) {
		strbuf_addf(&x->text, " %s ", op);
		put_operand(x, json_array_get(operands, i));
	}
}

/* A key, or a key and what it maps to. */
static void put_element(struct script *x, const json_t *e)
{
	if (json_is_array(e) && json_array_size(e) == 2) {
		put(x, json_array_get(e, 0));
		strbuf_add(&x->text, " : ");
		put(x, json_array_get(e, 1));
	} else {
		put(x, e);
	}
}

static void put_elements(struct script *x, const json_t *list)
{
	strbuf_add(&x->text, "{ ");
	if (json_is_array(list)) {
		for (size_t i = 0; i < json_array_size(list); i++) {
			strbuf_add(&x->text, i ? ", " : "");
			put_element(x, json_array_get(list, i));
		}
	} else {
		put(x, list);
	}
	strbuf_add(&x->text, " }");
}

static void put_set(struct script *x, const json_t *v)
{
	put_elements(x, v);
}

static void put_concat(struct script *x, const json_t *v)
{
	put_joined(x, v, " . ");
}

static void put_map(struct script *x, const json_t *v)
{
	put_member(x, v, "key");
	strbuf_add(&x->text, " map ");
	put_member(x, v, "data");
}

static void put_vmap(struct script *x, const json_t *v)
{
	put_member(x, v, "key");
	strbuf_add(&x->text, " vmap ");
	put_member(x, v, "data");
}

static void put_prefix(struct script *x, const json_t *v)
{
	put_member(x, v, "addr");
	strbuf_addch(&x->text, '/');
	put_member(x, v, "len");
}

static void put_range(struct script *x, const json_t *v)
{
	put_joined(x, v, "-");
}

static void put_payload(struct script *x, const json_t *v)
{
	if (string_at(v, "base")) {
		strbuf_add(&x->text, "@");
		put_member(x, v, "base");
		strbuf_add(&x->text, ",");
		put_member(x, v, "offset");
		strbuf_add(&x->text, ",");
		put_member(x, v, "len");
		return;
	}
	put_member(x, v, "protocol");
	strbuf_addch(&x->text, ' ');
	put_member(x, v, "field");
}

static void put_tcp_option(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "tcp option ");
	put_member(x, v, "name");
	strbuf_addch(&x->text, ' ');
	put_member(x, v, "field");
}

/* These stand alone in nft's own listings. */
static bool is_bare_meta(const char *key)
{
	static const char *const bare[] = {"iif", "oif", "iifname", "oifname"};

	for (size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++) {
		if (strcmp(bare[i], key) == 0)
			return true;
	}
	return false;
}

static void put_meta(struct script *x, const json_t *v)
{
	const char *key = string_at(v, "key");

	if (key && !is_bare_meta(key))
		strbuf_add(&x->text, "meta ");
	put_string(x, key);
}

static void put_ct(struct script *x, const json_t *v)
{
	const char *key = string_at(v, "key");

	strbuf_add(&x->text, "ct ");
	if (string_at(v, "dir")) {
		put_member(x, v, "dir");
		strbuf_addch(&x->text, ' ');
	}
	if (string_at(v, "family")) {
		put_member(x, v, "family");
		strbuf_addch(&x->text, ' ');
	}
	/* "ip saddr" is one string here and two words there. */
	if (key && strncmp(key, "ip", 2) == 0 && strchr(key, ' ')) {
		strbuf_add(&x->text, strncmp(key, "ip6 ", 4) == 0 ? "ip6 " : "ip ");
		key = strchr(key, ' ') + 1;
	}
	put_string(x, key);
}

static void put_rt(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "rt ");
	put_member(x, v, "key");
}

static void put_fib(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "fib ");
	put_joined(x, json_object_get(v, "flags"), " . ");
	strbuf_addch(&x->text, ' ');
	put_member(x, v, "result");
}

static void put_numgen(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "numgen ");
	put_member(x, v, "mode");
	put_option(x, v, "mod", "mod");
	put_option(x, v, "offset", "offset");
}

static void put_jhash(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "jhash ");
	put_member(x, v, "expr");
	put_option(x, v, "mod", "mod");
	put_option(x, v, "seed", "seed");
	put_option(x, v, "offset", "offset");
}

static void put_symhash(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "symhash");
	put_option(x, v, "mod", "mod");
	put_option(x, v, "offset", "offset");
}

static void put_elem(struct script *x, const json_t *v)
{
	const char *comment = string_at(v, "comment");

	put_member(x, v, "val");
	put_option(x, v, "timeout", "timeout");
	if (comment) {
		strbuf_add(&x->text, " comment ");
		put_quoted(x, comment);
	}
}

/* ---- statements ---- */

/* In these, `==` is not what no operator means. */
static bool needs_equals(const json_t *left)
{
	const char *key;
	const json_t *v = only_member(left, &key), *what;

	if (!key)
		return false;
	if (is_operator(key))
		return true;
	what = json_object_get(v, strcmp(key, "payload") == 0 ? "field" : "key");
	return json_is_string(what) && (strcmp(json_string_value(what), "state") == 0 ||
					       strcmp(json_string_value(what), "status") == 0 ||
					       strcmp(json_string_value(what), "flags") == 0);
}

static bool names_interface(const json_t *left)
{
	const char *key = string_at(json_object_get(left, "meta"), "key");

	return key && strlen(key) > 3 && strstr(key, "if") == key + 1;
}

static void put_match(struct script *x, const json_t *v)
{
	const json_t *left = json_object_get(v, "left"), *right = json_object_get(v, "right");
	const char *op = string_at(v, "op");

	put(x, left);
	if (op && strcmp(op, "in") != 0 && (strcmp(op, "==") != 0 || needs_equals(left)))
		strbuf_addf(&x->text, " %s", strspn(op, "=!<>") == strlen(op) ? op : "?");
	strbuf_addch(&x->text, ' ');
	if (json_is_array(right))
		put_joined(x, right, ",");
	else if (json_is_string(right) && names_interface(left) && *json_string_value(right) != '@')
		put_quoted(x, json_string_value(right));
	else
		put(x, right);
}

static void put_target(struct script *x, const char *word, const json_t *v)
{
	strbuf_addf(&x->text, "%s ", word);
	put_member(x, v, "target");
}

static void put_jump(struct script *x, const json_t *v)
{
	put_target(x, "jump", v);
}

static void put_goto(struct script *x, const json_t *v)
{
	put_target(x, "goto", v);
}

static void put_counter(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "counter");
	if (json_is_string(v)) {
		strbuf_add(&x->text, " name ");
		put_quoted(x, json_string_value(v));
	} else if (json_is_object(v) && !json_object_get(v, "packets")) {
		strbuf_add(&x->text, " name ");
		put(x, v);
	} else {
		put_option(x, v, "packets", "packets");
		put_option(x, v, "bytes", "bytes");
	}
}

static void put_mangle(struct script *x, const json_t *v)
{
	put_member(x, v, "key");
	strbuf_add(&x->text, " set ");
	put_member(x, v, "value");
}

static bool put_named(struct script *x, const char *word, const json_t *v)
{
	strbuf_add(&x->text, word);
	if (json_is_object(v) && (json_object_get(v, "rate") || json_object_get(v, "val")))
		return false;
	strbuf_add(&x->text, " name ");
	put(x, v);
	return true;
}

/* "rate over 10 mbytes/second burst 5 packets" */
static void put_rate(struct script *x, const json_t *v)
{
	const char *unit = string_at(v, "rate_unit");
	bool bytes = unit && strcmp(unit, "packets") != 0;

	strbuf_add(&x->text, " rate ");
	if (json_is_true(json_object_get(v, "inv")))
		strbuf_add(&x->text, "over ");
	put_member(x, v, "rate");
	if (bytes) {
		strbuf_addch(&x->text, ' ');
		put_string(x, unit);
	}
	strbuf_addch(&x->text, '/');
	put_member(x, v, "per");
	if (json_integer_value(json_object_get(v, "burst")) > 0) {
		put_option(x, v, "burst", "burst");
		strbuf_addch(&x->text, ' ');
		put_string(x, string_at(v, "burst_unit") ? string_at(v, "burst_unit")
				: bytes			 ? "bytes"
							 : "packets");
	}
}

static void put_limit(struct script *x, const json_t *v)
{
	if (!put_named(x, "limit", v))
		put_rate(x, v);
}

static void put_quota(struct script *x, const json_t *v)
{
	if (put_named(x, "quota", v))
		return;
	strbuf_add(&x->text, json_is_true(json_object_get(v, "inv")) ? " over " : " ");
	put_member(x, v, "val");
	strbuf_addch(&x->text, ' ');
	put_member(x, v, "val_unit");
	if (json_integer_value(json_object_get(v, "used")) > 0) {
		put_option(x, v, "used", "used");
		strbuf_addch(&x->text, ' ');
		put_member(x, v, "used_unit");
	}
}

static void put_flags(struct script *x, const json_t *v)
{
	const json_t *flags = json_object_get(v, "flags");

	if (!flags)
		return;
	strbuf_addch(&x->text, ' ');
	put_joined(x, flags, ",");
}

static void put_nat(struct script *x, const char *word, const json_t *v)
{
	const json_t *addr = json_object_get(v, "addr"), *port = json_object_get(v, "port");
	const json_t *kind = json_object_get(v, "type_flags");
	bool brackets = json_is_string(addr) && strchr(json_string_value(addr), ':') && port;

	strbuf_add(&x->text, word);
	if (addr && string_at(v, "family")) {
		strbuf_addch(&x->text, ' ');
		put_member(x, v, "family");
	}
	if (json_is_string(kind) && strcmp(json_string_value(kind), "prefix") == 0)
		strbuf_add(&x->text, " prefix");
	if (addr || port)
		strbuf_add(&x->text, " to ");
	strbuf_add(&x->text, brackets ? "[" : "");
	if (addr)
		put(x, addr);
	strbuf_add(&x->text, brackets ? "]" : "");
	if (port) {
		strbuf_add(&x->text, json_is_string(addr) || !addr ? ":" : " :");
		put(x, port);
	}
	put_flags(x, v);
}

static void put_dnat(struct script *x, const json_t *v)
{
	put_nat(x, "dnat", v);
}

static void put_snat(struct script *x, const json_t *v)
{
	put_nat(x, "snat", v);
}

static void put_masquerade(struct script *x, const json_t *v)
{
	put_nat(x, "masquerade", v);
}

static void put_redirect(struct script *x, const json_t *v)
{
	put_nat(x, "redirect", v);
}

static void put_tproxy(struct script *x, const json_t *v)
{
	put_nat(x, "tproxy", v);
}

static void put_reject(struct script *x, const json_t *v)
{
	const char *type = string_at(v, "type");

	strbuf_add(&x->text, "reject");
	if (!type)
		return;
	/* "tcp reset" is one string here and two words there. */
	strbuf_addf(&x->text, " with %s", strcmp(type, "tcp reset") == 0 ? type : "");
	if (strcmp(type, "tcp reset") != 0)
		put_string(x, type);
	if (json_object_get(v, "expr")) {
		strbuf_addch(&x->text, ' ');
		put_member(x, v, "expr");
	}
}

/* "tcp sequence" and the like are two words. */
static void put_log_flag(struct script *x, const json_t *flag)
{
	const char *s = json_string_value(flag);

	if (s && strspn(s, "abcdefghijklmnopqrstuvwxyz ") == strlen(s))
		strbuf_addf(&x->text, " flags %s", s);
}

static void put_log(struct script *x, const json_t *v)
{
	const json_t *flags = json_object_get(v, "flags");
	const char *prefix = string_at(v, "prefix");

	strbuf_add(&x->text, "log");
	if (prefix) {
		strbuf_add(&x->text, " prefix ");
		put_quoted(x, prefix);
	}
	put_option(x, v, "group", "group");
	put_option(x, v, "snaplen", "snaplen");
	put_option(x, v, "queue-threshold", "queue-threshold");
	put_option(x, v, "level", "level");
	put_log_flag(x, flags);
	for (size_t i = 0; i < json_array_size(flags); i++)
		put_log_flag(x, json_array_get(flags, i));
}

static void put_ct_helper(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct helper set ");
	put(x, v);
}

static void put_ct_timeout(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct timeout set ");
	put(x, v);
}

static void put_ct_expectation(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct expectation set ");
	put(x, v);
}

static void put_ct_count(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct count ");
	if (json_is_true(json_object_get(v, "inv")))
		strbuf_add(&x->text, "over ");
	put_member(x, v, "val");
}

static void put_stmts(struct script *x, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		strbuf_addch(&x->text, ' ');
		put(x, json_array_get(list, i));
	}
}

/* "update @s { key stmt : data }" */
static void put_update(struct script *x, const json_t *v, const char *set)
{
	put_member(x, v, "op");
	strbuf_addch(&x->text, ' ');
	put_member(x, v, set);
	strbuf_add(&x->text, " { ");
	put_member(x, v, "elem");
	put_stmts(x, json_object_get(v, "stmt"));
	if (json_object_get(v, "data")) {
		strbuf_add(&x->text, " : ");
		put_member(x, v, "data");
	}
	strbuf_add(&x->text, " }");
}

static void put_set_stmt(struct script *x, const json_t *v)
{
	put_update(x, v, "set");
}

static void put_map_stmt(struct script *x, const json_t *v)
{
	put_update(x, v, "map");
}

static void put_meter(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "meter ");
	put_member(x, v, "name");
	strbuf_add(&x->text, " { ");
	put_member(x, v, "key");
	strbuf_addch(&x->text, ' ');
	put_member(x, v, "stmt");
	strbuf_add(&x->text, " }");
}

static void put_queue(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "queue");
	if (json_object_get(v, "flags")) {
		strbuf_add(&x->text, " flags ");
		put_joined(x, json_object_get(v, "flags"), ",");
	}
	if (json_object_get(v, "num")) {
		strbuf_add(&x->text, json_object_get(v, "flags") ? " to " : " num ");
		put_member(x, v, "num");
	}
}

static void put_dup(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "dup to ");
	put_member(x, v, "addr");
	put_option(x, v, "dev", "device");
}

static void put_fwd(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "fwd");
	put_option(x, v, "family", "");
	strbuf_add(&x->text, " to ");
	put_member(x, v, json_object_get(v, "addr") ? "addr" : "dev");
}

static void put_flow(struct script *x, const json_t *v)
{
	strbuf_add(&x->text, "flow add ");
	put_member(x, v, "flowtable");
}

static void put_xt(struct script *x, const json_t *v)
{
	strbuf_addf(&x->text, "xt %s ",
		string_at(v, "type") && strcmp(string_at(v, "type"), "target") == 0 ? "target"
										    : "match");
	put_string(x, string_at(v, "name") ? string_at(v, "name") : "(not named)");
}

/* ---- by name ---- */

struct form {
	const char *key;
	void (*put)(struct script *x, const json_t *v);
};

static const struct form expressions[] = {
	{"set", put_set},
	{"concat", put_concat},
	{"map", put_map},
	{"prefix", put_prefix},
	{"range", put_range},
	{"payload", put_payload},
	{"tcp option", put_tcp_option},
	{"meta", put_meta},
	{"ct", put_ct},
	{"rt", put_rt},
	{"fib", put_fib},
	{"numgen", put_numgen},
	{"jhash", put_jhash},
	{"symhash", put_symhash},
	{"elem", put_elem},
	{"match", put_match},
	{"vmap", put_vmap},
	{"jump", put_jump},
	{"goto", put_goto},
	{"counter", put_counter},
	{"mangle", put_mangle},
	{"limit", put_limit},
	{"quota", put_quota},
	{"dnat", put_dnat},
	{"snat", put_snat},
	{"masquerade", put_masquerade},
	{"redirect", put_redirect},
	{"tproxy", put_tproxy},
	{"reject", put_reject},
	{"log", put_log},
	{"ct helper", put_ct_helper},
	{"ct timeout", put_ct_timeout},
	{"ct expectation", put_ct_expectation},
	{"ct count", put_ct_count},
	{"meter", put_meter},
	{"queue", put_queue},
	{"dup", put_dup},
	{"fwd", put_fwd},
	{"flow", put_flow},
	{"xt", put_xt},
};

/* What has no form here keeps its name, and its members as words: the rule is unknown then, and says
 * why. */
static void put_other(struct script *x, const char *key, const json_t *v)
{
	put_string(x, key);
	if (json_is_object(v)) {
		for (void *it = json_object_iter((json_t *)v); it;
			it = json_object_iter_next((json_t *)v, it)) {
			strbuf_addch(&x->text, ' ');
			put_string(x, json_object_iter_key(it));
			strbuf_addch(&x->text, ' ');
			put(x, json_object_iter_value(it));
		}
	} else if (v && !json_is_null(v)) {
		strbuf_addch(&x->text, ' ');
		put(x, v);
	}
}

static void put_object(struct script *x, const json_t *o)
{
	const char *key;
	const json_t *v = only_member(o, &key);

	if (!key)
		return;
	if (is_operator(key)) {
		put_operation(x, key, v);
		return;
	}
	/* "set" and "map" are expressions, and statements too. */
	if (json_object_get(v, "op") && json_object_get(v, "elem")) {
		if (strcmp(key, "map") == 0)
			put_map_stmt(x, v);
		else
			put_set_stmt(x, v);
		return;
	}
	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++) {
		if (strcmp(expressions[i].key, key) == 0) {
			expressions[i].put(x, v);
			return;
		}
	}
	put_other(x, key, v);
}

static void put(struct script *x, const json_t *e)
{
	if (!e || x->depth >= NFT_READ_MAX_NESTING) {
		strbuf_add(&x->text, "?");
		return;
	}
	x->depth++;
	switch (json_typeof(e)) {
	case JSON_STRING:
		put_string(x, json_string_value(e));
		break;
	case JSON_INTEGER:
		strbuf_addf(&x->text, "%lld", (long long)json_integer_value(e));
		break;
	case JSON_TRUE:
		strbuf_add(&x->text, "exists");
		break;
	case JSON_FALSE:
		strbuf_add(&x->text, "missing");
		break;
	case JSON_ARRAY:
		put_joined(x, e, ",");
		break;
	case JSON_OBJECT:
		put_object(x, e);
		break;
	case JSON_REAL:
	case JSON_NULL:
		strbuf_add(&x->text, "?");
		break;
	}
	x->depth--;
}

/* ---- objects of the ruleset ---- */

static void put_words(struct script *x, const json_t *o, const char *const *keys)
{
	for (; *keys; keys++) {
		strbuf_addch(&x->text, ' ');
		put_string(x, string_at(o, *keys));
	}
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void end_line(struct script *x, const json_t *o)
{
	const json_t *handle = json_object_get(o, "handle");

	if (json_is_integer(handle))
		strbuf_addf(&x->text, " # handle %lld", (long long)json_integer_value(handle));
	strbuf_addch(&x->text, '\n');
}

static void put_table(struct script *x, const json_t *o)
{
	strbuf_add(&x->text, "add table");
	put_words(x, o, KEYS("family", "name"));
	if (json_object_get(o, "flags")) {
		strbuf_add(&x->text, " { flags ");
		put_joined(x, json_object_get(o, "flags"), ",");
		strbuf_add(&x->text, "; }");
	}
	end_line(x, o);
}

static void keep_chain(struct script *x, const json_t *o, const char *name)
{
	size_t start = x->text.len;

	put_words(x, o, KEYS("family", "table", name));
	x->chain = arena_strdup(x->d->arena, x->text.s + start);
}

static void put_chain(struct script *x, const json_t *o)
{
	const json_t *devices = json_object_get(o, "dev");

	strbuf_add(&x->text, "add chain");
	keep_chain(x, o, "name");
	if (string_at(o, "hook")) {
		strbuf_add(&x->text, " { type");
		put_words(x, o, KEYS("type"));
		strbuf_add(&x->text, " hook");
		put_words(x, o, KEYS("hook"));
		if (devices) {
			strbuf_add(&x->text, " devices = { ");
			put_joined(x, devices, ", ");
			strbuf_add(&x->text, " }");
		}
		strbuf_add(&x->text, " priority ");
		put_member(x, o, "prio");
		strbuf_add(&x->text, ";");
		put_option(x, o, "policy", "policy");
		strbuf_add(&x->text, "; }");
	}
	end_line(x, o);
}

static void put_rule(struct script *x, const json_t *o)
{
	const char *comment = string_at(o, "comment");

	strbuf_add(&x->text, "add rule");
	keep_chain(x, o, "chain");
	put_stmts(x, json_object_get(o, "expr"));
	if (comment) {
		strbuf_add(&x->text, " comment ");
		put_quoted(x, comment);
	}
	end_line(x, o);
}

/* Types by name, or of expressions. nft 1.0.6 writes "ipv4_addr . inet_service" in one string. */
static void put_types(struct script *x, const json_t *type)
{
	const char *s = json_string_value(type);
	const json_t *of = json_object_get(type, "typeof");

	if (s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_ .") == strlen(s))
		strbuf_add(&x->text, s);
	else
		put_joined(x, of ? of : type, " . ");
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

static void put_set_object(struct script *x, const json_t *o, const char *kind)
{
	const json_t *map = json_object_get(o, "map"), *type = json_object_get(o, "type");

	strbuf_addf(&x->text, "add %s", kind);
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " { ");
	strbuf_add(&x->text, json_object_get(type, "typeof") ? "typeof " : "type ");
	put_types(x, type);
	if (map) {
		strbuf_add(&x->text, gives_ranges(json_object_get(o, "elem")) ? " : interval " : " : ");
		put_types(x, map);
	}
	strbuf_add(&x->text, ";");
	if (json_object_get(o, "flags")) {
		strbuf_add(&x->text, " flags ");
		put_joined(x, json_object_get(o, "flags"), ",");
		strbuf_add(&x->text, ";");
	}
	put_option(x, o, "size", "size");
	strbuf_add(&x->text, ";");
	put_option(x, o, "timeout", "timeout");
	strbuf_add(&x->text, ";");
	if (json_object_get(o, "elem")) {
		strbuf_add(&x->text, " elements = ");
		put_elements(x, json_object_get(o, "elem"));
	}
	strbuf_add(&x->text, "; }");
	end_line(x, o);
}

static void put_element_object(struct script *x, const json_t *o)
{
	strbuf_add(&x->text, "add element");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_addch(&x->text, ' ');
	put_elements(x, json_object_get(o, "elem"));
	strbuf_addch(&x->text, '\n');
}

static void put_counter_object(struct script *x, const json_t *o)
{
	strbuf_add(&x->text, "add counter");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " {");
	put_option(x, o, "packets", "packets");
	put_option(x, o, "bytes", "bytes");
	strbuf_add(&x->text, " }\n");
}

static void put_limit_object(struct script *x, const json_t *o)
{
	strbuf_add(&x->text, "add limit");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " {");
	put_rate(x, o);
	strbuf_add(&x->text, " }\n");
}

static void put_quota_object(struct script *x, const json_t *o)
{
	strbuf_add(&x->text, "add quota");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, json_is_true(json_object_get(o, "inv")) ? " { over " : " { ");
	put_member(x, o, "bytes");
	strbuf_add(&x->text, " bytes }\n");
}

static void put_helper_object(struct script *x, const json_t *o)
{
	strbuf_add(&x->text, "add ct helper");
	put_words(x, o, KEYS("family", "table", "name"));
	strbuf_add(&x->text, " { type");
	put_words(x, o, KEYS("type"));
	put_option(x, o, "protocol", "protocol");
	strbuf_add(&x->text, " }\n");
}

static void put_set_declaration(struct script *x, const json_t *o)
{
	put_set_object(x, o, "set");
}

static void put_map_declaration(struct script *x, const json_t *o)
{
	put_set_object(x, o, "map");
}

static void put_nothing(struct script *x, const json_t *o)
{
}

static const struct form objects[] = {
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
static void put_doubt(struct script *x)
{
	x->broken = true;
	if (x->chain)
		strbuf_addf(&x->text, "add rule%s \"(not JSON)\"\n", x->chain);
}

static void each(struct dump_record *r, const json_t *object, void *data)
{
	struct script *x = data;
	const char *key;
	const json_t *o = only_member(object, &key);

	if (x->d->notes.len > x->notes)
		put_doubt(x);
	x->depth = 0;
	if (strcmp(key, "add") == 0 || strcmp(key, "create") == 0) { /* of a script */
		object = o;
		o = only_member(o, &key);
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
	struct script x = {.d = d, .f = f, .text = STRBUF_INIT, .notes = d->notes.len};
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
