// SPDX-License-Identifier: GPL-2.0-or-later
// Why a packet and its reply get through, or do not: the question, and the steps beside the drawing.
import {effect, useSignal} from "@preact/signals";
import {useEffect, useRef} from "preact/hooks";
import type {Journey, Leg, PortMap, Uplink, Verdict} from "./api";
import {Copy, FindingCard} from "./findings";
import {end, packet} from "./format";
import {askShared, forget} from "./hash";
import {type Question, type Stop, label, place, rule} from "./journey";
import * as player from "./player";
import * as store from "./store";

const PROTOCOLS = ["tcp", "udp", "sctp", "icmp"];
const SUGGESTED = 60;

/** Where a client could knock: every listener of these maps at every address of their uplinks. */
function doors(maps: PortMap[], uplinks: Uplink[]): {dst: string; proto: string; in: string; map: string}[] {
	const found = [];
	for (const map of maps) {
		for (const uplink of uplinks.filter((u) => map.uplinks.includes(u.name)))
			for (const address of uplink.addresses)
				for (const {protocol, first} of map.listen)
					found.push({dst: end(address, first), proto: protocol, in: uplink.interface, map: map.name});
		if (found.length >= SUGGESTED) break;
	}
	return found.slice(0, SUGGESTED);
}

function Form() {
	const draft = useSignal<Question>(player.question.value);
	const set = (change: Partial<Question>) => (draft.value = {...draft.value, ...change});
	useEffect(() => effect(() => void (draft.value = {...player.question.value})), []);

	// What is selected is what the question is about, until something is typed.
	const {map, uplink} = store.selection.value;
	const {uplinks, maps} = store;
	const offered = doors(
		map ? maps.value.filter((m) => m.name === map) : maps.value,
		uplink ? uplinks.value.filter((u) => u.name === uplink) : uplinks.value,
	);
	const suggestion = offered[0];
	useEffect(() => {
		if (!suggestion || player.answer.value || (draft.value.dst && !map && !uplink)) return;
		set({dst: suggestion.dst, proto: suggestion.proto, in: suggestion.in});
	}, [map, uplink, suggestion?.dst]);

	const pick = (dst: string) => {
		const door =
			offered.find((d) => d.dst === dst && d.proto === draft.value.proto) ??
			offered.find((d) => d.dst === dst);
		set(door ? {dst, proto: door.proto, in: door.in} : {dst});
	};
	const q = draft.value;
	return (
		<form
			onSubmit={(e) => {
				e.preventDefault();
				askShared({...q, src: q.src.trim(), dst: q.dst.trim()});
			}}
		>
			<div class="field proto">
				<label for="ask-proto">Protocol</label>
				<select id="ask-proto" value={q.proto} onChange={(e) => set({proto: e.currentTarget.value})}>
					{PROTOCOLS.map((p) => (
						<option key={p}>{p}</option>
					))}
				</select>
			</div>
			<div class="field in">
				<label for="ask-in">Comes in by</label>
				<select id="ask-in" value={q.in} onChange={(e) => set({in: e.currentTarget.value})}>
					<option value="">as routed</option>
					{[...new Map(uplinks.value.map((u) => [u.interface, u.name]))].map(([name, uplinkName]) => (
						<option key={name} value={name}>
							{uplinkName} ({name})
						</option>
					))}
					{q.in && !uplinks.value.some((u) => u.interface === q.in) && <option value={q.in}>{q.in}</option>}
				</select>
			</div>
			<div class="field src">
				<label for="ask-src">From</label>
				<input
					id="ask-src"
					required
					spellcheck={false}
					autocomplete="off"
					placeholder={player.EXAMPLE_CLIENT}
					value={q.src}
					onInput={(e) => set({src: e.currentTarget.value})}
				/>
			</div>
			<div class="field dst">
				<label for="ask-dst">To</label>
				<input
					id="ask-dst"
					required
					spellcheck={false}
					autocomplete="off"
					list="doors"
					placeholder="address:port"
					value={q.dst}
					onInput={(e) => pick(e.currentTarget.value)}
				/>
				<datalist id="doors">
					{offered.map((d) => (
						<option
							key={`${d.dst} ${d.proto} ${d.map}`}
							value={d.dst}
							label={`${d.map}, ${d.proto}, ${d.in}`}
						/>
					))}
				</datalist>
			</div>
			<button type="submit" class="primary" disabled={player.asking.value}>
				{player.asking.value ? "Asking\u2026" : "Explain"}
			</button>
		</form>
	);
}

const WORDS: Record<Verdict, string> = {
	works: "It works",
	broken: "It is broken",
	unknown: "It cannot be told",
};

function Controls({journey}: {journey: Journey}) {
	const at = player.at.value;
	const count = player.allStops.value.length;
	return (
		<div class="controls">
			<button type="button" aria-label="Step back" disabled={at <= 0} onClick={() => player.go(at - 1)}>
				{"\u2190"}
			</button>
			<button type="button" class="play" onClick={player.toggle}>
				{player.playing.value ? "pause" : "play"}
			</button>
			<button type="button" aria-label="Step on" disabled={at >= count - 1} onClick={() => player.go(at + 1)}>
				{"\u2192"}
			</button>
			<span class="faint numeric">
				{at + 1} of {count}
			</span>
			{journey.ways.length > 1 && (
				<label>
					<span class="unseen">Way</span>
					<select value={player.way.value} onChange={(e) => player.takeWay(Number(e.currentTarget.value))}>
						{journey.ways.map((w, i) => (
							<option key={i} value={i}>
								way {i + 1}: {w.verdict}
							</option>
						))}
					</select>
				</label>
			)}
		</div>
	);
}

function StepItem({stop, index}: {stop: Stop; index: number}) {
	const at = player.at.value;
	const ref = useRef<HTMLLIElement>(null);
	const current = at === index;
	useEffect(() => {
		const item = ref.current;
		const box = item?.closest(".steps");
		if (!current || !item || !box) return;
		// scrollIntoView() would move the page as well.
		const top = item.offsetTop - 60;
		box.scrollTo({top, behavior: player.still() ? "instant" : "smooth"});
	}, [current]);
	const {step} = stop;
	return (
		<li
			ref={ref}
			class={`${current ? "current" : ""} ${index > at ? "ahead" : ""} ${step.stops ? "stops" : ""} ${step.stage}`}
			aria-current={current ? "step" : undefined}
		>
			<button type="button" onClick={() => player.go(index)}>
				<span class="stage">{label(step)}</span>
				<span class="what">
					{step.text}
					{rule(step) && <code>{rule(step)}</code>}
					{place(step) && <span class="place">{place(step)}</span>}
				</span>
			</button>
		</li>
	);
}

function LegSteps({name, leg, from}: {name: "request" | "reply"; leg: Leg | null; from: number}) {
	if (!leg) return null;
	const stops = player.allStops.value;
	return (
		<>
			<h3>
				{name} <span class="packet">{packet(leg.first)}</span>
			</h3>
			<ol start={from + 1}>
				{leg.steps.map((_, i) => (
					<StepItem key={i} stop={stops[from + i]!} index={from + i} />
				))}
			</ol>
		</>
	);
}

function Answer({journey}: {journey: Journey}) {
	const way = player.chosenWay.value;
	if (!way) return null;
	const decided = journey.assumed.filter((a) => a.decides);
	return (
		<>
			<p class={`answer ${journey.verdict}`} role="status">
				<b>{WORDS[journey.verdict]}:</b> {journey.why}
			</p>
			<Controls journey={journey} />
			<div class="steps">
				<LegSteps name="request" leg={way.request} from={0} />
				<LegSteps name="reply" leg={way.reply} from={way.request?.steps.length ?? 0} />
				{journey.fastpath && (
					<p>
						<span class="faint">fast path</span> {journey.fastpath.why}
					</p>
				)}
				{journey.more_ways && <p class="faint">There are more ways than these.</p>}
				{way.home === false && <p class="down">Not home: the request came in by {journey.in}.</p>}
				{journey.assumed.length > 0 && (
					<>
						<h3>{decided.length ? "Taken for granted, and it decides" : "Taken for granted"}</h3>
						<ul>
							{journey.assumed.map((a) => (
								<li key={`${a.what} ${a.where}`}>
									{a.what}
									{a.where && <span class="faint"> ({a.where})</span>}
								</li>
							))}
						</ul>
					</>
				)}
				{journey.pitfalls.map((f) => (
					<FindingCard key={f.id + f.title} finding={f} open={false} />
				))}
			</div>
		</>
	);
}

export function Explain() {
	const journey = player.answer.value;
	const problem = player.problem.value;
	const onKeyDown = (e: KeyboardEvent) => {
		const typing = e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement;
		if (!journey || typing) return;
		if (e.key === "ArrowRight") player.go(player.at.value + 1);
		else if (e.key === "ArrowLeft") player.go(player.at.value - 1);
		else if (e.key === " " && !(e.target instanceof HTMLButtonElement)) player.toggle();
		else return;
		e.preventDefault();
	};
	return (
		<section class="explain" aria-labelledby="explain" onKeyDown={onKeyDown}>
			<div class="inner">
				<div class="heading">
					<h2 id="explain">Explain a connection</h2>
					{journey && (
						<span>
							<Copy text={location.href} what="copy link" />
							<button type="button" class="quiet" onClick={forget}>
								close
							</button>
						</span>
					)}
				</div>
				<Form />
				<div aria-live="polite">
					{problem && (
						<p class="answer unknown">
							{problem.message} {problem.hint}
						</p>
					)}
				</div>
				{journey ? (
					<Answer journey={journey} />
				) : (
					<p class="faint intro">
						Follows a packet and its reply through every rule, translation and route of this gateway, and says
						what decides.
					</p>
				)}
			</div>
		</section>
	);
}
