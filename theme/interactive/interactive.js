// Interactive figures: draws the lines that analysis/interactive.py describes in place of a static figure, which stays
// in the page, one button away, and is what paper shows. Needs the globals d3 and Plot; loads nothing.
"use strict";

(() => {
/**
 * What analysis/interactive.py writes. `y` has an entry for each of the first of `x.values`, null where it has none.
 * @typedef {{panel: number, series: number, seed: number, y: (number | null)[]}} Line
 * @typedef {{name: string, colour: string, dashed: boolean}} Series
 * @typedef {{x: {label: string, values: number[], logarithmic: boolean, start: number}, y: {label: string},
 *   panels: string[], series: Series[], lines: Line[], note: string}} Description
 */

const NARROW = 520; // pixels, below which panels stand one above the other
const number = d3.format(",");
const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)}%`;

/** A new element with properties, attributes where the name has a hyphen, and children. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Median and range, as the tables of the book write them: `median (lowest–highest)`; equal values stand alone. */
function spread(values) {
  if (!values.length) return ["–"];
  const [lowest, highest] = d3.extent(values).map(percent);
  if (lowest === highest) return [lowest];
  return [`${percent(d3.median(values))} `, element("span", {}, `(${lowest}–${highest})`)];
}

/** A line as the drawing has it, dashed or not, for its name in the list. */
function swatch({ colour, dashed }) {
  const svg = d3.create("svg").attr("width", 24).attr("height", 12).attr("aria-hidden", "true");
  svg.append("line").attr("x2", 24).attr("y1", 6).attr("y2", 6).attr("stroke", colour).attr("stroke-width", 3)
    .attr("stroke-dasharray", dashed ? "4 3" : null);
  return svg.node();
}

/**
 * The drawing: one line for each of `lines`, a mark at `x`, and the values of the point next to the pointer.
 * @param {Description} data
 * @param {Line[]} lines
 */
function draw(data, lines, x, width, label) {
  const stacked = width < NARROW;
  const facet = stacked ? "fy" : "fx";
  const rows = stacked ? data.panels.length : 1;
  const points = lines.flatMap((line) => line.y.flatMap((y, place) => y == null ? [] : [{
    line, y, x: data.x.values[place], [facet]: data.panels[line.panel], colour: data.series[line.series].colour,
  }]));
  const at = { x: "x", y: "y", [facet]: facet };
  const [first, last] = d3.extent(data.x.values);
  const powers = d3.range(Math.ceil(Math.log10(first)), Math.log10(last)).map((power) => 10 ** power);
  const chart = Plot.plot({
    width, height: 58 + 220 * rows, marginTop: 24, marginBottom: 40, marginLeft: 60, marginRight: 12,
    style: { fontFamily: "inherit", fontSize: "12px" },
    x: { label: data.x.label, labelAnchor: "center", labelArrow: "none", domain: [first, last], tickFormat: number,
      type: data.x.logarithmic ? "log" : "linear", ticks: data.x.logarithmic ? powers : width / (stacked ? 70 : 140) },
    y: { label: data.y.label, labelAnchor: "center", labelArrow: "none", domain: [0, 1], tickFormat: ".0%", ticks: 5 },
    [facet]: { axis: null, domain: data.panels, padding: stacked ? 0.16 : 0.06 },
    marks: [
      Plot.gridX({ ticks: data.x.logarithmic ? powers : width / (stacked ? 70 : 140) }),
      Plot.gridY({ ticks: 5 }),
      Plot.text(data.panels, { text: (d) => d, [facet]: (d) => d, frameAnchor: "top-left", dy: -16, fontWeight: 600 }),
      ...data.series.map(({ colour, dashed }, series) => Plot.line(
        points.filter((point) => point.line.series === series),
        { ...at, z: "line", stroke: colour, strokeWidth: 1.5, strokeDasharray: dashed ? "4 3" : null },
      )),
      Plot.ruleX(data.panels, { x: () => x, [facet]: (d) => d, className: "interactive-mark" }),
      Plot.dot(points, Plot.pointer({ ...at, fill: (point) => point.colour, r: 4 })),
      Plot.tip(points, Plot.pointer({
        ...at, className: "interactive-tip", fontSize: 12,
        lineWidth: stacked ? 9 : 20, // so that it fits on one side of any point
        title: ({ line, x, y }) =>
          `${data.series[line.series].name}, seed ${line.seed}\n${percent(y)} at ${number(x)} ${data.x.label}`,
      })),
    ],
  });
  for (const mark of chart.querySelectorAll("g[aria-label]")) mark.removeAttribute("aria-label"); // it is one picture
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", label);
  return chart;
}

/**
 * Puts drawing and controls beside the image of a figure.
 * @param {HTMLElement} figure
 * @param {Description} data
 */
function enhance(figure, data) {
  const image = figure.querySelector("img");
  const id = `interactive-${figure.id}`;
  const isShown = { series: new Set(data.series.keys()), seed: new Set(data.lines.map((line) => line.seed)) };

  const slider = element("input", { type: "range", id, min: 0, max: data.x.values.length - 1, value: data.x.start });
  const position = element("output", { htmlFor: id });
  const chart = element("div", { className: "interactive-chart" });
  const cells = data.series.map(() => data.panels.map(() => element("td")));
  const button = element("button", { type: "button" });

  const shownLines = () => data.lines.filter((line) => isShown.series.has(line.series) && isShown.seed.has(line.seed));

  /** A checkbox that shows and hides the lines with one value of `kind`. */
  function toggle(kind, value, ...label) {
    const box = element("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      if (box.checked) isShown[kind].add(value);
      else isShown[kind].delete(value);
      redraw();
      read();
    });
    return element("label", {}, box, ...label);
  }

  let drawn; // the SVG
  function redraw() {
    if (!chart.clientWidth) return; // the static figure is shown
    drawn = draw(data, shownLines(), data.x.values[slider.value], chart.clientWidth, image.alt);
    chart.replaceChildren(drawn);
  }

  /** The values at the mark. */
  function read() {
    const place = Number(slider.value);
    const x = data.x.values[place];
    position.value = number(x);
    slider.setAttribute("aria-valuetext", `${number(x)} ${data.x.label}`);
    const lines = shownLines();
    cells.forEach((row, series) => row.forEach((cell, panel) => {
      const own = lines.filter((line) => line.series === series && line.panel === panel);
      cell.replaceChildren(...spread(own.map((line) => line.y[place]).filter((y) => y != null)));
    }));
    if (!drawn) return;
    for (const mark of drawn.querySelectorAll(".interactive-mark line")) {
      mark.setAttribute("x1", drawn.scale("x").apply(x));
      mark.setAttribute("x2", drawn.scale("x").apply(x));
    }
  }

  function show(view) {
    figure.dataset.view = view;
    button.textContent = view === "interactive" ? "Show the printed figure" : "Show the interactive figure";
    redraw();
  }

  slider.addEventListener("input", read);
  button.addEventListener("click", () => show(figure.dataset.view === "interactive" ? "printed" : "interactive"));
  addEventListener("keydown", (event) => { // takes the tip away, as if the pointer had left
    if (event.key === "Escape") drawn?.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" }));
  });

  const head = element("tr", {}, element("th", { scope: "col" }, "Median (range) at the mark"),
    ...data.panels.map((panel) => element("th", { scope: "col" }, panel)));
  const body = data.series.map((series, row) => element("tr", {},
    element("th", { scope: "row" }, toggle("series", row, swatch(series), series.name)), ...cells[row]));
  const seeds = [...isShown.seed].map((seed) => toggle("seed", seed, String(seed)));
  const view = element("div", { className: "interactive-view" },
    chart,
    element("p", { className: "interactive-slider" }, element("label", { htmlFor: id }, data.x.label), position, slider),
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)),
    element("fieldset", {}, element("legend", {}, "Seeds"), ...seeds),
    element("p", {}, data.note));
  const root = element("div", { className: "interactive" }, view, button);
  image.classList.add("interactive-static");
  (image.closest("p") ?? image).after(root);
  show("interactive");
  read();
  let width = chart.clientWidth;
  new ResizeObserver(() => {
    if (chart.clientWidth === width) return;
    width = chart.clientWidth;
    redraw();
  }).observe(chart);
}

for (const script of document.querySelectorAll("script[data-interactive]")) {
  enhance(document.getElementById(script.dataset.interactive), JSON.parse(script.textContent));
}
})();
