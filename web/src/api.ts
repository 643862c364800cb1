// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's API as the page uses it: the shapes of its answers, and how they are asked for.

export type State = "unknown" | "up" | "degraded" | "down";

export interface Change {
	at_ms: number;
	state: State;
	reason: string | null;
}

export interface Check {
	kind: string;
	state: State;
	rounds: number;
	good_rounds: number;
	rtt_us: number | null;
	why: string | null;
}

export interface Uplink {
	name: string;
	interface: string;
	addresses: string[];
	ipv4: boolean;
	ipv6: boolean;
	state: State;
	reason: string | null;
	since_ms: number | null;
	history: Change[];
	misrouted: number | null;
	checks: Check[];
}

export interface Event {
	id: number;
	at: number;
	level: "error" | "warning" | "notice" | "debug";
	kind: string;
	message: string;
	[more: string]: unknown;
}

export interface Status {
	version: string;
	now_ms: number;
	up_ms: number;
	well: boolean | null;
	problems: string[];
	config: {
		name: string;
		loaded_ms: number;
		file: string;
		refused_ms: number | null;
		uplinks: number;
		maps: number;
	};
	in_force: boolean;
	uplinks: Uplink[];
	backends_watched: number;
	drift: {total: number; opponent: string | null};
	last_change: Event | null;
	trial: {name: string; left_ms: number} | null;
	fastpath: {
		on: boolean;
		problem: string | null;
		interfaces: {name: string; mode: string}[];
	} | null;
	conntrack: {
		entries: number | null;
		limit: number | null;
		accounting: boolean | null;
		hint: string | null;
	};
}

export interface Backend {
	address: string;
	port: number | null;
	weight: number;
	return: "direct" | "snat";
	reason: string | null;
	down: boolean;
	state: State | null;
	state_reason: string | null;
	since_ms: number | null;
}

export interface PortMap {
	name: string;
	listen: {protocol: string; first: number; last: number}[];
	uplinks: string[];
	balance: "hash" | "random" | "first";
	backends: Backend[];
	changed_ms?: number | null;
}

/** Of requests and of replies; null: the kernel does not count. */
export type Amounts = {request: number; reply: number} | null;

export interface Traffic {
	now_ms: number;
	maps: {
		map: string;
		uplink: string | null;
		connections: number;
		connections_total: number;
		bytes: Amounts;
		packets: Amounts;
	}[];
	uplinks: {
		uplink: string;
		connections: number;
		connections_total: number;
		bytes: Amounts;
		packets: Amounts;
		misrouted: number | null;
	}[];
}

export interface Flow {
	id: number;
	map: string | null;
	home: string | null;
	return: string;
	protocol: string;
	client: string;
	client_port: number;
	address: string;
	port: number;
	backend: string;
	backend_port: number;
	state: string | null;
	age_s: number | null;
	bytes: Amounts;
}

export interface Finding {
	id: string;
	pitfall: number;
	name?: string;
	severity: "error" | "warning" | "info";
	blocks: boolean;
	title: string;
	evidence: string | null;
	consequence?: string | null;
	advice?: string | null;
	maps: string[];
	remedy: string[];
	keep?: string[];
}

export interface Packet {
	proto: number | null;
	src: string | null;
	sport: number | null;
	dst: string | null;
	dport: number | null;
}

export interface Step {
	stage: string;
	hook: string | null;
	text: string | null;
	stops: boolean;
	table: string | null;
	chain: string | null;
	rule: string | null;
	handle: number | null;
	file: string | null;
	line: number | null;
	sysctl: string | null;
}

export interface Leg {
	in: string | null;
	out: string | null;
	end: string;
	via: string | null;
	first: Packet;
	last: Packet;
	steps: Step[];
}

export interface Way {
	verdict: Verdict;
	why: string | null;
	home: boolean | null;
	share: number;
	forks: {why: string | null; taken: string | null; weight: number | null}[];
	request: Leg | null;
	reply: Leg | null;
}

export type Verdict = "works" | "broken" | "unknown";

export interface Journey {
	verdict: Verdict;
	why: string;
	in: string | null;
	home: boolean | null;
	ways: Way[];
	more_ways: boolean;
	fastpath?: {takes: boolean | null; why: string} | null;
	pitfalls: Finding[];
	assumed: {what: string | null; where: string | null; decides: boolean}[];
}

/** The daemon answered, and the answer is no. */
export class Refused extends Error {
	constructor(
		readonly status: number,
		message: string,
		readonly hint: string | null,
		/** Seconds until it makes sense to ask again; null: it does not. */
		readonly retryAfter: number | null,
	) {
		super(message);
	}
}

const ANSWER_MS = 8000;
const RETRY_S = 5; // where a 429 does not say

export async function get<T>(path: string, query: Record<string, string | number> = {}): Promise<T> {
	const search = new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)]));
	const asked = search.size ? `${path}?${search}` : path;
	const answer = await fetch(asked, {signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store"});
	if (answer.ok) return (await answer.json()) as T;
	const busy = answer.status === 429 || answer.status === 503;
	const said = (await answer.json().catch(() => ({}))) as {error?: string; hint?: string | null};
	throw new Refused(
		answer.status,
		said.error ?? `the daemon answered ${answer.status}`,
		said.hint ?? null,
		busy ? Number(answer.headers.get("Retry-After")) || RETRY_S : null,
	);
}
