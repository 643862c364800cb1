// SPDX-License-Identifier: GPL-2.0-or-later
// Drives a page in Chromium as it is told: a line of JSON on stdin is one call, its answer one on stdout.
import {createInterface} from "node:readline";
import {createRequire} from "node:module";
import {chromium} from "playwright-core";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PATIENCE_MS = 15_000;

const browser = await chromium.launch({executablePath: process.argv[2], args: ["--no-sandbox"]});
let page;
let faults = [];
let origins = new Set();
let failures = true; // are requests that fail, or are refused, a fault?

async function open({url, width = 1280, height = 900, dark = false, still = true}) {
	await page?.context().close();
	const context = await browser.newContext({
		viewport: {width, height},
		colorScheme: dark ? "dark" : "light",
		reducedMotion: still ? "reduce" : "no-preference",
		bypassCSP: false,
	});
	page = await context.newPage();
	page.setDefaultTimeout(PATIENCE_MS);
	page.on("console", (m) => {
		// Which request it was is said below.
		if (["error", "warning"].includes(m.type()) && !m.text().startsWith("Failed to load resource"))
			faults.push(m.text());
	});
	page.on("requestfailed", (r) => {
		const aborted = r.failure()?.errorText === "net::ERR_ABORTED";
		if (failures && !aborted) faults.push(`${r.url()}: ${r.failure()?.errorText}`);
	});
	page.on("response", async (r) => {
		// Too early is an answer that the page knows what to do with.
		if (failures && r.status() >= 400 && r.status() !== 429)
			faults.push(`${r.url()}: ${r.status()} ${await r.text().catch(() => "")}`);
	});
	page.on("pageerror", (e) => faults.push(String(e)));
	context.on("request", (r) => origins.add(new URL(r.url()).origin));
	await page.goto(url);
}

const calls = {
	open,
	reload: () => page.reload(),
	/** Until an element of that selector holds the text (or, without one, is there). */
	wait: ({selector, text, timeout = PATIENCE_MS}) =>
		(text === undefined ? page.locator(selector) : page.locator(selector, {hasText: text}))
			.first()
			.waitFor({timeout}),
	gone: ({selector, text}) => page.locator(selector, {hasText: text}).first().waitFor({state: "detached"}),
	text: ({selector}) => page.locator(selector).first().innerText(),
	texts: ({selector}) => page.locator(selector).allInnerTexts(),
	count: ({selector}) => page.locator(selector).count(),
	click: ({role, name, selector}) =>
		(selector ? page.locator(selector).first() : page.getByRole(role, {name, exact: true})).click(),
	fill: ({label, text}) => page.getByLabel(label, {exact: true}).fill(text),
	choose: ({label, value}) => page.getByLabel(label, {exact: true}).selectOption(value),
	press: ({key}) => page.keyboard.press(key),
	focus: ({selector}) => page.locator(selector).first().focus(),
	resize: ({width, height}) => page.setViewportSize({width, height}),
	evaluate: ({script}) => page.evaluate(script),
	shot: ({path, full = false}) => page.screenshot({path, fullPage: full}),
	allowFailures: ({allowed}) => void (failures = !allowed),
	/** What axe-core finds that is serious or critical. It is brought in past the page's own policy. */
	async axe() {
		await page.evaluate((await import("node:fs")).readFileSync(axe, "utf8") + ";0");
		const found = await page.evaluate(() => window.axe.run(document, {resultTypes: ["violations"]}));
		return found.violations
			.filter((v) => ["serious", "critical"].includes(v.impact))
			.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`);
	},
	/** Faults since the last call, and all origins that were asked for anything. */
	faults() {
		const answer = {faults, origins: [...origins]};
		faults = [];
		return answer;
	},
};

for await (const line of createInterface({input: process.stdin})) {
	const {call, ...words} = JSON.parse(line);
	let answer;
	try {
		answer = {value: (await calls[call](words)) ?? null};
	} catch (e) {
		answer = {error: String(e.message ?? e)};
	}
	process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
