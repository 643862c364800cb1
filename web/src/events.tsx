// SPDX-License-Identifier: GPL-2.0-or-later
// What changed, who changed it, and what portreeve did; the newest first.
import {useSignal} from "@preact/signals";
import type {Event} from "./api";
import {clock} from "./format";
import {isNarrowed, type Selection} from "./model";
import {Mark} from "./parts";
import * as store from "./store";

const SHOWN = 60;
// What the line has in its own place, and how long the daemon took.
const ELSEWHERE = new Set(["id", "at", "level", "kind", "message", "by", "process", "us"]);
const LEVELS = {error: "down", warning: "degraded", notice: "up", debug: null} as const;

function concerns(e: Event, s: Selection): boolean {
	const backend = typeof e["backend"] === "string" ? e["backend"] : "";
	return (
		(!s.uplink || e["uplink"] === s.uplink) &&
		(!s.map || e["map"] === s.map) &&
		(!s.backend || backend.includes(s.backend))
	);
}

function Entry({event, now}: {event: Event; now: number}) {
	const who = event["by"] ?? event["process"];
	const said = (value: unknown) => typeof value === "string" && event.message.includes(value);
	const more = Object.entries(event).filter(
		([key, value]) => !ELSEWHERE.has(key) && value !== 0 && value !== "" && !said(value),
	);
	return (
		<li class={event.level}>
			<Mark state={LEVELS[event.level]} />
			<div>
				<p class="what">
					<b>{event.kind}</b>
					<time dateTime={new Date(event.at).toISOString()}>{clock(event.at, now)}</time>
				</p>
				<p>
					{event.message}
					{typeof who === "string" && (
						<>
							{" "}
							<span class="who">by {who}</span>
						</>
					)}
				</p>
				{more.length > 0 && (
					<p class="more">
						{more.map(([key, value]) => (
							<span key={key}>
								<span class="faint">{key.replaceAll("_", " ")}</span> {String(value)}
							</span>
						))}
					</p>
				)}
			</div>
		</li>
	);
}

export function Events() {
	const debug = useSignal(false);
	const shown = useSignal(SHOWN);
	const selection = store.selection.value;
	const list = store.events.value.filter(
		(e) => (debug.value || e.level !== "debug") && (!isNarrowed(selection) || concerns(e, selection)),
	);
	return (
		<section class="events" aria-labelledby="events">
			<div class="heading">
				<h2 id="events">Events</h2>
				<label class="check">
					<input
						type="checkbox"
						checked={debug.value}
						onChange={(e) => (debug.value = e.currentTarget.checked)}
					/>
					details
				</label>
			</div>
			{/* It scrolls, so the keyboard has to reach it. */}
			<div class="scroll" tabIndex={0} role="region" aria-label="List of events">
				<ol>
					{list.slice(0, shown.value).map((e) => (
						<Entry key={`${e.id} ${e.at}`} event={e} now={store.now.value} />
					))}
				</ol>
				{list.length > shown.value && (
					<button type="button" class="quiet" onClick={() => (shown.value += SHOWN * 2)}>
						{list.length - shown.value} older
					</button>
				)}
				{!list.length && <p class="empty">{isNarrowed(selection) ? "None about this." : "None yet."}</p>}
			</div>
		</section>
	);
}
