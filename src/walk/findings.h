/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings: what on this machine would defeat a plan, with the evidence and the exact remedy.
 *
 * Pure: the evidence comes in as a netstate and a few facts. Nothing is found without evidence; what
 * is portreeve's own is never a finding. See pitfalls/ for one file per kind of finding.
 */
#ifndef WALK_FINDINGS_H
#define WALK_FINDINGS_H

#include "plan/plan.h"

/* What is known of the machine besides its netstate; read by kernel/facts.c. All zero: nothing. */
struct foreign_facts {
	/* systemd-networkd runs in this network namespace; and its configuration tells it to leave
	 * rules, and routes, of others alone. */
	bool networkd_running, networkd_keeps_rules, networkd_keeps_routes;
	/* [0] v4, [1] v6: there is a filter table of iptables-legacy, which netlink does not show;
	 * and the text of `iptables-legacy-save -t filter`, NULL where it could not be had. */
	bool legacy_filter[2];
	const char *legacy_filter_text[2];
	bool netfilter_persistent; /* the tool that saves iptables rules over a restart is there */
	bool docker_service;	   /* systemd knows a docker.service */
};

struct finding {
	const char *id;	 /* a short slug, stable: "forward-drop" */
	uint8_t pitfall; /* its number in the list of pitfalls */
	enum diag_severity severity;
	bool blocks;		 /* the maps below do not work like this */
	const char *title;	 /* one line, in the user's terms */
	const char *evidence;	 /* what was seen: the rule as text with its table and chain, ... */
	const char *consequence; /* what it does to the user's maps */
	const char *
		advice; /* what to know about the remedy, or the remedy where it is no command; NULL */
	VEC(const char *) remedy; /* shell commands to paste, in order; may be empty */
	VEC(const char *)
	keep;	       /* further ones, so that the remedy survives a restart; may be empty */
	bool withheld; /* a command is left out: a name in it holds what a shell acts on */
	VEC(const struct plan_map *) maps; /* concerned; empty: none in particular */
	const struct plan_uplink *uplink;  /* concerned; NULL: none in particular */
	/* Of a machine that has no plan: the port forwards concerned, as text; empty: none in
	 * particular. */
	VEC(const char *) forwards;
	const char *cause; /* tells it from other findings of its pitfall; NULL: nothing does */
};

/* What cannot be told, and what it would take. */
struct finding_untold {
	uint8_t pitfall;
	const char *what, *needs;
};

struct findings {
	VEC(struct finding) items; /* the worst first */
	VEC(struct finding_untold) untold;
};

/*
 * Everything that would defeat @p on the machine @seen, whether or not @p is already in force there.
 * @seen needs the ruleset for the findings about other tools' rules, listeners for those about
 * services; what was not observed is not judged. @facts may be NULL. Texts live in @a.
 */
void walk_findings(struct arena *a, const struct plan *p, const struct netstate *seen,
	const struct foreign_facts *facts, struct findings *out);

/*
 * All pitfalls of a machine, whoever configured it: what can be told from the rules themselves, and
 * what shows when each of its port forwards is walked from every side. @net may be a dump in which
 * parts are missing; what cannot be told without them is listed in @out->untold. @facts may be NULL.
 */
void walk_doctor(struct arena *a, const struct netstate *net, const struct foreign_facts *facts,
	struct findings *out);

/* The pitfalls that explain why @j does not work, or may not. */
struct journey;
void walk_diagnose(
	struct arena *a, const struct netstate *net, const struct journey *j, struct findings *out);

/* One entry of the catalogue of pitfalls. */
enum pitfall_found { PITFALL_STATIC = 1 << 0, PITFALL_LIVE = 1 << 1 };
struct pitfall {
	uint8_t number;
	unsigned int found; /* enum pitfall_found: by what doctor tells it; 0: it cannot */
	const char *name;   /* a slug: "reply-routed-before-un-nat" */
	const char *title;  /* one line */
	const char *limit;  /* why it cannot be found so, or not tried in a lab here; NULL */
};
#define PITFALLS 60
extern const struct pitfall pitfalls[PITFALLS]; /* by number, from 1 */

/*
 * For people: title, evidence, consequence, and the commands on lines of their own that can be
 * pasted. @least: leave out what is less severe.
 */
void findings_print(
	struct strbuf *out, const struct findings *f, enum diag_severity least, bool colour);

#endif
