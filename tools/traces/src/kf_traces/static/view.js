// The part of a trace's time that the waterfall shows: zooming, moving, and the ruler to drag over.

import { el } from "./dom.js";
import { t } from "./i18n.js";
import { ticks } from "./model.js";

const LEAST_NS = 1000;
const MEANT = 6; // CSS pixels: a shorter drag is a click.

export class TimeView {
  constructor(onChange) {
    this.onChange = onChange;
  }

  // Show all of a tree; a trace that grows stays zoomed where it was.
  take(tree, isSame) {
    const wasAll = !isSame || this.isAll;
    this.tree = tree;
    if (wasAll) Object.assign(this, { from: tree.start, length: tree.length });
  }

  get isAll() {
    return this.from === this.tree.start && this.length === this.tree.length;
  }

  // A time in nanoseconds as per cent of the view.
  at(ns) {
    return ((ns - this.from) / this.length) * 100;
  }

  set(from, length) {
    this.length = Math.min(this.tree.length, Math.max(LEAST_NS, length));
    this.from = Math.min(this.tree.end - this.length, Math.max(this.tree.start, from));
    if (this.length === this.tree.length) this.from = this.tree.start;
    this.onChange();
  }

  // Make the view so many times as long, keeping what is at a fraction of it in place.
  zoom(factor, around = 0.5) {
    const length = this.length * factor;
    this.set(this.from + (this.length - length) * around, length);
  }

  all() {
    this.set(this.tree.start, this.tree.length);
  }

  // Ctrl and the wheel zoom around the pointer, Shift or a sideways wheel moves.
  onWheel(event, ruler) {
    const { left, width } = ruler.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, (event.clientX - left) / width);
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.set(this.from + ((event.deltaX || event.deltaY) / width) * this.length, this.length);
    else return;
    event.preventDefault();
  }

  buttons() {
    const button = (key, title, act, sign) => el("button.plain", { type: "button", title: `${t(title)} (${key})`, "aria-label": t(title), onclick: act }, sign);
    return [
      button("+", "zoomIn", () => this.zoom(0.5), "＋"), button("-", "zoomOut", () => this.zoom(2), "－"),
      !this.isAll && button("0", "zoomAll", () => this.all(), t("zoomAll")),
    ];
  }

  ruler() {
    const { marks } = ticks(this, this.tree.start);
    return el("div.ruler-time", { id: "ruler", title: t("zoomHint"), onpointerdown: (event) => this.drag(event) },
      ...marks.map((mark) => el("span", { css: { "--at": `${mark.at * 100}%` } }, mark.label)));
  }

  drag(event) {
    const ruler = event.currentTarget;
    const { left, width } = ruler.getBoundingClientRect();
    const began = event.clientX;
    const chosen = ruler.appendChild(el("i.chosen"));
    const range = (x) => [Math.min(began, x), Math.max(began, x)].map((at) => Math.min(1, Math.max(0, (at - left) / width)));
    const move = ({ clientX }) => {
      const [from, to] = range(clientX);
      chosen.style.left = `${from * 100}%`;
      chosen.style.width = `${(to - from) * 100}%`;
    };
    const end = ({ clientX }) => {
      removeEventListener("pointermove", move);
      chosen.remove();
      const [from, to] = range(clientX);
      if (Math.abs(clientX - began) > MEANT) this.set(this.from + from * this.length, (to - from) * this.length);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
    event.preventDefault();
  }
}
