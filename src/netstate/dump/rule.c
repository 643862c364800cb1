/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the ip rules that `ip rule` prints, as text or as JSON. */
#include <stdio.h>
#include <string.h>

#include "netstate/dump/reader.h"
#include "netstate/names.h"

/* A reading of one file. */
struct reading {
	uint8_t family;	      /* as the file's name says; IP_NONE: it does not */
	size_t block;	      /* of this family's, where a file holds both */
	uint8_t block_family; /* of an address in it; IP_NONE: none yet */
	bool second;	      /* an earlier block ended */
	uint32_t last_preference;
};

/* ---- selectors ---- */

static bool take_prefix(struct dump_record *r, struct net_rule *rule, struct ip_prefix *out)
{
	const char *word = dump_record_word(r);
	uint8_t family = IP_NONE;
	struct ip_prefix p;

	if (!word || !dump_prefix(word, &family, &p))
		return false;
	if (p.len || family)
		rule->family = family;
	if (p.len) /* "from 0.0.0.0/0" is "from all" */
		*out = p;
	return true;
}

/* "0x1/0xff", or without a mask: all bits. */
static bool take_mark(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);
	size_t len = word ? strcspn(word, "/") : 0;

	rule->mask = UINT32_MAX;
	return word && dump_u32(arena_strndup(r->d->arena, word, len), &rule->mark) &&
	       (!word[len] || dump_u32(word + len + 1, &rule->mask));
}

/* "80", "80-89", or "80/0xfff0", which is not kept. */
static bool take_range(struct dump_record *r, struct net_rule *rule, uint32_t out[2])
{
	const char *word = dump_record_word(r);
	size_t len = word ? strcspn(word, "-") : 0;

	if (word && strchr(word, '/')) {
		rule->more_selectors = true;
		return true;
	}
	return word && dump_u32(arena_strndup(r->d->arena, word, len), &out[0]) &&
	       dump_u32(word[len] ? word + len + 1 : word, &out[1]);
}

static bool take_ports(struct dump_record *r, struct net_rule *rule, uint16_t out[2])
{
	uint32_t range[2] = {0};

	if (!take_range(r, rule, range) || range[0] > UINT16_MAX || range[1] > UINT16_MAX)
		return false;
	out[0] = (uint16_t)range[0];
	out[1] = (uint16_t)range[1];
	return true;
}

static bool take_proto(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	if (!word)
		return false;
	if (strncmp(word, "ipproto-", 8) == 0) /* of `ip -N` */
		word += 8;
	return net_protocol_named(word, strlen(word), &rule->ip_proto) ||
	       dump_u8(word, &rule->ip_proto);
}

static bool take_interface(struct dump_record *r, const char **out)
{
	*out = dump_record_word(r);
	dump_record_take(r, "[detached]");
	return *out;
}

/* One that the kernel knows and struct net_rule does not. */
static bool take_other(struct dump_record *r, struct net_rule *rule)
{
	rule->more_selectors = true;
	return dump_record_word(r);
}

static bool take_tun_id(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);
	uint32_t id;

	if (!word)
		return false;
	if (dump_u32(word, &id))
		rule->tun_id = id;
	else
		rule->more_selectors = true;
	return true;
}

static bool take_tos(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	if (!word)
		return false;
	/* A mask ("0x10/0xf0") is not kept. */
	if (!dump_tos(word, &rule->tos))
		rule->more_selectors = true;
	return true;
}

/* Of "dscp", which is without the two lowest bits of the byte. */
static bool take_dscp(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_peek(r);
	uint8_t number;

	if (!word || !dump_u8(word, &number))
		return take_tos(r, rule);
	r->next++;
	rule->tos = (uint8_t)(number << 2);
	return true;
}

/* ---- actions ---- */

static bool take_lookup(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	if (!word)
		return false;
	rule->action = RULE_LOOKUP;
	if (strcmp(word, "[l3mdev-table]") == 0)
		rule->l3mdev = true;
	else
		rule->table = dump_table(r->d, word, &rule->table_name);
	return true;
}

static bool take_goto(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	rule->action = RULE_GOTO;
	if (!word || !dump_u32(word, &rule->goto_preference))
		return false;
	dump_record_take(r, "[unresolved]");
	return true;
}

static bool take_suppress(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);
	uint32_t len;

	if (!word || !dump_u32(word, &len) || len > 128)
		return false;
	rule->suppress_prefixlen = (int32_t)len;
	return true;
}

/* Groups have names too (/etc/iproute2/group); only "default" is known everywhere. */
static bool take_ifgroup(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	rule->has_suppress_ifgroup = true;
	if (!word)
		return false;
	return strcmp(word, "default") == 0 || dump_u32(word, &rule->suppress_ifgroup);
}

static bool take_preference(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	return word && dump_u32(word, &rule->preference);
}

static bool take_protocol(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_word(r);

	return word && dump_protocol(word, &rule->protocol);
}

/* A bare action; with `ip -N` its number. */
static bool action_word(const char *word, uint8_t *action)
{
	static const struct {
		const char *word;
		enum rule_action action;
	} actions[] = {{"nop", RULE_NOP}, {"blackhole", RULE_BLACKHOLE}, {"6", RULE_BLACKHOLE},
		{"unreachable", RULE_UNREACHABLE}, {"7", RULE_UNREACHABLE},
		{"prohibit", RULE_PROHIBIT}, {"8", RULE_PROHIBIT}};

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (strcmp(actions[i].word, word) == 0) {
			*action = (uint8_t)actions[i].action;
			return true;
		}
	return false;
}

/* ---- words ---- */

enum rule_word {
	WORD_FROM,
	WORD_TO,
	WORD_NOT,
	WORD_FWMARK,
	WORD_IIF,
	WORD_OIF,
	WORD_UIDRANGE,
	WORD_IPPROTO,
	WORD_SPORT,
	WORD_DPORT,
	WORD_TOS,
	WORD_DSCP,
	WORD_TUN_ID,
	WORD_L3MDEV,
	WORD_FLOWLABEL,
	WORD_REALMS,
	WORD_LOOKUP,
	WORD_GOTO,
	WORD_SUPPRESS_PREFIXLENGTH,
	WORD_SUPPRESS_IFGROUP,
	WORD_PROTO,
	WORD_PREF,
};

static const struct dump_word words[] = {
	{"from", WORD_FROM},
	{"to", WORD_TO},
	{"not", WORD_NOT},
	{"fwmark", WORD_FWMARK},
	{"iif", WORD_IIF},
	{"dev", WORD_IIF}, /* iproute2 before 2.6.36, and busybox */
	{"oif", WORD_OIF},
	{"uidrange", WORD_UIDRANGE},
	{"ipproto", WORD_IPPROTO},
	{"sport", WORD_SPORT},
	{"dport", WORD_DPORT},
	{"tos", WORD_TOS},
	{"dsfield", WORD_TOS},
	{"dscp", WORD_DSCP},
	{"tun_id", WORD_TUN_ID},
	{"l3mdev", WORD_L3MDEV},
	{"flowlabel", WORD_FLOWLABEL},
	{"realms", WORD_REALMS},
	{"lookup", WORD_LOOKUP},
	{"table", WORD_LOOKUP},
	{"goto", WORD_GOTO},
	{"suppress_prefixlength", WORD_SUPPRESS_PREFIXLENGTH},
	{"suppress_prefixlen", WORD_SUPPRESS_PREFIXLENGTH},
	{"suppress_ifgroup", WORD_SUPPRESS_IFGROUP},
	{"proto", WORD_PROTO},
	{"protocol", WORD_PROTO},
	{"pref", WORD_PREF},
	{"priority", WORD_PREF},
};

static bool rule_word(const char *word, unsigned int *is)
{
	return dump_find_word(words, sizeof(words) / sizeof(*words), word, is);
}

static bool take(struct dump_record *r, struct net_rule *rule, enum rule_word is)
{
	switch (is) {
	case WORD_FROM:
		return take_prefix(r, rule, &rule->src);
	case WORD_TO:
		return take_prefix(r, rule, &rule->dst);
	case WORD_NOT:
		rule->invert = true;
		return true;
	case WORD_FWMARK:
		return take_mark(r, rule);
	case WORD_IIF:
		return take_interface(r, &rule->iif);
	case WORD_OIF:
		return take_interface(r, &rule->oif);
	case WORD_UIDRANGE:
		rule->has_uid = true;
		return take_range(r, rule, rule->uid);
	case WORD_IPPROTO:
		return take_proto(r, rule);
	case WORD_SPORT:
		return take_ports(r, rule, rule->sport);
	case WORD_DPORT:
		return take_ports(r, rule, rule->dport);
	case WORD_TOS:
		return take_tos(r, rule);
	case WORD_DSCP:
		return take_dscp(r, rule);
	case WORD_TUN_ID:
		return take_tun_id(r, rule);
	case WORD_L3MDEV:
		rule->l3mdev = true;
		rule->action = RULE_LOOKUP;
		return true;
	case WORD_FLOWLABEL:
		return take_other(r, rule);
	case WORD_REALMS: /* what the rule gives to the packet, not what it asks */
		return dump_record_word(r);
	case WORD_LOOKUP:
		return take_lookup(r, rule);
	case WORD_GOTO:
		return take_goto(r, rule);
	case WORD_SUPPRESS_PREFIXLENGTH:
		return take_suppress(r, rule);
	case WORD_SUPPRESS_IFGROUP:
		return take_ifgroup(r, rule);
	case WORD_PROTO:
		return take_protocol(r, rule);
	case WORD_PREF:
		return take_preference(r, rule);
	}
	return false;
}

/* The rules that came since the last block began are of the same family. */
static void end_block(struct dump *d, struct reading *reading)
{
	uint8_t family = reading->block_family;

	if (!family)
		family = reading->second && reading->family != IP_V6 ? IP_V6 : reading->family;
	if (!family)
		family = IP_V4;
	for (size_t i = reading->block; i < d->out->rules.len; i++)
		d->out->rules.items[i].family = family;
	if (d->out->rules.len > reading->block || reading->family)
		d->out->have |= family == IP_V6 ? HAVE_RULES6 : HAVE_RULES4;
	reading->block = d->out->rules.len;
	reading->block_family = IP_NONE;
	reading->last_preference = 0;
	reading->second = true;
}

/* The number before the colon, which is there in text. */
static void take_number(struct dump_record *r, struct net_rule *rule)
{
	const char *word = dump_record_peek(r);
	size_t len = word ? strlen(word) : 0;

	if (!len || word[len - 1] != ':')
		return;
	r->next++;
	if (!dump_u32(arena_strndup(r->d->arena, word, len - 1), &rule->preference))
		dump_record_note(r, "'%s' is no preference", word);
}

static void read_record(struct dump_record *r, void *data)
{
	struct reading *reading = data;
	struct net_rule rule = {.suppress_prefixlen = -1,
		.at = {.line = r->line, .col = 1, .len = 1},
		.file = r->f->name};
	bool lost = false;
	const char *word;
	unsigned int is;

	take_number(r, &rule);
	while ((word = dump_record_word(r))) {
		/* A bare number may be the value of an unknown word before it. */
		if (!(lost && *word <= '9') && action_word(word, &rule.action))
			continue;
		lost = false;
		if (rule_word(word, &is) && take(r, &rule, (enum rule_word)is))
			continue;
		/* It may narrow the rule in a way that nobody here knows. */
		lost = rule.more_selectors = true;
		dump_record_note(r, "'%s' is not understood", word);
	}
	if (!rule.action) {
		/* Cut off, or of a newer kernel: whatever it does is not known. */
		dump_record_note(r, "what this rule does is not told");
		rule.action = RULE_LOOKUP;
		rule.table = dump_table(r->d, "?", &rule.table_name);
		rule.more_selectors = true;
	}
	/* `ip rule` counts up; where it begins anew, another family's rules do. */
	if (rule.preference < reading->last_preference)
		end_block(r->d, reading);
	reading->last_preference = rule.preference;
	if (rule.family)
		reading->block_family = rule.family;
	vec_push(r->d->arena, &r->d->out->rules, rule);
}

/* ---- JSON ---- */

static void push(struct dump_record *r, const char *word, const char *value)
{
	dump_record_push(r, word);
	dump_record_push(r, value);
}

/* Two members that text writes as one word. */
static void push_pair(struct dump_record *r, const json_t *object, const char *word,
	const char *first, const char *last, const char *between)
{
	struct arena *a = r->d->arena;
	const char *x = dump_json_text(a, object, first), *y = dump_json_text(a, object, last);

	if (x)
		push(r, word, y ? arena_printf(a, "%s%s%s", x, between, y) : x);
}

static void each_object(struct dump_record *r, const json_t *object, void *data)
{
	static const struct dump_key keys[] = {
		/* These are pushed as pairs, or say what is seen elsewhere. */
		{"src", NULL},
		{"srclen", NULL},
		{"dst", NULL},
		{"dstlen", NULL},
		{"fwmark", NULL},
		{"fwmask", NULL},
		{"uid_start", NULL},
		{"uid_end", NULL},
		{"sport", NULL},
		{"sport_mask", NULL},
		{"sport_start", NULL},
		{"sport_end", NULL},
		{"dport", NULL},
		{"dport_mask", NULL},
		{"dport_start", NULL},
		{"dport_end", NULL},
		{"tos_mask", NULL},
		{"iif_detached", NULL},
		{"oif_detached", NULL},
		{"unresolved", NULL},
		{"flow_from", NULL},
		{"flow_to", NULL},
		{"dscp", NULL},
		{"dscp_mask", NULL},
		{"flowlabel", NULL},
		{"flowlabel_mask", NULL},
		{"action", ""},
		{NULL, NULL},
	};

	push_pair(r, object, "from", "src", "srclen", "/");
	push_pair(r, object, "to", "dst", "dstlen", "/");
	push_pair(r, object, "fwmark", "fwmark", "fwmask", "/");
	push_pair(r, object, "uidrange", "uid_start", "uid_end", "-");
	push_pair(r, object, "sport", "sport", "sport_mask", "/");
	push_pair(r, object, "sport", "sport_start", "sport_end", "-");
	push_pair(r, object, "dport", "dport", "dport_mask", "/");
	push_pair(r, object, "dport", "dport_start", "dport_end", "-");
	push_pair(r, object, "dscp", "dscp", "dscp_mask", "/");
	push_pair(r, object, "flowlabel", "flowlabel", "flowlabel_mask", "/");
	push_pair(r, object, "realms", "flow_from", "flow_to", "/");
	dump_record_push_json(r, object, keys);
	read_record(r, data);
}

/* ---- text ---- */

/* "32766:	from all ..." */
static bool begins_rule(const struct dump_line *l)
{
	char word[16];
	size_t n;

	if (!dump_first_word(l, word, sizeof(word)))
		return false;
	n = strspn(word, "0123456789");
	return n && strcmp(word + n, ":") == 0;
}

/* A line that a terminal or a mail wrapped goes on with a word of the rule's. */
static bool goes_on(const struct dump_line *l)
{
	char word[32];
	unsigned int is;
	uint8_t action;

	return dump_first_word(l, word, sizeof(word)) &&
	       (rule_word(word, &is) || (action_word(word, &action) && !dump_u8(word, &action)));
}

void dump_read_rule(struct dump *d, const struct dump_file *f, uint8_t family)
{
	static const struct dump_layout layout = {begins_rule, goes_on, "not a line of `ip rule`"};
	struct reading reading = {.family = family, .block = d->out->rules.len};

	if (dump_is_json(f))
		dump_json_each(d, f, each_object, &reading);
	else
		dump_text_each(d, f, &layout, read_record, &reading);
	if (d->out->rules.len > reading.block || !reading.second)
		end_block(d, &reading);
}
