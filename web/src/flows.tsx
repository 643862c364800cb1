// SPDX-License-Identifier: GPL-2.0-or-later
// Connections of what is selected; asked for only while the table is open.
import {useSignal} from "@preact/signals";
import {useEffect} from "preact/hooks";
import {type Flow, get} from "./api";
import {asked, bytes, count, duration, end} from "./format";
import {askShared} from "./hash";
import {isNarrowed, sum} from "./model";
import * as store from "./store";

const EVERY_MS = 4000;
const SHOWN = 25;
const FOR_A_BACKEND = 2000; // the daemon does not sort by backend: so many are looked through

export function Flows() {
	const open = useSignal(false);
	const flows = useSignal<Flow[]>([]);
	const total = useSignal<number | null>(null);
	const {uplink, map, backend} = store.selection.value;
	const narrowed = isNarrowed(store.selection.value);
	const wanted = open.value || narrowed;

	useEffect(() => {
		if (!wanted) return;
		let gone = false;
		let timer = 0;
		const look = async () => {
			const query: Record<string, string | number> = {limit: backend ? FOR_A_BACKEND : SHOWN};
			if (uplink) query["uplink"] = uplink;
			if (map) query["map"] = map;
			try {
				const answer = await get<{flows: Flow[]; total: number}>("/v1/flows", query);
				if (gone) return;
				const own = backend ? answer.flows.filter((f) => f.backend === backend) : answer.flows;
				flows.value = own.slice(0, SHOWN);
				total.value = backend ? own.length : answer.total;
			} catch {
				// The verdict says when the daemon is away.
			}
			if (!gone) timer = window.setTimeout(look, EVERY_MS);
		};
		void look();
		return () => {
			gone = true;
			clearTimeout(timer);
		};
	}, [wanted, uplink, map, backend]);

	return (
		<details
			class="flows"
			open={wanted}
			onToggle={(e) => {
				if (!narrowed) open.value = e.currentTarget.open;
			}}
		>
			<summary>
				<h2>
					Connections <span class="faint">{wanted && total.value !== null ? count(total.value) : ""}</span>
				</h2>
			</summary>
			{wanted && (
				<div class="scroll-x" tabIndex={0} role="region" aria-label="Connections">
					<table>
						<thead>
							<tr>
								<th scope="col">Client</th>
								<th scope="col">Asked for</th>
								<th scope="col">Backend</th>
								<th scope="col">Home</th>
								<th scope="col">State</th>
								<th scope="col" class="numeric">
									Age
								</th>
								<th scope="col" class="numeric">
									Bytes
								</th>
								<th scope="col">
									<span class="unseen">Explain</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{flows.value.map((f) => (
								<Row key={`${f.id} ${f.client} ${f.client_port} ${f.port}`} flow={f} />
							))}
						</tbody>
					</table>
					{!flows.value.length && <p class="empty">There is none just now.</p>}
				</div>
			)}
		</details>
	);
}

function Row({flow: f}: {flow: Flow}) {
	const carried = sum(f.bytes);
	const by = store.uplinks.value.find((u) => u.name === f.home)?.interface ?? "";
	const explain = () =>
		askShared({proto: f.protocol, src: end(f.client, f.client_port), dst: asked(f), in: by});
	return (
		<tr>
			<td class="address">{end(f.client, f.client_port)}</td>
			<td class="address">
				{asked(f)}/{f.protocol}
			</td>
			<td class="address">{end(f.backend, f.backend_port)}</td>
			<td>{f.home ?? "inside"}</td>
			<td>{f.state?.toLowerCase() ?? ""}</td>
			<td class="numeric">{f.age_s === null ? "?" : duration(f.age_s * 1000)}</td>
			<td class="numeric">{carried === null ? "?" : bytes(carried)}</td>
			<td>
				<button type="button" class="link" onClick={explain}>
					explain
				</button>
			</td>
		</tr>
	);
}
