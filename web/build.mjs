// SPDX-License-Identifier: GPL-2.0-or-later
// Writes dist/: the four files that the daemon serves. The same sources make the same bytes.
import {build} from "esbuild";
import {copyFileSync, mkdirSync, rmSync} from "node:fs";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const at = (path) => new URL(path, `file://${here.replace(/\/?$/, "/")}`).pathname;

rmSync(at("dist"), {recursive: true, force: true});
mkdirSync(at("dist"));
await build({
	entryPoints: {page: at("src/main.tsx")},
	outdir: at("dist"),
	bundle: true,
	minify: true,
	format: "iife",
	target: "es2022",
	jsx: "automatic",
	jsxImportSource: "preact",
	legalComments: "none",
	charset: "utf8",
	logLevel: "warning",
});
for (const file of ["index.html", "page.css", "icon.svg"])
	copyFileSync(at(`src/${file}`), at(`dist/${file}`));
