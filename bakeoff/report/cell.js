"use strict";
// ---- one cell -----------------------------------------------------------------------------------------------------
function open(name, focus) {
  const cell = cells.get(name), detail = data.details[name];
  if (!cell) return;
  all("button.cell").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.cell === name)));
  find("#cell-title").textContent = name;
  find("#cell-status").textContent = cell.reason ? `${cell.status}: ${cell.reason}` : cell.status;
  find("#cell-body").hidden = false;
  const facts = [["status", cell.status], ["trials", String(cell.trials)]];
  if (cell.over_eager != null) facts.push([`× ${cell.framework}'s eager`, `${times(cell)}, ${cell.over_eager_verdict}`]);
  if (cell.break_even) facts.push(["compiling", cell.break_even]);
  if (cell.share_of_machine_peak != null) facts.push(["share of the machine peak", `${digits(100 * cell.share_of_machine_peak, 2)} %`]);
  for (const metric of data.metrics) if (cell.metrics[metric.name] != null) facts.push([metric.title, formatted(metric, cell)]);
  for (const doubt of cell.doubts) facts.push(["trust", doubt]);
  find("#cell-facts").replaceChildren(...facts.flatMap(([k, v]) => [make("dt", k), make("dd", v)]));
  find("#cell-command").textContent = cell.command;
  const has = { curves: detail.curves.length && cell.step_s, spread: detail.spread.length && cell.step_s, losses: detail.losses.length };
  for (const [what, there] of Object.entries(has)) find(`[data-needs="${what}"]`).hidden = !there;
  if (has.curves) drawWarmup(cell, detail);
  if (has.spread) drawSpread(detail);
  if (has.losses) drawLosses(detail);
  findings(detail);
  compiled(detail);
  drawPhases(cell);
  if (focus) find("#cell-title").focus();
}

function drawWarmup(cell, detail) {
  const curves = detail.curves.flatMap((curve, trial) => curve.y.map((us, i) => ({ trial: String(trial + 1), step: curve.x ? curve.x[i] : i, us })));
  const last = Math.max(...curves.map((p) => p.step)), from = detail.steady_from;
  const label = from <= last ? `steady from step ${from}` : "";
  const text = from <= last ? `Steady from step ${from} on.` : `The steady part begins at step ${from}, beyond what is drawn.`;
  draw("warmup", { curves, steady: label ? [{ step: from, label }] : [] }, `Microseconds of the first steps. ${text}`);
  setText("warmup", `${text} ${cell.verified ? "Verified over trials." : "Not verified: that takes two trials."}`);
}
function drawSpread(detail) {
  const spread = detail.spread.map((s, i) => ({ trial: String(i + 1), p5: s[0], p25: s[1], p50: s[2], p75: s[3], p95: s[4] }));
  const text = spread.map((s) => `trial ${s.trial}: ${digits(s.p50)} µs (${digits(s.p5)} to ${digits(s.p95)})`).join("; ");
  draw("spread", { spread }, `Steady step times by trial. ${text}`, spread.length);
  setText("spread", `Median (5th to 95th percentile) of ${text}.`);
}
function drawLosses(detail) {
  const losses = detail.losses.map((loss, step) => ({ step, loss, of: "this cell" })).concat(detail.reference_losses.map((loss, step) => ({ step, loss, of: "float64" })));
  draw("losses", { losses }, "Losses of the first training steps, beside those of the same steps in float64.");
  setText("losses", `First ${digits(detail.losses[0] ?? NaN, 5)}, last ${digits(detail.losses.at(-1) ?? NaN, 5)}.`);
}
function findings(detail) {
  const box = find("#cell-findings");
  box.replaceChildren();
  if (!detail.findings.length) return;
  box.append(make("h3", "Where it breaks"));
  for (const found of detail.findings) {
    box.append(make("p", `${found.kind}${found.count > 1 ? ` (${found.count} times)` : ""} at ${found.where}: ${found.reason}`));
    if (found.source.length) {
      const pre = make("pre", undefined, { tabindex: 0, "aria-label": `source at ${found.where}` });
      for (const [number, line] of found.source) {
        const here = found.where.endsWith(`:${number}`);
        pre.append(make("span", `${here ? ">" : " "} ${String(number).padStart(4)}  ${line}\n`, here ? { class: "here" } : {}));
      }
      box.append(pre);
    }
    if (found.hint) box.append(make("p", `What to do: ${found.hint}`));
  }
  if (detail.more_findings) box.append(make("p", `and ${detail.more_findings} more: bakeoff explain shows them`));
}
function compiled(detail) {
  const box = find("#cell-compiled");
  box.replaceChildren();
  if (detail.compiled) box.append(make("h3", "Compiled to"), make("p", detail.compiled));
  if (detail.kernels.length) {
    const table = make("table"), head = make("tr");
    head.append(...["kernel", "registers", "bytes spilled", "shared bytes"].map((t) => make("th", t)));
    table.append(head);
    for (const kernel of detail.kernels) {
      const line = make("tr");
      line.append(...kernel.map((value) => make("td", String(value))));
      table.append(line);
    }
    const scroll = make("div", undefined, { class: "scroll", tabindex: 0, role: "region", "aria-label": "kernels" });
    scroll.append(table);
    box.append(scroll);
  }
  if (detail.notes.length) {
    const list = make("ul");
    list.append(...detail.notes.map((note) => make("li", note)));
    box.append(make("h3", "Notes"), list);
  }
}
function drawPhases(cell) {
  const beside = data.cells.filter((c) => c.model === cell.model && c.mode === cell.mode && data.details[c.cell].phases.length);
  find("#phases").hidden = !beside.length;
  if (!beside.length) return;
  find("#phases-of").textContent = `${cell.model} (${cell.mode})`;
  const phases = beside.flatMap((c) => data.details[c.cell].phases.map(([phase, s], order) => ({ stack: c.stack, phase, seconds: Math.max(0, s), order })));
  draw("phases", { phases }, `Phases of the first call of ${cell.model}, by stack.`, beside.length);
  const list = make("ul");
  list.append(...beside.map((c) => make("li", `${c.stack}: ${data.details[c.cell].phases.map(([phase, s]) => `${phase} ${seconds(s)}`).join(", ")}`)));
  find('[data-text="phases"]').replaceChildren(list);
}
