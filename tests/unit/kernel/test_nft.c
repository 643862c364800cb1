/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written to the kernel reads back as equal, and nft(8) makes the same of our text. */
#include "nft_sample.h"

static void test_round_trip(void **state)
{
	struct nft_ruleset seen;
	struct nft_table *got;
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	sample_init(&s, "sample");
	commit(k, &s, 0);
	observe(k, s.a, true, &seen);
	got = nft_table_find(&seen, FAMILY_INET, "sample");
	assert_non_null(got);
	assert_same_table(s.t, got);
	sample_fini(&s);
	kernel_close(k);
}

/* A rule that leaves it to its caller to know that the packet is IPv4 (or 6) reads back like that. */
static void test_address_without_version(void **state)
{
	static const enum nft_selector selectors[] = {SEL_IP_SADDR, SEL_IP_DADDR, SEL_IP_PROTOCOL,
		SEL_IP6_SADDR, SEL_IP6_DADDR, SEL_IP6_NEXTHDR};
	static const uint8_t value[16] = {1, 2, 3, 4};
	struct nft_ruleset seen;
	struct nft_table *got;
	struct sample s = {0};
	struct nft_chain *c;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	s.a = arena_new();
	s.t = nft_table_new(s.a, FAMILY_INET, "sample");
	c = nft_chain_new(s.a, s.t, "c");
	for (size_t i = 0; i < sizeof(selectors) / sizeof(*selectors); i++) {
		struct nft_expr *e = nft_sel(s.a, selectors[i]);

		nft_match(
			s.a, nft_rule_new(s.a, c, NOWHERE), e, OP_EQ, value, nft_type_len(e->type));
	}
	add_table_changes(&s);
	commit(k, &s, 0);
	observe(k, s.a, true, &seen);
	got = nft_table_find(&seen, FAMILY_INET, "sample");
	assert_same_table(s.t, got);
	sample_fini(&s);
	kernel_close(k);
}

/* The output of a shell command. */
static char *output_of(const char *command)
{
	FILE *f = popen(command, "r");
	struct strbuf out = STRBUF_INIT;
	char buf[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(&out, buf, n);
	if (pclose(f) != 0)
		fail_msg("failed: %s: %s", command, strbuf_str(&out));
	return strbuf_take(&out);
}

static void load_text(const char *text)
{
	FILE *f = popen("nft -f -", "w");

	assert_non_null(f);
	fputs(text, f);
	if (pclose(f) != 0)
		fail_msg("nft refuses\n%s", text);
}

/* Where two texts part, for the message. */
static void assert_same_text(const char *ours, const char *nfts)
{
	size_t line = 0;

	if (strcmp(ours, nfts) == 0)
		return;
	for (size_t i = 0; ours[i] && ours[i] == nfts[i]; i++) {
		if (ours[i] == '\n')
			line = i + 1;
	}
	fail_msg("ours: %.200s\nnft's: %.200s", ours + line, nfts + line);
}

/* What nft shows of the table when we wrote it, and when nft read our text. */
static void test_same_as_nft(void **state)
{
	static const char *const views[] = {
		/* as nft understands it: no handles, no generated names */
		"nft -s list ruleset",
		"nft -j list ruleset | sed 's/\"handle\": [0-9]*//g'",
		/* the instructions in the kernel; nft 1.0.6 swaps the halves of a single byte, which
		 * does nothing */
		"nft --debug=netlink list ruleset 2>&1 | grep '^  \\[' | grep -v 'hton(.*, 2, 1)'",
		/* comments, and which intervals are open */
		"nft --debug=netlink list ruleset 2>&1 | grep -o 'userdata = {[^}]*}' | sort",
	};
	char *ours[sizeof(views) / sizeof(*views)], *nfts;
	struct strbuf text = STRBUF_INIT;
	struct nft_ruleset seen;
	struct sample s;
	struct kernel *k;

	if (system("command -v nft >/dev/null") != 0) {
		print_message("# SKIP: nft is not installed\n");
		skip();
	}
	NEEDS_NAMESPACE();
	k = open_kernel();
	sample_init(&s, "sample");
	commit(k, &s, 0);
	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++)
		ours[i] = output_of(views[i]);
	kernel_close(k);
	NEEDS_NAMESPACE();
	nft_print_table(&text, s.t);
	load_text(strbuf_str(&text));
	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++) {
		nfts = output_of(views[i]);
		assert_same_text(ours[i], nfts);
		free(ours[i]);
		free(nfts);
	}
	/* And what nft wrote, down to its generated sets, reads as what was meant. */
	k = open_kernel();
	observe(k, s.a, true, &seen);
	assert_same_table(s.t, nft_table_find(&seen, FAMILY_INET, "sample"));
	kernel_close(k);
	strbuf_fini(&text);
	sample_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_address_without_version),
		cmocka_unit_test(test_same_as_nft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
