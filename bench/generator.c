/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the packet generator: `generator CPU CLIENT UPLINK-END GATEWAY UPLINK INSIDE BACKEND ITS-END`,
 * three network namespaces and the devices in them, client to backend.
 *
 * It reads one command a line and answers with a line of JSON each, until its input ends:
 *
 *	flows N PUBLIC PORT BACKEND PORT	what is sent from now on, see generator.h
 *	prime					every flow once each way, twice, so that each is assured
 *	walk N					only the first N of them from now on
 *	run requests|replies WARM-UP SECONDS RATE	packets; rate 0: as many as go
 *	start requests|replies RATE		... without an end
 *	stop					... and its end
 *	limit none|drop|redirect		XDP programs on the gateway's own devices
 *
 * The sending thread is bound to CPU; frames are live ones of BPF_PROG_TEST_RUN. Everything that was
 * attached goes with the process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "generator.h"
#include "generator.skel.h"

#define BATCH	     64
#define FRAME_BYTES  60
#define CPUS_MAX     1024
#define PRIME_ROUNDS 20
#define START_S	     10.0
#define STREAM_S     2.1 /* until conntrack takes a UDP flow for a stream, and assured */

enum place { CLIENT, UPLINK, INSIDE, BACKEND, PLACES };

struct end {
	int netns;
	unsigned int ifindex;
	unsigned char mac[6];
	struct bpf_link *link;
};

struct generator {
	struct generator_bpf *bpf;
	struct end ends[PLACES];
	struct flow *flows;
	size_t flows_bytes;
	struct tally before[DIRECTIONS];
	int home, cpus, cpu;
	pthread_t thread;
	bool running;
	volatile bool stopping;
};

static void die(const char *what)
{
	fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_s(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds};

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET) < 0)
		die("setns");
}

/* ---- what is where ---- */

static void find_end(struct end *e, const char *netns, const char *device)
{
	char path[300];
	struct ifreq request = {0};
	int sock;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	e->netns = open(path, O_RDONLY | O_CLOEXEC);
	if (e->netns < 0)
		die(path);
	enter(e->netns);
	e->ifindex = if_nametoindex(device);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (!e->ifindex || sock < 0 || ioctl(sock, SIOCGIFHWADDR, &request) < 0)
		die(device);
	memcpy(e->mac, request.ifr_hwaddr.sa_data, sizeof(e->mac));
	close(sock);
}

static void set_course(struct generator *g, enum direction way, enum place from, enum place to)
{
	struct course *c = &g->bpf->bss->courses[way];

	c->ifindex = g->ends[from].ifindex;
	memcpy(c->from, g->ends[from].mac, sizeof(c->from));
	memcpy(c->to, g->ends[to].mac, sizeof(c->to));
}

static void attach(struct generator *g, enum place place, struct bpf_program *program)
{
	struct end *e = &g->ends[place];

	bpf_link__destroy(e->link);
	e->link = NULL;
	if (!program)
		return;
	enter(e->netns);
	e->link = bpf_program__attach_xdp(program, (int)e->ifindex);
	enter(g->home);
	if (!e->link)
		die("attach");
}

static bool limit(struct generator *g, const char *what)
{
	bool drop = strcmp(what, "drop") == 0, redirect = strcmp(what, "redirect") == 0;

	if (!drop && !redirect && strcmp(what, "none") != 0)
		return false;
	/* Nothing is translated on the way, so replies go straight to the clients. */
	for (unsigned int i = 0; (drop || redirect) && i < g->bpf->bss->count_of_flows; i++)
		g->flows[i] = (struct flow){.addr = htonl(CLIENTS_FIRST + i % CLIENTS),
			.port = htons((uint16_t)(PORT_FIRST + i % FLOWS_PER_PORT))};
	g->bpf->bss->translated = !drop && !redirect;
	g->bpf->bss->redirect_to[REQUESTS] = g->ends[INSIDE].ifindex;
	g->bpf->bss->redirect_to[REPLIES] = g->ends[UPLINK].ifindex;
	attach(g, UPLINK,
		drop	   ? g->bpf->progs.sink_requests
		: redirect ? g->bpf->progs.redirect_requests
			   : NULL);
	attach(g, INSIDE,
		drop	   ? g->bpf->progs.sink_replies
		: redirect ? g->bpf->progs.redirect_replies
			   : NULL);
	printf("{}\n");
	return true;
}

static void load(struct generator *g, unsigned int flows)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	g->bpf = generator_bpf__open();
	if (!g->bpf || bpf_map__set_max_entries(g->bpf->maps.flows, flows) ||
		generator_bpf__load(g->bpf))
		die("load");
	g->flows_bytes = (flows * sizeof(struct flow) + page - 1) / page * page;
	g->flows = mmap(NULL, g->flows_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(g->bpf->maps.flows), 0);
	if (g->flows == MAP_FAILED)
		die("mmap");
	set_course(g, REQUESTS, CLIENT, UPLINK);
	set_course(g, REPLIES, BACKEND, INSIDE);
	attach(g, BACKEND, g->bpf->progs.sink_requests);
	attach(g, CLIENT, g->bpf->progs.sink_replies);
	g->bpf->bss->translated = true;
}

static void unload(struct generator *g)
{
	if (!g->bpf)
		return;
	for (int i = 0; i < PLACES; i++)
		attach(g, (enum place)i, NULL);
	munmap(g->flows, g->flows_bytes);
	generator_bpf__destroy(g->bpf);
	g->bpf = NULL;
}

/* ---- sending ---- */

static void woken(int signal)
{
	(void)signal;
}

/* One system call sends until a signal ends it. */
static void *sending(void *data)
{
	struct generator *g = data;
	enum direction way = g->bpf->bss->direction;
	unsigned char frame[FRAME_BYTES] = {0};
	struct xdp_md context = {.data_end = sizeof(frame)};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		.ctx_in = &context, .ctx_size_in = sizeof(context),
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH, .repeat = 1 << 30);
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(g->cpu, &only);
	if (sched_setaffinity(0, sizeof(only), &only) < 0)
		die("affinity");
	enter(g->ends[way == REQUESTS ? CLIENT : BACKEND].netns);
	context.ingress_ifindex = g->ends[way == REQUESTS ? CLIENT : BACKEND].ifindex;
	while (!g->stopping)
		if (bpf_prog_test_run_opts(bpf_program__fd(g->bpf->progs.generate), &run) < 0 &&
			errno != EINTR)
			die("BPF_PROG_TEST_RUN with live frames");
	return NULL;
}

static struct tally arrived(const struct generator *g, enum direction way)
{
	struct tally each[CPUS_MAX], sum = {0};
	__u32 key = way;

	if (bpf_map_lookup_elem(bpf_map__fd(g->bpf->maps.tallies), &key, each))
		die("tallies");
	for (int i = 0; i < g->cpus; i++) {
		sum.received += each[i].received;
		sum.checked += each[i].checked;
		sum.wrong += each[i].wrong;
	}
	return sum;
}

static void forget_latencies(const struct generator *g)
{
	static const __u64 none[CPUS_MAX];

	for (__u32 i = 0; i < BUCKETS; i++)
		bpf_map_update_elem(bpf_map__fd(g->bpf->maps.latencies), &i, none, BPF_ANY);
}

static void start(struct generator *g, enum direction way, double rate, unsigned long long budget)
{
	g->bpf->bss->direction = way;
	g->bpf->bss->interval_ns = rate > 0 ? (__u64)(1e9 / rate) : 0;
	g->bpf->bss->budget = budget;
	g->bpf->bss->sent = 0;
	g->before[way] = arrived(g, way);
	g->stopping = false;
	if (pthread_create(&g->thread, NULL, sending, g))
		die("thread");
	g->running = true;
	/* The kernel lets a grace period pass before it begins: long, where others keep it busy. */
	for (double begin = now(); !g->bpf->bss->sent && now() - begin < START_S;)
		wait_s(0.001);
}

static void stop(struct generator *g)
{
	g->stopping = true;
	/* Again and again: the signal may come just before the system call. */
	while (pthread_kill(g->thread, SIGUSR1) == 0 &&
		pthread_tryjoin_np(g->thread, NULL) == EBUSY)
		wait_s(0.001);
	g->running = false;
	wait_s(0.05); /* what is under way arrives */
}

/* The middle of a bucket, ns. */
static double middle(unsigned int b)
{
	unsigned int octave = b / STEPS;

	if (!octave)
		return b;
	return (double)(1ull << (octave - 1)) * (STEPS + b % STEPS + 0.5);
}

static void print_latencies(const struct generator *g)
{
	static const double share[] = {0.5, 0.9, 0.99, 0.999};
	unsigned long long count[BUCKETS] = {0}, total = 0, sum = 0;
	unsigned int at = 0;

	for (__u32 i = 0; i < BUCKETS; i++) {
		__u64 each[CPUS_MAX];

		if (bpf_map_lookup_elem(bpf_map__fd(g->bpf->maps.latencies), &i, each))
			die("latencies");
		for (int n = 0; n < g->cpus; n++)
			count[i] += each[n];
		total += count[i];
	}
	printf(", \"latency_ns\": {");
	for (__u32 i = 0; i < BUCKETS && total; i++) {
		sum += count[i];
		while (at < 4 && (double)sum >= share[at] * (double)total) {
			printf("%s\"%g\": %.0f", at ? ", " : "", share[at] * 100, middle(i));
			at++;
		}
	}
	printf("}");
}

/* @window: what came in @seconds of it; the whole run tells what was lost. */
static void print_run(
	const struct generator *g, enum direction way, unsigned long long window, double seconds)
{
	struct tally whole = arrived(g, way);

	printf("{\"packets\": %llu, \"seconds\": %.6f, \"sent\": %llu, "
	       "\"received\": %llu, \"checked\": %llu, \"wrong\": %llu",
		window, seconds, (unsigned long long)g->bpf->bss->sent,
		(unsigned long long)(whole.received - g->before[way].received),
		(unsigned long long)(whole.checked - g->before[way].checked),
		(unsigned long long)(whole.wrong - g->before[way].wrong));
	if (g->bpf->bss->interval_ns)
		print_latencies(g);
	printf("}\n");
}

static void run(
	struct generator *g, enum direction way, double warm_up, double seconds, double rate)
{
	unsigned long long packets;
	double begin;

	start(g, way, rate, ~0ull);
	wait_s(warm_up);
	forget_latencies(g);
	begin = now();
	packets = arrived(g, way).received;
	wait_s(seconds);
	packets = arrived(g, way).received - packets;
	seconds = now() - begin;
	stop(g);
	print_run(g, way, packets, seconds);
}

/* ---- flows ---- */

static unsigned int missing(const struct generator *g, enum direction way)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < g->bpf->bss->count_of_flows; i++)
		n += way == REQUESTS ? !g->flows[i].port : !g->flows[i].answered;
	return n;
}

/* Every flow once, and again until each got through. */
static unsigned int each_once(struct generator *g, enum direction way)
{
	unsigned long long all = g->bpf->bss->count_of_flows;
	unsigned int left = 1;

	for (int round = 0; round < PRIME_ROUNDS && left; round++) {
		start(g, way, 0, all);
		for (__u64 before = 0; before != g->bpf->bss->sent; wait_s(0.05))
			before = g->bpf->bss->sent;
		stop(g);
		left = missing(g, way);
	}
	return left;
}

/* Conntrack has every flow, both ways and assured. */
static void prime(struct generator *g)
{
	unsigned int requests = 0, replies = 0;

	memset(g->flows, 0, g->flows_bytes);
	g->bpf->bss->learning = true;
	for (int i = 0; i < 2 && !requests && !replies; i++) {
		if (i) {
			wait_s(STREAM_S);
			for (unsigned int n = 0; n < g->bpf->bss->count_of_flows; n++)
				g->flows[n].answered = 0;
		}
		requests = each_once(g, REQUESTS);
		replies = requests ? 0 : each_once(g, REPLIES);
	}
	g->bpf->bss->learning = false;
	printf("{\"requests_missing\": %u, \"replies_missing\": %u}\n", requests, replies);
}

static bool flows(struct generator *g, const char *words)
{
	unsigned int count, public_port, backend_port;
	char public_text[INET_ADDRSTRLEN], backend_text[INET_ADDRSTRLEN];

	if (sscanf(words, "%u %15s %u %15s %u", &count, public_text, &public_port, backend_text,
		    &backend_port) != 5 ||
		!count)
		return false;
	unload(g);
	load(g, count);
	g->bpf->bss->count_of_flows = count;
	g->bpf->bss->public_port = (__u16)public_port;
	g->bpf->bss->backend_port = (__u16)backend_port;
	if (inet_pton(AF_INET, public_text, &g->bpf->bss->public_address) != 1 ||
		inet_pton(AF_INET, backend_text, &g->bpf->bss->backend_address) != 1)
		return false;
	printf("{}\n");
	return true;
}

static bool obey(struct generator *g, char *line)
{
	char way_text[16], what[16];
	double warm_up, seconds, rate;
	enum direction way;
	unsigned int count;
	int read = 0;

	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "flows %n", &read) == 0 && read)
		return flows(g, line + read);
	if (!g->bpf)
		return false;
	if (strcmp(line, "prime") == 0) {
		prime(g);
		return true;
	}
	if (strcmp(line, "stop") == 0 && g->running) {
		stop(g);
		print_run(g, g->bpf->bss->direction, 0, 0);
		return true;
	}
	if (sscanf(line, "limit %15s", what) == 1)
		return limit(g, what);
	if (sscanf(line, "walk %u", &count) == 1 && count && count <= g->bpf->bss->count_of_flows) {
		g->bpf->bss->count_of_flows = count;
		g->bpf->bss->next = 0;
		printf("{}\n");
		return true;
	}
	if (sscanf(line, "run %15s %lf %lf %lf", way_text, &warm_up, &seconds, &rate) == 4) {
		way = strcmp(way_text, "replies") == 0 ? REPLIES : REQUESTS;
		run(g, way, warm_up, seconds, rate);
		return true;
	}
	if (sscanf(line, "start %15s %lf", way_text, &rate) == 2) {
		way = strcmp(way_text, "replies") == 0 ? REPLIES : REQUESTS;
		start(g, way, rate, ~0ull);
		printf("{}\n");
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	static const struct sigaction wake = {.sa_handler = woken}; /* without SA_RESTART */
	struct generator g = {.cpus = libbpf_num_possible_cpus()};
	char line[256];

	if (argc != 9 || g.cpus > CPUS_MAX)
		return 2;
	g.cpu = atoi(argv[1]);
	g.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sigaction(SIGUSR1, &wake, NULL);
	find_end(&g.ends[CLIENT], argv[2], argv[3]);
	find_end(&g.ends[UPLINK], argv[4], argv[5]);
	find_end(&g.ends[INSIDE], argv[4], argv[6]);
	find_end(&g.ends[BACKEND], argv[7], argv[8]);
	enter(g.home);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		if (!obey(&g, line)) {
			fprintf(stderr, "generator: what is '%s'?\n", line);
			return 2;
		}
	if (g.running)
		stop(&g);
	unload(&g);
	return 0;
}
