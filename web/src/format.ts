// SPDX-License-Identifier: GPL-2.0-or-later
// Numbers, times and addresses as people read them; the same shapes as the command line's.
import type {Flow, Packet, PortMap} from "./api";

const PREFIXES = ["", "k", "M", "G", "T", "P"];

function scaled(n: number, unit: string): string {
	let i = 0;
	for (; n >= 1000 && i + 1 < PREFIXES.length; i++) n /= 1000;
	return `${i && n < 100 ? n.toFixed(1) : n.toFixed(0)} ${PREFIXES[i]}${unit}`;
}

export const bytes = (n: number) => scaled(n, "B");
export const bits = (perSecond: number) => scaled(perSecond, "bit/s");
export const count = (n: number) => n.toLocaleString("en");
export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function duration(ms: number): string {
	const s = Math.max(0, Math.floor(ms / 1000));
	const minutes = Math.floor(s / 60);
	const hours = Math.floor(minutes / 60);
	const days = Math.floor(hours / 24);
	if (days) return `${days} d ${hours % 24} h`;
	if (hours) return `${hours} h ${minutes % 60} min`;
	return minutes ? `${minutes} min` : `${s} s`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** Local time; with the date where it is another day's. */
export function clock(ms: number, now: number): string {
	const at = new Date(ms);
	const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
	if (at.toDateString() === new Date(now).toDateString()) return time;
	return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** "80, 443/tcp, 5000-5100/udp" */
export function listeners(map: PortMap): string {
	const byProtocol = new Map<string, string[]>();
	for (const {protocol, first, last} of map.listen) {
		const ports = byProtocol.get(protocol) ?? [];
		ports.push(first === last ? String(first) : `${first}-${last}`);
		byProtocol.set(protocol, ports);
	}
	return [...byProtocol].map(([protocol, ports]) => `${ports.join(", ")}/${protocol}`).join(", ");
}

/** "gateway.yaml" */
export const file = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** "192.168.0.2:80", "[2001:db8::1]:80", "192.168.0.2" */
export function end(address: string | null, port: number | null): string {
	const host = address ?? "?";
	if (port === null) return host;
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export const packet = (p: Packet) => `${end(p.src, p.sport)} \u2192 ${end(p.dst, p.dport)}`;
export const asked = (f: Flow) => end(f.address, f.port);
