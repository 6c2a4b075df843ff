"use strict";
// The page is whole without this: it filters, opens and closes, and lights up what a box is tied to.
(() => {
  const entries = [...document.querySelectorAll("#changes .part > .entry")];
  const filter = document.getElementById("filter");
  if (filter) {
    const found = document.getElementById("found");
    document.querySelector(".tools").hidden = false;
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      let shown = 0;
      for (const entry of entries) {
        entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
        shown += entry.hidden ? 0 : 1;
      }
      found.textContent = wanted ? `${shown} of ${entries.length} shown` : "";
    });
    const all = (open) => entries.forEach((entry) => { if (!entry.hidden) entry.open = open; });
    document.getElementById("open-all").addEventListener("click", () => all(true));
    document.getElementById("close-all").addEventListener("click", () => all(false));
  }
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
  for (const picture of document.querySelectorAll(".picture")) {
    const edges = [...picture.querySelectorAll(".edge")];
    const light = (node) => {
      const key = node && node.dataset.key;
      picture.classList.toggle("lit", Boolean(key));
      for (const edge of edges) {
        edge.classList.toggle("on", Boolean(key) && (edge.dataset.from === key || edge.dataset.to === key));
      }
    };
    for (const event of ["mouseover", "focusin"]) {
      picture.addEventListener(event, (e) => light(e.target.closest(".node")));
    }
    for (const event of ["mouseleave", "focusout"]) picture.addEventListener(event, () => light(null));
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
