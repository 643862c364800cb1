/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What survives a reboot: the confirmed config and the one before; and the trial, which must not. */
#include "netns.h"

#include "kernel/state.h"

#define ONE "uplinks: {}\n"
#define TWO "maps: {}\n"

struct fixture {
	struct arena *a;
	struct kernel *k;
	char dir[64];
};

static void begin(struct fixture *f)
{
	f->a = arena_new();
	f->k = open_kernel();
	strcpy(f->dir, "/tmp/portreeve-state-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	setenv("PORTREEVE_STATE_DIR", f->dir, 1);
}

static void end(struct fixture *f)
{
	unsetenv("PORTREEVE_STATE_DIR");
	sh("rm -rf %s", f->dir);
	kernel_close(f->k);
	arena_free(f->a);
}

static void confirm(struct fixture *f, const char *text)
{
	assert_int_equal(state_confirm(f->k, f->a, text, text ? strlen(text) : 0), 0);
}

static void assert_kept(struct fixture *f, enum state_file which, const char *text)
{
	char *kept = NULL;
	size_t len = 0;
	int err = state_read(f->k, which, f->a, &kept, &len);

	if (!text) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(kept, text, len);
}

static void test_confirmed_and_previous(void **state)
{
	struct fixture f;

	begin(&f);
	assert_kept(&f, STATE_CONFIRMED, NULL);
	confirm(&f, ONE);
	assert_kept(&f, STATE_CONFIRMED, ONE);
	assert_kept(&f, STATE_PREVIOUS, "");
	confirm(&f, TWO);
	confirm(&f, TWO); /* the same again is no change */
	assert_kept(&f, STATE_PREVIOUS, ONE);
	assert_int_equal(state_went_back(f.k, f.a), 0);
	assert_kept(&f, STATE_CONFIRMED, ONE);
	assert_kept(&f, STATE_PREVIOUS, NULL);
	confirm(&f, NULL);
	assert_kept(&f, STATE_CONFIRMED, NULL);
	assert_kept(&f, STATE_PREVIOUS, ONE);
	end(&f);
}

static void test_trial(void **state)
{
	struct fixture f;
	struct state_trial t = {.name = "a b\nc.yaml",
		.text = ONE,
		.len = strlen(ONE),
		.deadline_ms = state_now_ms() + 5000};
	struct state_trial got;
	const char *text;
	size_t len;
	int fd = -1;

	begin(&f);
	assert_int_equal(state_trial_read(f.k, f.a, &got), -ENOENT);
	assert_int_equal(state_trial_end(f.k), 0);
	assert_int_equal(state_in_force(f.k, f.a, &text, &len), -ENOENT);
	confirm(&f, TWO);
	assert_int_equal(state_trial_begin(f.k, &t, &fd), 0);
	assert_int_equal(state_trial_begin(f.k, &t, NULL), -EEXIST);
	assert_true(state_trial_waits(f.k, f.a, &got));
	assert_string_equal(got.name, "a b?c.yaml"); /* one line, whatever it was called */
	assert_int_equal(got.deadline_ms, t.deadline_ms);
	assert_int_equal(got.len, t.len);
	assert_memory_equal(got.text, ONE, t.len);
	assert_int_equal(state_in_force(f.k, f.a, &text, &len), 0);
	assert_memory_equal(text, ONE, len);
	assert_false(state_trial_over(fd));
	assert_int_equal(state_trial_end(f.k), 0);
	assert_true(state_trial_over(fd));
	assert_int_equal(state_in_force(f.k, f.a, &text, &len), 0);
	assert_memory_equal(text, TWO, len);
	close(fd);
	end(&f);
}

/* The file as another boot, a crash or somebody else left it. */
static void test_trial_of_another_boot(void **state)
{
	static const char *const heads[] = {"portreeve trial some-boot 99999999999 x.yaml\n",
		"portreeve trial\n", "portreeve trial a b c\n", "", "\n", "no newline"};
	struct state_trial t = {.name = "x", .text = TWO, .len = strlen(TWO)}, got;
	struct fixture f;
	char path[256];

	begin(&f);
	assert_int_equal(state_trial_begin(f.k, &t, NULL), 0);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		FILE *file;

		sh("find %s -name trial > %s/found", f.dir, f.dir);
		snprintf(path, sizeof(path), "%s/found", f.dir);
		file = fopen(path, "r");
		assert_non_null(fgets(path, sizeof(path), file));
		fclose(file);
		path[strcspn(path, "\n")] = '\0';
		file = fopen(path, "w");
		fputs(heads[i], file);
		if (i == 0)
			fputs(ONE, file);
		fclose(file);
		assert_int_equal(state_trial_read(f.k, f.a, &got), 0);
		assert_false(got.this_boot);
		assert_int_equal(got.len, i == 0 ? strlen(ONE) : 0);
		assert_false(state_trial_waits(f.k, f.a, &got));
		/* It is in nobody's way. */
		assert_int_equal(state_trial_begin(f.k, &t, NULL), 0);
	}
	end(&f);
}

static void test_unconfirmed(void **state)
{
	struct fixture f;

	begin(&f);
	assert_int_equal(state_unconfirmed(f.k, NULL, 0), 0);
	assert_int_equal(state_unconfirmed(f.k, ONE, strlen(ONE)), 0);
	assert_kept(&f, STATE_UNCONFIRMED, ONE);
	assert_int_equal(state_unconfirmed(f.k, NULL, 0), 0);
	assert_kept(&f, STATE_UNCONFIRMED, NULL);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confirmed_and_previous),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_trial_of_another_boot),
		cmocka_unit_test(test_unconfirmed),
	};

	return cmocka_run_group_tests_name("kernel/state", tests, NULL, NULL);
}
