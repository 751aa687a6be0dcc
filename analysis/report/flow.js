/* Flow: what the first run's samples became under another run, as a small table of counts that filters. */

const flow = { against: 1, cell: null };

function stateUnder(item, run) {
  const answer = item.answers.find((one) => one.run === run);
  return answer ? answer.state : null;
}

function statesUnder(run) {
  const found = new Set(items.map((item) => stateUnder(item, run)));
  return states.map((_, state) => state).filter((state) => found.has(state));
}

function inCell(item, cell) {
  return stateUnder(item, 0) === cell.from && stateUnder(item, flow.against) === cell.to;
}

function isCell(cell, from, to) {
  return cell !== null && cell.from === from && cell.to === to;
}

/* Green where an error was repaired, red where a right answer was lost, grey where nothing changed for the verdict. */
function flowKind(from, to) {
  const [before, after] = [states[from] === "right", states[to] === "right"];
  return before === after ? "kept" : after ? "repaired" : "lost";
}

function flowCell(from, to, count) {
  const label = `${states[from]} to ${states[to]}: ${plural(count, "sample")}`;
  const attributes = { type: "button", "aria-label": label, title: label, "data-from": from, "data-to": to };
  const kind = count ? flowKind(from, to) : "none";
  return element("td", {}, element("button", { ...attributes, class: kind }, count ? String(count) : "·"));
}

function flowTable() {
  const columns = statesUnder(flow.against);
  const head = columns.map((state) =>
    element("th", { scope: "col", title: states[state] }, mark(state), element("span", { class: "spoken" }, states[state])),
  );
  const rows = statesUnder(0).map((from) =>
    element("tr", {}, element("th", { scope: "row" }, stateName(from)), ...columns.map((to) => flowCell(from, to, 0))),
  );
  const corner = element("td", {}, element("span", { class: "spoken" }, "from, to"));
  const table = element("table", {}, element("thead", {}, element("tr", {}, corner, ...head)), element("tbody", {}, ...rows));
  roving(table, "button", columns.length);
  return table;
}

/* The counts are over samples that match everything but the flow itself, so that another cell can be chosen. */
function countFlow(pool) {
  const counts = new Map();
  let missing = 0;
  for (const item of pool) {
    const key = `${stateUnder(item, 0)} ${stateUnder(item, flow.against)}`;
    if (key.includes("null")) missing += 1;
    else counts.set(key, (counts.get(key) || 0) + 1);
  }
  for (const button of document.querySelectorAll("#flow button[data-from]")) {
    const [from, to] = [Number(button.dataset.from), Number(button.dataset.to)];
    const count = counts.get(`${from} ${to}`) || 0;
    const fresh = flowCell(from, to, count).firstChild;
    for (const name of ["class", "aria-label", "title"]) button.setAttribute(name, fresh.getAttribute(name));
    button.textContent = fresh.textContent;
    button.setAttribute("aria-pressed", String(isCell(flow.cell, from, to)));
  }
  const note = missing ? `${plural(missing, "sample")} without an answer of both runs.` : "";
  document.getElementById("flow-missing").textContent = note;
}

function prepareFlow(changed) {
  const box = document.getElementById("flow");
  if (runs.length < 2) return box.remove();
  const others = runs.slice(1).map((name, place) => element("option", { value: place + 1 }, name));
  const select = element("select", { "aria-label": "Run to compare with", name: "against" }, ...others);
  const holder = element("div", { class: "wide" });
  flow.show = () => {
    select.value = String(flow.against);
    holder.replaceChildren(flowTable());
  };
  select.addEventListener("input", (event) => {
    event.stopPropagation();
    Object.assign(flow, { against: Number(select.value), cell: null });
    flow.show();
    changed("filter");
  });
  holder.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const [from, to] = [Number(button.dataset.from), Number(button.dataset.to)];
    flow.cell = isCell(flow.cell, from, to) ? null : { from, to };
    changed("filter");
  });
  const target = runs.length === 2 ? element("b", {}, runs[1]) : select;
  box.append(
    element("p", { class: "flow-title" }, "From ", element("b", {}, runs[0]), " (rows) to ", target, " (columns)"),
    holder,
    element("p", { class: "quiet", id: "flow-missing" }),
    element("p", { class: "quiet" }, "Samples by their state in both runs. Choose a number to see only those."),
  );
  flow.show();
}
