/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all stages of a trip share: steps, forks and their answers, sysctls, texts. */
#include "walk/trip.h"

#include <stdio.h>
#include <string.h>

/* ---- steps ---- */

struct journey_step *trip_step(struct trip *t, enum journey_stage stage, enum nft_hook hook,
	const struct packet *after, const char *text)
{
	struct journey_step step = {.stage = stage, .hook = hook, .text = text, .after = *after};

	/* (@after may be in one of these very steps, which move as they become more.) */
	vec_push(t->a, &t->leg->steps, step);
	return &t->leg->steps.items[t->leg->steps.len - 1];
}

void trip_stop(struct trip *t, struct journey_step *s, enum journey_end end)
{
	if (s)
		s->stops = true;
	t->stopped = true;
	t->leg->end = end;
}

void trip_assume(struct trip *t, const char *what, const char *where, bool decides)
{
	if (t->mute)
		return;
	VEC_EACH (&t->journey->assumed, struct journey_assumption, a) {
		if (strcmp(a->what, what) == 0) {
			a->decides = a->decides || decides;
			return;
		}
	}
	vec_push(t->a, &t->journey->assumed, ((struct journey_assumption){what, where, decides}));
}

/* ---- forks ---- */

static const char *kept(struct trip *t, const char *s)
{
	return s ? arena_strdup(t->a, s) : NULL;
}

static void note_choice(struct trip *t, const struct walk_fork *f, size_t taken)
{
	struct journey_choice *c = vec_add(t->a, &t->way->choices);
	const struct packet *last = t->leg->steps.len
					    ? &t->leg->steps.items[t->leg->steps.len - 1].after
					    : &t->leg->first;
	const char *text;

	c->fork = *f;
	c->taken = taken;
	c->fork.why = kept(t, f->why);
	for (size_t i = 0; i < f->n; i++)
		c->fork.label[i] = kept(t, f->label[i]);
	if (c->fork.label[taken])
		text = arena_printf(t->a, "%s: here, %s", f->why, c->fork.label[taken]);
	else if (f->n == 2)
		text = arena_printf(
			t->a, "%s: here, it %s", f->why, taken ? "matches" : "does not match");
	else
		text = arena_printf(t->a, "%s: here, way %zu of %zu", f->why, taken + 1, f->n);
	trip_step(t, STAGE_FORK, HOOK_PREROUTING, last, text)->rule = f->at;
	if (f->kind == FORK_CHANCE)
		t->way->share *= f->weight[taken];
}

size_t trip_choose(struct trip *t, const struct walk_fork *f)
{
	size_t at = t->way->choices.len, taken;
	struct walk_fork limited = *f;

	if (limited.n > WALK_FORK_WAYS)
		limited.n = WALK_FORK_WAYS;
	VEC_EACH (&t->answers, struct trip_answer, known) {
		if (f->subject && known->subject == f->subject)
			return known->way < limited.n ? known->way : 0;
	}
	if (t->mute || limited.n < 2 || at >= TRIP_MAX_CHOICES)
		return 0;
	taken = at < t->script_len && t->script[at] < limited.n ? t->script[at] : 0;
	if (f->subject)
		vec_push(t->a, &t->answers, ((struct trip_answer){f->subject, taken}));
	note_choice(t, &limited, taken);
	return taken;
}

size_t trip_ask(
	struct trip *t, const void *subject, const char *why, const char *no, const char *yes)
{
	struct walk_fork f = {
		.kind = FORK_UNKNOWN, .why = why, .n = 2, .label = {no, yes}, .subject = subject};

	return trip_choose(t, &f);
}

bool trip_tuple_equal(const struct packet_tuple *a, const struct packet_tuple *b)
{
	return a->sport == b->sport && a->dport == b->dport && ip_equal(&a->saddr, &b->saddr) &&
	       ip_equal(&a->daddr, &b->daddr);
}

const void *trip_subject(struct trip *t, const void *what, const struct packet_tuple *tuple)
{
	struct trip_subject *s;

	for (size_t i = 0; i < t->subjects.len; i++) {
		s = t->subjects.items[i];
		if (!s->sysctl && s->what == what && (!tuple || trip_tuple_equal(&s->tuple, tuple)))
			return s;
	}
	s = arena_new_of(t->a, struct trip_subject);
	s->what = what;
	if (tuple)
		s->tuple = *tuple;
	vec_push(t->a, &t->subjects, s);
	return s;
}

/* ---- sysctls ---- */

const char *trip_sysctl_text(
	struct trip *t, uint8_t family, const char *interface, const char *what)
{
	return netstate_conf_key(t->a, family, interface, what);
}

/* Look a key up without building it: there are many lookups and many sysctls. */
static const struct net_sysctl *find_conf(
	const struct netstate *net, uint8_t family, const char *interface, const char *what)
{
	const char *const head = family == IP_V6 ? "net.ipv6.conf." : "net.ipv4.conf.";
	size_t head_len = strlen(head), name_len = strlen(interface);

	VEC_EACH (&net->sysctls, struct net_sysctl, c) {
		const char *k = c->key;
		size_t i;

		if (strncmp(k, head, head_len) != 0)
			continue;
		k += head_len;
		for (i = 0; i < name_len; i++) {
			if (k[i] != (interface[i] == '.' ? '/' : interface[i]))
				break;
		}
		if (i == name_len && k[i] == '.' && strcmp(k + i + 1, what) == 0)
			return c;
	}
	return NULL;
}

static int value_of(const struct net_sysctl *c)
{
	int n = 0;

	if (!c || sscanf(c->value, "%d", &n) != 1)
		return -1;
	return n;
}

bool trip_conf_known(struct trip *t, uint8_t family, const char *interface, const char *what,
	enum conf_join join, int *value)
{
	int own = value_of(find_conf(t->net, family, interface, what)), all;

	*value = own;
	if (join == CONF_OWN)
		return own >= 0;
	all = value_of(find_conf(t->net, family, "all", what));
	if (join == CONF_OR && (all > 0 || own > 0)) {
		*value = 1;
		return true;
	}
	*value = all > own ? all : own;
	return (all >= 0 && own >= 0) || (join == CONF_MAX && *value >= CONF_MOST);
}

size_t trip_ask_sysctl(struct trip *t, const char *key, const char *no, const char *yes)
{
	struct trip_subject *subject = NULL;
	size_t before = t->way->choices.len, taken;

	for (size_t i = 0; i < t->subjects.len && !subject; i++) {
		if (t->subjects.items[i]->sysctl && strcmp(t->subjects.items[i]->sysctl, key) == 0)
			subject = t->subjects.items[i];
	}
	if (!subject) {
		subject = arena_new_of(t->a, struct trip_subject);
		subject->sysctl = key;
		vec_push(t->a, &t->subjects, subject);
	}
	taken = trip_ask(t, subject, arena_printf(t->a, "it depends on sysctl %s", key), no, yes);
	if (t->way->choices.len > before)
		t->way->choices.items[before].sysctl = kept(t, key);
	return taken;
}

/* The usual value first. */
static int ask_sysctl(struct trip *t, const char *key, int usual)
{
	static const char *const values[] = {"it is 0", "it is 1"};
	size_t way = trip_ask_sysctl(t, key, values[usual], values[1 - usual]);

	return way ? 1 - usual : usual;
}

int trip_conf(struct trip *t, uint8_t family, const char *interface, const char *what,
	enum conf_join join)
{
	int value;

	if (trip_conf_known(t, family, interface, what, join, &value))
		return value;
	return ask_sysctl(t, trip_sysctl_text(t, family, interface, what), 0);
}

int trip_sysctl(struct trip *t, const char *key, int usual)
{
	long n = netstate_sysctl_int(t->net, key, -1);

	return n >= 0 ? (int)n : ask_sysctl(t, key, usual);
}

/* ---- the machine ---- */

bool trip_is_ours(const struct trip *t, const struct ip_addr *addr)
{
	return ip_is_loopback(addr) || netstate_addr(t->net, addr);
}

/* ---- texts ---- */

bool trip_has_ports(uint8_t proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP;
}

const char *trip_endpoint(uint8_t proto, const struct ip_addr *addr, uint16_t port, bool port_known,
	char buf[ENDPOINT_STRLEN])
{
	char ip[IP_STRLEN], number[8] = "?";

	ip_format(addr, ip);
	if (port_known)
		snprintf(number, sizeof(number), "%u", port);
	if (!trip_has_ports(proto))
		snprintf(buf, ENDPOINT_STRLEN, "%s", ip);
	else if (addr->family == IP_V6)
		snprintf(buf, ENDPOINT_STRLEN, "[%s]:%s", ip, number);
	else
		snprintf(buf, ENDPOINT_STRLEN, "%s:%s", ip, number);
	return buf;
}

const char *trip_packet_text(struct trip *t, const struct packet *p)
{
	const char *name = ip_proto_name(p->proto);
	char from[ENDPOINT_STRLEN] = "?", to[ENDPOINT_STRLEN] = "?", number[8];

	snprintf(number, sizeof(number), "%u", p->proto);
	if (packet_knows(p, PKT_SADDR))
		trip_endpoint(p->proto, &p->saddr, p->sport, packet_knows(p, PKT_SPORT), from);
	if (packet_knows(p, PKT_DADDR))
		trip_endpoint(p->proto, &p->daddr, p->dport, packet_knows(p, PKT_DPORT), to);
	return arena_printf(t->a, "%s %s > %s", name ? name : number, from, to);
}
