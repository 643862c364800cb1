/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads neighbours and nexthop objects, as `ip neigh` and `ip nexthop` print them. */
#include <string.h>

#include "netstate/dump/reader.h"
#include "netstate/names.h"

/* ---- neighbours ---- */

static bool neighbour_state(const char *word, uint8_t *out)
{
	static const struct {
		const char *word;
		enum neighbour_state state;
	} states[] = {{"REACHABLE", NEIGHBOUR_REACHABLE}, {"PERMANENT", NEIGHBOUR_REACHABLE},
		{"NOARP", NEIGHBOUR_REACHABLE}, {"STALE", NEIGHBOUR_STALE},
		{"DELAY", NEIGHBOUR_STALE}, {"PROBE", NEIGHBOUR_STALE},
		{"FAILED", NEIGHBOUR_FAILED}, {"INCOMPLETE", NEIGHBOUR_NONE},
		{"NONE", NEIGHBOUR_NONE}};

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (strcmp(states[i].word, word) == 0) {
			*out = (uint8_t)states[i].state;
			return true;
		}
	return false;
}

/* Of statistics (-s), where `ip` forgets the blank before "probes". */
static bool has_value(const char *word)
{
	static const char *const words[] = {
		"ref", "refcnt", "proto", "probes", "confirmed", "updated"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return strlen(word) > 6 && strcmp(word + strlen(word) - 6, "probes") == 0;
}

/* "10.0.0.50 dev eth0 lladdr 02:00:00:00:00:01 PERMANENT" */
static void read_neighbour(struct dump_record *r)
{
	struct net_neighbour n = {0};
	const char *word = dump_record_word(r);
	bool proxy = false;

	if (!word || !dump_addr(word, &n.addr)) {
		dump_record_note(r, "not a neighbour");
		return;
	}
	while ((word = dump_record_word(r))) {
		if (strcmp(word, "dev") == 0) {
			n.interface = dump_record_word(r);
		} else if (strcmp(word, "lladdr") == 0) {
			const char *mac = dump_record_word(r);

			/* Tunnels have addresses of other lengths there. */
			n.has_mac = mac && net_mac_parse(mac, strlen(mac), n.mac);
		} else if (strcmp(word, "proxy") == 0) {
			proxy = true;
		} else if (strcmp(word, "used") == 0) {
			/* Its value may be "1/2/3probes", which is the next word too. */
			if (dump_record_peek(r) && !has_value(dump_record_peek(r)))
				dump_record_word(r);
		} else if (has_value(word)) {
			dump_record_word(r);
		} else if (!neighbour_state(word, &n.state) && strcmp(word, "router") != 0 &&
			   strcmp(word, "extern_learn") != 0 && strcmp(word, "managed") != 0) {
			dump_record_note(r, "'%s' is not understood", word);
		}
	}
	if (proxy)
		dump_record_note(r, "addresses that are answered for others are not kept");
	else if (!n.interface)
		dump_record_note(r, "the interface is not told");
	else
		vec_push(r->d->arena, &r->d->out->neighbours, n);
}

static void each_neighbour(struct dump_record *r, const json_t *object, void *data)
{
	static const struct dump_key keys[] = {{"dst", NULL}, {"state", ""}, {NULL, NULL}};
	const char *dst = dump_json_text(r->d->arena, object, "dst");

	if (dst)
		dump_record_push(r, dst);
	dump_record_push_json(r, object, keys);
	read_neighbour(r);
}

/* Every line is a record of its own. */
static void each_line(
	struct dump *d, const struct dump_file *f, void (*read)(struct dump_record *r))
{
	struct dump_lines lines;
	struct dump_record r;

	dump_record_init(&r, d, f);
	dump_lines_begin(&lines, f);
	while (dump_record_next(&r, &lines))
		read(&r);
}

void dump_read_neighbour(struct dump *d, const struct dump_file *f)
{
	if (dump_is_json(f))
		dump_json_each(d, f, each_neighbour, NULL);
	else
		each_line(d, f, read_neighbour);
	d->out->have |= HAVE_NEIGHBOURS;
}

/* ---- nexthop objects ---- */

/* "5,3/6,2": ids and weights; a weight of 1 is left out. */
static bool take_group(struct dump_record *r, struct dump_nexthop *o)
{
	const char *word = dump_record_word(r);

	while (word && *word) {
		size_t n = strcspn(word, "/"), id = strcspn(word, ",/");
		struct dump_nexthop_member m = {.weight = 1};

		if (!dump_u32(arena_strndup(r->d->arena, word, id), &m.id) ||
			(id < n && !dump_u32(arena_strndup(r->d->arena, word + id + 1, n - id - 1),
					   &m.weight)))
			return false;
		vec_push(r->d->arena, &o->members, m);
		word += n + (word[n] == '/');
	}
	return word;
}

static bool take_via(struct dump_record *r, struct net_nexthop *hop)
{
	const char *word;

	if (!dump_record_take(r, "inet6"))
		dump_record_take(r, "inet");
	word = dump_record_word(r);
	return word && dump_addr(word, &hop->gateway);
}

static void read_nexthop(struct dump_record *r)
{
	struct dump_nexthop o = {.hop.weight = 1};
	const char *word;
	bool has_id = false;

	while ((word = dump_record_word(r))) {
		bool known = true;

		if (strcmp(word, "id") == 0) {
			word = dump_record_word(r);
			known = has_id = word && dump_u32(word, &o.id);
		} else if (strcmp(word, "via") == 0) {
			known = take_via(r, &o.hop);
		} else if (strcmp(word, "dev") == 0) {
			known = (o.hop.interface = dump_record_word(r));
		} else if (strcmp(word, "group") == 0) {
			known = take_group(r, &o);
		} else if (strcmp(word, "blackhole") == 0) {
			o.blackhole = true;
		} else if (strcmp(word, "onlink") == 0) {
			o.hop.onlink = true;
		} else if (strcmp(word, "dead") == 0) {
			o.hop.dead = true;
		} else if (strcmp(word, "linkdown") == 0) {
			o.hop.linkdown = true;
		} else if (strcmp(word, "scope") == 0 || strcmp(word, "proto") == 0 ||
			   strcmp(word, "type") == 0) {
			dump_record_word(r);
		} else {
			known = strcmp(word, "fdb") == 0 || strcmp(word, "offload") == 0 ||
				strcmp(word, "trap") == 0;
		}
		if (!known)
			dump_record_note(r, "'%s' is not understood", word ? word : "");
	}
	if (has_id)
		vec_push(r->d->arena, &r->d->nexthops, o);
	else
		dump_record_note(r, "not a line of `ip nexthop`");
}

static void each_nexthop(struct dump_record *r, const json_t *object, void *data)
{
	static const struct dump_key keys[] = {{"gateway", "via"}, {"flags", ""}, {"family", ""},
		{"host", ""}, {"protocol", "proto"}, {"group", NULL}, {NULL, NULL}};
	struct strbuf group = STRBUF_INIT;
	const json_t *member;
	size_t i;

	dump_record_push_json(r, object, keys);
	json_array_foreach(json_object_get(object, "group"), i, member)
	{
		const char *id = dump_json_text(r->d->arena, member, "id");
		const char *weight = dump_json_text(r->d->arena, member, "weight");

		strbuf_addf(&group, "%s%s", group.len ? "/" : "", id ? id : "");
		if (weight)
			strbuf_addf(&group, ",%s", weight);
	}
	if (group.len) {
		dump_record_push(r, "group");
		dump_record_push(r, arena_strdup(r->d->arena, strbuf_str(&group)));
	}
	strbuf_fini(&group);
	read_nexthop(r);
}

void dump_read_nexthop(struct dump *d, const struct dump_file *f)
{
	if (dump_is_json(f))
		dump_json_each(d, f, each_nexthop, NULL);
	else
		each_line(d, f, read_nexthop);
}
