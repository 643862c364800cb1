/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans as text, compared with reviewed files. GOLDEN_UPDATE=1 writes them anew, for review. */
#include "planned.h"

static const char *const names[] = {
	"article",
	"backends",
	"ipv6",
	"modems",
	"one-interface",
	"ranges",
	"restricted",
	"returns",
	"strict",
	"two-addresses",
};

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	struct strbuf b = STRBUF_INIT;
	char buf[4096];
	size_t n;

	if (!f)
		return NULL;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(&b, buf, n);
	fclose(f);
	return strbuf_take(&b);
}

static void test_golden(void **state)
{
	const char *name = *state;
	char yaml_path[512], text_path[512];
	struct strbuf out = STRBUF_INIT;
	struct planned p;
	char *yaml, *want;

	snprintf(yaml_path, sizeof(yaml_path), GOLDEN_DIR "/%s.yaml", name);
	snprintf(text_path, sizeof(text_path), GOLDEN_DIR "/%s.txt", name);
	yaml = read_file(yaml_path);
	assert_non_null(yaml);
	planned_init(&p, yaml);
	if (strcmp(name, "strict") == 0)
		VEC_EACH (&p.seen.sysctls, struct net_sysctl, s)
			if (strstr(s->key, "rp_filter"))
				s->value = "1";
	planned_make(&p);
	diag_render(&p.d, &out, false);
	assert_non_null(p.plan);
	planned_text(&p, &out);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *f = fopen(text_path, "w");

		assert_non_null(f);
		fputs(strbuf_str(&out), f);
		fclose(f);
	}
	want = read_file(text_path);
	assert_non_null(want);
	assert_string_equal(strbuf_str(&out), want);
	free(want);
	free(yaml);
	strbuf_fini(&out);
	planned_fini(&p);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(names) / sizeof(names[0])];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		tests[i] = (struct CMUnitTest){names[i], test_golden, NULL, NULL, (void *)names[i]};
	return cmocka_run_group_tests_name("plan golden", tests, NULL, NULL);
}
