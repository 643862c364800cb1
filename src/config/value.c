/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values: numbers, names, addresses, listeners and targets from the text of a scalar. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

static const char *const protos[] = {"tcp", "udp", "sctp"};
#define N_PROTOS (sizeof(protos) / sizeof(protos[0]))

/* ---- pieces ---- */

bool value_is(const struct yaml_node *n, const char *s)
{
	return strlen(s) == n->len && memcmp(n->text, s, n->len) == 0;
}

struct span value_part(const struct yaml_node *n, size_t from, size_t len)
{
	struct span at = n->at;
	uint32_t quotes = at.len - (uint32_t)n->len;

	/* escapes, folding or saturation: the text's bytes are not the file's */
	if (at.len < n->len || quotes > 2 || quotes != 2 * (uint32_t)n->quoted ||
		at.col + from + 1 >= UINT16_MAX)
		return at;
	at.col = (uint16_t)(at.col + n->quoted + from);
	at.len = len ? (uint16_t)len : 1;
	return at;
}

static bool all_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return len > 0;
}

/* A decimal without sign and leading zeros, at most @max. -EINVAL or -ERANGE. */
static int decimal(const char *s, size_t len, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;

	if (!all_digits(s, len) || (len > 1 && s[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len && v <= max; i++)
		v = v * 10 + (uint64_t)(s[i] - '0');
	if (v > max)
		return -ERANGE;
	*out = (uint32_t)v;
	return 0;
}

static int hexadecimal(const char *s, size_t len, uint32_t *out)
{
	uint32_t v = 0;

	if (len < 3 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X'))
		return -EINVAL;
	for (size_t i = 2; i < len; i++) {
		char c = (char)tolower((unsigned char)s[i]);

		if (!isxdigit((unsigned char)c))
			return -EINVAL;
		if (v >> 28)
			return -ERANGE;
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = v;
	return 0;
}

/* ---- numbers, booleans, names ---- */

bool value_u32(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *n, uint32_t *out)
{
	int err;

	n = load_scalar(l, key, n, "a number");
	if (!n)
		return false;
	if (n->quoted) {
		diag_error(l->d, n->at, "'%s' must be a number", load_quote(l, key));
		diag_hint(l->d, "write it without quotes");
		return false;
	}
	err = decimal(n->text, n->len, UINT32_MAX, out);
	if (err == -EINVAL)
		err = hexadecimal(n->text, n->len, out);
	if (!err)
		return true;
	if (err == -ERANGE)
		diag_error(l->d, n->at, "'%s' must fit 32 bits", load_quote(l, key));
	else
		diag_error(l->d, n->at, "'%s' must be a number, such as 16 or 0x10",
			load_quote(l, key));
	return false;
}

bool value_is_true(const struct yaml_node *n, bool *out)
{
	static const char *const words[] = {"true", "false", "on", "off", "yes", "no"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (n->len == strlen(words[i]) && strncasecmp(n->text, words[i], n->len) == 0) {
			*out = i % 2 == 0;
			return true;
		}
	}
	return false;
}

bool value_bool(struct loader *l, const struct yaml_node *key, const struct yaml_node *n, bool *out)
{
	n = load_scalar(l, key, n, "true or false");
	if (!n)
		return false;
	if (value_is_true(n, out))
		return true;
	diag_error(l->d, n->at,
		"'%s' must be true or false (on, off, yes and no will do), not '%s'",
		load_quote(l, key), load_quote(l, n));
	return false;
}

static const char *article(const char *what)
{
	return strchr("aeiou", *what) ? "an" : "a";
}

bool value_name(struct loader *l, const struct yaml_node *n, const char *what)
{
	struct ip_addr addr;

	if (!n->len) {
		diag_error(l->d, n->at, "%s %s without a name", article(what), what);
		return false;
	}
	if (n->len > LIMIT_NAME) {
		diag_error(l->d, n->at, "the name of %s %s may have at most %u characters",
			article(what), what, LIMIT_NAME);
		return false;
	}
	for (size_t i = 0; i < n->len; i++) {
		unsigned char c = (unsigned char)n->text[i];

		if (c < 0x80 && (isalnum(c) || strchr("_.-", c)) && c)
			continue;
		diag_error(l->d, value_part(n, i, 1),
			"the name of %s '%s' may hold letters, digits, '_', '.' and '-' only", what,
			load_quote(l, n));
		return false;
	}
	if (ip_parse_n(n->text, n->len, &addr) == 0) {
		diag_error(
			l->d, n->at, "an address cannot be the name of %s %s", article(what), what);
		return false;
	}
	return true;
}

/* ---- addresses ---- */

static bool not_an_address(struct loader *l, const struct yaml_node *n)
{
	const char *slash = memchr(n->text, '/', n->len), *percent = memchr(n->text, '%', n->len);
	struct ip_addr addr;

	diag_error(l->d, n->at, "'%s' is not an address", load_quote(l, n));
	if (slash && ip_parse_n(n->text, (size_t)(slash - n->text), &addr) == 0)
		diag_hint(l->d, "write it without the prefix length: %.*s", (int)(slash - n->text),
			n->text);
	else if (percent && ip_parse_n(n->text, (size_t)(percent - n->text), &addr) == 0)
		diag_hint(l->d, "write it without the interface: %.*s", (int)(percent - n->text),
			n->text);
	else if (n->len > 2 && n->text[0] == '[' && n->text[n->len - 1] == ']' &&
		 ip_parse_n(n->text + 1, n->len - 2, &addr) == 0)
		diag_hint(
			l->d, "write it without the brackets: %.*s", (int)n->len - 2, n->text + 1);
	return false;
}

/* Why nobody can have this address on a network; NULL: somebody can. */
static const char *address_class(const struct ip_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (ip_is_unspecified(a))
		return "the unspecified address";
	if (ip_is_multicast(a))
		return "a multicast address";
	if (a->family == IP_V4 && a->bytes[0] == 0)
		return "in 0.0.0.0/8, which is no host's";
	if (a->family == IP_V4 && a->bytes[0] >= 240)
		return "in 240.0.0.0/4, which is reserved";
	if (a->family == IP_V6 && memcmp(a->bytes, mapped, sizeof(mapped)) == 0)
		return "an IPv4 address in IPv6 clothes";
	return NULL;
}

const char *value_bad_address(const struct ip_addr *a)
{
	return ip_is_loopback(a) ? "a loopback address" : address_class(a);
}

bool value_address(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct ip_addr *out)
{
	const char *class;

	if (ip_parse_n(n->text, n->len, out))
		return not_an_address(l, n);
	class = value_bad_address(out);
	if (!class)
		return true;
	diag_error(l->d, n->at, "'%s' cannot be %s, which is %s", load_quote(l, key),
		load_quote(l, n), class);
	return false;
}

static const struct located_addr *find(
	const struct located_addr *items, size_t n, const struct ip_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (ip_equal(&items[i].addr, addr))
			return &items[i];
	return NULL;
}

size_t value_addresses(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	size_t items, struct located_addr *out)
{
	size_t len = 0;

	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct located_addr a = {.at = n->at};
		const struct located_addr *same;

		if (!value_address(l, key, n, &a.addr))
			continue;
		same = find(out, len, &a.addr);
		if (same) {
			diag_error(l->d, n->at, "address %s stands twice", load_quote(l, n));
			diag_note(l->d, same->at, "first here");
		} else {
			out[len++] = a;
		}
	}
	return len;
}

bool value_prefix(struct loader *l, const struct yaml_node *n, struct ip_prefix *out)
{
	char buf[PREFIX_STRLEN];
	int err = -EINVAL;

	if (n->len < sizeof(buf) && !memchr(n->text, '\0', n->len)) {
		memcpy(buf, n->text, n->len);
		buf[n->len] = '\0';
		err = ip_prefix_parse(buf, out);
	}
	if (!err)
		return true;
	if (err == -EDOM) {
		diag_error(
			l->d, n->at, "%s has bits set beyond its prefix length", load_quote(l, n));
		diag_hint(l->d, "the network is %s", ip_prefix_format(out, buf));
		return false;
	}
	diag_error(l->d, n->at, "'%s' is neither an address nor a prefix", load_quote(l, n));
	diag_hint(l->d, "write 198.51.100.7, 198.51.100.0/24 or 2001:db8::/32");
	return false;
}

/* ---- ports ---- */

bool value_port(struct loader *l, const struct yaml_node *n, size_t from, size_t len, uint16_t *out)
{
	uint32_t v = 0;
	int err = decimal(n->text + from, len, UINT16_MAX, &v);
	int shown = len < 20 ? (int)len : 20;

	if (!len) {
		diag_error(l->d, value_part(n, from, len), "a port number is missing");
		return false;
	}
	if (err == -EINVAL) {
		diag_error(l->d, value_part(n, from, len), "'%.*s' is not a port number", shown,
			n->text + from);
		return false;
	}
	if (err || v == 0) {
		diag_error(l->d, value_part(n, from, len), "port %.*s is not between 1 and 65535",
			shown, n->text + from);
		return false;
	}
	*out = (uint16_t)v;
	return true;
}

static bool proto_of(struct loader *l, const struct yaml_node *n, size_t from, uint8_t *out)
{
	const char *s = n->text + from;
	size_t len = n->len - from;
	char word[16];

	for (size_t i = 0; i < N_PROTOS; i++) {
		if (strlen(protos[i]) == len && memcmp(protos[i], s, len) == 0) {
			*out = ip_proto_parse(s, len);
			return true;
		}
	}
	snprintf(word, sizeof(word), "%.*s", (int)(len < 15 ? len : 15), s);
	diag_error(
		l->d, value_part(n, from, len), "'%s' is not a protocol that can be mapped", word);
	if (!load_suggest(l, word, protos, N_PROTOS))
		diag_hint(l->d, "it can be tcp, udp or sctp");
	return false;
}

/* For what has no "PORT/PROTOCOL" shape: the nearest thing that was probably meant. */
static bool not_a_listener(struct loader *l, const struct yaml_node *n)
{
	const char *slash = memchr(n->text, '/', n->len), *colon = memchr(n->text, ':', n->len);
	const char *text = load_quote(l, n);

	if (!slash && isdigit((unsigned char)n->text[0]) && !colon) {
		diag_error(l->d, n->at, "'%s' names no protocol", text);
		diag_hint(l->d, "write %s/tcp or %s/udp", text, text);
		return false;
	}
	diag_error(l->d, n->at, "'%s' is not a listener", text);
	if (slash && ip_proto_parse(n->text, (size_t)(slash - n->text)))
		diag_hint(l->d, "the port comes first: %.*s/%.*s",
			(int)(n->text + n->len - slash - 1), slash + 1, (int)(slash - n->text),
			n->text);
	else if (colon)
		diag_hint(l->d, "a listener is a port and a protocol, as 80/tcp; "
				"'on' says at which addresses");
	else
		diag_hint(l->d, "write 80/tcp, or 27000-27099/udp for a range");
	return false;
}

bool value_listen(struct loader *l, const struct yaml_node *n, struct listen *out)
{
	const char *slash = n->len ? memchr(n->text, '/', n->len) : NULL, *dash;
	size_t ports;

	if (!slash || !isdigit((unsigned char)n->text[0]) || memchr(n->text, ':', n->len) ||
		memchr(n->text, '.', n->len))
		return not_a_listener(l, n);
	ports = (size_t)(slash - n->text);
	dash = memchr(n->text, '-', ports);
	out->at = n->at;
	if (!dash) {
		if (!value_port(l, n, 0, ports, &out->first))
			return false;
		out->last = out->first;
	} else {
		size_t second = (size_t)(dash - n->text) + 1;

		if (!value_port(l, n, 0, second - 1, &out->first) ||
			!value_port(l, n, second, ports - second, &out->last))
			return false;
		if (out->first > out->last) {
			diag_error(
				l->d, value_part(n, 0, ports), "the range ends before it begins");
			diag_hint(l->d, "write %u-%u", out->last, out->first);
			return false;
		}
	}
	return proto_of(l, n, ports + 1, &out->proto);
}

/* ---- targets ---- */

static bool not_a_target(struct loader *l, const struct yaml_node *n, size_t addr_len)
{
	struct ip_addr addr;
	const char *slash;
	bool name = n->len && n->text[0] != '[', v6 = n->len && memchr(n->text, ':', addr_len);

	for (size_t i = 0; i < addr_len; i++)
		name = name && (isalnum((unsigned char)n->text[i]) || strchr(".-_", n->text[i])) &&
		       n->text[i];
	diag_error(l->d, value_part(n, 0, addr_len), "'%.*s' is not an address",
		(int)(addr_len < 60 ? addr_len : 60), n->text);
	slash = n->text[0] == '[' ? NULL : memchr(n->text, '/', n->len);
	if (slash && ip_parse_n(n->text, (size_t)(slash - n->text), &addr) == 0)
		diag_hint(l->d, "write it without the prefix length: %.*s", (int)(slash - n->text),
			n->text);
	else if (name && !v6 && !all_digits(n->text, 1))
		diag_hint(l->d, "a backend is given by its address, not by a name");
	else if (v6)
		diag_hint(l->d, "an IPv6 address with a port: \"[2001:db8::25]:25\"");
	else
		diag_hint(l->d, "write 192.168.0.2, 192.168.0.2:8080 or \"[2001:db8::25]:25\"");
	return false;
}

/* Where the address ends and the port begins (0: none); brackets do not count to the address. */
static bool split_target(
	struct loader *l, const struct yaml_node *n, size_t *addr, size_t *addr_len, size_t *port)
{
	const char *s = n->text, *end = s + n->len, *close, *colon;

	*addr = 0;
	*addr_len = n->len;
	*port = 0;
	if (n->len && s[0] == '[') {
		close = memchr(s, ']', n->len);
		if (!close || (close + 1 < end && close[1] != ':')) {
			diag_error(l->d, n->at, "'%s' is not an address", load_quote(l, n));
			diag_hint(l->d, "an IPv6 address with a port: \"[2001:db8::25]:25\"");
			return false;
		}
		*addr = 1;
		*addr_len = (size_t)(close - s) - 1;
		if (close + 1 < end)
			*port = (size_t)(close - s) + 2;
		return true;
	}
	colon = n->len ? memchr(s, ':', n->len) : NULL;
	if (colon && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
		*addr_len = (size_t)(colon - s);
		*port = *addr_len + 1;
	}
	return true;
}

static bool target_port(struct loader *l, const struct yaml_node *n, size_t from, uint16_t *out)
{
	const char *s = n->text + from, *dash = memchr(s, '-', n->len - from);
	const char *slash = memchr(s, '/', n->len - from);

	if (slash) {
		diag_error(l->d, value_part(n, (size_t)(slash - n->text), n->len),
			"the protocol of a backend is that of the listener");
		diag_hint(l->d, "write %.*s", (int)(slash - n->text), n->text);
		return false;
	}
	if (dash) {
		diag_error(l->d, value_part(n, from, n->len - from),
			"only the first backend port is given");
		diag_hint(l->d, "write %.*s; the range is as long as that of the listener",
			(int)(dash - n->text), n->text);
		return false;
	}
	return value_port(l, n, from, n->len - from, out);
}

bool value_target(struct loader *l, const struct yaml_node *n, struct ip_addr *addr, uint16_t *port)
{
	const char *class;
	size_t from, len, port_from;

	*port = 0;
	if (!split_target(l, n, &from, &len, &port_from))
		return false;
	if (ip_parse_n(n->text + from, len, addr))
		return not_a_target(l, n, from + len);
	if (from && addr->family == IP_V4) {
		diag_error(l->d, n->at, "brackets are for IPv6 addresses");
		return false;
	}
	class = address_class(addr);
	if (class) {
		diag_error(l->d, value_part(n, from, len), "a backend cannot be %s", class);
		return false;
	}
	if (ip_is_loopback(addr)) {
		diag_error(
			l->d, value_part(n, from, len), "a backend cannot be a loopback address");
		diag_hint(l->d, "the kernel drops it when it comes from outside (it would take "
				"route_localnet);\nlet the service listen on an inside address of "
				"the gateway");
		return false;
	}
	if (ip_is_link_local(addr) && addr->family == IP_V6) {
		diag_error(
			l->d, value_part(n, from, len), "a backend cannot be a link-local address");
		diag_hint(l->d,
			"it says nothing without an interface; give the backend a ULA (fd00::/8)");
		return false;
	}
	return !port_from || target_port(l, n, port_from, port);
}

/* ---- of checks and of the daemon ---- */

bool value_is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

bool value_range(
	const struct yaml_node *n, uint32_t min, uint32_t max, uint16_t *first, uint16_t *last)
{
	const char *dash = n->len ? memchr(n->text, '-', n->len) : NULL;
	size_t len = dash ? (size_t)(dash - n->text) : n->len;
	uint32_t from, to;

	if (decimal(n->text, len, max, &from))
		return false;
	to = from;
	if (dash && decimal(dash + 1, n->len - len - 1, max, &to))
		return false;
	if (from < min || to < from)
		return false;
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return true;
}

static const char *duration_text(struct loader *l, uint32_t ms)
{
	if (ms % 60000 == 0)
		return arena_printf(l->scratch, "%um", ms / 60000);
	if (ms % 1000 == 0)
		return arena_printf(l->scratch, "%us", ms / 1000);
	return arena_printf(l->scratch, "%ums", ms);
}

bool value_duration(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	uint32_t min_ms, uint32_t max_ms, uint32_t *out_ms)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}};
	size_t digits = 0;
	uint32_t v = 0;

	n = load_scalar(l, key, n, "a time such as 5s, 500ms or 1m");
	if (!n)
		return false;
	while (digits < n->len && isdigit((unsigned char)n->text[digits]))
		digits++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) != n->len - digits ||
			memcmp(units[i].name, n->text + digits, n->len - digits) != 0)
			continue;
		if (decimal(n->text, digits, max_ms / units[i].ms, &v) == -EINVAL)
			break;
		if (v && v * units[i].ms >= min_ms) {
			*out_ms = v * units[i].ms;
			return true;
		}
		diag_error(l->d, n->at, "'%s' must be from %s to %s", load_quote(l, key),
			duration_text(l, min_ms), duration_text(l, max_ms));
		return false;
	}
	diag_error(
		l->d, n->at, "'%s' must be a time, not '%s'", load_quote(l, key), load_quote(l, n));
	if (digits && digits == n->len)
		diag_hint(l->d, "with its unit: %ss or %sms", load_quote(l, n), load_quote(l, n));
	else
		diag_hint(l->d, "write 5s, 500ms or 1m");
	return false;
}

/* Address and port (0: none given) of "192.0.2.1:80" and the like. */
static bool split_endpoint(
	struct loader *l, const struct yaml_node *n, struct ip_addr *addr, uint16_t *port)
{
	size_t from, len, port_from;

	*port = 0;
	if (!split_target(l, n, &from, &len, &port_from))
		return false;
	if (ip_parse_n(n->text + from, len, addr) || (from && addr->family == IP_V4)) {
		diag_error(l->d, value_part(n, from, len), "'%.*s' is not an address",
			(int)(len < 60 ? len : 60), n->text + from);
		diag_hint(l->d, "write \"192.0.2.1:80\" or \"[2001:db8::1]:80\"");
		return false;
	}
	return !port_from || value_port(l, n, port_from, n->len - port_from, port);
}

bool value_endpoint(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	uint16_t port, struct ip_addr *addr, uint16_t *out)
{
	const char *class;

	if (!split_endpoint(l, n, addr, out))
		return false;
	class = value_bad_address(addr);
	if (class) {
		diag_error(l->d, n->at, "'%s' cannot be %s, which is %s", load_quote(l, key),
			load_quote(l, n), class);
		return false;
	}
	*out = *out ? *out : port;
	if (*out)
		return true;
	diag_error(l->d, n->at, "'%s' names no port", load_quote(l, n));
	diag_hint(l->d, addr->family == IP_V6 ? "write \"[%s]:443\"" : "write \"%s:443\"",
		load_quote(l, n));
	return false;
}

bool value_metrics(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct ip_addr *addr, uint16_t *port)
{
	bool on = true;

	n = load_scalar(l, key, n, "a port, or an address and port");
	if (!n)
		return false;
	*port = DEFAULT_METRICS_PORT;
	*addr = ip_from_bytes(IP_V4, (const uint8_t[]){127, 0, 0, 1});
	if (all_digits(n->text, n->len))
		return value_port(l, n, 0, n->len, port);
	if (value_is_true(n, &on)) {
		if (!on)
			*addr = (struct ip_addr){0};
		return true;
	}
	if (!split_endpoint(l, n, addr, port))
		return false;
	*port = *port ? *port : DEFAULT_METRICS_PORT;
	if (!ip_is_multicast(addr))
		return true;
	diag_error(l->d, n->at, "nobody can listen on %s, a multicast address", load_quote(l, n));
	return false;
}
