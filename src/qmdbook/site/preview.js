// While the book is written: loads the page again when it is new, where the reader stood, and shows what is wrong.
"use strict";
{
  const KEPT = "preview:" + location.pathname;
  const here = location.pathname.replace(/^\//, "").replace(/(^|\/)$/, "$1index.html");

  // What a reader has opened, chosen and scrolled to is there again after the page was loaded anew.
  const controls = () => [...document.querySelectorAll("main details, main select, main input")];
  const keep = () => sessionStorage.setItem(KEPT, JSON.stringify({
    top: scrollY,
    values: controls().map(one => one.tagName === "DETAILS" ? one.open : one.type === "checkbox" || one.type === "radio" ? one.checked : one.value),
  }));
  const restore = () => {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    sessionStorage.removeItem(KEPT);
    if (!kept) return;
    const found = controls();
    if (found.length === kept.values.length) found.forEach((one, number) => {
      const value = kept.values[number];
      if (one.tagName === "DETAILS") { one.open = value; return; }
      const name = one.type === "checkbox" || one.type === "radio" ? "checked" : "value";
      if (one[name] === value) return;
      one[name] = value;
      for (const event of ["input", "change"]) one.dispatchEvent(new Event(event, { bubbles: true }));
    });
    scrollTo({ top: kept.top, behavior: "instant" });
  };
  addEventListener("load", restore);

  const panel = document.createElement("aside");
  panel.id = "preview";
  panel.setAttribute("role", "status");
  panel.style.cssText = "position:fixed;inset:auto 0 0 0;max-height:60vh;overflow:auto;z-index:1000;margin:0;"
    + "padding:.8rem 1.2rem;font:14px/1.45 ui-monospace,monospace;white-space:pre-wrap;color:#fff";
  const show = said => {
    panel.textContent = [...said.problems, said.busy].filter(Boolean).join("\n\n");
    panel.style.background = said.problems.length ? "#8c1d18" : "#33475b";
    if (panel.textContent) document.body.append(panel); else panel.remove();
  };

  let version = Number(document.currentScript.dataset.version);
  const events = new EventSource("/.preview/events");
  events.onmessage = event => {
    const said = JSON.parse(event.data);
    const missed = said.version > version && said.pages?.length === 0;
    if (said.pages === null || said.pages.includes(here) || missed) { keep(); location.reload(); return; }
    version = said.version;
    show(said);
  };
  events.onerror = () => show({ problems: [], busy: "the preview has ended" });
}
