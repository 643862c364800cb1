// SPDX-License-Identifier: GPL-2.0-or-later
// Light or dark: as the system has it, unless chosen here.
import {signal} from "@preact/signals";

const KEY = "portreeve-theme";
const CHOICES = ["auto", "light", "dark"] as const;
type Choice = (typeof CHOICES)[number];

function kept(): Choice {
	try {
		return CHOICES.find((c) => c === localStorage.getItem(KEY)) ?? "auto";
	} catch {
		return "auto"; // a browser that keeps nothing
	}
}

const choice = signal<Choice>(kept());

function wear(c: Choice): void {
	choice.value = c;
	document.documentElement.dataset["theme"] = c;
	try {
		localStorage.setItem(KEY, c);
	} catch {
		// It holds until the page is closed.
	}
}

wear(choice.value);

export function Theme() {
	return (
		<fieldset class="theme">
			<legend class="unseen">Colours</legend>
			{CHOICES.map((c) => (
				<label key={c}>
					<input
						class="unseen"
						type="radio"
						name="theme"
						value={c}
						checked={choice.value === c}
						onChange={() => wear(c)}
					/>
					<span>{c}</span>
				</label>
			))}
		</fieldset>
	);
}
