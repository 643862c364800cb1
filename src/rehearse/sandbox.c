/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Namespaces and processes of a sandbox.
 *
 * Theory of operation: three processes. The caller forks a keeper, which unshares the user (unless
 * root can do without), mount, network and process-id namespaces and forks the stage as process 1
 * of the latter. When the caller dies the keeper gets SIGKILL, when the keeper dies the stage does,
 * and when process 1 of a process-id namespace dies the kernel kills everything in it. With the
 * last process the namespaces go, and with these every interface, route and rule. Nothing needs
 * cleaning up, also after SIGKILL.
 *
 * Namespaces are bound to names in a tmpfs over /run that only the sandbox sees, as `ip netns`
 * does, so that ip(8) can be told about them by name.
 */
#include "rehearse/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns"
/* Ordinary users often lack the sbin directories. */
#define PROGRAM_PATH "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

static void refuse(struct sandbox_refusal *r, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse(struct sandbox_refusal *r, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	snprintf(r->hint, sizeof(r->hint), "%s", hint);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Become root of a new user namespace, which is what the caller was outside. */
static int new_user_namespace(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[32];
	int err;

	if (unshare(CLONE_NEWUSER) != 0)
		return -errno;
	/* Without it the group map may not be written (user_namespaces(7)); absent before 3.19. */
	err = write_file("/proc/self/setgroups", "deny");
	if (err && err != -ENOENT)
		return err;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	err = write_file("/proc/self/uid_map", map);
	if (err)
		return err;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map);
}

static int new_namespaces(struct sandbox_refusal *r)
{
	const int wanted = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID;
	int err;

	if (geteuid() == 0 && unshare(wanted) == 0)
		return 0;
	err = new_user_namespace();
	if (err) {
		refuse(r,
			"run it as root, or allow user namespaces: sysctl "
			"user.max_user_namespaces=10000 "
			"(Debian: kernel.unprivileged_userns_clone=1; Ubuntu: "
			"kernel.apparmor_restrict_unprivileged_userns=0)",
			"this system does not let ordinary users make namespaces: %s",
			strerror(-err));
		return err;
	}
	if (unshare(wanted) != 0) {
		err = -errno;
		refuse(r, "run it as root, outside of restricted containers",
			"namespaces are not to be had here: %s", strerror(-err));
		return err;
	}
	return 0;
}

static int own_run(struct sandbox_refusal *r)
{
	/* No mount of ours may be seen outside. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("portreeve", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0 ||
		mkdir(NETNS_DIR, 0755) != 0) {
		int err = -errno;

		/* AppArmor lets the namespace be made, but without any right in it. */
		refuse(r,
			"run it as root; on Ubuntu, or: sysctl "
			"kernel.apparmor_restrict_unprivileged_userns=0",
			"a directory /run of its own is not to be had: %s", strerror(-err));
		return err;
	}
	return 0;
}

/* The parent's death is this process's death. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(SANDBOX_REFUSED); /* it died before */
}

static int run_stage(int (*stage)(struct sandbox *, void *), void *data)
{
	struct sandbox sb = {.arena = arena_new()};
	int status;

	setenv("LC_ALL", "C", 1);
	setenv("XTABLES_LOCKFILE", "/run/xtables.lock", 1);
	/* What the applied plan remembers belongs in here, whatever the caller's environment says. */
	setenv("PORTREEVE_RUN_DIR", "/run/portreeve", 1);
	setenv("PORTREEVE_STATE_DIR", "/run/portreeve-state", 1);
	status = stage(&sb, data);
	arena_free(sb.arena);
	return status;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int keeper(int (*stage)(struct sandbox *, void *), void *data, struct sandbox_refusal *r,
	pid_t *inner_pid, pid_t parent)
{
	pid_t pid;

	if (new_namespaces(r) != 0 || own_run(r) != 0)
		return SANDBOX_REFUSED;
	/* Not earlier: a change of credentials clears it. */
	die_with(parent);
	pid = fork();
	if (pid < 0) {
		refuse(r, "", "cannot fork: %s", strerror(errno));
		return SANDBOX_REFUSED;
	}
	if (pid == 0) {
		/* The parent's id is 0 as seen from the new process-id namespace. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_stage(stage, data));
	}
	*inner_pid = pid;
	return wait_for(pid);
}

pid_t sandbox_spawn(int (*stage)(struct sandbox *sb, void *data), void *data,
	struct sandbox_refusal *refusal, pid_t *inner_pid)
{
	pid_t self = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(keeper(stage, data, refusal, inner_pid, self));
	return pid;
}

/* ---- within ---- */

int sandbox_add(struct sandbox *sb, const char *name)
{
	char *path = arena_printf(sb->arena, NETNS_DIR "/%s", name);
	struct sandbox_node *node;
	int fd = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);

	if (fd < 0)
		return -errno;
	close(fd);
	if (unshare(CLONE_NEWNET) != 0 ||
		mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) != 0)
		return -errno;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	node = vec_add(sb->arena, &sb->nodes);
	node->name = arena_strdup(sb->arena, name);
	node->fd = fd;
	return (int)sb->nodes.len - 1;
}

int sandbox_enter(struct sandbox *sb, unsigned int node)
{
	return setns(sb->nodes.items[node].fd, CLONE_NEWNET) == 0 ? 0 : -errno;
}

/* Runs in the forked child; never returns. */
static void become(struct sandbox *sb, unsigned int node, const char *const argv[], int in, int out)
{
	int err = sb ? sandbox_enter(sb, node) : 0;
	/* Outside, what is read is an answer; complaints would be taken for a part of it. */
	int errors = sb ? out : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (err == 0 && (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
				dup2(errors, STDERR_FILENO) < 0))
		err = -errno;
	if (err == 0) {
		setenv("PATH", PROGRAM_PATH, 1);
		execvp(argv[0], (char *const *)argv);
		err = -errno;
	}
	dprintf(out, "%s: %s\n", argv[0], strerror(-err));
	_exit(127);
}

/* A file in memory with @text in it, read from its start. */
static int memory_file(const char *text)
{
	int fd = memfd_create("portreeve", MFD_CLOEXEC);
	size_t len = text ? strlen(text) : 0;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		done += (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static void read_back(int fd, struct strbuf *output)
{
	char buf[4096];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_addn(output, buf, (size_t)n);
}

/* @sb NULL: where the caller is. */
static int run_program(struct sandbox *sb, unsigned int node, const char *const argv[],
	const char *input, struct strbuf *output)
{
	int in = memory_file(input), out = memory_file(NULL), status;
	pid_t pid;

	if (in < 0 || out < 0) {
		status = in < 0 ? in : out;
	} else if ((pid = fork()) < 0) {
		status = -errno;
	} else if (pid == 0) {
		become(sb, node, argv, in, out);
		_exit(127);
	} else {
		status = wait_for(pid);
		read_back(out, output);
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return status;
}

int sandbox_exec(struct sandbox *sb, unsigned int node, const char *const argv[], const char *input,
	struct strbuf *output)
{
	return run_program(sb, node, argv, input, output);
}

int program_run(const char *const argv[], const char *input, struct strbuf *output)
{
	return run_program(NULL, 0, argv, input, output);
}
