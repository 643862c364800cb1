// SPDX-License-Identifier: GPL-2.0-or-later
// The question of explain and its answer, and how far the packet has come.
import {batch, computed, signal} from "@preact/signals";
import {type Journey, Refused, get} from "./api";
import {type Question, type Stop, stops} from "./journey";

export const EXAMPLE_CLIENT = "198.51.100.7"; // TEST-NET-2: some client on the Internet

export const question = signal<Question>({proto: "tcp", src: EXAMPLE_CLIENT, dst: "", in: ""});
export const answer = signal<Journey | null>(null);
export const asking = signal(false);
export const problem = signal<{message: string; hint: string | null} | null>(null);
export const way = signal(0);
/** The stop that the packet is at or travels to; -1: it has not begun. */
export const at = signal(-1);
/** How far it is from the stop before: 1 is there. */
export const progress = signal(1);
export const playing = signal(false);

export const chosenWay = computed(() => answer.value?.ways[way.value] ?? null);
export const allStops = computed<Stop[]>(() => (chosenWay.value ? stops(chosenWay.value) : []));

const TRAVEL_MS = 380;
const REST_MS = 620;

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

let frame = 0;
let asked = 0; // so that the answer to an older question is dropped

function halt(): void {
	cancelAnimationFrame(frame);
	playing.value = false;
	progress.value = 1;
}

export function go(stop: number): void {
	batch(() => {
		halt();
		at.value = Math.max(0, Math.min(allStops.value.length - 1, stop));
	});
}

export function play(): void {
	if (!allStops.value.length) return;
	cancelAnimationFrame(frame);
	playing.value = true;
	if (at.value >= allStops.value.length - 1) at.value = -1;
	let began = performance.now();
	at.value++;
	progress.value = still() ? 1 : 0;
	const tick = (now: number) => {
		const spent = now - began;
		if (!still()) progress.value = Math.min(1, spent / TRAVEL_MS);
		if (spent > TRAVEL_MS + REST_MS) {
			if (at.value >= allStops.value.length - 1) return halt();
			began = now;
			batch(() => {
				at.value++;
				progress.value = still() ? 1 : 0;
			});
		}
		frame = requestAnimationFrame(tick);
	};
	frame = requestAnimationFrame(tick);
}

export const toggle = () => (playing.value ? halt() : play());

export function takeWay(index: number): void {
	batch(() => {
		halt();
		way.value = index;
		at.value = allStops.value.length - 1;
	});
}

export function clear(): void {
	asked++;
	batch(() => {
		halt();
		answer.value = null;
		problem.value = null;
		asking.value = false;
		at.value = -1;
	});
}

/** Ask the daemon, again after a while where it has been asked too often; then begin to play. */
export async function ask(q: Question): Promise<void> {
	clear();
	const mine = asked;
	batch(() => {
		question.value = q;
		asking.value = true;
	});
	const query: Record<string, string> = {proto: q.proto, src: q.src, dst: q.dst};
	if (q.in) query["in"] = q.in;
	for (;;) {
		try {
			const found = await get<Journey>("/v1/explain", query);
			if (mine !== asked) return;
			batch(() => {
				answer.value = found;
				problem.value = null;
				way.value = 0;
				asking.value = false;
			});
			if (still()) go(allStops.value.length - 1);
			else play();
			return;
		} catch (e) {
			if (mine !== asked) return;
			const wait = e instanceof Refused ? e.retryAfter : null;
			batch(() => {
				asking.value = wait !== null;
				problem.value =
					wait !== null
						? {message: `The daemon is asked often just now; again in ${wait} s.`, hint: null}
						: e instanceof Refused
							? {message: e.message, hint: e.hint}
							: {message: "The daemon does not answer.", hint: null};
			});
			if (wait === null) return;
			await new Promise((done) => setTimeout(done, wait * 1000));
			if (mine !== asked) return;
		}
	}
}
