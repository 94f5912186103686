// Copies a new secret to the clipboard, where the browser lets pages do that.
"use strict";
(() => {
  const button = document.querySelector("[data-copy]");
  const told = document.querySelector("[data-copied]");
  if (!button || !navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      told.textContent = button.dataset.done;
    } catch {
      told.textContent = button.dataset.failed;
    }
  });
})();
