/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we read from iptables' words against what iptables-nft makes of them: it loads a rule of every
 * extension, and the kernel's statements must be ours, as must the words that iptables-nft-save has
 * for them.
 */
#include "netns.h"

#include "iptables_rules.h"
#include "kernel/nft.h"
#include "netstate/dump/dump.h"
#include "netstate/xt/xt.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_RULES    400

struct loading {
	const char *tool; /* "iptables-nft" */
	const struct said *said;
	bool loaded[MAX_RULES];
	size_t n_loaded;
};

static void add_line(struct strbuf *text, const struct said *s)
{
	strbuf_addf(text, "*%s\n-A %s %s\nCOMMIT\n", places[s->place].table, places[s->place].chain,
		s->rule);
}

static bool restore(const struct loading *l, size_t from, size_t to)
{
	struct strbuf text = STRBUF_INIT;
	char command[128];
	FILE *pipe;
	int status;

	for (size_t i = from; i < to; i++)
		add_line(&text, &l->said[i]);
	snprintf(command, sizeof(command), "%s-restore --noflush 2>/dev/null", l->tool);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	fputs(strbuf_str(&text), pipe);
	status = pclose(pipe);
	strbuf_fini(&text);
	return status == 0;
}

/* Rules @from to @to, but for those that this kernel or iptables does not have. */
static void load(struct loading *l, size_t from, size_t to)
{
	size_t middle = (from + to) / 2;

	/* A restore is one transaction per table: with rules of several, a part might be done. */
	if (to - from == 1 || l->said[from].place == l->said[to - 1].place) {
		if (restore(l, from, to)) {
			memset(l->loaded + from, true, to - from);
			l->n_loaded += to - from;
			return;
		}
		if (to - from == 1) {
			print_message("# not here: %s\n", l->said[from].rule);
			return;
		}
	}
	load(l, from, middle);
	load(l, middle, to);
}

/* The number of a set is the kernel's own, and its name not in the blob: not compared. */
static void forget_numbers(struct arena *a, struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		size_t step = strcmp(s->kind == STMT_XT ? s->xt.name : "", "set") == 0 ? 8 : 4;
		uint8_t *copy;

		if (s->kind != STMT_XT || strcasecmp(s->xt.name, "set") != 0)
			continue;
		copy = arena_alloc(a, s->xt.info_len);
		memcpy(copy, s->xt.info, s->xt.info_len);
		for (size_t at = 0; at < 3 * step && at < (step == 8 ? 2 : 12); at += step)
			memset(copy + at, 0, 2);
		s->xt.info = copy;
	}
}

static void print_blobs(const char *who, const struct nft_rule *r)
{
	struct strbuf text = STRBUF_INIT;

	nft_print_rule(&text, r);
	print_message("#   %s: %s\n", who, strbuf_str(&text));
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		strbuf_reset(&text);
		for (uint32_t i = 0; s->kind == STMT_XT && i < s->xt.info_len; i++)
			strbuf_addf(&text, "%02x%s", s->xt.info[i], i % 4 == 3 ? " " : "");
		if (s->kind == STMT_XT)
			print_message("#     %s rev %u: %.1500s\n", s->xt.name, s->xt.rev,
				strbuf_str(&text));
	}
	strbuf_fini(&text);
}

/* Line @n of those of iptables-save that add to the chain. */
static bool saved_line(
	const char *saved, const char *table, const char *chain, size_t n, char *line, size_t size)
{
	char start[64];
	const char *at;

	snprintf(start, sizeof(start), "*%s\n", table);
	at = strstr(saved, start);
	snprintf(start, sizeof(start), "-A %s ", chain);
	for (; at && strncmp(at, "COMMIT", 6) != 0; at = strchr(at, '\n') + 1) {
		if (strncmp(at, start, strlen(start)) != 0 || n-- > 0)
			continue;
		snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at);
		return true;
	}
	return false;
}

static char *output_of(const char *command)
{
	FILE *pipe = popen(command, "r");
	size_t len = 0, cap = 1 << 20;
	char *text = malloc(cap);

	assert_non_null(pipe);
	assert_non_null(text);
	while (len < cap - 1) {
		size_t n = fread(text + len, 1, cap - 1 - len, pipe);

		if (!n)
			break;
		len += n;
	}
	text[len] = '\0';
	pclose(pipe);
	return text;
}

static void read_text(struct arena *a, const char *text, bool six, struct netstate *out)
{
	struct dump_file f = {.name = "text", .text = text, .len = strlen(text)};
	struct dump d = {.arena = a, .out = out};

	dump_read_iptables(&d, &f, six ? IP_V6 : IP_V4, ORIGIN_XT_NFT);
	VEC_EACH (&d.notes, struct dump_note, n)
		print_message("# %u: %s: %s\n", n->line, n->why, n->text);
	assert_int_equal(d.notes.len, 0);
}

static const struct nft_rule *rule_at(const struct nft_ruleset *r, bool six, enum place p, size_t n)
{
	const struct nft_table *t =
		nft_table_find(r, six ? FAMILY_IP6 : FAMILY_IP, places[p].table);
	const struct nft_chain *c = t ? nft_chain_find(t, places[p].chain) : NULL;

	assert_non_null(c);
	assert_true(n < c->rules.len);
	return &c->rules.items[n];
}

static unsigned int compare_words(const struct nft_ruleset *from, bool six, enum place p,
	const struct nft_rule *r, const char *who, const char *line)
{
	const struct nft_table *t =
		nft_table_find(from, six ? FAMILY_IP6 : FAMILY_IP, places[p].table);
	struct strbuf text = STRBUF_INIT;
	bool known = xt_print_rule(&text, t, nft_chain_find(t, places[p].chain), r);
	unsigned int wrong = !known || strcmp(strbuf_str(&text), line) != 0;

	if (wrong)
		print_message(
			"# words differ (%s):\n#   %s\n#   %s\n", who, line, strbuf_str(&text));
	strbuf_fini(&text);
	return wrong;
}

static bool asks_a_set(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_XT && strcasecmp(s->xt.name, "set") == 0)
			return true;
	}
	return false;
}

static void compare(struct loading *l, size_t n, bool six)
{
	struct strbuf text = STRBUF_INIT;
	struct nft_ruleset seen;
	struct netstate read = {0}, again = {0};
	struct kernel_error e;
	struct kernel *k = open_kernel();
	struct arena *a = arena_new();
	size_t at[PLACES] = {0}, wrong = 0, wrong_words = 0;
	char command[64], line[2048];
	char *saved;

	for (enum place p = 0; p < PLACES; p++) {
		strbuf_addf(&text, "iptables -t %s -N foo\niptables -t %s -P %s ACCEPT\n",
			places[p].table, places[p].table, places[p].chain);
		for (size_t i = 0; i < n; i++) {
			if (l->loaded[i] && l->said[i].place == p)
				strbuf_addf(&text, "iptables -t %s -A %s %s\n", places[p].table,
					places[p].chain, l->said[i].rule);
		}
	}
	read_text(a, strbuf_str(&text), six, &read);
	snprintf(command, sizeof(command), "%s-save", l->tool);
	saved = output_of(command);
	read_text(a, saved, six, &again);
	ok(kernel_nft_observe(k, a, true, &seen, &e), e);
	for (size_t i = 0; i < n; i++) {
		enum place p = l->said[i].place;
		struct nft_rule *ours, *theirs, *twice;

		if (!l->loaded[i])
			continue;
		ours = (struct nft_rule *)rule_at(&read.ruleset, six, p, at[p]);
		theirs = (struct nft_rule *)rule_at(&seen, six, p, at[p]);
		twice = (struct nft_rule *)rule_at(&again.ruleset, six, p, at[p]);
		assert_true(saved_line(
			saved, places[p].table, places[p].chain, at[p], line, sizeof(line)));
		wrong_words += compare_words(&read.ruleset, six, p, ours, "read", line);
		if (!asks_a_set(theirs))
			wrong_words += compare_words(&seen, six, p, theirs, "seen", line);
		forget_numbers(a, ours);
		forget_numbers(a, theirs);
		forget_numbers(a, twice);
		if (!nft_rule_equal(ours, theirs) || !nft_rule_equal(twice, theirs)) {
			print_message("# %s\n# %s\n", l->said[i].rule, line);
			print_blobs("ours", ours);
			print_blobs("of what is saved", twice);
			print_blobs("theirs", theirs);
			wrong++;
		}
		at[p]++;
	}
	print_message("# %zu of %zu rules\n", l->n_loaded, n);
	assert_int_equal(wrong, 0);
	assert_int_equal(wrong_words, 0);
	free(saved);
	strbuf_fini(&text);
	arena_free(a);
	kernel_close(k);
}

static void run(const char *tool, const struct said *said, size_t n, bool six)
{
	struct loading l = {.tool = tool, .said = said};

	if (system("command -v iptables-nft-restore ipset >/dev/null") != 0) {
		print_message("# SKIP: iptables-nft or ipset is not installed\n");
		skip();
	}
	NEEDS_NAMESPACE();
	assert_true(n <= MAX_RULES);
	sh("ipset create foo hash:ip,port && ipset create foo6 hash:ip family inet6");
	sh("%s -N foo", tool);
	load(&l, 0, n);
	assert_true(l.n_loaded > n * 3 / 4);
	compare(&l, n, six);
}

static void test_v4(void **state)
{
	run("iptables-nft", rules4, COUNT(rules4), false);
}

static void test_v6(void **state)
{
	run("ip6tables-nft", rules6, COUNT(rules6), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_v6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
