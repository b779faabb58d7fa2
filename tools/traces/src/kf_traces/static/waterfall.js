// One trace as a waterfall: heading, ruler, rows with bars, folding and the selection.

import { $, copy, el } from "./dom.js";
import { t } from "./i18n.js";
import { buildTree, displayName, duration, fullTime, outcomeWord, queuedTotal, queueWait, serviceColour, shortService, ticks, traceTitle, visibleRows } from "./model.js";
import { remedies } from "./remedy.js";
import { TimeView } from "./view.js";
import { VirtualRows } from "./virtual.js";

// A wait below this part of the whole is drawn, but not spelled out.
const WORTH_SAYING = 0.03;
const ROW = 30;

export class Waterfall {
  constructor({ onSelect, onOpen, onLeave }) {
    this.onSelect = onSelect;
    this.onOpen = onOpen;
    this.onLeave = onLeave;
    this.trace = null;
    this.showDatabase = false;
    this.view = new TimeView(() => this.draw());
  }

  // Show a trace, or the same one again with more spans: then folding and selection stay.
  show(trace) {
    const isSame = trace.trace_id === this.trace?.trace_id;
    if (!isSame) {
      this.collapsed = new Set();
      this.selected = null;
    }
    this.trace = trace;
    this.tree = buildTree(trace.spans);
    this.view.take(this.tree, isSame);
    this.draw();
  }

  clear(strong, text) {
    this.trace = null;
    $("trace").replaceChildren(el("div.empty.large", {}, el("strong", {}, strong), el("p", {}, text)));
  }

  draw() {
    const hadFocus = document.activeElement?.id === "rows";
    const top = $("rows")?.scrollTop ?? 0;
    this.rows = visibleRows(this.tree, this.collapsed, this.showDatabase);
    const { marks, step, shift } = ticks(this.view, this.tree.start);
    const rows = el("div.rows", { id: "rows", role: "tree", tabindex: "0", "aria-label": t("waterfall"),
      css: { "--step": marks.length ? `${step * 100}%` : "100%", "--shift": `${shift * 100}%` }, onkeydown: (event) => this.onKey(event) });
    rows.addEventListener("wheel", (event) => this.view.onWheel(event, $("ruler")), { passive: false });
    this.virtual = new VirtualRows(rows, () => ROW, (row) => this.row(row));
    rows.append(this.virtual.space);
    $("trace").replaceChildren(this.heading(), this.ruler(), rows);
    this.virtual.show(this.rows);
    rows.scrollTop = top;
    this.virtual.render();
    if (hadFocus) rows.focus({ preventScroll: true });
    this.mark();
  }

  heading() {
    const { spans, trace_id: traceId, related } = this.trace;
    const title = traceTitle(this.summary(spans));
    const queued = queuedTotal(this.tree);
    const errors = spans.filter((span) => span.status === "error");
    const services = [...new Set(spans.map((span) => span.service))];
    return el("div.trace-head", {},
      el("div.trace-title", {},
        el("h1", { title: this.tree.roots[0].span.name }, title),
        el("button.id", { type: "button", title: t("copyId"), onclick: (event) => copied(event.currentTarget, traceId) }, traceId)),
      el("div.facts", {},
        fact(t("total"), duration(this.tree.length / 1e6)), fact(t("started"), fullTime(this.tree.start)),
        queued > 0 && fact(t("queued"), duration(queued / 1e6)),
        el("span", {}, t("spans", spans.length)),
        ...services.map((service) => el("span.service", { css: { "--colour": serviceColour(service) } }, shortService(service)))),
      errors.length > 0 && this.errorBanner(errors),
      ...remedies(this.trace.errcodes),
      related.length > 0 && this.relatedTraces(related),
      this.toolbar());
  }

  // What a row of the list knows of this trace.
  summary(spans) {
    const root = this.tree.roots[0].span;
    const first = (key) => spans.find((span) => key in span.attributes)?.attributes[key];
    const msgids = spans.filter((span) => span.attributes["kf.outcome"] === "new").map((span) => span.attributes["kf.msgid"]);
    return { trace_id: this.trace.trace_id, name: root.name, account: first("kf.open_kfid"), msgids };
  }

  errorBanner(errors) {
    const { name, status_message: message } = errors[0];
    return el("button.banner", { type: "button", title: t("nextError"), onclick: () => this.nextError() },
      el("b", {}, t("errors", errors.length)),
      el("span", {}, `${displayName(name)}${message ? ` — ${outcomeWord(message)}` : ""}`),
      el("kbd", {}, "e"));
  }

  relatedTraces(related) {
    return el("div.related", {}, el("span", {}, t("related")),
      ...related.map((trace) => el(`a.chip${trace.error ? ".error" : ""}`,
        { href: `/trace/${trace.trace_id}`, title: trace.trace_id, onclick: (event) => this.follow(event, trace.trace_id) },
        `${traceTitle(trace)} · ${duration(trace.duration_ms)}`)));
  }

  toolbar() {
    const foldAll = () => this.rows.filter((row) => row.hasChildren).forEach((row) => this.collapsed.add(row.node.span.span_id));
    const count = this.tree.databaseCount;
    return el("div.toolbar", {},
      el("button.plain", { type: "button", onclick: () => { this.collapsed.clear(); this.draw(); } }, t("expandAll")),
      el("button.plain", { type: "button", onclick: () => { foldAll(); this.draw(); } }, t("collapseAll")),
      ...this.view.buttons(),
      count > 0 && el("label.check", {},
        el("input", { type: "checkbox", checked: this.showDatabase, onchange: (event) => { this.showDatabase = event.target.checked; this.draw(); } }),
        t("showDb", count)));
  }

  ruler() {
    return el("div.ruler", { "aria-hidden": "true" }, el("div.ruler-name", {}, t("operation")),
      this.view.ruler());
  }

  row({ node, depth, hasChildren, isCollapsed, hides }) {
    const { span } = node;
    const isError = span.status === "error";
    return el(`div.row${isError ? ".error" : ""}`,
      { id: `span-${span.span_id}`, role: "treeitem", "aria-level": depth + 1, "aria-expanded": hasChildren ? String(!isCollapsed) : null,
        "aria-selected": span.span_id === this.selected ? "true" : null, css: { "--depth": depth, "--colour": serviceColour(span.service) }, onclick: () => this.select(span.span_id, true) },
      el("div.row-name", {},
        hasChildren
          ? el(`button.fold${isCollapsed ? ".closed" : ""}`, { type: "button", tabindex: "-1", "aria-hidden": "true", onclick: (event) => { event.stopPropagation(); this.fold(node); } })
          : el("span.fold.leaf"),
        isHandedOn(node) ? el("span.row-service", {}, shortService(span.service)) : el("span.row-service.same", { title: shortService(span.service) }),
        el("span.row-title", { title: span.name }, displayName(span.name)),
        ...this.badges(node, hides)),
      el("div.row-time", {}, ...this.bars(node)));
  }

  badges(node, hides) {
    const { span } = node;
    const deliveries = Number(span.attributes["kf.delivery_count"] ?? 1);
    return [
      (span.status === "error" || hides) && el("span.badge.bad", { title: outcomeWord(span.status_message) }, "!"),
      isFault(span.attributes) && el("span.badge.code", {}, String(errcodeOf(span.attributes))),
      span.links.length > 0 && el("span.badge", { title: t("links") }, `⇄ ${span.links.length}`),
      deliveries > 1 && el("span.badge.warn", {}, t("repeated", deliveries)),
      node.isOrphan && el("span.badge.warn", {}, t("orphan")),
    ];
  }

  bars(node) {
    const { span } = node;
    const at = (ns) => this.view.at(ns);
    // The last instant of the whole is drawn inside it.
    const left = this.view.isAll ? Math.min(99.6, at(span.start_ns)) : at(span.start_ns);
    const width = Math.max(0, at(span.end_ns) - left);
    const wait = queueWait(node);
    const waitWidth = (wait / this.view.length) * 100;
    return [
      wait > 0 && el("span.wait", { title: t("wait", duration(wait / 1e6)), css: { "--left": `${left - waitWidth}%`, "--width": `${waitWidth}%` } }),
      el("span.bar", { css: { "--left": `${left}%`, "--width": `${width}%` } }),
      ...span.events.map((event) => el("span.tick", { title: event.name, css: { "--left": `${at(event.time_ns)}%` } })),
      left < 100 && left + width >= 0 && this.length(node, place(left, width, waitWidth), wait),
    ];
  }

  length({ span }, { at, side }, wait) {
    const limited = Number(span.attributes["kf.limiter_wait_ms"] ?? 0);
    return el(`span.length${side}`, { css: { "--left": `${at}%` } },
      wait > WORTH_SAYING * this.view.length && el("em", {}, t("wait", duration(wait / 1e6))),
      limited > 0 && el("em", {}, t("limiterWait", duration(limited))), duration(span.duration_ms));
  }

  fold(node) {
    const id = node.span.span_id;
    if (!this.collapsed.delete(id)) this.collapsed.add(id);
    this.draw();
  }

  select(spanId, isOpening) {
    this.selected = spanId;
    this.mark();
    $("rows").focus({ preventScroll: true });
    this.onSelect(this.tree.nodes.get(spanId), this.tree, isOpening);
  }

  // Unfold what hides a span, then select it.
  reveal(spanId) {
    const node = this.tree.nodes.get(spanId);
    if (!node) return;
    for (let at = node.parent; at; at = at.parent) this.collapsed.delete(at.span.span_id);
    this.draw();
    this.select(spanId, true);
  }

  mark() {
    const rows = $("rows");
    this.virtual.reveal(this.rows.findIndex((row) => row.node.span.span_id === this.selected));
    rows.querySelector(".row[aria-selected]")?.removeAttribute("aria-selected");
    const row = this.selected && document.getElementById(`span-${this.selected}`);
    if (!row) return rows.removeAttribute("aria-activedescendant");
    row.setAttribute("aria-selected", "true");
    return rows.setAttribute("aria-activedescendant", row.id);
  }

  nextError() {
    const errors = this.trace.spans.filter((span) => span.status === "error");
    const at = errors.findIndex((span) => span.span_id === this.selected);
    if (errors.length) this.reveal(errors[(at + 1) % errors.length].span_id);
  }

  follow(event, traceId, spanId) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.onOpen(traceId, spanId);
  }

  onKey(event) {
    const at = this.rows.findIndex((row) => row.node.span.span_id === this.selected);
    const row = this.rows[at];
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15, Home: -1e6, End: 1e6 }[event.key];
    if (step) this.select(this.rows[at < 0 ? 0 : Math.min(this.rows.length - 1, Math.max(0, at + step))].node.span.span_id, false);
    else if (event.key === "Enter" && row) this.select(this.selected, true);
    else if (event.key === "ArrowLeft" && row) this.foldOrLeave(row);
    else if (event.key === "ArrowRight" && row?.isCollapsed) this.fold(row.node);
    else return;
    event.preventDefault();
  }

  foldOrLeave(row) {
    if (row.hasChildren && !row.isCollapsed) this.fold(row.node);
    else if (row.node.parent) this.select(row.node.parent.span.span_id, false);
    else this.onLeave();
  }
}

// Whether the work passed to another service here: only then its name is worth the room.
const isHandedOn = (node) => node.parent?.span.service !== node.span.service;

// Where a bar's length is written: behind it, else before its wait, else over the wait, else at the end inside.
function place(left, width, waitWidth) {
  if (left + width <= 82) return { at: left + width, side: "" };
  if (left - waitWidth >= 25) return { at: Math.min(100, left - waitWidth), side: ".left" };
  if (left >= 25) return { at: Math.min(100, left), side: ".left.over" };
  return { at: Math.min(100, left + width), side: ".left.inside" };
}

const errcodeOf = (attributes) => attributes["kf.errcode"] ?? attributes["kf.wecom.errcode"];

const isFault = (attributes) => Number(errcodeOf(attributes) ?? 0) !== 0;

const fact = (name, value) => el("span.fact", {}, el("small", {}, name), value);

async function copied(button, text) {
  if (!(await copy(text))) return;
  button.dataset.said = t("copied");
  setTimeout(() => delete button.dataset.said, 1200);
}
