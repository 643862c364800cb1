// SPDX-License-Identifier: GPL-2.0-or-later
// The packet that explain sends over the drawing: the way it has come, behind the nodes, and itself before them.
import type {Uplink} from "./api";
import {type LegName, label, travelled} from "./journey";
import type {Layout} from "./layout";
import * as player from "./player";

const LETTER = 6.3; // a letter's width in the label, about
const LABEL_HEIGHT = 20;

interface Props {
	l: Layout;
	uplinks: Uplink[];
}

/** Of the leg that the packet is on, as far as it has come; of the one before, all. */
function here({l, uplinks}: Props, name: LegName) {
	const stop = player.allStops.value[player.at.value];
	const leg = player.chosenWay.value?.[name];
	if (!stop || !leg || (name === "reply" && stop.leg === "request")) return null;
	const {track, positions} = travelled(l, uplinks, leg, name);
	if (name !== stop.leg) return track.until(track.length);
	const to = positions[stop.index]!;
	const from = stop.index ? positions[stop.index - 1]! : 0;
	return track.until(from + (to - from) * player.progress.value);
}

export function Trail(props: Props) {
	return (
		<>
			{(["request", "reply"] as const).map((name) => {
				const way = here(props, name);
				return way && <path key={name} class={`trail ${name}`} d={way.d} />;
			})}
		</>
	);
}

export function Courier(props: Props) {
	const stop = player.allStops.value[player.at.value];
	const way = stop && here(props, stop.leg);
	if (!stop || !way) return null;
	const {width, height} = props.l;
	return (
		<svg class="wires courier" width={width} height={height} aria-hidden="true">
			<Head x={way.head.x} y={way.head.y} text={label(stop.step)} stops={stop.step.stops} width={width} />
		</svg>
	);
}

function Head({
	x,
	y,
	text,
	stops,
	width,
}: {
	x: number;
	y: number;
	text: string;
	stops: boolean;
	width: number;
}) {
	const w = text.length * LETTER + 14;
	const left = Math.max(2, Math.min(width - w - 2, x - w / 2));
	const top = y - LABEL_HEIGHT - 12;
	return (
		<g class={`head ${stops ? "stops" : ""}`}>
			<circle class="halo" cx={x} cy={y} r="11" />
			{stops ? (
				<path class="end" d={`M${x - 6} ${y - 6}l12 12m0-12l-12 12`} />
			) : (
				<circle class="body" cx={x} cy={y} r="5.5" />
			)}
			<rect class="tag" x={left} y={top} width={w} height={LABEL_HEIGHT} rx="4" />
			<text x={left + w / 2} y={top + 14} text-anchor="middle">
				{text}
			</text>
		</g>
	);
}
