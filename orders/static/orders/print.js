"use strict";
// The button appears where it works; without scripts the browser's own print command does.
const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => window.print());
