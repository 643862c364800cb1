// SPDX-License-Identifier: GPL-2.0-or-later
// Curves of the drawing: as SVG, and as lengths along which a packet travels.

export interface Point {
	x: number;
	y: number;
}

/** A line that leaves and arrives level, as the wires of the drawing do. Two ends on the same side
 * bulge by `bulge` (to the right if positive). */
export interface Wire {
	from: Point;
	to: Point;
	bulge?: number;
}

function controls({from, to, bulge}: Wire): [Point, Point] {
	if (bulge !== undefined)
		return [
			{x: from.x + bulge, y: from.y},
			{x: to.x + bulge, y: to.y},
		];
	const middle = (from.x + to.x) / 2;
	return [
		{x: middle, y: from.y},
		{x: middle, y: to.y},
	];
}

const round = (n: number) => Math.round(n * 10) / 10;

export function svg(wire: Wire): string {
	const [a, b] = controls(wire);
	const points = [wire.from, a, b, wire.to].map((p) => `${round(p.x)} ${round(p.y)}`);
	return `M${points[0]}C${points[1]} ${points[2]} ${points[3]}`;
}

function at(wire: Wire, t: number): Point {
	const [a, b] = controls(wire);
	const u = 1 - t;
	const mix = (p: number, q: number, r: number, s: number) =>
		u * u * u * p + 3 * u * u * t * q + 3 * u * t * t * r + t * t * t * s;
	return {x: mix(wire.from.x, a.x, b.x, wire.to.x), y: mix(wire.from.y, a.y, b.y, wire.to.y)};
}

const SAMPLES = 32; // of each wire

/** Several wires, one after another, measured. */
export class Track {
	private readonly points: Point[] = [];
	private readonly lengths: number[] = [];
	/** Where each wire ends. */
	readonly ends: number[] = [];

	constructor(wires: Wire[]) {
		let length = 0;
		for (const wire of wires) {
			for (let i = 0; i <= SAMPLES; i++) {
				const p = at(wire, i / SAMPLES);
				const before = this.points.at(-1);
				if (before) length += Math.hypot(p.x - before.x, p.y - before.y);
				this.points.push(p);
				this.lengths.push(length);
			}
			this.ends.push(length);
		}
	}

	get length(): number {
		return this.ends.at(-1) ?? 0;
	}

	/** The way from the beginning up to a length, and where that is. */
	until(length: number): {d: string; head: Point} {
		const way: Point[] = [];
		let head = this.points[0] ?? {x: 0, y: 0};
		for (let i = 0; i < this.points.length; i++) {
			const p = this.points[i]!;
			const here = this.lengths[i]!;
			if (here > length) {
				const before = this.lengths[i - 1] ?? 0;
				const share = (length - before) / (here - before || 1);
				head = {x: head.x + (p.x - head.x) * share, y: head.y + (p.y - head.y) * share};
				way.push(head);
				break;
			}
			head = p;
			way.push(p);
		}
		return {d: `M${way.map((p) => `${round(p.x)} ${round(p.y)}`).join("L")}`, head};
	}
}
