/* Where we are: the address, the filters, the shown sample, the score and the selected token follow each other. */

const view = document.getElementById("sample");
const count = document.getElementById("count");
const previous = document.getElementById("previous");
const next = document.getElementById("next");
const filterBox = document.getElementById("filter-box");
const narrow = matchMedia("(max-width: 63.99rem)");
let matching = items;
let shown = items[0];
let score = DEFAULT_SCORE;
let selected = null;
let rendered = null;
let lastChange = null;

const heat = {
  score: () => score,
  rescore: (name) => {
    score = name;
    rendered.recolour();
    remember("score");
  },
  select: (token) => {
    const same = token && selected && token.answer === selected.answer && token.token === selected.token;
    const before = selected;
    selected = same ? null : token;
    const held = rendered.selected(selected);
    if (held && !selected) focusToken(before);
    remember("token");
  },
};

/* The keyboard goes back to the token whose grid was taken off. */
function focusToken(token) {
  const card = view.querySelectorAll(".card")[token.answer];
  card.querySelector(`[data-token="${token.token}"]`).focus();
}

function position() {
  const place = matching.indexOf(shown);
  if (!matching.length) return `0 of ${items.length} match`;
  if (place < 0) return `outside the filter; ${matching.length} of ${items.length} match`;
  if (matching.length === items.length) return `${place + 1} of ${items.length}`;
  return `${place + 1} of ${matching.length} matching, ${items.length} in all`;
}

function countActive(filter) {
  const active = Object.values(filter).filter(Boolean).length + (flow.cell ? 1 : 0);
  document.getElementById("active").textContent = active ? ` · ${active} active` : "";
}

/* A link may name a sample that the filters leave out: it is shown all the same. */
function update(linked) {
  hideTip();
  const filter = chosen();
  const pool = matchingItems(filter);
  matching = flow.cell ? pool.filter((item) => inCell(item, flow.cell)) : pool;
  if (runs.length > 1) countFlow(pool);
  countActive(filter);
  if (!linked && matching.length && !matching.includes(shown)) [shown, selected] = [matching[0], null];
  count.textContent = position();
  showEntries(matching, shown);
  for (const button of [previous, next]) button.disabled = !matching.length;
  if (matching.length || linked) {
    rendered = renderSample(view, shown, heat);
    if (selected) rendered.selected(selected);
  } else view.replaceChildren(element("p", { class: "quiet" }, "No sample matches these filters."));
}

function address() {
  const parts = new URLSearchParams({ sample: shown.id });
  for (const [name, value] of Object.entries(chosen())) if (value) parts.set(name, value);
  if (flow.against !== 1) parts.set("against", runs[flow.against]);
  if (flow.cell) {
    parts.set("from", states[flow.cell.from]);
    parts.set("to", states[flow.cell.to]);
  }
  if (score !== DEFAULT_SCORE) parts.set("score", score);
  if (selected) parts.set("token", `${selected.answer}.${selected.token}`);
  return "#" + parts;
}

/* Going back undoes one choice; letters typed, steps and tokens in a row count as one. */
function remember(change) {
  const again = change === lastChange && ["text", "step", "token"].includes(change);
  lastChange = change;
  if (address() === location.hash) return;
  history[again ? "replaceState" : "pushState"](null, "", address());
}

function changed(change) {
  update(false);
  remember(change);
}

function show(item, change) {
  [shown, selected] = [item, null];
  changed(change);
  const top = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
  if (view.getBoundingClientRect().top < top - 1) view.scrollIntoView();
}

function step(by) {
  if (!matching.length) return;
  const place = matching.indexOf(shown);
  const start = place < 0 && by < 0 ? 0 : place;
  show(matching[(start + by + matching.length) % matching.length], "step");
}

/* Returns whether the key was for the list. */
function moveInList(key) {
  const target = matching.length ? listTarget(key, matching.indexOf(shown), matching.length) : null;
  if (target !== null) show(matching[target], "step");
  return target !== null;
}

function setControl(control, value) {
  control.value = value;
  if (control.selectedIndex === -1) control.selectedIndex = 0;
}

function readFlow(parts) {
  const run = runs.indexOf(parts.get("against"));
  flow.against = run > 0 ? run : 1;
  const [from, to] = [states.indexOf(parts.get("from")), states.indexOf(parts.get("to"))];
  flow.cell = runs.length > 1 && from >= 0 && to >= 0 ? { from, to } : null;
  if (flow.show) flow.show();
}

/* "1.7" is the eighth token of the second answer; anything that is not there selects nothing. */
function readToken(text) {
  const [answer, token] = (text || "").split(".").map(Number);
  const found = shown.answers[answer];
  return found && found.patches && found.patches.effects[token] ? { answer, token } : null;
}

function followAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  for (const [name, control] of controls) setControl(control, parts.get(name) || "");
  readFlow(parts);
  score = SCORES.has(parts.get("score")) ? parts.get("score") : DEFAULT_SCORE;
  const linked = items.find((item) => item.id === parts.get("sample"));
  shown = linked || items[0];
  selected = readToken(parts.get("token"));
  lastChange = null;
  update(Boolean(linked));
  if (parts.has("sample") && !linked) count.textContent += `; no sample is called ${parts.get("sample")}`;
  return parts.has("sample") || [...controls.values()].some((control) => control.value) || flow.cell !== null;
}

/* Links of the navigation scroll; the address stays that of the sample. */
function scrollBySection(event) {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  document.getElementById(link.hash.slice(1)).scrollIntoView();
}

function keyPressed(event) {
  if (event.key === "Escape") {
    hideTip();
    if (selected) heat.select(null);
    return;
  }
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const typing = event.target.closest("input, select, pre, .wide");
  if (!by || typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  step(by);
}

function clearAll() {
  flow.cell = null;
  if (flow.show) flow.show();
  changed("filter");
}

prepareFilters();
prepareFlow(changed);
prepareList((item) => show(item, "list"), moveInList);
form.addEventListener("input", (event) => changed(event.target.name === "text" ? "text" : "filter"));
form.addEventListener("reset", () => setTimeout(clearAll));
form.addEventListener("submit", (event) => event.preventDefault());
previous.addEventListener("click", () => step(-1));
next.addEventListener("click", () => step(1));
document.addEventListener("keydown", keyPressed);
document.addEventListener("click", (event) => tipped && !event.target.closest("[data-token], [data-cell]") && hideTip());
document.querySelector("nav").addEventListener("click", scrollBySection);
addEventListener("popstate", followAddress);
if (narrow.matches) filterBox.open = false; // their number stays in sight
if (followAddress()) document.getElementById("samples").scrollIntoView();
document.documentElement.dataset.ready = "";
