// What an errcode means and how to mend it, as the catalogue says.

import { el } from "./dom.js";
import { inLanguage, t } from "./i18n.js";

// One box for each errcode of {code: {cause, remedy, menu}}.
export function remedies(errcodes) {
  return Object.entries(errcodes).map(([code, known]) =>
    el("div.remedy", {},
      el("b", {}, `errcode ${code}`), el("p", {}, el("small", {}, t("cause")), inLanguage(known.cause)),
      el("p", {}, el("small", {}, t("remedy")), inLanguage(known.remedy)),
      known.menu && el("p", {}, el("small", {}, t("menu")), known.menu)));
}

// Those of one span.
export function spanRemedies({ attributes }, errcodes) {
  const codes = new Set([attributes["kf.errcode"], attributes["kf.wecom.errcode"]].map(String));
  return remedies(Object.fromEntries(Object.entries(errcodes).filter(([code]) => codes.has(code))));
}
