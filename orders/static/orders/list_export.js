/* The export of the list, with progress: how much has come, a way to stop it, and what went wrong if it breaks off.
   Without this script the link downloads the same file. What is said stands on the link, in the reader's language. */
(() => {
  const written = (number, digits) => number.toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

  // The text of this name about so many orders and bytes.
  function told(link, name, rows, bytes) {
    const one = `one${name[0].toUpperCase()}${name.slice(1)}`;
    return fill(link.dataset[rows === 1 ? one : name], { orders: written(rows, 0), size: `${written(bytes / 1048576, 1)} MB` });
  }

  async function receive(link, tell, signal) {
    const response = await fetch(link.href, { signal, credentials: "same-origin" });
    if (!response.ok || !(response.headers.get("Content-Type") || "").startsWith("text/csv")) {
      throw new Error(response.status === 403 ? link.dataset.notPermitted : fill(link.dataset.answered, { status: response.status }));
    }
    const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") || "");
    const parts = [];
    let bytes = 0;
    let rows = -1; // the first line names the columns
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return { file: new Blob(parts, { type: "text/csv" }), name: name ? name[1] : "orders.csv", rows, bytes };
      parts.push(value);
      bytes += value.length;
      for (const byte of value) if (byte === 10) rows += 1;
      tell(told(link, "soFar", Math.max(rows, 0), bytes));
    }
  }

  function save({ file, name }) {
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(file);
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
  }

  async function start(link, status, stop) {
    const controller = new AbortController();
    const tell = (text) => { status.textContent = text; };
    stop.onclick = () => controller.abort();
    stop.hidden = false;
    link.setAttribute("aria-disabled", "true");
    tell(link.dataset.preparing);
    try {
      const received = await receive(link, tell, controller.signal);
      save(received);
      tell(told(link, "done", received.rows, received.bytes));
    } catch (error) {
      tell(controller.signal.aborted ? link.dataset.stopped : fill(link.dataset.interrupted, { why: error.message }));
    }
    stop.hidden = true;
    link.removeAttribute("aria-disabled");
  }

  document.addEventListener("DOMContentLoaded", () => {
    const link = document.querySelector("a[data-export]");
    if (!link || !window.fetch || !window.ReadableStream) return;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      if (link.getAttribute("aria-disabled")) return;
      start(link, document.querySelector("[data-export-status]"), document.querySelector("[data-export-stop]"));
    });
  });
})();
