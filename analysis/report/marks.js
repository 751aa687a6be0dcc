/* What every part of the browser uses: numbers, marks of states, the tip, moving by arrow keys. */

const data = embeddedData();
const { items, runs, states } = data;

/* Numbers were rounded when the page was written and are shown as they stand. */
function number(value) {
  return String(value).replaceAll("-", "−");
}

function signed(value) {
  return (value > 0 ? "+" : "") + number(value);
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/* A sign for the eye, a word for a screen reader. */
function sign(symbol, word = null) {
  const spoken = word === null ? null : element("span", { class: "spoken" }, word);
  return [element("span", { "aria-hidden": "true" }, symbol), spoken];
}

/* One sign per state that no other state has: colour alone would not do for everybody. */
const LETTERS = (() => {
  const letters = new Map([["right", "✓"], ["wrong", "✗"]]);
  const free = (letter) => /[A-Z0-9]/.test(letter) && ![...letters.values()].includes(letter);
  for (const state of states) {
    if (letters.has(state)) continue;
    const candidates = [...state.toUpperCase(), ..."123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
    letters.set(state, candidates.find(free) || "?");
  }
  return states.map((state) => letters.get(state));
})();

function mark(state) {
  return element("span", { class: "mark", "data-state": states[state], "aria-hidden": "true" }, LETTERS[state]);
}

function stateName(state) {
  return element("span", { class: "state" }, mark(state), " ", states[state]);
}

/* The tip: numbers of whatever is pointed at, tapped or focused. Its lines are [name, value] or plain strings. */

const tip = element("div", { id: "tip", role: "tooltip", hidden: "" });
document.body.append(tip);
let tipped = null;

function showTip(node, title, lines) {
  if (tipped !== node) hideTip();
  tipped = node;
  const rows = lines.map(([name, value, chosen]) =>
    element("div", chosen ? { class: "chosen" } : {}, element("dt", {}, name), element("dd", {}, value)),
  );
  tip.replaceChildren(element("p", {}, title), element("dl", {}, ...rows));
  tip.hidden = false;
  node.setAttribute("aria-describedby", "tip");
  placeTip();
}

function placeTip() {
  const box = tipped.getClientRects()[0] || tipped.getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight) return hideTip();
  const width = document.documentElement.clientWidth;
  const below = box.bottom + 6 + tip.offsetHeight <= innerHeight;
  tip.style.left = Math.max(8, Math.min(box.left, width - tip.offsetWidth - 8)) + "px";
  tip.style.top = (below ? box.bottom + 6 : box.top - 6 - tip.offsetHeight) + "px";
}

function hideTip() {
  if (tipped) tipped.removeAttribute("aria-describedby");
  tipped = null;
  tip.hidden = true;
}

addEventListener("scroll", () => tipped && placeTip(), { passive: true, capture: true });

/* Shows the tip of whatever matches the selector inside the container. */
function tips(container, selector, show) {
  const showOne = (event) => {
    const node = event.target.closest(selector);
    if (node && container.contains(node)) show(node);
  };
  for (const kind of ["mouseover", "focusin", "click"]) container.addEventListener(kind, showOne);
  for (const kind of ["mouseleave", "focusout"]) container.addEventListener(kind, hideTip);
}

/* One tab stop for many things of a kind; arrow keys move among them, up and down too where rows have a `width`. */
function roving(container, selector, width) {
  const nodes = () => [...container.querySelectorAll(selector)];
  let current = null;
  const stop = (node) => {
    if (current) current.tabIndex = -1;
    current = node;
    node.tabIndex = 0;
  };
  for (const node of nodes()) node.tabIndex = -1;
  if (nodes().length) stop(nodes()[0]);
  container.addEventListener("focusin", (event) => {
    const node = event.target.closest(selector);
    if (node) stop(node);
  });
  container.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || !event.target.closest(selector)) return;
    event.preventDefault();
    event.stopPropagation();
    const all = nodes();
    const next = all[all.indexOf(document.activeElement) + by];
    if (next) next.focus();
  });
}
