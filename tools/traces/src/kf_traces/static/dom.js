// Building elements: text always goes in as text, so what a span carries can never become markup.

export const $ = (id) => document.getElementById(id);

// el("div.row.error", {title: "x", onclick: f, data: {id: 1}, css: {"--left": "3%"}}, child, "text", null)
export function el(selector, options = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.classList.add(...classes);
  for (const [name, value] of Object.entries(options)) set(node, name, value);
  return fill(node, ...children);
}

// Replace what a node holds; null, undefined and false are left out.
export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "data") Object.assign(node.dataset, value);
  else if (name === "css") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
  else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else node.setAttribute(name, value === true ? "" : value);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // No permission, or not a secure origin: the text stays selectable.
  }
}
