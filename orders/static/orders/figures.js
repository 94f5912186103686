/* What a bar of a chart stands for, told below the chart: under the pointer, and by the arrow keys. */
(() => {
  for (const plot of document.querySelectorAll("[data-figures-plot]")) {
    const fields = [...plot.querySelectorAll(".figures-field")];
    const told = plot.parentElement.querySelector("output");
    const keys = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7, Home: -Infinity, End: Infinity };
    let at = fields.length - 1;

    const show = (place) => {
      fields[at].classList.remove("figures-at");
      at = Math.max(0, Math.min(fields.length - 1, place));
      fields[at].classList.add("figures-at");
      told.textContent = fields[at].textContent;
    };

    if (!fields.length) continue;
    plot.tabIndex = 0;
    plot.addEventListener("focus", () => show(at));
    plot.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      show(at + keys[event.key]);
    });
    for (const touch of ["pointermove", "pointerdown"]) {
      plot.addEventListener(touch, (event) => {
        const place = fields.indexOf(event.target);
        if (place >= 0) show(place);
      });
    }
  }
})();
