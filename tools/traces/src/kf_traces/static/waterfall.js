// One trace as a waterfall: heading, ruler, rows with bars, folding and the selection.

import { $, copy, el } from "./dom.js";
import { t } from "./i18n.js";
import { buildTree, duration, fullTime, queueWait, serviceColour, shortService, ticks, visibleRows } from "./model.js";

// A wait below this part of the whole is drawn, but not spelled out.
const WORTH_SAYING = 0.03;

export class Waterfall {
  constructor({ onSelect, onOpen, onLeave }) {
    this.onSelect = onSelect;
    this.onOpen = onOpen;
    this.onLeave = onLeave;
    this.trace = null;
    this.showDatabase = false;
  }

  // Show a trace, or the same one again with more spans: then folding and selection stay.
  show(trace) {
    if (trace.trace_id !== this.trace?.trace_id) {
      this.collapsed = new Set();
      this.selected = null;
    }
    this.trace = trace;
    this.tree = buildTree(trace.spans);
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
    const rows = el("div.rows", { id: "rows", role: "tree", tabindex: "0", "aria-label": t("waterfall"),
        css: { "--step": `${(ticks(this.tree.length)[1]?.at ?? 1) * 100}%` }, onkeydown: (event) => this.onKey(event) },
      ...this.rows.map((row) => this.row(row)));
    $("trace").replaceChildren(this.heading(), this.ruler(), rows);
    rows.scrollTop = top;
    if (hadFocus) rows.focus({ preventScroll: true });
    this.mark();
  }

  heading() {
    const { spans, trace_id: traceId, related } = this.trace;
    const root = this.tree.roots[0].span;
    const errors = spans.filter((span) => span.status === "error");
    const services = [...new Set(spans.map((span) => span.service))];
    return el("div.trace-head", {},
      el("div.trace-title", {},
        el("h1", { title: root.name }, root.name),
        el("button.id", { type: "button", title: t("copyId"), onclick: (event) => copied(event.currentTarget, traceId) }, traceId)),
      el("div.facts", {},
        fact(t("total"), duration(this.tree.length / 1e6)), fact(t("started"), fullTime(this.tree.start)),
        el("span", {}, t("spans", spans.length)),
        ...services.map((service) => el("span.service", { css: { "--colour": serviceColour(service) } }, shortService(service)))),
      errors.length > 0 && this.errorBanner(errors),
      related.length > 0 && this.relatedTraces(related),
      this.toolbar());
  }

  errorBanner(errors) {
    return el("button.banner", { type: "button", title: t("nextError"), onclick: () => this.nextError() },
      el("b", {}, t("errors", errors.length)),
      el("span", {}, `${errors[0].name}${errors[0].status_message ? ` — ${errors[0].status_message}` : ""}`),
      el("kbd", {}, "e"));
  }

  relatedTraces(related) {
    return el("div.related", {}, el("span", {}, t("related")),
      ...related.map((trace) => el(`a.chip${trace.error ? ".error" : ""}`,
        { href: `/trace/${trace.trace_id}`, title: trace.trace_id, onclick: (event) => this.follow(event, trace.trace_id) },
        `${trace.name} · ${duration(trace.duration_ms)}`)));
  }

  toolbar() {
    const foldAll = () => this.rows.filter((row) => row.hasChildren).forEach((row) => this.collapsed.add(row.node.span.span_id));
    const count = this.tree.databaseCount;
    return el("div.toolbar", {},
      el("button.plain", { type: "button", onclick: () => { this.collapsed.clear(); this.draw(); } }, t("expandAll")),
      el("button.plain", { type: "button", onclick: () => { foldAll(); this.draw(); } }, t("collapseAll")),
      count > 0 && el("label.check", {},
        el("input", { type: "checkbox", checked: this.showDatabase, onchange: (event) => { this.showDatabase = event.target.checked; this.draw(); } }),
        t("showDb", count)));
  }

  ruler() {
    return el("div.ruler", { "aria-hidden": "true" }, el("div.ruler-name", {}, t("operation")),
      el("div.ruler-time", {}, ...ticks(this.tree.length).map((tick) => el("span", { css: { "--at": `${tick.at * 100}%` } }, tick.label))));
  }

  row({ node, depth, hasChildren, isCollapsed, hides }) {
    const { span } = node;
    const isError = span.status === "error";
    return el(`div.row${isError ? ".error" : ""}`,
      { id: `span-${span.span_id}`, role: "treeitem", "aria-level": depth + 1, "aria-expanded": hasChildren ? String(!isCollapsed) : null,
        css: { "--depth": depth, "--colour": serviceColour(span.service) }, onclick: () => this.select(span.span_id, true) },
      el("div.row-name", {},
        hasChildren
          ? el(`button.fold${isCollapsed ? ".closed" : ""}`, { type: "button", tabindex: "-1", "aria-hidden": "true", onclick: (event) => { event.stopPropagation(); this.fold(node); } })
          : el("span.fold.leaf"),
        isHandedOn(node) ? el("span.row-service", {}, shortService(span.service)) : el("span.row-service.same", { title: shortService(span.service) }),
        el("span.row-title", { title: span.name }, span.name),
        ...this.badges(node, hides)),
      el("div.row-time", {}, ...this.bars(node)));
  }

  badges(node, hides) {
    const { span } = node;
    const deliveries = Number(span.attributes["kf.delivery_count"] ?? 1);
    return [
      (span.status === "error" || hides) && el("span.badge.bad", { title: span.status_message }, "!"),
      span.links.length > 0 && el("span.badge", { title: t("links") }, `⇄ ${span.links.length}`),
      deliveries > 1 && el("span.badge.warn", {}, t("repeated", deliveries)),
      node.isOrphan && el("span.badge.warn", {}, t("orphan")),
    ];
  }

  bars(node) {
    const { span } = node;
    const at = (ns) => ((ns - this.tree.start) / this.tree.length) * 100;
    const left = at(span.start_ns);
    const width = at(span.end_ns) - left;
    const wait = queueWait(node);
    const waitWidth = (wait / this.tree.length) * 100;
    const isRight = left + width > 82;
    return [
      wait > 0 && el("span.wait", { title: t("wait", duration(wait / 1e6)), css: { "--left": `${left - waitWidth}%`, "--width": `${waitWidth}%` } }),
      el("span.bar", { css: { "--left": `${left}%`, "--width": `${width}%` } }),
      ...span.events.map((event) => el("span.tick", { title: event.name, css: { "--left": `${Math.min(100, Math.max(0, at(event.time_ns)))}%` } })),
      el(`span.length${isRight ? ".left" : ""}`, { css: { "--left": `${isRight ? left - waitWidth : left + width}%` } },
        wait > WORTH_SAYING * this.tree.length && el("em", {}, t("wait", duration(wait / 1e6))), duration(span.duration_ms)),
    ];
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
    rows.querySelector(".row[aria-selected]")?.removeAttribute("aria-selected");
    const row = this.selected && document.getElementById(`span-${this.selected}`);
    if (!row) return rows.removeAttribute("aria-activedescendant");
    row.setAttribute("aria-selected", "true");
    rows.setAttribute("aria-activedescendant", row.id);
    return row.scrollIntoView({ block: "nearest" });
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

const fact = (name, value) => el("span.fact", {}, el("small", {}, name), value);

async function copied(button, text) {
  if (!(await copy(text))) return;
  button.dataset.said = t("copied");
  setTimeout(() => delete button.dataset.said, 1200);
}
