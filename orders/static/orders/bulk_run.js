// Keeps the progress of a run up to date; when its state changes, the whole page is loaded once more.
"use strict";
(() => {
  const shown = document.getElementById("bulk-run");

  async function look() {
    let wait = 1500;
    try {
      const answer = await fetch(shown.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const progress = await answer.json();
      if (progress.state !== shown.dataset.state) return location.reload();
      if (!document.hidden) shown.innerHTML = progress.html;
    } catch {
      wait = 5000;
    }
    setTimeout(look, wait);
  }

  setTimeout(look, 1000);
})();
