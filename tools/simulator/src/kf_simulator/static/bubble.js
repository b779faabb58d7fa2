// How the content of a message looks: text with links, menus, pictures, voice, files, places, cards.
import { button, make, t } from "./page.js";

export function bubbleOf(entry, write) {
  const bubble = make("div", "bubble");
  const show = shows[entry.msgtype] ?? unknown;
  show(bubble, entry.body, write, entry.msgtype);
  return bubble;
}

export function anchor(url, text) {
  const link = make("a", "", text);
  link.href = /^https?:\/\//.test(url) ? url : "about:blank";
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

const mediaPath = (body) => `control/media/${encodeURIComponent(body.media_id)}`;

const shows = {
  text: (bubble, body) => linkified(bubble, body.content ?? ""),
  msgmenu: menuInto,
  image(bubble, body) {
    const picture = make("img");
    picture.alt = t("picture");
    picture.src = mediaPath(body);
    picture.onerror = () => picture.replaceWith(`[${t("picture")}]`);
    bubble.append(picture);
  },
  voice: (bubble) => bubble.append(`🎤 ${t("voice")}`),
  video: (bubble, body) => fileInto(bubble, body, "🎬", t("video")),
  file: (bubble, body) => fileInto(bubble, body, "📄", t("file")),
  location: (bubble, body) => bubble.append(`📍 ${body.name ?? ""}`, make("small", "", body.address ?? "")),
  link: (bubble, body) => bubble.append(anchor(body.url ?? "", `🔗 ${body.title ?? body.url}`), make("small", "", body.desc ?? "")),
};

function unknown(bubble, body, _write, msgtype) {
  bubble.textContent = `[${msgtype}] ${body.title ?? body.name ?? ""}`;
}

function fileInto(bubble, body, icon, text) {
  const link = make("a", "", `${icon} ${text}`);
  link.href = mediaPath(body);
  bubble.append(link);
}

function linkified(parent, text) {
  for (const piece of text.split(/(https?:\/\/[^\s，。；！？、）】"'<>]+)/)) {
    parent.append(/^https?:\/\//.test(piece) ? anchor(piece, piece) : document.createTextNode(piece));
  }
}

function menuInto(parent, body, write) {
  parent.append(body.head_content ?? "");
  const menu = make("div", "menu");
  for (const item of body.list ?? []) {
    if (item.type === "view") menu.append(anchor(item.view.url, item.view.content));
    else if (item.type === "text") menu.append(make("span", "", item.text.content));
    else if (item.type === "click") {
      menu.append(button(item.click.content, () => write({ text: item.click.content, menu_id: item.click.id ?? null })));
    }
  }
  parent.append(menu, body.tail_content ?? "");
}
