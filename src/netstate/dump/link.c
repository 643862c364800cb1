/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads interfaces and their addresses, as `ip link` and `ip addr` print them. */
#include <string.h>

#include "netstate/dump/reader.h"
#include "netstate/names.h"

/* Interface number @index is in bridge or VRF @name, which may come later in the dump. */
struct membership {
	size_t link;
	const char *master;
	uint32_t line;
};

struct reading {
	struct dump *d;
	const struct dump_file *f;
	VEC(struct membership) memberships;
	bool only_links; /* no address is in the file: what is not of a link is of nothing */
};

/* ---- links ---- */

/* The link of that name; a new one where there is none: `ip link` and `ip addr` tell the same. */
static struct net_link *link_named(struct dump *d, const char *name)
{
	struct net_link *l = (struct net_link *)netstate_link(d->out, name);

	if (!l) {
		l = vec_add(d->arena, &d->out->links);
		l->name = arena_strdup(d->arena, name);
	}
	return l;
}

static void set_flag(struct net_link *l, const char *flag)
{
	if (strcmp(flag, "UP") == 0)
		l->up = true;
	else if (strcmp(flag, "LOWER_UP") == 0)
		l->carrier = true;
	else if (strcmp(flag, "LOOPBACK") == 0)
		l->loopback = true;
	else if (strcmp(flag, "POINTOPOINT") == 0)
		l->point_to_point = true;
}

static void clear_flags(struct net_link *l)
{
	l->up = l->carrier = l->loopback = l->point_to_point = false;
}

static void remember_master(
	struct reading *g, const struct net_link *l, const char *master, uint32_t line)
{
	vec_push(g->d->arena, &g->memberships,
		((struct membership){(size_t)(l - g->d->out->links.items), master, line}));
}

static void set_masters(struct reading *g)
{
	VEC_EACH (&g->memberships, struct membership, m) {
		const struct net_link *master = netstate_link(g->d->out, m->master);

		if (master)
			g->d->out->links.items[m->link].master = master->index;
		else
			dump_note(g->d, g->f, m->line, m->master, strlen(m->master),
				"the master of this interface is not among the interfaces");
	}
}

/* Groups have names too (/etc/iproute2/group); only "default" is known everywhere. */
static void set_group(struct dump_record *r, struct net_link *l, const char *word)
{
	l->group = 0;
	if (strcmp(word, "default") != 0 && !dump_u32(word, &l->group))
		dump_record_note(r, "the number of group '%s' is not told: 0 is taken", word);
}

static long number(const json_t *object, const char *key)
{
	return (long)json_integer_value(json_object_get(object, key));
}

static void link_info(struct dump *d, struct net_link *l, const json_t *info)
{
	const json_t *data = json_object_get(info, "info_data");
	const char *kind = dump_json_text(d->arena, info, "info_kind"), *table, *name;

	if (kind)
		l->kind = kind;
	table = dump_json_text(d->arena, data, "table");
	if (kind && strcmp(kind, "vrf") == 0 && table)
		l->vrf_table = dump_table(d, table, &name);
}

static void each_link(struct dump_record *r, const json_t *object, void *data)
{
	const char *name = json_string_value(json_object_get(object, "ifname")), *text;
	struct reading *g = data;
	struct net_link *l;
	json_t *flag;
	size_t i;

	/* `ip -j addr show dev X` leaves an empty object for each of the others. */
	if (!name || !*name) {
		dump_record_note(r, "an interface without a name");
		return;
	}
	l = link_named(g->d, name);
	l->index = (int)number(object, "ifindex");
	l->mtu = (uint32_t)number(object, "mtu");
	clear_flags(l);
	json_array_foreach(json_object_get(object, "flags"), i, flag) if (json_is_string(flag))
		set_flag(l, json_string_value(flag));
	text = dump_json_text(g->d->arena, object, "group");
	if (text)
		set_group(r, l, text);
	text = dump_json_text(g->d->arena, object, "address");
	if (text)
		l->has_mac = net_mac_parse(text, strlen(text), l->mac);
	text = dump_json_text(g->d->arena, object, "master");
	if (text)
		remember_master(g, l, text, r->line);
	link_info(g->d, l, json_object_get(object, "linkinfo"));
}

/* "2: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 ... master br0 ...": true, and its name */
static bool begins_link(const struct dump_line *l, char name[32], uint32_t *index, size_t *skip)
{
	char digits[12];
	size_t n = 0, start, len;

	while (n < l->len && n < sizeof(digits) - 1 && l->s[n] >= '0' && l->s[n] <= '9')
		n++;
	memcpy(digits, l->s, n);
	digits[n] = '\0';
	if (n == 0 || n + 1 >= l->len || l->s[n] != ':' || l->s[n + 1] != ' ' ||
		!dump_u32(digits, index))
		return false;
	for (start = ++n; start < l->len && l->s[start] == ' '; start++)
		;
	for (n = start; n < l->len && l->s[n] != ' ' && l->s[n] != '@'; n++)
		;
	len = n - start;
	while (n < l->len && l->s[n] != ' ')
		n++;
	/* Without a peer the colon is the name's last character; `ip -o addr` has none. */
	if (len && l->s[start + len - 1] == ':')
		len--;
	else if (n == start || l->s[n - 1] != ':')
		return false;
	if (len == 0 || len >= 32)
		return false;
	memcpy(name, l->s + start, len);
	name[len] = '\0';
	*skip = n;
	return true;
}

static void flags_word(struct net_link *l, const char *word)
{
	char flag[32];

	clear_flags(l);
	for (word++; *word && *word != '>';) {
		size_t n = strcspn(word, ",>");

		if (n < sizeof(flag)) {
			memcpy(flag, word, n);
			flag[n] = '\0';
			set_flag(l, flag);
		}
		word += n + (word[n] == ',');
	}
}

/* The rest of a link's words: of its first line, and behind "link/ether". */
static void link_words(struct reading *g, struct dump_record *r, size_t link)
{
	const char *word, *value;

	while ((word = dump_record_word(r))) {
		struct net_link *l = &g->d->out->links.items[link];

		if (*word == '<') {
			flags_word(l, word);
			continue;
		}
		if (strncmp(word, "link/", 5) == 0) {
			value = dump_record_peek(r);
			if (value)
				l->has_mac = net_mac_parse(value, strlen(value), l->mac);
			return;
		}
		value = dump_record_peek(r);
		if (!value)
			return;
		if (strcmp(word, "mtu") == 0)
			dump_u32(value, &l->mtu);
		else if (strcmp(word, "group") == 0)
			set_group(r, l, value);
		else if (strcmp(word, "master") == 0)
			remember_master(g, l, value, r->line);
	}
}

/* Types of interfaces, with which a line of details (-d) begins; NULL: @word is none. */
static const char *known_kind(const char *word)
{
	static const char *const kinds[] = {"veth", "bridge", "vlan", "vrf", "bond", "macvlan",
		"macvtap", "ipvlan", "ipvtap", "dummy", "tun", "tap", "wireguard", "ppp", "gre",
		"gretap", "erspan", "ip6gre", "ip6gretap", "ip6tnl", "ipip", "sit", "vti", "vti6",
		"xfrm", "vxlan", "geneve", "bareudp", "ifb", "team", "macsec", "hsr", "nlmon",
		"dsa", "wwan", "rmnet", "batadv", "openvswitch", "can", "vcan", "netdevsim",
		"netkit", "amt", "gtp", "pfcp", "nlmon", "virt_wifi"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i], word) == 0)
			return kinds[i];
	return NULL;
}

/* "vlan protocol 802.1Q id 7", "vrf table 77", or details of something else. */
static void kind_words(struct dump *d, struct net_link *l, const struct dump_record *r)
{
	const char *kind = r->words.len ? known_kind(r->words.items[0]) : NULL, *name;

	if (!kind)
		return;
	l->kind = kind;
	if (strcmp(kind, "vrf") == 0 && r->words.len > 2 && strcmp(r->words.items[1], "table") == 0)
		l->vrf_table = dump_table(d, r->words.items[2], &name);
}

/* `ip -br addr`: "eth0@if7 UP 10.0.0.1/24 fe80::1/64"; -br link: "eth0 UP 02:... <FLAGS>". */
static bool brief_state(const char *word, bool *up)
{
	static const char *const states[] = {
		"UP", "UNKNOWN", "DOWN", "LOWERLAYERDOWN", "DORMANT", "NOTPRESENT", "TESTING"};

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (word && strcmp(states[i], word) == 0) {
			*up = i < 2;
			return true;
		}
	return false;
}

static bool is_brief(const struct dump_record *r, bool *up)
{
	return r->words.len >= 2 && brief_state(r->words.items[1], up) &&
	       strlen(r->words.items[0]) < 32;
}

static const char *brief_name(struct dump *d, const struct dump_record *r)
{
	const char *word = r->words.items[0];

	return arena_strndup(d->arena, word, strcspn(word, "@"));
}

static void brief_link(struct dump *d, const struct dump_record *r, bool up)
{
	struct net_link *l = link_named(d, brief_name(d, r));

	l->up = l->carrier = up;
	l->loopback = strcmp(l->name, "lo") == 0;
	for (size_t i = 2; i < r->words.len; i++) {
		if (*r->words.items[i] == '<')
			flags_word(l, r->words.items[i]);
		else if (net_mac_parse(r->words.items[i], strlen(r->words.items[i]), l->mac))
			l->has_mac = true;
	}
}

static void read_links(struct reading *g)
{
	struct dump_lines lines;
	struct dump_record r;
	struct dump_line l;
	size_t link = SIZE_MAX;

	dump_record_init(&r, g->d, g->f);
	dump_lines_begin(&lines, g->f);
	while (dump_lines_next(&lines, &l)) {
		uint32_t index;
		char name[32];
		size_t skip;
		bool up;

		dump_record_begin(&r, l.number, l.s, l.len);
		if (begins_link(&l, name, &index, &skip)) {
			struct net_link *found = link_named(g->d, name);

			found->index = (int)index;
			link = (size_t)(found - g->d->out->links.items);
			dump_record_split(&r, l.s + skip, l.len - skip);
			link_words(g, &r, link);
			continue;
		}
		dump_record_split(&r, l.s, l.len);
		if (is_brief(&r, &up))
			brief_link(g->d, &r, up);
		else if (link != SIZE_MAX && dump_starts_with(l.s, l.len, "link/"))
			link_words(g, &r, link);
		else if (link != SIZE_MAX && (l.indented || !g->only_links))
			kind_words(g->d, &g->d->out->links.items[link], &r);
		else if (g->only_links) /* else the reader of addresses says so */
			dump_record_note(&r, "not a line of `ip link`");
	}
}

void dump_read_link(struct dump *d, const struct dump_file *f)
{
	struct reading g = {.d = d, .f = f, .only_links = !dump_find(f->text, f->len, "inet")};
	size_t before = d->out->links.len;

	if (dump_is_json(f))
		dump_json_each(d, f, each_link, &g);
	else
		read_links(&g);
	set_masters(&g);
	/* `ip -o addr` names interfaces and tells nothing of them. */
	if (d->out->links.len > before)
		d->out->have |= HAVE_LINKS;
}

/* ---- addresses ---- */

static bool address_flag(struct net_addr *a, const char *flag)
{
	static const char *const harmless[] = {"dynamic", "permanent", "mngtmpaddr", "home",
		"nodad", "noprefixroute", "autojoin", "stable-privacy", "optimistic", "secured"};

	if (strcmp(flag, "secondary") == 0 || strcmp(flag, "temporary") == 0)
		return (a->secondary = true);
	if (strcmp(flag, "tentative") == 0 || strcmp(flag, "dadfailed") == 0 ||
		strcmp(flag, "deprecated") == 0)
		return (a->unusable = true);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		if (strcmp(flag, harmless[i]) == 0)
			return true;
	return false;
}

/* "10.0.0.1/24" into address and length; a missing one is the full length. */
static bool address_with_length(const char *word, struct ip_addr *addr, uint8_t *len)
{
	size_t n = strcspn(word, "/");
	struct ip_addr a;

	if (ip_parse_n(word, n, &a) != 0)
		return false;
	*addr = a;
	*len = (uint8_t)ip_bits(a.family);
	return !word[n] || (dump_u8(word + n + 1, len) && *len <= ip_bits(a.family));
}

static bool take_peer(struct dump_record *r, struct net_addr *a)
{
	const char *word = dump_record_word(r);

	return word && address_with_length(word, &a->peer, &a->prefix_len);
}

static bool take_addr_scope(struct dump_record *r, struct net_addr *a)
{
	const char *word = dump_record_word(r);

	return word && dump_scope(word, &a->scope);
}

/* The words behind "inet" or "inet6": "10.9.0.1 peer 10.9.0.2/32 scope global secondary eth0:1". */
static void read_address(struct dump_record *r, const char *interface)
{
	struct net_addr a = {.interface = interface};
	const char *word = dump_record_word(r);

	if (!word || !address_with_length(word, &a.addr, &a.prefix_len)) {
		dump_record_note(r, "not an address");
		return;
	}
	while ((word = dump_record_word(r))) {
		bool known = true;

		if (strcmp(word, "peer") == 0)
			known = take_peer(r, &a);
		else if (strcmp(word, "scope") == 0)
			known = take_addr_scope(r, &a);
		else if (strcmp(word, "valid_lft") == 0)
			break; /* of `ip -o`: from here on only lifetimes */
		else if (strcmp(word, "brd") == 0 || strcmp(word, "any") == 0 ||
			 strcmp(word, "metric") == 0 || strcmp(word, "proto") == 0)
			known = dump_record_word(r);
		else if (!address_flag(&a, word))
			/* A label is the interface's name, with or without more behind it. */
			known = strncmp(word, interface, strcspn(interface, ".:")) == 0 ||
				!dump_record_peek(r);
		if (!known)
			dump_record_note(r, "'%s' is not understood", word);
	}
	vec_push(r->d->arena, &r->d->out->addrs, a);
}

static void push_flag(struct dump_record *r, const json_t *object, const char *key)
{
	if (json_is_true(json_object_get(object, key)))
		dump_record_push(r, key);
}

static void each_address(struct dump_record *r, const json_t *link, void *data)
{
	static const char *const flags[] = {
		"secondary", "temporary", "tentative", "dadfailed", "deprecated"};
	const char *interface = dump_json_text(r->d->arena, link, "ifname");
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(link, "addr_info"), i, o)
	{
		struct arena *a = r->d->arena;
		const char *local = dump_json_text(a, o, "local");
		const char *peer = dump_json_text(a, o, "address");
		const char *len = dump_json_text(a, o, "prefixlen");
		const char *scope = dump_json_text(a, o, "scope");
		bool optimistic = json_is_true(json_object_get(o, "optimistic"));

		if (!interface || !local) /* `to` or `label` filters leave empty ones */
			continue;
		r->words.len = r->next = 0;
		dump_record_push(r, peer || !len ? local : arena_printf(a, "%s/%s", local, len));
		if (peer) {
			dump_record_push(r, "peer");
			dump_record_push(r, len ? arena_printf(a, "%s/%s", peer, len) : peer);
		}
		if (scope) {
			dump_record_push(r, "scope");
			dump_record_push(r, scope);
		}
		for (size_t n = 0; n < sizeof(flags) / sizeof(*flags); n++)
			if (!optimistic || strcmp(flags[n], "tentative") != 0)
				push_flag(r, o, flags[n]);
		read_address(r, interface);
	}
}

/* Brief output has no scope; it is what `ip addr add` takes for the address. */
static uint8_t usual_scope(const struct ip_addr *a)
{
	if (ip_is_loopback(a))
		return 254;
	return ip_is_link_local(a) ? 253 : 0;
}

static void brief_addresses(struct dump_record *r)
{
	const char *interface = brief_name(r->d, r);

	for (size_t i = 2; i < r->words.len; i++) {
		struct net_addr a = {.interface = interface};
		const char *word = r->words.items[i];

		/* "10.9.0.1 peer 10.9.0.2/32" */
		if (strcmp(word, "peer") == 0 || strcmp(word, "metric") == 0) {
			i++;
			continue;
		}
		if (!address_with_length(word, &a.addr, &a.prefix_len)) {
			dump_record_note(r, "'%s' is not understood", word);
			continue;
		}
		if (i + 2 < r->words.len && strcmp(r->words.items[i + 1], "peer") == 0 &&
			!address_with_length(r->words.items[i + 2], &a.peer, &a.prefix_len))
			dump_record_note(r, "'%s' is not understood", r->words.items[i + 2]);
		a.scope = usual_scope(&a.addr);
		vec_push(r->d->arena, &r->d->out->addrs, a);
	}
}

/* "4: v0    inet 172.16.0.1/16 ..." of `ip -o`: the interface stands in each line. */
static const char *one_line_interface(struct dump_record *r)
{
	size_t len = r->words.len > 3 ? strlen(r->words.items[0]) : 0;

	if (len < 2 || r->words.items[0][len - 1] != ':' ||
		strncmp(r->words.items[2], "inet", 4) != 0)
		return NULL;
	r->next = 2;
	return r->words.items[1];
}

/* Lines of `ip addr` and `ip link` that have no address. */
static bool is_no_address(const struct dump_record *r, bool in_link)
{
	static const char *const words[] = {"link/", "valid_lft", "alias", "altname",
		"RX:", "TX:", "vf", "prog/", "bridge_slave", "bond_slave", "vrf_slave",
		"link-netns", "link-netnsid"};
	const char *word = r->words.items[0];

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strncmp(word, words[i], strlen(words[i])) == 0)
			return true;
	return in_link && (known_kind(word) || (*word >= '0' && *word <= '9')); /* or counters */
}

static void read_addresses(struct dump *d, const struct dump_file *f)
{
	const char *interface = NULL, *own;
	struct dump_lines lines;
	struct dump_record r;
	struct dump_line l;

	dump_record_init(&r, d, f);
	dump_lines_begin(&lines, f);
	while (dump_lines_next(&lines, &l)) {
		uint32_t index;
		char name[32];
		size_t skip;
		bool up;

		dump_record_begin(&r, l.number, l.s, l.len);
		dump_record_split(&r, l.s, l.len);
		if (!r.words.len)
			continue;
		if (begins_link(&l, name, &index, &skip)) {
			interface = arena_strdup(d->arena, name);
			continue;
		}
		own = one_line_interface(&r);
		if (!own)
			own = interface;
		if (own && (dump_record_take(&r, "inet") || dump_record_take(&r, "inet6")))
			read_address(&r, own);
		else if (is_brief(&r, &up))
			brief_addresses(&r);
		else if (!is_no_address(&r, interface))
			dump_record_note(&r, "not a line of `ip addr`");
	}
}

void dump_read_addr(struct dump *d, const struct dump_file *f)
{
	if (dump_is_json(f))
		dump_json_each(d, f, each_address, NULL);
	else
		read_addresses(d, f);
	d->out->have |= HAVE_ADDRS;
}
