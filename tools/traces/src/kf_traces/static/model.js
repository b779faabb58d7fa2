// What is worked out from spans before anything is drawn: the tree, the rows, durations, colours.

import { locale, t, wordOr } from "./i18n.js";

const KNOWN = {
  "kf-gateway": "#3b82f6", "kf-dialog": "#8b5cf6", "kf-knowledge": "#0d9f77", "kf-sender": "#d98a0b", "kf-simulator": "#64798f",
};
const OTHERS = ["#0891b2", "#c026a8", "#65930f", "#4f63d2", "#a16a2c", "#0f8a8a", "#9a5bd6", "#5f7f3a"];

export function serviceColour(service) {
  if (KNOWN[service]) return KNOWN[service];
  let hash = 0;
  for (const letter of service) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return OTHERS[hash % OTHERS.length];
}

export const shortService = (service) => service.replace(/^kf-/, "");

// `kf_contracts.knowledge.v1.KnowledgeService/Search` without its package.
export const displayName = (name) => name.replace(/^(?:[a-z]\w*\.)+(?=[A-Z]\w*\/)/, "");

export const outcomeWord = (outcome) => wordOr(`outcome_${outcome}`, outcome);

// The end of an open_kfid: its beginning is the same for all accounts of a corp.
export const shortAccount = (account) => (account.length > 10 ? `…${account.slice(-6)}` : account);

// What a support lead calls it: a trace begins at the callback or at a poll, and may hold a customer's message.
export function traceTitle(trace) {
  const kind = traceKind(trace);
  if (!kind) return displayName(trace.name) || trace.trace_id;
  return trace.account ? `${t(kind)} · ${shortAccount(trace.account)}` : t(kind);
}

function traceKind({ name, msgids }) {
  if (/^GET .*\/wecom\/callback$/.test(name)) return "kind_verify";
  const isPoll = name === "pull page";
  if (!isPoll && !/^POST .*\/wecom\/callback$/.test(name)) return null;
  if (msgids.length) return "kind_message";
  return isPoll ? "kind_poll" : "kind_notice";
}

export function duration(ms) {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function clock(ns) {
  const date = new Date(ns / 1e6);
  const time = date.toLocaleTimeString(locale(), { hour12: false });
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${date.toLocaleDateString(locale(), { month: "2-digit", day: "2-digit" })} ${time}`;
}

export function fullTime(ns) {
  const date = new Date(ns / 1e6);
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${date.toLocaleString(locale(), { hour12: false })}.${milliseconds}`;
}

const isDatabase = (span) => "db.system.name" in span.attributes || "db.system" in span.attributes;

// The spans as a tree in order of start. Spans whose parent is missing become roots and are marked.
export function buildTree(spans) {
  const nodes = new Map(spans.map((span) => [span.span_id, { span, parent: null, children: [], isOrphan: false }]));
  for (const node of nodes.values()) {
    const parent = nodes.get(node.span.parent_span_id);
    if (parent && !isBelow(parent, node)) {
      node.parent = parent;
      parent.children.push(node);
    } else {
      node.isOrphan = node.span.parent_span_id !== "";
    }
  }
  const roots = [...nodes.values()].filter((node) => !node.parent);
  return { nodes, roots, ...extent(spans), databaseCount: [...nodes.values()].filter(isFoldable).length };
}

// A sender may lie about parents; a cycle must not hang the page.
function isBelow(node, other) {
  for (let at = node; at; at = at.parent) if (at === other) return true;
  return false;
}

function extent(spans) {
  let start = Infinity;
  let end = -Infinity;
  for (const span of spans) {
    start = Math.min(start, span.start_ns);
    end = Math.max(end, span.end_ns);
  }
  return { start, end, length: Math.max(end - start, 1) };
}

// Database calls that went well say little about a customer's message and are left out unless asked for.
function isFoldable(node) {
  return isDatabase(node.span) && node.span.status !== "error" && node.children.every(isFoldable);
}

// The rows to draw, from top to bottom.
export function visibleRows(tree, collapsed, showDatabase) {
  const rows = [];
  const stack = tree.roots.map((node) => [node, 0]).reverse();
  while (stack.length) {
    const [node, depth] = stack.pop();
    if (!showDatabase && isFoldable(node)) continue;
    const children = showDatabase ? node.children : node.children.filter((child) => !isFoldable(child));
    const isCollapsed = collapsed.has(node.span.span_id);
    rows.push({ node, depth, isCollapsed, hasChildren: children.length > 0, hides: isCollapsed && hasError(children) });
    if (!isCollapsed) for (const child of [...children].reverse()) stack.push([child, depth + 1]);
  }
  return rows;
}

const hasError = (nodes) => nodes.some((node) => node.span.status === "error" || hasError(node.children));

// Nanoseconds between what caused a span and its start: in a queue, for the turn to come due, between two attempts.
// A child of a running span starts when its parent wants; of a finished one, when somebody took it up.
export function queueWait({ span, parent }) {
  if (!parent || span.start_ns <= parent.span.end_ns) return 0;
  let since = parent.span.end_ns;
  for (const { span: other } of parent.children) {
    if (other.name === span.name && other.end_ns <= span.start_ns && other.span_id !== span.span_id) since = Math.max(since, other.end_ns);
  }
  return span.start_ns - since;
}

export const queuedTotal = (tree) => [...tree.nodes.values()].reduce((sum, node) => sum + queueWait(node), 0);

// Round marks for a ruler over a view: about five, as fractions of the view, named by their distance from the start.
export function ticks({ from, length }, start) {
  const rough = length / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const marks = [];
  const first = Math.ceil((from - start) / step - 1e-9) * step;
  for (let at = first; at <= from - start + length * 0.94; at += step) marks.push({ at: (at - from + start) / length, label: at ? duration(at / 1e6) : "0" });
  return { marks, step: step / length, shift: (first - from + start) / length };
}
