/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows from another state: an event, the hook, and for backends what the plan has to know. */
#include <stdio.h>

#include "daemon/hook.h"
#include "daemon/monitor_internal.h"

#define ADDRESSES_BYTES 1024u /* of an uplink, as the hook is told */

const char *monitor_backend_text(const struct backend *b, uint16_t port, char out[IP_STRLEN + 8])
{
	char text[IP_STRLEN];

	snprintf(out, IP_STRLEN + 8, b->addr.family == IP_V6 ? "[%s]:%u" : "%s:%u",
		ip_format(&b->addr, text), port);
	return out;
}

/* Addresses of an uplink, as the hook is told: "1.1.1.1 2001:db8::1". */
static void addresses_of(const struct subject *s, char out[ADDRESSES_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->way.n_addrs; i++) {
		char text[IP_STRLEN];

		ip_format(&s->way.addrs[i], text);
		if (len + strlen(text) + 2 > ADDRESSES_BYTES)
			return;
		len += (size_t)snprintf(
			out + len, ADDRESSES_BYTES - len, "%s%s", len ? " " : "", text);
	}
}

static void tell_uplink(struct subject *s, const char *kind, const char *message,
	enum journal_level level, int seconds)
{
	char addresses[ADDRESSES_BYTES];
	const struct hook_variable env[] = {
		{"PORTREEVE_EVENT", kind},
		{"PORTREEVE_UPLINK", s->uplink},
		{"PORTREEVE_STATE", health_name(s->health.state)},
		{"PORTREEVE_OLD_STATE", health_name(s->told)},
		{"PORTREEVE_REASON", s->health.reason},
		{"PORTREEVE_ADDRESSES", addresses},
	};

	addresses_of(s, addresses);
	journal_note(s->monitor->daemon->journal, level, kind, message, "s:s, s:s, s:s, s:s, s:i",
		"uplink", s->uplink, "state", health_name(s->health.state), "was",
		health_name(s->told), "reason", s->health.reason, "seconds", seconds);
	hook_run(s->monitor->daemon, s->uplink, env, sizeof(env) / sizeof(env[0]));
}

static void tell_backend(struct subject *s, const char *kind, const char *message,
	enum journal_level level, int seconds)
{
	char backend[IP_STRLEN + 8], subject[LIMIT_NAME + IP_STRLEN + 10];
	const struct hook_variable env[] = {
		{"PORTREEVE_EVENT", kind},
		{"PORTREEVE_MAP", s->map},
		{"PORTREEVE_BACKEND", monitor_backend_text(&s->backend, s->port, backend)},
		{"PORTREEVE_STATE", health_name(s->health.state)},
		{"PORTREEVE_OLD_STATE", health_name(s->told)},
		{"PORTREEVE_REASON", s->health.reason},
	};

	snprintf(subject, sizeof(subject), "%s %s", s->map, backend);
	journal_note(s->monitor->daemon->journal, level, kind, message,
		"s:s, s:s, s:s, s:s, s:s, s:i", "map", s->map, "backend", backend, "state",
		health_name(s->health.state), "was", health_name(s->told), "reason",
		s->health.reason, "seconds", seconds);
	daemon_learn_down(s->monitor->daemon, s->map, &s->backend, s->health.state == HEALTH_DOWN);
	hook_run(s->monitor->daemon, subject, env, sizeof(env) / sizeof(env[0]));
}

/*
 * Its state or reason is another. Not knowing is no news: after a start, and when a link is back, the
 * first rounds tell.
 */
void monitor_changed(struct subject *s)
{
	enum health_state state = s->health.state;
	uint64_t now = daemon_wall_ms();
	static const char *const kinds[][2] = {
		[HEALTH_UNKNOWN] = {"uplink-unknown", "backend-unknown"},
		[HEALTH_UP] = {"uplink-up", "backend-up"},
		[HEALTH_DEGRADED] = {"uplink-degraded", "backend-degraded"},
		[HEALTH_DOWN] = {"uplink-down", "backend-down"},
	};
	char message[HEALTH_REASON_BYTES + LIMIT_NAME + IP_STRLEN + 40];
	char backend[IP_STRLEN + 8];
	enum journal_level level = state == HEALTH_UP ? JOURNAL_NOTICE : JOURNAL_WARNING;
	int seconds = (int)((now - s->told_ms) / 1000);

	if (state == HEALTH_UNKNOWN || state == s->told)
		return;
	snprintf(message, sizeof(message), "%s%s%s is %s%s%s", s->uplink ? s->uplink : s->map,
		s->uplink ? "" : "'s backend ",
		s->uplink ? "" : monitor_backend_text(&s->backend, s->port, backend),
		health_name(state), s->health.reason[0] ? ": " : "", s->health.reason);
	if (s->uplink)
		tell_uplink(s, kinds[state][0], message, level, seconds);
	else
		tell_backend(s, kinds[state][1], message, level, seconds);
	s->told = state;
	s->told_ms = now;
}
