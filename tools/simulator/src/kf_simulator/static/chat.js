// The chat page: customers on the left, their phone on the right. Everything shown goes through textContent.
import { words, sayState, sayFault, sayEvent } from "./words.js";

const $ = (id) => document.getElementById(id);
const state = { language: localStorage.language || "zh", accounts: [], customers: [], page: {}, nodes: new Map() };
const ANSWER_SECONDS = 120; // an answer that takes longer is not on its way any more
const CHANGES = ["msg_send_fail", "user_recall_msg"]; // events after which an older line looks different
let watching = new AbortController();

const t = (name) => words[state.language][name] ?? name;

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

async function call(method, path, body, signal) {
  const options = { method, signal, headers: body ? { "content-type": "application/json" } : {} };
  if (body) options.body = JSON.stringify(body);
  const reply = await fetch(path, options);
  if (!reply.ok) throw Object.assign(new Error(`HTTP ${reply.status}`), { status: reply.status });
  return reply.status === 204 ? null : reply.json();
}

const chat = () => `control/chats/${state.account}/${state.customer}`;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function alarm(text) {
  $("alarm").textContent = text;
  $("alarm").hidden = !text;
}

// --- people -------------------------------------------------------------------------------------------

function face(name, id) {
  const hue = [...id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 360, 7);
  const node = make("span", "face", [...name][0]);
  node.style.background = `hsl(${hue} 45% 48%)`;
  return node;
}

function showPeople() {
  $("accounts").replaceChildren(...state.accounts.map((account) => {
    const button = make("button", "", account.name);
    button.type = "button";
    button.role = "tab";
    button.ariaSelected = String(account.open_kfid === state.account);
    button.onclick = () => open(account.open_kfid, state.customer);
    return button;
  }));
  $("customers").replaceChildren(...state.customers.map((customer) => {
    const button = make("button");
    button.type = "button";
    button.setAttribute("aria-current", String(customer.external_userid === state.customer));
    button.append(face(customer.nickname, customer.external_userid), make("span", "", customer.nickname));
    button.onclick = () => open(state.account, customer.external_userid);
    return button;
  }));
  const suggestions = state.page.suggestions || [];
  $("try").hidden = !suggestions.length;
  $("suggestions").replaceChildren(...suggestions.map((text) => {
    const button = make("button", "", text);
    button.type = "button";
    button.onclick = () => write({ text });
    return button;
  }));
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
  const speaker = mine ? customer.nickname : entry.extra.servicer_userid || account.name;
  const said = make("div", "said");
  said.append(bubbleOf(entry), metaOf(entry, mine));
  item.append(face(speaker, mine ? customer.external_userid : speaker), said);
  return item;
}

function bubbleOf(entry) {
  const bubble = make("div", "bubble");
  const body = entry.body;
  if (entry.msgtype === "text") linkified(bubble, body.content ?? "");
  else if (entry.msgtype === "msgmenu") menuInto(bubble, body);
  else bubble.textContent = `[${entry.msgtype}] ${body.title ?? body.name ?? ""}`;
  return bubble;
}

function linkified(parent, text) {
  for (const piece of text.split(/(https?:\/\/[^\s，。；！？、）】"'<>]+)/)) {
    parent.append(/^https?:\/\//.test(piece) ? anchor(piece, piece) : document.createTextNode(piece));
  }
}

function anchor(url, text) {
  const link = make("a", "", text);
  link.href = /^https?:\/\//.test(url) ? url : "about:blank";
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function menuInto(parent, body) {
  parent.append(body.head_content ?? "");
  const menu = make("div", "menu");
  for (const item of body.list ?? []) {
    if (item.type === "view") menu.append(anchor(item.view.url, item.view.content));
    else if (item.type === "text") menu.append(make("span", "", item.text.content));
    else if (item.type === "click") {
      const button = make("button", "", item.click.content);
      button.type = "button";
      button.onclick = () => write({ text: item.click.content, menu_id: item.click.id ?? null });
      menu.append(button);
    }
  }
  parent.append(menu, body.tail_content ?? "");
}

function metaOf(entry, mine) {
  const meta = make("div", "meta");
  meta.append(make("span", "", new Date(entry.at * 1000).toLocaleTimeString(state.language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })));
  if (mine) meta.append(deliveryOf(entry));
  if (entry.fail_type !== null) meta.append(make("span", "bad", `${t("failed")} (${entry.fail_type})`));
  if (state.page.traces_url && entry.direction !== "servicer") {
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

async function guarded(action) {
  try {
    await action();
  } catch (error) {
    alarm(`${t("unreachable")} (${error.message})`);
  }
}

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

start().catch((error) => alarm(`${t("unreachable")} (${error.message})`));
