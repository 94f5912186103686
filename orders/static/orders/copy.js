"use strict";
// Buttons that copy a text. Without scripts they stay hidden; over plain HTTP a browser lets no page copy.
(() => {
  const told = document.getElementById("copied");
  let undo = 0;
  for (const button of navigator.clipboard ? document.querySelectorAll("[data-copy]") : []) {
    const label = button.firstChild, named = label.data;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await navigator.clipboard.writeText(button.dataset.copy).then(() => true, () => false);
      const message = done ? told.dataset.copied : told.dataset.notCopied;
      told.textContent = ""; // said again, the same message would not be read out
      clearTimeout(undo);
      undo = setTimeout(() => { told.textContent = message; }, 50);
      if (!done) return;
      label.data = message;
      setTimeout(() => { label.data = named; }, 2000);
    });
  }
})();
