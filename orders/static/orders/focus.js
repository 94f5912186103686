"use strict";
// Where the keyboard is after something was done. Without this script it is where the browser puts it.

// What a form has brought about: what there is to decide, what is wrong, or its message.
(() => {
  const found = ["[data-told]", "[aria-invalid='true']", "#messages:has(li)"].map((what) => document.querySelector(what));
  const place = location.hash.slice(1);
  const isElsewhere = place && document.getElementById(place); // the browser goes there
  if (!isElsewhere && document.activeElement === document.body) found.find(Boolean)?.focus();
})();

// The way past the navigation leaves no fragment in the address, which the forms of the page would keep.
document.querySelector(".skip-link")?.addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("content").focus();
});

// Django's boxes for choosing several name their help by an attribute that needs a role.
addEventListener("load", () => {
  for (const help of document.querySelectorAll(".help-tooltip[aria-label]")) help.role = "img";
});

// The navigation of narrow screens: the keyboard goes in with it, and back to its opener.
(() => {
  const sidebar = document.getElementById("nav-sidebar");
  const closer = sidebar?.querySelector("[role=button][x-on\\:click*=sidebarMobileOpen]");
  const opener = document.querySelector("#main [role=button][x-on\\:click*=sidebarMobileOpen]");
  if (!closer || !opener) return;
  const isOpen = () => closer.checkVisibility();
  const close = () => closer.click();
  opener.addEventListener("click", () => setTimeout(() => isOpen() && closer.focus()));
  closer.addEventListener("click", () => setTimeout(() => opener.focus()));
  document.addEventListener("focusin", (event) => {
    if (isOpen() && event.target !== opener && !sidebar.contains(event.target)) close();
  });
  sidebar.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen() && !event.defaultPrevented) close();
  });
})();

// The search that Ctrl+K opens gives the keyboard back to where it was.
(() => {
  const search = document.getElementById("search-input-command");
  const box = search?.closest("[x-show]");
  if (!box) return;
  let before = null;
  const isWithin = (element) => box.contains(element);
  search.addEventListener("focus", (event) => { if (!isWithin(event.relatedTarget)) before = event.relatedTarget; });
  // As long as it is open, Tab goes round in it, Escape closes it from anywhere, and Enter opens the first result.
  box.addEventListener("keydown", (event) => {
    const stops = [...box.querySelectorAll("a, input, button")].filter((stop) => stop.checkVisibility());
    const last = event.shiftKey ? stops[0] : stops.at(-1);
    if (event.key === "Tab" && document.activeElement === last) {
      event.preventDefault();
      (event.shiftKey ? stops.at(-1) : stops[0]).focus();
    }
    if (event.key === "Escape" && event.target !== search) search.focus();
  });
  const choose = (result) => result.dispatchEvent(new MouseEvent("mouseenter")); // as the theme knows it
  box.addEventListener("focusin", (event) => {
    const result = event.target.closest("#command-results-list li");
    if (result) choose(result);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || box.querySelector("#command-results-list .active")) return;
    const first = box.querySelector("#command-results-list li");
    if (first) choose(first);
    else event.stopImmediatePropagation();
  }, { capture: true });
  new MutationObserver(() => {
    if (search.checkVisibility() || ![document.body, search].includes(document.activeElement)) return;
    (before ?? document.getElementById("content")).focus();
  }).observe(box, { attributeFilter: ["style"] });
})();
