"use strict";
// The form of a new order: more rows without a round trip, and products found by name. Without this file both still
// work: the button sends the form, and products are named by their ids.
(() => {
  const form = document.querySelector(".new-form");
  if (!form) return;
  const list = form.querySelector(".new-rows");
  const PAUSE = 250; // milliseconds without a key before the products are asked for
  const SHORTEST = 2; // characters

  function addRow() {
    const last = list.lastElementChild;
    const at = list.children.length;
    const row = last.cloneNode(true);
    for (const one of row.querySelectorAll("[id], [for], [aria-describedby]")) {
      for (const name of ["id", "for", "aria-describedby"]) {
        if (one.hasAttribute(name)) one.setAttribute(name, one.getAttribute(name).replace(/\d+$/, at));
      }
    }
    for (const input of row.querySelectorAll("input")) {
      input.value = "";
      input.removeAttribute("aria-invalid");
    }
    for (const unseen of row.querySelectorAll("label .order-unseen")) unseen.textContent = unseen.textContent.replace(/\d+/, at + 1);
    row.querySelector(".new-about").replaceChildren(Object.assign(document.createElement("span"), { className: "new-name" }));
    row.querySelector(".new-name").dataset.name = "";
    row.querySelector(".new-found")?.remove();
    row.querySelector(".new-remove")?.remove();
    list.append(row);
    offerProducts(row);
    return row;
  }

  form.querySelector("[name=more]").addEventListener("click", (event) => {
    event.preventDefault();
    addRow().querySelector("[name=product]").focus();
  });

  // What was typed into a form that was sent in vain needs its rows to come back into: see unsent_form.js.
  form.addEventListener("unsent", ({ detail }) => {
    const rows = detail.filter(({ name }) => name === "product").length;
    while (list.children.length < rows) addRow();
  });

  // A combobox as WAI-ARIA's patterns have it: the list belongs to the input, which keeps the focus.
  function offerProducts(row) {
    const address = form.dataset.search;
    if (!address) return;
    const input = row.querySelector("[name=product]");
    const found = document.createElement("ul");
    found.className = "new-found";
    found.id = `found-${input.id}`;
    found.hidden = true;
    found.setAttribute("role", "listbox");
    found.setAttribute("aria-label", row.querySelector("label").textContent);
    input.after(found);
    const said = { role: "combobox", "aria-autocomplete": "list", "aria-controls": found.id, "aria-expanded": "false" };
    for (const [name, value] of Object.entries(said)) input.setAttribute(name, value);
    let asked = 0;
    let timer;

    function close() {
      clearTimeout(timer);
      asked += 1;
      found.hidden = true;
      found.replaceChildren();
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function choose(option) {
      input.value = option.dataset.id;
      row.querySelector("[data-name]").textContent = option.dataset.title;
      close();
    }

    function mark(option) {
      for (const one of found.children) one.setAttribute("aria-selected", one === option);
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }

    function optionOf({ id, name, sku, price }, at) {
      const option = document.createElement("li");
      option.id = `${found.id}-${at}`;
      option.dataset.id = id;
      option.dataset.title = name || id;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const about = document.createElement("span");
      about.className = "order-detail";
      about.textContent = [sku, price].filter(Boolean).join(" · ");
      option.append(name || id, about);
      option.addEventListener("pointerdown", (event) => event.preventDefault()); // the input keeps the focus
      option.addEventListener("click", () => choose(option));
      return option;
    }

    async function ask() {
      const mine = (asked += 1);
      const answer = await fetch(`${address}?q=${encodeURIComponent(input.value.trim())}`, { redirect: "error" }).catch(() => null);
      const said = answer && (answer.ok || answer.status === 503) ? await answer.json().catch(() => null) : null;
      if (!said || mine !== asked || document.activeElement !== input) return;
      const options = (said.products || []).map(optionOf);
      if (!options.length) options.push(Object.assign(document.createElement("li"), { textContent: said.problem || form.dataset.none }));
      for (const option of options) if (!option.dataset.id) { option.setAttribute("role", "option"); option.setAttribute("aria-disabled", "true"); }
      found.replaceChildren(...options);
      found.hidden = false;
      input.setAttribute("aria-expanded", "true");
    }

    input.addEventListener("input", (event) => {
      row.querySelector("[data-name]").textContent = "";
      close();
      const text = input.value.trim();
      if (event.isTrusted && text.length >= SHORTEST && !/^[0-9a-f]{24}$/i.test(text)) timer = setTimeout(ask, PAUSE);
    });
    input.addEventListener("keydown", (event) => {
      const options = [...found.querySelectorAll("[data-id]")];
      if (found.hidden) return;
      const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && at >= 0) choose(options[at]);
      else if (event.key === "ArrowDown" && options.length) mark(options[(at + 1) % options.length]);
      else if (event.key === "ArrowUp" && options.length) mark(options.at(at > 0 ? at - 1 : -1));
      else return;
      event.preventDefault();
    });
    input.addEventListener("blur", close);
  }

  for (const row of list.children) offerProducts(row);
})();
