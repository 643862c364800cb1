// SPDX-License-Identifier: GPL-2.0-or-later
// The first lines: is all well, and if not, what is not; and whether the daemon is there at all.
import {useEffect} from "preact/hooks";
import type {Status} from "./api";
import {clock, count, duration, file, plural} from "./format";
import {Theme} from "./theme";
import * as store from "./store";

const MANY_PROBLEMS = 6;

type Mood = "well" | "ill" | "unsure" | "away";

function judge(status: Status | null): {mood: Mood; words: string} {
	if (store.away.value !== null) return {mood: "away", words: "The daemon does not answer."};
	if (!status) return {mood: "unsure", words: "Asking the daemon\u2026"};
	if (status.well) return {mood: "well", words: "All is well."};
	if (status.well === false) return {mood: "ill", words: "Not all is well."};
	return {mood: "unsure", words: "Nothing is known to be wrong, but not all is known yet."};
}

function Sign({mood}: {mood: Mood}) {
	return (
		<svg class={`sign ${mood}`} viewBox="0 0 24 24" aria-hidden="true">
			{mood === "ill" ? (
				<rect x="1" y="1" width="22" height="22" rx="4" />
			) : (
				<circle cx="12" cy="12" r="11" />
			)}
			{mood === "well" && <path d="m6.8 12.4 3.6 3.6 7-7.6" />}
			{mood === "ill" && <path d="m8 8 8 8m0-8-8 8" />}
			{mood === "unsure" && <path d="M7 12h.1m4.9 0h.1m4.9 0h.1" />}
			{mood === "away" && <path d="M7 12h10" />}
		</svg>
	);
}

function Problems({problems}: {problems: string[]}) {
	const more = problems.length - MANY_PROBLEMS;
	return (
		<ul class="problems">
			{problems.slice(0, more > 1 ? MANY_PROBLEMS : undefined).map((p) => (
				<li key={p}>{p}</li>
			))}
			{more > 1 && <li>and {more} more</li>}
		</ul>
	);
}

function Away({status, since}: {status: Status | null; since: number}) {
	return (
		<p class="away-note">
			No answer since {clock(since, Date.now())}. The maps stay in the kernel and go on without it
			{status ? "; what stands below is from then. " : ". "}
			This page looks again every other second.
		</p>
	);
}

/** What else `portreeve status` says, in one line. */
function Facts({status}: {status: Status}) {
	const {config, drift, conntrack, fastpath, last_change, now_ms} = status;
	const facts: [name: string, value: string, full?: string][] = [
		["config", `${file(config.name)}: ${plural(config.uplinks, "uplink")}, ${plural(config.maps, "map")}`],
	];
	if (last_change)
		facts.push(["last change", `${duration(now_ms - last_change.at)} ago: ${last_change.message}`]);
	facts.push(["drift", `${plural(drift.total, "object")} put back`]);
	if (conntrack.entries !== null)
		facts.push(["connections", `${count(conntrack.entries)} of ${count(conntrack.limit ?? 0)}`]);
	if (conntrack.accounting === false) facts.push(["bytes are not counted", conntrack.hint ?? ""]);
	if (fastpath)
		facts.push([
			"fast path",
			fastpath.problem ??
				(fastpath.on ? fastpath.interfaces.map((i) => `${i.mode} on ${i.name}`).join(", ") : "switched off"),
		]);
	const released = status.version.replace(/\+.*/, "");
	facts.push(["daemon", `${released}, up ${duration(status.up_ms)}`, status.version]);
	return (
		<dl class="facts">
			{facts.map(([name, value, full]) => (
				<div key={name}>
					<dt>{name}</dt>
					<dd title={full ?? value}>{value}</dd>
				</div>
			))}
		</dl>
	);
}

export function Verdict() {
	const status = store.status.value;
	const {mood, words} = judge(status);
	const problems = mood === "ill" ? (status?.problems ?? []) : [];
	useEffect(() => {
		const sign = {well: "\u25cf", ill: "\u2715", unsure: "\u2026", away: "\u2013"}[mood];
		document.title = `${sign} portreeve: ${problems.length ? plural(problems.length, "problem") : words}`;
	}, [mood, words, problems.length]);
	return (
		<header class="verdict">
			<div class="first">
				<Sign mood={mood} />
				<div role="status">
					<h1>{words}</h1>
					{mood === "away" ? (
						<Away status={status} since={store.away.value!} />
					) : (
						<Problems problems={problems} />
					)}
				</div>
				<div class="brand">
					<span class="wordmark">portreeve</span>
					<Theme />
				</div>
			</div>
			{status?.trial && (
				<p class="trial">
					On trial: <b>{status.trial.name}</b> goes back in {duration(status.trial.left_ms)} unless{" "}
					<code>portreeve confirm</code> is given.
				</p>
			)}
			{status && <Facts status={status} />}
		</header>
	);
}
