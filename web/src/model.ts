// SPDX-License-Identifier: GPL-2.0-or-later
// What the answers amount to: who leads where, and how much goes by it. Nothing here asks or draws.
import type {Amounts, PortMap, State, Traffic, Uplink} from "./api";
import {listeners} from "./format";

/** What everything is narrowed to; empty: nothing. */
export interface Selection {
	uplink?: string;
	map?: string;
	backend?: string;
}

/** Bits per second; null: not known. */
export interface Rate {
	in: number; // requests
	out: number; // replies
}

/** A backend of one or several maps, by its address. */
export interface Target {
	address: string;
	state: State | null; // the worst that a map says; null: nobody checks it
	reason: string | null;
	returns: string[]; // "direct", "snat": as its maps have it
	why: string[]; // and the reasons
	maps: number;
}

export interface MapRow {
	map: PortMap;
	listeners: string;
	backends: string;
	haystack: string;
	connections: number | null;
	bytes: number | null;
	rate: number | null;
	split: number[]; // by uplink, in the order of the status; empty: nothing has come yet
	misrouted: number | null; // at most so many: the kernel counts by uplink
}

const WORST: State[] = ["down", "degraded", "unknown", "up"];

export const sum = (amounts: Amounts) => (amounts ? amounts.request + amounts.reply : null);
export const total = (rate: Rate | undefined) => (rate ? rate.in + rate.out : null);
export const pairKey = (uplink: string, other: string) => `${uplink}\n${other}`;

export const isNarrowed = (s: Selection) => Boolean(s.uplink || s.map || s.backend);

export function fits(map: PortMap, s: Selection): boolean {
	return (
		(!s.map || map.name === s.map) &&
		(!s.uplink || map.uplinks.includes(s.uplink)) &&
		(!s.backend || map.backends.some((b) => b.address === s.backend))
	);
}

export function targets(maps: PortMap[]): Map<string, Target> {
	const found = new Map<string, Target>();
	for (const map of maps)
		for (const b of map.backends) {
			const t = found.get(b.address);
			if (!t) {
				found.set(b.address, {
					address: b.address,
					state: b.state,
					reason: b.state_reason,
					returns: [b.return],
					why: b.reason ? [b.reason] : [],
					maps: 1,
				});
				continue;
			}
			t.maps++;
			if (!t.returns.includes(b.return)) t.returns.push(b.return);
			if (b.reason && !t.why.includes(b.reason)) t.why.push(b.reason);
			if (b.state && (!t.state || WORST.indexOf(b.state) < WORST.indexOf(t.state))) {
				t.state = b.state;
				t.reason = b.state_reason;
			}
		}
	return found;
}

/** Of what share of a map's clients a backend takes, as far as the plan tells. */
function share(map: PortMap, address: string): number {
	const up = map.backends.filter((b) => !b.down);
	if (map.balance === "first") return up[0]?.address === address ? 1 : 0;
	const all = up.reduce((n, b) => n + b.weight, 0);
	const own = up.filter((b) => b.address === address).reduce((n, b) => n + b.weight, 0);
	return all ? own / all : 0;
}

/** A line of the drawing: all maps by one uplink to one backend. */
export interface Pair {
	uplink: string;
	backend: string;
	maps: PortMap[];
}

export function pairs(maps: PortMap[]): Pair[] {
	const found = new Map<string, Pair>();
	for (const map of maps)
		for (const uplink of map.uplinks)
			for (const address of new Set(map.backends.map((b) => b.address))) {
				const key = pairKey(uplink, address);
				const pair = found.get(key);
				if (pair) pair.maps.push(map);
				else found.set(key, {uplink, backend: address, maps: [map]});
			}
	return [...found.values()];
}

/** What goes by a pair. Where several backends share a map, by their shares of its clients. */
export function pairRate(pair: Pair, rates: Map<string, Rate> | null): number | null {
	if (!rates) return null;
	return pair.maps.reduce((sum, map) => {
		const rate = total(rates.get(pairKey(pair.uplink, map.name)));
		return sum + (rate ?? 0) * share(map, pair.backend);
	}, 0);
}

/** Rates from two looks: by uplink and map, and by uplink alone. */
export function rates(before: Traffic, now: Traffic): {maps: Map<string, Rate>; uplinks: Map<string, Rate>} {
	const seconds = (now.now_ms - before.now_ms) / 1000;
	const found = {maps: new Map<string, Rate>(), uplinks: new Map<string, Rate>()};
	const put = (into: Map<string, Rate>, key: string, a: Amounts | undefined, b: Amounts) => {
		// Counters that sank are those of another daemon's life.
		if (a && b && seconds > 0 && b.request >= a.request && b.reply >= a.reply)
			into.set(key, {
				in: ((b.request - a.request) * 8) / seconds,
				out: ((b.reply - a.reply) * 8) / seconds,
			});
	};
	const earlier = new Map(before.maps.map((m) => [pairKey(m.uplink ?? "", m.map), m.bytes]));
	for (const m of now.maps) {
		const key = pairKey(m.uplink ?? "", m.map);
		// A pair that was not there yet had carried nothing.
		put(found.maps, key, earlier.has(key) ? earlier.get(key) : {request: 0, reply: 0}, m.bytes);
	}
	const uplinks = new Map(before.uplinks.map((u) => [u.uplink, u.bytes]));
	for (const u of now.uplinks) put(found.uplinks, u.uplink, uplinks.get(u.uplink), u.bytes);
	return found;
}

function backendsText(map: PortMap): string {
	const [first, ...more] = map.backends;
	if (!first) return "none";
	const host = first.port && first.address.includes(":") ? `[${first.address}]` : first.address;
	return `${host}${first.port ? `:${first.port}` : ""}${more.length ? ` +${more.length}` : ""}`;
}

/** The parts of a row that stay while the plan does. */
export function blankRow(map: PortMap): MapRow {
	const row = {map, listeners: listeners(map), backends: backendsText(map)};
	const words = [map.name, row.listeners, ...map.uplinks, ...map.backends.map((b) => b.address)];
	return {
		...row,
		haystack: words.join(" ").toLowerCase(),
		connections: null,
		bytes: null,
		rate: null,
		split: [],
		misrouted: null,
	};
}

export function rowsWithTraffic(
	rows: MapRow[],
	uplinks: Uplink[],
	traffic: Traffic | null,
	rates: Map<string, Rate> | null,
): MapRow[] {
	const byMap = new Map<string, Traffic["maps"]>();
	for (const m of traffic?.maps ?? []) {
		const list = byMap.get(m.map);
		if (list) list.push(m);
		else byMap.set(m.map, [m]);
	}
	const stray = new Map(uplinks.map((u) => [u.name, u.misrouted]));
	return rows.map((row) => {
		const parts = byMap.get(row.map.name) ?? [];
		const misrouted = row.map.uplinks.map((u) => stray.get(u) ?? null);
		const by = (weigh: (m: Traffic["maps"][number]) => number) => {
			const weights = uplinks.map((u) =>
				parts.filter((m) => m.uplink === u.name).reduce((n, m) => n + weigh(m), 0),
			);
			const all = weights.reduce((n, w) => n + w, 0);
			return all ? weights.map((w) => w / all) : [];
		};
		const split = by((m) => m.connections_total);
		const known = parts
			.map((m) => total(rates?.get(pairKey(m.uplink ?? "", m.map))))
			.filter((r) => r !== null);
		const idle = traffic !== null && !parts.length; // what never had a connection is not in the answer
		const carried = parts.map((m) => sum(m.bytes)).filter((n) => n !== null);
		return {
			...row,
			connections: traffic ? parts.reduce((n, m) => n + m.connections, 0) : null,
			bytes: carried.length || idle ? carried.reduce((n, b) => n + b, 0) : null,
			rate: known.length || (rates && idle) ? known.reduce((n, r) => n + r, 0) : null,
			split: split.length ? split : by((m) => m.connections),
			misrouted: misrouted.includes(null) ? null : misrouted.reduce<number>((n, m) => n + (m ?? 0), 0),
		};
	});
}
