/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SSH session that a process was started over, and whether a plan would cut it. */
#include "report/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/conntrack.h"

#define MAX_ANCESTORS	64
#define MAX_ENVIRONMENT (1u << 20)

/* "CLIENT PORT SERVER PORT", as sshd sets SSH_CONNECTION. v6 link-local ones carry a zone. */
static bool parse_connection(const char *s, struct flow *f)
{
	char client[80], server[80];
	unsigned int sport, dport;

	if (sscanf(s, "%79s %5u %79s %5u", client, &sport, server, &dport) != 4)
		return false;
	client[strcspn(client, "%")] = '\0';
	server[strcspn(server, "%")] = '\0';
	*f = (struct flow){.proto = PROTO_TCP};
	if (ip_parse(client, &f->original.src) < 0 || ip_parse(server, &f->original.dst) < 0)
		return false;
	f->original.sport = (uint16_t)sport;
	f->original.dport = (uint16_t)dport;
	f->reply = (struct flow_tuple){.src = f->original.dst,
		.dst = f->original.src,
		.sport = f->original.dport,
		.dport = f->original.sport};
	return true;
}

static char *read_proc(struct arena *a, long pid, const char *file, size_t *len)
{
	char path[64], *text;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = arena_alloc(a, MAX_ENVIRONMENT + 1);
	*len = 0;
	for (;;) {
		ssize_t n = read(fd, text + *len, MAX_ENVIRONMENT - *len);

		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	close(fd);
	return text;
}

static long parent_of(struct arena *a, long pid)
{
	size_t len;
	char *stat = read_proc(a, pid, "stat", &len);
	char *behind = stat ? strrchr(stat, ')') : NULL;
	long parent = 0;

	if (behind && sscanf(behind + 1, " %*c %ld", &parent) != 1)
		parent = 0;
	return parent;
}

/* sudo and su drop the variable, so ancestors are asked too. */
enum session_look session_of(struct arena *a, pid_t of, const char **session)
{
	static const char name[] = "SSH_CONNECTION=";
	enum session_look look = SESSION_NONE;
	long pid = of;
	struct flow f;

	for (int i = 0; i < MAX_ANCESTORS && pid > 1; i++, pid = parent_of(a, pid)) {
		size_t len = 0;
		char *env;

		errno = 0;
		env = read_proc(a, pid, "environ", &len);
		if (!env && (errno == EACCES || errno == EPERM))
			look = SESSION_HIDDEN;
		for (size_t at = 0; env && at < len; at += strlen(env + at) + 1) {
			if (strncmp(env + at, name, sizeof(name) - 1) != 0 ||
				!parse_connection(env + at + sizeof(name) - 1, &f))
				continue;
			*session = env + at + sizeof(name) - 1;
			return SESSION_FOUND;
		}
	}
	return look;
}

struct search {
	const struct flow_tuple *reply; /* what this machine sends */
	struct flow *out;
	bool found;
};

static bool match_session(const struct flow *f, void *data)
{
	struct search *s = data;

	if (f->proto == PROTO_TCP && f->reply.sport == s->reply->sport &&
		f->reply.dport == s->reply->dport && ip_equal(&f->reply.src, &s->reply->src) &&
		ip_equal(&f->reply.dst, &s->reply->dst)) {
		*s->out = *f;
		s->found = true;
	}
	return false;
}

bool session_is_cut(struct kernel *k, struct arena *a, const char *text, const struct plan *p,
	bool allowed, struct diag *d)
{
	struct flow session, tracked;
	struct search s = {.reply = &session.reply, .out = &tracked};
	struct kernel_error e;
	size_t none;
	char client[IP_STRLEN], server[IP_STRLEN];
	struct span at;

	if (!text || !parse_connection(text, &session))
		return false;
	/* Conntrack knows what the session looked like on the wire, if it tracks it already. */
	if (kernel_conntrack_sweep(k, match_session, &s, &none, &e) == 0 && s.found)
		session = tracked;
	if (plan_judge_flow(p, &session, &at) == FLOW_UNTOUCHED)
		return false;
	ip_format(&session.original.src, client);
	ip_format(&session.original.dst, server);
	if (allowed) {
		diag_warning(d, at,
			"this cuts the SSH session you are in: %s port %u to %s port %u", client,
			session.original.sport, server, session.original.dport);
		return true;
	}
	diag_error(d, at,
		"this would cut the SSH session you are in: %s port %u to %s port %u is on this "
		"listener",
		client, session.original.sport, server, session.original.dport);
	diag_hint(d, "nothing was changed. Give the map another port, or another address (`on:`);\n"
		     "or try it with --confirm SECONDS, which goes back by itself; or --force it");
	return true;
}
