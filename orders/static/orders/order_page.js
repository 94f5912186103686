"use strict";
// An open order page: keeps its own address after a refused form, and tells when somebody changed the order.
(() => {
  const EVERY = 20000; // milliseconds
  const page = document.querySelector(".order-page");
  if (!page) return;
  if (location.pathname !== page.dataset.page) history.replaceState(null, "", page.dataset.page);

  const notice = document.getElementById("order-changed");
  const seen = Number(page.dataset.version);

  function tell(now) {
    notice.textContent = `${now.told} `;
    const link = document.createElement("a");
    link.href = page.dataset.page;
    link.textContent = notice.dataset.show;
    notice.append(link);
    notice.hidden = false;
  }

  function stop() {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  }

  async function look() {
    if (document.hidden) return;
    const answer = await fetch(page.dataset.versionUrl, { redirect: "error" }).catch(() => null);
    if (!answer || answer.status >= 500) return; // perhaps the next time
    if (!answer.ok) return stop(); // no longer signed in, or the order is gone
    const now = await answer.json();
    if (now.version === seen) return;
    stop();
    tell(now);
  }

  const timer = setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
})();
