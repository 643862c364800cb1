// SPDX-License-Identifier: GPL-2.0-or-later
// The network drawn. Nodes are buttons that narrow everything to themselves; wires are behind them.
import {useSignal} from "@preact/signals";
import {useLayoutEffect, useMemo, useRef, useState} from "preact/hooks";
import type {Uplink} from "./api";
import {bits, count, duration, plural} from "./format";
import {Courier, Trail} from "./courier";
import {type Box, type Layout, across, layout, shown, thickness, toBackend, toGateway} from "./layout";
import {type Pair, type Rate, type Target, fits, isNarrowed, pairRate, total} from "./model";
import {Mark, Spark, Strip, tone} from "./parts";
import {svg} from "./path";
import * as player from "./player";
import * as store from "./store";

const place = (b: Box) => ({left: `${b.x}px`, top: `${b.y}px`, width: `${b.w}px`, height: `${b.h}px`});

function useWidth(): [preact.RefObject<HTMLDivElement | null>, number] {
	const ref = useRef<HTMLDivElement>(null);
	const [width, setWidth] = useState(0);
	useLayoutEffect(() => {
		const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
		if (ref.current) watch.observe(ref.current);
		return () => watch.disconnect();
	}, []);
	return [ref, width];
}

function RateText({rate}: {rate: Rate | undefined}) {
	const counted = store.status.value?.conntrack.accounting !== false;
	if (!rate) return <span class="faint">{counted ? "no rate yet" : "bytes are not counted"}</span>;
	return (
		<>
			<span class="rate">
				<span class="way">in</span> {bits(rate.in)}
			</span>
			<span class="rate">
				<span class="way">out</span> {bits(rate.out)}
			</span>
		</>
	);
}

function UplinkNode({uplink, box, index, dim}: {uplink: Uplink; box: Box; index: number; dim: boolean}) {
	const now = store.now.value;
	const [first, ...more] = uplink.addresses;
	const chosen = store.selection.value.uplink === uplink.name;
	const since = uplink.since_ms === null ? "" : ` ${duration(now - uplink.since_ms)}`;
	return (
		<li>
			<button
				type="button"
				class={`node uplink ${uplink.state} ${dim ? "dim" : ""}`}
				style={place(box)}
				aria-pressed={chosen}
				title={uplink.reason ?? undefined}
				onClick={() => store.choose({uplink: uplink.name})}
			>
				<span class="line name">
					<Mark state={uplink.state} />
					<b>{uplink.name}</b>
					<i class={`swatch ${tone(index)}`} aria-hidden="true" />
					<span class={`since ${uplink.state}`}>
						{uplink.state}
						{since}
					</span>
				</span>
				<span class="line">
					<span class="address">
						{first ?? "no address"}
						{more.length > 0 && ` +${more.length}`}
					</span>
					<span class="faint">{uplink.interface}</span>
					<Spark values={store.rateHistory.value.get(uplink.name) ?? []} />
				</span>
				<span class="hour">
					<span aria-hidden="true">1 h</span>
					<Strip history={uplink.history} now={now} state={uplink.state} since={uplink.since_ms} />
				</span>
				<span class="line rates">
					<RateText rate={store.uplinkRates.value.get(uplink.name)} />
				</span>
				{uplink.misrouted !== null && uplink.misrouted > 0 && (
					<span class="line misrouted">{count(uplink.misrouted)} misrouted</span>
				)}
			</button>
		</li>
	);
}

function BackendNode({
	target,
	box,
	rate,
	dim,
}: {
	target: Target;
	box: Box;
	rate: number | null;
	dim: boolean;
}) {
	const chosen = store.selection.value.backend === target.address;
	const why = [target.reason, ...target.why].filter(Boolean).join("; ");
	return (
		<li>
			<button
				type="button"
				class={`node backend ${target.state ?? ""} ${dim ? "dim" : ""}`}
				style={place(box)}
				aria-pressed={chosen}
				title={why || undefined}
				onClick={() => store.choose({backend: target.address})}
			>
				<span class="line name">
					<Mark state={target.state} />
					<b class="address">{target.address}</b>
					<span class={`since ${target.state ?? "unwatched"}`}>{target.state ?? "not checked"}</span>
				</span>
				<span class="line about">
					<span class="returns">{target.returns.join(" and ")}</span>
					<span class="rate">{rate === null ? "" : bits(rate)}</span>
				</span>
			</button>
		</li>
	);
}

function Gateway({box, compact}: {box: Box; compact: boolean}) {
	const status = store.status.value;
	const entries = status?.conntrack.entries ?? null;
	const ill = status?.in_force === false;
	return (
		<div class={`gateway ${ill ? "ill" : ""}`} style={place(box)}>
			<b>gateway</b>
			{!compact && status && (
				<span class={ill ? "down" : "faint"}>
					{ill ? "the kernel is not as the config says" : plural(status.config.maps, "map")}
				</span>
			)}
			{!compact && entries !== null && <span class="foot">{plural(entries, "connection")}</span>}
		</div>
	);
}

interface Line {
	pair: Pair;
	rate: number | null;
	lit: boolean;
	down: boolean; // its backend is
	from: Box;
	to: Box;
}

/** Where nothing is drawn by itself, lines lead to the node that stands for the rest. */
function wiring(l: Layout, lines: Pair[]): Line[] {
	const found = new Map<string, Line>();
	const selection = store.selection.value;
	for (const pair of lines) {
		const from = l.uplinks.get(pair.uplink);
		const own = l.backends.get(pair.backend);
		const to = own ?? l.more;
		if (!from || !to) continue;
		const rate = pairRate(pair, store.mapRates.value);
		const lit =
			(!selection.uplink || selection.uplink === pair.uplink) &&
			(!selection.backend || selection.backend === pair.backend) &&
			(!selection.map || pair.maps.some((m) => m.name === selection.map));
		const key = `${pair.uplink}\n${own ? pair.backend : ""}`;
		const line = found.get(key);
		if (line) {
			line.rate = rate === null ? line.rate : (line.rate ?? 0) + rate;
			line.lit ||= lit;
		} else {
			const down = own !== undefined && store.backends.value.get(pair.backend)?.state === "down";
			found.set(key, {pair, rate, lit, down, from, to});
		}
	}
	return [...found.values()].sort((a, b) => Number(a.lit) - Number(b.lit));
}

function describe(line: Line): string {
	const {pair, rate} = line;
	const names = pair.maps.slice(0, 4).map((m) => m.name);
	const maps = `${names.join(", ")}${pair.maps.length > 4 ? ` and ${pair.maps.length - 4} more` : ""}`;
	return `${pair.uplink} \u2192 ${pair.backend}: ${maps}${rate === null ? "" : `; ${bits(rate)}`}`;
}

function Wires({l, lines, uplinks}: {l: Layout; lines: Line[]; uplinks: Uplink[]}) {
	const hovered = useSignal<Line | null>(null);
	const journey = player.answer.value !== null;
	const narrowed = lines.some((line) => !line.lit);
	const byBackend = new Map<Box, {rate: number | null; lit: boolean; down: boolean}>();
	for (const line of lines) {
		const sum = byBackend.get(line.to) ?? {rate: null, lit: false, down: line.down};
		if (line.rate !== null) sum.rate = (sum.rate ?? 0) + line.rate;
		byBackend.set(line.to, {...sum, lit: sum.lit || line.lit});
	}
	const look = (lit: boolean) =>
		`wire ${journey || (narrowed && !lit) ? "dim" : ""} ${narrowed && lit ? "lit" : ""}`;
	return (
		<svg class="wires" width={l.width} height={l.height} aria-hidden="true">
			{uplinks.map((u) => {
				const box = l.uplinks.get(u.name)!;
				const lit = lines.some((line) => line.from === box && line.lit);
				return (
					<path
						key={u.name}
						class={`${look(lit)} ${u.state === "down" ? "cut" : ""}`}
						d={svg(toGateway(l, box))}
						stroke-width={thickness(total(store.uplinkRates.value.get(u.name)))}
					/>
				);
			})}
			{[...byBackend].map(([box, {rate, lit, down}]) => (
				<path
					key={`b${box.y}`}
					class={`${look(lit)} ${down ? "cut" : ""}`}
					d={svg(toBackend(l, box))}
					stroke-width={thickness(rate, byBackend.size)}
				/>
			))}
			{lines.map((line) => {
				const d = svg(across(l, line.from, line.to));
				const over = hovered.value?.pair === line.pair;
				return (
					<g key={`${line.pair.uplink} ${line.pair.backend}`}>
						<path
							class={`${look(line.lit)} ${over ? "lit" : ""}`}
							d={d}
							stroke-width={thickness(line.rate, lines.length)}
						/>
						<path
							class="touch"
							d={d}
							onMouseEnter={() => (hovered.value = line)}
							onMouseLeave={() => (hovered.value = null)}
							onClick={() => store.choose({uplink: line.pair.uplink, backend: line.pair.backend})}
						>
							<title>{describe(line)}</title>
						</path>
					</g>
				);
			})}
			<Trail l={l} uplinks={uplinks} />
		</svg>
	);
}

/** What everything is narrowed to. */
function Narrowed() {
	const selection = store.selection.value;
	if (!isNarrowed(selection)) return null;
	return (
		<p class="narrowed">
			<span>
				Only{" "}
				{Object.entries(selection)
					.filter(([, value]) => value)
					.map(([kind, value], i) => (
						<span key={kind}>
							{i > 0 && ", "}
							{kind} <b>{value}</b>
						</span>
					))}
			</span>
			<button type="button" class="quiet" onClick={() => (store.selection.value = {})}>
				show all <kbd>Esc</kbd>
			</button>
		</p>
	);
}

export function Drawing() {
	const [ref, width] = useWidth();
	const all = useSignal(false);
	const uplinks = store.uplinks.value;
	const selection = store.selection.value;
	const narrowed = useMemo(
		() =>
			new Set(
				store.maps.value.filter((m) => fits(m, selection)).flatMap((m) => m.backends.map((b) => b.address)),
			),
		[store.maps.value, selection],
	);
	const some = isNarrowed(selection);
	const targets = [...store.backends.value.values()];
	const visited = new Set(player.chosenWay.value ? endsOf(player.chosenWay.value) : []);
	const single = shown(
		targets,
		all.value,
		(t) => visited.has(t.address) || (some && !selection.uplink && narrowed.has(t.address)),
	);
	const left = targets.length - single.length;
	const l = useMemo(
		() =>
			layout(
				width,
				uplinks.map((u) => u.name),
				single.map((t) => t.address),
				left > 0,
			),
		[width, uplinks.map((u) => u.name).join("\n"), single.map((t) => t.address).join("\n"), left > 0],
	);
	const lines = width ? wiring(l, store.lines.value) : [];
	const rateOf = (box: Box | undefined) => {
		const rates = lines.filter((line) => line.to === box && line.rate !== null);
		return rates.length ? rates.reduce((n, line) => n + line.rate!, 0) : null;
	};
	const dimUplink = (u: Uplink) =>
		some &&
		!lines.some((line) => line.lit && line.from === l.uplinks.get(u.name)) &&
		selection.uplink !== u.name;
	return (
		<section class="network" aria-labelledby="network">
			<div class="heading">
				<h2 id="network">Network</h2>
				<Narrowed />
			</div>
			<div
				ref={ref}
				class={`drawing ${l.compact ? "compact" : ""} ${l.tight ? "tight" : ""}`}
				style={{height: width ? `${l.height}px` : undefined}}
			>
				{width > 0 && (
					<>
						<div class="internet" style={place(l.internet)}>
							<span>Internet</span>
						</div>
						<Gateway box={l.gateway} compact={l.compact} />
						<Wires l={l} lines={lines} uplinks={uplinks} />
						<ul aria-label="Uplinks">
							{uplinks.map((u, i) => (
								<UplinkNode
									key={u.name}
									uplink={u}
									index={i}
									box={l.uplinks.get(u.name)!}
									dim={dimUplink(u)}
								/>
							))}
						</ul>
						<ul aria-label="Backends">
							{single.map((t) => {
								const box = l.backends.get(t.address)!;
								const dim =
									some && (selection.backend ? t.address !== selection.backend : !narrowed.has(t.address));
								return <BackendNode key={t.address} target={t} box={box} rate={rateOf(box)} dim={dim} />;
							})}
							{l.more && (
								<li>
									<button
										type="button"
										class="node more"
										style={place(l.more)}
										disabled={all.value}
										onClick={() => (all.value = true)}
									>
										{plural(left, "more backend")}
										{!all.value && <span class="faint"> show</span>}
									</button>
								</li>
							)}
						</ul>
						<Courier l={l} uplinks={uplinks} />
						{all.value && (
							<button type="button" class="quiet fewer" onClick={() => (all.value = false)}>
								show fewer backends
							</button>
						)}
					</>
				)}
			</div>
		</section>
	);
}

function endsOf(way: NonNullable<typeof player.chosenWay.value>): string[] {
	const legs = [way.request, way.reply];
	return legs.flatMap((leg) => (leg ? [leg.first.src, leg.last.dst] : [])).filter((a) => a !== null);
}
