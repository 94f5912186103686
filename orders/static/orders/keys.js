"use strict";
// Keys of a single stroke on the list of orders and on an order's page. A dialog names them, and switches them off.
(() => {
  const OFF = "order-keys-off";
  const TYPES = "input:not([type=checkbox], [type=radio], [type=submit], [type=button]), textarea, select, [contenteditable]";
  const dialog = document.getElementById("keys");
  const onOff = dialog.querySelector("[data-keys-on]");
  let off = false; // also remembered where the browser has no storage, as long as the page is there
  try {
    off = localStorage.getItem(OFF) === "1";
  } catch {}
  onOff.checked = !off;
  onOff.addEventListener("change", () => {
    off = !onOff.checked;
    try {
      localStorage.setItem(OFF, off ? "1" : "0");
    } catch {}
  });

  const rows = () => [...document.querySelectorAll("#result_list tbody tr")];
  const here = () => rows().find((row) => row.contains(document.activeElement));

  function move(by) {
    const all = rows();
    if (!all.length) return document.querySelector(`.order-neighbours a[rel=${by > 0 ? "next" : "prev"}]`)?.click();
    const from = all.indexOf(here());
    const to = from < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(from + by, 0), all.length - 1);
    all[to].querySelector("th a").focus();
    all[to].scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    x: () => here()?.querySelector("input[type=checkbox]")?.click(),
    "/": () => document.getElementById("searchbar")?.focus(),
    "?": () => dialog.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
    if (!act || off || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(TYPES) || document.querySelector("dialog[open]")) return;
    act();
    event.preventDefault();
  });
  for (const opener of document.querySelectorAll("[data-keys-open]")) opener.addEventListener("click", () => dialog.showModal());
  dialog.querySelector("[data-keys-close]").addEventListener("click", () => dialog.close());

  // What is done to an order leads back to its page as it was opened: with the list that somebody came from.
  const kept = new URLSearchParams();
  const given = new URLSearchParams(location.search);
  for (const name of ["_changelist_filters", "place"]) if (given.has(name)) kept.set(name, given.get(name));
  if (!document.querySelector(".order-neighbours") || !kept.size) return;
  for (const form of document.querySelectorAll("#content-main form[method=post][action]")) {
    const address = new URL(form.getAttribute("action"), location.href);
    for (const [name, value] of kept) address.searchParams.set(name, value);
    form.setAttribute("action", address.pathname + address.search);
  }
})();
