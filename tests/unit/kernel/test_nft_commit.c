/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions: all or nothing, who is to blame, generations, and sizes. */
#include "nft_sample.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* A table with one map of @n elements: tcp . 1.x.x.x . port : 10.x.x.x . 80 */
static struct nft_set *big_table(struct sample *s, size_t n)
{
	struct nft_set *map;

	memset(s, 0, sizeof(*s));
	s->a = arena_new();
	s->t = nft_table_new(s->a, FAMILY_INET, "big");
	map = nft_set_new(s->a, s->t, "listeners", 0, TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT),
		TYPES(NFT_T_IPV4, NFT_T_PORT), n);
	for (size_t i = 0; i < n; i++) {
		uint8_t *e = nft_set_add(s->a, map, NOWHERE), *data = nft_set_elem_data(map, i);

		e[0] = PROTO_TCP;
		e[4] = 1 + i / 65535;
		put_port(e + 8, 1 + i % 65535);
		data[0] = 10;
		put_port(data + 2, i);
		put_port(data + 4, 80);
	}
	add_table_changes(s);
	return map;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void test_many_elements(void **state)
{
	const size_t n = 131070;
	double start, committed, read;
	struct nft_ruleset seen;
	struct nft_table *got;
	struct rusage usage;
	struct nft_set *map;
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	map = big_table(&s, n);
	start = now_s();
	commit(k, &s, 0);
	committed = now_s();
	observe(k, s.a, true, &seen);
	read = now_s();
	got = nft_table_find(&seen, FAMILY_INET, "big");
	assert_non_null(got);
	assert_same_elements(map, got->sets.items[0]);
	getrusage(RUSAGE_SELF, &usage);
	print_message("# %zu elements: commit %.3f s, dump %.3f s, at most %ld MiB of memory\n", n,
		committed - start, read - committed, usage.ru_maxrss / 1024);
	sample_fini(&s);
	kernel_close(k);
}

/* The text of the whole ruleset, counters aside. */
static char *ruleset_text(struct kernel *k)
{
	struct arena *a = arena_new();
	struct strbuf out = STRBUF_INIT;
	struct nft_ruleset seen;

	observe(k, a, true, &seen);
	VEC_EACH (&seen.tables, struct nft_table *, t)
		nft_print_table(&out, *t);
	arena_free(a);
	return strbuf_take(&out);
}

/* Commit must fail and leave no trace; which change and element it blames. */
static struct nft_failure commit_fails(
	struct kernel *k, const struct sample *s, uint32_t generation, int err)
{
	struct nft_failure f;
	char *before = ruleset_text(k), *after;
	uint32_t g = 0;
	int got;

	got = kernel_nft_commit(k, s->changes.items, s->changes.len, generation, &g, &f);
	if (got != err)
		fail_msg("%s (%s), not %s", strerror(-got), f.error.text, strerror(-err));
	assert_int_equal(f.error.err, -err);
	after = ruleset_text(k);
	assert_string_equal(before, after);
	free(before);
	free(after);
	return f;
}

/* Break each change in turn and see that it is named and that nothing is left of the others. */
static void test_failure_names_the_change(void **state)
{
	static const struct nft_chain missing = {.name = "missing"};
	struct nft_failure f;
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	sample_init(&s, "sample");
	for (size_t i = 0; i < s.changes.len; i++) {
		struct nft_change good = s.changes.items[i];

		s.changes.items[i] = (struct nft_change){.kind = NFT_DEL_CHAIN,
			.family = FAMILY_INET,
			.table = good.kind == NFT_ADD_TABLE ? "nowhere" : "sample",
			.chain = &missing};
		f = commit_fails(k, &s, 0, -ENOENT);
		assert_int_equal(f.change, i);
		assert_int_equal(f.element, -1);
		s.changes.items[i] = good;
	}
	commit(k, &s, 0);
	f = commit_fails(k, &s, 0, -EEXIST); /* it is there by now */
	assert_int_equal(f.change, 0);
	sample_fini(&s);
	kernel_close(k);
}

/* One element of a big map clashes with one that is there. */
static void test_failure_names_the_element(void **state)
{
	const size_t n = 10000, bad = 7777;
	struct nft_failure f;
	struct nft_change add = {.kind = NFT_ADD_ELEMENTS, .family = FAMILY_INET, .table = "big"};
	struct nft_set *map;
	struct sample s;
	struct kernel *k;
	uint8_t *e;

	NEEDS_NAMESPACE();
	k = open_kernel();
	map = big_table(&s, n);
	map->size = 2 * n; /* a hash that has to grow may refuse elements while it does */
	commit(k, &s, 0);
	s.changes.len = 0;
	vec_push(s.a, &s.changes, add);
	s.changes.items[0].set = map;
	e = nft_set_elem_data(map, bad);
	e[0] ^= 1; /* another value for a key that is there */
	f = commit_fails(k, &s, 0, -EEXIST);
	assert_int_equal(f.change, 0);
	assert_int_equal(f.element, bad);

	/* Every message fails: the first is the one that is named. */
	for (size_t i = 0; i < n; i++)
		nft_set_elem_data(map, i)[0] ^= 1;
	f = commit_fails(k, &s, 0, -EEXIST);
	assert_int_equal(f.change, 0);
	assert_int_equal(f.element, 0);
	sample_fini(&s);
	kernel_close(k);
}

static void test_failure_names_the_interval(void **state)
{
	struct nft_failure f;
	struct nft_set *set;
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	memset(&s, 0, sizeof(s));
	s.a = arena_new();
	s.t = nft_table_new(s.a, FAMILY_INET, "sample");
	set = nft_set_new(s.a, s.t, "clients", SET_INTERVAL, TYPES(NFT_T_IPV4), NULL, 0);
	add_interval(&s, set, "10.0.0.0", "10.0.0.255");
	add_interval(&s, set, "10.0.1.0", "10.0.1.255");
	add_interval(&s, set, "10.0.1.7", "10.0.1.9");
	add_table_changes(&s);
	f = commit_fails(k, &s, 0, -EEXIST);
	assert_int_equal(f.change, 2);
	assert_int_equal(f.element, 2);
	sample_fini(&s);
	kernel_close(k);
}

/* More errors than the receive queue holds. */
static void test_many_errors(void **state)
{
	const size_t n = 30000;
	struct nft_chain missing = {.name = "missing"};
	struct nft_failure f;
	struct sample s = {0};
	struct kernel *k;
	int small = 4096;

	NEEDS_NAMESPACE();
	k = open_kernel();
	s.a = arena_new();
	s.t = nft_table_new(s.a, FAMILY_INET, "sample");
	add_change(&s, NFT_ADD_TABLE);
	for (size_t i = 0; i < n; i++)
		add_change(&s, NFT_FLUSH_CHAIN)->chain = &missing;
	setsockopt(mnl_socket_get_fd(k->netfilter), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	f = commit_fails(k, &s, 0, -ENOENT);
	assert_int_equal(f.change, 1);
	s.changes.len = 1;
	commit(k, &s, 0); /* no stale error is taken for its answer */
	sample_fini(&s);
	kernel_close(k);
}

/* An error that is still in the queue from before is nobody's here. */
static void test_stale_answer(void **state)
{
	uint8_t buf[MNL_NLMSG_HDRLEN + 4] __attribute__((aligned(4))) = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	sample_init(&s, "sample");
	mnl_nlmsg_put_extra_header(nlh, 4);
	nlh->nlmsg_type = UINT16_MAX; /* no such thing */
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 12345;
	assert_true(mnl_socket_sendto(k->netfilter, nlh, nlh->nlmsg_len) > 0);
	commit(k, &s, 0);
	sample_fini(&s);
	kernel_close(k);
}

static void test_generation(void **state)
{
	struct kernel_error e = {0};
	struct nft_change del = {.kind = NFT_DEL_TABLE, .family = FAMILY_INET, .table = "sample"};
	uint32_t generation, after;
	struct nft_failure f;
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	sample_init(&s, "sample");
	ok(kernel_nft_generation(k, &generation, &e), e);
	f = commit_fails(k, &s, generation + 1, -ERESTART);
	assert_int_equal(f.change, -1);
	after = commit(k, &s, generation);
	assert_int_equal(after, generation + 1);
	ok(kernel_nft_generation(k, &generation, &e), e);
	assert_int_equal(after, generation);

	s.changes.len = 0;
	assert_int_equal(commit(k, &s, generation), generation); /* nothing to do is no commit */

	/* Replaced in one transaction. */
	vec_push(s.a, &s.changes, del);
	add_table_changes(&s);
	assert_int_equal(commit(k, &s, generation), generation + 1);
	s.changes.len = 1;
	assert_int_equal(commit(k, &s, 0), generation + 2);
	sample_fini(&s);
	kernel_close(k);
}

/* Elements go as they came, of every kind of set. */
static void test_delete_elements(void **state)
{
	struct nft_ruleset seen;
	struct nft_table *got;
	struct sample s;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	sample_init(&s, "sample");
	commit(k, &s, 0);
	s.changes.len = 0;
	VEC_EACH (&s.t->sets, struct nft_set *, set)
		add_change(&s, NFT_DEL_ELEMENTS)->set = *set;
	commit(k, &s, 0);
	observe(k, s.a, true, &seen);
	got = nft_table_find(&seen, FAMILY_INET, "sample");
	VEC_EACH (&s.t->sets, struct nft_set *, set)
		assert_int_equal(nft_set_find_named(got, (*set)->name)->len, 0);
	/* In one transaction with new ones, as a changed comment calls for. */
	s.changes.len = 0;
	VEC_EACH (&s.t->sets, struct nft_set *, set)
		add_change(&s, NFT_ADD_ELEMENTS)->set = *set;
	commit(k, &s, 0);
	VEC_EACH (&s.t->sets, struct nft_set *, set) {
		add_change(&s, NFT_DEL_ELEMENTS)->set = *set;
		add_change(&s, NFT_ADD_ELEMENTS)->set = *set;
	}
	commit(k, &s, 0);
	observe(k, s.a, true, &seen);
	assert_same_table(s.t, nft_table_find(&seen, FAMILY_INET, "sample"));
	sample_fini(&s);
	kernel_close(k);
}

/* In a user namespace the send buffer cannot be forced: what does not fit is refused whole, and what
 * fits works. Runs in a child, since there is no way back out. */
static int in_user_namespace(size_t too_many)
{
	struct nft_failure f;
	struct kernel_error e;
	struct sample s;
	struct kernel *k;
	uint32_t after;

	if (setgid(65534) < 0 || setuid(65534) < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	if (kernel_open(&k, &e) < 0)
		return 1;
	big_table(&s, too_many);
	if (kernel_nft_commit(k, s.changes.items, s.changes.len, 0, &after, &f) != -EMSGSIZE ||
		!strstr(f.error.text, "net.core.wmem_max"))
		return 2;
	sample_fini(&s);
	big_table(&s, too_many / 2);
	if (kernel_nft_commit(k, s.changes.items, s.changes.len, 0, &after, &f) != 0)
		return 3;
	return 0;
}

static void test_unprivileged(void **state)
{
	FILE *limit = fopen("/proc/sys/net/core/wmem_max", "r");
	int status = 0, wmem_max;
	pid_t child;

	assert_non_null(limit);
	assert_int_equal(fscanf(limit, "%d", &wmem_max), 1);
	fclose(limit);

	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(in_user_namespace(2 * (size_t)wmem_max / 40)); /* bytes of an element */
	;
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("# SKIP: no user namespaces here\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_elements),
		cmocka_unit_test(test_failure_names_the_change),
		cmocka_unit_test(test_failure_names_the_element),
		cmocka_unit_test(test_failure_names_the_interval),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_stale_answer),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_delete_elements),
		cmocka_unit_test(test_unprivileged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
