"use strict";
// What every part of the page needs: the data, text for numbers, and charts that are drawn once they come into view.
const data = JSON.parse(document.getElementById("data").textContent);
const columns = [...Object.keys(data.cells[0] || {}).filter((name) => name !== "metrics"), ...data.metrics.map((m) => m.name)];  // of the CSV file
const value = (cell, name) => (name in cell ? cell[name] : cell.metrics[name]);
const cells = new Map(data.cells.map((cell) => [cell.cell, cell]));
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const make = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;  // never as HTML: names come from files
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

const digits = (value, count = 3) => Number(value.toPrecision(count)).toLocaleString("en", { maximumSignificantDigits: count });
function seconds(value) {
  if (value >= 7200) return `${digits(value / 3600)} h`;
  if (value >= 120) return `${digits(value / 60)} min`;
  for (const [unit, factor] of [["s", 1], ["ms", 1e3]]) if (value * factor >= 0.9995) return `${digits(value * factor)} ${unit}`;
  return `${digits(value * 1e6)} µs`;
}
const mib = (bytes) => `${digits(bytes / 2 ** 20)} MiB`;
const perSecond = (number, cell) => `${number >= 1e6 ? `${digits(number / 1e6)}M` : digits(number, 4)} ${cell.item}/s`;
const throughput = (cell) => cell.metrics[data.throughput];
const speed = (cell) => perSecond(throughput(cell), cell);
const formats = { seconds, mib, speed: perSecond, count: String, error: (number) => number.toExponential(1) };
const formatted = (metric, cell) => formats[metric.format](cell.metrics[metric.name], cell);

// ---- charts, drawn once they come into view -----------------------------------------------------------------------
const waiting = new Map();  // element → [specification, data sets, description]
const drawn = new WeakMap();
const seen = new IntersectionObserver((entries) => entries.filter((e) => e.isIntersecting).forEach((e) => paint(e.target)), { rootMargin: "200px" });

function draw(name, sets, description, rows) {
  const node = find(`[data-chart="${name}"]`);
  if (!node) return;
  waiting.set(node, [data.charts[name], sets, description, rows]);
  seen.unobserve(node);
  seen.observe(node);
}
async function paint(node) {
  const task = waiting.get(node);
  if (!task) return;
  waiting.delete(node);
  const [specification, sets, description, rows] = task;
  const spec = { ...specification, description, datasets: sets };
  if (spec.layer) spec.layer = spec.layer.filter((layer) => !layer.data || sets[layer.data.name].length);  // of nothing there is no scale
  if (rows) spec.height = rows * specification.height.step;
  const old = drawn.get(node);
  const made = await vegaEmbed(node, spec, { actions: false, renderer: "svg" });
  if (old) old.finalize();
  drawn.set(node, made);
}
const setText = (name, text) => { const node = find(`[data-text="${name}"]`); if (node) node.textContent = text; };
