// SPDX-License-Identifier: GPL-2.0-or-later
// What the page knows, as signals, and what it has been told to show.
import {computed, signal} from "@preact/signals";
import type {Event, Finding, PortMap, Status, Traffic} from "./api";
import {type Rate, type Selection, blankRow, pairs, rowsWithTraffic, targets} from "./model";

/** Looks that a sparkline goes back. */
export const SAMPLES = 60;

export const status = signal<Status | null>(null);
export const maps = signal<PortMap[]>([]);
export const mapsTotal = signal<number | null>(null); // while they are still being read
export const traffic = signal<Traffic | null>(null);
export const events = signal<Event[]>([]); // newest first
export const findings = signal<Finding[]>([]);
export const findingsProblem = signal<string | null>(null);
/** Since when the daemon has not answered; null: it does. */
export const away = signal<number | null>(null);

/** By uplink and map; null: there were not two looks yet. */
export const mapRates = signal<Map<string, Rate> | null>(null);
export const uplinkRates = signal<Map<string, Rate>>(new Map());
/** By uplink, oldest first. */
export const rateHistory = signal<Map<string, number[]>>(new Map());

export const selection = signal<Selection>({});

export const uplinks = computed(() => status.value?.uplinks ?? []);
export const now = computed(() => status.value?.now_ms ?? Date.now());
export const backends = computed(() => targets(maps.value));
export const lines = computed(() => pairs(maps.value));

const blankRows = computed(() => maps.value.map(blankRow));
export const rows = computed(() =>
	rowsWithTraffic(blankRows.value, uplinks.value, traffic.value, mapRates.value),
);

/** Narrow to this; once more, and everything is there again. */
export function choose(what: Selection): void {
	const is = selection.value;
	const same = is.uplink === what.uplink && is.map === what.map && is.backend === what.backend;
	selection.value = same ? {} : what;
}
