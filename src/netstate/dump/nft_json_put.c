/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions and statements of nft's JSON, as nft's own language.
 *
 * (Over 700 lines since it is a table of forms with one short function for each.)
 */
#include "netstate/dump/nft_json.h"

#include <string.h>

/* ---- values ---- */

const char *nft_json_string(const json_t *o, const char *key)
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
void nft_json_quote(struct nft_script *x, const char *s)
{
	strbuf_addch(&x->text, '"');
	for (; *s; s++)
		strbuf_addch(&x->text, *s == '"' || (unsigned char)*s < ' ' ? '?' : *s);
	strbuf_addch(&x->text, '"');
}

void nft_json_put_string(struct nft_script *x, const char *s)
{
	if (!s)
		strbuf_add(&x->text, "\"\"");
	else if (is_plain(s))
		strbuf_add(&x->text, s);
	else
		nft_json_quote(x, s);
}

static void put(struct nft_script *x, const json_t *e);

void nft_json_put_member(struct nft_script *x, const json_t *o, const char *key)
{
	put(x, json_object_get(o, key));
}

/* " word member", where there is one. */
void nft_json_put_option(struct nft_script *x, const json_t *o, const char *key, const char *word)
{
	if (!json_object_get(o, key))
		return;
	strbuf_addf(&x->text, " %s ", word);
	nft_json_put_member(x, o, key);
}

void nft_json_put_joined(struct nft_script *x, const json_t *list, const char *sep)
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
const json_t *nft_json_only_member(const json_t *o, const char **key)
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
static void put_operand(struct nft_script *x, const json_t *e)
{
	const char *key = NULL;
	bool group = json_is_array(e);

	if (json_is_object(e)) {
		nft_json_only_member(e, &key);
		group = key && is_operator(key);
	}
	strbuf_add(&x->text, group ? "(" : "");
	if (json_is_array(e))
		nft_json_put_joined(x, e, " | ");
	else
		put(x, e);
	strbuf_add(&x->text, group ? ")" : "");
}

static void put_operation(struct nft_script *x, const char *op, const json_t *operands)
{
	put(x, json_array_get(operands, 0));
	for (size_t i = 1; i < json_array_size(operands); i++) {
		strbuf_addf(&x->text, " %s ", op);
		put_operand(x, json_array_get(operands, i));
	}
}

/* A key, or a key and what it maps to. */
static void put_element(struct nft_script *x, const json_t *e)
{
	if (json_is_array(e) && json_array_size(e) == 2) {
		put(x, json_array_get(e, 0));
		strbuf_add(&x->text, " : ");
		put(x, json_array_get(e, 1));
	} else {
		put(x, e);
	}
}

void nft_json_put_elements(struct nft_script *x, const json_t *list)
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

static void put_set(struct nft_script *x, const json_t *v)
{
	nft_json_put_elements(x, v);
}

static void put_concat(struct nft_script *x, const json_t *v)
{
	nft_json_put_joined(x, v, " . ");
}

static void put_map(struct nft_script *x, const json_t *v)
{
	nft_json_put_member(x, v, "key");
	strbuf_add(&x->text, " map ");
	nft_json_put_member(x, v, "data");
}

static void put_vmap(struct nft_script *x, const json_t *v)
{
	nft_json_put_member(x, v, "key");
	strbuf_add(&x->text, " vmap ");
	nft_json_put_member(x, v, "data");
}

static void put_prefix(struct nft_script *x, const json_t *v)
{
	nft_json_put_member(x, v, "addr");
	strbuf_addch(&x->text, '/');
	nft_json_put_member(x, v, "len");
}

static void put_range(struct nft_script *x, const json_t *v)
{
	nft_json_put_joined(x, v, "-");
}

static void put_payload(struct nft_script *x, const json_t *v)
{
	if (nft_json_string(v, "base")) {
		strbuf_add(&x->text, "@");
		nft_json_put_member(x, v, "base");
		strbuf_add(&x->text, ",");
		nft_json_put_member(x, v, "offset");
		strbuf_add(&x->text, ",");
		nft_json_put_member(x, v, "len");
		return;
	}
	nft_json_put_member(x, v, "protocol");
	strbuf_addch(&x->text, ' ');
	nft_json_put_member(x, v, "field");
}

static void put_tcp_option(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "tcp option ");
	nft_json_put_member(x, v, "name");
	strbuf_addch(&x->text, ' ');
	nft_json_put_member(x, v, "field");
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

static void put_meta(struct nft_script *x, const json_t *v)
{
	const char *key = nft_json_string(v, "key");

	if (key && !is_bare_meta(key))
		strbuf_add(&x->text, "meta ");
	nft_json_put_string(x, key);
}

static void put_ct(struct nft_script *x, const json_t *v)
{
	const char *key = nft_json_string(v, "key");

	strbuf_add(&x->text, "ct ");
	if (nft_json_string(v, "dir")) {
		nft_json_put_member(x, v, "dir");
		strbuf_addch(&x->text, ' ');
	}
	if (nft_json_string(v, "family")) {
		nft_json_put_member(x, v, "family");
		strbuf_addch(&x->text, ' ');
	}
	/* "ip saddr" is one string here and two words there. */
	if (key && strncmp(key, "ip", 2) == 0 && strchr(key, ' ')) {
		strbuf_add(&x->text, strncmp(key, "ip6 ", 4) == 0 ? "ip6 " : "ip ");
		key = strchr(key, ' ') + 1;
	}
	nft_json_put_string(x, key);
}

static void put_rt(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "rt ");
	nft_json_put_member(x, v, "key");
}

static void put_fib(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "fib ");
	nft_json_put_joined(x, json_object_get(v, "flags"), " . ");
	strbuf_addch(&x->text, ' ');
	nft_json_put_member(x, v, "result");
}

static void put_numgen(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "numgen ");
	nft_json_put_member(x, v, "mode");
	nft_json_put_option(x, v, "mod", "mod");
	nft_json_put_option(x, v, "offset", "offset");
}

static void put_jhash(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "jhash ");
	nft_json_put_member(x, v, "expr");
	nft_json_put_option(x, v, "mod", "mod");
	nft_json_put_option(x, v, "seed", "seed");
	nft_json_put_option(x, v, "offset", "offset");
}

static void put_symhash(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "symhash");
	nft_json_put_option(x, v, "mod", "mod");
	nft_json_put_option(x, v, "offset", "offset");
}

static void put_elem(struct nft_script *x, const json_t *v)
{
	const char *comment = nft_json_string(v, "comment");

	nft_json_put_member(x, v, "val");
	nft_json_put_option(x, v, "timeout", "timeout");
	if (comment) {
		strbuf_add(&x->text, " comment ");
		nft_json_quote(x, comment);
	}
}

/* ---- statements ---- */

/* In these, `==` is not what no operator means. */
static bool needs_equals(const json_t *left)
{
	const char *key;
	const json_t *v = nft_json_only_member(left, &key), *what;

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
	const char *key = nft_json_string(json_object_get(left, "meta"), "key");

	return key && strlen(key) > 3 && strstr(key, "if") == key + 1;
}

static void put_match(struct nft_script *x, const json_t *v)
{
	const json_t *left = json_object_get(v, "left"), *right = json_object_get(v, "right");
	const char *op = nft_json_string(v, "op");

	put(x, left);
	if (op && strcmp(op, "in") != 0 && (strcmp(op, "==") != 0 || needs_equals(left)))
		strbuf_addf(&x->text, " %s", strspn(op, "=!<>") == strlen(op) ? op : "?");
	strbuf_addch(&x->text, ' ');
	if (json_is_array(right))
		nft_json_put_joined(x, right, ",");
	else if (json_is_string(right) && names_interface(left) && *json_string_value(right) != '@')
		nft_json_quote(x, json_string_value(right));
	else
		put(x, right);
}

static void put_target(struct nft_script *x, const char *word, const json_t *v)
{
	strbuf_addf(&x->text, "%s ", word);
	nft_json_put_member(x, v, "target");
}

static void put_jump(struct nft_script *x, const json_t *v)
{
	put_target(x, "jump", v);
}

static void put_goto(struct nft_script *x, const json_t *v)
{
	put_target(x, "goto", v);
}

static void put_counter(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "counter");
	if (json_is_string(v)) {
		strbuf_add(&x->text, " name ");
		nft_json_quote(x, json_string_value(v));
	} else if (json_is_object(v) && !json_object_get(v, "packets")) {
		strbuf_add(&x->text, " name ");
		put(x, v);
	} else {
		nft_json_put_option(x, v, "packets", "packets");
		nft_json_put_option(x, v, "bytes", "bytes");
	}
}

static void put_mangle(struct nft_script *x, const json_t *v)
{
	nft_json_put_member(x, v, "key");
	strbuf_add(&x->text, " set ");
	nft_json_put_member(x, v, "value");
}

static bool put_named(struct nft_script *x, const char *word, const json_t *v)
{
	strbuf_add(&x->text, word);
	if (json_is_object(v) && (json_object_get(v, "rate") || json_object_get(v, "val")))
		return false;
	strbuf_add(&x->text, " name ");
	put(x, v);
	return true;
}

/* "rate over 10 mbytes/second burst 5 packets" */
void nft_json_put_rate(struct nft_script *x, const json_t *v)
{
	const char *unit = nft_json_string(v, "rate_unit");
	bool bytes = unit && strcmp(unit, "packets") != 0;

	strbuf_add(&x->text, " rate ");
	if (json_is_true(json_object_get(v, "inv")))
		strbuf_add(&x->text, "over ");
	nft_json_put_member(x, v, "rate");
	if (bytes) {
		strbuf_addch(&x->text, ' ');
		nft_json_put_string(x, unit);
	}
	strbuf_addch(&x->text, '/');
	nft_json_put_member(x, v, "per");
	if (json_integer_value(json_object_get(v, "burst")) > 0) {
		nft_json_put_option(x, v, "burst", "burst");
		strbuf_addch(&x->text, ' ');
		nft_json_put_string(x, nft_json_string(v, "burst_unit")
					       ? nft_json_string(v, "burst_unit")
				       : bytes ? "bytes"
					       : "packets");
	}
}

static void put_limit(struct nft_script *x, const json_t *v)
{
	if (!put_named(x, "limit", v))
		nft_json_put_rate(x, v);
}

static void put_quota(struct nft_script *x, const json_t *v)
{
	if (put_named(x, "quota", v))
		return;
	strbuf_add(&x->text, json_is_true(json_object_get(v, "inv")) ? " over " : " ");
	nft_json_put_member(x, v, "val");
	strbuf_addch(&x->text, ' ');
	nft_json_put_member(x, v, "val_unit");
	if (json_integer_value(json_object_get(v, "used")) > 0) {
		nft_json_put_option(x, v, "used", "used");
		strbuf_addch(&x->text, ' ');
		nft_json_put_member(x, v, "used_unit");
	}
}

static void put_flags(struct nft_script *x, const json_t *v)
{
	const json_t *flags = json_object_get(v, "flags");

	if (!flags)
		return;
	strbuf_addch(&x->text, ' ');
	nft_json_put_joined(x, flags, ",");
}

static void put_nat(struct nft_script *x, const char *word, const json_t *v)
{
	const json_t *addr = json_object_get(v, "addr"), *port = json_object_get(v, "port");
	const json_t *kind = json_object_get(v, "type_flags");
	bool brackets = json_is_string(addr) && strchr(json_string_value(addr), ':') && port;

	strbuf_add(&x->text, word);
	if (addr && nft_json_string(v, "family")) {
		strbuf_addch(&x->text, ' ');
		nft_json_put_member(x, v, "family");
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

static void put_dnat(struct nft_script *x, const json_t *v)
{
	put_nat(x, "dnat", v);
}

static void put_snat(struct nft_script *x, const json_t *v)
{
	put_nat(x, "snat", v);
}

static void put_masquerade(struct nft_script *x, const json_t *v)
{
	put_nat(x, "masquerade", v);
}

static void put_redirect(struct nft_script *x, const json_t *v)
{
	put_nat(x, "redirect", v);
}

static void put_tproxy(struct nft_script *x, const json_t *v)
{
	put_nat(x, "tproxy", v);
}

static void put_reject(struct nft_script *x, const json_t *v)
{
	const char *type = nft_json_string(v, "type");

	strbuf_add(&x->text, "reject");
	if (!type)
		return;
	/* "tcp reset" is one string here and two words there. */
	strbuf_addf(&x->text, " with %s", strcmp(type, "tcp reset") == 0 ? type : "");
	if (strcmp(type, "tcp reset") != 0)
		nft_json_put_string(x, type);
	if (json_object_get(v, "expr")) {
		strbuf_addch(&x->text, ' ');
		nft_json_put_member(x, v, "expr");
	}
}

/* "tcp sequence" and the like are two words. */
static void put_log_flag(struct nft_script *x, const json_t *flag)
{
	const char *s = json_string_value(flag);

	if (s && strspn(s, "abcdefghijklmnopqrstuvwxyz ") == strlen(s))
		strbuf_addf(&x->text, " flags %s", s);
}

static void put_log(struct nft_script *x, const json_t *v)
{
	const json_t *flags = json_object_get(v, "flags");
	const char *prefix = nft_json_string(v, "prefix");

	strbuf_add(&x->text, "log");
	if (prefix) {
		strbuf_add(&x->text, " prefix ");
		nft_json_quote(x, prefix);
	}
	nft_json_put_option(x, v, "group", "group");
	nft_json_put_option(x, v, "snaplen", "snaplen");
	nft_json_put_option(x, v, "queue-threshold", "queue-threshold");
	nft_json_put_option(x, v, "level", "level");
	put_log_flag(x, flags);
	for (size_t i = 0; i < json_array_size(flags); i++)
		put_log_flag(x, json_array_get(flags, i));
}

static void put_ct_helper(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct helper set ");
	put(x, v);
}

static void put_ct_timeout(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct timeout set ");
	put(x, v);
}

static void put_ct_expectation(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct expectation set ");
	put(x, v);
}

static void put_ct_count(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "ct count ");
	if (json_is_true(json_object_get(v, "inv")))
		strbuf_add(&x->text, "over ");
	nft_json_put_member(x, v, "val");
}

void nft_json_put_stmts(struct nft_script *x, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		strbuf_addch(&x->text, ' ');
		put(x, json_array_get(list, i));
	}
}

/* "update @s { key stmt : data }" */
static void put_update(struct nft_script *x, const json_t *v, const char *set)
{
	nft_json_put_member(x, v, "op");
	strbuf_addch(&x->text, ' ');
	nft_json_put_member(x, v, set);
	strbuf_add(&x->text, " { ");
	nft_json_put_member(x, v, "elem");
	nft_json_put_stmts(x, json_object_get(v, "stmt"));
	if (json_object_get(v, "data")) {
		strbuf_add(&x->text, " : ");
		nft_json_put_member(x, v, "data");
	}
	strbuf_add(&x->text, " }");
}

static void put_set_stmt(struct nft_script *x, const json_t *v)
{
	put_update(x, v, "set");
}

static void put_map_stmt(struct nft_script *x, const json_t *v)
{
	put_update(x, v, "map");
}

static void put_meter(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "meter ");
	nft_json_put_member(x, v, "name");
	strbuf_add(&x->text, " { ");
	nft_json_put_member(x, v, "key");
	strbuf_addch(&x->text, ' ');
	nft_json_put_member(x, v, "stmt");
	strbuf_add(&x->text, " }");
}

static void put_queue(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "queue");
	if (json_object_get(v, "flags")) {
		strbuf_add(&x->text, " flags ");
		nft_json_put_joined(x, json_object_get(v, "flags"), ",");
	}
	if (json_object_get(v, "num")) {
		strbuf_add(&x->text, json_object_get(v, "flags") ? " to " : " num ");
		nft_json_put_member(x, v, "num");
	}
}

static void put_dup(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "dup to ");
	nft_json_put_member(x, v, "addr");
	nft_json_put_option(x, v, "dev", "device");
}

static void put_fwd(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "fwd");
	nft_json_put_option(x, v, "family", "");
	strbuf_add(&x->text, " to ");
	nft_json_put_member(x, v, json_object_get(v, "addr") ? "addr" : "dev");
}

static void put_flow(struct nft_script *x, const json_t *v)
{
	strbuf_add(&x->text, "flow add ");
	nft_json_put_member(x, v, "flowtable");
}

static void put_xt(struct nft_script *x, const json_t *v)
{
	strbuf_addf(&x->text, "xt %s ",
		nft_json_string(v, "type") && strcmp(nft_json_string(v, "type"), "target") == 0
			? "target"
			: "match");
	nft_json_put_string(
		x, nft_json_string(v, "name") ? nft_json_string(v, "name") : "(not named)");
}

/* ---- by name ---- */

static const struct nft_json_form expressions[] = {
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
static void put_other(struct nft_script *x, const char *key, const json_t *v)
{
	nft_json_put_string(x, key);
	if (json_is_object(v)) {
		for (void *it = json_object_iter((json_t *)v); it;
			it = json_object_iter_next((json_t *)v, it)) {
			strbuf_addch(&x->text, ' ');
			nft_json_put_string(x, json_object_iter_key(it));
			strbuf_addch(&x->text, ' ');
			put(x, json_object_iter_value(it));
		}
	} else if (v && !json_is_null(v)) {
		strbuf_addch(&x->text, ' ');
		put(x, v);
	}
}

static void put_object(struct nft_script *x, const json_t *o)
{
	const char *key;
	const json_t *v = nft_json_only_member(o, &key);

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

static void put(struct nft_script *x, const json_t *e)
{
	if (!e || x->depth >= NFT_JSON_MAX_NESTING) {
		strbuf_add(&x->text, "?");
		return;
	}
	x->depth++;
	switch (json_typeof(e)) {
	case JSON_STRING:
		nft_json_put_string(x, json_string_value(e));
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
		nft_json_put_joined(x, e, ",");
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
