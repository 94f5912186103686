// Keeps the progress of a run up to date; when the run is over, the whole page is loaded once more.
"use strict";
(() => {
  const shown = document.getElementById("bulk-run");
  let shownState = "";

  async function look() {
    let wait = 1500;
    try {
      const answer = await fetch(shown.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const progress = await answer.json();
      if (progress.over || (shownState && progress.state !== shownState)) return location.reload();
      shownState = progress.state;
      if (!document.hidden) shown.innerHTML = progress.html;
    } catch {
      wait = 5000;
    }
    setTimeout(look, wait);
  }

  setTimeout(look, 1000);
})();
