/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Confine: what a process may still do after it, and what not. Each in a child, since it is for good. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"

#if defined(__SANITIZE_ADDRESS__)
#define FILTERED 0
#else
#define FILTERED 1
#endif

/* Stop between the two steps: as a daemon whose config wants the fast path. */
static bool keeps_programs;

/* Run @check confined, and give its wait status. It returns what failed, or NULL; 99: not confined as it was
 * to be. */
static int confined(const char *(*check)(void), const char *mode)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct confinement c;
		const char *failed;

		if (mode)
			setenv("PORTREEVE_SECCOMP", mode, 1);
		else
			unsetenv("PORTREEVE_SECCOMP");
		c = confine_self();
		if (!keeps_programs)
			confine_programs();
		if (!c.kept != (FILTERED && !(mode && strcmp(mode, "off") == 0)))
			_exit(99);
		failed = check();
		if (failed)
			dprintf(2, "# failed: %s (%s)\n", failed, strerror(errno));
		_exit(failed ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void need_root(void)
{
	if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) != 1) {
		print_message("# SKIP: only root has rights to give up\n");
		skip();
	}
}

static void need_filter(void)
{
	if (!FILTERED) {
		print_message("# SKIP: a build with AddressSanitizer has no filter\n");
		skip();
	}
}

/* ---- capabilities ---- */

static bool says(const char *text, const char *key, const char *value)
{
	const char *at = strstr(text, key);

	return at && strncmp(at + strlen(key), value, strlen(value)) == 0;
}

/* What the kernel says of this process. */
static void read_status(char text[8192])
{
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, 8191);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

static const char *check_capabilities(void)
{
	static const char two[] = "\t0000000000003000\n", none[] = "\t0000000000000000\n";
	char text[8192];

	read_status(text);
	if (!says(text, "CapEff:", two) || !says(text, "CapPrm:", two) ||
		!says(text, "CapBnd:", two))
		return "exactly CAP_NET_ADMIN and CAP_NET_RAW";
	if (!says(text, "CapInh:", none) || !says(text, "CapAmb:", none))
		return "nothing inheritable or ambient";
	return says(text, "NoNewPrivs:", "\t1\n") ? NULL : "no new privileges";
}

static void test_capabilities(void **state)
{
	need_root();
	assert_int_equal(confined(check_capabilities, NULL), 0);
	assert_int_equal(confined(check_capabilities, "off"), 0);
}

static const char *check_programs(void)
{
	static const char four[] = "\t000000c000003000\n", two[] = "\t0000000000003000\n";
	char text[8192];

	read_status(text);
	if (!says(text, "CapEff:", four) || !says(text, "CapPrm:", four) ||
		!says(text, "CapBnd:", two))
		return "CAP_BPF and CAP_PERFMON too, but not for what would be executed";
	errno = 0;
	return syscall(SYS_bpf, -1, NULL, 0) < 0 && errno != ENOSYS ? NULL : "bpf";
}

/* And then no more, for good. */
static const char *check_programs_given_up(void)
{
	confine_programs();
	errno = 0;
	if (FILTERED && (syscall(SYS_bpf, -1, NULL, 0) == 0 || errno != ENOSYS))
		return "bpf";
	return check_capabilities();
}

static void test_programs(void **state)
{
	need_root();
	keeps_programs = true;
	assert_int_equal(confined(check_programs, NULL), 0);
	assert_int_equal(confined(check_programs_given_up, NULL), 0);
	keeps_programs = false;
}

/* ---- calls ---- */

#define REFUSED(call) (errno = 0, (call) < 0 && errno == ENOSYS)

static const char *check_refused(void)
{
	char *const argv[] = {"true", NULL};

	if (!REFUSED(execve("/bin/true", argv, argv)))
		return "execve";
	if (!REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL)))
		return "ptrace";
	if (!REFUSED(mount("none", "/mnt", "tmpfs", 0, NULL)))
		return "mount";
	if (!REFUSED(fork()))
		return "fork";
	if (!REFUSED(setns(0, 0)) || !REFUSED(unshare(CLONE_NEWNET)))
		return "namespaces";
	if (!REFUSED(kill(getppid(), 0)) || !REFUSED(syscall(SYS_bpf, 0, NULL, 0)))
		return "kill, bpf";
	if (!REFUSED(setuid(0)) || !REFUSED(chroot("/")))
		return "setuid, chroot";
	return NULL;
}

static const char *check_refused_arguments(void)
{
	static const int families[] = {AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_XDP};
	struct rlimit limit = {64, 64};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int both[2];

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (!REFUSED(socket(families[i], SOCK_RAW, 0)))
			return "a socket of a strange family";
	if (!REFUSED(socketpair(AF_TIPC, SOCK_STREAM, 0, both)))
		return "a pair of another family";
	if (page == MAP_FAILED || !REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC)))
		return "memory that becomes code";
	if (mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		MAP_FAILED)
		return "code that can be written";
	if (!REFUSED(setrlimit(RLIMIT_NOFILE, &limit)))
		return "setrlimit";
	return REFUSED(ioctl(0, TIOCSTI, "x")) ? NULL : "input for the terminal";
}

static void test_refused(void **state)
{
	need_filter();
	assert_int_equal(confined(check_refused, NULL), 0);
	assert_int_equal(confined(check_refused_arguments, NULL), 0);
}

static const char *one_execve(void)
{
	char *const argv[] = {"true", NULL};

	execve("/bin/true", argv, argv);
	return "it lives";
}

static const char *one_socket(void)
{
	socket(AF_PACKET, SOCK_RAW, 0);
	return "it lives";
}

static void test_kill(void **state)
{
	static const char *(*const calls[])(void) = {one_execve, one_socket};

	need_filter();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int status = confined(calls[i], "kill");

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
	/* Without the filter it is the file's business. */
	assert_int_equal(confined(one_execve, "off"), 0);
}

/* ---- what still works ---- */

static const char *check_netlink(void)
{
	struct {
		struct nlmsghdr head;
		struct rtgenmsg what;
	} ask = {{sizeof(ask), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
	char bytes[8192];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return "netlink";
	return recv(fd, bytes, sizeof(bytes), 0) > 0 ? NULL : "its answer";
}

static void *thread(void *data)
{
	*(int *)data = socket(AF_INET, SOCK_STREAM, 0);
	return data;
}

static const char *check_thread(void)
{
	int fd = -1;
	pthread_t one;
	void *done = NULL;

	if (pthread_create(&one, NULL, thread, &fd) != 0 || pthread_join(one, &done) != 0)
		return "a thread";
	return done == &fd && fd >= 0 ? NULL : "what it did";
}

static const char *check_probe(void)
{
	int mark = 1, fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	if (fd < 0)
		return "a raw socket";
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
		return "bound to a mark and a device";
	return NULL;
}

static const char *check_memory(void)
{
	char *large = malloc(64u << 20);

	if (!large)
		return "malloc";
	memset(large, 1, 64u << 20);
	large = realloc(large, 96u << 20);
	if (!large)
		return "realloc";
	free(large);
	return NULL;
}

static void test_what_works(void **state)
{
	assert_int_equal(confined(check_netlink, "kill"), 0);
	assert_int_equal(confined(check_thread, "kill"), 0);
	assert_int_equal(confined(check_memory, "kill"), 0);
	need_root();
	assert_int_equal(confined(check_probe, "kill"), 0);
}

/* abort() must look like one. */
static const char *aborts(void)
{
	abort();
}

static void test_abort(void **state)
{
	int status = confined(aborts, "kill");

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- the group ---- */

#define A_GROUP 54321

static char file[64];

static const char *check_gift(void)
{
	struct stat st;

	if (chown(file, (uid_t)-1, A_GROUP) < 0 || stat(file, &st) < 0 || st.st_gid != A_GROUP)
		return "a file for the group";
	return chown(file, (uid_t)-1, A_GROUP + 1) < 0 && chown(file, 1, (gid_t)-1) < 0
		       ? NULL
		       : "no file for others";
}

/* A daemon that is a member may give its socket to the group without any right. */
static void test_group(void **state)
{
	gid_t groups[64];
	int n, fd;
	pid_t pid;
	int status;

	need_root();
	strcpy(file, "/tmp/portreeve-confine-XXXXXX");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	close(fd);
	pid = fork();
	if (pid == 0) {
		if (confine_join(A_GROUP) != 0 || confine_join(A_GROUP) != 0)
			_exit(2);
		n = getgroups(64, groups);
		for (int i = 0, found = 0; i <= n; i++) {
			if (i == n && found != 1)
				_exit(3);
			found += i < n && groups[i] == A_GROUP;
		}
		_exit(confined(check_gift, NULL));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(file);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_what_works),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
