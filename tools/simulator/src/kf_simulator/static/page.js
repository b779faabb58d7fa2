// What every part of the page uses: the elements, the calls, what is shown now. Text goes through textContent only.
import { words } from "./words.js";

export const $ = (id) => document.getElementById(id);
export const state = {
  language: localStorage.language || "zh", accounts: [], customers: [], page: {}, nodes: new Map(),
};

export const t = (name) => words[state.language][name] ?? name;
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export const chat = () => `control/chats/${state.account}/${state.customer}`;

export function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function button(text, onclick, className = "") {
  const node = make("button", className, text);
  node.type = "button";
  node.onclick = onclick;
  return node;
}

export async function call(method, path, body, signal) {
  const form = body instanceof FormData;
  const options = { method, signal, headers: body && !form ? { "content-type": "application/json" } : {} };
  if (body) options.body = form ? body : JSON.stringify(body);
  const reply = await fetch(path, options);
  if (!reply.ok) throw Object.assign(new Error(`HTTP ${reply.status}`), { status: reply.status });
  return reply.status === 204 ? null : reply.json();
}

export function alarm(text) {
  $("alarm").textContent = text;
  $("alarm").hidden = !text;
}

export async function guarded(action) {
  try {
    await action();
  } catch (error) {
    alarm(`${t("unreachable")} (${error.message})`);
  }
}

export function face(name, id) {
  const hue = [...id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 360, 7);
  const node = make("span", "face", [...name][0]);
  node.style.background = `hsl(${hue} 45% 48%)`;
  return node;
}
