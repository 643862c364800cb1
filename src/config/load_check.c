/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of an uplink or a map: what to ask, how often, and when an answer is good. */
#include <string.h>

#include "config/load.h"

#define EVERY_MIN_MS 100u
#define EVERY_MAX_MS 3600000u
#define ROUNDS_MAX   100u
#define HOST_MAX     253u
#define LENGTH_PATH  1024u
#define STATUS_MIN   100u
#define STATUS_MAX   599u
#define PORT_DNS     53u
#define PORT_HTTP    80u

/* One check while it is read: where its keys stood, for what only the whole shows. */
struct reading {
	struct check *check;
	const struct uplink *uplink;			       /* NULL: a map's */
	const struct yaml_node *kind, *need, *every, *timeout; /* values; NULL: not there */
	const struct yaml_node *of_http, *of_dns; /* the first key that only such a check has */
	bool broken;
};

static const char *const kind_names[] = {
	[CHECK_ICMP] = "icmp", [CHECK_TCP] = "tcp", [CHECK_HTTP] = "http", [CHECK_DNS] = "dns"};
#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

/* ---- targets ---- */

static void add_target(struct loader *l, struct reading *r, const struct check_target *t)
{
	VEC_EACH (&r->check->targets, struct check_target, have) {
		if (strcmp(have->text, t->text) != 0)
			continue;
		diag_error(l->d, t->at, "'%s' stands twice", t->text);
		diag_note(l->d, have->at, "first here");
		return;
	}
	vec_push(l->arena, &r->check->targets, *t);
}

/* "http://HOST[:PORT][/PATH]": where its parts begin, and how long they are. */
struct url {
	size_t host, host_len, port; /* port: 0 where there is none */
	size_t path;		     /* the end where there is none */
};

static bool bad_url(struct loader *l, const struct yaml_node *n, const char *hint)
{
	diag_error(l->d, n->at, "'%s' is not a URL that can be asked for", load_quote(l, n));
	diag_hint(l->d, "%s", hint);
	return false;
}

static bool split_url(struct loader *l, const struct yaml_node *n, struct url *u)
{
	static const char usual[] = "write http://192.0.2.1/ or http://www.example.org/path";
	const char *s = n->text, *slash, *end, *colon;

	if (n->len > 8 && memcmp(s, "https://", 8) == 0)
		return bad_url(
			l, n, "TLS is not spoken here; tcp: \"ADDRESS:443\" is what can be asked");
	if (n->len < 8 || memcmp(s, "http://", 7) != 0)
		return bad_url(l, n, usual);
	*u = (struct url){.host = 7};
	slash = memchr(s + 7, '/', n->len - 7);
	end = slash ? slash : s + n->len;
	u->path = (size_t)(end - s);
	colon = s[7] == '[' ? memchr(s + 7, ']', (size_t)(end - s) - 7) : s + 6;
	if (!colon)
		return bad_url(l, n, "an IPv6 address stands in brackets: http://[2001:db8::1]/");
	colon = memchr(colon + 1, ':', (size_t)(end - colon) - 1);
	if (colon)
		u->port = (size_t)(colon - s) + 1;
	u->host_len = (size_t)((colon ? colon : end) - s) - 7;
	return u->host_len ? true : bad_url(l, n, usual);
}

static bool is_text(const struct yaml_node *n, size_t from, size_t len, size_t max)
{
	for (size_t i = from; i < from + len; i++)
		if (n->text[i] <= ' ' || n->text[i] > '~')
			return false;
	return len > 0 && len <= max;
}

/* The host of a URL: an address, or a name as DNS has them. */
static bool url_host(
	struct loader *l, const struct yaml_node *n, const struct url *u, struct ip_addr *addr)
{
	const char *s = n->text + u->host;
	size_t len = u->host_len;
	bool v6 = *s == '[';

	if (ip_parse_n(s + v6, len - 2 * v6, addr) == 0 && (addr->family == IP_V6) == v6)
		return true;
	*addr = (struct ip_addr){0};
	for (size_t i = 0; i < len; i++)
		v6 = v6 || !value_is_name_char(s[i]);
	if (!v6 && len <= HOST_MAX)
		return true;
	return bad_url(l, n, "its host must be an address or a name");
}

/* The path from @from on; none is there where that is the end. */
static bool set_path(struct loader *l, const struct yaml_node *n, size_t from, struct reading *r)
{
	bool given = from < n->len;
	const char *path = "/";

	if (given && !is_text(n, from, n->len - from, LENGTH_PATH)) {
		diag_error(l->d, value_part(n, from, n->len - from),
			"a path may hold printable characters without spaces only, up to %u",
			LENGTH_PATH);
		return false;
	}
	if (given)
		path = arena_strndup(l->arena, n->text + from, n->len - from);
	if (r->check->path && strcmp(r->check->path, path) != 0) {
		diag_error(l->d, given ? value_part(n, from, n->len - from) : n->at,
			"the URLs of one check have the same path, and this is not '%s'",
			r->check->path);
		diag_hint(l->d, "make it a check of its own, in a list");
		return false;
	}
	r->check->path = path;
	return true;
}

static bool url_target(
	struct loader *l, const struct yaml_node *n, struct reading *r, struct check_target *t)
{
	struct url u;

	if (!split_url(l, n, &u) || !url_host(l, n, &u, &t->addr))
		return false;
	t->port = PORT_HTTP;
	if (u.port && !value_port(l, n, u.port, u.path - u.port, &t->port))
		return false;
	return set_path(l, n, u.path, r);
}

static bool ping_target(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct ip_addr *out)
{
	static const char *const words[] = {CHECK_GATEWAY};
	struct ip_addr addr;

	if (value_is(n, CHECK_GATEWAY))
		return true;
	if (ip_parse_n(n->text, n->len, &addr) == 0)
		return value_address(l, key, n, out);
	diag_error(l->d, n->at, "'%s' is neither an address nor '" CHECK_GATEWAY "'",
		load_quote(l, n));
	load_suggest(l, load_quote(l, n), words, 1);
	return false;
}

static bool read_target(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct reading *r, struct check_target *t)
{
	switch (r->check->kind) {
	case CHECK_ICMP:
		return ping_target(l, key, n, &t->addr);
	case CHECK_TCP:
		return value_endpoint(l, key, n, 0, &t->addr, &t->port);
	case CHECK_HTTP:
		return url_target(l, n, r, t);
	case CHECK_DNS:
		return value_endpoint(l, key, n, PORT_DNS, &t->addr, &t->port);
	}
	return false;
}

static void load_targets(struct loader *l, const struct yaml_node *key,
	const struct yaml_node *value, struct reading *r)
{
	static const char *const wanted[] = {[CHECK_ICMP] = "an address or gateway",
		[CHECK_TCP] = "an address and port",
		[CHECK_HTTP] = "a URL",
		[CHECK_DNS] = "the address of a server"};
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, wanted[r->check->kind], LIMIT_TARGETS, &n);

	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct check_target t = {
			.text = arena_strndup(l->arena, n->text, n->len), .at = n->at};

		if (read_target(l, key, n, r, &t))
			add_target(l, r, &t);
		else
			r->broken = true;
	}
	r->broken = r->broken || !items;
}

/* ---- a map's: where at its backends ---- */

/* "/health", ":8080/health" or ":8080" */
static void load_path(struct loader *l, const struct yaml_node *n, struct reading *r)
{
	const char *slash = n->len ? memchr(n->text, '/', n->len) : NULL;
	size_t path = slash ? (size_t)(slash - n->text) : n->len;

	if (!n->len || (n->text[0] != '/' && n->text[0] != ':')) {
		diag_error(l->d, n->at, "'%s' is not a path", load_quote(l, n));
		diag_hint(l->d, "the host is the backend: write http: /health, or with another "
				"port http: \":8080/health\"");
		r->broken = true;
		return;
	}
	r->broken = (path && !value_port(l, n, 1, path - 1, &r->check->port)) ||
		    !set_path(l, n, path, r);
}

/* true, or (of tcp and dns) a port */
static void load_place(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	struct reading *r)
{
	bool ports = r->check->kind != CHECK_ICMP, yes = false;
	const struct yaml_node *n = load_scalar(
		l, key, value, ports ? "true or a port" : "true: the backend is what is asked");

	if (!n) {
		r->broken = true;
	} else if (r->check->kind == CHECK_HTTP) {
		load_path(l, n, r);
	} else if (ports && n->len && n->text[0] >= '0' && n->text[0] <= '9') {
		r->broken = !value_port(l, n, 0, n->len, &r->check->port);
	} else if (!value_is_true(n, &yes) || !yes) {
		diag_error(l->d, n->at, "'%s' must be true%s, not '%s'", load_quote(l, key),
			ports ? " or a port" : "", load_quote(l, n));
		diag_hint(l->d, "the backend is what is asked; leave the check out if there is "
				"to be none");
		r->broken = true;
	}
}

static void load_kind(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	struct reading *r, enum check_kind kind)
{
	if (r->kind) {
		diag_error(l->d, key->at, "a check asks one thing, and this has '%s' too",
			kind_names[r->check->kind]);
		diag_note(l->d, r->kind->at, "here");
		diag_hint(l->d, "several checks are a list: check: [{%s: ...}, {%s: ...}]",
			kind_names[r->check->kind], kind_names[kind]);
		r->broken = true;
		return;
	}
	r->kind = key;
	r->check->kind = kind;
	if (r->uplink)
		load_targets(l, key, value, r);
	else
		load_place(l, key, value, r);
}

static void load_icmp(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	load_kind(l, key, value, object, CHECK_ICMP);
}

static void load_tcp(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	load_kind(l, key, value, object, CHECK_TCP);
}

static void load_http(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	load_kind(l, key, value, object, CHECK_HTTP);
}

static void load_dns(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	load_kind(l, key, value, object, CHECK_DNS);
}

/* ---- what is a good answer ---- */

static void load_expect(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;
	struct check *c = r->check;

	r->of_http = key;
	value = load_scalar(l, key, value, "an HTTP status, such as 204 or 200-399");
	if (value && value_range(value, STATUS_MIN, STATUS_MAX, &c->expect_first, &c->expect_last))
		return;
	if (value) {
		diag_error(l->d, value->at, "'%s' is not an HTTP status or a range of them",
			load_quote(l, value));
		diag_hint(l->d, "write 204 or 200-399; they go from %u to %u", STATUS_MIN,
			STATUS_MAX);
	}
	r->broken = true;
}

static void load_host(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;

	r->of_http = r->of_http ? r->of_http : key;
	value = load_scalar(l, key, value, "the name of a host");
	if (value && is_text(value, 0, value->len, HOST_MAX)) {
		r->check->host = arena_strndup(l->arena, value->text, value->len);
		return;
	}
	if (value)
		diag_error(l->d, value->at, "'%s' is not the name of a host", load_quote(l, value));
	r->broken = true;
}

static void load_name(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;
	size_t label = 0;
	bool good;

	r->of_dns = key;
	value = load_scalar(l, key, value, "a name to ask for");
	good = value && value->len && value->len <= HOST_MAX;
	for (size_t i = 0; good && i < value->len; i++) {
		label = value->text[i] == '.' ? 0 : label + 1;
		good = value_is_name_char(value->text[i]) && label <= 63 &&
		       (label || i == value->len - 1 || value->text[i + 1] != '.');
	}
	if (good && (value->text[0] != '.' || value->len == 1)) {
		r->check->query = arena_strndup(l->arena, value->text, value->len);
		return;
	}
	if (value)
		diag_error(
			l->d, value->at, "'%s' is not a name that DNS knows", load_quote(l, value));
	r->broken = true;
}

/* ---- how often ---- */

static void load_rounds(struct loader *l, const struct yaml_node *key,
	const struct yaml_node *value, struct reading *r, uint32_t *out, uint32_t max)
{
	if (!value_u32(l, key, value, out)) {
		r->broken = true;
	} else if (*out < 1 || *out > max) {
		diag_error(l->d, value->at, "'%s' must be from 1 to %u", load_quote(l, key), max);
		r->broken = true;
	}
}

static void load_need(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;

	r->need = value;
	load_rounds(l, key, value, r, &r->check->need, LIMIT_TARGETS);
}

static void load_rise(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;

	load_rounds(l, key, value, r, &r->check->rise, ROUNDS_MAX);
}

static void load_fall(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;

	load_rounds(l, key, value, r, &r->check->fall, ROUNDS_MAX);
}

static void load_every(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;

	r->every = value;
	if (!value_duration(l, key, value, EVERY_MIN_MS, EVERY_MAX_MS, &r->check->every_ms))
		r->broken = true;
}

static void load_timeout(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct reading *r = object;

	r->timeout = value;
	if (!value_duration(l, key, value, EVERY_MIN_MS, EVERY_MAX_MS, &r->check->timeout_ms))
		r->broken = true;
}

/* ---- the whole ---- */

static void wrong_key(
	struct loader *l, const struct yaml_node *key, enum check_kind has, enum check_kind wants)
{
	diag_error(l->d, key->at, "'%s' says nothing to a check by %s", load_quote(l, key),
		kind_names[has]);
	diag_hint(l->d, "it belongs to %s", kind_names[wants]);
}

static void check_whole(struct loader *l, struct reading *r)
{
	struct check *c = r->check;

	if (r->of_http && c->kind != CHECK_HTTP)
		wrong_key(l, r->of_http, c->kind, CHECK_HTTP);
	if (r->of_dns && c->kind != CHECK_DNS)
		wrong_key(l, r->of_dns, c->kind, CHECK_DNS);
	if (r->need && c->need > c->targets.len && c->targets.len) {
		diag_error(l->d, r->need->at, "%u must answer, but there %s %zu target%s", c->need,
			c->targets.len == 1 ? "is" : "are", c->targets.len,
			c->targets.len == 1 ? "" : "s");
		diag_note(l->d, r->kind->at, "here");
	}
	if (!r->timeout && c->timeout_ms > c->every_ms)
		c->timeout_ms = c->every_ms;
	if (c->timeout_ms > c->every_ms) {
		diag_error(l->d, r->timeout->at, "'timeout' is longer than 'every'");
		if (r->every)
			diag_note(l->d, r->every->at, "here");
		diag_hint(l->d, "a round ends before the next one begins");
	}
}

static const struct field uplink_check_fields[] = {
	{KEY_UPLINK_CHECK_ICMP, load_icmp},
	{KEY_UPLINK_CHECK_TCP, load_tcp},
	{KEY_UPLINK_CHECK_HTTP, load_http},
	{KEY_UPLINK_CHECK_DNS, load_dns},
	{KEY_UPLINK_CHECK_EXPECT, load_expect},
	{KEY_UPLINK_CHECK_HOST, load_host},
	{KEY_UPLINK_CHECK_NAME, load_name},
	{KEY_UPLINK_CHECK_NEED, load_need},
	{KEY_UPLINK_CHECK_EVERY, load_every},
	{KEY_UPLINK_CHECK_TIMEOUT, load_timeout},
	{KEY_UPLINK_CHECK_RISE, load_rise},
	{KEY_UPLINK_CHECK_FALL, load_fall},
};

static const struct field map_check_fields[] = {
	{KEY_MAP_CHECK_ICMP, load_icmp},
	{KEY_MAP_CHECK_TCP, load_tcp},
	{KEY_MAP_CHECK_HTTP, load_http},
	{KEY_MAP_CHECK_DNS, load_dns},
	{KEY_MAP_CHECK_EXPECT, load_expect},
	{KEY_MAP_CHECK_HOST, load_host},
	{KEY_MAP_CHECK_NAME, load_name},
	{KEY_MAP_CHECK_EVERY, load_every},
	{KEY_MAP_CHECK_TIMEOUT, load_timeout},
	{KEY_MAP_CHECK_RISE, load_rise},
	{KEY_MAP_CHECK_FALL, load_fall},
};

/* A word alone: "icmp" is the uplink's gateway, "tcp" and "icmp" a map's backends. */
static bool load_word(struct loader *l, const struct yaml_node *n, struct reading *r)
{
	const char *const *words = kind_names;
	size_t known = r->uplink ? CHECK_ICMP + 1 : CHECK_TCP + 1;
	struct check_target gateway = {.text = CHECK_GATEWAY, .at = n->at};

	for (size_t i = 0; i < known; i++) {
		if (!value_is(n, words[i]))
			continue;
		r->check->kind = (enum check_kind)i;
		if (r->uplink)
			vec_push(l->arena, &r->check->targets, gateway);
		return true;
	}
	diag_error(l->d, n->at, "'%s' is not a check", load_quote(l, n));
	for (size_t i = known; i < N_KINDS; i++) {
		if (!value_is(n, words[i]))
			continue;
		diag_hint(l->d, r->uplink ? "say what to ask: {%s: ...}" : "say how: {%s: ...}",
			words[i]);
		return false;
	}
	if (!load_suggest(l, load_quote(l, n), words, known))
		diag_hint(l->d,
			r->uplink
				? "write icmp for the gateway, or {icmp: ADDRESS}, {tcp: "
				  "\"ADDRESS:PORT\"}, {http: URL}, {dns: ADDRESS}"
				: "write tcp or icmp, or {tcp: PORT}, {http: /path}, {dns: true}");
	return false;
}

static void load_one(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	const struct uplink *uplink, struct check *out)
{
	static const size_t n_uplink = sizeof(uplink_check_fields) / sizeof(uplink_check_fields[0]),
			    n_map = sizeof(map_check_fields) / sizeof(map_check_fields[0]);
	struct reading r = {.check = out, .uplink = uplink};

	*out = (struct check){.expect_first = 200,
		.expect_last = 399,
		.query = ".",
		.need = 1,
		.every_ms = DEFAULT_CHECK_EVERY_MS,
		.timeout_ms = DEFAULT_CHECK_TIMEOUT_MS,
		.rise = DEFAULT_CHECK_RISE,
		.fall = DEFAULT_CHECK_FALL,
		.at = n->at};
	if (n->kind == YAML_SCALAR && !yaml_is_null(n)) {
		load_word(l, n, &r);
		return;
	}
	if (n->kind != YAML_MAPPING) {
		load_wrong_type(l, key, n,
			uplink ? "a check, such as {icmp: 198.51.100.7}, or a list of such"
			       : "a check, such as tcp or {http: /health}, or a list of such");
		return;
	}
	load_section(l, n, uplink ? uplink_check_fields : map_check_fields,
		uplink ? n_uplink : n_map, &r, "'check'", NULL);
	if (!r.kind) {
		diag_error(l->d, n->at, "a check without anything to ask");
		diag_hint(l->d, "it has one of icmp, tcp, http and dns");
	} else if (!r.broken) {
		check_whole(l, &r);
	}
}

struct check *load_checks(struct loader *l, const struct yaml_node *key,
	const struct yaml_node *value, const struct uplink *uplink, size_t *len)
{
	const struct yaml_node *n = value;
	struct check *checks;

	*len = 1;
	if (value->kind == YAML_SEQUENCE) {
		*len = value->len;
		n = yaml_first(value);
	}
	if (*len < 1 || *len > LIMIT_CHECKS) {
		diag_error(l->d, value->at, "'%s' has %zu entries; it can have 1 to %u",
			load_quote(l, key), *len, LIMIT_CHECKS);
		*len = 0;
		return NULL;
	}
	checks = arena_alloc(l->arena, *len * sizeof(*checks));
	for (size_t i = 0; i < *len; i++, n = yaml_next(n))
		load_one(l, key, n, uplink, &checks[i]);
	return checks;
}
