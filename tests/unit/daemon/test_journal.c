/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal: what is printed, what is kept, who is told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/journal.h"

#define TIME_BYTES 30 /* "time=2026-11-22T18:50:34.291Z " */

/* stderr goes to a file from begin() on; printed() gives what it got, and puts stderr back. */
struct capture {
	FILE *file;
	int before;
	char text[65536];
};

static void begin(struct capture *c)
{
	fflush(stderr);
	c->file = tmpfile();
	c->before = dup(STDERR_FILENO);
	dup2(fileno(c->file), STDERR_FILENO);
}

/* Every line that is not for the journal begins with a time, which no test knows: taken out. */
static void take_times(char *text)
{
	for (char *line = text, *next; (next = strchr(line, '\n')); line = next + 1) {
		int end = 0;

		if (*line == '<')
			continue;
		sscanf(line, "time=20%*2u-%*2u-%*2uT%*2u:%*2u:%*2u.%*3uZ %n", &end);
		if (end != TIME_BYTES)
			fail_msg("no time: %s", line);
		memmove(line, line + TIME_BYTES, strlen(line + TIME_BYTES) + 1);
		next -= TIME_BYTES;
	}
}

static const char *printed(struct capture *c)
{
	ssize_t len = pread(fileno(c->file), c->text, sizeof(c->text) - 1, 0);

	c->text[len > 0 ? len : 0] = '\0';
	take_times(c->text);
	dup2(c->before, STDERR_FILENO);
	close(c->before);
	fclose(c->file);
	return c->text;
}

static void test_logfmt(void **state)
{
	struct journal *j;
	struct capture c;

	unsetenv("JOURNAL_STREAM");
	begin(&c);
	j = journal_new(false);
	journal_note(j, JOURNAL_NOTICE, "plain", "word", "s:i, s:b, s:s", "n", 3, "yes", 1, "s",
		"eth0/7");
	journal_note(j, JOURNAL_WARNING, "quoted", "two words", "s:s, s:s, s:s, s:s", "q",
		"a\"b\\c", "nl", "x\ny\tz", "empty", "", "eq", "a=b");
	journal_note(j, JOURNAL_ERROR, "bytes", "bad \xff utf-8 \x1b[31m", "");
	journal_note(j, JOURNAL_DEBUG, "unseen", "debug", "");
	assert_string_equal(printed(&c),
		"level=notice event=plain message=word n=3 yes=true s=eth0/7\n"
		"level=warning event=quoted message=\"two words\" q=\"a\\\"b\\\\c\" "
		"nl=\"x\\ny\\tz\" empty=\"\" eq=\"a=b\"\n"
		"level=error event=bytes message=\"bad ? utf-8 \\x1b[31m\"\n");
	assert_int_equal(journal_last(j), 3);
	journal_free(j);
}

static void test_debug(void **state)
{
	struct capture c;
	struct journal *j;

	begin(&c);
	j = journal_new(true);
	journal_note(j, JOURNAL_DEBUG, "seen", "x", "");
	assert_string_equal(printed(&c), "level=debug event=seen message=x\n");
	journal_free(j);
}

static void note_under(const char *stream, struct capture *c)
{
	struct journal *j;

	setenv("JOURNAL_STREAM", stream, 1);
	j = journal_new(true);
	journal_note(j, JOURNAL_ERROR, "e", "m", "");
	journal_note(j, JOURNAL_DEBUG, "d", "m", "");
	unsetenv("JOURNAL_STREAM");
	printed(c);
	journal_free(j);
}

/* Levels only where stderr is the stream that systemd named: not after a redirection. */
static void test_levels(void **state)
{
	struct capture c;
	char stream[64];
	struct stat st;

	begin(&c);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
		(uint64_t)st.st_ino);
	note_under(stream, &c);
	assert_string_equal(c.text, "<3>level=error event=e message=m\n"
				    "<7>level=debug event=d message=m\n");

	begin(&c);
	note_under("1:2", &c);
	assert_string_equal(
		c.text, "level=error event=e message=m\nlevel=debug event=d message=m\n");
	begin(&c);
	note_under("nonsense", &c);
	assert_int_equal(c.text[0], 'l');
}

struct seen {
	uint64_t first, last, n, stop_after;
};

static bool see(const struct journal_event *e, void *data)
{
	struct seen *s = data;

	if (!s->n++)
		s->first = e->id;
	s->last = e->id;
	return s->n != s->stop_after;
}

static void assert_seen(
	const struct journal *j, uint64_t after, uint64_t first, uint64_t last, uint64_t n)
{
	struct seen s = {0};

	journal_since(j, after, see, &s);
	assert_int_equal(s.n, n);
	assert_int_equal(s.first, first);
	assert_int_equal(s.last, last);
}

static void test_ring(void **state)
{
	struct seen s = {.stop_after = 2};
	struct capture c;
	struct journal *j;

	begin(&c);
	j = journal_new(false);
	assert_seen(j, 0, 0, 0, 0);
	journal_note(j, JOURNAL_NOTICE, "e", "m", "");
	assert_seen(j, 0, 1, 1, 1);
	assert_seen(j, 1, 0, 0, 0);
	for (unsigned int i = 1; i < JOURNAL_KEPT; i++)
		journal_note(j, JOURNAL_NOTICE, "e", "m", "s:i", "i", (int)i);
	assert_seen(j, 0, 1, JOURNAL_KEPT, JOURNAL_KEPT);
	for (unsigned int i = 0; i < 10; i++)
		journal_note(j, JOURNAL_NOTICE, "f", "m", "");
	assert_seen(j, 0, 11, JOURNAL_KEPT + 10, JOURNAL_KEPT);
	assert_seen(j, 5, 11, JOURNAL_KEPT + 10, JOURNAL_KEPT);
	assert_seen(j, JOURNAL_KEPT, JOURNAL_KEPT + 1, JOURNAL_KEPT + 10, 10);
	assert_seen(j, UINT64_MAX - 1, 0, 0, 0);
	journal_since(j, 0, see, &s);
	assert_int_equal(s.n, 2);
	assert_int_equal(journal_count(j, "e"), JOURNAL_KEPT);
	assert_int_equal(journal_count(j, "f"), 10);
	assert_int_equal(journal_count(j, "g"), 0);
	printed(&c);
	journal_free(j);
}

struct heard {
	struct journal *journal;
	struct journal_listener *self;
	unsigned int n;
	json_t *last;
};

static void hear(const struct journal_event *e, void *data)
{
	struct heard *h = data;

	h->n++;
	json_decref(h->last);
	h->last = journal_json(e);
}

static void hear_once(const struct journal_event *e, void *data)
{
	struct heard *h = data;

	h->n++;
	journal_forget(h->journal, h->self);
}

static void test_listeners(void **state)
{
	struct heard all = {0}, once = {0};
	struct capture c;

	begin(&c);
	all.journal = once.journal = journal_new(false);
	all.self = journal_listen(all.journal, hear, &all);
	once.self = journal_listen(all.journal, hear_once, &once);
	journal_note(all.journal, JOURNAL_WARNING, "a", "first", "s:s", "kind", "not mine");
	journal_note(all.journal, JOURNAL_NOTICE, "b", "second", "s:i", "n", 2);
	journal_forget(all.journal, all.self);
	journal_note(all.journal, JOURNAL_NOTICE, "c", "third", "");
	printed(&c);
	assert_int_equal(all.n, 2);
	assert_int_equal(once.n, 1);
	assert_int_equal(json_integer_value(json_object_get(all.last, "id")), 2);
	assert_string_equal(json_string_value(json_object_get(all.last, "kind")), "b");
	assert_string_equal(json_string_value(json_object_get(all.last, "level")), "notice");
	assert_string_equal(json_string_value(json_object_get(all.last, "message")), "second");
	assert_int_equal(json_integer_value(json_object_get(all.last, "n")), 2);
	assert_true(json_integer_value(json_object_get(all.last, "at")) > 1600000000000);
	json_decref(all.last);
	journal_free(all.journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logfmt),
		cmocka_unit_test(test_debug),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
