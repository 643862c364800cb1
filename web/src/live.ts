// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps the store as the daemon is: asks every other second, and follows its events.
import {batch} from "@preact/signals";
import {type Event, type Finding, type PortMap, Refused, type Status, type Traffic, get} from "./api";
import {rates} from "./model";
import * as store from "./store";

const BEAT_MS = 2000;
const PAGE_OF_MAPS = 1000;
const KEPT_EVENTS = 1024;
// Findings take a walk of the whole machine: asked for when something changed, else once a minute.
const FINDINGS_MS = 60_000;
const SETTLE_MS = 700; // changes come in company
/** Of one asking, the daemon gets so many times its length to itself. */
const PATIENCE = 8;

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Resolves when somebody may be looking. */
function visible(): Promise<void> {
	if (!document.hidden) return Promise.resolve();
	return new Promise((done) => document.addEventListener("visibilitychange", () => done(), {once: true}));
}

// ---- status and traffic ----

/** When the daemon that answers began; another one has other events and counters. */
let born = 0;

function take(status: Status, traffic: Traffic | null): void {
	const before = store.traffic.value;
	batch(() => {
		store.away.value = null;
		store.status.value = status;
		if (!traffic) return;
		if (before && traffic.now_ms > before.now_ms) {
			const found = rates(before, traffic);
			const history = new Map<string, number[]>();
			for (const {name} of status.uplinks) {
				const rate = found.uplinks.get(name);
				const past = store.rateHistory.value.get(name) ?? [];
				history.set(name, rate ? [...past, rate.in + rate.out].slice(-store.SAMPLES) : past);
			}
			// Where the kernel does not count, nothing is not zero.
			store.mapRates.value = status.conntrack.accounting === false ? null : found.maps;
			store.uplinkRates.value = found.uplinks;
			store.rateHistory.value = history;
		}
		store.traffic.value = traffic;
	});
}

async function beat(): Promise<void> {
	const [status, traffic] = await Promise.all([
		get<Status>("/v1/status"),
		// A look at the connections that is refused for once is made up for by the next.
		get<Traffic>("/v1/traffic").catch((e) => {
			if (e instanceof Refused) return null;
			throw e;
		}),
	]);
	const wasAway = store.away.value !== null;
	const began = status.now_ms - status.up_ms;
	const reborn = Math.abs(began - born) > 5000;
	born = began;
	take(status, traffic);
	if (wasAway || reborn) {
		follow();
		changed();
	}
}

async function beats(): Promise<never> {
	for (;;) {
		const start = performance.now();
		try {
			await beat();
		} catch {
			store.away.value ??= Date.now();
		}
		await pause(Math.max(BEAT_MS, (performance.now() - start) * PATIENCE));
		await visible();
	}
}

// ---- maps ----

async function readMaps(): Promise<void> {
	const read: PortMap[] = [];
	for (;;) {
		const {maps, total} = await get<{maps: PortMap[]; total: number}>("/v1/maps", {
			offset: read.length,
			limit: PAGE_OF_MAPS,
		});
		read.push(...maps);
		if (!maps.length || read.length >= total) break;
		if (!store.maps.value.length) store.mapsTotal.value = total;
	}
	batch(() => {
		store.maps.value = read;
		store.mapsTotal.value = null;
	});
}

// ---- findings ----

async function readFindings(): Promise<void> {
	const {findings} = await get<{findings: Finding[]}>("/v1/findings");
	batch(() => {
		store.findings.value = findings;
		store.findingsProblem.value = null;
	});
}

function findingsRefused(e: unknown): number {
	if (!(e instanceof Refused)) return BEAT_MS;
	if (e.retryAfter === null) store.findingsProblem.value = e.message;
	return (e.retryAfter ?? FINDINGS_MS / 1000) * 1000;
}

/** Calls a reader: now, when told so, after `again` ms, and as soon as it says where it failed. */
function reader(read: () => Promise<void>, again: number, failed: (e: unknown) => number): () => void {
	let timer = 0;
	let running = false;
	let stale = false;
	const later = (ms: number) => {
		clearTimeout(timer);
		timer = window.setTimeout(run, ms);
	};
	async function run(): Promise<void> {
		if (running) {
			stale = true;
			return;
		}
		running = true;
		stale = false;
		let wait = again;
		try {
			await visible();
			await read();
		} catch (e) {
			wait = failed(e);
		}
		running = false;
		later(stale ? SETTLE_MS : wait);
	}
	return () => (running ? (stale = true) : later(SETTLE_MS));
}

const wantMaps = reader(readMaps, 60_000, () => BEAT_MS);
const wantFindings = reader(readFindings, FINDINGS_MS, findingsRefused);

function changed(): void {
	wantMaps();
	wantFindings();
}

// ---- events ----

let following: AbortController | null = null;
let arrived: Event[] = [];

function flush(): void {
	const seen = new Set(store.events.value.map((e) => `${e.id} ${e.at}`));
	const fresh = arrived.filter((e) => !seen.has(`${e.id} ${e.at}`));
	arrived = [];
	if (!fresh.length) return;
	store.events.value = [...fresh, ...store.events.value]
		.sort((a, b) => b.at - a.at || b.id - a.id)
		.slice(0, KEPT_EVENTS);
	if (fresh.some((e) => e.level !== "debug")) changed();
}

function told(event: Event): void {
	if (!arrived.length) setTimeout(flush, 60);
	arrived.push(event);
}

/** Reads the stream by itself: an EventSource hears only kinds of events that it knows before. */
async function read(signal: AbortSignal): Promise<void> {
	// Numbers begin anew with each daemon, so all are asked for; what is there already is left out.
	const answer = await fetch("/v1/events?since=0", {signal, cache: "no-store"});
	if (!answer.ok || !answer.body) return;
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const {done, value} = await reader.read();
		if (done) return;
		const lines = (rest + value).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) if (line.startsWith("data: ")) told(JSON.parse(line.slice(6)) as Event);
	}
}

function follow(): void {
	following?.abort();
	const mine = new AbortController();
	following = mine;
	void read(mine.signal)
		.catch(() => {})
		.then(() => pause(BEAT_MS))
		.then(() => {
			// Where the daemon is away, the beat that finds it again follows it again.
			if (following !== mine) return;
			following = null;
			if (store.away.value === null) follow();
		});
}

export function start(): void {
	void beats();
}
