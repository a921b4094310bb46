// What a page of the book does beyond HTML: theme, drawer of chapters, contents, copying, previews, search.
// Every part only adds: without this file the page can be read in full.
"use strict";

const html = document.documentElement;
const site = new URL("..", document.currentScript.src); // the root of the book, wherever it is served
const one = (selector, inside = document) => inside.querySelector(selector);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

// --- Light and dark: the system's choice until the reader makes one ---------------------------
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (html.dataset.theme ? html.dataset.theme === "dark" : systemIsDark.matches);

function showTheme() {
  for (const button of all("[data-theme-toggle]")) button.setAttribute("aria-pressed", isDark());
  const background = getComputedStyle(document.body).backgroundColor;
  for (const meta of all("meta[name=theme-color]")) meta.content = background;
}

function toggleTheme() {
  const wanted = isDark() ? "light" : "dark";
  const followsSystem = (wanted === "dark") === systemIsDark.matches;
  if (followsSystem) delete html.dataset.theme;
  else html.dataset.theme = wanted;
  try {
    if (followsSystem) localStorage.removeItem("theme");
    else localStorage.theme = wanted;
  } catch {} // storage is refused in some private windows: the choice then lasts for this page
  showTheme();
}

for (const button of all("[data-theme-toggle]")) button.addEventListener("click", toggleTheme);
systemIsDark.addEventListener("change", showTheme);
showTheme();

// --- The chapters: a drawer where the window is narrow ----------------------------------------
const menu = one("#menu");
const sidebar = one("#chapters");
const scrim = one("#scrim");
const behind = [one(".page"), one(".bar")];
const hasDrawer = matchMedia("(max-width: 59.99rem)");

function setDrawer(open) {
  sidebar.classList.toggle("open", open);
  menu.setAttribute("aria-expanded", open);
  scrim.hidden = !open;
  html.classList.toggle("drawer-open", open);
  for (const element of behind) element.inert = open;
  if (open) one("#menu-close").focus();
  else if (hasDrawer.matches) menu.focus();
}

menu.addEventListener("click", () => setDrawer(true));
one("#menu-close").addEventListener("click", () => setDrawer(false));
scrim.addEventListener("click", () => setDrawer(false));
hasDrawer.addEventListener("change", () => sidebar.classList.contains("open") && setDrawer(false));
one("[aria-current]", sidebar)?.scrollIntoView({ block: "nearest" });

// --- The contents of the page: always open where they have a column, with the section being read
const contents = one(".contents");
if (contents) {
  const hasColumn = matchMedia("(min-width: 80rem)");
  const setColumn = () => { contents.open = hasColumn.matches; };
  hasColumn.addEventListener("change", setColumn);
  setColumn();

  const links = all("a", contents);
  const targets = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  let waiting = false;
  function markSection() {
    waiting = false;
    const line = innerHeight * 0.25;
    const atEnd = innerHeight + scrollY >= html.scrollHeight - 2;
    let reading = atEnd ? links.length - 1 : -1;
    if (!atEnd) targets.forEach((target, i) => { if (target?.getBoundingClientRect().top <= line) reading = i; });
    links.forEach((link, i) => {
      if (i === reading) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    });
  }
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(markSection);
    waiting = true;
  }, { passive: true });
  markSection();
}

// --- Copying code ------------------------------------------------------------------------------
if (navigator.clipboard) {
  for (const block of all("div.sourceCode")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(one("pre", block).textContent.trimEnd() + "\n");
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    block.append(button);
  }
}

// --- Previews: what a reference, citation or footnote leads to, on hover and on keyboard focus -----
// Their contents are a script, loaded when first asked for: pages opened as files can fetch nothing.
const PREVIEWED = "main :is(.cross-reference, .footnote-ref, [href*='#ref-'])";
const preview = document.createElement("div");
preview.className = "preview";
preview.setAttribute("role", "tooltip");
preview.hidden = true;
document.body.append(preview);
let previews; // a promise of HTML by page and identifier
let previewed = null; // the link whose preview is shown, or about to be
let previewTimer;

function loadPreviews() {
  previews ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("site/previews.js", site);
    script.onload = () => resolve(window.bookPreviews);
    script.onerror = reject;
    document.head.append(script);
  });
  return previews;
}

function previewKey(link) {
  const url = new URL(link.href);
  const page = decodeURIComponent(url.pathname.slice(site.pathname.length)) || "index.html";
  const identifier = decodeURIComponent(url.hash.slice(1));
  return `${page}#${identifier === "content" ? "" : identifier}`;
}

async function showPreview(link) {
  hidePreview();
  previewed = link;
  const content = (await loadPreviews())[previewKey(link)];
  if (!content || previewed !== link) return;
  const template = document.createElement("template"); // nothing in it loads before its address is right
  template.innerHTML = content;
  for (const name of ["href", "src"]) {
    for (const element of all(`[${name}]`, template.content)) element[name] = new URL(element.getAttribute(name), site);
  }
  preview.replaceChildren(template.content);
  const said = one("figcaption", preview) ?? preview; // of a figure or table the caption is read out
  said.id = "preview-text";
  link.setAttribute("aria-describedby", said.id);
  preview.hidden = false;
  preview.scrollTop = 0;
  placePreview();
}

function placePreview() {
  if (preview.hidden) return;
  const line = previewed.getClientRects()[0];
  const [above, below] = [line.top - 16, innerHeight - line.bottom - 16];
  if (line.bottom < 0 || line.top > innerHeight) return hidePreview();
  preview.style.maxHeight = "";
  const isBelow = preview.offsetHeight <= below || below >= above;
  preview.style.maxHeight = `${Math.min(isBelow ? below : above, preview.offsetHeight)}px`;
  const left = Math.min(line.left, html.clientWidth - preview.offsetWidth - 8);
  preview.style.left = `${Math.max(8, left)}px`;
  preview.style.top = `${isBelow ? line.bottom + 8 : line.top - 8 - preview.offsetHeight}px`;
}

function hidePreview() {
  clearTimeout(previewTimer);
  previewed?.removeAttribute("aria-describedby");
  previewed = null;
  preview.hidden = true;
  preview.removeAttribute("id");
}

function previewAfter(milliseconds, act) {
  clearTimeout(previewTimer);
  previewTimer = setTimeout(act, milliseconds);
}

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch") return; // a tap follows the link
  const link = event.target.closest?.(PREVIEWED);
  if (preview.contains(event.target) || (link && link === previewed)) clearTimeout(previewTimer);
  else if (link) previewAfter(150, () => showPreview(link).catch(hidePreview));
  else previewAfter(250, hidePreview); // time to move onto it
});
html.addEventListener("pointerleave", () => previewAfter(250, hidePreview));
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.(PREVIEWED) && event.target.matches(":focus-visible")) showPreview(event.target).catch(hidePreview);
  else if (!preview.contains(event.target)) hidePreview();
});
document.addEventListener("focusout", (event) => {
  if (event.target === previewed && !preview.matches(":hover")) hidePreview();
});
preview.addEventListener("load", placePreview, true); // a picture has its size
addEventListener("scroll", placePreview, { passive: true });
addEventListener("resize", hidePreview);

// --- Search: the index is fetched when the reader first asks for it ------------------------------
const search = one("#search");
const words = one("#search-words");
const searchStatus = one("#search-status");
const results = one("#search-results");
let pagefind; // a promise of the module

function openSearch() {
  if (search.open) return;
  pagefind ??= import(new URL("pagefind/pagefind.js", site)).then(async (module) => {
    await module.options({ baseUrl: site.pathname });
    await module.init();
    return module;
  });
  pagefind.catch(() => {
    pagefind = undefined;
    searchStatus.textContent = location.protocol === "file:"
      ? "Search works when the book is served, for example by: python3 -m http.server --directory _site"
      : "The search index could not be loaded.";
  });
  search.showModal();
  words.select();
}

function entry(result) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = result.url;
  const title = document.createElement("strong");
  title.textContent = result.title;
  const excerpt = document.createElement("span");
  excerpt.innerHTML = result.excerpt; // made by Pagefind: escaped text with <mark>
  link.append(title, excerpt);
  item.append(link);
  return item;
}

async function find() {
  const found = await (await pagefind)?.debouncedSearch(words.value.trim(), {}, 150);
  if (!found) return; // the reader has typed on, or there is no index
  const pages = await Promise.all(found.results.slice(0, 8).map((result) => result.data()));
  results.replaceChildren(...pages.flatMap((page) => {
    const sections = page.sub_results.slice(0, 3);
    return sections.map((section) => entry({
      ...section,
      title: section.title === page.meta.title ? page.meta.title : `${page.meta.title} › ${section.title}`,
    }));
  }));
  const count = found.results.length;
  searchStatus.textContent = !words.value.trim() ? "" : count ? `Found on ${count} page${count > 1 ? "s" : ""}` : "Nothing found";
}

words.addEventListener("input", () => find().catch(() => {}));
one("form", search).addEventListener("submit", (event) => {
  event.preventDefault(); // Enter goes to the first result
  one("a", results)?.click();
});
one("#search-close").addEventListener("click", () => search.close());
search.addEventListener("click", (event) => {
  if (event.target === search || event.target.closest("#search-results a")) search.close();
});
search.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const stops = [words, ...all("a", results)];
  const next = stops.indexOf(document.activeElement) + step;
  stops[Math.max(0, Math.min(next, stops.length - 1))].focus();
});
for (const button of all("[data-search]")) button.addEventListener("click", openSearch);

// --- What is wider than the page takes the focus, to be scrolled with the arrow keys; the rest does not ------
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
    else target.removeAttribute("tabindex");
  }
});
for (const wide of all("pre, .equation > :first-child, p:has(> math[display=block])", one("article"))) widths.observe(wide);

// --- Keys ---------------------------------------------------------------------------------------
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hidePreview();
  if (event.key === "Escape" && sidebar.classList.contains("open")) setDrawer(false);
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  const asks = (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey)
    || (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey));
  if (!asks) return;
  event.preventDefault();
  openSearch();
});
