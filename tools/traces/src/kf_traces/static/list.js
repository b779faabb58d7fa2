// The list of traces: fetching pages of it, drawing rows, moving the selection.

import { $, el } from "./dom.js";
import { t } from "./i18n.js";
import { clock, duration, serviceColour, shortService } from "./model.js";

const PAGE = 100;
const MOST = 1000;

export class TraceList {
  constructor({ onOpen, onReset }) {
    this.onOpen = onOpen;
    this.onReset = onReset;
    this.traces = [];
    this.next = null;
    this.openId = null;
    this.etag = null;
    this.filter = new URLSearchParams();
    $("list").addEventListener("keydown", (event) => this.onKey(event));
  }

  setFilter(filter) {
    this.filter = filter;
    this.etag = null;
    this.wantsTop = true;
  }

  // Fetch the newest traces, as many as are shown. Returns whether anything was new.
  async refresh() {
    const filter = this.filter;
    const query = new URLSearchParams(filter);
    query.set("limit", this.wantsTop ? PAGE : Math.min(MOST, Math.max(PAGE, this.traces.length)));
    const response = await fetch(`/api/traces?${query}`, { headers: this.etag ? { "If-None-Match": this.etag } : {}, cache: "no-store" });
    if (filter !== this.filter || response.status === 304) return false;
    const body = await response.json();
    if (!response.ok) throw new Error(body.error);
    this.etag = response.headers.get("ETag");
    this.wantsTop = false;
    this.traces = body.traces;
    this.next = body.next;
    this.draw();
    return true;
  }

  async loadMore() {
    const query = new URLSearchParams(this.filter);
    query.set("limit", PAGE);
    query.set("before", this.next);
    const body = await (await fetch(`/api/traces?${query}`)).json();
    this.traces = [...this.traces, ...body.traces];
    this.next = body.next;
    this.draw();
  }

  setOpen(traceId) {
    this.openId = traceId;
    this.draw();
    $("list").querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  draw() {
    const list = $("list");
    const top = list.scrollTop;
    const longest = Math.max(1, ...this.traces.map((trace) => trace.duration_ms));
    list.replaceChildren(...this.traces.map((trace) => this.row(trace, longest)));
    if (!this.traces.length) list.append(this.empty());
    if (this.next) list.append(el("button.more", { type: "button", onclick: () => this.loadMore() }, t("loadMore")));
    list.scrollTop = top;
    $("list-state").textContent = this.traces.length ? t(this.next ? "countMore" : "count", this.traces.length) : "";
    const isShown = this.traces.some((trace) => trace.trace_id === this.openId);
    if (isShown) list.setAttribute("aria-activedescendant", `row-${this.openId}`);
    else list.removeAttribute("aria-activedescendant");
  }

  row(trace, longest) {
    const isOpen = trace.trace_id === this.openId;
    return el(
      `div.item${trace.error ? ".error" : ""}`,
      { id: `row-${trace.trace_id}`, role: "option", "aria-selected": String(isOpen), onclick: () => this.onOpen(trace.trace_id) },
      el("div.item-top", {},
        el("span.item-name", { title: trace.name }, trace.name || trace.trace_id),
        el("span.item-time", {}, duration(trace.duration_ms))),
      el("div.item-bar", { css: { "--width": `${Math.max(0.5, (trace.duration_ms / longest) * 100)}%`, "--colour": serviceColour(trace.service) } }),
      el("div.item-foot", {},
        el("time", {}, clock(trace.start_ns)),
        el("span.dots", { title: trace.services.map(shortService).join(" · ") },
          ...trace.services.map((service) => el("i", { css: { "--colour": serviceColour(service) } }))),
        el("span.item-spans", { title: t("spans", trace.span_count) }, String(trace.span_count)),
        ...this.highlights(trace)),
      trace.error && el("div.item-error", { title: trace.error_message }, trace.error_message || t("errors", trace.error_count)),
    );
  }

  // What tells one customer message from the next: the end of its id, and how it ended.
  highlights({ highlights }) {
    const id = highlights["kf.msgid"]?.[0];
    return [
      id && el("code", { title: highlights["kf.msgid"].join("\n") }, `…${id.slice(-6)}`),
      ...(highlights["kf.outcome"] ?? []).map((outcome) => el("span.outcome", {}, outcome)),
    ];
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
