/* Token heat map: colour steps, legends, the tokens of an answer with their numbers. */

const SCORES = new Map(data.scores.map((score) => [score.name, score]));
const DEFAULT_SCORE = SCORES.has("k3") ? "k3" : [...SCORES.keys()][0];

function colourStep(value, edges, twoSided) {
  const size = edges.filter((edge) => Math.abs(value) >= edge).length;
  return value < 0 ? (twoSided ? -size : 0) : size;
}

/* A bar of colours with the borders of its steps beneath, and what its two ends mean. */
function scaleBar(edges, twoSided, low, high) {
  const bar = element("div", { class: "scale", "aria-hidden": "true" });
  for (let step = twoSided ? -edges.length : 0; step <= edges.length; step++) {
    const border = step > 0 ? edges[step - 1] : -edges[-step];
    const first = step === (twoSided ? -edges.length : 0);
    bar.append(element("span", { "data-step": step }, element("i", {}, first ? "" : number(border))));
  }
  const ends = element("p", { class: "ends" }, element("span", {}, low), element("span", {}, high));
  return [bar, ends];
}

function withUnit(text, unit) {
  return unit ? `${text} ${unit}` : text;
}

function scoreText(score, value) {
  return withUnit(score.signed ? signed(value) : number(value), score.unit);
}

function tokenText(answer, place) {
  return data.texts[answer.tokens.texts[place]];
}

function tokenLines(answer, place, chosenScore) {
  const { logprobs, masked, scores } = answer.tokens;
  const lines = Object.entries(scores).map(([name, values]) => [
    name.replaceAll("_", " "),
    scoreText(SCORES.get(name), values[place]),
    name === chosenScore,
  ]);
  return [["log p", withUnit(number(logprobs[place]), "nats")], ["log p, masked", withUnit(number(masked[place]), "nats")], ...lines];
}

function tokenSpan(answer, place) {
  const text = tokenText(answer, place);
  const span = element("span", { "data-token": place }, text);
  if (/^\s*\n\s*$/.test(text)) span.classList.add("newline");
  if (answer.patches) {
    span.setAttribute("role", "button");
    span.setAttribute("aria-pressed", "false");
  }
  return span;
}

/* The tokens of an answer; `select` gets the number of the one that was clicked, or on which Enter was pressed. */
function tokenBox(answer, chosenScore, select) {
  const places = answer.tokens.texts.map((_, place) => place);
  const label = `Response of ${runs[answer.run]}, token by token`;
  const box = element("div", { class: "response tokens", role: "group", "aria-label": label });
  box.append(...places.map((place) => tokenSpan(answer, place)));
  if (answer.patches) box.classList.add("selectable");
  roving(box, "[data-token]", 0);
  tips(box, "[data-token]", (span) => {
    const place = Number(span.dataset.token);
    showTip(span, `${JSON.stringify(tokenText(answer, place))} · token ${place + 1}`, tokenLines(answer, place, chosenScore()));
  });
  const choose = (event) => {
    const span = event.target.closest("[data-token]");
    if (span && answer.patches) select(Number(span.dataset.token));
  };
  box.addEventListener("click", choose);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(event);
  });
  return box;
}

/* Colours the tokens by a score; returns a sentence on their mean. */
function colourTokens(box, answer, name) {
  const score = SCORES.get(name);
  const values = answer.tokens.scores[name];
  for (const span of box.querySelectorAll("[data-token]")) {
    span.dataset.step = values ? colourStep(values[Number(span.dataset.token)], score.edges, score.signed) : 0;
  }
  if (!values) return `${name.replaceAll("_", " ")} was not measured for this answer.`;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const text = scoreText(score, Number(mean.toPrecision(3)));
  return `Mean ${name.replaceAll("_", " ")} ${text} over ${plural(values.length, "token")}.`;
}

function heatLegend(name) {
  const { label, unit, low, high, edges, signed: twoSided } = SCORES.get(name);
  return [
    element("p", {}, "Token colour: " + label + (unit ? `, in ${unit}` : "")),
    ...scaleBar(edges, twoSided, low, high),
  ];
}

function scoreSelect(current, changed) {
  const select = element("select", { "aria-label": "Score that colours the tokens" });
  for (const name of SCORES.keys()) select.append(element("option", { value: name }, name.replaceAll("_", " ")));
  select.value = current;
  select.addEventListener("input", () => changed(select.value));
  return element("label", { class: "score" }, "Colour tokens by ", select);
}
