// SPDX-License-Identifier: GPL-2.0-or-later
// What on this machine would defeat a map: evidence, consequence, remedy. Nothing where there is nothing.
import {useState} from "preact/hooks";
import type {Finding} from "./api";
import {plural} from "./format";
import {choose, findings, findingsProblem} from "./store";

function copyByHand(text: string): boolean {
	const area = document.createElement("textarea");
	area.value = text;
	document.body.append(area);
	area.select();
	const done = document.execCommand("copy");
	area.remove();
	return done;
}

/** Without TLS a browser has no clipboard but the old one. */
export function Copy({text, what}: {text: string; what: string}) {
	const [said, say] = useState("");
	const copy = async () => {
		const done = await (navigator.clipboard
			? navigator.clipboard.writeText(text).then(
					() => true,
					() => copyByHand(text),
				)
			: copyByHand(text));
		say(done ? "copied" : "not copied");
		setTimeout(() => say(""), 2000);
	};
	return (
		<button type="button" class="quiet" onClick={copy}>
			{said || what}
		</button>
	);
}

const LEVELS = {error: "breaks", warning: "endangers", info: "note"} as const;

export function FindingCard({finding, open}: {finding: Finding; open: boolean}) {
	const commands = finding.remedy.join("\n");
	return (
		<details class={`finding ${finding.severity}`} open={open}>
			<summary>
				<span class="level">{LEVELS[finding.severity]}</span>
				<span class="title">{finding.title}</span>
			</summary>
			<dl>
				{finding.evidence && (
					<div>
						<dt>seen</dt>
						<dd>{finding.evidence}</dd>
					</div>
				)}
				{finding.consequence && (
					<div>
						<dt>so</dt>
						<dd>{finding.consequence}</dd>
					</div>
				)}
				{finding.maps.length > 0 && (
					<div>
						<dt>maps</dt>
						<dd>
							{finding.maps.slice(0, 12).map((map) => (
								<button type="button" class="link" key={map} onClick={() => choose({map})}>
									{map}
								</button>
							))}
							{finding.maps.length > 12 && ` and ${finding.maps.length - 12} more`}
						</dd>
					</div>
				)}
				{(commands || finding.advice) && (
					<div>
						<dt>remedy</dt>
						<dd>
							{finding.advice && <p>{finding.advice}</p>}
							{commands && (
								<div class="commands">
									<pre tabIndex={0} aria-label="commands">
										{commands}
									</pre>
									<Copy text={commands} what="copy" />
								</div>
							)}
						</dd>
					</div>
				)}
			</dl>
			<p class="pitfall">
				pitfall {finding.pitfall}: {finding.name ?? finding.id}
			</p>
		</details>
	);
}

export function Findings() {
	const list = findings.value;
	const problem = findingsProblem.value;
	if (!list.length && !problem) return null;
	return (
		<section class="findings" aria-labelledby="findings">
			<h2 id="findings">
				{problem ? "This machine could not be judged" : `${plural(list.length, "finding")} on this machine`}
			</h2>
			{problem && <p>{problem}</p>}
			{list.map((f, i) => (
				<FindingCard key={`${f.id} ${f.title} ${i}`} finding={f} open={f.severity === "error" && i < 2} />
			))}
		</section>
	);
}
