/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what iptables-save, ip6tables-save, `iptables -S` and scripts of iptables commands say.
 *
 * People paste these with prompts, quotes of mail, wrapped lines, several dumps after another, or cut
 * off. One line of them at a time is taken to pieces here; rules are read by xt/parse.c.
 */
#include "netstate/dump/iptables.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "netstate/xt/extension.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_INSERTS  20000 /* into one table: each moves what is behind it */

static void note(struct iptables_text *x, const char *why)
{
	dump_note(x->d, x->f, x->line, x->text, x->len, why);
}

/* ---- rules ---- */

/* The rules made of one line, which stand at the end of their chain from @from on. */
static void settle_rules(struct iptables_text *x, struct nft_chain *c, size_t from)
{
	const char *text = arena_strndup(x->d->arena, x->text, x->len);

	for (size_t i = from; i < c->rules.len; i++) {
		c->rules.items[i].text = text;
		c->rules.items[i].file = x->f->name;
		c->rules.items[i].at.line = x->line;
	}
}

/* Rules from @from on to place @to. */
static void move_rules(struct arena *a, struct nft_chain *c, size_t from, size_t to)
{
	size_t n = c->rules.len - from;
	struct nft_rule *moved = arena_alloc(a, n * sizeof(*moved));

	memcpy(moved, c->rules.items + from, n * sizeof(*moved));
	memmove(c->rules.items + to + n, c->rules.items + to, (from - to) * sizeof(*moved));
	memcpy(c->rules.items + to, moved, n * sizeof(*moved));
}

static void add_rules(struct iptables_text *x, const struct xt_words *w, size_t from,
	struct nft_chain *c, uint64_t packets, uint64_t bytes)
{
	size_t before = c->rules.len;
	const char *why;

	xt_read_rules(x->d->arena, x->family, w, from, packets, bytes, c, &why);
	settle_rules(x, c, before);
	if (why)
		note(x, why);
}

static bool in_table(struct iptables_text *x)
{
	if (x->skipping)
		return false;
	if (!x->table) {
		if (!iptables_use_table(x, x->t_option ? x->t_option : "filter")) {
			note(x, "this table is there already, from another file");
			return false;
		}
		x->table->implied = true;
	}
	return true;
}

/* ---- commands ---- */

static const struct {
	char letter;
	const char *name;
} commands[] = {{'A', "--append"}, {'I', "--insert"}, {'P', "--policy"}, {'N', "--new-chain"},
	{'N', "--new"}, {'D', "--delete"}, {'R', "--replace"}, {'F', "--flush"},
	{'X', "--delete-chain"}, {'Z', "--zero"}, {'E', "--rename-chain"}, {'L', "--list"},
	{'S', "--list-rules"}, {'C', "--check"}};

static char command_of(const char *word)
{
	if (word[0] == '-' && word[1] && !word[2] && strchr("AIPNDRFXZELSC", word[1]))
		return word[1];
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].letter;
	}
	return '\0';
}

static void set_policy(struct iptables_text *x, const char *chain, const char *policy)
{
	struct nft_chain *c = iptables_chain(x, chain);

	x->table->has_policies = true;
	if (strcmp(policy, "DROP") == 0)
		c->policy_drop = true;
	else if (strcmp(policy, "ACCEPT") == 0)
		c->policy_drop = false;
	else
		note(x, "this is no policy");
	if (!c->base)
		note(x, "only built-in chains have a policy");
}

/* "-I CHAIN [number] ..." */
static void insert_rule(struct iptables_text *x, const struct xt_words *w, size_t at,
	struct nft_chain *c, uint64_t packets, uint64_t bytes)
{
	size_t before = c->rules.len, to = 0;

	if (x->table->inserted == MAX_INSERTS) {
		note(x, "too many rules are inserted: neither this nor later ones are read");
		return;
	}

	if (at < w->n && isdigit((unsigned char)w->word[at][0])) {
		for (const char *s = w->word[at]; isdigit((unsigned char)*s) && to <= before; s++)
			to = 10 * to + (size_t)(*s - '0');
		to = to ? to - 1 : 0;
		at++;
	}
	x->table->inserted++;
	add_rules(x, w, at, c, packets, bytes);
	move_rules(x->d->arena, c, before, to < before ? to : before);
}

/* Words of a command from its letter on. */
static void run_command(struct iptables_text *x, const struct xt_words *w, size_t at,
	uint64_t packets, uint64_t bytes)
{
	char letter = command_of(w->word[at]);
	const char *chain = at + 1 < w->n ? w->word[at + 1] : NULL;

	if (!in_table(x))
		return;
	switch (letter) {
	case 'A':
	case 'I':
		if (!chain) {
			note(x, "the line ends too early");
			return;
		}
		x->table->has_rules = true;
		if (letter == 'A')
			add_rules(x, w, at + 2, iptables_chain(x, chain), packets, bytes);
		else
			insert_rule(x, w, at + 2, iptables_chain(x, chain), packets, bytes);
		return;
	case 'P':
		if (!chain || at + 2 >= w->n)
			note(x, "the line ends too early");
		else
			set_policy(x, chain, w->word[at + 2]);
		return;
	case 'N':
		if (chain)
			iptables_chain(x, chain);
		return;
	case 'F':
	case 'X':
	case 'Z':
		/* Where nothing was added yet, there is nothing to take away. */
		if (x->table->has_rules)
			note(x, "what this takes away is kept: only what adds rules is read");
		return;
	default:
		note(x, "only commands that add rules are read");
	}
}

/* A command line: the tool was the word before @at. */
static void run_tool(struct iptables_text *x, struct xt_words *w, size_t at)
{
	const char *table = "filter";
	size_t command = 0;

	/* -t may stand anywhere; what is left of the line must not have it. */
	for (size_t i = at; i < w->n; i++) {
		if ((strcmp(w->word[i], "-t") == 0 || strcmp(w->word[i], "--table") == 0) &&
			i + 1 < w->n) {
			table = w->word[i + 1];
			memmove(&w->word[i], &w->word[i + 2], (w->n - i - 2) * sizeof(*w->word));
			w->n -= 2;
			i--;
		} else if (!command && command_of(w->word[i])) {
			command = i;
		}
	}
	if (!command) {
		note(x, "this command does not add rules");
		return;
	}
	x->skipping = false;
	x->table = NULL;
	x->t_option = arena_strdup(x->d->arena, table);
	if (strchr("LSC", command_of(w->word[command]))) /* what follows is its output */
		return;
	run_command(x, w, command, 0, 0);
}

/* ---- lines of iptables-save ---- */

static bool contains(const char *s, size_t len, const char *what)
{
	return memmem(s, len, what, strlen(what)) != NULL;
}

static bool has_sign(const char *s, size_t len, const char *const *signs)
{
	for (; *signs; signs++) {
		if (contains(s, len, *signs))
			return true;
	}
	return false;
}

#define MAX_GUESSED 65536 /* bytes that are looked at to tell */

/* The family of the table that starts here, when nothing says so: by what is in it, or in the file. */
static uint8_t guess_family(const struct iptables_text *x)
{
	static const char *const six[] = {"ipv6-icmp", "icmp6", "icmpv6", "ip6tables", "::/",
		"/128 ", " fe80:", "--to-destination [", "--to-source [", NULL};
	static const char *const four[] = {
		"-p icmp ", " icmp-", ".0/", "/32 ", ".0.0.", "/255.", NULL};
	size_t rest = x->f->len - x->at, len = rest < MAX_GUESSED ? rest : MAX_GUESSED,
	       whole = x->f->len < MAX_GUESSED ? x->f->len : MAX_GUESSED;
	const char *s = x->f->text + x->at, *end = memmem(s, len, "COMMIT", 6);

	if (end)
		len = (size_t)(end - s);

	if (has_sign(s, len, six))
		return IP_V6;
	if (has_sign(s, len, four) || has_sign(x->f->text, whole, four) ||
		!has_sign(x->f->text, whole, six))
		return IP_V4;
	return IP_V6;
}

static void start_table(struct iptables_text *x, const char *name)
{
	struct iptables_table *before = x->tables;

	x->t_option = NULL;
	if (!x->family_known)
		x->family = guess_family(x);
	x->skipping = !iptables_use_table(x, name);
	x->committed = false;
	x->reopened = x->tables == before && !x->skipping && !x->table->implied;
	if (x->skipping)
		note(x, "this table is there already from another file, or is one too many: it is "
			"not read");
}

static void declare_chain(struct iptables_text *x, const struct xt_words *w)
{
	const char *name = w->word[0] + 1;
	struct nft_chain *c;

	if (x->skipping)
		return;
	if (!x->table || !*name) {
		note(x, "a chain outside of a table");
		return;
	}
	/* One that only adds rules is gone on with; one that declares its chains anew is of another
	 * dump, say of another day. */
	if (x->reopened && iptables_find_chain(x->table, name)) {
		note(x, "this table is there already: this second one is not read");
		x->skipping = true;
		return;
	}
	c = iptables_chain(x, name);
	if (w->n > 1 && strcmp(w->word[1], "-") != 0)
		set_policy(x, name, w->word[1]);
	if (w->n > 2)
		xt_read_counters(w->word[2], &c->packets, &c->bytes);
}

/* "# Generated by ip6tables-nft-save v1.8.9 (nf_tables) on ..." starts a dump. */
static void read_comment(struct iptables_text *x)
{
	if (!contains(x->text, x->len, "enerated by") || !contains(x->text, x->len, "tables-"))
		return;
	x->table = NULL;
	x->skipping = false;
	x->family_known = true;
	x->family = contains(x->text, x->len, "ip6tables") ? IP_V6 : IP_V4;
	if (contains(x->text, x->len, "nf_tables") || contains(x->text, x->len, "-nft-") ||
		contains(x->text, x->len, "xtables-"))
		x->origin = ORIGIN_XT_NFT;
	else
		x->origin = ORIGIN_XT_LEGACY;
}

/* ---- lines ---- */

static bool starts(const struct iptables_text *x, const char *word)
{
	size_t len = strlen(word);

	return x->len >= len && memcmp(x->text, word, len) == 0 &&
	       (x->len == len || isspace((unsigned char)x->text[len]));
}

/* "iptables", "/sbin/ip6tables", "$IPT", "${IPTABLES}": *@family where it tells. */
static bool is_tool(const char *word, uint8_t *family)
{
	const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
	static const char *const names[] = {"iptables", "iptables-nft", "iptables-legacy",
		"ip6tables", "ip6tables-nft", "ip6tables-legacy"};
	char upper[32] = "";

	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*family = name[2] == '6' ? IP_V6 : IP_V4;
			return true;
		}
	}
	if (word[0] != '$')
		return false;
	for (size_t i = 0; word[i] && i + 1 < sizeof(upper); i++)
		upper[i] = (char)toupper((unsigned char)word[i]);
	if (!strstr(upper, "IP"))
		return false;
	*family = strchr(upper, '6') ? IP_V6 : IP_V4;
	return true;
}

/* The word behind the tool's name where the line is a command, with or without a prompt or sudo
 * before it; 0: it is none. */
static size_t find_tool(const struct xt_words *w, uint8_t *family)
{
	for (size_t i = 0; i < w->n && i < 6; i++) {
		if (is_tool(w->word[i], family))
			return i + 1;
	}
	return 0;
}

static bool find_command(const struct xt_words *w)
{
	uint8_t family;

	return strchr("-[:", w->word[0][0]) || find_tool(w, &family);
}

static void read_words(struct iptables_text *x, struct xt_words *w)
{
	uint64_t packets = 0, bytes = 0;
	uint8_t family = IP_NONE;
	size_t at = xt_read_counters(w->word[0], &packets, &bytes) ? 1 : 0;

	if (at < w->n && command_of(w->word[at])) {
		run_command(x, w, at, packets, bytes);
		return;
	}
	at = find_tool(w, &family);
	if (!at) {
		note(x, "this is no line of iptables-save");
		return;
	}
	if (!x->family_known)
		x->family = family;
	run_tool(x, w, at);
}

/* What `iptables -L` prints leaves out much; none of it is read. */
static bool read_listing(struct iptables_text *x, const struct xt_words *w)
{
	if (strcmp(w->word[0], "Chain") == 0 && w->n > 2 && w->word[2][0] == '(')
		x->listing = true;
	else if (x->listing && find_command(w))
		x->listing = false;
	if (x->listing)
		note(x, "a line of a listing, which leaves out too much: use iptables-save");
	return x->listing;
}

#define BEGINNING 256 /* bytes of a line that hold counters, command and chain */

/* The words of the line. Of a rule that is too long the place is kept: what stands there is not known. */
static bool split_line(struct iptables_text *x, struct xt_words *w)
{
	uint64_t packets, bytes;
	size_t at;

	if (xt_split(w, x->text, x->len))
		return true;
	xt_split(w, x->text, x->len < BEGINNING ? x->len : BEGINNING);
	at = w->n && xt_read_counters(w->word[0], &packets, &bytes) ? 1 : 0;
	if (at + 2 < w->n && command_of(w->word[at]) == 'A') {
		w->word[at + 2] = "(the line is too long)";
		w->n = at + 3;
		return true;
	}
	note(x, "the line is too long");
	return false;
}

static void read_line(struct iptables_text *x)
{
	struct xt_words w;

	if (x->text[0] == '#') {
		read_comment(x);
		return;
	}
	if (x->text[0] == '*' && x->len > 1) {
		if (xt_split(&w, x->text + 1, x->len - 1) && w.n)
			start_table(x, w.word[0]);
		return;
	}
	if (starts(x, "COMMIT")) {
		x->committed = true;
		x->table = NULL;
		x->skipping = false;
		return;
	}
	if (!split_line(x, &w) || !w.n)
		return;
	if (read_listing(x, &w))
		return;
	if (w.word[0][0] == ':')
		declare_chain(x, &w);
	else
		read_words(x, &w);
}

/* ---- the file ---- */

/* One line of the file without indentation, the quoting of mails, and its end. */
static void take_line(const struct dump_file *f, size_t *at, const char **line, size_t *len)
{
	const char *end = memchr(f->text + *at, '\n', f->len - *at), *s = f->text + *at;

	if (!end)
		end = f->text + f->len;
	*at = (size_t)(end - f->text) + (end < f->text + f->len);
	while (s < end && (isspace((unsigned char)*s) || *s == '>' || *s == '|'))
		s++;
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*line = s;
	*len = (size_t)(end - s);
}

static bool is_rule_start(const char *line, size_t len)
{
	return len >= 2 &&
	       ((line[0] == '-' && strchr("AIPNDRFXZE", line[1]) != NULL) || line[0] == '[');
}

/* Rules are wrapped by mail programs and terminals: does @next go on with @line? */
#define SHORTEST_WRAPPED 50

static bool goes_on(const char *line, size_t len, const char *next, size_t next_len)
{
	static const char *const starts_anew[] = {
		"COMMIT", "iptables", "ip6tables", "sudo ", "Chain ", "$", "/", "target ", "root@"};

	if (!next_len || !len || strchr("*:#[", next[0]) || is_rule_start(next, next_len))
		return false;
	if (line[len - 1] == '\\')
		return true;
	if (next[0] == '-' && is_rule_start(line, len))
		return true;
	for (size_t i = 0; i < COUNT(starts_anew); i++) {
		if (strncmp(next, starts_anew[i], strnlen(starts_anew[i], next_len)) == 0)
			return false;
	}
	return is_rule_start(line, len) && len >= SHORTEST_WRAPPED &&
	       !contains(next, next_len, "@");
}

#define MAX_WRAPPED 64 /* lines that are one */

/* The next line with those that continue it, in x->text. */
static void take_joined(struct iptables_text *x, size_t *at)
{
	const char *line, *next;
	size_t len, next_len, after;
	uint32_t lines = 1;

	take_line(x->f, at, &line, &len);
	x->text = line;
	x->len = len;
	while (*at < x->f->len && lines < MAX_WRAPPED && x->len < XT_MAX_LINE) {
		after = *at;
		take_line(x->f, &after, &next, &next_len);
		if (!goes_on(line, len, next, next_len))
			break;
		if (x->text[x->len - 1] == '\\')
			x->len--;
		x->text = arena_printf(
			x->d->arena, "%.*s %.*s", (int)x->len, x->text, (int)next_len, next);
		x->len = strlen(x->text);
		/* What goes on with the last piece goes on with the rule. */
		if (next[next_len - 1] == '\\' || !is_rule_start(line, len)) {
			line = next;
			len = next_len;
		}
		*at = after;
		lines++;
	}
	x->lines = lines;
}

void dump_read_iptables(
	struct dump *d, const struct dump_file *f, uint8_t family, enum nft_origin origin)
{
	struct iptables_text x = {.d = d,
		.f = f,
		.family = family,
		.family_known = family != IP_NONE,
		.origin = origin == ORIGIN_XT_LEGACY ? origin : ORIGIN_XT_NFT,
		.line = 1,
		.lines = 1,
		.committed = true};

	if (family == IP_NONE)
		x.family = guess_family(&x);
	while (x.at < f->len) {
		take_joined(&x, &x.at);
		if (x.len)
			read_line(&x);
		x.line += x.lines;
	}
	if (!x.committed)
		dump_note(
			d, f, 0, "", 0, "the last table ends without COMMIT: rules may be missing");
	for (struct iptables_table *i = x.tables; i; i = i->next) {
		iptables_settle_jumps(&x, i);
		if (!i->has_policies && i->has_rules)
			dump_note(d, f, i->line, i->t->name, strlen(i->t->name),
				"no policies are said for this table: ACCEPT is taken");
	}
}
