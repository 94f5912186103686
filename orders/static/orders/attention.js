"use strict";
// The attention page: all rows of a group are selected at once, and its actions wait until something is selected.
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.queue-bulk")) {
    const rows = [...form.elements].filter((one) => one.name === "_selected_action");
    const label = form.querySelector(".queue-all");
    const all = label.querySelector("input");
    const actions = form.querySelectorAll("button");
    const told = form.querySelector(".queue-with");
    const words = told.textContent;

    const show = () => {
      const selected = rows.filter((row) => row.checked).length;
      all.checked = selected === rows.length;
      all.indeterminate = selected > 0 && selected < rows.length;
      told.textContent = selected ? `${words} ${selected}` : words;
      for (const action of actions) action.disabled = !selected;
    };
    all.addEventListener("change", () => {
      for (const row of rows) row.checked = all.checked;
      show();
    });
    for (const row of rows) row.addEventListener("change", show);
    label.hidden = false;
    show();
  }
});
