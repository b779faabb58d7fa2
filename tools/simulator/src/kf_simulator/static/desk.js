// The human servicer's desk: reception mode, who is on line, the account's chats, and what a servicer does in one.
import { $, alarm, button, call, chat, guarded, make, pause, state, t } from "./page.js";
import { sayState } from "./words.js";

const MODES = ["assistant", "human", "pool"];
const desk = { chats: [], servicers: [], shown: "", me: localStorage.servicer || "" };
let openChat = () => {};
let showPeople = () => {};

export function startDesk(open, people) {
  openChat = open;
  showPeople = people;
  watchDesk();
}

async function watchDesk() {
  for (;;) {
    if (state.account && !document.hidden) await refreshDesk().catch(() => {});
    await pause(1500);
  }
}

export async function refreshDesk() {
  const account = state.account;
  const paths = [`control/chats?open_kfid=${account}`, "control/servicers", "control/accounts", "control/customers"];
  const [chats, servicers, accounts, customers] = await Promise.all(paths.map((path) => call("GET", path)));
  if (account !== state.account) return;
  Object.assign(desk, { chats, servicers });
  const others = customers.length !== state.customers.length || accounts.length !== state.accounts.length;
  Object.assign(state, { accounts, customers });
  // Customers and accounts are also made by others: the demo, tests, the app.
  if (others) showPeople();
  if (!desk.servicers.some((one) => one.userid === desk.me)) desk.me = desk.servicers[0]?.userid ?? "";
  showDesk();
}

export function showDesk() {
  const picture = JSON.stringify([desk, state.account, state.customer, state.accounts, state.language], (key, value) => (key === "shown" ? "" : value));
  if (picture === desk.shown) return;
  desk.shown = picture;
  showModes();
  showServicers();
  showChats();
  showDeeds();
}

function showModes() {
  const current = state.accounts.find((one) => one.open_kfid === state.account)?.reception;
  $("modes").replaceChildren(...MODES.map((mode) => {
    const node = button(t(`mode_${mode}`), () => act(() => call("PATCH", `control/accounts/${state.account}`, { reception: mode })));
    node.ariaPressed = String(mode === current);
    node.dataset.mode = mode;
    return node;
  }));
}

function showServicers() {
  $("servicers").replaceChildren(...desk.servicers.map((one) => {
    const row = make("div", "servicer");
    const who = button(one.userid, () => { desk.me = localStorage.servicer = one.userid; showDesk(); });
    who.ariaPressed = String(one.userid === desk.me);
    const body = { open_kfid: state.account, status: one.status === 0 ? 1 : 0 };
    const line = button(t(one.status === 0 ? "online" : "offline"), () => act(() => call("POST", `control/servicers/${one.userid}/status`, body)), one.status === 0 ? "on" : "off");
    row.append(who, line);
    return row;
  }));
}

function showChats() {
  $("chats").replaceChildren(...desk.chats.map((one) => {
    const row = button("", () => openChat(one.open_kfid, one.external_userid), "chat");
    row.setAttribute("aria-current", String(one.external_userid === state.customer));
    row.append(make("strong", "", one.nickname), make("span", `state s${one.service_state}`, sayState(state.language, one)));
    row.append(make("small", "", one.last.body.content ?? one.last.body.head_content ?? `[${one.last.msgtype}]`));
    return row;
  }));
  if (!desk.chats.length) $("chats").append(make("p", "hint", t("no_chats")));
}

function showDeeds() {
  const current = desk.chats.find((one) => one.external_userid === state.customer);
  const held = current?.service_state === 3;
  const colleague = desk.servicers.find((one) => one.userid !== current?.servicer_userid && one.status === 0);
  $("take").disabled = !current || held;
  $("transfer").disabled = !held || !colleague;
  $("transfer").textContent = colleague ? `${t("transfer")} ${colleague.userid}` : t("transfer");
  $("end").disabled = !held;
  $("reply").placeholder = `${desk.me} → ${current?.nickname ?? ""}`;
  $("take").onclick = () => deed("take", desk.me);
  $("end").onclick = () => deed("end", current.servicer_userid);
  $("transfer").onclick = () => deed("transfer", colleague.userid);
}

const deed = (action, userid, text = "") => act(() => call("POST", `${chat()}/servicer`, { action, userid, text }));

async function act(action) {
  await guarded(async () => {
    await action();
    await refreshDesk();
  });
}

$("answer").onsubmit = (event) => {
  event.preventDefault();
  const text = $("reply").value.trim();
  if (!text || !state.customer) return;
  if (!desk.me) return alarm(t("no_servicer"));
  $("reply").value = "";
  deed("say", desk.me, text);
};
