/* One chart: lines of runs over steps, with a readout at the pointer. */

const SIZE = { width: 380, height: 210, left: 46, right: 8, top: 8, bottom: 22 };
const FEW = 20; /* a line of no more points shows each of them, and no running mean */
const SAID = 5; /* values of no more runs are told without a pointer */

function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/* The mean of each value and those before it, at most `window` in all. */
function runningMean(values, window) {
  return values.map((_, place) => {
    const own = values.slice(Math.max(0, place + 1 - window), place + 1);
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
}

function round(value) {
  return Number(value.toPrecision(4)).toString();
}

/* About `count` round numbers from low to high. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((lead) => rough <= power * lead * 1.0001);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) found.push(Number((n * step).toPrecision(12)));
  return found;
}

/* The lines of the shown runs: every seed, and the mean over all of them at the steps that all have. */
function visibleLines(chart, shown, window) {
  return chart.lines.filter((line) => shown.has(line.group)).map((line) => {
    const seeds = line.seeds.map(({ steps, values }) =>
      new Map(runningMean(values, chart.smooth && values.length > FEW ? window : 1).map((value, place) => [steps[place], value])));
    const common = [...seeds[0].keys()].filter((step) => seeds.every((seed) => seed.has(step)));
    const mean = new Map(common.map((step) => [step, seeds.reduce((sum, seed) => sum + seed.get(step), 0) / seeds.length]));
    return { group: line.group, seeds, mean, steps: [...new Set(seeds.flatMap((seed) => [...seed.keys()]))].sort((a, b) => a - b) };
  });
}

function scaleOf(lines) {
  const steps = lines.flatMap((line) => line.steps);
  const values = lines.flatMap((line) => line.seeds.flatMap((seed) => [...seed.values()]));
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
  [low, high] = [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
  const across = SIZE.width - SIZE.left - SIZE.right;
  const down = SIZE.height - SIZE.top - SIZE.bottom;
  return {
    first, last, low, high,
    x: (step) => SIZE.left + (across * (step - first)) / (last - first || 1),
    y: (value) => SIZE.top + down * (1 - (value - low) / (high - low)),
  };
}

function axes(scale) {
  const parts = [];
  for (const value of ticks(scale.low, scale.high, 5)) {
    const y = scale.y(value);
    parts.push(drawn("line", { class: "grid", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: y, y2: y }));
    parts.push(drawn("text", { class: "tick", x: SIZE.left - 5, y: y + 4, "text-anchor": "end" }, round(value)));
  }
  const steps = scale.last > scale.first ? ticks(scale.first, scale.last, 5).filter(Number.isInteger) : [scale.first];
  for (const step of steps) {
    parts.push(drawn("text", { class: "tick", x: scale.x(step), y: SIZE.height - 6, "text-anchor": "middle" }, String(step)));
  }
  return parts;
}

function pathOf(curve, scale) {
  return [...curve].map(([step, value], place) => `${place ? "L" : "M"}${scale.x(step).toFixed(1)} ${scale.y(value).toFixed(1)}`).join("");
}

function lineParts(line, scale, run) {
  const group = drawn("g", { class: "run" });
  group.style.setProperty("--colour", run.colour);
  if (line.seeds.length > 1) {
    for (const seed of line.seeds) group.append(drawn("path", { class: "line seed", d: pathOf(seed, scale) }));
  }
  group.append(drawn("path", { class: "line", d: pathOf(line.mean, scale), "stroke-dasharray": run.dash }));
  if (line.mean.size <= FEW) {
    for (const [step, value] of line.mean) group.append(drawn("circle", { class: "dot", cx: scale.x(step), cy: scale.y(value), r: 2.6 }));
  }
  return group;
}

function nearest(steps, asked) {
  return steps.reduce((best, step) => (Math.abs(step - asked) < Math.abs(best - asked) ? step : best));
}

/* What every line says at a step, or at its own step next to it. */
function readout(lines, runs, asked) {
  return lines.map((line) => {
    const step = nearest(line.steps, asked);
    const values = line.seeds.filter((seed) => seed.has(step)).map((seed) => seed.get(step));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const range = values.length > 1 ? ` (${round(Math.min(...values))} to ${round(Math.max(...values))})` : "";
    const own = step === asked ? "" : ` at step ${step}`;
    const few = values.length < line.seeds.length ? `, ${values.length} of ${line.seeds.length} seeds` : "";
    return `${runs[line.group].name} ${round(mean)}${range}${own}${few}`;
  }).join("; ");
}

/* Fill a chart's picture and its readout anew. */
function redraw(figure, chart, runs, shown, window) {
  const lines = visibleLines(chart, shown, window);
  const [svg, output] = [figure.querySelector("svg"), figure.querySelector("output")];
  svg.replaceChildren();
  svg.onpointermove = svg.onpointerleave = null;
  output.textContent = lines.length ? "" : "No shown run has this.";
  if (!lines.length) return;
  const scale = scaleOf(lines);
  const cursor = drawn("line", { class: "cursor", y1: SIZE.top, y2: SIZE.height - SIZE.bottom, visibility: "hidden" });
  svg.append(...axes(scale), ...lines.map((line) => lineParts(line, scale, runs[line.group])), cursor);
  const last = `Step ${scale.last}: ${readout(lines, runs, scale.last)}`;
  svg.setAttribute("aria-label", `${chart.title}. ${last}`);
  const rest = lines.length > SAID ? `${lines.length} runs; their values stand here at the pointer` : last;
  output.textContent = rest;
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * SIZE.width;
    const asked = scale.first + ((across - SIZE.left) / (SIZE.width - SIZE.left - SIZE.right)) * (scale.last - scale.first);
    const step = nearest(lines.flatMap((line) => line.steps), asked);
    for (const name of ["x1", "x2"]) cursor.setAttribute(name, scale.x(step));
    cursor.setAttribute("visibility", "visible");
    output.textContent = `Step ${step}: ${readout(lines, runs, step)}`;
  };
  svg.onpointerleave = () => {
    cursor.setAttribute("visibility", "hidden");
    output.textContent = rest;
  };
}
