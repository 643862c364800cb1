/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real connections to every listener that is tried.
 *
 * Theory of operation: a socket belongs to the network namespace in which it was made, so one
 * process makes them all, in the world for the clients, beside the backends for the servers, on the
 * lines for the sniffers, and one loop serves them all. A client's source port is the number of its
 * probe. It sends one line, "probe N round R"; the server notes whom it saw and answers "answer N
 * round R"; and the client is content once it has as many answers as it wants: one over TCP (whose
 * handshake went before), two over UDP, since some tools break only a flow's second packet.
 */
#include "rehearse/traffic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE	    100u  /* probes under way */
#define PATIENCE_MS 3000u /* for portreeve: even a lost first packet is no excuse */
#define NAIVE_MS    1300u /* for columns that are expected to fail: past TCP's first retry */
#define REFUSED_MS  1300u /* an answer would take a millisecond */
#define RESEND_MS   400u
#define LINGER_MS   60u /* for packets that are still on their way to the sniffers */
#define LINE_BYTES  64u
#define UDP_ROUNDS  2u
#define SCTP_TAG    0x70720000u /* plus the probe's number */

enum source_kind { SOURCE_SNIFFER, SOURCE_LISTENER, SOURCE_CONNECTION, SOURCE_CLIENT, SOURCE_SCTP };

/* Whatever the loop waits for. */
struct source {
	enum source_kind kind;
	int fd;
	struct sniffer *sniffer;
	const struct server *server; /* LISTENER, CONNECTION */
	struct client *client;
	uint8_t family;	       /* SCTP */
	unsigned int node;     /* SCTP */
	char line[LINE_BYTES]; /* CONNECTION, CLIENT: what has arrived of it */
	size_t len;
};

struct client {
	const struct rehearse_probe *probe;
	struct source *source;
	bool running;
	unsigned int round;
	uint64_t deadline_ms, resend_ms;
};

struct traffic {
	struct stage *st;
	int epoll;
	bool sctp_sockets; /* the kernel has them */
	VEC(struct server) servers;
	VEC(struct sniffer *) sniffers;
	VEC(struct source *) sctp; /* raw sockets */
	struct client *clients;	   /* one per probe */
	unsigned int next, running;
};

/* ---- small things ---- */

socklen_t sockaddr_fill(union sockaddr_any *out, const struct ip_addr *addr, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (addr->family == IP_V6) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		memcpy(&out->v6.sin6_addr, addr->bytes, 16);
		return sizeof(out->v6);
	}
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons(port);
	memcpy(&out->v4.sin_addr, addr->bytes, 4);
	return sizeof(out->v4);
}

struct ip_addr sockaddr_addr(const union sockaddr_any *s)
{
	if (s->any.sa_family == AF_INET6)
		return ip_from_bytes(IP_V6, &s->v6.sin6_addr);
	return ip_from_bytes(IP_V4, &s->v4.sin_addr);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct sighting *sighting_of(struct traffic *t, const struct client *c)
{
	return &t->st->report->sightings[c - t->clients];
}

static bool by_raw_sctp(const struct traffic *t, uint8_t proto)
{
	return proto == PROTO_SCTP && !t->sctp_sockets;
}

static struct source *watch(struct traffic *t, enum source_kind kind, int fd, uint32_t events)
{
	struct source *s = arena_new_of(t->st->arena, struct source);
	struct epoll_event ev = {.events = events, .data.ptr = s};

	s->kind = kind;
	s->fd = fd;
	if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		abort(); /* only for a descriptor that is none */
	return s;
}

static void unwatch(struct source *s)
{
	close(s->fd); /* which takes it out of the epoll set */
	s->fd = -1;
}

/* A bound socket of the node that was entered. */
static int bound_socket(const struct ip_addr *addr, uint16_t port, uint8_t proto)
{
	int type = proto == PROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1, err;
	int fd = socket(addr->family == IP_V6 ? AF_INET6 : AF_INET,
		type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
	union sockaddr_any at;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &at.any, sockaddr_fill(&at, addr, port)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* ---- servers ---- */

/* "probe N round R" and "answer N round R" */
static bool parse_line(const char *line, const char *word, unsigned int *probe, unsigned int *round)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 &&
	       sscanf(line + len, " %u round %u", probe, round) == 2;
}

/* Note who was seen, and write the answer into @line. False: not a request of ours. */
static bool serve(struct traffic *t, const struct server *server, const struct ip_addr *from,
	char line[LINE_BYTES])
{
	unsigned int i, round;
	struct sighting *s;

	if (!parse_line(line, "probe", &i, &round) || i >= t->st->what->probes.len)
		return false;
	s = &t->st->report->sightings[i];
	s->answered_by = server->role;
	s->saw = *from;
	s->saw_at = server->addr;
	s->saw_port = server->port;
	snprintf(line, LINE_BYTES, "answer %u round %u\n", i, round);
	return true;
}

static void on_datagram(struct traffic *t, struct source *s)
{
	union sockaddr_any from = {0};
	socklen_t from_len = sizeof(from);
	char line[LINE_BYTES] = "";
	ssize_t n = recvfrom(s->fd, line, sizeof(line) - 1, 0, &from.any, &from_len);
	struct ip_addr client;

	if (n <= 0)
		return;
	client = sockaddr_addr(&from);
	if (serve(t, s->server, &client, line) &&
		sendto(s->fd, line, strlen(line), 0, &from.any, from_len) < 0)
		return; /* the client will ask again */
}

static void on_listener(struct traffic *t, struct source *s)
{
	struct source *c;
	int fd;

	if (s->server->proto == PROTO_UDP) {
		on_datagram(t, s);
		return;
	}
	fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	c = watch(t, SOURCE_CONNECTION, fd, EPOLLIN);
	c->server = s->server;
}

static void on_connection(struct traffic *t, struct source *s)
{
	ssize_t n = recv(s->fd, s->line + s->len, sizeof(s->line) - 1 - s->len, 0);
	union sockaddr_any from = {0};
	socklen_t from_len = sizeof(from);
	struct ip_addr client;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		unwatch(s);
		return;
	}
	s->len += (size_t)n;
	if (!memchr(s->line, '\n', s->len))
		return;
	if (getpeername(s->fd, &from.any, &from_len) != 0)
		return;
	client = sockaddr_addr(&from);
	if (serve(t, s->server, &client, s->line) &&
		send(s->fd, s->line, strlen(s->line), MSG_NOSIGNAL) < 0)
		unwatch(s); /* the client went away */
	else
		s->len = 0; /* it hangs up when it has the answer */
}

static int open_server(struct traffic *t, const struct server *server)
{
	struct stage *st = t->st;
	int err = sandbox_enter(st->sb, server->node), fd;
	char text[IP_STRLEN];

	if (by_raw_sctp(t, server->proto)) {
		VEC_EACH (&t->sctp, struct source *, s)
			if ((*s)->node == server->node && (*s)->family == server->addr.family)
				return 0;
		fd = err ? err : sctp_open(server->addr.family);
		if (fd < 0)
			return stage_fail(st, -fd, "no raw socket for SCTP: %s", strerror(-fd));
		vec_push(st->arena, &t->sctp, watch(t, SOURCE_SCTP, fd, EPOLLIN));
		t->sctp.items[t->sctp.len - 1]->family = server->addr.family;
		t->sctp.items[t->sctp.len - 1]->node = server->node;
		return 0;
	}
	fd = err ? err : bound_socket(&server->addr, server->port, server->proto);
	if (fd >= 0 && server->proto != PROTO_UDP && listen(fd, SOMAXCONN) != 0) {
		err = errno;
		close(fd);
		fd = -err;
	}
	if (fd < 0)
		return stage_fail(st, -fd, "cannot serve %s %s:%u in the rehearsal: %s",
			ip_proto_name(server->proto), ip_format(&server->addr, text), server->port,
			strerror(-fd));
	watch(t, SOURCE_LISTENER, fd, EPOLLIN)->server = server;
	return 0;
}

static void want_server(struct traffic *t, const struct server *want)
{
	VEC_EACH (&t->servers, struct server, s)
		if (s->port == want->port && s->proto == want->proto &&
			ip_equal(&s->addr, &want->addr))
			return;
	vec_push(t->st->arena, &t->servers, *want);
}

static int open_servers(struct traffic *t)
{
	const struct topology *topology = t->st->topology;

	VEC_EACH (&t->st->what->probes, struct rehearse_probe, p) {
		VEC_EACH (&p->map->backends, struct backend, k) {
			struct server s = {k->addr, backend_port_for(k, p->listen, p->port),
				p->proto, ANSWERED_BY_BACKEND, TOPO_GATEWAY};

			VEC_EACH (&topology->backends, struct topo_backend, b)
				if (ip_equal(&b->addr, &k->addr) && b->inside != NO_INSIDE)
					s.node = topology->insides.items[b->inside].node;
			want_server(t, &s);
		}
	}
	/* Who is not let in must not reach a service of the gateway's own at that port either. */
	VEC_EACH (&t->st->what->probes, struct rehearse_probe, p) {
		struct server s = {
			p->address, p->port, p->proto, ANSWERED_BY_GATEWAY, TOPO_GATEWAY};

		if (p->refused && !by_raw_sctp(t, p->proto))
			want_server(t, &s);
	}
	VEC_EACH (&t->servers, struct server, s) {
		int err = open_server(t, s);

		if (err)
			return err;
	}
	return 0;
}

/* ---- clients ---- */

static void finish(struct traffic *t, struct client *c, bool answered, int error)
{
	struct sighting *s = sighting_of(t, c);

	s->answered = answered;
	s->client_error = error;
	c->running = false;
	if (c->source)
		unwatch(c->source);
	t->running--;
	t->st->report->done++;
}

static void untested(struct traffic *t, struct client *c, const char *what, int err)
{
	struct sighting *s = sighting_of(t, c);

	s->untested = true;
	snprintf(s->reason, sizeof(s->reason), "%s: %s", what, strerror(err));
	finish(t, c, false, 0);
}

static int sctp_socket(struct traffic *t, uint8_t family, unsigned int node)
{
	VEC_EACH (&t->sctp, struct source *, s)
		if ((*s)->family == family && (*s)->node == node)
			return (*s)->fd;
	return -1;
}

static void client_send(struct traffic *t, struct client *c)
{
	unsigned int i = (unsigned int)(c - t->clients);
	char line[LINE_BYTES];
	int n;

	c->resend_ms = now_ms() + RESEND_MS;
	if (by_raw_sctp(t, c->probe->proto)) {
		struct sctp_init init = {.sport = (uint16_t)(FIRST_CLIENT_PORT + i),
			.dport = c->probe->port,
			.initiate_tag = SCTP_TAG + i};
		int err = sctp_send(sctp_socket(t, c->probe->client.family, TOPO_WORLD),
			&c->probe->client, &c->probe->world, &init);

		if (err)
			untested(t, c, "cannot send SCTP", -err);
		return;
	}
	n = snprintf(line, sizeof(line), "probe %u round %u\n", i, c->round);
	if (send(c->source->fd, line, (size_t)n, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		finish(t, c, false, errno);
}

static void client_start(struct traffic *t, struct client *c)
{
	const struct rehearse_probe *p = c->probe;
	uint16_t port = (uint16_t)(FIRST_CLIENT_PORT + (unsigned int)(c - t->clients));
	unsigned int patience = t->st->column == COLUMN_PORTREEVE ? PATIENCE_MS : NAIVE_MS;
	union sockaddr_any to;
	socklen_t len = sockaddr_fill(&to, &p->world, p->port);
	int fd;

	c->running = true;
	t->running++;
	c->deadline_ms = now_ms() + (p->refused ? REFUSED_MS : patience);
	if (by_raw_sctp(t, p->proto)) {
		client_send(t, c);
		return;
	}
	fd = bound_socket(&p->client, port, p->proto);
	if (fd < 0) {
		untested(t, c, "no socket for the client", -fd);
		return;
	}
	if (connect(fd, &to.any, len) != 0 && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		finish(t, c, false, err);
		return;
	}
	c->source = watch(t, SOURCE_CLIENT, fd, p->proto == PROTO_UDP ? EPOLLIN : EPOLLOUT);
	c->source->client = c;
	if (p->proto == PROTO_UDP)
		client_send(t, c);
}

/* TCP: connected, or not. */
static void on_connected(struct traffic *t, struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c->source};
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(c->source->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if (err) {
		finish(t, c, false, err);
		return;
	}
	epoll_ctl(t->epoll, EPOLL_CTL_MOD, c->source->fd, &ev);
	client_send(t, c);
}

static void on_client(struct traffic *t, struct source *s, uint32_t events)
{
	unsigned int want = s->client->probe->proto == PROTO_UDP ? UDP_ROUNDS : 1, i, round;
	struct client *c = s->client;
	ssize_t n;

	if (events & EPOLLOUT) {
		on_connected(t, c);
		return;
	}
	n = recv(s->fd, s->line + s->len, sizeof(s->line) - 1 - s->len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		/* Over UDP an error is an ICMP message; a later try may do better. */
		if (c->probe->proto != PROTO_UDP)
			finish(t, c, false, n < 0 ? errno : ECONNRESET);
		else if (n < 0)
			sighting_of(t, c)->client_error = errno;
		return;
	}
	s->len += (size_t)n;
	s->line[s->len] = '\0';
	if (!memchr(s->line, '\n', s->len))
		return;
	s->len = 0;
	if (!parse_line(s->line, "answer", &i, &round) || i != (unsigned int)(c - t->clients) ||
		round != c->round)
		return; /* the answer to an earlier try */
	c->round++;
	if (c->round == want)
		finish(t, c, true, 0);
	else
		client_send(t, c);
}

/* An INIT at a backend, or an INIT ACK at a client. */
static void on_sctp(struct traffic *t, struct source *s)
{
	struct ip_addr src, dst;
	struct sctp_init in;
	int err = sctp_receive(s->fd, s->family, &src, &dst, &in);
	unsigned int i;

	if (err)
		return;
	i = (in.ack ? in.dport : in.sport) - FIRST_CLIENT_PORT;
	if (i >= t->st->what->probes.len || !by_raw_sctp(t, t->clients[i].probe->proto))
		return;
	if (in.ack && s->node == TOPO_WORLD) {
		if (t->clients[i].running && in.tag == SCTP_TAG + i &&
			ip_equal(&src, &t->clients[i].probe->world))
			finish(t, &t->clients[i], true, 0);
		return;
	}
	VEC_EACH (&t->servers, struct server, server) {
		struct sctp_init ack = {.sport = in.dport,
			.dport = in.sport,
			.ack = true,
			.tag = in.initiate_tag,
			.initiate_tag = ~in.initiate_tag};
		char line[LINE_BYTES];

		if (server->proto != PROTO_SCTP || server->port != in.dport || in.ack ||
			server->node != s->node || !ip_equal(&server->addr, &dst))
			continue;
		snprintf(line, sizeof(line), "probe %u round 0\n", i);
		if (serve(t, server, &src, line))
			sctp_send(s->fd, &dst, &src, &ack);
	}
}

static int open_client_sctp(struct traffic *t)
{
	bool wanted[2] = {false, false};

	VEC_EACH (&t->st->what->probes, struct rehearse_probe, p)
		if (by_raw_sctp(t, p->proto))
			wanted[topo_family(p->client.family)] = true;
	for (unsigned int f = 0; f < 2; f++) {
		struct source *s;
		int fd;

		if (!wanted[f])
			continue;
		fd = sandbox_enter(t->st->sb, TOPO_WORLD);
		fd = fd ? fd : sctp_open(f ? IP_V6 : IP_V4);
		if (fd < 0)
			return stage_fail(t->st, -fd, "no raw socket for SCTP: %s", strerror(-fd));
		s = watch(t, SOURCE_SCTP, fd, EPOLLIN);
		s->family = f ? IP_V6 : IP_V4;
		s->node = TOPO_WORLD;
		vec_push(t->st->arena, &t->sctp, s);
	}
	return 0;
}

/* ---- sniffers ---- */

static int add_sniffer(struct traffic *t, enum sniff_place place, unsigned int uplink,
	unsigned int node, const char *interface)
{
	struct sniffer *s = arena_new_of(t->st->arena, struct sniffer);
	int err = sandbox_enter(t->st->sb, node);

	if (err == 0)
		err = sniff_open(t->st, s, place, uplink, node, interface);
	if (err)
		return stage_fail(t->st, -err, "cannot watch %s in the rehearsal: %s", interface,
			strerror(-err));
	watch(t, SOURCE_SNIFFER, s->fd, EPOLLIN)->sniffer = s;
	vec_push(t->st->arena, &t->sniffers, s);
	return 0;
}

static int add_sniffers(struct traffic *t)
{
	const struct topology *topology = t->st->topology;
	int err = 0;

	VEC_EACH (&topology->uplinks, struct topo_uplink, u)
		if (err == 0)
			err = add_sniffer(t, SNIFF_ISP, (unsigned int)(u - topology->uplinks.items),
				u->node, u->wan);
	VEC_EACH (&topology->insides, struct topo_inside, in) {
		if (err == 0 && in->used)
			err = add_sniffer(t, SNIFF_LAN, 0, in->node, in->lan);
		if (err == 0 && in->used)
			err = add_sniffer(t, SNIFF_LINE, 0, in->node, in->line);
	}
	return err;
}

/* ---- the loop ---- */

static void dispatch(struct traffic *t, struct source *s, uint32_t events)
{
	if (s->fd < 0)
		return; /* closed by an event before this one */
	switch (s->kind) {
	case SOURCE_SNIFFER:
		sniff_read(t->st, s->sniffer);
		break;
	case SOURCE_LISTENER:
		on_listener(t, s);
		break;
	case SOURCE_CONNECTION:
		on_connection(t, s);
		break;
	case SOURCE_CLIENT:
		on_client(t, s, events);
		break;
	case SOURCE_SCTP:
		on_sctp(t, s);
		break;
	}
}

/* Wait up to @ms for events. */
static void turn(struct traffic *t, int ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(t->epoll, events, 64, ms);

	for (int i = 0; i < n; i++)
		dispatch(t, events[i].data.ptr, events[i].events);
}

static void check_timers(struct traffic *t)
{
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < t->next; i++) {
		struct client *c = &t->clients[i];
		bool resends = c->probe->proto == PROTO_UDP || by_raw_sctp(t, c->probe->proto);

		if (c->running && now >= c->deadline_ms)
			finish(t, c, false, ETIMEDOUT);
		else if (c->running && resends && now >= c->resend_ms)
			client_send(t, c);
	}
}

static void run(struct traffic *t)
{
	size_t n = t->st->what->probes.len;
	uint64_t end;

	while (t->next < n || t->running) {
		while (t->next < n && t->running < AT_ONCE)
			client_start(t, &t->clients[t->next++]);
		turn(t, 10);
		check_timers(t);
	}
	for (end = now_ms() + LINGER_MS; now_ms() < end;)
		turn(t, 10);
}

static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool has_sctp_sockets(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int stage_traffic(struct stage *st)
{
	size_t n = st->what->probes.len;
	struct traffic t = {.st = st, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	int err;

	if (t.epoll < 0)
		return stage_fail(st, errno, "no epoll: %s", strerror(errno));
	raise_file_limit();
	t.sctp_sockets = has_sctp_sockets();
	t.clients = arena_alloc(st->arena, n * sizeof(*t.clients));
	for (size_t i = 0; i < n; i++)
		t.clients[i].probe = &st->what->probes.items[i];
	err = add_sniffers(&t);
	if (err == 0)
		err = open_servers(&t);
	if (err == 0)
		err = open_client_sctp(&t);
	if (err == 0)
		err = sandbox_enter(st->sb, TOPO_WORLD); /* where clients are made */
	if (err == 0)
		run(&t);
	VEC_EACH (&t.sniffers, struct sniffer *, s)
		sniff_close(*s);
	close(t.epoll);
	return err;
}
