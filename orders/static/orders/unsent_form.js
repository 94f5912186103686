"use strict";
// A form that was sent in vain (they had to log in first, it was refused, an error page came) gets back what they typed.
// That stays in this tab of the browser: for an hour, for the same person, and without passwords. Nothing is sent again.
(() => {
  const KEY = "unsent-form";
  const HOUR = 3600000; // milliseconds
  const LEFT_OUT = ["password", "file", "button", "reset", "image"];
  const TOKEN = "csrfmiddlewaretoken";
  // Hidden, and given back: the version that the person had seen, so that they are told of changes meanwhile; and the key
  // of a placement, so that an order that was placed although no answer came is not placed again.
  const KEPT = ["version", "placement_key"];
  const FRESH = [...KEPT, "at", "can", "planned", "run", "shown", "select_across"]; // hidden, and of one showing of the page

  const meta = (name) => document.querySelector(`meta[name=${name}]`)?.content;
  const isFixed = (control) => ["hidden", "submit"].includes(control.type); // says the same however the form is filled in
  const isBox = (control) => ["checkbox", "radio"].includes(control.type);
  // By attributes: fields may be called "action" and "method".
  const addressOf = (form) => new URL(form.getAttribute("action") || location.href, location.href).pathname;
  const isPosted = (form) => (form.getAttribute("method") || "").toLowerCase() === "post";

  function controlsOf(form) {
    return [...form.elements].filter((one) => one.name && one.name !== TOKEN && !LEFT_OUT.includes(one.type));
  }

  function entriesOf(form, button) {
    return controlsOf(form)
      .filter((one) => (one.type === "submit" ? one === button : !isBox(one) || one.checked))
      .flatMap((one) => {
        const values = one.type === "select-multiple" ? [...one.selectedOptions].map((option) => option.value) : [one.value];
        return values.map((value) => ({ name: one.name, value, fixed: isFixed(one), text: !isFixed(one) && !isBox(one) }));
      });
  }

  // Each does nothing where the browser's storage is off, or full.
  function save(kept) {
    forget();
    try {
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {}
  }

  function load() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY));
    } catch {}
  }

  function forget() {
    try {
      sessionStorage.removeItem(KEY);
    } catch {}
  }

  function remember(event) {
    const form = event.target;
    const who = meta("login");
    if (event.defaultPrevented || !who || !isPosted(form)) return;
    const entries = entriesOf(form, event.submitter);
    if (!entries.length) return forget(); // as when they log out
    save({ who, at: Date.now(), page: location.pathname, address: addressOf(form), entries, unsent: "" });
  }

  // The same form, of the same thing: it has all that was typed into, and says the same in its hidden fields.
  function isSame(form, kept) {
    if (!isPosted(form) || addressOf(form) !== kept.address) return false;
    const controls = controlsOf(form);
    return kept.entries.every(({ name, value, fixed }) => {
      const named = controls.filter((one) => one.name === name);
      if (!fixed) return named.length > 0;
      const alike = named.filter(isFixed);
      return FRESH.includes(name) || !alike.length || alike.some((one) => one.value === value);
    });
  }

  // Returns whether that changed anything.
  function put(control, values) {
    const before = [control.value, control.checked];
    if (isBox(control)) control.checked = values.includes(control.value);
    else if (control.type === "select-multiple") for (const option of control.options) option.selected = values.includes(option.value);
    else if (values.length) control.value = values.shift();
    for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, { bubbles: true }));
    return control.value !== before[0] || control.checked !== before[1];
  }

  // The page has the texts, in its language.
  function notice(what) {
    const text = document.querySelector("meta[name=login]").dataset[what];
    const shown = document.createElement("div");
    shown.className = "unsent-notice";
    shown.setAttribute("role", "status");
    shown.append(Object.assign(document.createElement("p"), { textContent: text }));
    return shown;
  }

  function giveBack(form, kept) {
    const left = {};
    for (const { name, value } of kept.entries) (left[name] ||= []).push(value);
    const controls = controlsOf(form);
    for (const hidden of controls.filter((one) => one.type === "hidden" && KEPT.includes(one.name))) put(hidden, left[hidden.name] || []);
    const changed = controls.filter((one) => !isFixed(one)).filter((one) => put(one, left[one.name] || []));
    const button = controls.find((one) => one.type === "submit" && (left[one.name] || []).includes(one.value));
    const first = changed[0] || button || form.querySelector("button, [type=submit]");
    for (let part = first; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    const shown = notice(kept.unsent);
    form.prepend(shown);
    first?.focus();
    shown.scrollIntoView({ block: "nearest" });
  }

  function showAll(kept) {
    const shown = notice("gone");
    for (const { value, text } of kept.entries) {
      if (text && value) shown.append(Object.assign(document.createElement("p"), { textContent: value }));
    }
    if (shown.children.length > 1) document.getElementById("content").prepend(shown);
  }

  // What the page says of the form that was sent last: "no", "refused" or "perhaps"; nothing where that arrived.
  function outcome() {
    const address = new URL(location.href);
    const said = meta("unsent") || address.searchParams.get("unsent");
    if (meta("login") && address.searchParams.has("unsent")) {
      address.searchParams.delete("unsent");
      history.replaceState(null, "", address);
    }
    return ["no", "refused", "perhaps"].includes(said) ? said : "";
  }

  function arrive() {
    const said = outcome();
    const kept = load();
    const who = meta("login");
    if (!kept) return;
    if (Date.now() - kept.at > HOUR || (who && who !== kept.who)) return forget();
    if (!who) return said && save({ ...kept, unsent: said });
    kept.unsent = said || kept.unsent;
    if (!kept.unsent) return forget();
    // A form whose rows are added by a script makes room for what was typed.
    for (const one of document.forms) if (addressOf(one) === kept.address) one.dispatchEvent(new CustomEvent("unsent", { detail: kept.entries }));
    const form = [...document.forms].find((one) => isSame(one, kept));
    if (!form && location.pathname !== kept.page) return; // it is on another page
    forget();
    if (form) giveBack(form, kept);
    else showAll(kept);
  }

  document.addEventListener("submit", remember);
  document.addEventListener("DOMContentLoaded", arrive);
})();
