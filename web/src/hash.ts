// SPDX-License-Identifier: GPL-2.0-or-later
// The address of the page says what is asked and what is shown, so that a link shares it.
import {effect} from "@preact/signals";
import type {Question} from "./journey";
import type {Selection} from "./model";
import * as player from "./player";
import {selection} from "./store";

const QUESTION = ["proto", "src", "dst"] as const;

function read(): {question: Question | null; selection: Selection} {
	const words = new URLSearchParams(location.hash.slice(1));
	const word = (key: string) => words.get(key) ?? "";
	const chosen: Selection = {};
	for (const key of ["uplink", "map", "backend"] as const) if (words.get(key)) chosen[key] = word(key);
	return {
		question: QUESTION.every((key) => words.get(key))
			? {proto: word("proto"), src: word("src"), dst: word("dst"), in: word("in")}
			: null,
		selection: chosen,
	};
}

function text(question: Question | null, chosen: Selection): string {
	const words = new URLSearchParams();
	for (const [key, value] of Object.entries({...question, ...chosen})) if (value) words.set(key, value);
	return words.size ? `#${words}` : "";
}

let current: Question | null = null;

function write(): void {
	const hash = text(current, selection.value);
	if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname);
}

export function askShared(question: Question): void {
	current = question;
	write();
	void player.ask(question);
}

export function forget(): void {
	current = null;
	write();
	player.clear();
}

function obey(): void {
	const said = read();
	selection.value = said.selection;
	current = said.question;
	if (current) void player.ask(current);
	else player.clear();
}

export function begin(): void {
	obey();
	addEventListener("hashchange", obey);
	effect(write);
}
