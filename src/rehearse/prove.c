/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves a journey: loads the state, sends its packets, and compares what nftables' trace and the
 * interfaces tell with the walk.
 *
 * The stage runs in a process of its own, within the sandbox; what it found comes back through shared
 * memory. Packets of one machine go their way at once, so a packet's fate is settled when nothing was
 * heard for a moment.
 */
#include "rehearse/prove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kernel/observe.h"
#include "rehearse/prove_parts.h"

#define QUIET_MS   40
#define ISN_CLIENT 1000u
#define ISN_SERVER 5000u
#define TCP_SYN	   0x02u
#define TCP_PSH	   0x08u
#define TCP_ACK	   0x10u

void prove_note(struct proof *p, const char *fmt, ...)
{
	size_t used = strlen(p->out->notes), room = sizeof(p->out->notes) - used;
	va_list ap;
	int n;

	p->out->complete = false;
	va_start(ap, fmt);
	n = vsnprintf(p->out->notes + used, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n + 1 < room)
		memcpy(p->out->notes + used + n, "\n", 2);
	else
		p->out->notes[used] = '\0'; /* rather no line than half of one */
}

int prove_fail(struct proof *p, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->out->failure, sizeof(p->out->failure), fmt, ap);
	va_end(ap);
	return -err;
}

/* ---- what was heard of one leg ---- */

/* Messages of one packet. */
struct heard {
	uint32_t id;
	bool own; /* this machine sent it */
	VEC(struct observed_step) steps;
};

struct hearing {
	struct proof *proof;
	struct kernel *kernel;
	struct watch *watch;
	struct netstate *net; /* as loaded */
	struct journey journey;
	struct prove_traffic *traffic;
	VEC(struct heard) heard;
	size_t lost;
	struct observed_leg legs[LEG_COUNT_];
	uint32_t server_seq;
};

static void on_traced(const struct nft_trace_message *m, void *data)
{
	struct hearing *h = data;
	struct heard *of = NULL;

	VEC_EACH (&h->heard, struct heard, it)
		if (it->id == m->id)
			of = it;
	if (!of) {
		of = vec_add(h->proof->arena, &h->heard);
		of->id = m->id;
		of->own = !m->step.in;
	}
	if (strcmp(m->step.table, WATCH_TABLE) != 0)
		vec_push(h->proof->arena, &of->steps, m->step);
}

static void on_frame(const struct watch_frame *f, void *data)
{
	(void)f;
	(void)data;
}

static void on_flow(const struct net_flow *f, void *data)
{
	(void)f;
	(void)data;
}

static int listen_quietly(struct hearing *h)
{
	struct watch_sink sink = {on_traced, on_frame, on_flow, h};
	int n;

	while ((n = watch_wait(h->watch, h->proof->arena, QUIET_MS, &sink, &h->lost)) > 0)
		;
	prove_frames(h->traffic);
	return n;
}

static void forget(struct hearing *h)
{
	prove_forget(h->traffic);
	h->heard.len = 0;
}

/* Put together what became of the packet of @kind, which this machine sent itself (@own) or not. */
static void settle(struct hearing *h, enum journey_leg_kind kind, bool own, const char *in)
{
	bool reply = kind == LEG_REPLY;
	struct observed_leg *leg = &h->legs[kind];
	const struct prove_sighting *left = prove_left(h->traffic, reply);
	const struct prove_sighting *here = prove_delivered(h->traffic, reply);

	leg->seen = true;
	leg->in = in;
	VEC_EACH (&h->heard, struct heard, it)
		if (it->own == own && !leg->steps.len)
			VEC_EACH (&it->steps, struct observed_step, s)
				vec_push(h->proof->arena, &leg->steps, *s);
	if (left) {
		leg->out = left->interface;
		leg->last = left->packet;
	}
	leg->delivered = !left && here;
	leg->answered_refusal = !left && !here && prove_refused(h->traffic);
	if (reply && left)
		h->server_seq = left->seq;
	else if (reply && here)
		h->server_seq = here->seq;
}

/* ---- the three packets ---- */

static struct packet first_packet(const struct journey_question *q)
{
	return (struct packet){.family = q->dst.family,
		.proto = q->proto,
		.saddr = q->src,
		.daddr = q->dst,
		.sport = q->sport,
		.dport = q->dport,
		.icmp_type = q->proto == PROTO_ICMP ? 8 : 128,
		.tcp_flags = TCP_SYN};
}

static int request(struct hearing *h)
{
	const struct journey_question *q = &h->journey.question;
	struct packet p = first_packet(q);
	struct prove_packet bytes;
	int err;

	if (q->from_here) {
		/* What the kernel refuses to send has come to its end too. */
		prove_connect(h->traffic, q);
	} else {
		prove_write(&bytes, &p, ISN_CLIENT, 0);
		err = prove_inject(h->traffic, h->journey.in, &bytes);
		if (err)
			return err;
	}
	err = listen_quietly(h);
	settle(h, LEG_REQUEST, q->from_here, q->from_here ? NULL : h->journey.in);
	return err;
}

/* What the far side answers to what left. */
static void answer_to(const struct prove_sighting *s, struct prove_packet *out)
{
	struct packet p = s->packet;

	p.saddr = s->packet.daddr;
	p.daddr = s->packet.saddr;
	p.sport = s->packet.dport;
	p.dport = s->packet.sport;
	p.tcp_flags = TCP_SYN | TCP_ACK;
	p.icmp_type = p.proto == PROTO_ICMP ? 0 : 129;
	prove_write(out, &p, ISN_SERVER, s->seq + 1);
}

static int reply_from_beyond(struct hearing *h)
{
	const struct prove_sighting *left = prove_left(h->traffic, false);
	const char *in = left->interface;
	struct prove_packet bytes;
	int err;

	answer_to(left, &bytes);
	forget(h);
	err = prove_inject(h->traffic, in, &bytes);
	if (err == 0)
		err = listen_quietly(h);
	settle(h, LEG_REPLY, false, in);
	return err;
}

static int reply_from_here(struct hearing *h)
{
	uint8_t proto = h->journey.question.proto;
	const struct prove_sighting *here = prove_delivered(h->traffic, false);
	int err = 0;

	/* TCP and echoes are answered as they come. */
	if (proto == PROTO_UDP) {
		prove_answer_udp(h->traffic, here->packet.dport);
		err = listen_quietly(h);
	}
	settle(h, LEG_REPLY, true, NULL);
	return err;
}

static int later(struct hearing *h)
{
	const struct journey_question *q = &h->journey.question;
	struct packet p = first_packet(q);
	struct prove_packet bytes;
	int err;

	if (q->from_here) { /* a client of TCP has acknowledged by itself */
		if (q->proto == PROTO_TCP)
			settle(h, LEG_LATER, true, NULL);
		return 0;
	}
	p.tcp_flags = TCP_PSH | TCP_ACK;
	forget(h);
	prove_write(&bytes, &p, ISN_CLIENT + 1, h->server_seq + 1);
	err = prove_inject(h->traffic, h->journey.in, &bytes);
	if (err == 0)
		err = listen_quietly(h);
	settle(h, LEG_LATER, false, h->journey.in);
	return err;
}

static int send_all(struct hearing *h)
{
	const struct observed_leg *legs = h->legs;
	int err = request(h);

	if (err == 0 && legs[LEG_REQUEST].out)
		err = reply_from_beyond(h);
	else if (err == 0 && legs[LEG_REQUEST].delivered)
		err = reply_from_here(h);
	if (err == 0 && (legs[LEG_REPLY].out || legs[LEG_REPLY].delivered))
		err = later(h);
	return err;
}

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_leg(const struct journey_leg *a, const struct journey_leg *b)
{
	return a->walked == b->walked &&
	       (!a->walked ||
		       (a->end == b->end && same_text(a->in, b->in) && same_text(a->out, b->out) &&
			       ip_equal(&a->last.saddr, &b->last.saddr) &&
			       ip_equal(&a->last.daddr, &b->last.daddr) &&
			       a->last.sport == b->last.sport && a->last.dport == b->last.dport));
}

/* The first leg that the two walks see otherwise; LEG_COUNT_: none. */
static unsigned int differing_leg(const struct journey_way *a, const struct journey_way *b)
{
	unsigned int i = 0;

	while (i < LEG_COUNT_ && same_leg(&a->legs[i], &b->legs[i]))
		i++;
	return i;
}

/* A later packet of the gateway itself is not made for every protocol. */
static bool is_comparable(const struct hearing *h, unsigned int leg)
{
	const struct journey_question *q = &h->journey.question;

	return leg != LEG_LATER || !q->from_here || q->proto == PROTO_TCP;
}

static size_t compare_way(
	struct hearing *h, const struct journey_way *w, struct observed_differences out[LEG_COUNT_])
{
	size_t n = 0;

	memset(out, 0, LEG_COUNT_ * sizeof(*out));
	for (unsigned int i = 0; i < LEG_COUNT_; i++) {
		if (is_comparable(h, i))
			observed_compare(h->proof->arena, &w->legs[i], &h->legs[i], &out[i]);
		n += out[i].items.len;
	}
	return n;
}

static void add_step(struct prove_leg *leg, enum prove_who who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add_step(struct prove_leg *leg, enum prove_who who, const char *fmt, ...)
{
	struct prove_step *s = &leg->steps[leg->n_steps];
	va_list ap;

	leg->agrees = leg->agrees && who == PROVE_BOTH;
	if (leg->n_steps == PROVE_MAX_STEPS) {
		leg->more_steps = true;
		return;
	}
	s->who = who;
	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	leg->n_steps++;
}

static const struct observed_difference *difference_at(
	const struct observed_differences *d, const struct journey_step *s)
{
	VEC_EACH (&d->items, const struct observed_difference, it)
		if (it->walked == s)
			return it;
	return NULL;
}

static void describe_end(
	const struct hearing *h, const struct observed_leg *seen, struct prove_leg *out)
{
	const char *end = seen->out		   ? "forwarded"
			  : seen->delivered	   ? "local"
			  : seen->answered_refusal ? "rejected"
						   : "dropped";
	char src[IP_STRLEN], dst[IP_STRLEN];

	out->seen = seen->seen;
	if (!seen->seen)
		return;
	snprintf(out->end, sizeof(out->end), "%s", end);
	snprintf(out->in, sizeof(out->in), "%s", seen->in ? seen->in : "");
	snprintf(out->out, sizeof(out->out), "%s", seen->out ? seen->out : "");
	if (!seen->out)
		return;
	if (packet_knows(&seen->last, PKT_SPORT | PKT_DPORT) &&
		h->journey.question.proto != PROTO_ICMP &&
		h->journey.question.proto != PROTO_ICMPV6)
		snprintf(out->left_as, sizeof(out->left_as),
			seen->last.family == IP_V6 ? "[%s]:%u > [%s]:%u" : "%s:%u > %s:%u",
			ip_format(&seen->last.saddr, src), seen->last.sport,
			ip_format(&seen->last.daddr, dst), seen->last.dport);
	else
		snprintf(out->left_as, sizeof(out->left_as), "%s > %s",
			ip_format(&seen->last.saddr, src), ip_format(&seen->last.daddr, dst));
}

static void report_leg(struct hearing *h, unsigned int kind, const struct journey_leg *walked,
	const struct observed_differences *d)
{
	struct prove_leg *out = &h->proof->out->legs[kind];
	const struct journey_step *at = walked->steps.items;

	describe_end(h, &h->legs[kind], out);
	out->walked = walked->walked;
	out->agrees = true;
	for (size_t i = 0; is_comparable(h, kind) && i < walked->steps.len; i++, at++) {
		bool missed = difference_at(d, at) != NULL;

		if (at->rule.kind == STEP_RULE && at->rule.rule && at->rule.table)
			add_step(out, missed ? PROVE_ONLY_WALK : PROVE_BOTH, "%s, %s: %s",
				nft_table_words(h->proof->arena, at->rule.table),
				at->rule.chain->name,
				nft_rule_words(h->proof->arena, at->rule.table, at->rule.chain,
					at->rule.rule));
		else if (at->text)
			add_step(out, PROVE_BOTH, "%s", at->text);
	}
	VEC_EACH (&d->items, const struct observed_difference, it)
		if (!it->walked)
			add_step(out, it->seen ? PROVE_ONLY_KERNEL : PROVE_OTHERWISE, "%s",
				it->text);
}

/* Connections that the state knows are not in the sandbox's conntrack. */
static void note_connections(struct proof *p)
{
	VEC_EACH (&p->journey->ways, const struct journey_way, w)
		VEC_EACH (&w->legs[LEG_REQUEST].steps, const struct journey_step, s)
			if (s->stage == STAGE_CONNTRACK &&
				s->after.ct_state & (CT_ESTABLISHED | CT_RELATED)) {
				prove_note(p, "the state's conntrack entry of this connection: it "
					      "is a new one here");
				return;
			}
}

/* The way that the kernel took: the one with the fewest differences. */
static void compare(struct hearing *h)
{
	struct prove_result *out = h->proof->out;
	struct observed_differences best[LEG_COUNT_] = {0}, now[LEG_COUNT_];
	size_t least = SIZE_MAX, taken = 0;
	static const char *const legs[] = {[LEG_REQUEST] = "the request",
		[LEG_REPLY] = "the reply",
		[LEG_LATER] = "a later request"};
	const struct journey_way *way;
	unsigned int differs = 0;
	bool known = false;

	for (size_t i = 0; i < h->journey.ways.len && least > 0; i++) {
		size_t n = compare_way(h, &h->journey.ways.items[i], now);

		if (n < least) {
			least = n;
			taken = i;
			memcpy(best, now, sizeof(best));
		}
	}
	way = &h->journey.ways.items[taken];
	for (unsigned int i = 0; i < LEG_COUNT_; i++)
		report_leg(h, i, &way->legs[i], &best[i]);
	for (size_t i = 0; !known && i < h->proof->journey->ways.len; i++) {
		unsigned int leg = differing_leg(&h->proof->journey->ways.items[i], way);

		known = leg == LEG_COUNT_;
		out->way = known ? i : 0;
		differs = leg;
	}
	note_connections(h->proof);
	if (!known)
		prove_note(h->proof, "what was loaded is walked otherwise than what was given: %s",
			legs[differs]);
	out->agrees = least == 0 && known && h->lost == 0;
	if (h->lost)
		prove_note(h->proof, "the kernel told more than could be taken in");
}

/* ---- the stage ---- */

static int observe(struct hearing *h)
{
	struct kernel_error e = {0};
	int err = kernel_open(&h->kernel, &e);

	h->net = arena_new_of(h->proof->arena, struct netstate);
	if (err == 0)
		err = kernel_observe(h->kernel, h->proof->arena,
			OBSERVE_NETWORK | OBSERVE_SYSCTLS | OBSERVE_RULESET | OBSERVE_ELEMENTS |
				OBSERVE_IPSETS | OBSERVE_LEGACY,
			h->net, &e);
	if (err)
		return prove_fail(h->proof, -err, "cannot look at the sandbox: %s", e.text);
	return 0;
}

static void walk_again(struct hearing *h)
{
	struct journey_question q = h->proof->journey->question;

	q.in = q.from_here ? NULL : h->proof->journey->in;
	q.returns = RETURN_THROUGH_US;
	q.length = 0;
	journey_walk(h->proof->arena, h->net, &q, &h->journey);
}

/* Somebody listens wherever the walk says that a request could be delivered. */
static int open_traffic(struct hearing *h)
{
	uint16_t ports[JOURNEY_MAX_WAYS];
	size_t n = 0;

	VEC_EACH (&h->journey.ways, const struct journey_way, w) {
		const struct journey_leg *leg = &w->legs[LEG_REQUEST];
		bool known = leg->end != JOURNEY_LOCAL || !leg->last.dport;

		for (size_t i = 0; i < n; i++)
			known |= ports[i] == leg->last.dport;
		if (!known)
			ports[n++] = leg->last.dport;
	}
	return prove_traffic_open(h->proof, h->net, ports, n, &h->traffic);
}

static int open_watch(struct hearing *h)
{
	const struct journey_question *q = &h->journey.question;
	struct kernel_error e = {0};
	struct watch_filter filter = {.proto = q->proto,
		.dst = ip_prefix_of(&q->dst, (uint8_t)ip_bits(q->dst.family)),
		.dport = q->dport,
		.in = q->from_here ? NULL : h->journey.in};
	int err;

	if (q->src.family)
		filter.src = ip_prefix_of(&q->src, (uint8_t)ip_bits(q->src.family));
	err = watch_open(h->kernel, h->proof->arena, h->net, &filter, &h->watch, &e);
	if (err)
		return prove_fail(h->proof, -err, "cannot trace in the sandbox: %s", e.text);
	return 0;
}

static int stage(struct sandbox *sb, void *data)
{
	struct proof *p = data;
	struct hearing h = {.proof = p};
	int err;

	p->sb = sb;
	p->arena = sb->arena;
	p->out->complete = true;
	err = prove_load(p);
	if (err == 0)
		err = observe(&h);
	if (err == 0) {
		walk_again(&h);
		if (!h.journey.in && !h.journey.question.from_here)
			err = prove_fail(p, EINVAL, "it is not known where the packet comes in");
	}
	if (err == 0)
		err = open_watch(&h);
	if (err == 0) {
		err = open_traffic(&h);
		if (err == 0)
			err = send_all(&h);
		if (err)
			prove_fail(p, -err, "cannot send the packets: %s", strerror(-err));
	}
	if (err == 0)
		compare(&h);
	prove_traffic_close(h.traffic);
	watch_close(h.watch);
	kernel_close(h.kernel);
	return err ? 1 : 0;
}

/* ---- outside ---- */

/* In memory that the stage shares. */
struct shared {
	struct sandbox_refusal refusal;
	pid_t inner;
	struct prove_result result;
};

static const char *program_text(struct arena *a, const char *const argv[])
{
	struct strbuf b = STRBUF_INIT;
	const char *text = "";

	if (program_run(argv, NULL, &b) == 0)
		text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

/* This machine's own rule sets, as dumps. */
static size_t read_live(struct arena *a, const struct dump_file **out)
{
	static const struct {
		const char *name;
		const char *argv[5];
	} sources[] = {
		{"ipset.txt", {"ipset", "save"}},
		{"iptables-save.txt", {"iptables-nft-save"}},
		{"ip6tables-save.txt", {"ip6tables-nft-save"}},
		{"iptables-legacy-save.txt", {"iptables-legacy-save"}},
		{"ip6tables-legacy-save.txt", {"ip6tables-legacy-save"}},
		{"nft.txt", {"nft", "-s", "list", "ruleset"}},
	};
	size_t n = sizeof(sources) / sizeof(sources[0]);
	struct dump_file *files = arena_alloc(a, n * sizeof(*files));

	for (size_t i = 0; i < n; i++) {
		files[i].name = sources[i].name;
		files[i].text = program_text(a, sources[i].argv);
		files[i].len = strlen(files[i].text);
	}
	*out = files;
	return n;
}

static int wait_for_stage(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int prove_run(struct arena *a, const struct netstate *net, const struct journey *journey,
	const struct dump_file *files, size_t n_files, struct prove_result *out,
	struct sandbox_refusal *refusal)
{
	struct proof p = {.net = net, .journey = journey, .files = files, .n_files = n_files};
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	if (s == MAP_FAILED)
		return -ENOMEM;
	if (!files)
		p.n_files = read_live(a, &p.files);
	p.out = &s->result;
	pid = sandbox_spawn(stage, &p, &s->refusal, &s->inner);
	status = pid < 0 ? pid : wait_for_stage(pid);
	*out = s->result;
	*refusal = s->refusal;
	munmap(s, sizeof(*s));
	if (status == SANDBOX_REFUSED)
		return -EPERM;
	if (status > 0 && !out->failure[0])
		snprintf(out->failure, sizeof(out->failure), "it ended before its time");
	return status > 0 ? -EIO : status;
}
