// The chat page: customers and their phones. Everything shown goes through textContent.
import { anchor, bubbleOf } from "./bubble.js";
import { refreshDesk, showDesk, startDesk } from "./desk.js";
import { nameFaults, startFaults } from "./faults.js";
import { $, alarm, button, call, chat, face, guarded, make, pause, state, t } from "./page.js";
import { sayEvent, sayFault, sayState } from "./words.js";

const ANSWER_SECONDS = 120; // an answer that takes longer is not on its way any more
const CHANGES = ["msg_send_fail", "user_recall_msg", "servicer_recall_msg"]; // events after which an older line looks different
const VOICE_FRAMES = 100; // of 20 ms
let watching = new AbortController();

// --- people -------------------------------------------------------------------------------------------

function showPeople() {
  $("accounts").replaceChildren(...state.accounts.map((account) => {
    const tab = button(account.name, () => open(account.open_kfid, state.customer));
    tab.role = "tab";
    tab.ariaSelected = String(account.open_kfid === state.account);
    return tab;
  }));
  $("customers").replaceChildren(...state.customers.map((customer) => {
    const row = button("", () => open(state.account, customer.external_userid));
    row.setAttribute("aria-current", String(customer.external_userid === state.customer));
    row.append(face(customer.nickname, customer.external_userid), make("span", "", customer.nickname));
    return row;
  }));
  const suggestions = state.page.suggestions || [];
  $("try").hidden = !suggestions.length;
  $("suggestions").replaceChildren(...suggestions.map((text) => button(text, () => write({ text }))));
  $("account-name").textContent = state.accounts.find((one) => one.open_kfid === state.account)?.name ?? "";
}

async function addCustomer(nickname) {
  const customer = await call("POST", "control/customers", { nickname });
  state.customers.push(customer);
  open(state.account, customer.external_userid);
  await enter();
}

async function enter() {
  await guarded(() => call("POST", `${chat()}/enter`, {}));
}

function open(account, customer) {
  Object.assign(state, { account, customer });
  localStorage.chat = `${account} ${customer}`;
  state.nodes.clear();
  $("lines").replaceChildren();
  $("typing").hidden = true;
  showPeople();
  showDesk();
  guarded(refreshDesk);
  watching.abort();
  watching = new AbortController();
  watch(watching.signal);
  if (matchMedia("(min-width: 701px)").matches) $("text").focus();
}

// --- one chat -----------------------------------------------------------------------------------------

async function watch(signal) {
  let known = -1, calm = false;
  while (!signal.aborted) {
    try {
      const wait = calm ? 20 : 0;
      const reply = await call("GET", `${chat()}/transcript?after=${known}&wait_seconds=${wait}`, null, signal);
      if (signal.aborted) return;
      alarm(state.page.callback_url ? "" : t("no_callback"));
      const changesOthers = reply.entries.some((entry) => !state.nodes.has(entry.number) && CHANGES.includes(entry.body.event_type));
      show(reply);
      // Lines whose notice is still under way change without a new line: look at them again, soon.
      const first = reply.entries.find((entry) => unsettled(entry));
      known = first ? first.number - 1 : reply.entries.at(-1)?.number ?? known;
      if (changesOthers) known = -1;
      calm = !first && !changesOthers;
      if (first) await pause(Date.now() / 1000 - first.at > 10 ? 3000 : 500);
    } catch (error) {
      if (signal.aborted) return;
      alarm(`${t("unreachable")} (${error.message})`);
      await pause(2000);
      // After a reset of the world this customer is gone.
      if (error.status === 404) return start();
    }
  }
}

const unsettled = (entry) => entry.direction === "customer" && !entry.pulled;

function show(reply) {
  $("state").textContent = sayState(state.language, reply.state);
  const lines = $("lines");
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80;
  for (const entry of reply.entries) {
    const fingerprint = JSON.stringify(entry);
    const old = state.nodes.get(entry.number);
    if (old?.fingerprint === fingerprint) continue;
    const node = entry.direction === "event" ? noteOf(entry) : lineOf(entry);
    if (old) old.node.replaceWith(node);
    else lines.append(node);
    state.nodes.set(entry.number, { node, fingerprint, entry });
    if (!old || atEnd) lines.scrollTop = lines.scrollHeight;
  }
  showTyping(reply.state.service_state);
}

function showTyping(serviceState) {
  const spoken = [...state.nodes.values()].map((line) => line.entry).filter((entry) => entry.direction !== "event");
  const last = spoken.sort((a, b) => a.number - b.number).at(-1);
  const awaited = last?.direction === "customer" && !last.recalled && Date.now() / 1000 - last.at < ANSWER_SECONDS;
  const notified = !["failed", "lost"].includes(last?.notice?.progress);
  $("typing").hidden = !(awaited && notified && serviceState < 2);
  if (!$("typing").hidden) $("lines").scrollTop = $("lines").scrollHeight;
}

function noteOf(entry) {
  return make("li", "note", sayEvent(state.language, entry));
}

function lineOf(entry) {
  const mine = entry.direction === "customer";
  const item = make("li", `line ${mine ? "mine" : ""} ${entry.recalled ? "recalled" : ""}`);
  const customer = state.customers.find((one) => one.external_userid === state.customer);
  const account = state.accounts.find((one) => one.open_kfid === state.account);
  const speaker = mine ? customer?.nickname ?? "?" : entry.extra.servicer_userid || account.name;
  const said = make("div", "said");
  said.append(bubbleOf(entry, write), metaOf(entry, mine));
  item.append(face(speaker, mine ? state.customer : speaker), said);
  return item;
}

function metaOf(entry, mine) {
  const meta = make("div", "meta");
  meta.append(make("span", "", new Date(entry.at * 1000).toLocaleTimeString(state.language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })));
  if (mine) meta.append(deliveryOf(entry));
  if (entry.fail_type !== null) meta.append(make("span", "bad", `${t("failed")} (${entry.fail_type})`));
  if (mine && !entry.recalled) meta.append(button(t("recall"), () => recall(entry), "recall"));
  if (state.page.traces_url) {
    meta.append(anchor(`${state.page.traces_url.replace(/\/$/, "")}/?q=${encodeURIComponent(entry.msgid)}`, t("trace")));
  }
  return meta;
}

function deliveryOf(entry) {
  if (entry.pulled) return make("span", "", `✓✓ ${t("pulled")}`);
  const notice = entry.notice;
  if (!notice) return make("span", "", t("waiting"));
  if (["failed", "lost", "retrying"].includes(notice.progress)) {
    return make("span", "bad", `⚠ ${t(notice.progress)}: ${sayFault(state.language, notice.fault)}`);
  }
  return make("span", "", notice.progress === "delivered" ? `✓ ${t("delivered")}` : t("waiting"));
}

// --- writing ------------------------------------------------------------------------------------------

async function write(message) {
  await guarded(() => call("POST", `${chat()}/messages`, message));
}

async function recall(entry) {
  await guarded(() => call("POST", `${chat()}/recalls`, { msgid: entry.msgid }));
}

async function upload(kind, file) {
  const form = new FormData();
  form.append("media", file, file.name);
  await guarded(() => call("POST", `${chat()}/media?kind=${kind}`, form));
}

function voiceNote() {
  // AMR: a header, then frames of 13 bytes (mode 4.75) that hold silence.
  const data = new Uint8Array(6 + 13 * VOICE_FRAMES);
  data.set([..."#!AMR\n"].map((char) => char.charCodeAt(0)));
  for (let frame = 0; frame < VOICE_FRAMES; frame++) data[6 + 13 * frame] = 0x04;
  return new File([data], "voice.amr", { type: "audio/amr" });
}

$("attach").onclick = () => { $("tray").hidden = !$("tray").hidden; };
$("picture").onchange = (event) => {
  for (const file of event.target.files) upload(file.type.startsWith("image/") ? "image" : file.type.startsWith("video/") ? "video" : "file", file);
  event.target.value = "";
};
$("voice").onclick = () => upload("voice", voiceNote());
$("place").onclick = () => write({ msgtype: "location", body: { latitude: 22.5405, longitude: 113.9345, name: "深圳腾讯大厦", address: "深圳市南山区深南大道10000号" } });
$("link").onclick = () => write({ msgtype: "link", body: { title: t("link_title"), desc: "", url: "https://example.com/order/1001", pic_url: "" } });

$("composer").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  grow();
  write({ text });
};

$("text").onkeydown = (event) => {
  // While an input method composes, Enter chooses a word.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
};

function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${Math.min($("text").scrollHeight + 2, 120)}px`;
}
$("text").oninput = grow;
$("enter").onclick = enter;

$("newcomer").onsubmit = (event) => {
  event.preventDefault();
  const name = $("nickname").value.trim() || t("names")[state.customers.length % t("names").length];
  $("nickname").value = "";
  guarded(() => addCustomer(name));
};

// --- language and start -------------------------------------------------------------------------------

function speak() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  document.title = t("title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  $("language").textContent = state.language === "zh" ? "English" : "中文";
  $("text").placeholder = t("placeholder");
  $("nickname").placeholder = t("nickname");
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = t(node.dataset.label);
  nameFaults();
}

// On a narrow screen one part is shown at a time.
for (const tab of document.querySelectorAll("[data-view]")) {
  tab.onclick = () => {
    document.body.dataset.shown = tab.dataset.view;
    for (const other of document.querySelectorAll("[data-view]")) other.ariaSelected = String(other === tab);
    if (tab.dataset.view === "faults") $("faults").open = true;
  };
}

$("language").onclick = () => {
  state.language = localStorage.language = state.language === "zh" ? "en" : "zh";
  speak();
  open(state.account, state.customer);
};

async function start() {
  speak();
  [state.page, state.accounts, state.customers] = await Promise.all(
    ["control/page", "control/accounts", "control/customers"].map((path) => call("GET", path)));
  if (state.page.traces_url) Object.assign($("traces"), { href: state.page.traces_url, hidden: false });
  const [account, customer] = (localStorage.chat ?? "").split(" ");
  state.account = state.accounts.some((one) => one.open_kfid === account) ? account : state.accounts[0].open_kfid;
  const known = state.customers.find((one) => one.external_userid === customer) ?? state.customers[0];
  if (known) open(state.account, known.external_userid);
  else await addCustomer(t("names")[0]);
}

startDesk(open, showPeople);
startFaults();
start().catch((error) => alarm(`${t("unreachable")} (${error.message})`));
