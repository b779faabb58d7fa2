// The fault panel: what goes wrong next, the clock, the access tokens, and what the judge has seen.
import { $, button, call, guarded, make, pause, state, t } from "./page.js";

const PRESETS = [
  ["notice_lost", { kind: "notice_lost" }],
  ["notice_doubled", { kind: "notice_doubled" }],
  ["notice_late", { kind: "notice_late", seconds: 10 }],
  ["empty_page", { kind: "empty_page" }],
  ["cursor_lost", { kind: "cursor_lost" }],
  ["token_ended", { kind: "token_ended" }],
  ["busy", { kind: "errcode", api: "send_msg", errcode: -1 }],
  ["frequency", { kind: "errcode", api: "send_msg", errcode: 45009 }],
  ["bad_gateway", { kind: "bad_gateway", api: "send_msg" }],
  ["slow", { kind: "slow", api: "send_msg", seconds: 8 }],
  ["drop_after", { kind: "drop_after", api: "send_msg" }],
  ["send_fail", { kind: "send_fail", api: "send_msg", seconds: 2 }],
];
const HOURS = [["hour", 3600], ["two_days", 48.5 * 3600]];
let shown = "";

export function startFaults() {
  watchFaults();
}

async function watchFaults() {
  for (;;) {
    if (!document.hidden && $("faults").open) await refreshFaults().catch(() => {});
    await pause(1500);
  }
}

async function refreshFaults() {
  const [armed, clock, judge] = await Promise.all(["control/faults", "control/clock", "judge"].map((path) => call("GET", path)));
  const picture = JSON.stringify([armed, clock.offset, judge.broken, state.language]);
  if (picture !== shown) showFaults(armed, clock, judge);
  shown = picture;
}

function showFaults(armed, clock, judge) {
  $("armed").replaceChildren(...armed.map((fault) => {
    const row = make("li");
    const what = `${fault.kind}${fault.kind === "errcode" ? ` ${fault.errcode}` : ""} · ${fault.api}`;
    row.append(make("span", "", `${what} · ${fault.hits}/${fault.times ?? "∞"}`));
    row.append(button("×", () => act("DELETE", `control/faults/${fault.id}`)));
    return row;
  }));
  $("offset").textContent = clock.offset ? `+${(clock.offset / 3600).toFixed(1)} h` : t("now");
  const broken = Object.entries(judge.broken).map(([rule, count]) => `${rule} ${count}`);
  $("judge").textContent = broken.length ? `⚠ ${broken.join(", ")}` : `✓ ${t("judge_ok")}`;
  $("judge").className = broken.length ? "bad" : "good";
}

async function act(method, path, body) {
  await guarded(async () => {
    await call(method, path, body);
    await refreshFaults();
  });
}

export function nameFaults() {
  $("presets").replaceChildren(...PRESETS.map(([name, fault]) => button(t(`fault_${name}`), () => act("POST", "control/faults", fault))));
  $("clock").replaceChildren(...HOURS.map(([name, seconds]) => button(t(name), () => act("POST", "control/clock/advance", { seconds }))));
  shown = "";
}

$("clear").onclick = () => act("DELETE", "control/faults");
$("faults").ontoggle = () => guarded(refreshFaults);
