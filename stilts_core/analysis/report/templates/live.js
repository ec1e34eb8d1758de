"use strict";
// Takes over a new version of the report without losing the reader's place or what is unfolded.
let shown = document.currentScript.dataset.version;

function unfolded(root) {
  return [...root.querySelectorAll("details")];
}

async function take(version) {
  const answer = await fetch("/", { cache: "no-store" });
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = new Set(unfolded(document).filter((one) => one.open).map((one) => one.textContent.slice(0, 200)));
  const before = new Set(unfolded(document).flatMap((one, place) => (one.open ? [place] : [])));
  unfolded(next).forEach((one, place) => {
    one.open = before.has(place) || open.has(one.textContent.slice(0, 200));
  });
  for (const part of ["svg.defs", "header.top", "nav", "main"]) {
    const [old, made] = [document.querySelector(part), next.querySelector(part)];
    if (old && made) old.replaceWith(document.adoptNode(made));
  }
  document.title = next.title;
  shown = version;
}

new EventSource("/events").onmessage = (event) => {
  if (event.data !== shown) take(event.data);
};
