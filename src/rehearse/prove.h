/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prove: ask the kernel whether a journey is right.
 *
 * The state is loaded into a namespace of a sandbox, with interfaces of the same names; the packet is
 * really sent, replied to, and followed by another, and nftables' trace tells which rules it met. What
 * is loaded is walked once more there, since rules have other handles than in the dump; where that
 * walk differs from the one to be proved, the dump was not understood as the kernel does.
 */
#ifndef REHEARSE_PROVE_H
#define REHEARSE_PROVE_H

#include "netstate/dump/dump.h"
#include "rehearse/sandbox.h"
#include "walk/journey.h"

/* Who says so. */
enum prove_who { PROVE_BOTH, PROVE_ONLY_WALK, PROVE_ONLY_KERNEL, PROVE_OTHERWISE };

#define PROVE_MAX_STEPS 96u

struct prove_step {
	enum prove_who who;
	char text[224]; /* "ip filter, FORWARD: -j ACCEPT" */
};

struct prove_leg {
	bool walked, seen;    /* there is something to compare; the packet was sent */
	bool agrees;	      /* in every step that either tells of */
	char end[16];	      /* what the kernel did: "forwarded", "local", "rejected", "dropped" */
	char in[16], out[16]; /* interfaces; "": none */
	char left_as[2 * IP_STRLEN + 20]; /* "1.1.1.1:80 > 8.8.8.8:5000", or "" */
	unsigned int n_steps;
	bool more_steps; /* there were more than fit */
	struct prove_step steps[PROVE_MAX_STEPS];
};

struct prove_result {
	bool agrees;   /* every leg does, with the walk of what was loaded and of what was given */
	bool complete; /* everything was brought in; else `notes` says what was not */
	size_t way;    /* of the journey's ways, the one that the kernel took */
	struct prove_leg legs[LEG_COUNT_];
	char notes[4096];   /* lines */
	char failure[1024]; /* why it could not be tried at all */
};

/*
 * @net was made of @files (@n_files), whose texts are loaded; with @files NULL it is this machine, and
 * they are read now. portreeve's own table is taken from @net. 0; -EPERM: there is no sandbox to be
 * had, as @refusal says; else -errno with `failure`.
 */
int prove_run(struct arena *a, const struct netstate *net, const struct journey *journey,
	const struct dump_file *files, size_t n_files, struct prove_result *out,
	struct sandbox_refusal *refusal);

#endif
