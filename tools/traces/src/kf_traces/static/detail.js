// The details of one span: facts, attributes, events, links and the process it came from.

import { $, el, fill } from "./dom.js";
import { t } from "./i18n.js";
import { displayName, duration, outcomeWord, serviceColour, shortService } from "./model.js";
import { spanRemedies } from "./remedy.js";

export class Detail {
  constructor({ onSearch, onLink, onClose }) {
    this.onSearch = onSearch;
    this.onLink = onLink;
    this.onClose = onClose;
  }

  get isOpen() {
    return !$("detail").hidden;
  }

  close() {
    $("detail").hidden = true;
    $("panes").classList.remove("with-detail");
  }

  // errcodes: the trace's explanations by code.
  show(node, tree, errcodes) {
    const { span } = node;
    $("detail").hidden = false;
    $("panes").classList.add("with-detail");
    fill($("detail"),
      el("div.detail-head", { css: { "--colour": serviceColour(span.service) } },
        el("span.service", { css: { "--colour": serviceColour(span.service) } }, shortService(span.service)),
        el("h2", { title: span.name }, displayName(span.name)),
        el("button.close", { type: "button", "aria-label": t("close"), title: `${t("close")} (Esc)`, onclick: this.onClose }, "×")),
      span.status === "error" && el("p.fault", {}, outcomeWord(span.status_message) || t("status_error")),
      ...spanRemedies(span, errcodes),
      this.facts(span, tree),
      section(t("attributes"), this.table(span.attributes, true), Object.keys(span.attributes).length),
      span.events.length > 0 && section(t("events"), el("ol.events", {}, ...span.events.map((event) => this.event(event, tree))), span.events.length),
      span.links.length > 0 && section(t("links"), el("ul.links", {}, ...span.links.map((link) => this.link(link, tree))), span.links.length),
      el("details.section", {}, el("summary", {}, t("resource")), this.table(span.resource, false)),
    );
    $("detail").scrollTop = 0;
  }

  facts(span, tree) {
    const facts = [
      [t("offset"), `+${duration((span.start_ns - tree.start) / 1e6)}`], [t("duration"), duration(span.duration_ms)],
      [t("kind"), t(`kind_${span.kind}`)], [t("status"), t(`status_${span.status}`)],
      [t("spanId"), span.span_id], [t("parentId"), span.parent_span_id || t("none")], [t("scope"), span.scope || t("none")],
    ];
    return el("dl.grid", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  }

  table(attributes, canSearch) {
    const names = Object.keys(attributes).sort(ownFirst);
    if (!names.length) return el("p.none", {}, t("none"));
    return el("dl.table", {}, ...names.flatMap((name) => [el("dt", {}, name), el("dd", {}, ...this.value(name, attributes[name], canSearch))]));
  }

  value(name, value, canSearch) {
    const isText = typeof value !== "object" || value === null;
    const text = isText ? String(value) : JSON.stringify(value, null, 1);
    const isSearchable = canSearch && isText && text !== "" && text.length <= 200 && !/\s/.test(text);
    return [
      el(isText && !text.includes("\n") ? "span" : "pre", {}, text),
      isSearchable && el("button.find", { type: "button", title: t("search"), "aria-label": t("search"), onclick: () => this.onSearch(`${name}=${text}`) }, "⌕"),
    ];
  }

  event(event, tree) {
    return el("li", {},
      el("div.event-head", {}, el("b", {}, event.name), el("time", {}, `+${duration((event.time_ns - tree.start) / 1e6)}`)),
      Object.keys(event.attributes).length > 0 && this.table(event.attributes, true));
  }

  link(link, tree) {
    const isHere = tree.nodes.has(link.span_id);
    return el("li", {},
      el("a", { href: `/trace/${link.trace_id}?span=${link.span_id}`, onclick: (event) => this.onLink(event, link.trace_id, link.span_id) },
        `${t("openTrace")} ${link.trace_id.slice(0, 8)}… ${isHere ? `(${t("inThisTrace")})` : ""}`),
      Object.keys(link.attributes).length > 0 && this.table(link.attributes, true));
  }
}

function section(title, content, count) {
  return el("details.section", { open: true }, el("summary", {}, title, el("small", {}, String(count))), content);
}

// What is ours tells most, and errors before all.
function ownFirst(a, b) {
  const rank = (name) => (name.startsWith("error.") || name.startsWith("exception.") ? 0 : name.startsWith("kf.") ? 1 : name.startsWith("gen_ai.") ? 2 : 3);
  return rank(a) - rank(b) || a.localeCompare(b);
}
