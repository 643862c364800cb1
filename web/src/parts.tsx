// SPDX-License-Identifier: GPL-2.0-or-later
// Small signs: a state, its history, a rate's history, a share by uplink.
import type {Change, State} from "./api";
import {duration} from "./format";
import {SAMPLES} from "./store";

/** Each state has a shape of its own; the word stands beside it, or is said to those who do not see it. */
export function Mark({state}: {state: State | null}) {
	return (
		<svg class={`mark ${state ?? "unwatched"}`} viewBox="0 0 12 12" aria-hidden="true">
			{state === "up" && <circle cx="6" cy="6" r="4.5" />}
			{state === "degraded" && <path d="M6 1.2 11.4 10.8H.6Z" />}
			{state === "down" && <path d="M1 1h10v10H1Z" />}
			{state === "down" && <path class="hole" d="m3.6 3.6 4.8 4.8m0-4.8-4.8 4.8" />}
			{state === "unknown" && <circle class="hollow" cx="6" cy="6" r="4.2" />}
			{state === null && <path class="hollow" d="M2.5 6h7" />}
		</svg>
	);
}

const HOUR_MS = 3_600_000;
const HEIGHTS: Record<State, number> = {up: 3, unknown: 0, degraded: 6, down: 9};

/** The last hour of states: the worse the taller. What is before the first one known stays empty. */
export function Strip({
	history,
	now,
	state,
	since,
}: {
	history: Change[];
	now: number;
	state: State;
	since: number | null;
}) {
	const known = history.length ? history : since !== null ? [{at_ms: since, state, reason: null}] : [];
	const from = now - HOUR_MS;
	const x = (ms: number) => Math.max(0, (ms - from) / HOUR_MS) * 100;
	const pieces = known
		.map((c, i) => ({state: c.state, from: x(c.at_ms), to: x(known[i + 1]?.at_ms ?? now)}))
		.filter((p) => p.to > 0 && p.to > p.from);
	const changes = known.filter((c) => c.at_ms > from).length;
	const said = known.length
		? `last hour: ${changes ? `${changes} change${changes === 1 ? "" : "s"} of state` : `${state} throughout`}`
		: "its state has no history";
	return (
		<svg class="strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={said}>
			<title>{said}</title>
			<path class="base" d="M0 9.5H100" vector-effect="non-scaling-stroke" />
			{pieces.map((p) => (
				<rect
					key={p.from}
					class={p.state}
					x={p.from}
					y={10 - HEIGHTS[p.state]}
					width={Math.max(p.to - p.from, 0.8)}
					height={HEIGHTS[p.state]}
				/>
			))}
		</svg>
	);
}

/** The last two minutes of a rate, as high as its own peak. */
export function Spark({values}: {values: number[]}) {
	const peak = Math.max(...values, 1);
	const step = 100 / (SAMPLES - 1);
	const first = SAMPLES - values.length;
	const points = values.map(
		(v, i) => `${((first + i) * step).toFixed(1)} ${(19 - (v / peak) * 17).toFixed(1)}`,
	);
	if (points.length < 2) return <svg class="spark" viewBox="0 0 100 20" aria-hidden="true" />;
	return (
		<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
			<path class="area" d={`M${(first * step).toFixed(1)} 20L${points.join("L")}L100 20Z`} />
			<path class="line" d={`M${points.join("L")}`} vector-effect="non-scaling-stroke" />
		</svg>
	);
}

export const tone = (index: number) => `tone-${index % 4}`;

/** By which uplinks the connections of a map came. */
export function Split({shares, names}: {shares: number[]; names: string[]}) {
	if (!shares.length) return <span class="faint">none yet</span>;
	const percent = (share: number) => `${Math.round(share * 100)}`;
	const said = names.map((name, i) => `${name} ${percent(shares[i] ?? 0)} %`).join(", ");
	return (
		<span class="split" title={said}>
			<span class="bar" aria-hidden="true">
				{shares.map((share, i) => (
					<i key={i} class={tone(i)} style={{width: `${share * 100}%`}} />
				))}
			</span>
			<span aria-hidden="true">{shares.length > 3 ? "" : shares.map(percent).join("\u2009:\u2009")}</span>
			<span class="unseen">{said}</span>
		</span>
	);
}

export function Ago({at, now, never}: {at: number | null | undefined; now: number; never: string}) {
	if (!at)
		return (
			<span class="faint" title={never}>
				<span aria-hidden="true">{"\u2013"}</span>
				<span class="unseen">{never}</span>
			</span>
		);
	return (
		<time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
			{duration(now - at)} ago
		</time>
	);
}
