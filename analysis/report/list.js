/* The list of samples: every entry is made once and hidden where it does not match; the browser skips painting
   entries that are out of sight (content-visibility). */

const list = document.getElementById("list");
const entries = new Map();

function entryLabel(item) {
  const outcomes = item.answers.map((answer) => `${runs[answer.run]}: ${states[answer.state]}`);
  return [item.id, item.column, ...outcomes].join(", ");
}

function entry(item, place) {
  const marks = runs.map((name, run) => {
    const state = stateUnder(item, run);
    const one = state === null ? element("span", { class: "mark missing", "aria-hidden": "true" }, "–") : mark(state);
    one.title = `${name}: ${state === null ? "no answer" : states[state]}`;
    return one;
  });
  return element(
    "div",
    { role: "option", id: "entry-" + place, "aria-label": entryLabel(item), "data-place": place },
    element("span", { class: "name", title: item.id }, element("bdi", {}, item.id)),
    element("span", { class: "column" }, item.column),
    element("span", { class: "marks" }, ...marks),
  );
}

function showEntries(matching, shown) {
  const found = new Set(matching);
  for (const [item, node] of entries) {
    node.hidden = !found.has(item);
    node.setAttribute("aria-selected", String(item === shown));
  }
  list.setAttribute("aria-activedescendant", entries.get(shown).id);
  revealEntry(entries.get(shown));
}

/* Scrolls the list and never the page. */
function revealEntry(node) {
  if (node.hidden) return;
  const [box, frame] = [node.getBoundingClientRect(), list.getBoundingClientRect()];
  if (box.top < frame.top || box.bottom > frame.bottom) list.scrollTop += box.top - frame.top - frame.height / 3;
  if (box.left < frame.left || box.right > frame.right) list.scrollLeft += box.left - frame.left - frame.width / 3;
}

/* Home, End and page keys, besides the arrows that step. Returns where to go among the matching samples. */
function listTarget(key, place, length) {
  const page = Math.max(1, Math.floor(list.clientHeight / 64));
  const targets = {
    ArrowUp: place - 1,
    ArrowDown: place + 1,
    PageUp: place - page,
    PageDown: place + page,
    Home: 0,
    End: length - 1,
  };
  return key in targets ? Math.max(0, Math.min(length - 1, targets[key])) : null;
}

function prepareList(choose, move) {
  items.forEach((item, place) => entries.set(item, entry(item, place)));
  list.append(...entries.values());
  list.addEventListener("click", (event) => {
    const node = event.target.closest("[role=option]");
    if (node) choose(items[Number(node.dataset.place)]);
  });
  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (move(event.key)) event.preventDefault();
  });
}
