/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a dump is: by what is in it, where that tells, else by its name.
 *
 * The content goes first since people name files as they like; the name decides for files that are
 * empty or of which no line is known, and tells family and routing table.
 */
#include <ctype.h>
#include <string.h>

#include "netstate/dump/reader.h"

/* So many lines are looked at: a shell's prompts and banners may stand before the first that tells. */
#define LINES_LOOKED_AT 200
#define JSON_LOOKED_AT	16384

/* ---- by name ---- */

/* The name without directories, in lower case, with a '-' for all that is no letter or digit, and one
 * at either end: "-ip-route-101-txt-". */
static const char *normal_name(struct arena *a, const char *name)
{
	const char *slash = strrchr(name, '/');
	char *s = arena_printf(a, "-%s-", slash ? slash + 1 : name);

	for (char *c = s; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '-';
	return s;
}

static const struct {
	const char *part;
	enum dump_kind kind;
} names[] = {
	{"-iptables", DUMP_IPTABLES_SAVE},
	{"-ip6tables", DUMP_IPTABLES_SAVE},
	{"-xtables", DUMP_IPTABLES_SAVE},
	{"-rules-v4-", DUMP_IPTABLES_SAVE},
	{"-rules-v6-", DUMP_IPTABLES_SAVE},
	{"-nft", DUMP_NFT_TEXT},
	{"-ruleset-", DUMP_NFT_TEXT},
	{"conntrack", DUMP_CONNTRACK},
	{"-ipset", DUMP_IPSET},
	{"-sysctl", DUMP_SYSCTL},
	{"-meta-", DUMP_META},
	{"nexthop", DUMP_IP_NEXTHOP},
	{"neigh", DUMP_IP_NEIGHBOUR},
	{"-rule-", DUMP_IP_RULE},
	{"-rules-", DUMP_IP_RULE},
	{"-iprule", DUMP_IP_RULE},
	{"-ip6rule", DUMP_IP_RULE},
	{"-route", DUMP_IP_ROUTE},
	{"-iproute", DUMP_IP_ROUTE},
	{"-ip6route", DUMP_IP_ROUTE},
	{"-addr", DUMP_IP_ADDR},
	{"-ipaddr", DUMP_IP_ADDR},
	{"-ip-a-", DUMP_IP_ADDR},
	{"-link", DUMP_IP_LINK},
	{"-iplink", DUMP_IP_LINK},
};

static enum dump_kind by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strstr(name, names[i].part))
			return names[i].kind;
	return DUMP_NOT_KNOWN;
}

static bool has_any(const char *name, const char *const *parts)
{
	for (; *parts; parts++)
		if (strstr(name, *parts))
			return true;
	return false;
}

/* `ip rule` and `ip route` are of v4 unless -6 is said. */
static uint8_t family_by_name(const char *name)
{
	static const char *const v6[] = {"-ip6", "-ipv6-", "-v6-", "-inet6-", "-ip-6-", NULL};
	static const char *const v4[] = {"-iptables", "-ipv4-", "-v4-", "-ip4-", "-ip-4-",
		"-ip-rule-", "-iprule-", "-ip-route-", "-iproute-", NULL};

	if (has_any(name, v6))
		return IP_V6;
	return has_any(name, v4) ? IP_V4 : IP_NONE;
}

static size_t skip_separators(const char *s)
{
	return strspn(s, "-_. ");
}

static bool skip_part(const char **s, const char *part)
{
	size_t n = strlen(part);

	if (strncasecmp(*s, part, n) != 0 || isalnum((unsigned char)(*s)[n]))
		return false;
	*s += n;
	*s += skip_separators(*s);
	return true;
}

/* "ip-route-101.txt", "ip_route_show_table_wan.json": the table; NULL: none, or all. */
static const char *table_by_name(struct arena *a, const char *name)
{
	static const char *const extensions[] = {".txt", ".json", ".log", ".out", ".dump", ".conf"};
	const char *slash = strrchr(name, '/'), *s = slash ? slash + 1 : name;
	size_t len;

	s = strcasestr(s, "route");
	if (!s)
		return NULL;
	s += strlen("route");
	s += *s == 's' || *s == 'S';
	s += skip_separators(s);
	while (skip_part(&s, "show") || skip_part(&s, "list") || skip_part(&s, "table") ||
		skip_part(&s, "tbl") || skip_part(&s, "v4") || skip_part(&s, "v6") ||
		skip_part(&s, "ipv4") || skip_part(&s, "ipv6"))
		;
	len = strlen(s);
	for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++) {
		size_t n = strlen(extensions[i]);

		if (len >= n && strcasecmp(s + len - n, extensions[i]) == 0)
			len -= n;
		else if (len == n - 1 && strncasecmp(s, extensions[i] + 1, len) == 0)
			len = 0; /* the dot went with the separators */
	}
	if (len == 0 || (len == 3 && strncasecmp(s, "all", 3) == 0))
		return NULL;
	return arena_strndup(a, s, len);
}

/* ---- by content ---- */

static bool has(const struct dump_line *l, const char *needle)
{
	return dump_find(l->s, l->len, needle);
}

static bool starts(const struct dump_line *l, const char *prefix)
{
	return dump_starts_with(l->s, l->len, prefix);
}

static size_t digits(const struct dump_line *l)
{
	size_t n = 0;

	while (n < l->len && l->s[n] >= '0' && l->s[n] <= '9')
		n++;
	return n;
}

/* "iptables -t nat -A ...", "sudo /sbin/ip6tables ...": of a script. */
static bool is_iptables_command(const struct dump_line *l)
{
	static const char *const tools[] = {"iptables ", "ip6tables ", "iptables-legacy ",
		"ip6tables-legacy ", "iptables-nft ", "ip6tables-nft "};
	size_t skip = starts(l, "sudo ") ? 5 : 0;
	const char *s = l->s + skip, *end = memchr(s, ' ', l->len - skip);
	const char *slash = end ? memrchr(s, '/', (size_t)(end - s)) : NULL;

	s = slash ? slash + 1 : s;
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (dump_starts_with(s, (size_t)(l->s + l->len - s), tools[i]))
			return true;
	return false;
}

static bool is_iptables(const struct dump_line *l)
{
	return is_iptables_command(l) || starts(l, "*filter") || starts(l, "*nat") ||
	       starts(l, "*mangle") || starts(l, "*raw") || starts(l, "*security") ||
	       starts(l, "-A ") || starts(l, "-P INPUT") || starts(l, "-P PREROUTING") ||
	       starts(l, ":INPUT ") || starts(l, ":PREROUTING ") ||
	       starts(l, "# Generated by iptables") || starts(l, "# Generated by ip6tables") ||
	       (starts(l, "[") && has(l, "] -A "));
}

static bool is_nft(const struct dump_line *l)
{
	static const char *const families[] = {
		"ip ", "ip6 ", "inet ", "arp ", "bridge ", "netdev "};

	if (!starts(l, "table ") || !has(l, "{"))
		return false;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (dump_starts_with(l->s + 6, l->len - 6, families[i]))
			return true;
	return false;
}

/* "32766:	from all lookup main" */
static bool is_rule(const struct dump_line *l)
{
	size_t n = digits(l);
	const char *s = l->s + n + 1;
	size_t len = l->len > n ? l->len - n - 1 : 0;

	if (n == 0 || n >= l->len || l->s[n] != ':')
		return false;
	while (len && (*s == ' ' || *s == '\t')) {
		s++;
		len--;
	}
	return dump_starts_with(s, len, "from ") || dump_starts_with(s, len, "not ");
}

/* "2: eth0: <...>"; "2: eth0    inet 10.0.0.1/24 ..." of -o; "lo UNKNOWN 127.0.0.1/8" of -br */
static enum dump_kind link_or_addr(const struct dump_line *l)
{
	static const char *const brief[] = {" UNKNOWN ", " UP ", " DOWN "};
	size_t n = digits(l);

	if (n && n + 1 < l->len && l->s[n] == ':' && l->s[n + 1] == ' ') {
		if (has(l, ": <"))
			return DUMP_IP_LINK;
		return has(l, " inet ") || has(l, " inet6 ") ? DUMP_IP_ADDR : DUMP_NOT_KNOWN;
	}
	for (size_t i = 0; i < sizeof(brief) / sizeof(*brief); i++)
		if (has(l, brief[i]) && !starts(l, "Chain "))
			return has(l, "<") ? DUMP_IP_LINK : DUMP_IP_ADDR;
	return (starts(l, "inet ") || starts(l, "inet6 ")) && has(l, " scope ") ? DUMP_IP_ADDR
										: DUMP_NOT_KNOWN;
}

static bool ends_in_state(const struct dump_line *l)
{
	static const char *const states[] = {"REACHABLE", "STALE", "DELAY", "PROBE", "FAILED",
		"PERMANENT", "INCOMPLETE", "NOARP", "proxy"};

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		size_t n = strlen(states[i]);

		if (l->len > n && memcmp(l->s + l->len - n, states[i], n) == 0)
			return true;
	}
	return false;
}

/* The first word is an address, a prefix, "default" or a type of route. */
static enum dump_kind route_or_neighbour(const struct dump_line *l)
{
	char word[PREFIX_STRLEN];
	uint8_t family = IP_NONE, number;
	struct ip_prefix p;
	size_t n = 0;

	while (n < l->len && l->s[n] != ' ' && l->s[n] != '\t')
		n++;
	if (n >= sizeof(word) || n == l->len)
		return DUMP_NOT_KNOWN;
	memcpy(word, l->s, n);
	word[n] = '\0';
	if (!dump_u8(word, &number) && dump_route_type(word, &number))
		return DUMP_IP_ROUTE;
	if (!dump_prefix(word, &family, &p))
		return DUMP_NOT_KNOWN;
	if (family && !memchr(l->s, '/', n) && (has(l, " lladdr ") || ends_in_state(l)))
		return DUMP_IP_NEIGHBOUR;
	return has(l, " dev ") || has(l, " via ") || has(l, " nhid ") || has(l, " proto ")
		       ? DUMP_IP_ROUTE
		       : DUMP_NOT_KNOWN;
}

static bool is_conntrack(const struct dump_line *l)
{
	return has(l, " src=") && has(l, " dst=") &&
	       (digits(l) == 0 && (starts(l, "ipv4 ") || starts(l, "ipv6 ") || has(l, " use=") ||
					  has(l, " mark=") || has(l, "sport=")));
}

static bool is_sysctl(const struct dump_line *l)
{
	return (starts(l, "net.") || starts(l, "net/") || starts(l, "kernel.") ||
		       starts(l, "abi.") || starts(l, "/proc/sys/")) &&
	       (has(l, "=") || has(l, ":"));
}

static enum dump_kind line_kind(const struct dump_line *l)
{
	enum dump_kind kind;

	if (is_iptables(l))
		return DUMP_IPTABLES_SAVE;
	if (is_nft(l))
		return DUMP_NFT_TEXT;
	if (is_rule(l))
		return DUMP_IP_RULE;
	if (is_conntrack(l))
		return DUMP_CONNTRACK;
	if (is_sysctl(l))
		return DUMP_SYSCTL;
	if ((starts(l, "create ") &&
		    (has(l, " hash:") || has(l, " bitmap:") || has(l, " list:set"))) ||
		((starts(l, "Type: hash:") || starts(l, "Type: bitmap:") ||
			starts(l, "Type: list:set"))))
		return DUMP_IPSET;
	if (starts(l, "id ") &&
		(has(l, " via ") || has(l, " dev ") || has(l, " group ") || has(l, " blackhole")))
		return DUMP_IP_NEXTHOP;
	kind = route_or_neighbour(l);
	return kind ? kind : link_or_addr(l);
}

/* JSON of programs that print few keys, always the same. */
static enum dump_kind json_kind(const struct dump_file *f)
{
	size_t len = f->len < JSON_LOOKED_AT ? f->len : JSON_LOOKED_AT;
	const char *s = f->text;

	if (dump_find(s, len, "\"nftables\""))
		return DUMP_NFT_JSON;
	if (dump_find(s, len, "\"portreeve_snapshot\""))
		return DUMP_META;
	if (dump_find(s, len, "\"addr_info\""))
		return DUMP_IP_ADDR;
	if (dump_find(s, len, "\"ifname\""))
		return DUMP_IP_LINK;
	if (dump_find(s, len, "\"priority\"") && dump_find(s, len, "\"src\""))
		return DUMP_IP_RULE;
	if (dump_find(s, len, "\"dst\"") && dump_find(s, len, "\"state\""))
		return DUMP_IP_NEIGHBOUR;
	if (dump_find(s, len, "\"dst\""))
		return DUMP_IP_ROUTE;
	if (dump_find(s, len, "\"id\"") && dump_find(s, len, "\"flags\""))
		return DUMP_IP_NEXTHOP;
	return DUMP_NOT_KNOWN;
}

/* What of a file is recognised line by line: the first kind, and whether @wanted is among them. */
static enum dump_kind text_kind(const struct dump_file *f, enum dump_kind wanted, bool *has_wanted)
{
	enum dump_kind first = DUMP_NOT_KNOWN;
	struct dump_lines lines;
	struct dump_line l;

	*has_wanted = false;
	dump_lines_begin(&lines, f);
	for (unsigned int i = 0; i < LINES_LOOKED_AT && dump_lines_next(&lines, &l); i++) {
		enum dump_kind kind = line_kind(&l);

		/* The address comes after the link's line. */
		if (kind == DUMP_IP_ADDR && first == DUMP_IP_LINK)
			first = kind;
		if (!first)
			first = kind;
		*has_wanted = *has_wanted || (kind && kind == wanted);
	}
	return first;
}

/* Output that leaves out what is asked here, and what to give in its place. */
static const char *advice_for(const struct dump_file *f)
{
	static const struct {
		const char *tells, *advice;
	} known[] = {
		{" encap:", "output of ifconfig cannot be read: give that of 'ip -d addr'"},
		{": flags=", "output of ifconfig cannot be read: give that of 'ip -d addr'"},
		{"Kernel IP routing table",
			"output of route cannot be read: give that of 'ip route show table all'"},
		{"Chain INPUT (policy",
			"a listing of iptables leaves out interfaces and masks: give the output of "
			"'iptables-save -c'"},
		{"Chain PREROUTING (policy",
			"a listing of iptables leaves out interfaces and masks: give the output of "
			"'iptables-save -c'"},
	};
	size_t len = f->len < JSON_LOOKED_AT ? f->len : JSON_LOOKED_AT;

	if (memchr(f->text, 0, len))
		return "not a plain text (if it came from Windows: UTF-16 cannot be read)";
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (dump_find(f->text, len, known[i].tells))
			return known[i].advice;
	return NULL;
}

/* "# Generated by ip6tables-save v1.8.9 (nf_tables) on ...": the legacy ones have no parentheses. */
static void iptables_header(const struct dump_file *f, const char *name, struct dump_guessed *out)
{
	struct dump_lines lines;
	struct dump_line l;

	dump_lines_begin(&lines, f);
	for (unsigned int i = 0; i < LINES_LOOKED_AT && dump_lines_next(&lines, &l); i++) {
		if (!starts(&l, "# Generated by "))
			continue;
		if (has(&l, "ip6tables"))
			out->family = IP_V6;
		else if (has(&l, "iptables"))
			out->family = IP_V4;
		out->nft = has(&l, "nf_tables") || has(&l, "-nft-");
		out->legacy = !out->nft;
		break;
	}
	if (strstr(name, "-legacy-")) {
		out->legacy = true;
		out->nft = false;
	} else if (strstr(name, "-nft-")) {
		out->nft = true;
		out->legacy = false;
	}
}

void dump_guess_all(struct arena *a, const struct dump_file *f, struct dump_guessed *out)
{
	const char *name = normal_name(a, f->name);
	enum dump_kind named = by_name(name), found;
	bool has_named = false;

	*out = (struct dump_guessed){.family = family_by_name(name)};
	if (dump_is_json(f))
		found = json_kind(f);
	else
		found = text_kind(f, named, &has_named);
	out->kind = found && !has_named ? found : named;
	if (!found && f->len && !dump_is_json(f)) {
		out->advice = advice_for(f);
		if (out->advice)
			out->kind = DUMP_NOT_KNOWN;
	}
	/* `ip addr` has its links too. */
	if (named == DUMP_IP_ADDR && found == DUMP_IP_LINK)
		out->kind = named;
	if (out->kind == DUMP_NFT_TEXT && dump_is_json(f))
		out->kind = DUMP_NFT_JSON;
	if (out->kind == DUMP_IP_ROUTE)
		out->table = table_by_name(a, f->name);
	if (out->kind == DUMP_IPTABLES_SAVE)
		iptables_header(f, name, out);
}

struct dump_file dump_without_mark(const struct dump_file *f)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t skip = dump_starts_with(f->text, f->len, mark) ? sizeof(mark) - 1 : 0;

	return (struct dump_file){f->name, f->text + skip, f->len - skip};
}

enum dump_kind dump_guess(const struct dump_file *f, uint8_t *family)
{
	struct dump_file text = dump_without_mark(f);
	struct arena *a = arena_new();
	struct dump_guessed g;

	dump_guess_all(a, &text, &g);
	arena_free(a);
	*family = g.family;
	return g.kind;
}
