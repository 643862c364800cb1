// SPDX-License-Identifier: GPL-2.0-or-later
// All maps as a table: sorted, searched, narrowed. Only the rows that can be seen are in the document,
// so that 10,000 of them scroll like ten.
import {useSignal} from "@preact/signals";
import type {ComponentChildren} from "preact";
import {useEffect, useLayoutEffect, useMemo, useRef} from "preact/hooks";
import {Ago, Split} from "./parts";
import {bits, bytes, count, plural} from "./format";
import {type MapRow, fits} from "./model";
import * as store from "./store";

const ROW = 30;
const ROW_NARROW = 62; // two lines
const OVERSCAN = 6;
const NARROW = "(max-width: 700px)";

interface Column {
	key: string;
	title: string;
	hint?: string;
	numeric?: boolean;
	order: (a: MapRow, b: MapRow) => number;
	cell: (row: MapRow) => ComponentChildren;
}

const byText = (of: (r: MapRow) => string) => (a: MapRow, b: MapRow) =>
	of(a).localeCompare(of(b), "en", {numeric: true});
// What is not known comes last, the most first.
const byNumber = (of: (r: MapRow) => number | null | undefined) => (a: MapRow, b: MapRow) =>
	(of(b) ?? -1) - (of(a) ?? -1);
const known = (n: number | null, text: (n: number) => string) =>
	n === null ? <span class="faint">?</span> : text(n);

const COLUMNS: Column[] = [
	{
		key: "name",
		title: "Map",
		order: byText((r) => r.map.name),
		cell: (r) => r.map.name,
	},
	{
		key: "listen",
		title: "Listens",
		order: byText((r) => r.listeners),
		cell: (r) => <span title={r.listeners}>{r.listeners}</span>,
	},
	{
		key: "backend",
		title: "Backend",
		order: byText((r) => r.backends),
		cell: (r) => (
			<span
				title={r.map.backends
					.map((b) => `${b.address} ${b.return}${b.state ? ` ${b.state}` : ""}`)
					.join("\n")}
			>
				{r.backends}
				{r.map.backends.some((b) => b.down) && (
					<span class="down"> {plural(r.map.backends.filter((b) => b.down).length, "down", "down")}</span>
				)}
			</span>
		),
	},
	{
		key: "connections",
		title: "Open",
		hint: "open connections",
		numeric: true,
		order: byNumber((r) => r.connections),
		cell: (r) => known(r.connections, count),
	},
	{
		key: "rate",
		title: "Rate",
		numeric: true,
		order: byNumber((r) => r.rate),
		cell: (r) => known(r.rate, bits),
	},
	{
		key: "bytes",
		title: "Bytes",
		numeric: true,
		order: byNumber((r) => r.bytes),
		cell: (r) => known(r.bytes, bytes),
	},
	{
		key: "home",
		title: "Home",
		hint: "percent of its connections by each uplink",
		order: byNumber((r) => r.split[0]),
		cell: (r) => <Split shares={r.split} names={store.uplinks.value.map((u) => u.name)} />,
	},
	{
		key: "misrouted",
		title: "Misrouted",
		hint: "replies that would have left by another line than home, by its uplinks together; must stay 0",
		numeric: true,
		order: byNumber((r) => r.misrouted),
		cell: (r) =>
			r.misrouted ? <span class="stray">{`\u2264 ${count(r.misrouted)}`}</span> : known(r.misrouted, count),
	},
	{
		key: "changed",
		title: "Changed",
		numeric: true,
		order: byNumber((r) => r.map.changed_ms),
		cell: (r) => <Ago at={r.map.changed_ms} now={store.now.value} never="not since the daemon began" />,
	},
];

function useNarrow(): boolean {
	const narrow = useSignal(matchMedia(NARROW).matches);
	useEffect(() => {
		const query = matchMedia(NARROW);
		const look = () => (narrow.value = query.matches);
		query.addEventListener("change", look);
		return () => query.removeEventListener("change", look);
	}, []);
	return narrow.value;
}

export function MapsTable() {
	const sorted = useSignal<{key: string; turned: boolean}>({key: "rate", turned: false});
	const search = useSignal("");
	const top = useSignal(0);
	const height = useSignal(600);
	const cursor = useSignal(0);
	const scroller = useRef<HTMLDivElement>(null);
	const focus = useRef(false); // the cursor was moved by key: its row takes the focus
	const rowHeight = useNarrow() ? ROW_NARROW : ROW;
	const all = store.rows.value;
	const selection = store.selection.value;

	const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
	const {key, turned} = sorted.value;
	const rows = useMemo(() => {
		const column = COLUMNS.find((c) => c.key === key)!;
		const found = all.filter(
			(r) => fits(r.map, {...selection, map: ""}) && words.every((w) => r.haystack.includes(w)),
		);
		const tie = COLUMNS[0]!.order;
		found.sort((a, b) => (turned ? -1 : 1) * column.order(a, b) || tie(a, b));
		return found;
	}, [all, selection, words.join(" "), key, turned]);

	useLayoutEffect(() => {
		const watch = new ResizeObserver(([entry]) => entry && (height.value = entry.contentRect.height));
		if (scroller.current) watch.observe(scroller.current);
		return () => watch.disconnect();
	}, []);

	const first = Math.max(0, Math.floor(top.value / rowHeight) - OVERSCAN);
	const last = Math.min(rows.length, Math.ceil((top.value + height.value) / rowHeight) + OVERSCAN);
	const at = Math.min(cursor.value, rows.length - 1);

	// At once: the row that had the focus may be gone, and the next key with it.
	useLayoutEffect(() => {
		if (!focus.current) return;
		focus.current = false;
		scroller.current?.querySelector<HTMLElement>("[data-cursor]")?.focus({preventScroll: true});
	});

	const move = (to: number) => {
		const box = scroller.current;
		if (!box) return;
		cursor.value = Math.max(0, Math.min(rows.length - 1, to));
		focus.current = true;
		const y = cursor.value * rowHeight;
		const room = box.clientHeight - rowHeight * 2; // the heading stays on top
		if (y < box.scrollTop) box.scrollTop = y;
		else if (y > box.scrollTop + room) box.scrollTop = y - room;
		top.value = box.scrollTop;
	};
	const onKeyDown = (e: KeyboardEvent) => {
		const page = Math.max(1, Math.floor(height.value / rowHeight) - 2);
		const steps: Record<string, number> = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page};
		const target = {Home: 0, End: rows.length - 1}[e.key] ?? (e.key in steps ? at + steps[e.key]! : null);
		if (target === null) return;
		e.preventDefault();
		move(target);
	};
	const sortBy = (column: Column) => {
		sorted.value = {key: column.key, turned: key === column.key && !turned};
	};

	const reading = store.mapsTotal.value;
	return (
		<section class="maps" aria-labelledby="maps">
			<div class="heading">
				<h2 id="maps">
					Maps{" "}
					<span class="faint">
						{rows.length === all.length ? count(all.length) : `${count(rows.length)} of ${count(all.length)}`}
					</span>
				</h2>
				<input
					type="search"
					aria-label="Search maps"
					placeholder="name, port, address"
					value={search.value}
					onInput={(e) => {
						search.value = e.currentTarget.value;
						if (scroller.current) scroller.current.scrollTop = 0;
					}}
				/>
			</div>
			<div
				class="scroll"
				ref={scroller}
				onScroll={(e) => (top.value = e.currentTarget.scrollTop)}
				onKeyDown={onKeyDown}
				style={{"--row": `${rowHeight}px`}}
			>
				<div role="table" aria-label="Maps" aria-rowcount={rows.length + 1} class="table">
					<div role="rowgroup" class="head">
						<div role="row" aria-rowindex={1} class="row">
							{COLUMNS.map((c) => (
								<div
									role="columnheader"
									key={c.key}
									class={`${c.key} ${c.numeric ? "numeric" : ""}`}
									aria-sort={
										c.key === key
											? turned !== Boolean(isDescending(c))
												? "descending"
												: "ascending"
											: undefined
									}
								>
									<button type="button" title={c.hint} onClick={() => sortBy(c)}>
										{c.title}
										<span aria-hidden="true" class="arrow">
											{c.key === key ? (turned !== Boolean(isDescending(c)) ? "\u2193" : "\u2191") : ""}
										</span>
									</button>
								</div>
							))}
						</div>
					</div>
					<div role="rowgroup" class="body" style={{height: `${rows.length * rowHeight}px`}}>
						{rows.slice(first, last).map((row, i) => {
							const index = first + i;
							const chosen = selection.map === row.map.name;
							return (
								<div
									role="row"
									key={row.map.name}
									aria-rowindex={index + 2}
									class={`row ${chosen ? "chosen" : ""} ${index % 2 ? "odd" : ""}`}
									style={{transform: `translateY(${index * rowHeight}px)`}}
									onClick={() => {
										cursor.value = index;
										store.choose({map: row.map.name});
									}}
								>
									{COLUMNS.map((c) => (
										<div role="cell" key={c.key} class={`${c.key} ${c.numeric ? "numeric" : ""}`}>
											{c.key === "name" ? (
												<button
													type="button"
													class="link"
													aria-pressed={chosen}
													tabIndex={index === at ? 0 : -1}
													data-cursor={index === at ? "" : undefined}
												>
													{row.map.name}
												</button>
											) : (
												c.cell(row)
											)}
										</div>
									))}
								</div>
							);
						})}
					</div>
				</div>
				{!rows.length && (
					<p class="empty">
						{reading !== null
							? `Reading ${count(reading)} maps\u2026`
							: all.length
								? "No map fits."
								: "There is no map."}
					</p>
				)}
			</div>
		</section>
	);
}

const isDescending = (c: Column) => c.numeric || c.key === "home";
