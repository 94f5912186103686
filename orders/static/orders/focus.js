"use strict";
// Where the keyboard is after something was done. Without this script it is where the browser puts it.

// What a form has brought about: its message, or what is wrong.
(() => {
  const told = document.querySelector("#messages:has(li), [data-told], [aria-invalid='true']");
  if (!told || location.hash && document.getElementById(location.hash.slice(1))) return;
  if (document.activeElement === document.body) told.focus();
})();

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
  let before = null;
  search?.addEventListener("focus", (event) => { before = event.relatedTarget; });
  search?.addEventListener("keydown", (event) => {
    if (event.key === "Escape") setTimeout(() => search.checkVisibility() || (before ?? document.getElementById("content")).focus());
  });
})();
