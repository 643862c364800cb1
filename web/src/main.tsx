// SPDX-License-Identifier: GPL-2.0-or-later
// The page: what stands where.
import {render} from "preact";
import {useEffect} from "preact/hooks";
import {Drawing} from "./drawing";
import {Events} from "./events";
import {Explain} from "./explain";
import {Findings} from "./findings";
import {Flows} from "./flows";
import {begin} from "./hash";
import {start} from "./live";
import {MapsTable} from "./maps_table";
import * as player from "./player";
import * as store from "./store";
import {Verdict} from "./verdict";

function Page() {
	useEffect(() => {
		const onKey = (e: KeyboardEvent) => {
			if (e.key === "Escape" && !(e.target instanceof HTMLInputElement)) store.selection.value = {};
		};
		addEventListener("keydown", onKey);
		return () => removeEventListener("keydown", onKey);
	}, []);
	const known = store.status.value !== null;
	return (
		<>
			<Verdict />
			{known && (
				<main class={store.away.value !== null ? "stale" : ""}>
					<Findings />
					<div class={`overview ${player.answer.value ? "explaining" : ""}`}>
						<Drawing />
						<Explain />
						<div class="tables">
							<MapsTable />
							<Flows />
						</div>
						<Events />
					</div>
				</main>
			)}
		</>
	);
}

render(<Page />, document.getElementById("page")!);
begin();
start();
