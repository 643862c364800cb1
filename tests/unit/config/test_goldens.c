/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Golden tests: errors/NAME.yaml must be reported just as errors/NAME.txt says, and every example
 * that ships must load without a word. UPDATE_GOLDENS=1 in the environment writes the .txt files;
 * review what changed.
 *
 * Arguments: the directory of goldens, and that of the examples.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>
#include <cmocka.h>

#include "file.h"

static const char *goldens_dir, *examples_dir;

static glob_t find(const char *dir, const char *pattern)
{
	struct strbuf b = STRBUF_INIT;
	glob_t g;

	strbuf_addf(&b, "%s/%s", dir, pattern);
	if (glob(strbuf_str(&b), 0, NULL, &g))
		fail_msg("nothing matches %s", strbuf_str(&b));
	strbuf_fini(&b);
	return g;
}

static void check_golden(const char *path, size_t *failures)
{
	struct strbuf text = STRBUF_INIT, want = STRBUF_INIT, txt = STRBUF_INIT;
	struct loaded l;

	assert_int_equal(file_read(path, &text), 0);
	l = load(strrchr(path, '/') + 1, strbuf_str(&text), text.len);
	strbuf_addn(&txt, path, strlen(path) - strlen("yaml"));
	strbuf_add(&txt, "txt");
	if (getenv("UPDATE_GOLDENS")) {
		FILE *f = fopen(strbuf_str(&txt), "wb");

		assert_non_null(f);
		fputs(strbuf_str(&l.said), f);
		fclose(f);
	}
	file_read(strbuf_str(&txt), &want);
	if (strcmp(strbuf_str(&want), strbuf_str(&l.said)) != 0) {
		print_error("%s\n--- expected\n%s--- got\n%s", path, strbuf_str(&want),
			strbuf_str(&l.said));
		(*failures)++;
	}
	/* refused if and only if an error was said */
	assert_int_equal(l.model == NULL, l.diag.errors > 0);
	assert_true(l.diag.entries.len > 0);
	unload(&l);
	strbuf_fini(&text);
	strbuf_fini(&want);
	strbuf_fini(&txt);
}

static void test_errors(void **state)
{
	glob_t g = find(goldens_dir, "*.yaml"), txt = find(goldens_dir, "*.txt");
	size_t failures = 0;

	for (size_t i = 0; i < g.gl_pathc; i++)
		check_golden(g.gl_pathv[i], &failures);
	assert_int_equal(failures, 0);
	assert_int_equal(g.gl_pathc, txt.gl_pathc); /* none is left over */
	globfree(&g);
	globfree(&txt);
}

static void test_examples(void **state)
{
	glob_t g = find(examples_dir, "*.yaml");

	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct strbuf text = STRBUF_INIT;
		struct loaded l;

		assert_int_equal(file_read(g.gl_pathv[i], &text), 0);
		l = load(g.gl_pathv[i], strbuf_str(&text), text.len);
		assert_string_equal(strbuf_str(&l.said), "");
		assert_non_null(l.model);
		assert_true(l.model->maps.len > 0);
		unload(&l);
		strbuf_fini(&text);
	}
	globfree(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_examples),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: %s GOLDENS EXAMPLES\n", argv[0]);
		return 2;
	}
	goldens_dir = argv[1];
	examples_dir = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
