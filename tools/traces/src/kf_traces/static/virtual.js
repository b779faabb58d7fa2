// Rows of a long list: only those in sight are in the document, at the place where they would be.

const SPARE = 12;

export class VirtualRows {
  // box scrolls; heightOf(item) in CSS pixels must not depend on what is drawn; draw(item, index) gives an element.
  constructor(box, heightOf, draw) {
    this.box = box;
    this.heightOf = heightOf;
    this.drawRow = draw;
    this.space = document.createElement("div");
    this.space.className = "virtual";
    this.space.setAttribute("role", "presentation");
    this.items = [];
    this.tops = [0];
    box.addEventListener("scroll", () => this.render());
    new ResizeObserver(() => this.render()).observe(box);
  }

  // Show these items; a changed item is drawn anew because it is another object or the caller says so.
  show(items) {
    this.items = items;
    this.tops = [0];
    for (const item of items) this.tops.push(this.tops.at(-1) + this.heightOf(item));
    this.space.style.height = `${this.tops.at(-1)}px`;
    this.drawn = null;
    this.render();
  }

  render() {
    const offset = this.space.offsetTop - this.box.offsetTop;
    const from = Math.max(0, this.indexAt(this.box.scrollTop - offset) - SPARE);
    const to = Math.min(this.items.length, this.indexAt(this.box.scrollTop - offset + this.box.clientHeight) + SPARE);
    if (this.drawn === `${from}-${to}`) return;
    this.drawn = `${from}-${to}`;
    this.space.replaceChildren(...this.items.slice(from, to).map((item, index) => this.placed(item, from + index)));
  }

  placed(item, index) {
    const row = this.drawRow(item, index);
    row.style.top = `${this.tops[index]}px`;
    row.setAttribute("aria-setsize", this.items.length);
    row.setAttribute("aria-posinset", index + 1);
    return row;
  }

  indexAt(y) {
    let low = 0;
    let high = this.items.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  reveal(index) {
    if (index < 0 || index >= this.items.length) return;
    const top = this.tops[index];
    const bottom = this.tops[index + 1];
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (bottom > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = bottom - this.box.clientHeight;
    this.render();
  }
}
