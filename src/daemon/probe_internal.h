/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of probes share among themselves; for others there is probe.h. */
#ifndef DAEMON_PROBE_INTERNAL_H
#define DAEMON_PROBE_INTERNAL_H

#include <net/if.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "daemon/probe.h"
#include "daemon/probe_dns.h"
#include "daemon/probe_icmp.h"

/* Datagrams that a probe looks at, in all and in one go: who floods is not read any further. */
#define PROBE_READS	     64u
#define PROBE_READS_AT_ONCE  8u
#define PROBE_DATAGRAM_BYTES 4096u
#define PROBE_RECEIVE_BYTES  16384 /* socket buffer of those that get datagrams */

struct prober {
	struct event_base *base;
	LIST_HEAD(probe_list, probe) probes;
	uint16_t echo_id, echo_sequence;
	CURLM *multi;
	struct event *multi_timer;
};

struct probe {
	LIST_ENTRY(probe) link;
	struct prober *prober;
	enum check_kind kind;
	struct ip_addr addr;
	uint16_t port;
	uint32_t timeout_ms;
	bool refused_is_answer;
	char interface[IFNAMSIZ]; /* of its way */
	struct ip_addr source;
	uint32_t mark;

	int fd; /* -1: none, or curl's */
	struct event *ready;
	struct event *timer; /* the time is up, or the answer is to be delivered */
	uint64_t started_us;
	unsigned int reads;
	bool decided;
	struct probe_answer answer;
	void (*answered)(const struct probe_answer *a, void *data);
	void *data;

	union {
		struct icmp_echo icmp;
		struct dns_question dns;
		struct {
			CURL *easy;
			struct curl_slist *headers;
			uint16_t expect_first, expect_last;
			size_t header_bytes;
			bool stopped; /* by us: what was asked for is known */
		} http;
	};
};

/*
 * The kinds. start(): 0 when the question is under way or already decided, -errno when descriptors or
 * memory ran out. stop() takes back what start() made, but for fd and ready.
 */
int probe_icmp_start(struct probe *p);
int probe_tcp_start(struct probe *p);
int probe_dns_start(struct probe *p, const struct probe_question *q);
int probe_http_start(struct probe *p, const struct probe_question *q);
void probe_http_stop(struct probe *p);

/* The answer; the first one counts. It is delivered from the loop, soon. */
void probe_ok(struct probe *p);
void probe_failed(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* It failed with this errno: the target's doing, or (@asked false) this machine's. */
void probe_error(struct probe *p, bool asked, const char *what, int err);

/*
 * A socket that goes the probe's way: non-blocking, bound to its interface, mark and source. -errno
 * when descriptors or memory ran out; -1 after it was decided that it cannot be asked.
 */
int probe_socket(struct probe *p, int family, int type, int protocol);
/* The same to be p->fd, connected to the target (with a port of 0 for raw ones); @events are told to
 * @ready. 0 also where it was decided; or -errno. */
int probe_connect(struct probe *p, int type, int protocol, short events, event_callback_fn ready);
/* Hand the datagrams that have come to @take, until the probe is decided or it was enough. */
void probe_read(struct probe *p, void (*take)(struct probe *p, const uint8_t *bytes, size_t len));

/* Sockets of curl's own, in the loop. */
int prober_http_init(struct prober *pr);
void prober_http_fini(struct prober *pr);

#endif
