// The list of traces: fetching it, drawing the rows in sight, moving the selection.

import { $, el } from "./dom.js";
import { inLanguage, t } from "./i18n.js";
import { clock, duration, outcomeWord, serviceColour, shortService, traceTitle } from "./model.js";
import { VirtualRows } from "./virtual.js";

const PAGE = 200;
const MOST = 10_000;
const ROW = 62;
const ERROR_ROW = 82;

export class TraceList {
  constructor({ onOpen, onReset }) {
    this.onOpen = onOpen;
    this.onReset = onReset;
    this.traces = [];
    this.errcodes = {};
    this.next = null;
    this.openId = null;
    this.etag = null;
    this.filter = new URLSearchParams();
    this.rows = new VirtualRows($("list"), (trace) => (faultOf(trace) ? ERROR_ROW : ROW), (trace) => this.row(trace));
    $("list").addEventListener("keydown", (event) => this.onKey(event));
  }

  setFilter(filter) {
    this.filter = filter;
    this.etag = null;
    this.wantsTop = true;
  }

  // Fetch the newest traces and put them before the older ones already here. Returns whether anything was new.
  async refresh() {
    const filter = this.filter;
    const headers = this.etag ? { "If-None-Match": this.etag } : {};
    const response = await fetch(`/api/traces?${this.query()}`, { headers, cache: "no-store" });
    if (filter !== this.filter || response.status === 304) return false;
    const body = await response.json();
    if (!response.ok) throw new Error(body.error);
    this.etag = response.headers.get("ETag");
    this.take(body);
    this.draw();
    if (this.next && this.traces.length <= PAGE) this.loadMore().catch(() => {}); // The button stays for another try.
    return true;
  }

  query(limit = PAGE, before = null) {
    const query = new URLSearchParams(this.filter);
    query.set("limit", limit);
    if (before) query.set("before", before);
    return query;
  }

  take(body) {
    const isWhole = this.wantsTop || !body.next;
    const known = new Set(body.traces.map((trace) => trace.trace_id));
    const older = isWhole ? [] : this.traces.filter((trace) => !known.has(trace.trace_id) && trace.start_ns < Number(body.next));
    if (!older.length) this.next = body.next;
    this.traces = [...body.traces, ...older];
    this.errcodes = { ...this.errcodes, ...body.errcodes };
    this.wantsTop = false;
  }

  async loadMore() {
    const filter = this.filter;
    const body = await (await fetch(`/api/traces?${this.query(MOST, this.next)}`)).json();
    if (filter !== this.filter || !body.traces) return;
    const known = new Set(this.traces.map((trace) => trace.trace_id));
    this.traces = [...this.traces, ...body.traces.filter((trace) => !known.has(trace.trace_id))];
    this.errcodes = { ...this.errcodes, ...body.errcodes };
    this.next = body.next;
    this.draw();
  }

  setOpen(traceId) {
    this.openId = traceId;
    this.draw();
    this.rows.reveal(this.traces.findIndex((trace) => trace.trace_id === traceId));
  }

  draw() {
    const list = $("list");
    this.longest = this.traces.reduce((most, trace) => Math.max(most, trace.duration_ms), 1);
    const isAway = this.rows.space.parentNode !== list;
    if (!this.traces.length) list.replaceChildren(this.empty());
    else if (isAway) list.replaceChildren(this.rows.space);
    list.querySelector(".more")?.remove();
    if (this.next && this.traces.length) list.append(el("button.more", { type: "button", onclick: () => this.loadMore() }, t("loadMore")));
    this.rows.show(this.traces);
    $("list-state").textContent = this.traces.length ? t(this.next ? "countMore" : "count", this.traces.length) : "";
    const isShown = this.traces.some((trace) => trace.trace_id === this.openId);
    if (isShown) list.setAttribute("aria-activedescendant", `row-${this.openId}`);
    else list.removeAttribute("aria-activedescendant");
  }

  row(trace) {
    const isOpen = trace.trace_id === this.openId;
    const fault = faultOf(trace);
    const colour = serviceColour(trace.service);
    return el(
      `div.item${trace.error ? ".error" : ""}`,
      { id: `row-${trace.trace_id}`, role: "option", "aria-selected": String(isOpen), onclick: () => this.onOpen(trace.trace_id) },
      el("div.item-top", {},
        el("span.item-name", { title: trace.name }, traceTitle(trace)),
        el("span.item-time", {}, duration(trace.duration_ms))),
      el("div.item-bar", { css: { "--width": `${Math.max(0.5, (trace.duration_ms / this.longest) * 100)}%`, "--colour": colour } }),
      el("div.item-foot", {}, ...this.foot(trace)),
      fault && el("div.item-error", {}, this.fault(trace)),
    );
  }

  // What tells one customer message from the next: when, who worked, the end of its id, and how it ended.
  foot(trace) {
    const id = trace.msgids[0];
    return [
      el("time", {}, clock(trace.start_ns)),
      el("span.dots", { title: trace.services.map(shortService).join(" · ") },
        ...trace.services.map((service) => el("i", { css: { "--colour": serviceColour(service) } }))),
      el("span.item-spans", { title: t("spans", trace.span_count) }, String(trace.span_count)),
      id && el("code", { title: trace.msgids.join("\n") }, trace.msgids.length > 1 ? t("messages", trace.msgids.length) : `…${id.slice(-6)}`),
      trace.outcome && el(`span.outcome${trace.outcome === "delivered" ? ".good" : ""}`, { title: trace.outcome }, outcomeWord(trace.outcome)),
    ];
  }

  fault(trace) {
    const code = trace.errcodes[0];
    if (!code) return trace.error_message ? outcomeWord(trace.error_message) : t("errors", trace.error_count);
    const known = this.errcodes[code];
    return known ? `${code} ${inLanguage(known.cause)}` : code;
  }

  empty() {
    const isFiltered = [...this.filter.values()].some(Boolean);
    return el("div.empty", {},
      el("strong", {}, t(isFiltered ? "noMatch" : "noTraces")),
      el("p", {}, t(isFiltered ? "noMatchMore" : "noTracesMore")),
      isFiltered && el("button.plain", { type: "button", onclick: this.onReset }, t("resetFilters")));
  }

  move(step) {
    const at = this.traces.findIndex((trace) => trace.trace_id === this.openId);
    const to = at < 0 ? 0 : Math.min(this.traces.length - 1, Math.max(0, at + step));
    if (this.traces[to]) this.onOpen(this.traces[to].trace_id);
  }

  onKey(event) {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step) this.move(step);
    else if (event.key === "Enter" && this.openId) $("rows")?.focus();
    else return;
    event.preventDefault();
  }
}

const faultOf = (trace) => trace.error || trace.errcodes.length > 0;
