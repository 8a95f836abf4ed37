"use strict";
// What the reader chooses: a metric, a model, a number of steps, a cell. All numbers come from the run; nothing is measured here.
// ---- which stack, for how many steps? --------------------------------------------------------------------------------
const alone = data.cells.filter((cell) => cell.workers == null);  // data-parallel workers do not run the model alone
const opening = alone.find((cell) => cell.step_s) || data.cells[0] || {};
const chosen = { model: opening.model, mode: opening.mode, steps: 1000 };
const fastest = new Map(data.cells.filter((c) => c.over_best_low === 1 && c.over_best_high === 1).map((c) => [`${c.model} ${c.mode}`, c.step_s]));
// a step by the ratio of the speeds, which is measured side by side; of a cell without a ratio its own
const stepOf = (c) => (c.over_best == null ? c.step_s : fastest.get(`${c.model} ${c.mode}`) / c.over_best);
const total = (cell, steps) => cell.compile_s + steps * stepOf(cell);
// How much more than `first` it takes, at least and at most: compile times have bounds, and so have the ratios of the speeds.
const speedOver = (cell, first, end, other) => cell[`over_best${end}`] / first[`over_best${other}`];
const excess = (cell, first) => [
  cell.compile_low_s - first.compile_high_s + chosen.steps * stepOf(first) * (1 / speedOver(cell, first, "_high", "_low") - 1),
  cell.compile_high_s - first.compile_low_s + chosen.steps * stepOf(first) * (1 / speedOver(cell, first, "_low", "_high") - 1),
];
const times = (c) => (c.over_eager == null ? "–" : `×${c.over_eager.toFixed(2)} ±${((c.over_eager_high - c.over_eager_low) / 2).toFixed(2)}${c.over_eager_verdict === "undecided" ? "?" : ""}`);
const row = () => alone.filter((c) => c.model === chosen.model && c.mode === chosen.mode);

function choose() {
  const every = row(), fast = every.filter((c) => c.step_s);
  const ranked = fast.filter((c) => c.over_best != null).sort((a, b) => total(a, chosen.steps) - total(b, chosen.steps));
  const aside = fast.filter((c) => c.over_best == null);  // not measured side by side with the others
  const answer = find("#answer");
  if (!answer) return;
  const many = `${chosen.steps.toLocaleString("en")} step${chosen.steps === 1 ? "" : "s"} of ${chosen.model}`;
  if (!fast.length) answer.textContent = `No stack has a speed for ${chosen.model} (${chosen.mode}).`;
  else if (!ranked.length) answer.textContent = `Undecided for ${many}: the stacks were not measured side by side.`;
  else {
    const first = ranked[0];
    const wins = (c) => { const [low, high] = excess(c, first); return c === first || low <= 0 || high <= data.band * total(first, chosen.steps); };
    const winners = ranked.filter(wins), second = ranked.find((c) => !wins(c));
    let text = `${winners.map((c) => c.stack).join(", ")} for ${many}: ${seconds(total(first, chosen.steps))}`;
    text += `, of which ${seconds(first.compile_s)} compile.`;
    if (winners.length > 1) text += " These cannot be told apart.";
    if (second) text += ` Next is ${second.stack}, ${seconds(total(second, chosen.steps))}.`;
    if (aside.length) text += ` Not measured side by side with them: ${aside.map((c) => c.stack).join(", ")}.`;
    answer.textContent = text;
  }
  drawCost(fast);
  drawTotal(fast);
  const body = find("#ranking tbody");
  body.replaceChildren(...[...ranked, ...aside].map((c) => {
    const cellTexts = [c.stack, seconds(total(c, chosen.steps)), seconds(c.compile_s), seconds(c.step_s), speed(c), times(c), c.break_even || "–", [...c.doubts, ...data.details[c.cell].notes].join("; ")];
    const line = make("tr");
    line.append(...cellTexts.map((text) => make("td", text)));
    return line;
  }), ...every.filter((c) => !c.step_s).map((c) => {
    const line = make("tr");
    line.append(make("td", c.stack), make("td", `${c.status}: ${c.reason}`, { colspan: 7 }));
    return line;
  }));
}

function drawCost(fast) {
  const shown = fast.map((c) => ({ ...c, items_per_second: throughput(c), compile_s: Math.max(c.compile_s, 1e-3), label: `${seconds(c.compile_s)} compile, ${speed(c)}` }));
  const low = Math.min(...shown.map((c) => c.compile_s)) / 2, high = Math.max(...shown.map((c) => c.compile_s)) * 2;
  const top = Math.max(...shown.map((c) => c.items_per_second)) * 1.3, bottom = Math.min(...shown.map((c) => c.items_per_second)) / 1.3;
  const breakEven = [];
  for (const eager of shown.filter((c) => c.eager)) {
    const items = eager.items_per_second * eager.step_s;
    for (let i = 0; i <= 60; i++) {  // a stack of this compile time has to be so fast
      const compile_s = Math.max(low, eager.compile_s) * (high / Math.max(low, eager.compile_s)) ** (i / 60);
      const step_s = eager.step_s - (compile_s - eager.compile_s) / chosen.steps;
      const items_per_second = items / step_s;
      if (step_s > 0 && items_per_second < top && items_per_second > bottom) breakEven.push({ compile_s, items_per_second, eager: eager.stack });
    }
  }
  const paid = fast.filter((c) => !c.eager && c.break_even_steps != null && c.break_even_steps <= chosen.steps).map((c) => c.stack);
  const never = fast.filter((c) => c.break_even.startsWith("never")).map((c) => c.stack);
  const open = fast.filter((c) => c.break_even === "not decided").map((c) => c.stack);
  const text = !fast.length ? "" : `After ${chosen.steps.toLocaleString("en")} steps compiling has paid for itself with ${paid.join(", ") || "no stack"}.${never.length ? ` It never does with ${never.join(", ")}, which ${never.length > 1 ? "are" : "is"} slower than eager.` : ""}${open.length ? ` Not decided: ${open.join(", ")}.` : ""}`;
  draw("cost", { cells: shown, break_even: breakEven }, `Compile time against throughput of ${chosen.model}. ${text}`);
  setText("cost", text);
}

function drawTotal(fast) {
  const totals = [], marks = [];
  for (const c of fast) {
    for (let i = 0; i <= 70; i++) {
      const steps = 10 ** (i / 10);
      totals.push({ stack: c.stack, steps, seconds: total(c, steps) });
    }
    marks.push({ stack: c.stack, steps: chosen.steps, seconds: total(c, chosen.steps) });
  }
  const fastest = (fast.length && data.ranges[`${chosen.model} ${chosen.mode}`]) || [];
  const between = (g) => ` (between ${g.low.toLocaleString("en")} and ${g.high.toLocaleString("en")})`;
  const text = fastest.map((g, i) => (i ? `from ${g.from.toLocaleString("en")} steps on ${g.stack}${between(g)}` : `${g.stack} from the first step`)).join(", ");
  draw("total", { totals, marks, chosen: [{ steps: chosen.steps }] }, `Total time against steps. Least time: ${text}.`);
  setText("total", text ? `Least time: ${text}.` : "");
}

function setSteps(value) {
  chosen.steps = Math.min(1e7, Math.max(1, Math.round(value) || 1));
  find("#steps").value = Math.log10(chosen.steps);
  find("#steps").setAttribute("aria-valuetext", `${chosen.steps.toLocaleString("en")} steps`);
  if (document.activeElement !== find("#steps-number")) find("#steps-number").value = chosen.steps;
  choose();
}

// ---- the matrix ---------------------------------------------------------------------------------------------------
// Of the chosen name: [number or null, text], and how to colour it from −1 (bad) to 1 (good).
const RATIOS = {
  over_eager: { text: (c) => (c.over_eager == null ? speed(c) : times(c)), strength: (number) => Math.log2(number) / 2 },
  over_best: { text: (c) => (c.over_best == null ? "–" : `×${c.over_best.toFixed(2)}`), strength: null },
  share_of_machine_peak: { text: (c) => (c.share_of_machine_peak == null ? "–" : `${Math.round(100 * c.share_of_machine_peak)} %`), strength: (number) => number },
};

function colour() {
  const name = find("#metric").value, metric = data.metrics.find((m) => m.name === name), ratio = RATIOS[name];
  const rows = new Map();  // numbers are compared within a model
  for (const c of cells.values()) {
    const key = `${c.model} ${c.mode}`;
    if (c.status === "ok") (rows.get(key) || rows.set(key, []).get(key)).push(value(c, name));
  }
  for (const button of all("button.cell")) {
    const cell = cells.get(button.dataset.cell), shown = button.querySelector(".value");
    button.classList.remove("good", "bad");
    const number = value(cell, name), ok = cell.status === "ok";
    if (!ok && (ratio || number == null)) { shown.textContent = cell.status; continue; }
    const text = ratio ? ratio.text(cell) : number == null ? "–" : formatted(metric, cell);
    shown.textContent = ok ? text : `${cell.status}, ${text}`;
    if (number == null || !ok) continue;
    const others = rows.get(`${cell.model} ${cell.mode}`).filter((x) => x != null);
    let strength;  // −1 … 1
    if (ratio && ratio.strength) strength = ratio.strength(number);
    else if (metric && metric.zero_is_ideal) strength = number ? -Math.min(1, number / 4) : 0.3;
    else if (metric && !metric.coloured) strength = 0;
    else {
      const low = Math.log(Math.max(1e-12, Math.min(...others))), high = Math.log(Math.max(1e-12, Math.max(...others)));
      strength = high > low ? (metric ? metric.better : 1) * (2 * (Math.log(Math.max(1e-12, number)) - low) / (high - low) - 1) : 0;
    }
    button.classList.add(strength >= 0 ? "good" : "bad");
    button.style.setProperty("--p", `${Math.round(50 * Math.min(1, Math.abs(strength)))}%`);
  }
}

// ---- the whole run ------------------------------------------------------------------------------------------------
function drawRoofline() {
  const shown = data.cells.filter((c) => c.flops_per_byte != null);
  if (!shown.length) return;
  const points = shown.map((c) => ({ ...c, label: `${digits(c.flops_per_s / 1e9)} Gflop/s${c.share_of_machine_peak == null ? "" : `, ${digits(100 * c.share_of_machine_peak, 2)} % of the machine peak`}` }));
  const at = shown.map((c) => c.flops_per_byte), low = Math.min(...at) / 2, high = Math.max(...at) * 2, bound = [];
  if (data.roofline && shown.some((c) => c.share_of_machine_peak != null)) {  // it applies to no other cells
    const ridge = data.roofline.flops_per_s / data.roofline.bytes_per_s;
    for (const x of [low, Math.min(Math.max(ridge, low), high), high]) bound.push({ flops_per_byte: x, flops_per_s: Math.min(data.roofline.flops_per_s, x * data.roofline.bytes_per_s) });
  }
  const models = [...new Map(shown.map((c) => [c.model, c])).keys()].map((model) => {
    const top = shown.filter((c) => c.model === model).reduce((a, b) => (b.flops_per_s > a.flops_per_s ? b : a));
    return { model, flops_per_byte: top.flops_per_byte, flops_per_s: top.flops_per_s };
  });
  draw("roofline", { cells: points, bound, models }, "Flops per second against flops per byte of each cell, with the machine peak; the table below has the numbers.");
}
function drawTrend() {
  const select = find("#trend-cell");
  if (!select) return;
  const series = data.trends.series[Number(select.value)];
  if (!series) return;
  const points = series.index.map((run, i) => ({ index: run + 1, value: series.values[i], ...data.trends.runs[run], label: series.values[i] == null ? "" : seconds(series.values[i]) })).filter((p) => p.value != null);
  const shifts = series.shifts.map(([run, ratio]) => ({ index: run + 1, label: `×${ratio.toFixed(2)}` }));
  const text = series.shifts.length ? series.shifts.map(([run, ratio]) => `×${ratio.toFixed(3)} from run ${data.trends.runs[run].run} (${data.trends.runs[run].commit}) on`).join(", ") : "no level shift found";
  draw("trend", { points, shifts }, `${series.cell} over runs: ${text}.`);
  setText("trend", `${points.length} runs with a speed: ${text}.`);
}
function download(id, type, text) {
  find(id).addEventListener("click", (event) => { event.currentTarget.href = URL.createObjectURL(new Blob([text()], { type })); });
}

if (find("#metric")) {
  colour();
  find("#metric").addEventListener("change", colour);
}
find("main").addEventListener("click", (event) => {
  const button = event.target.closest("button.cell");
  if (!button) return;
  const cell = cells.get(button.dataset.cell);
  open(cell.cell, true);
});
if (find("#choose")) {
  find("#model").addEventListener("change", (event) => { chosen.model = event.target.value; choose(); });
  if (find("#mode")) find("#mode").addEventListener("change", (event) => { chosen.mode = event.target.value; choose(); });
  find("#steps").addEventListener("input", (event) => setSteps(10 ** event.target.value));
  find("#steps-number").addEventListener("input", (event) => { if (event.target.value) setSteps(Number(event.target.value)); });
  find("#steps-number").addEventListener("change", (event) => { event.target.value = chosen.steps; });
  find("#model").value = chosen.model;
  if (find("#mode")) find("#mode").value = chosen.mode;
  setSteps(1000);
}
drawRoofline();
if (data.changes && data.changes.length) draw("changes", { changes: data.changes, one: [{ ratio: 1 }] }, "Ratios of candidate to baseline with their intervals; the table below has the values.", data.changes.length);
if (data.trends) { drawTrend(); find("#trend-cell").addEventListener("change", drawTrend); }
const first = find("#cell") && data.cells.find((c) => data.details[c.cell].phases.length && c.step_s) || find("#cell") && data.cells[0];
if (first) open(first.cell, false);
const field = (value) => {
  let text = value == null ? "" : String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;  // no spreadsheet's formula
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
download("#csv", "text/csv", () => [columns, ...data.cells.map((cell) => columns.map((name) => field(value(cell, name))))].map((line) => line.join(",")).join("\r\n") + "\r\n");
download("#json", "application/json", () => JSON.stringify({ run: data.run, roofline: data.roofline, cells: data.cells, details: data.details }, null, 1));
addEventListener("beforeprint", () => { for (const node of [...waiting.keys()]) paint(node); });
document.documentElement.dataset.ready = "true";
