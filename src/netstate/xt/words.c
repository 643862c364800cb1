/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of iptables' lines: splitting, quoting, and the arguments that many extensions have. */
#include "netstate/xt/extension.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One word from @at on, up to a blank outside of quotes. Backslashes escape the next character. */
static size_t take_word(const char *line, size_t at, size_t len, char **to)
{
	char quote = '\0';

	for (; at < len && (quote || !is_blank(line[at])); at++) {
		if (line[at] == '\\' && quote != '\'' && at + 1 < len)
			*(*to)++ = line[++at];
		else if (quote && line[at] == quote)
			quote = '\0';
		else if (!quote && (line[at] == '"' || line[at] == '\''))
			quote = line[at];
		else if (line[at])
			*(*to)++ = line[at];
	}
	*(*to)++ = '\0';
	return at;
}

bool xt_split(struct xt_words *w, const char *line, size_t len)
{
	char *to = w->text;
	size_t at = 0;

	w->n = 0;
	if (len > XT_MAX_LINE)
		return false;
	for (;;) {
		while (at < len && is_blank(line[at]))
			at++;
		if (at >= len)
			return true;
		if (w->n == XT_MAX_WORDS)
			return false;
		w->word[w->n++] = to;
		at = take_word(line, at, len, &to);
	}
}

/* In quotes where it has other characters than letters, digits and @plain ones. */
static void add_quoted(struct strbuf *out, const char *word, size_t len, const char *plain)
{
	size_t n = 0;

	while (n < len && word[n] && (isalnum((unsigned char)word[n]) || strchr(plain, word[n])))
		n++;
	if (len && n == len) {
		strbuf_addn(out, word, len);
		return;
	}
	strbuf_addch(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '"' || word[i] == '\\' || word[i] == '\'')
			strbuf_addch(out, '\\');
		strbuf_addch(out, word[i]);
	}
	strbuf_addch(out, '"');
}

void xt_add_word(struct strbuf *out, const char *word, size_t len)
{
	add_quoted(out, word, len, "_-");
}

const char *xt_join(struct arena *a, const struct xt_words *w, size_t from, size_t to)
{
	struct strbuf text = STRBUF_INIT;
	const char *s;

	for (size_t i = from; i < to && i < w->n; i++) {
		if (i > from)
			strbuf_addch(&text, ' ');
		add_quoted(&text, w->word[i], strlen(w->word[i]), "_-.:/,+@=[]()<>*{}|%#&^~;?$!");
	}
	s = arena_strdup(a, strbuf_str(&text));
	strbuf_fini(&text);
	return s;
}

/* ---- numbers ---- */

bool xt_fail(struct xt_reading *r, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (r->why)
		return false;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->why = arena_strdup(r->a, text);
	return false;
}

/* As strtoul: decimal, 0x hexadecimal, 0 octal. @end: behind it. */
static bool take_uint(const char *s, uint64_t max, uint64_t *out, const char **end)
{
	char *stop;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*out = strtoull(s, &stop, 0);
	*end = stop;
	return errno == 0 && *out <= max;
}

bool xt_read_uint(struct xt_reading *r, const char *s, uint64_t max, uint64_t *out)
{
	const char *end;

	if (take_uint(s, max, out, &end) && *end == '\0')
		return true;
	return xt_fail(r, "'%s' is not a number up to %llu", s, (unsigned long long)max);
}

bool xt_read_u8(struct xt_reading *r, const char *s, uint8_t *out)
{
	uint64_t n = 0;
	bool ok = xt_read_uint(r, s, UINT8_MAX, &n);

	*out = (uint8_t)n;
	return ok;
}

bool xt_read_u16(struct xt_reading *r, const char *s, uint16_t *out)
{
	uint64_t n = 0;
	bool ok = xt_read_uint(r, s, UINT16_MAX, &n);

	*out = (uint16_t)n;
	return ok;
}

bool xt_read_u32(struct xt_reading *r, const char *s, uint32_t *out)
{
	uint64_t n = 0;
	bool ok = xt_read_uint(r, s, UINT32_MAX, &n);

	*out = (uint32_t)n;
	return ok;
}

bool xt_read_range(
	struct xt_reading *r, const char *s, uint64_t max, uint64_t *first, uint64_t *last)
{
	const char *at = s;

	*first = 0;
	*last = max;
	if (*at != ':' && !take_uint(s, max, first, &at))
		return xt_fail(r, "'%s' is not a range up to %llu", s, (unsigned long long)max);
	if (*at == '\0') {
		*last = *first;
		return true;
	}
	if (*at != ':' || (at[1] && (!take_uint(at + 1, max, last, &at) || *at)) || *last < *first)
		return xt_fail(r, "'%s' is not a range up to %llu", s, (unsigned long long)max);
	return true;
}

bool xt_read_u32_range(struct xt_reading *r, const char *s, uint32_t range[2])
{
	uint64_t first, last;

	if (!xt_read_range(r, s, UINT32_MAX, &first, &last))
		return false;
	range[0] = (uint32_t)first;
	range[1] = (uint32_t)last;
	return true;
}

bool xt_read_masked(struct xt_reading *r, const char *s, uint32_t *value, uint32_t *mask)
{
	uint64_t v, m = UINT32_MAX;
	const char *end;

	if (take_uint(s, UINT32_MAX, &v, &end) &&
		(*end == '\0' || (*end == '/' && take_uint(end + 1, UINT32_MAX, &m, &end) &&
					 *end == '\0'))) {
		*value = (uint32_t)v;
		*mask = (uint32_t)m;
		return true;
	}
	return xt_fail(r, "'%s' is not a value with or without a mask", s);
}

/* ---- names ---- */

bool xt_find_name(const struct xt_name *list, const char *s, size_t len, uint32_t *value)
{
	for (; list->name; list++) {
		if (strncasecmp(list->name, s, len) == 0 && list->name[len] == '\0') {
			*value = list->value;
			return true;
		}
	}
	return false;
}

const char *xt_name_of(const struct xt_name *list, uint32_t value)
{
	for (; list->name; list++) {
		if (list->value == value)
			return list->name;
	}
	return NULL;
}

bool xt_read_name(struct xt_reading *r, const char *s, const struct xt_name *list, uint32_t *value)
{
	return xt_find_name(list, s, strlen(s), value) || xt_fail(r, "'%s' is not known here", s);
}

bool xt_next_part(const char **s, char sep, char part[64])
{
	size_t len = 0;

	if (!**s)
		return false;
	for (; **s && **s != sep; (*s)++) {
		if (len < 63)
			part[len++] = **s;
	}
	part[len] = '\0';
	if (**s)
		(*s)++;
	return true;
}

bool xt_read_bits(struct xt_reading *r, const char *s, const struct xt_name *list, uint32_t *bits)
{
	uint32_t value = 0;
	char part[64];

	*bits = 0;
	while (xt_next_part(&s, ',', part)) {
		if (!xt_read_name(r, part, list, &value))
			return false;
		*bits |= value;
	}
	return true;
}

/* The first name of a number is the one that iptables prints. */
static const struct xt_name protos[] = {{"tcp", 6}, {"sctp", 132}, {"udp", 17}, {"udplite", 136},
	{"icmp", 1}, {"ipv6-icmp", 58}, {"icmpv6", 58}, {"icmp6", 58}, {"esp", 50}, {"ah", 51},
	{"mobility-header", 135}, {"ipv6-mh", 135}, {"mh", 135}, {"igmp", 2}, {"ggp", 3},
	{"ipencap", 4}, {"ip-encap", 4}, {"ipip", 94}, {"egp", 8}, {"igp", 9}, {"pup", 12},
	{"hmp", 20}, {"xns-idp", 22}, {"rdp", 27}, {"iso-tp4", 29}, {"dccp", 33}, {"xtp", 36},
	{"ddp", 37}, {"idpr-cmtp", 38}, {"ipv6", 41}, {"ipv6-route", 43}, {"ipv6-frag", 44},
	{"idrp", 45}, {"rsvp", 46}, {"gre", 47}, {"ipv6-crypt", 50}, {"ipv6-auth", 51},
	{"skip", 57}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"rspf", 73}, {"vmtp", 81},
	{"eigrp", 88}, {"ospf", 89}, {"ospfigp", 89}, {"ax.25", 93}, {"etherip", 97}, {"encap", 98},
	{"pim", 103}, {"ipcomp", 108}, {"vrrp", 112}, {"l2tp", 115}, {"isis", 124}, {"fc", 133},
	{"mpls-in-ip", 137}, {"manet", 138}, {"hip", 139}, {"shim6", 140}, {"wesp", 141},
	{"rohc", 142}, {0}};

bool xt_read_proto(struct xt_reading *r, const char *s, uint8_t *out)
{
	uint32_t value = 0;
	const char *end;
	uint64_t n;

	if (take_uint(s, UINT8_MAX, &n, &end) && *end == '\0') {
		*out = (uint8_t)n;
		return true;
	}
	if (strcasecmp(s, "all") != 0 && strcasecmp(s, "any") != 0 &&
		!xt_find_name(protos, s, strlen(s), &value))
		return xt_fail(r, "'%s' is not a protocol that is known", s);
	*out = (uint8_t)value;
	return true;
}

const char *xt_proto_name(uint8_t proto)
{
	return proto ? xt_name_of(protos, proto) : NULL;
}

/* Services that people name. iptables-save prints numbers; scripts do not. */
static const struct xt_name services[] = {{"ftp-data", 20}, {"ftp", 21}, {"ssh", 22},
	{"telnet", 23}, {"smtp", 25}, {"time", 37}, {"whois", 43}, {"tacacs", 49}, {"domain", 53},
	{"dns", 53}, {"bootps", 67}, {"bootpc", 68}, {"tftp", 69}, {"gopher", 70}, {"finger", 79},
	{"http", 80}, {"www", 80}, {"kerberos", 88}, {"pop3", 110}, {"pop-3", 110}, {"sunrpc", 111},
	{"portmapper", 111}, {"auth", 113}, {"ident", 113}, {"nntp", 119}, {"ntp", 123},
	{"epmap", 135}, {"netbios-ns", 137}, {"netbios-dgm", 138}, {"netbios-ssn", 139},
	{"imap2", 143}, {"imap", 143}, {"snmp", 161}, {"snmp-trap", 162}, {"snmptrap", 162},
	{"bgp", 179}, {"irc", 194}, {"ldap", 389}, {"https", 443}, {"microsoft-ds", 445},
	{"submissions", 465}, {"ssmtp", 465}, {"smtps", 465}, {"urd", 465}, {"isakmp", 500},
	{"syslog", 514}, {"shell", 514}, {"printer", 515}, {"route", 520}, {"router", 520},
	{"dhcpv6-client", 546}, {"dhcpv6-server", 547}, {"rtsp", 554}, {"nntps", 563},
	{"submission", 587}, {"ipp", 631}, {"ldaps", 636}, {"ldp", 646}, {"domain-s", 853},
	{"rsync", 873}, {"ftps-data", 989}, {"ftps", 990}, {"telnets", 992}, {"imaps", 993},
	{"pop3s", 995}, {"socks", 1080}, {"openvpn", 1194}, {"ms-sql-s", 1433}, {"ms-sql-m", 1434},
	{"l2tp", 1701}, {"l2f", 1701}, {"pptp", 1723}, {"radius", 1812}, {"radius-acct", 1813},
	{"nfs", 2049}, {"mysql", 3306}, {"ms-wbt-server", 3389}, {"svn", 3690},
	{"ipsec-nat-t", 4500}, {"sip", 5060}, {"sip-tls", 5061}, {"xmpp-client", 5222},
	{"xmpp-server", 5269}, {"mdns", 5353}, {"postgresql", 5432}, {"amqp", 5672}, {"x11", 6000},
	{"redis", 6379}, {"http-alt", 8080}, {"webcache", 8080}, {"git", 9418},
	{"zabbix-agent", 10050}, {"zabbix-trapper", 10051}, {0}};

static bool take_port(const char *s, size_t len, uint16_t *out)
{
	uint32_t value = 0;
	const char *end;
	uint64_t n;

	if (take_uint(s, UINT16_MAX, &n, &end) && end == s + len) {
		*out = (uint16_t)n;
		return true;
	}
	if (!xt_find_name(services, s, len, &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

bool xt_read_ports(struct xt_reading *r, const char *s, char sep, uint16_t range[2])
{
	size_t len = strlen(s);
	const char *cut = strchr(s, sep);

	range[0] = 0;
	range[1] = UINT16_MAX;
	/* Names may have the dash in them that some ranges are written with. */
	if (take_port(s, len, &range[0])) {
		range[1] = range[0];
		return true;
	}
	if (!cut || (cut > s && !take_port(s, cut - s, &range[0])) ||
		(cut[1] && !take_port(cut + 1, strlen(cut + 1), &range[1])) || range[0] > range[1])
		return xt_fail(r, "'%s' is not a port that is known, or a range of ports", s);
	return true;
}

/* ---- extensions ---- */

static const struct xt_extension *const lists[] = {xt_port_matches, xt_state_matches,
	xt_address_matches, xt_limit_matches, xt_count_matches, xt_header_matches,
	xt_header6_matches, xt_misc_matches, xt_program_matches, xt_mark_targets, xt_nat_targets,
	xt_log_targets, xt_header_targets, xt_misc_targets};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct xt_extension *xt_extension_find(bool target, const char *name, uint8_t family)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		for (const struct xt_extension *e = lists[i]; e->name && e->target == target; e++) {
			if (!e->old && e->name[0] == name[0] && strcmp(e->name, name) == 0 &&
				(!e->family || !family || e->family == family))
				return e;
		}
	}
	return NULL;
}

const struct xt_extension *xt_extension_of(const struct nft_xt *x, uint8_t family)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		for (const struct xt_extension *e = lists[i]; e->name && e->target == x->target;
			e++) {
			/* "NOTRACK" and "state" are other names of what CT and conntrack do. */
			if (!e->kernel_name && e->rev == x->rev && strcmp(e->name, x->name) == 0 &&
				(!e->family || !family || e->family == family))
				return e;
		}
	}
	return NULL;
}

const struct xt_option *xt_option_find(
	const struct xt_option *options, const char *name, size_t len)
{
	const struct xt_option *found = NULL;

	for (const struct xt_option *o = options; o && o->name; o++) {
		if (strncmp(o->name, name, len) != 0)
			continue;
		if (o->name[len] == '\0')
			return o;
		if (!found)
			found = o;
	}
	return found;
}
