// SPDX-License-Identifier: GPL-2.0-or-later
// An answer of explain, laid out for travelling: the stops of request and reply, and where they are.
import type {Leg, Step, Uplink, Way} from "./api";
import {file} from "./format";
import {type Box, type Layout, heart, through, toBackend, toGateway, turned} from "./layout";
import {type Point, Track, type Wire} from "./path";

export type LegName = "request" | "reply";

export interface Stop {
	leg: LegName;
	index: number; // among the steps of its leg
	step: Step;
}

export interface Question {
	proto: string;
	src: string;
	dst: string;
	in: string; // "": found out
}

const LABELS: Record<string, string> = {source: "source check", forward: "forwarding"};

/** What explain calls a step on the terminal. */
export function label(step: Step): string {
	const ruled = step.stage === "rule" || step.stage === "nat";
	return ruled && step.hook ? step.hook : (LABELS[step.stage] ?? step.stage);
}

export function stops(way: Way): Stop[] {
	const of = (leg: LegName) => (way[leg]?.steps ?? []).map((step, index) => ({leg, index, step}));
	return [...of("request"), ...of("reply")];
}

/** "ip nat PREROUTING: ..."; iptables' own words name the chain. Empty: no rule had a say. */
export function rule(step: Step): string {
	if (!step.rule) return step.sysctl ? `sysctl ${step.sysctl}` : "";
	const chain = step.rule.startsWith("-A ") ? "" : ` ${step.chain ?? ""}`;
	return `${step.table ?? ""}${chain}: ${step.rule}`;
}

export function place(step: Step): string {
	if (step.file) return `${file(step.file)}:${step.line}`;
	return step.handle ? `handle ${step.handle}` : "";
}

export function uplinkOf(uplinks: Uplink[], name: string | null, address: string | null): Uplink | undefined {
	const there = uplinks.filter((u) => u.interface === name);
	return there.find((u) => address !== null && u.addresses.includes(address)) ?? there[0];
}

/** Beside the wire's middle, so that request and reply do not cover each other. */
const OFFSET = 4;

export interface Journeyed {
	track: Track;
	positions: number[]; // of the steps
}

/** The way of a leg over the drawing. */
export function travelled(l: Layout, uplinks: Uplink[], leg: Leg, name: LegName): Journeyed {
	const dy = name === "request" ? -OFFSET : OFFSET;
	const wireTo = (
		interfaceName: string | null,
		outside: string | null,
		inside: string | null,
	): Wire | null => {
		if (!interfaceName) return null;
		const uplink = uplinkOf(uplinks, interfaceName, outside);
		const box = uplink && l.uplinks.get(uplink.name);
		if (box) return toGateway(l, box, dy);
		return turned(toBackend(l, (inside && l.backends.get(inside)) || somewhere(l), dy));
	};
	// On the way in a request has our address for destination, on the way out a reply has it for source.
	const entry = wireTo(leg.in, leg.first.dst, leg.first.src);
	const way_out = wireTo(leg.out, leg.last.src, leg.last.dst);
	const begin: Point = entry?.to ?? heart(l, way_out?.to.y ?? l.height / 2);
	const finish: Point = way_out?.to ?? heart(l, begin.y);
	const wires = [entry ?? {from: begin, to: begin}, through(l, begin, finish)];
	if (way_out) wires.push(turned(way_out));
	const track = new Track(wires);
	const last = leg.steps.length - 1;
	const arrived = track.ends[0]!;
	const crossed = track.ends[1]!;
	const positions = leg.steps.map((_, i) => {
		if (i === last && way_out) return track.length;
		return last > 0 ? arrived + ((crossed - arrived) * i) / last : arrived;
	});
	return {track, positions};
}

/** A place inside that no backend has. */
function somewhere(l: Layout): Box {
	if (l.more) return l.more;
	const x = l.gateway.x + l.gateway.w;
	return {x: l.width - 24, y: l.height - 34, w: l.width - x, h: 20};
}
