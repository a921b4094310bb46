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

  function isCovered() { // by a table that takes the margin
    const { left, top } = contents.getBoundingClientRect();
    const { bottom } = one("nav", contents).getBoundingClientRect();
    return all(".table-scroll", one("article")).some((wide) => {
      const place = wide.getBoundingClientRect();
      return place.right > left && place.bottom > top && place.top < bottom;
    });
  }

  function markSection() {
    waiting = false;
    contents.classList.toggle("covered", hasColumn.matches && isCovered());
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

// --- Lines that embed a figure: where the book did not know its address, that of this page is it ---
if (location.protocol !== "file:") {
  for (const code of all(".embed code")) {
    code.textContent = code.textContent.replace(
      /(src|href)="(?!https?:)([^"]*)"/g, (_, name, path) => `${name}="${new URL(path, site)}"`);
  }
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

// --- Search: by sections, whole words before beginnings of words, read when the reader first asks for it -------
const search = one("#search");
const words = one("#search-words");
const searchStatus = one("#search-status");
const results = one("#search-results");
const SHOWN = 20; // results
const WORD = /\d+(?:[.,]\d+)+|[\p{L}\p{N}]+/gu; // a number is one word
const plain = (word) => word.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const isNumber = (word) => /^\d/.test(word);
let index; // a promise of MiniSearch

function load(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`site/${name}`, site);
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
}

async function loadIndex() {
  await Promise.all([load("minisearch.js"), load("sections.js")]);
  const made = new MiniSearch({
    idField: "url", fields: ["page", "heading", "text"], storeFields: ["page", "heading", "text"],
    tokenize: (text) => text.match(WORD) ?? [], processTerm: plain,
    searchOptions: { combineWith: "AND", boost: { page: 6, heading: 3 }, prefix: (word) => word.length > 1 && !isNumber(word) },
  });
  made.addAll(bookSections);
  return made;
}

function openSearch() {
  if (search.open) return;
  index ??= loadIndex();
  index.catch(() => {
    index = undefined;
    searchStatus.textContent = "The search index could not be loaded.";
  });
  search.showModal();
  words.select();
}

// `text` with the words marked that were found, from a little before the first of them.
function excerpt(text, terms) {
  const found = [...text.matchAll(WORD)].filter((word) => terms.has(plain(word[0])));
  const start = found.length ? text.lastIndexOf(" ", Math.max(0, found[0].index - 60)) + 1 : 0;
  const end = text.length > start + 220 ? text.lastIndexOf(" ", start + 220) : text.length;
  const shown = document.createElement("span");
  let done = start;
  if (start) shown.append("… ");
  for (const { 0: word, index } of found) {
    if (index + word.length > end) break;
    const mark = document.createElement("mark");
    mark.textContent = word;
    shown.append(text.slice(done, index), mark);
    done = index + word.length;
  }
  shown.append(text.slice(done, end), end < text.length ? " …" : "");
  return shown;
}

function entry({ id, page, heading, text, terms }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = new URL(id, site);
  const title = document.createElement("strong");
  title.textContent = heading ? `${page} › ${heading}` : page;
  link.append(title, excerpt(text, new Set(terms)));
  item.append(link);
  return item;
}

async function find() {
  const ready = await index;
  const wanted = words.value.trim();
  let found = ready.search(wanted);
  let said = `${found.length} section${found.length === 1 ? "" : "s"}${found.length > SHOWN ? `, the first ${SHOWN}:` : ""}`;
  if (!found.length) { // a slip of the finger, perhaps: one letter of a long word
    found = ready.search(wanted, { fuzzy: (word) => (word.length > 4 && !isNumber(word) ? 1 : false) });
    said = found.length ? `Nothing found for “${wanted}”. Similar words:` : `Nothing found for “${wanted}”`;
  }
  const isWhole = ({ queryTerms, terms }) => queryTerms.every((word) => terms.includes(word));
  found = [...found.filter(isWhole), ...found.filter((section) => !isWhole(section))];
  results.replaceChildren(...found.slice(0, SHOWN).map(entry));
  searchStatus.textContent = wanted ? said : "";
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

// --- Tables that do not fit become cards, a row each ----------------------------------------------
// Browsers forget what a table is once it is laid out otherwise: its roles are then said outright.
const ROLES = { table: "table", "thead, tbody, tfoot": "rowgroup", tr: "row", "thead th": "columnheader",
  "tbody th": "rowheader", td: "cell" };

function prepareCards(table) {
  for (const [selector, role] of Object.entries(ROLES)) {
    for (const element of all(selector, table.parentElement)) element.setAttribute("role", role);
  }
  const headings = [...table.tHead?.rows[0]?.cells ?? []];
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
    [...row.cells].forEach((cell, column) => {
      const value = document.createElement("span");
      value.className = "card-value";
      value.append(...cell.childNodes);
      cell.append(value);
      if (!headings[column]?.textContent.trim()) return;
      const heading = document.createElement("span");
      heading.className = "card-heading";
      heading.ariaHidden = "true"; // the cell's column says it
      heading.append(...[...headings[column].childNodes].map((node) => node.cloneNode(true)));
      cell.prepend(heading);
    });
  }
}

const tables = all("article .table-scroll > table").map((table) => {
  const widthAs = (width) => {
    table.style.setProperty("width", width, "important");
    return table.offsetWidth;
  };
  const needed = Math.max(widthAs("min-content"), widthAs("max-content") / 1.6); // below that, columns of single words
  table.style.removeProperty("width");
  return { table, needed };
});

function layTables() {
  for (const { table, needed } of tables) {
    const { maxWidth } = getComputedStyle(table.parentElement); // the margin included, where there is one
    const room = maxWidth.endsWith("px") ? parseFloat(maxWidth) : table.parentElement.parentElement.clientWidth;
    const isCards = needed > room;
    if (isCards && !one(".card-value", table)) prepareCards(table);
    table.classList.toggle("cards", isCards);
  }
}
addEventListener("resize", layTables);
layTables();

// --- What is wider than the page takes the focus, to be scrolled with the arrow keys; the rest does not ------
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
    else target.removeAttribute("tabindex");
  }
});
const SCROLLED = ".table-scroll, pre, .formulas, p:has(> math[display=block])";
for (const wide of all(SCROLLED, one("article"))) widths.observe(wide);

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
