// SPDX-License-Identifier: GPL-2.0-or-later
// Where everything stands in the drawing: Internet, uplinks, gateway and backends from left to right.
import type {Point, Wire} from "./path";
import type {Target} from "./model";

export interface Box {
	x: number;
	y: number;
	w: number;
	h: number;
}

export interface Layout {
	width: number;
	height: number;
	compact: boolean;
	tight: boolean; // backends are single lines
	internet: Box;
	gateway: Box;
	uplinks: Map<string, Box>;
	backends: Map<string, Box>;
	/** For the backends that are not shown by themselves; null: all are. */
	more: Box | null;
}

/** So many backends are shown unless all are wanted; and so many then. */
export const SHOWN = 14;
export const SHOWN_AT_MOST = 80;

const COMPACT_BELOW = 640;
const ROOMY_BACKENDS = 7;

interface Measures {
	internet: number;
	gap: number;
	uplink: Box; // w and h; y is the gap between two
	gateway: number;
	backend: number;
	head: number; // of the gateway, above where wires cross it
	foot: number;
}

function measures(width: number): Measures {
	if (width < COMPACT_BELOW) {
		const side = Math.floor((width - 16 - 8 - 2 * 10) * 0.4);
		return {
			internet: 16,
			gap: 10,
			uplink: {x: 0, y: 12, w: side, h: 122},
			gateway: width - 16 - 8 - 2 * 10 - 2 * side,
			backend: side,
			head: 46,
			foot: 14,
		};
	}
	const wide = Math.min(width, 1500);
	const uplink = Math.round(Math.min(264, wide * 0.255));
	const backend = Math.round(Math.min(300, wide * 0.265));
	const gap = Math.round(wide * 0.045);
	return {
		internet: 30,
		gap,
		uplink: {x: 0, y: 16, w: uplink, h: 104},
		gateway: width - 30 - Math.round(gap * 0.8) - uplink - 2 * gap - backend,
		backend,
		head: 58,
		foot: 42,
	};
}

/** Which backends stand by themselves: what needs a look first, then as the config has them. */
export function shown(all: Target[], all_wanted: boolean, wanted: (t: Target) => boolean): Target[] {
	const limit = all_wanted ? SHOWN_AT_MOST : SHOWN;
	if (all.length <= limit) return all;
	const weigh = (t: Target) => (wanted(t) ? 2 : t.state === "down" || t.state === "degraded" ? 1 : 0);
	const chosen = new Set(
		all
			.map((t, i) => ({t, i, weight: weigh(t)}))
			.sort((a, b) => b.weight - a.weight || a.i - b.i)
			.slice(0, limit)
			.map(({t}) => t),
	);
	return all.filter((t) => chosen.has(t));
}

export function layout(width: number, uplinks: string[], backends: string[], more: boolean): Layout {
	const m = measures(width);
	const compact = width < COMPACT_BELOW;
	const tight = backends.length > ROOMY_BACKENDS;
	const backend = tight ? {h: compact ? 42 : 28, gap: 4} : {h: compact ? 58 : 50, gap: 10};
	const slots = backends.length + (more ? 1 : 0);
	const left = uplinks.length * (m.uplink.h + m.uplink.y) - m.uplink.y;
	const right = slots * (backend.h + backend.gap) - backend.gap;
	const inner = Math.max(left, right, compact ? 120 : 320);
	const height = m.head + inner + m.foot;

	const xUplink = m.internet + (compact ? 8 : Math.round(m.gap * 0.8));
	const xGateway = xUplink + m.uplink.w + m.gap;
	const xBackend = xGateway + m.gateway + m.gap;
	const column = (n: number, size: number, gap: number) => {
		// A short column is spread over the height, but not torn apart.
		const spread = n > 1 ? Math.min(gap * 3, (inner - n * size) / (n - 1)) : 0;
		const between = Math.max(gap, spread);
		const top = m.head + (inner - n * size - (n - 1) * between) / 2;
		return (i: number) => Math.round(top + i * (size + between));
	};
	const yUplink = column(uplinks.length, m.uplink.h, m.uplink.y);
	const yBackend = column(slots, backend.h, backend.gap);
	const backendBox = (i: number): Box => ({
		x: xBackend,
		y: yBackend(i),
		w: width - xBackend,
		h: backend.h,
	});
	return {
		width,
		height,
		compact,
		tight,
		internet: {x: 0, y: 0, w: m.internet, h: height},
		gateway: {x: xGateway, y: 0, w: m.gateway, h: height},
		uplinks: new Map(uplinks.map((u, i) => [u, {x: xUplink, y: yUplink(i), w: m.uplink.w, h: m.uplink.h}])),
		backends: new Map(backends.map((b, i) => [b, backendBox(i)])),
		more: more ? backendBox(backends.length) : null,
	};
}

const middle = (box: Box) => box.y + box.h / 2;

// ---- wires ----

export const toGateway = (l: Layout, uplink: Box, dy = 0): Wire => ({
	from: {x: l.internet.x + l.internet.w, y: middle(uplink) + dy},
	to: {x: l.gateway.x, y: middle(uplink) + dy},
});

export const toBackend = (l: Layout, backend: Box, dy = 0): Wire => ({
	from: {x: l.gateway.x + l.gateway.w, y: middle(backend) + dy},
	to: {x: backend.x, y: middle(backend) + dy},
});

export const across = (l: Layout, uplink: Box, backend: Box): Wire => ({
	from: {x: l.gateway.x, y: middle(uplink)},
	to: {x: l.gateway.x + l.gateway.w, y: middle(backend)},
});

/** Through the gateway, from one of its edges or its middle to another. */
export function through(l: Layout, from: Point, to: Point): Wire {
	const left = l.gateway.x;
	const right = l.gateway.x + l.gateway.w;
	if (from.x === to.x && from.x === left) return {from, to, bulge: l.gateway.w * 0.6};
	if (from.x === to.x && from.x === right) return {from, to, bulge: -l.gateway.w * 0.6};
	return {from, to};
}

export const heart = (l: Layout, y: number): Point => ({x: l.gateway.x + l.gateway.w / 2, y});

export const turned = (wire: Wire): Wire => ({...wire, from: wire.to, to: wire.from});

/** So many lines side by side have their full thickness. */
const ROOM = 10;

/** Thickness by rate: a hair at rest, and one step more for each tenfold; finer where there are many. */
export function thickness(rate: number | null, lines = 1): number {
	const scale = Math.min(1, Math.sqrt(ROOM / Math.max(1, lines)));
	return rate ? Math.min(14, 1.25 + 2.2 * scale * Math.log10(1 + rate / 10_000)) : 1.25;
}
