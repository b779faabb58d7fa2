// The page's composition root: filters and address bar, live refresh, keyboard, and what opens what.

import { Detail } from "./detail.js";
import { $, el } from "./dom.js";
import { switchLanguage, t, translate } from "./i18n.js";
import { TraceList } from "./list.js";
import { duration, shortAccount, shortService } from "./model.js";
import { Waterfall } from "./waterfall.js";

const REFRESH_MS = 2000;
const SLOW_MS = [200, 500, 1000, 3000, 10000, 30000];
const FILTERS = ["q", "account", "service", "min_ms"];
const TOGGLES = { errors: ["status", "error"], unanswered: ["unanswered", "1"] };

const list = new TraceList({ onOpen: (id) => open(id), onReset: () => reset() });
const waterfall = new Waterfall({ onSelect: selectSpan, onOpen: (id, spanId) => open(id, spanId), onLeave: () => $("list").focus() });
const detail = new Detail({ onSearch: (text) => search(text), onLink: (event, id, spanId) => waterfall.follow(event, id, spanId), onClose: () => closeDetail() });

let openId = null;
let isLive = true;
// Set by a search: when it finds one trace, that is the one meant, even if it arrives a little later.
let opensOnly = false;

// -- filters and the address bar --

function currentFilter() {
  const filter = new URLSearchParams();
  for (const name of FILTERS) if ($(name).value.trim()) filter.set(name, $(name).value.trim());
  for (const [id, [name, value]] of Object.entries(TOGGLES)) if (isPressed(id)) filter.set(name, value);
  return filter;
}

const isPressed = (id) => $(id).getAttribute("aria-pressed") === "true";

const press = (id, isOn) => $(id).setAttribute("aria-pressed", String(isOn));

function toggle(id) {
  press(id, !isPressed(id));
  return filtersChanged();
}

function address() {
  const query = currentFilter().toString();
  return `${openId ? `/trace/${openId}` : "/"}${query ? `?${query}` : ""}`;
}

function readAddress() {
  const query = new URLSearchParams(location.search);
  $("q").value = query.get("q") ?? "";
  choose($("min_ms"), query.get("min_ms"), (ms) => t("atLeast", duration(Number(ms))));
  choose($("service"), query.get("service"), shortService);
  choose($("account"), query.get("account"), shortAccount);
  for (const [id, [name, value]] of Object.entries(TOGGLES)) press(id, query.get(name) === value);
  const id = /^\/trace\/([0-9a-fA-F]+)$/.exec(location.pathname)?.[1] ?? null;
  opensOnly = !id && query.has("q");
  return [id, query.get("span")];
}

// A value from the address may not be among the options yet.
function choose(select, value, label) {
  if (value && ![...select.options].some((option) => option.value === value)) select.append(el("option", { value }, label(value)));
  select.value = value ?? "";
}

async function filtersChanged(opens = false) {
  opensOnly = opens;
  history.replaceState(null, "", address());
  list.setFilter(currentFilter());
  await refresh();
}

function search(text) {
  $("q").value = text;
  return filtersChanged();
}

function reset() {
  for (const name of FILTERS) $(name).value = "";
  for (const id of Object.keys(TOGGLES)) press(id, false);
  return filtersChanged();
}

// -- opening --

async function open(traceId, spanId = null, isNavigation = true) {
  opensOnly = false;
  const isOther = traceId !== openId;
  openId = traceId;
  if (isOther) closeDetail(false);
  if (isOther && isNavigation) history.pushState(null, "", address());
  $("panes").classList.toggle("with-trace", Boolean(traceId));
  list.setOpen(traceId);
  if (!traceId) return waterfall.clear(t("pick"), t("pickMore"));
  await fetchTrace();
  return spanId && waterfall.trace && waterfall.reveal(spanId);
}

async function fetchTrace() {
  const wanted = openId;
  const response = await fetch(`/api/traces/${wanted}`);
  if (wanted !== openId) return;
  if (!response.ok) waterfall.clear(t("gone"), t("goneMore"));
  else await showTrace(await response.json());
}

async function showTrace(trace) {
  const known = waterfall.trace;
  const isSame = known?.trace_id === trace.trace_id && known.spans.length === trace.spans.length && known.related.length === trace.related.length;
  if (trace.trace_id === openId && !isSame) waterfall.show(trace);
}

function selectSpan(node, tree, isOpening) {
  if (isOpening || detail.isOpen) detail.show(node, tree, waterfall.trace.errcodes);
}

function closeDetail(focuses = true) {
  detail.close();
  if (focuses) $("rows")?.focus({ preventScroll: true });
}

// -- refreshing --

async function refresh() {
  try {
    const isNew = await list.refresh();
    if (isNew) await Promise.all([fillChoices(), openId && fetchTrace()]);
    if (opensOnly && list.traces.length === 1) await open(list.traces[0].trace_id);
    $("list-state").classList.remove("bad");
  } catch (error) {
    $("list-state").textContent = error instanceof TypeError ? t("offline") : error.message;
    $("list-state").classList.add("bad");
  }
}

async function fillChoices() {
  const [{ services }, { accounts }] = await Promise.all(["services", "accounts"].map(async (name) => (await fetch(`/api/${name}`)).json()));
  fillChoice($("service"), t("allServices"), services.map(({ service }) => service), shortService);
  fillChoice($("account"), t("allAccounts"), accounts.map(({ account }) => account), shortAccount);
}

function fillChoice(select, all, values, label) {
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "" }, all), ...values.map((value) => el("option", { value, title: value }, label(value))));
  choose(select, chosen, label);
}

async function keepFresh() {
  for (;;) {
    await new Promise((done) => setTimeout(done, REFRESH_MS));
    if (isLive && !document.hidden) await refresh();
  }
}

function toggleLive() {
  isLive = !isLive;
  $("live").setAttribute("aria-pressed", String(isLive));
}

// -- dialogs, language, keyboard --

function showKeys() {
  const keys = [["/", "key_search"], ["↑ ↓  j k", "key_move"], ["Enter", "key_open"], ["← →", "key_fold"], ["e", "key_error"], ["+ − 0", "key_zoom"], ["u", "key_unanswered"], ["l", "key_live"], ["Esc", "key_back"]];
  $("keys").replaceChildren(
    el("h2", {}, t("keys")),
    el("dl.keys", {}, ...keys.flatMap(([key, text]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, t(text))])),
    el("form", { method: "dialog" }, el("button.plain", { autofocus: true }, t("close"))));
  $("keys").showModal();
}

function askToClear() {
  $("confirm").replaceChildren(
    el("p", {}, t("clearAsk")),
    el("form", { method: "dialog" },
      el("button.plain", { value: "", autofocus: true }, t("cancel")),
      el("button.plain.danger", { value: "yes" }, t("clear"))));
  $("confirm").returnValue = "";
  $("confirm").showModal();
}

async function confirmed() {
  if ($("confirm").returnValue !== "yes") return;
  await fetch("/api/traces", { method: "DELETE" });
  await open(null);
  await refresh();
}

function fillSlow() {
  const chosen = $("min_ms").value;
  $("min_ms").replaceChildren(el("option", { value: "" }, t("anyDuration")),
    ...SLOW_MS.map((ms) => el("option", { value: String(ms) }, t("atLeast", duration(ms)))));
  choose($("min_ms"), chosen, String);
}

async function changeLanguage() {
  switchLanguage();
  translate(document);
  fillSlow();
  list.draw();
  if (waterfall.trace) waterfall.draw();
  else waterfall.clear(t("pick"), t("pickMore"));
  if (detail.isOpen) waterfall.select(waterfall.selected, true);
  await fillChoices();
}

function goBack() {
  if (detail.isOpen) closeDetail();
  else if (openId && document.activeElement !== $("list") && !matchMedia("(max-width: 900px)").matches) $("list").focus();
  else if (openId) open(null).then(() => $("list").focus());
}

function onKey(event) {
  const isTyping = event.target.matches("input[type=search], select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") isTyping ? $("list").focus() : goBack();
  else if (isTyping) return;
  else if (event.key === "/") $("q").select();
  else if (event.key === "?") showKeys();
  else if (event.key === "e" && waterfall.trace) waterfall.nextError();
  else if (event.key === "l") toggleLive();
  else if (event.key === "u") toggle("unanswered");
  else if ("+=-0".includes(event.key) && waterfall.trace) zoom(event.key);
  else if (["ArrowDown", "ArrowUp", "j", "k"].includes(event.key) && !event.defaultPrevented) enterList(event);
  else return;
  event.preventDefault();
}

function zoom(key) {
  if (key === "0") waterfall.view.all();
  else waterfall.view.zoom(key === "-" ? 2 : 0.5);
}

// Arrows work from anywhere on the page that has no use for them.
function enterList(event) {
  $("list").focus();
  list.onKey(event);
}

function listen() {
  let typing = 0;
  $("q").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => filtersChanged(), 250); });
  $("search").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); filtersChanged(true).then(() => $("list").focus()); });
  for (const id of ["account", "service", "min_ms"]) $(id).addEventListener("change", () => filtersChanged());
  for (const id of Object.keys(TOGGLES)) $(id).addEventListener("click", () => toggle(id));
  $("live").addEventListener("click", toggleLive);
  $("help").addEventListener("click", showKeys);
  $("clear").addEventListener("click", askToClear);
  $("confirm").addEventListener("close", confirmed);
  $("language").addEventListener("click", changeLanguage);
  $("home").addEventListener("click", (event) => { event.preventDefault(); open(null).then(reset); });
  document.addEventListener("keydown", onKey);
  addEventListener("popstate", start);
}

async function start() {
  const [id, spanId] = readAddress();
  list.setFilter(currentFilter());
  const opening = opensOnly;
  await open(id, spanId, false);
  opensOnly = opening;
  await refresh();
}

translate(document);
fillSlow();
listen();
await start();
keepFresh();
